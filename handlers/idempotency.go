package handlers

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
)

// Command makes the store's request of a command: who asks, under which idempotency key, and what that
// key stands for. The body may be nil. Refuses with bad_idempotency_key, all Malformed.
func Command(r *http.Request, body *Body, c domain.Command) (eventstore.Request, error) {
	call := CallOf(r)
	key, err := idempotencyKey(r)
	if err != nil {
		return eventstore.Request{}, err
	}
	return eventstore.Request{
		Ledger: call.Caller.Ledger, Command: c, Key: key, Fingerprint: Fingerprint(r, body),
		Meta: eventstore.Meta{Actor: call.Caller.KeyID.String(), RequestID: call.ID, Key: key, Dialect: call.dialect.Name},
	}, nil
}

// idempotencyKey is the key, "" when none was sent. Salable's name for the header is unique-key.
func idempotencyKey(r *http.Request) (string, error) {
	sent := append(r.Header.Values("Idempotency-Key"), r.Header.Values("Unique-Key")...)
	switch {
	case len(sent) == 0:
		return "", nil
	case len(sent) > 1 && sent[0] != sent[1] || len(sent) > 2:
		return "", domain.Refuse(domain.Malformed, "bad_idempotency_key", "send one idempotency key")
	}
	key := sent[0]
	if !eventstore.ValidKey(key) {
		return "", domain.Refuse(domain.Malformed, "bad_idempotency_key", "an idempotency key is 1 to 255 printable ASCII characters")
	}
	return key, nil
}

// expect reads If-Match: a quoted version of the stream, or * for any.
func expect(r *http.Request, stream uuid.UUID) (*eventstore.Expectation, error) {
	sent := r.Header.Values("If-Match")
	if len(sent) == 0 || len(sent) == 1 && strings.TrimSpace(sent[0]) == "*" {
		return nil, nil
	}
	bad := domain.Refuse(domain.Malformed, "bad_if_match", `want one ETag as it was answered, such as "3", or *`)
	if len(sent) > 1 {
		return nil, bad
	}
	quoted := strings.TrimSpace(sent[0])
	if len(quoted) < 3 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return nil, bad
	}
	version, err := strconv.ParseInt(quoted[1:len(quoted)-1], 10, 64)
	if err != nil || version < 0 || etag(version) != quoted { // "01" and "+1" were never answered
		return nil, bad
	}
	return &eventstore.Expectation{Stream: stream, Version: version}, nil
}

// etag is the strong ETag of a stream's version.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// ResultHeaders says where a command's answer stands: Ledger-Position, and Idempotency-Replayed or
// Dry-Run when it was not decided now, or not written.
func ResultHeaders(w http.ResponseWriter, res eventstore.Result) {
	h := w.Header()
	h.Set("Ledger-Position", strconv.FormatInt(res.Position, 10))
	if res.Replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	if res.DryRun {
		h.Set("Dry-Run", "true")
	}
}
