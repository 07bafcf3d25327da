// Package domain is the pure core: what a command may do and what happened. It knows no database,
// no network, no clock and no randomness; the moment and all ids come in from outside.
package domain

import (
	"errors"
	"fmt"
)

// Kind classes a refusal; each dialect maps kinds and codes to its own statuses in one table.
type Kind string

const (
	Malformed       Kind = "malformed"       // the request cannot be read
	Invalid         Kind = "invalid"         // it can be read, and asks for something impossible
	Unauthenticated Kind = "unauthenticated" // no key, or not a valid one
	Forbidden       Kind = "forbidden"       // a valid key without the scope
	NotFound        Kind = "not_found"       // unknown here, which is also what a foreign id is
	Conflict        Kind = "conflict"        // possible in another state
	Gone            Kind = "gone"            // known here, and not to be had any more
	Stale           Kind = "stale"           // If-Match names another version
	TooLarge        Kind = "too_large"
	Unsupported     Kind = "unsupported" // media type
	RateLimited     Kind = "rate_limited"
	Unavailable     Kind = "unavailable" // try again later; nothing is half done
)

// Error is a refusal: an answer, not a fault. Code is stable and meant for programs, Detail for people.
type Error struct {
	Kind   Kind
	Code   string
	Detail string
	Fields []Field // the bad fields, all of them, for Malformed and Invalid
	State  string  // for Conflict: the state that stood in the way
}

// Field names one bad field of a request.
type Field struct {
	Pointer string // JSON pointer into the body, or the name of a query parameter or header
	Code    string
	Detail  string
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code
	}
	return e.Code + ": " + e.Detail
}

// Is matches on the code alone, so that a test can ask for &Error{Code: "already_canceled"}.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Refuse makes a refusal.
func Refuse(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Detail: fmt.Sprintf(format, args...)}
}

// RefuseField makes an Invalid refusal of a single field.
func RefuseField(pointer, code, format string, args ...any) *Error {
	detail := fmt.Sprintf(format, args...)
	return &Error{Kind: Invalid, Code: code, Detail: detail, Fields: []Field{{Pointer: pointer, Code: code, Detail: detail}}}
}

// AsRefusal tells a refusal from a fault.
func AsRefusal(err error) (*Error, bool) {
	var e *Error
	return e, errors.As(err, &e)
}
