package projections

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	pgxdecimal "github.com/jackc/pgx-shopspring-decimal"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/catalog"
)

// What COPY is sent is what the driver would send, byte for byte.
func TestEncodersAgreeWithTheDriver(t *testing.T) {
	types := pgtype.NewMap()
	pgxuuid.Register(types)
	pgxdecimal.Register(types)
	oids := map[string]uint32{"uuid": pgtype.UUIDOID, "timestamptz": pgtype.TimestamptzOID, "numeric": pgtype.NumericOID, "text": pgtype.TextOID,
		"bigint": pgtype.Int8OID, "boolean": pgtype.BoolOID, "double precision": pgtype.Float8OID}
	check := func(t require.TestingT, value any) {
		v := reflect.New(reflect.TypeOf(value)).Elem()
		v.Set(reflect.ValueOf(value))
		sql, isJSON := sqlType(v.Type())
		oid := oids[sql]
		got, err := encoderOf(column{sql: sql, json: isJSON}, v.Type(), oid, types)([]byte{1}, v)
		require.NoError(t, err)
		want, err := types.Encode(oid, pgtype.BinaryFormatCode, value, []byte{})
		require.NoError(t, err)
		size := len(want)
		if want == nil {
			size = -1
		}
		require.Equal(t, append([]byte{1, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}, want...), got, "%#v", value)
	}
	text, at, number, whole := "x", day(1), decimal.New(-12345, -3), 7
	for _, value := range []any{id(1), &at, (*time.Time)(nil), "", "ünïcode", &text, (*string)(nil), 0, -1, int64(math.MaxInt64), &whole, true, 1.5, &number, (*decimal.Decimal)(nil),
		time.Time{}, time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", 3600)), decimal.Decimal{},
		decimal.New(1, 5), decimal.New(100, -2), decimal.New(math.MaxInt64, -18), decimal.RequireFromString("-123456789012345678901234567890.123456789012345")} {
		check(t, value)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64().Draw(t, "coefficient") / rapid.SampledFrom([]int64{1, 10, 1e4, 1e8, 1e12, 1e16}).Draw(t, "size")
		check(t, decimal.New(n, int32(rapid.IntRange(-40, 10).Draw(t, "exponent"))))
		check(t, time.UnixMicro(rapid.Int64Range(-1<<50, 1<<52).Draw(t, "time")).UTC())
	})
}

func TestEncodersOfJSON(t *testing.T) {
	one := catalog.PlanTerms{PlanID: id(1), Interval: "month", Capabilities: []catalog.CapabilityRef{{ID: id(2), Name: "<read>"}}}
	encode := jsonEncoder(reflect.TypeFor[catalog.PlanTerms]())
	check := func(encode encoder, v reflect.Value, want string) {
		t.Helper()
		got, err := encode(nil, v)
		require.NoError(t, err)
		require.Equal(t, string([]byte{0, 0, byte((len(want) + 1) >> 8), byte(len(want) + 1), 1})+want, string(got))
	}
	terms := func(of catalog.PlanTerms) {
		t.Helper()
		want, err := json.Marshal(of)
		require.NoError(t, err)
		check(encode, reflect.ValueOf(&of).Elem(), string(want))
	}
	terms(one)
	terms(one)
	// Every field counts when terms are compared with those of the row before.
	for i := range reflect.TypeFor[catalog.PlanTerms]().NumField() {
		other := one
		f := reflect.ValueOf(&other).Elem().Field(i)
		switch f.Kind() {
		case reflect.Slice:
			terms(catalog.PlanTerms{PlanID: id(1), Interval: "month"})
			terms(catalog.PlanTerms{PlanID: id(1), Interval: "month", Capabilities: []catalog.CapabilityRef{}})
			f.Set(reflect.ValueOf([]catalog.CapabilityRef{{ID: id(2), Name: "write"}}))
		case reflect.Array:
			f.Set(reflect.ValueOf(id(77)))
		case reflect.Int:
			f.SetInt(77)
		case reflect.String:
			f.SetString("77")
		case reflect.Bool:
			f.SetBool(true)
		default:
			t.Fatalf("a field of a kind that this test does not know: %s", f.Kind())
		}
		terms(other)
		terms(one)
	}
	for _, of := range []struct {
		value any
		want  string
	}{
		{[]int64{1, -2, 30}, "[1,-2,30]"}, {[]int64{}, "[]"}, {[]OpenChange{}, "[]"}, {[]OpenChange{{TaskID: id(1), Seats: 2}}, `[{"task_id":"` + id(1).String() + `","seats":2}]`},
		{json.RawMessage(`{"a": 1}`), `{"a": 1}`}, {&one, ""}, {map[string]int{"b": 1}, `{"b":1}`},
	} {
		v := reflect.New(reflect.TypeOf(of.value)).Elem()
		v.Set(reflect.ValueOf(of.value))
		if of.want == "" {
			want, err := json.Marshal(of.value)
			require.NoError(t, err)
			of.want = string(want)
		}
		check(jsonEncoder(v.Type()), v, of.want)
	}
	for _, none := range []any{[]int64(nil), (*catalog.PlanTerms)(nil), json.RawMessage(nil)} {
		v := reflect.New(reflect.TypeOf(none)).Elem()
		got, err := jsonEncoder(v.Type())(nil, v)
		require.NoError(t, err)
		require.Equal(t, null, got)
	}
}
