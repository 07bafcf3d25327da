// Package pgarray builds one-dimensional PostgreSQL arrays in their binary form, as parameters of an
// unnest. The driver's own way asks a slice for each element as an interface value and looks for a plan;
// here an element is a copy into a buffer, which may be used again once the statement was sent.
//
// The zero value of each type is an empty array. A connection takes them after Register.
package pgarray

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// array is the part that is the same for all types: dimensions and flags, then each element with its
// length before it (array_recv in PostgreSQL's arrayfuncs.c).
type array struct {
	buf   []byte // the header's room first
	count uint32
	nulls bool
}

const header = 5 * 4 // dimensions, flags, type, length, lower bound

// Reset makes it empty and keeps its buffer.
func (a *array) Reset() { a.buf, a.count, a.nulls = a.buf[:0], 0, false }

// Cap is how many bytes it keeps.
func (a *array) Cap() int { return cap(a.buf) }

// Null adds a null.
func (a *array) Null() {
	a.begin()
	a.nulls = true
	a.buf = binary.BigEndian.AppendUint32(a.buf, math.MaxUint32) // a length of -1
}

func (a *array) begin() {
	if len(a.buf) == 0 {
		a.buf = append(a.buf, make([]byte, header)...)
	}
	a.count++
}

// element begins one of a known length.
func (a *array) element(size int) {
	a.begin()
	a.buf = binary.BigEndian.AppendUint32(a.buf, uint32(size))
}

func (a *array) appendTo(to []byte, element uint32) []byte {
	if a.count == 0 {
		to = append(to, 0, 0, 0, 0, 0, 0, 0, 0)
		return binary.BigEndian.AppendUint32(to, element)
	}
	h := a.buf[:header]
	binary.BigEndian.PutUint32(h[0:], 1)
	binary.BigEndian.PutUint32(h[4:], 0)
	if a.nulls {
		binary.BigEndian.PutUint32(h[4:], 1)
	}
	binary.BigEndian.PutUint32(h[8:], element)
	binary.BigEndian.PutUint32(h[12:], a.count)
	binary.BigEndian.PutUint32(h[16:], 1)
	return append(to, a.buf...)
}

// Types of arrays, by what PostgreSQL calls them.
type (
	UUIDs      struct{ array } // uuid[]
	Int8s      struct{ array } // bigint[]
	Float8s    struct{ array } // double precision[]
	Bools      struct{ array } // boolean[]
	Texts      struct{ array } // text[]
	JSONs      struct{ array } // json[]: elements are JSON texts
	JSONBs     struct{ array } // jsonb[]: elements are JSON texts
	Byteas     struct{ array } // bytea[]
	Timestamps struct{ array } // timestamptz[], to the microsecond
)

// Of is an array of elements that somebody else encodes.
type Of struct {
	array
	Element uint32 // the type's OID
}

// Append adds an element. Encode appends its length, 4 bytes in network order and -1 for null, and its binary form.
func (a *Of) Append(encode func(to []byte) ([]byte, error)) error {
	a.begin()
	at := len(a.buf)
	out, err := encode(a.buf)
	if err != nil {
		a.buf, a.count = a.buf[:at], a.count-1
		return err
	}
	a.buf = out
	a.nulls = a.nulls || binary.BigEndian.Uint32(out[at:]) == math.MaxUint32
	return nil
}

// Add adds an element.
func (a *UUIDs) Add(v uuid.UUID) { a.element(len(v)); a.buf = append(a.buf, v[:]...) }

// Add adds an element.
func (a *Int8s) Add(v int64) { a.element(8); a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v)) }

// Add adds an element.
func (a *Float8s) Add(v float64) {
	a.element(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, math.Float64bits(v))
}

// Add adds an element.
func (a *Bools) Add(v bool) {
	a.element(1)
	if v {
		a.buf = append(a.buf, 1)
	} else {
		a.buf = append(a.buf, 0)
	}
}

// Add adds an element.
func (a *Texts) Add(v string) { a.element(len(v)); a.buf = append(a.buf, v...) }

// Add adds an element; nil is empty, not null.
func (a *JSONs) Add(v []byte) { a.element(len(v)); a.buf = append(a.buf, v...) }

// Add adds an element; nil is empty, not null.
func (a *JSONBs) Add(v []byte) {
	a.element(len(v) + 1)
	a.buf = append(append(a.buf, 1), v...) // the version of jsonb's binary form, the only one there is
}

// Add adds an element; nil is empty, not null.
func (a *Byteas) Add(v []byte) { a.element(len(v)); a.buf = append(a.buf, v...) }

// Add adds an element.
func (a *Timestamps) Add(v time.Time) {
	a.element(8)
	a.buf = binary.BigEndian.AppendUint64(a.buf, uint64(v.Unix()*1_000_000+int64(v.Nanosecond()/1000)-epoch))
}

// epoch is PostgreSQL's, 2000-01-01, in microseconds of Unix time.
const epoch = 946_684_800 * 1_000_000

// encoder is what all of them are to the driver.
type encoder interface{ encode(to []byte) []byte }

func (a *UUIDs) encode(to []byte) []byte      { return a.appendTo(to, pgtype.UUIDOID) }
func (a *Int8s) encode(to []byte) []byte      { return a.appendTo(to, pgtype.Int8OID) }
func (a *Float8s) encode(to []byte) []byte    { return a.appendTo(to, pgtype.Float8OID) }
func (a *Bools) encode(to []byte) []byte      { return a.appendTo(to, pgtype.BoolOID) }
func (a *Texts) encode(to []byte) []byte      { return a.appendTo(to, pgtype.TextOID) }
func (a *JSONs) encode(to []byte) []byte      { return a.appendTo(to, pgtype.JSONOID) }
func (a *JSONBs) encode(to []byte) []byte     { return a.appendTo(to, pgtype.JSONBOID) }
func (a *Byteas) encode(to []byte) []byte     { return a.appendTo(to, pgtype.ByteaOID) }
func (a *Of) encode(to []byte) []byte         { return a.appendTo(to, a.Element) }
func (a *Timestamps) encode(to []byte) []byte { return a.appendTo(to, pgtype.TimestamptzOID) }

// Register makes a connection's types take the arrays of this package; slices are encoded as before. It
// comes after whatever else registers types. The driver has to know a parameter's type, so the modes
// "exec" and "simple_protocol", which do not ask for it, are not for these arrays.
func Register(m *pgtype.Map) {
	for _, oid := range []uint32{pgtype.UUIDArrayOID, pgtype.Int8ArrayOID, pgtype.Float8ArrayOID, pgtype.BoolArrayOID, pgtype.TextArrayOID,
		pgtype.JSONArrayOID, pgtype.JSONBArrayOID, pgtype.NumericArrayOID, pgtype.ByteaArrayOID, pgtype.TimestamptzArrayOID} {
		known, ok := m.TypeForOID(oid)
		if !ok {
			panic(fmt.Sprintf("pgarray: the driver does not know type %d", oid)) // all of them are built into it
		}
		m.RegisterType(&pgtype.Type{Codec: codec{known.Codec}, Name: known.Name, OID: known.OID})
	}
}

type codec struct{ pgtype.Codec }

// PlanEncode implements pgtype.Codec.
func (c codec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(encoder); ok && format == pgtype.BinaryFormatCode {
		return plan{}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

type plan struct{}

// Encode implements pgtype.EncodePlan.
func (plan) Encode(value any, buf []byte) ([]byte, error) { return value.(encoder).encode(buf), nil }
