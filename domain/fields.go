package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Most bytes of texts.
const (
	MaxName = 255    // names, titles, keys, ids that callers choose
	MaxText = 10_000 // descriptions
)

// Problems collects the bad fields of a request, so that its caller hears of all of them at once.
type Problems []Field

// Add notes a bad field.
func (p *Problems) Add(pointer, code, format string, args ...any) {
	*p = append(*p, Field{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// AddError notes a field that another check refused, under that refusal's code.
func (p *Problems) AddError(pointer string, err error) {
	switch e, ok := AsRefusal(err); {
	case err == nil:
	case ok:
		p.Add(pointer, e.Code, "%s", e.Detail)
	default:
		p.Add(pointer, "invalid", "%s", err)
	}
}

// Refusal is nil without a bad field. With one it is Invalid under that field's code, with several
// under invalid_fields.
func (p Problems) Refusal() error {
	switch len(p) {
	case 0:
		return nil
	case 1:
		return &Error{Kind: Invalid, Code: p[0].Code, Detail: p[0].Detail, Fields: p}
	}
	details := make([]string, len(p))
	for i, f := range p {
		details[i] = f.Pointer + ": " + f.Detail
	}
	return &Error{Kind: Invalid, Code: "invalid_fields", Detail: strings.Join(details, "; "), Fields: p}
}

// Line checks a required text of one line: 1 to 255 bytes of UTF-8 without control characters. It is
// kept byte for byte: no trimming, no normalising.
func (p *Problems) Line(pointer, code, text string) {
	p.line(pointer, code, text, MaxName)
}

// OptionalLine checks what may be absent or empty, else like Line up to limit bytes.
func (p *Problems) OptionalLine(pointer, code string, text *string, limit int) {
	if text != nil && *text != "" {
		p.line(pointer, code, *text, limit)
	}
}

func (p *Problems) line(pointer, code, text string, limit int) {
	switch {
	case text == "":
		p.Add(pointer, code, "it is empty")
	case len(text) > limit:
		p.Add(pointer, code, "it has %d bytes, at most %d are allowed", len(text), limit)
	case !utf8.ValidString(text):
		p.Add(pointer, code, "it is not valid UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		p.Add(pointer, code, "it holds a control character")
	}
}

// OptionalText checks a text of several lines: at most 10,000 bytes, tabs and line ends allowed.
func (p *Problems) OptionalText(pointer, code string, text *string) {
	if text == nil {
		return
	}
	rest := strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(*text)
	switch {
	case len(*text) > MaxText:
		p.Add(pointer, code, "it has %d bytes, at most %d are allowed", len(*text), MaxText)
	case rest != "":
		p.line(pointer, code, rest, MaxText)
	}
}

// OneOf checks an enum, case included.
func (p *Problems) OneOf(pointer, code, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	p.Add(pointer, code, "%.40q is not one of %s", value, strings.Join(allowed, ", "))
}

// Grantee checks the id of whoever is given a licence: a line that a check can name in its list, so without a comma,
// and without white space or brackets around it. Ids from before this rule are still found and taken back.
func (p *Problems) Grantee(pointer, id string) {
	const code = "bad_grantee"
	known := len(*p)
	p.Line(pointer, code, id)
	switch {
	case len(*p) > known:
	case strings.TrimSpace(id) != id:
		p.Add(pointer, code, "it begins or ends with white space")
	case strings.Contains(id, ","):
		p.Add(pointer, code, "it holds a comma, which parts ids in a list")
	case strings.HasPrefix(id, "[") && strings.HasSuffix(id, "]"):
		p.Add(pointer, code, "it is in brackets, which a list may be in")
	}
}

// ParseGrantee reads the id of whoever is given a licence; nil is nobody. What Grantee finds nothing wrong with is
// kept byte for byte, all else refused with bad_grantee.
func ParseGrantee(pointer string, id *string) (Personal, error) {
	if id == nil {
		return Personal{}, nil
	}
	var bad Problems
	bad.Grantee(pointer, *id)
	return Grantee(*id), bad.Refusal()
}

// Email checks an e-mail address in outline, at most 254 bytes: what lies around one @ at all.
func (p *Problems) Email(pointer, text string) {
	if text == "" {
		return
	}
	at := strings.LastIndexByte(text, '@')
	if at < 1 || at == len(text)-1 || strings.ContainsFunc(text, unicode.IsSpace) {
		p.Add(pointer, "bad_email", "this is not an e-mail address")
		return
	}
	p.line(pointer, "bad_email", text, 254)
}
