package handlers

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// Object is a JSON object, or a query, with a getter for each type of value. It remembers the keys that
// were asked for: those are the ones it knows.
type Object struct {
	Value
	path    string // its pointer
	known   []string
	checked bool
}

// Value is the whole document.
func (b *Body) Value() Value { return Value{c: b.collector, node: &b.root} }

// Object is the document as an object; anything else, null included, is noted as wrong.
func (b *Body) Object() *Object { return b.Value().Object(Required) }

// Empty tells that the request had no body at all.
func (b *Body) Empty() bool { return b.empty }

// Object is the value as an object; an empty one when it is absent or wrong, so that reading goes on.
func (v Value) Object(list ...Rule) *Object {
	o := &Object{Value: v, path: v.Pointer(), known: make([]string, 0, 8)}
	r := rulesOf(list)
	if v.at == 0 && v.Absent() {
		r.required = false
		v.Bad(codeWrongType, "is not an object")
	}
	if !v.ready(r, "an object", '{') {
		o.node, o.c = nil, &collector{} // what is not there lacks nothing
		return o
	}
	v.c.objects = append(v.c.objects, o)
	return o
}

// Get is one member by its name.
func (o *Object) Get(name string) Value {
	if !slices.Contains(o.known, name) {
		o.known = append(o.known, name)
	}
	v := Value{c: o.c, in: o.path, name: name, at: -1}
	if o.node != nil {
		if i := slices.Index(o.node.names, name); i >= 0 {
			v.node = &o.node.items[i]
		}
	}
	return v
}

// Has tells that a key is there, be it null; Null that it is there and null.
func (o *Object) Has(name string) bool  { return o.Get(name).node != nil }
func (o *Object) Null(name string) bool { v := o.Get(name); return v.node != nil && v.node.kind == 'n' }

// The getters of Value, by name.
func (o *Object) String(name string, r ...Rule) string            { return o.Get(name).String(r...) }
func (o *Object) UUID(name string, r ...Rule) uuid.UUID           { return o.Get(name).UUID(r...) }
func (o *Object) Int(name string, r ...Rule) int64                { return o.Get(name).Int(r...) }
func (o *Object) Decimal(name string, r ...Rule) decimal.Decimal  { return o.Get(name).Decimal(r...) }
func (o *Object) Time(name string, r ...Rule) time.Time           { return o.Get(name).Time(r...) }
func (o *Object) Bool(name string, r ...Rule) bool                { return o.Get(name).Bool(r...) }
func (o *Object) List(name string, r ...Rule) []Value             { return o.Get(name).List(r...) }
func (o *Object) Object(name string, r ...Rule) *Object           { return o.Get(name).Object(r...) }
func (o *Object) Enum(name string, of []string, r ...Rule) string { return o.Get(name).Enum(of, r...) }

// Opt is a getter's value, or nil when the key is absent or null: Opt(o, "description", o.String).
func Opt[T any](o *Object, name string, get func(string, ...Rule) T, r ...Rule) *T {
	v := get(name, r...)
	if o.Get(name).Absent() {
		return nil
	}
	return &v
}

// Rest lists the keys that nobody asked for, in the order of the document.
func (o *Object) Rest() []string {
	var rest []string
	if o.node == nil {
		return nil
	}
	for _, name := range o.node.names {
		if !slices.Contains(o.known, name) {
			rest = append(rest, name)
		}
	}
	return rest
}

// Unknown notes each key that no getter asked for; call it after all the others.
func (o *Object) Unknown() {
	o.caseVariants()
	for _, name := range o.Rest() {
		if o.variantOf(name) == "" {
			o.c.Bad(o.path+"/"+validName(name), codeUnknown, "is not a field here; there are %s", strings.Join(o.known, ", "))
		}
	}
}

// caseVariants notes keys that differ from a known one in case alone: Go's own decoder would take them.
func (o *Object) caseVariants() {
	if o.checked || o.c.query {
		return
	}
	o.checked = true
	for _, name := range o.Rest() {
		if known := o.variantOf(name); known != "" {
			o.c.Bad(o.path+"/"+validName(name), codeCase, "is spelt %s", known)
		}
	}
}

func (o *Object) variantOf(name string) string {
	i := slices.IndexFunc(o.known, func(known string) bool { return strings.EqualFold(known, name) })
	if i < 0 {
		return ""
	}
	return o.known[i]
}
