package handlers

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// maxFields bounds how many bad fields one answer lists.
const maxFields = 100

// Codes of bad fields.
const (
	codeRequired    = "required"
	codeWrongType   = "wrong_type"
	codeOutOfRange  = "out_of_range"
	codeAmountRange = "amount_out_of_range" // of amounts and quantities
	codeNotInteger  = "not_an_integer"
	codeBadUUID     = "bad_uuid"
	codeBadEnum     = "bad_enum"
	codeBadTime     = "bad_time"
	codeBadDecimal  = "bad_decimal"
	codeBadText     = "bad_text"
	codeTooLong     = "too_long"
	codeTooMany     = "too_many"
	codeUnknown     = "unknown_field"
	codeCase        = "case_variant"
)

// unreadableCodes are those that make a whole request Malformed: it does not have the shape that was
// asked for. The others are about content.
var unreadableCodes = []string{codeWrongType, codeBadUUID, codeCase}

// collector gathers what is wrong with a request, so that the caller learns it all at once.
type collector struct {
	bad     []domain.Field
	objects []*Object // visited ones: their keys are checked for case variants at the end
	query   bool      // values come from a query: all are text, and everything wrong is Malformed
}

// Bad adds a finding of the handler's own; Pointer is a JSON pointer into the body or a parameter's name.
func (c *collector) Bad(pointer, code, format string, args ...any) {
	if len(c.bad) < maxFields {
		c.bad = append(c.bad, domain.Field{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// Err is nil or a refusal with all bad fields: Malformed when the shape is wrong, otherwise Invalid. Its
// code is the fields' own when they agree, otherwise invalid_fields (invalid_query for a query).
func (c *collector) Err() error {
	for _, o := range c.objects {
		o.caseVariants()
	}
	c.objects = nil
	if len(c.bad) == 0 {
		return nil
	}
	e := &domain.Error{Kind: domain.Invalid, Code: c.bad[0].Code, Detail: c.bad[0].Detail, Fields: c.bad}
	for _, f := range c.bad {
		if f.Code != e.Code {
			e.Code = "invalid_fields"
		}
		if c.query || slices.Contains(unreadableCodes, f.Code) {
			e.Kind = domain.Malformed
		}
	}
	if len(c.bad) > 1 {
		e.Detail = fmt.Sprintf("%d fields are wrong", len(c.bad))
	}
	if c.query && e.Code == "invalid_fields" {
		e.Code = "invalid_query"
	}
	return e
}

// Rule narrows what a getter takes.
type Rule func(rules) rules

type rules struct {
	required, amount, orText, line, grantee bool
	min, max                                *int64
	maxBytes, maxItems, places              int
}

// Required refuses an absent value, a null and an empty text.
func Required(r rules) rules { r.required = true; return r }

// Amount is for amounts and quantities: out of range is then amount_out_of_range.
func Amount(r rules) rules { r.amount = true; return r }

// OrText takes a number in quotes as well.
func OrText(r rules) rules { r.orText = true; return r }

// Line refuses control characters: line ends, tabs, escapes. All other text is kept byte by byte.
func Line(r rules) rules { r.line = true; return r }

// Grantee refuses what is no id to give a licence to (domain.Problems.Grantee).
func Grantee(r rules) rules { r.grantee = true; return r }

// Min and Max bound a number, both included.
func Min(n int64) Rule { return func(r rules) rules { r.min = &n; return r } }
func Max(n int64) Rule { return func(r rules) rules { r.max = &n; return r } }

// MaxBytes bounds a text in UTF-8 bytes, MaxItems a list, Places the digits after the decimal point.
func MaxBytes(n int) Rule { return func(r rules) rules { r.maxBytes = n; return r } }
func MaxItems(n int) Rule { return func(r rules) rules { r.maxItems = n; return r } }
func Places(n int) Rule   { return func(r rules) rules { r.places = n; return r } }

func rulesOf(list []Rule) rules {
	r := rules{places: -1}
	for _, f := range list {
		r = f(r)
	}
	return r
}

// Value is one value of a request, present or not. Its getters answer the zero value for what is
// absent, null or wrong; what is wrong, and what is required and missing, is noted.
type Value struct {
	c    *collector
	in   string // pointer of what holds it
	name string // of a member
	at   int    // -1 for a member, 1 and more for the items of a list, 0 for the document itself
	node *node  // nil: absent
}

// Absent is true for null too.
func (v Value) Absent() bool { return v.node == nil || v.node.kind == 'n' }

// IsList tells an array from every other value, IsObject an object.
func (v Value) IsList() bool   { return v.node != nil && v.node.kind == '[' }
func (v Value) IsObject() bool { return v.node != nil && v.node.kind == '{' }

// Pointer is where the value is or would be.
func (v Value) Pointer() string {
	switch {
	case v.at > 0:
		return v.in + "/" + strconv.Itoa(v.at-1)
	case v.at == 0:
		return ""
	case v.c.query:
		return v.name
	}
	return v.in + "/" + validName(v.name)
}

// Bad notes a finding about this value.
func (v Value) Bad(code, format string, args ...any) { v.c.Bad(v.Pointer(), code, format, args...) }

// ready notes a missing or differently typed value.
func (v Value) ready(r rules, want string, kinds ...byte) bool {
	switch {
	case v.Absent() && r.required:
		v.Bad(codeRequired, "is required")
	case v.Absent():
	case !slices.Contains(kinds, byte(v.node.kind)):
		v.Bad(codeWrongType, "is not %s", want)
	default:
		return true
	}
	return false
}

// String is a text.
func (v Value) String(list ...Rule) string {
	r := rulesOf(list)
	if !v.ready(r, "a text", '"') {
		return ""
	}
	s := v.node.text
	switch {
	case r.required && s == "":
		v.Bad(codeRequired, "is empty")
	case r.maxBytes > 0 && len(s) > r.maxBytes:
		v.Bad(codeTooLong, "has %d bytes, at most %d are allowed", len(s), r.maxBytes)
	case r.line && strings.ContainsFunc(s, unicode.IsControl):
		v.Bad(codeBadText, "holds control characters")
	case r.line && r.required && strings.TrimSpace(s) == "":
		v.Bad(codeBadText, "holds only white space")
	case r.grantee && s != "":
		var bad domain.Problems
		if bad.Grantee(v.Pointer(), s); len(bad) == 0 {
			return s
		}
		v.Bad(bad[0].Code, "%s", bad[0].Detail)
	default:
		return s
	}
	return ""
}

// UUID takes the canonical form of 36 characters alone, in either case. Nil, which nothing has as its
// id, is read as Max, which nothing has either.
func (v Value) UUID(list ...Rule) uuid.UUID {
	if !v.ready(rulesOf(list), "a UUID", '"') {
		return uuid.Nil
	}
	id, ok := ParseUUID(v.node.text)
	if !ok {
		v.Bad(codeBadUUID, "is not a UUID")
	} else if id == uuid.Nil { // here it means absent; what nobody has must not be a filter that lets all pass
		return uuid.Max
	}
	return id
}

// ParseUUID takes the canonical form of 36 characters; google/uuid also takes braces and urn:uuid.
func ParseUUID(s string) (uuid.UUID, bool) {
	if len(s) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil
}

// Bool is true or false; in a query, the words.
func (v Value) Bool(list ...Rule) bool {
	if v.c.query {
		return v.Enum([]string{"true", "false"}, list...) == "true"
	}
	return v.ready(rulesOf(list), "true or false", 't', 'f') && v.node.kind == 't'
}

func (v Value) numeric(r rules) (number, bool) {
	kinds := []byte{'0'}
	if r.orText || v.c.query {
		kinds = append(kinds, '"')
	}
	if !v.ready(r, "a number", kinds...) {
		return number{}, false
	}
	n, ok := parseNumber(v.node.text)
	if !ok {
		v.Bad(codeBadDecimal, "is not a number")
	}
	return n, ok
}

func (v Value) outOfRange(r rules) {
	code, want := codeOutOfRange, "a smaller number"
	if r.amount {
		code = codeAmountRange
	}
	switch {
	case r.min != nil && r.max != nil:
		want = fmt.Sprintf("%d to %d", *r.min, *r.max)
	case r.min != nil:
		want = fmt.Sprintf("%d or more, and less than 2^63", *r.min)
	case r.max != nil:
		want = fmt.Sprintf("at most %d", *r.max)
	}
	v.Bad(code, "is out of range: want %s", want)
}

// Int is a whole number of 64 bits; 3.0 and 3e0 are 3.
func (v Value) Int(list ...Rule) int64 {
	r := rulesOf(list)
	n, ok := v.numeric(r)
	if !ok {
		return 0
	}
	i, whole, fits := n.integer()
	switch {
	case !whole:
		v.Bad(codeNotInteger, "is not a whole number")
	case !fits, r.min != nil && i < *r.min, r.max != nil && i > *r.max:
		v.outOfRange(r)
	default:
		return i
	}
	return 0
}

// decimalLimit bounds decimals: 10^20 is more than any amount, and 20 places finer than any price.
const decimalLimit = 20

// Decimal is an exact number, in quotes or not.
func (v Value) Decimal(list ...Rule) decimal.Decimal {
	r := rulesOf(list)
	r.orText = true
	n, ok := v.numeric(r)
	if !ok || n.digits == "" {
		return decimal.Zero
	}
	if n.exp+len(n.digits) > decimalLimit {
		v.outOfRange(r)
		return decimal.Zero
	}
	places := decimalLimit
	if r.places >= 0 {
		places = r.places
	}
	if -n.exp > places {
		v.Bad(codeBadDecimal, "has more than %d decimal places", places)
		return decimal.Zero
	}
	d, err := decimal.NewFromString(n.String())
	switch {
	case err != nil:
		v.Bad(codeBadDecimal, "is not a number")
	case r.min != nil && d.LessThan(decimal.NewFromInt(*r.min)), r.max != nil && d.GreaterThan(decimal.NewFromInt(*r.max)):
		v.outOfRange(r)
	default:
		return d
	}
	return decimal.Zero
}

// Enum is one of the given texts, exactly.
func (v Value) Enum(values []string, list ...Rule) string {
	if !v.ready(rulesOf(list), "a text", '"') {
		return ""
	}
	if !slices.Contains(values, v.node.text) {
		v.Bad(codeBadEnum, "want one of %s", strings.Join(values, ", "))
		return ""
	}
	return v.node.text
}

// timeForm is RFC 3339 as we take it; time.Parse would cut digits beyond nanoseconds and take a comma.
var timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// Time is an instant in RFC 3339 with a zone, in UTC: years 1 to 9999, real dates, at most microseconds.
func (v Value) Time(list ...Rule) time.Time {
	if !v.ready(rulesOf(list), "a time", '"') {
		return time.Time{}
	}
	m := timeForm.FindStringSubmatch(v.node.text)
	if m == nil {
		v.Bad(codeBadTime, "is not a time of RFC 3339 with a zone, such as 2026-01-31T09:00:00Z")
		return time.Time{}
	}
	if len(m[1]) > len(".123456") {
		v.Bad(codeBadTime, "is finer than a microsecond")
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, v.node.text)
	t = t.UTC()
	switch {
	case err != nil:
		v.Bad(codeBadTime, "is not a real date")
	case t.Year() < 1 || t.Year() > 9999 || strings.HasPrefix(v.node.text, "0000") || t.IsZero(): // which means absent
		v.Bad(codeBadTime, "is out of range: want the years 1 to 9999, after their first instant")
	default:
		return t
	}
	return time.Time{}
}

// List is the values of an array.
func (v Value) List(list ...Rule) []Value {
	r := rulesOf(list)
	if !v.ready(r, "a list", '[') {
		return nil
	}
	if r.maxItems > 0 && len(v.node.items) > r.maxItems {
		v.Bad(codeTooMany, "has %d items, at most %d are allowed", len(v.node.items), r.maxItems)
		return nil
	}
	if r.required && len(v.node.items) == 0 {
		v.Bad(codeRequired, "is empty")
	}
	out, in := make([]Value, len(v.node.items)), v.Pointer()
	for i := range out {
		out[i] = Value{c: v.c, in: in, at: i + 1, node: &v.node.items[i]}
	}
	return out
}

// validName bounds names of keys that are echoed in pointers.
func validName(name string) string {
	if len(name) > 100 || !utf8.ValidString(name) {
		name = printable(name, 100)
	}
	if !strings.ContainsAny(name, "~/") { // nearly every key of every body
		return name
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
