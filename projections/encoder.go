package projections

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/catalog"
)

// encoder appends a field in PostgreSQL's binary format with its length before it, or -1 for null.
type encoder func(dst []byte, f reflect.Value) ([]byte, error)

var null = []byte{0xff, 0xff, 0xff, 0xff}

// encoderOf knows the types that most rows are made of; the driver encodes the others. One goroutine
// uses it at a time.
func encoderOf(c column, t reflect.Type, oid uint32, types *pgtype.Map) encoder {
	if t.Kind() == reflect.Pointer && !c.json {
		if inner := plainEncoder(t.Elem(), oid); inner != nil {
			return func(dst []byte, f reflect.Value) ([]byte, error) {
				if f.IsNil() {
					return append(dst, null...), nil
				}
				return inner(dst, f.Elem())
			}
		}
	}
	if inner := plainEncoder(t, oid); inner != nil {
		return inner
	}
	if c.json {
		return jsonEncoder(t)
	}
	return func(dst []byte, f reflect.Value) ([]byte, error) {
		at := len(dst)
		out, err := types.Encode(oid, pgtype.BinaryFormatCode, f.Interface(), append(dst, null...))
		if err != nil {
			return nil, err
		}
		if out == nil {
			return append(dst, null...), nil
		}
		binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
		return out, nil
	}
}

// elementOIDs are the types that sqlType names.
var elementOIDs = map[string]uint32{"uuid": pgtype.UUIDOID, "timestamptz": pgtype.TimestamptzOID, "numeric": pgtype.NumericOID, "text": pgtype.TextOID,
	"bigint": pgtype.Int8OID, "boolean": pgtype.BoolOID, "double precision": pgtype.Float8OID, "jsonb": pgtype.JSONBOID}

// plainEncoder is nil for a pair of types that it does not know.
func plainEncoder(t reflect.Type, oid uint32) encoder {
	switch {
	case t == uuidType && oid == pgtype.UUIDOID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			return append(append(dst, 0, 0, 0, 16), f.Addr().Interface().(*uuid.UUID)[:]...), nil
		}
	case t == timeType && oid == pgtype.TimestamptzOID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			return appendTime(dst, *f.Addr().Interface().(*time.Time)), nil
		}
	case t == decimalType && oid == pgtype.NumericOID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			return appendNumeric(dst, *f.Addr().Interface().(*decimal.Decimal))
		}
	case t.Kind() == reflect.String && oid == pgtype.TextOID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			text := f.String()
			return append(binary.BigEndian.AppendUint32(dst, uint32(len(text))), text...), nil
		}
	case t.Kind() == reflect.Bool && oid == pgtype.BoolOID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			dst = append(dst, 0, 0, 0, 1)
			if f.Bool() {
				return append(dst, 1), nil
			}
			return append(dst, 0), nil
		}
	case t.Kind() == reflect.Float64 && oid == pgtype.Float8OID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), math.Float64bits(f.Float())), nil
		}
	case (t.Kind() == reflect.Int || t.Kind() == reflect.Int64) && oid == pgtype.Int8OID:
		return func(dst []byte, f reflect.Value) ([]byte, error) {
			return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(f.Int())), nil
		}
	}
	return nil
}

// epoch is what PostgreSQL counts microseconds from, in Unix seconds.
const epoch = 946_684_800

func appendTime(dst []byte, t time.Time) []byte {
	micros := (t.Unix()-epoch)*1_000_000 + int64(t.Nanosecond()/1000)
	return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(micros))
}

// powers of ten that bring digits behind the point to groups of four.
var powers = [4]int64{1, 10, 100, 1000}

// appendNumeric writes groups of four digits with the weight of the first group, sign and digits behind
// the point. What does not fit 64 bits, or ends in zeros that are not written out, is left to the driver.
func appendNumeric(dst []byte, d decimal.Decimal) ([]byte, error) {
	scale := -d.Exponent()
	if scale < 0 || scale > 16 || d.NumDigits() > 15 {
		at := len(dst)
		n := pgtype.Numeric{Int: d.Coefficient(), Exp: d.Exponent(), Valid: true}
		out, err := pgtype.NumericCodec{}.PlanEncode(nil, pgtype.NumericOID, pgtype.BinaryFormatCode, n).Encode(n, append(dst, null...))
		if err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint32(out[at:], uint32(len(out)-at-4))
		return out, nil
	}
	n, sign := d.CoefficientInt64(), uint16(0)
	if n < 0 {
		n, sign = -n, 0x4000
	}
	fill := (4 - scale%4) % 4
	n *= powers[fill]
	behind := int(scale+fill) / 4 // groups
	var groups [8]uint16
	first := len(groups)
	for ; n > 0 || len(groups)-first < behind; n /= 10_000 {
		first--
		groups[first] = uint16(n % 10_000)
	}
	used, weight := groups[first:], len(groups)-first-behind-1
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+2*len(used)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(used)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(weight))
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, uint16(scale))
	for _, g := range used {
		dst = binary.BigEndian.AppendUint16(dst, g)
	}
	return dst, nil
}

// jsonEncoder writes jsonb: a version before the text. A plan's terms are those of the row before, most times.
func jsonEncoder(t reflect.Type) encoder {
	var last struct {
		terms catalog.PlanTerms
		text  []byte
	}
	text := func(f reflect.Value) ([]byte, error) {
		switch {
		case t == termsType:
			terms := f.Addr().Interface().(*catalog.PlanTerms)
			if last.text == nil || !sameTerms(*terms, last.terms) {
				made, err := json.Marshal(terms)
				if err != nil {
					return nil, err
				}
				last.terms, last.text = *terms, made
			}
			return last.text, nil
		case t.Kind() == reflect.Slice && f.Len() == 0 && t != rawType:
			return []byte("[]"), nil
		case t == rawType:
			return f.Bytes(), nil
		}
		return json.Marshal(f.Interface())
	}
	return func(dst []byte, f reflect.Value) ([]byte, error) {
		if f.Kind() != reflect.Struct && f.IsNil() {
			return append(dst, null...), nil
		}
		at := len(dst)
		dst = append(append(dst, null...), 1)
		if t == positionsType {
			dst = appendPositions(dst, f.Interface().([]int64))
		} else {
			made, err := text(f)
			if err != nil {
				return nil, err
			}
			dst = append(dst, made...)
		}
		binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
		return dst, nil
	}
}

var (
	termsType     = reflect.TypeFor[catalog.PlanTerms]()
	positionsType = reflect.TypeFor[[]int64]()
)

func sameTerms(a, b catalog.PlanTerms) bool {
	return a.PlanID == b.PlanID && a.PlanVersion == b.PlanVersion && a.ProductID == b.ProductID && a.LicenseType == b.LicenseType &&
		a.Interval == b.Interval && a.Length == b.Length && a.MinSeats == b.MinSeats && a.MaxSeats == b.MaxSeats && a.Paid == b.Paid &&
		(a.Capabilities == nil) == (b.Capabilities == nil) && slices.Equal(a.Capabilities, b.Capabilities)
}

func appendPositions(dst []byte, positions []int64) []byte {
	dst = append(dst, '[')
	for i, p := range positions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, p, 10)
	}
	return append(dst, ']')
}
