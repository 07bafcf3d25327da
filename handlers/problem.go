package handlers

import (
	"net/http"
	"strings"

	"github.com/subledger/subledger/domain"
)

// problem is RFC 9457's body with our own members.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitzero"`
	Code      string         `json:"code"`
	RequestID string         `json:"requestId"`
	Retryable bool           `json:"retryable"`
	State     string         `json:"state,omitzero"` // of what stood in the way, for 409; the current version for 412
	Errors    []problemField `json:"errors,omitzero"`
}

type problemField struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// problemStatus is the whole table from kinds of refusal to statuses of /ledger/v1.
func problemStatus(kind domain.Kind) int {
	switch kind {
	case domain.Malformed:
		return http.StatusBadRequest
	case domain.Invalid:
		return http.StatusUnprocessableEntity
	case domain.Unauthenticated:
		return http.StatusUnauthorized
	case domain.Forbidden:
		return http.StatusForbidden
	case domain.NotFound:
		return http.StatusNotFound
	case domain.Conflict:
		return http.StatusConflict
	case domain.Gone:
		return http.StatusGone
	case domain.Stale:
		return http.StatusPreconditionFailed
	case domain.TooLarge:
		return http.StatusRequestEntityTooLarge
	case domain.Unsupported:
		return http.StatusUnsupportedMediaType
	case domain.RateLimited:
		return http.StatusTooManyRequests
	case domain.Unavailable:
		return http.StatusServiceUnavailable
	case MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case HeadersTooLarge:
		return http.StatusRequestHeaderFieldsTooLarge
	}
	return http.StatusInternalServerError
}

// Problem answers a refusal as application/problem+json.
func Problem(w http.ResponseWriter, r *http.Request, e *domain.Error) {
	status := problemStatus(e.Kind)
	p := problem{
		Type: "urn:subledger:problem:" + e.Code, Title: http.StatusText(status), Status: status, Detail: e.Detail,
		Code: e.Code, RequestID: CallOf(r).ID, State: e.State,
		Retryable: e.Kind == domain.Unavailable || e.Kind == domain.RateLimited,
	}
	for _, f := range e.Fields {
		p.Errors = append(p.Errors, problemField{strings.ToValidUTF8(f.Pointer, "?"), f.Code, strings.ToValidUTF8(f.Detail, "?")})
	}
	if len(e.Fields) == 1 && e.Fields[0].Pointer != "" && e.Detail == e.Fields[0].Detail { // alone, it does not say of what
		p.Detail = p.Errors[0].Pointer + ": " + p.Errors[0].Detail
	}
	if e.Kind == domain.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if err := writeJSON(w, status, "application/problem+json", p); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}
