package handlers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

// Whatever the bytes: no panic, refusals only, and what is taken is JSON to Go as well, has one
// canonical form, and can be asked for anything.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"a":1,"A":2}`, `[1e5,-0,"x"]`, `{"a":{"b":[null,true,1.5]}}`, `{"a":"\ud800"}`, `{"a":1,"a":1}`, "\xff", `1e400`, `{"t":"2026-02-30T00:00:00Z"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Parse(data)
		if err != nil {
			e, ok := domain.AsRefusal(err)
			require.True(t, ok, "%v", err)
			require.True(t, utf8.ValidString(e.Detail))
			return
		}
		if !b.Empty() {
			require.True(t, json.Valid(data))
		}
		again, err := Parse(b.Canonical())
		if err == nil { // the form quotes as Go does, which is not always JSON
			require.Equal(t, string(b.Canonical()), string(again.Canonical()))
		}
		o := b.Object()
		o.String("a", Required, Line, MaxBytes(3))
		o.Int("a", Min(0), OrText)
		o.Decimal("a", Places(4))
		o.Time("t")
		o.UUID("a")
		o.Bool("a")
		o.Enum("a", []string{"x"})
		for _, v := range o.List("a") {
			v.Object().Unknown()
		}
		o.Object("a").Unknown()
		o.Unknown()
		if err := b.Err(); err != nil {
			for _, field := range refused(err).Fields {
				require.True(t, utf8.ValidString(field.Pointer))
			}
		}
	})
}

func refused(err error) *domain.Error {
	e, _ := domain.AsRefusal(err)
	return e
}

func FuzzReadQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=1", "a=%zz", "a=1&a=2", "a=%00", "a;b", "%ff=1", "limit=-1e99"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: "/", RawQuery: raw}
		q, err := ReadQuery(r)
		if err != nil {
			require.Equal(t, domain.Malformed, refused(err).Kind)
			return
		}
		q.Int("limit", Min(1), Max(100))
		q.Time("from")
		q.Bool("b")
		q.Strict()
		if err := q.Err(); err != nil {
			require.Equal(t, domain.Malformed, refused(err).Kind)
		}
	})
}
