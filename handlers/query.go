package handlers

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/subledger/subledger/domain"
)

// Query is a request's query read like an object of texts: the getters of Object take numbers and
// booleans as text. Pointers are the parameters' names, and everything wrong is Malformed.
type Query struct {
	*Object
	repeated []string
}

// ReadQuery parses the query. It refuses with bad_query what cannot be decoded, invalid UTF-8 and
// U+0000. Of a repeated parameter the first counts, unless Once or Strict is called.
func ReadQuery(r *http.Request) (*Query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, domain.Refuse(domain.Malformed, "bad_query", "the query cannot be decoded")
	}
	n := node{kind: '{', names: make([]string, 0, len(values)), items: make([]node, 0, len(values))}
	q := &Query{}
	for name, list := range values {
		if badText(name) || slices.ContainsFunc(list, badText) {
			return nil, domain.Refuse(domain.Malformed, "bad_query", "the query holds text that is not UTF-8, or U+0000")
		}
		n.names = append(n.names, name)
		n.items = append(n.items, node{kind: '"', text: list[0]})
		if len(list) > 1 {
			q.repeated = append(q.repeated, name)
		}
	}
	slices.Sort(q.repeated)
	q.Object = &Object{Value: Value{c: &collector{query: true}, node: &n}}
	return q, nil
}

func badText(s string) bool { return !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 }

// Strict notes repeated parameters and those that no getter asked for, with the allowed list; call it
// after all getters.
func (q *Query) Strict() {
	rest := q.Rest()
	slices.Sort(rest)
	for _, name := range rest {
		allowed := "none"
		if known := slices.Sorted(slices.Values(q.known)); len(known) > 0 {
			allowed = strings.Join(known, ", ")
		}
		q.c.Bad(printable(name, 100), "unknown_parameter", "is not a parameter here; allowed: %s", allowed)
	}
	for _, name := range q.repeated {
		q.c.Bad(printable(name, 100), "repeated_parameter", "is given more than once")
	}
}

// Once notes parameters that were asked for and are repeated, where the first alone would be an answer to another question;
// call it after the getters.
func (q *Query) Once() {
	for _, name := range q.repeated {
		if slices.Contains(q.known, name) {
			q.c.Bad(printable(name, 100), "repeated_parameter", "is given more than once")
		}
	}
}

// Err is nil or a Malformed refusal with all that is wrong.
func (q *Query) Err() error { return q.c.Err() }
