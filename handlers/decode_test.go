package handlers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

func object(t *testing.T, text string) (*Body, *Object) {
	t.Helper()
	b, err := Parse([]byte(text))
	require.NoError(t, err)
	return b, b.Object()
}

func TestGettersRead(t *testing.T) {
	b, o := object(t, `{"name":"Ünï\tcode","id":"0190A0B2-7e1f-7000-8000-000000000001","n":3e0,"q":"12","d":"0.0123","d2":1.50,
		"at":"2026-02-28T23:30:00.123456-01:00","on":true,"kind":"b","tags":["x","y"],"sub":{"a":1},"none":null}`)
	require.Equal(t, "Ünï\tcode", o.String("name", Required, MaxBytes(20)), "kept byte for byte")
	require.Equal(t, uuid.MustParse("0190a0b2-7e1f-7000-8000-000000000001"), o.UUID("id"))
	require.EqualValues(t, 3, o.Int("n"))
	require.EqualValues(t, 12, o.Int("q", OrText))
	require.Equal(t, "0.0123", o.Decimal("d").String())
	require.Equal(t, "1.5", o.Decimal("d2").String())
	require.Equal(t, time.Date(2026, 3, 1, 0, 30, 0, 123456000, time.UTC), o.Time("at"))
	require.True(t, o.Bool("on"))
	require.Equal(t, "b", o.Enum("kind", []string{"a", "b"}))
	require.Len(t, o.List("tags"), 2)
	require.EqualValues(t, 1, o.Object("sub").Int("a"))
	require.Empty(t, o.String("none"), "null is as good as absent")
	require.True(t, o.Has("none"))
	require.True(t, o.Null("none"))
	require.Nil(t, Opt(o, "none", o.String))
	require.Nil(t, Opt(o, "absent", o.Int))
	require.EqualValues(t, 3, *Opt(o, "n", o.Int))
	o.Unknown()
	require.NoError(t, b.Err())
}

func TestAllBadFieldsAtOnce(t *testing.T) {
	b, o := object(t, `{"name":"","quantity":-1,"id":"{0190a0b2-7e1f-7000-8000-000000000001}","items":[{"k":"x"},{"k":1}],"extra":1,"Plan":"x"}`)
	o.String("name", Required)
	o.Int("quantity", Min(0), Amount)
	o.UUID("id")
	for _, v := range o.List("items") {
		item := v.Object()
		item.String("k", Required)
		item.Unknown()
	}
	o.String("plan")
	o.Unknown()
	e := refusal(t, b.Err())
	require.Equal(t, domain.Malformed, e.Kind, "a wrong type is unreadable")
	require.Equal(t, "invalid_fields", e.Code)
	got := map[string]string{}
	for _, f := range e.Fields {
		got[f.Pointer] = f.Code
	}
	require.Equal(t, map[string]string{"/name": "required", "/quantity": "amount_out_of_range", "/id": "bad_uuid",
		"/items/1/k": "wrong_type", "/extra": "unknown_field", "/Plan": "case_variant"}, got)
}

func TestFieldCodes(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		read func(o *Object)
		kind domain.Kind
		code string
	}{
		"B13 null":              {`null`, func(*Object) {}, domain.Malformed, "wrong_type"},
		"B13 a list":            {`[]`, func(*Object) {}, domain.Malformed, "wrong_type"},
		"B13 a text":            {`"{}"`, func(*Object) {}, domain.Malformed, "wrong_type"},
		"B14 case variant":      {`{"NAME":"x"}`, func(o *Object) { o.String("name") }, domain.Malformed, "case_variant"},
		"B14 two case variants": {`{"name":"x","Name":"y"}`, func(o *Object) { o.String("name") }, domain.Malformed, "case_variant"},
		"B11 unknown":           {`{"isTest":true}`, func(o *Object) { o.Unknown() }, domain.Invalid, "unknown_field"},
		"B21 quantity -1":       {`{"a":-1}`, func(o *Object) { o.Int("a", Min(0), Amount) }, domain.Invalid, "amount_out_of_range"},
		"B21 quantity 2^63":     {`{"a":9223372036854775808}`, func(o *Object) { o.Int("a", Min(0), Amount) }, domain.Invalid, "amount_out_of_range"},
		"B21 quantity 1e30":     {`{"a":1e30}`, func(o *Object) { o.Int("a", Amount) }, domain.Invalid, "amount_out_of_range"},
		"B21 decimal 1e30":      {`{"a":"1e30"}`, func(o *Object) { o.Decimal("a", Amount) }, domain.Invalid, "amount_out_of_range"},
		"half a seat":           {`{"a":1.5}`, func(o *Object) { o.Int("a") }, domain.Invalid, "not_an_integer"},
		"B25 percent 100.0001":  {`{"a":"100.0001"}`, func(o *Object) { o.Decimal("a", Min(0), Max(100), Places(4)) }, domain.Invalid, "out_of_range"},
		"B25 percent -5":        {`{"a":-5}`, func(o *Object) { o.Decimal("a", Min(0), Max(100), Places(4)) }, domain.Invalid, "out_of_range"},
		"B25 percent 1e-20":     {`{"a":1e-20}`, func(o *Object) { o.Decimal("a", Min(0), Max(100), Places(4)) }, domain.Invalid, "bad_decimal"},
		"a decimal in words":    {`{"a":"ten"}`, func(o *Object) { o.Decimal("a") }, domain.Invalid, "bad_decimal"},
		"a decimal, hex":        {`{"a":"0x10"}`, func(o *Object) { o.Decimal("a") }, domain.Invalid, "bad_decimal"},
		"an int in quotes":      {`{"a":"1"}`, func(o *Object) { o.Int("a") }, domain.Malformed, "wrong_type"},
		"B26 30 February":       {`{"a":"2026-02-30T00:00:00Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 second 60":         {`{"a":"2026-06-30T23:59:60Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 year 0":            {`{"a":"0000-01-01T00:00:00Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 year 10000":        {`{"a":"10000-01-01T00:00:00Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 10000 in UTC":      {`{"a":"9999-12-31T23:59:59-01:00"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 no zone":           {`{"a":"2026-01-01T00:00:00"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 zone +25:00":       {`{"a":"2026-01-01T00:00:00+25:00"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 ten digits":        {`{"a":"2026-01-01T00:00:00.1234567890Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 seven digits":      {`{"a":"2026-01-01T00:00:00.1234560Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B26 comma":             {`{"a":"2026-01-01T00:00:00,5Z"}`, func(o *Object) { o.Time("a") }, domain.Invalid, "bad_time"},
		"B30 empty":             {`{"a":""}`, func(o *Object) { o.String("a", Required, Line) }, domain.Invalid, "required"},
		"B30 spaces":            {`{"a":"  "}`, func(o *Object) { o.String("a", Required, Line) }, domain.Invalid, "bad_text"},
		"B30 256 bytes":         {`{"a":"` + strings.Repeat("é", 128) + `"}`, func(o *Object) { o.String("a", Line, MaxBytes(255)) }, domain.Invalid, "too_long"},
		"B30 newline":           {`{"a":"x\ny"}`, func(o *Object) { o.String("a", Line) }, domain.Invalid, "bad_text"},
		"B34 id with braces":    {`{"a":"{0190a0b2-7e1f-7000-8000-000000000001}"}`, func(o *Object) { o.UUID("a") }, domain.Malformed, "bad_uuid"},
		"B34 id of 10 KB":       {`{"a":"` + strings.Repeat("0", 10_000) + `"}`, func(o *Object) { o.UUID("a") }, domain.Malformed, "bad_uuid"},
		"B42 1,001 items":       {`{"a":[` + strings.Repeat("1,", 1000) + `1]}`, func(o *Object) { o.List("a", MaxItems(1000)) }, domain.Invalid, "too_many"},
		"an enum's case":        {`{"a":"Now"}`, func(o *Object) { o.Enum("a", []string{"now"}) }, domain.Invalid, "bad_enum"},
		"missing":               {`{}`, func(o *Object) { o.UUID("a", Required) }, domain.Invalid, "required"},
		"null for required":     {`{"a":null}`, func(o *Object) { o.Int("a", Required) }, domain.Invalid, "required"},
	} {
		t.Run(name, func(t *testing.T) {
			b, o := object(t, tt.body)
			tt.read(o)
			e := refusal(t, b.Err())
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, tt.kind, e.Kind)
		})
	}
}

// B30: odd but legal texts pass unchanged.
func TestLineKeepsText(t *testing.T) {
	for _, s := range []string{"👩‍👩‍👧", "e\u0301", "\u202eabc", "a\u200bb", " x "} {
		b, err := Parse([]byte(`{"a":"` + s + `"}`))
		require.NoError(t, err)
		require.Equal(t, s, b.Object().String("a", Required, Line, MaxBytes(255)))
		require.NoError(t, b.Err())
	}
}

func TestManyBadFieldsAreBounded(t *testing.T) {
	b, err := Parse([]byte(`{"a":[` + strings.Repeat(`"x",`, 5000) + `"x"]}`))
	require.NoError(t, err)
	for _, v := range b.Object().List("a") {
		v.Int()
	}
	require.Len(t, refusal(t, b.Err()).Fields, maxFields)
}

func query(t *testing.T, raw string) *Query {
	t.Helper()
	q, err := ReadQuery(httptest.NewRequest(http.MethodGet, "/?"+raw, nil))
	require.NoError(t, err)
	return q
}

func TestQuery(t *testing.T) {
	q := query(t, "limit=7&id=0190a0b2-7e1f-7000-8000-000000000001&on=true&at=2026-01-01T00:00:00Z&name=a%20b")
	require.EqualValues(t, 7, q.Int("limit", Min(1), Max(100)))
	require.NotEqual(t, uuid.Nil, q.UUID("id"))
	require.True(t, q.Bool("on"))
	require.False(t, q.Time("at").IsZero())
	require.Equal(t, "a b", q.String("name"))
	q.Strict()
	require.NoError(t, q.Err())
}

// B35.
func TestQueryRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"limit=-1": "out_of_range", "limit=1e9": "out_of_range", "limit=x": "bad_decimal", "limit=": "bad_decimal",
		"sort=drop": "bad_enum", "limit=1&limit=2": "repeated_parameter", "take=1": "unknown_parameter", "LIMIT=1": "unknown_parameter",
	} {
		q := query(t, raw)
		q.Int("limit", Min(1), Max(100))
		q.Enum("sort", []string{"asc", "desc"})
		q.Strict()
		e := refusal(t, q.Err())
		require.Equal(t, want, e.Code, raw)
		require.Equal(t, domain.Malformed, e.Kind, raw)
		if want == "unknown_parameter" {
			require.Contains(t, e.Detail, "allowed: limit, sort")
		}
	}
	for _, raw := range []string{"a=%zz", "a=1;b=2", "a=%00", "a=%ff"} {
		_, err := ReadQuery(&http.Request{URL: mustURL(t, "/?"+raw)})
		require.Equal(t, "bad_query", refusal(t, err).Code, raw)
	}
}

// Salable's clients copy body fields into the query: without Strict they pass.
func TestTolerantQuery(t *testing.T) {
	q := query(t, "limit=3&limit=4&proration=none")
	require.EqualValues(t, 3, q.Int("limit"))
	require.NoError(t, q.Err())
}
