package handlers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/subledger/subledger/projections"
)

// Sizes of a list's part.
const (
	defaultLimit = 25
	mostLimit    = 100
)

// cursors makes and reads cursors: opaque to clients, and bound by an HMAC to the path, the filters and
// the ledger that they were made for.
type cursors struct{ secret []byte }

const cursorTag = 12 // bytes of HMAC-SHA256: enough against chance and tinkering

func (c cursors) tag(r *http.Request, payload []byte) []byte {
	q := r.URL.Query()
	q.Del("cursor")
	q.Del("limit")
	h := hmac.New(sha256.New, c.secret)
	ledger := CallerOf(r).Ledger
	h.Write(ledger[:])
	h.Write([]byte(r.URL.Path + "?" + q.Encode() + "\n"))
	h.Write(payload)
	return h.Sum(nil)[:cursorTag]
}

// make encodes where the next part begins.
func (c cursors) make(r *http.Request, next any) (string, error) {
	payload, err := json.Marshal(next)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(c.tag(r, payload), payload...)), nil
}

// read decodes the parameter cursor into next; an absent one leaves it as it is. Refuses with bad_cursor.
func (c cursors) read(q *Query, r *http.Request, next any) {
	v := q.Get("cursor")
	if v.Absent() {
		return
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(v.String())
	if err != nil || len(data) < cursorTag || !hmac.Equal(data[:cursorTag], c.tag(r, data[cursorTag:])) ||
		json.Unmarshal(data[cursorTag:], next) != nil {
		v.Bad("bad_cursor", "is no cursor of this list with these filters")
	}
}

// page is one part of a list.
type page struct {
	Data       any     `json:"data"`
	NextCursor *string `json:"nextCursor"`
}

// keyset reads limit and cursor of a list in order of id.
func (a *API) keyset(q *Query, r *http.Request) projections.Keyset {
	var k projections.Keyset
	k.Limit = a.part(q, r, &k.After)
	return k
}

// part reads limit, and what a cursor says into after.
func (a *API) part(q *Query, r *http.Request, after any) (limit int) {
	limit = int(q.Int("limit", Min(1), Max(mostLimit)))
	if q.Get("limit").Absent() {
		limit = defaultLimit
	}
	a.cursors.read(q, r, after)
	return limit
}

// partOf begins the read of a list in order of positions that is narrowed by nothing else.
func (a *API) partOf(w http.ResponseWriter, r *http.Request) (after int64, limit int, err error) {
	q, err := ReadQuery(r)
	if err != nil {
		return 0, 0, err
	}
	limit = a.part(q, r, &after)
	q.Strict()
	if err := q.Err(); err != nil {
		return 0, 0, err
	}
	return after, limit, a.at(w, r)
}

// listPage answers the first k.Limit of items, which were read with one more to know whether there are any.
func listPage[T any](a *API, w http.ResponseWriter, r *http.Request, k projections.Keyset, items []T, id func(T) uuid.UUID, out func(T) any) error {
	return listBy(a, w, r, k.Limit, items, id, out)
}

// listBy is listPage for a list in order of something else, which mark tells of an item.
func listBy[T, M any](a *API, w http.ResponseWriter, r *http.Request, limit int, items []T, mark func(T) M, out func(T) any) error {
	p := page{}
	if len(items) > limit {
		items = items[:limit]
		next, err := a.cursors.make(r, mark(items[limit-1]))
		if err != nil {
			return err
		}
		p.NextCursor = &next
	}
	data := make([]any, len(items))
	for i, item := range items {
		data[i] = out(item)
	}
	p.Data = data
	return JSON(w, http.StatusOK, p)
}

// oneMore is the keyset to read with for listPage.
func oneMore(k projections.Keyset) projections.Keyset {
	k.Limit++
	return k
}

// statusFilter reads a status in either case.
func statusFilter(q *Query, name string, allowed []string) string {
	v := q.Get(name)
	if v.Absent() {
		return ""
	}
	s := strings.ToUpper(v.String())
	for _, known := range allowed {
		if s == known {
			return s
		}
	}
	v.Bad(codeBadEnum, "want one of %s", strings.Join(allowed, ", "))
	return ""
}
