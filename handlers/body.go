// Package handlers is the edge: it turns HTTP into commands and answers into HTTP, for our own API
// under /ledger/v1 and, in the packages below it, for the dialects. It owns no rule of the business.
package handlers

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// Limits of every body.
const (
	MaxBodyBytes = 1 << 20
	MaxBodyDepth = 100
	maxDigits    = 400 // of one number; no number a float64 holds exactly needs more to be told apart
	maxExponent  = 308 // 10^308 and more: most JSON readers would answer infinity soon
)

// node is one parsed JSON value. Kind is jsontext's: n, t, f, ", 0, {, [.
type node struct {
	kind  jsontext.Kind
	text  string   // of a string, or a number as it was written
	names []string // of an object, in the order of the document
	items []node   // of an object or array
}

// Body is a request's body, parsed and not yet understood. Getters on its values collect what is wrong
// with them; Err tells it all at once.
type Body struct {
	*collector
	root  node
	empty bool
}

// Read reads and parses a body that must be there. It refuses with too_large, unsupported_encoding,
// and, all Malformed, empty_body, bad_json, duplicate_key, too_deep, bad_text, number_out_of_range.
func Read(r *http.Request) (*Body, error) {
	b, err := ReadOptional(r)
	if err == nil && b.empty {
		return nil, domain.Refuse(domain.Malformed, "empty_body", "a JSON body is required")
	}
	return b, err
}

// receiveBody takes in a body before the time for its request begins: how long that takes is the client's, within the time
// that the server has for bodies. It is there to be read, with the error that came instead of its end.
func receiveBody(r *http.Request) time.Duration {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength > MaxBodyBytes {
		return 0
	}
	began := time.Now()
	data, err := io.ReadAll(io.LimitReader(r.Body, MaxBodyBytes+1))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failed{err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(data), rest), r.Body}
	return time.Since(began)
}

// failed is a reader that only fails.
type failed struct{ error }

func (f failed) Read([]byte) (int, error) { return 0, f.error }

// ReadOptional is Read for commands that say enough without a body: none at all stands for {}.
func ReadOptional(r *http.Request) (*Body, error) {
	for _, e := range r.Header["Content-Encoding"] {
		if e != "" && !strings.EqualFold(e, "identity") {
			return nil, domain.Refuse(domain.Unsupported, "unsupported_encoding", "bodies are not compressed here")
		}
	}
	if r.Body == nil {
		return Parse(nil)
	}
	// A declared size is refused before the first byte is read; MaxBytesReader sees to the others.
	if r.ContentLength > MaxBodyBytes {
		return nil, tooLarge()
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBodyBytes))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return nil, tooLarge()
	case err != nil:
		return nil, domain.Refuse(domain.Malformed, "incomplete_body", "the body ended early")
	}
	return Parse(data)
}

func tooLarge() *domain.Error {
	return domain.Refuse(domain.TooLarge, "too_large", "a body has at most %d bytes", MaxBodyBytes)
}

// Parse parses a whole document with the strictness of Read; no bytes, or only white space, stand for {}.
func Parse(data []byte) (*Body, error) {
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return &Body{collector: &collector{}, root: node{kind: '{'}, empty: true}, nil
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, domain.Refuse(domain.Malformed, "bad_json", "at byte 0: a byte-order mark")
	}
	p := parser{dec: jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(mutant.Active == mutant.DuplicateNames))}
	root, err := p.value()
	if err == nil {
		if _, err = p.dec.ReadToken(); err == nil {
			err = domain.Refuse(domain.Malformed, "bad_json", "at byte %d: text after the end", p.dec.InputOffset())
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return &Body{collector: &collector{}, root: root}, nil
}

// unreadable turns the parser's errors into one refusal with the byte at which reading ended.
func unreadable(err error) error {
	if _, ok := domain.AsRefusal(err); ok {
		return err
	}
	var syntactic *jsontext.SyntacticError
	if !errors.As(err, &syntactic) {
		return domain.Refuse(domain.Malformed, "bad_json", "the text ends too early")
	}
	code := "bad_json"
	if errors.Is(err, jsontext.ErrDuplicateName) {
		code = "duplicate_key"
	}
	detail := syntactic.Err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		detail = "the text ends too early"
	}
	e := domain.Refuse(domain.Malformed, code, "the body is not JSON that can be read, at byte %d: %s", syntactic.ByteOffset, printable(detail, 200))
	if code == "duplicate_key" {
		e.Fields = []domain.Field{{Pointer: string(syntactic.JSONPointer), Code: code, Detail: "the key is there twice"}}
	}
	return e
}

type parser struct{ dec *jsontext.Decoder }

func (p parser) value() (node, error) {
	tok, err := p.dec.ReadToken()
	if err != nil {
		return node{}, err
	}
	n := node{kind: tok.Kind()}
	switch n.kind {
	case '"':
		n.text = tok.String()
		return n, p.text(n.text)
	case '0':
		n.text = tok.String()
		return n, p.number(n.text)
	case '{', '[':
		if p.dec.StackDepth() > MaxBodyDepth {
			return n, domain.Refuse(domain.Malformed, "too_deep", "at byte %d: nested deeper than %d", p.dec.InputOffset(), MaxBodyDepth)
		}
	default:
		return n, nil
	}
	for p.dec.PeekKind() != closing(n.kind) {
		if n.kind == '{' {
			name, err := p.dec.ReadToken()
			if err != nil {
				return n, err
			}
			n.names = append(n.names, name.String())
			if err := p.text(name.String()); err != nil {
				return n, err
			}
		}
		item, err := p.value()
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
	_, err = p.dec.ReadToken()
	return n, err
}

func closing(open jsontext.Kind) jsontext.Kind {
	if open == '{' {
		return '}'
	}
	return ']'
}

// text refuses what Postgres cannot hold; jsontext has refused invalid UTF-8 and lone surrogates.
func (p parser) text(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return domain.Refuse(domain.Malformed, "bad_text", "at %s: a text holds U+0000", p.dec.StackPointer())
	}
	return nil
}

func (p parser) number(s string) error {
	d, ok := parseNumber(s)
	if !ok || d.exp+len(d.digits) > maxExponent || d.exp < -maxExponent-maxDigits {
		return domain.Refuse(domain.Malformed, "number_out_of_range", "at %s: the number is out of range", p.dec.StackPointer())
	}
	return nil
}

// JSONType tells whether a Content-Type is JSON in UTF-8.
func JSONType(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" {
		return false
	}
	charset, ok := params["charset"]
	return !ok || strings.EqualFold(charset, "utf-8")
}

// printable bounds foreign text that goes into an answer or a log: valid UTF-8, no control characters.
func printable(s string, maxBytes int) string {
	if len(s) > maxBytes {
		s = s[:maxBytes]
		for len(s) > 0 && !utf8.ValidString(s) && len(s) > maxBytes-utf8.UTFMax {
			s = s[:len(s)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || (r >= 0x80 && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '?'
		}
		return r
	}, s)
}
