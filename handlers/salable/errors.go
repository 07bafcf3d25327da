package salable

import (
	"net/http"
	"strings"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/handlers"
)

// statuses keep to the list that clients know: 400, 401, 403, 404, 500; any other is an "unknown error" to
// SDK 4 and later. Overload, outage and oversized headers are the exceptions.
var statuses = map[domain.Kind]int{
	domain.Malformed:          http.StatusBadRequest,
	domain.Invalid:            http.StatusBadRequest,
	domain.Conflict:           http.StatusBadRequest,
	domain.Stale:              http.StatusBadRequest,
	domain.TooLarge:           http.StatusBadRequest,
	domain.Unsupported:        http.StatusBadRequest,
	domain.Unauthenticated:    http.StatusUnauthorized,
	domain.Forbidden:          http.StatusForbidden,
	domain.NotFound:           http.StatusNotFound,
	handlers.MethodNotAllowed: http.StatusNotFound, // a path with another method is an unknown route
	handlers.Fault:            http.StatusInternalServerError,
	handlers.HeadersTooLarge:  http.StatusRequestHeaderFieldsTooLarge,
	domain.RateLimited:        http.StatusTooManyRequests,
	domain.Unavailable:        http.StatusServiceUnavailable,
}

// unknown is the text of a 404: the same for an id that nobody has and for another ledger's.
var unknown = map[string]string{
	"no_product":        "product not found",
	"no_plan":           "plan not found",
	"no_subscription":   "subscription not found",
	"no_payment_method": "the subscription has no payment method",
	"no_license":        "license not found",
	"no_task":           "event not found",
	"no_coupon":         "coupon not found",
	"no_permission":     "permission not found",
	"no_role":           "role not found",
	"no_user":           "user not found",
	"no_pricing_table":  "pricing table not found",
}

// properties are the names of what is wrong where a refusal says it by its code alone.
var properties = map[string]string{
	"key_reused":          uniqueKey,
	"bad_key":             uniqueKey,
	"bad_idempotency_key": uniqueKey,
}

const uniqueKey = "unique-key"

// validationErrors is the body of a 400 about fields.
type validationErrors struct {
	Errors []propertyError `json:"validationErrors"`
}

type propertyError struct {
	Property string `json:"property"`
	Error    string `json:"error"`
}

// plainError is the body of every other refusal.
type plainError struct {
	Error string `json:"error"`
}

// refuse is the dialect's Refuse.
func refuse(w http.ResponseWriter, r *http.Request, e *domain.Error) {
	status, ok := statuses[e.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	if e.Kind == handlers.MethodNotAllowed && (r.Method == http.MethodTrace || r.Method == http.MethodConnect) {
		status = http.StatusBadRequest
	}
	w.Header().Del("Allow")
	if err := handlers.JSON(w, status, errorBody(status, e)); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func errorBody(status int, e *domain.Error) any {
	if status == http.StatusBadRequest {
		if all := fieldErrors(e); len(all) > 0 {
			return validationErrors{all}
		}
	}
	text := strings.ToValidUTF8(e.Detail, "?")
	if status == http.StatusNotFound {
		if text, ok := unknown[e.Code]; ok {
			return plainError{text}
		}
		if e.Code != otherVersion {
			text = "not found"
		}
	}
	if text == "" {
		text = http.StatusText(status)
	}
	return plainError{text}
}

func fieldErrors(e *domain.Error) []propertyError {
	if p, ok := properties[e.Code]; ok {
		return []propertyError{{p, strings.ToValidUTF8(e.Detail, "?")}}
	}
	all := make([]propertyError, len(e.Fields))
	for i, f := range e.Fields {
		all[i] = propertyError{property(f.Pointer), strings.ToValidUTF8(f.Detail, "?")}
	}
	return all
}

// property is a JSON pointer as a dotted path; the whole body is "body".
func property(pointer string) string {
	if pointer == "" {
		return "body"
	}
	path := strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	return strings.ToValidUTF8(strings.NewReplacer("~1", "/", "~0", "~").Replace(path), "?")
}

// renamed gives fields of a command's refusal the names that they have in the request.
func renamed(err error, pointers map[string]string) error {
	e, ok := domain.AsRefusal(err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	named := *e
	named.Fields = make([]domain.Field, len(e.Fields))
	for i, f := range e.Fields {
		if to, ok := pointers[f.Pointer]; ok {
			f.Pointer = to
		}
		named.Fields[i] = f
	}
	return &named
}
