package handlers

import (
	"crypto/sha256"
	"net/http"
	"slices"
	"strconv"
)

// Canonical writes the body in a form that is the same for every way to write the same JSON: keys
// sorted by bytes, no white space, numbers as digits and exponent. It is for hashing, not for sending.
func (b *Body) Canonical() []byte { return b.root.canonical(nil) }

func (n node) canonical(to []byte) []byte {
	switch n.kind {
	case 'n':
		return append(to, "null"...)
	case 't':
		return append(to, "true"...)
	case 'f':
		return append(to, "false"...)
	case '"':
		return strconv.AppendQuote(to, n.text)
	case '0':
		d, _ := parseNumber(n.text) // read once already
		return append(to, d.String()...)
	case '[':
		to = append(to, '[')
		for i, item := range n.items {
			if i > 0 {
				to = append(to, ',')
			}
			to = item.canonical(to)
		}
		return append(to, ']')
	}
	order := make([]int, len(n.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if n.names[a] < n.names[b] {
			return -1
		}
		return 1 // names are unique
	})
	to = append(to, '{')
	for i, at := range order {
		if i > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendQuote(to, n.names[at])
		to = append(to, ':')
		to = n.items[at].canonical(to)
	}
	return append(to, '}')
}

// Fingerprint is what an idempotency key stands for: sha256 of method, path and canonical body.
func Fingerprint(r *http.Request, b *Body) [sha256.Size]byte {
	h := append(make([]byte, 0, 512), r.Method...)
	h = append(h, '\n')
	h = append(h, r.URL.EscapedPath()...)
	h = append(h, '\n')
	if b != nil {
		h = b.root.canonical(h)
	}
	return sha256.Sum256(h)
}
