package projections

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// decoder sets a field to what PostgreSQL sent; src is never null. It keeps nothing of src.
type decoder func(src []byte, f reflect.Value) error

// scanner reads the rows of a result into row structs. It looks at the types once a result: the driver asks
// for each value anew how it is decoded, and takes JSON apart twice.
type scanner struct {
	columns  []column
	decoders []decoder
}

// newScanner is for a result that has these columns, in this order, from the given field on.
func newScanner(rows pgx.Rows, from int, columns []column, row reflect.Type) scanner {
	s := scanner{columns, make([]decoder, len(columns))}
	for i, f := range rows.FieldDescriptions()[from:][:len(columns)] {
		t := row.FieldByIndex(columns[i].index).Type
		if t.Kind() == reflect.Pointer {
			s.decoders[i] = pointerDecoder(t.Elem(), decoderOf(rows, f.DataTypeOID, f.Format, columns[i], t.Elem()))
		} else {
			s.decoders[i] = decoderOf(rows, f.DataTypeOID, f.Format, columns[i], t)
		}
	}
	return s
}

// scan reads the values of a row.
func (s scanner) scan(values [][]byte, row reflect.Value) error {
	for i, src := range values {
		f := row.FieldByIndex(s.columns[i].index)
		if src == nil {
			if k := f.Kind(); k != reflect.Pointer && k != reflect.Slice && k != reflect.Map {
				return fmt.Errorf("column %s is null", s.columns[i].name)
			}
			f.SetZero()
			continue
		}
		if err := s.decoders[i](src, f); err != nil {
			return fmt.Errorf("column %s: %w", s.columns[i].name, err)
		}
	}
	return nil
}

func pointerDecoder(t reflect.Type, decode decoder) decoder {
	return func(src []byte, f reflect.Value) error {
		made := reflect.New(t)
		f.Set(made)
		return decode(src, made.Elem())
	}
}

func decoderOf(rows pgx.Rows, oid uint32, format int16, c column, t reflect.Type) decoder {
	binaryForm := format == pgtype.BinaryFormatCode
	switch {
	case c.json:
		return jsonDecoder(oid, binaryForm, t)
	case oid == pgtype.UUIDOID && binaryForm && t == uuidType:
		return func(src []byte, f reflect.Value) error {
			if len(src) != 16 {
				return errSize
			}
			copy(f.Addr().Interface().(*uuid.UUID)[:], src)
			return nil
		}
	case oid == pgtype.TimestamptzOID && binaryForm && t == timeType:
		return func(src []byte, f reflect.Value) error {
			if len(src) != 8 {
				return errSize
			}
			micros := int64(binary.BigEndian.Uint64(src))
			if micros == 1<<63-1 || micros == -1<<63 {
				return errors.New("an infinite time")
			}
			*f.Addr().Interface().(*time.Time) = time.Unix(micros/1_000_000+epoch, micros%1_000_000*1000).UTC()
			return nil
		}
	case oid == pgtype.TextOID && t.Kind() == reflect.String:
		return func(src []byte, f reflect.Value) error { f.SetString(string(src)); return nil }
	case oid == pgtype.Int8OID && binaryForm && (t.Kind() == reflect.Int || t.Kind() == reflect.Int64):
		return func(src []byte, f reflect.Value) error {
			if len(src) != 8 {
				return errSize
			}
			f.SetInt(int64(binary.BigEndian.Uint64(src)))
			return nil
		}
	case oid == pgtype.BoolOID && binaryForm && t.Kind() == reflect.Bool:
		return func(src []byte, f reflect.Value) error { f.SetBool(len(src) == 1 && src[0] == 1); return nil }
	}
	types := rows.Conn().TypeMap()
	return func(src []byte, f reflect.Value) error {
		return types.Scan(oid, format, src, f.Addr().Interface())
	}
}

var errSize = errors.New("its size is not that of its type")

func jsonDecoder(oid uint32, binaryForm bool, t reflect.Type) decoder {
	versioned := oid == pgtype.JSONBOID && binaryForm // jsonb has a byte before the text in its binary form
	return func(src []byte, f reflect.Value) error {
		if versioned {
			if len(src) == 0 || src[0] != 1 {
				return errors.New("jsonb of an unknown version")
			}
			src = src[1:]
		}
		switch {
		case t == rawType:
			f.SetBytes(bytes.Clone(src))
			return nil
		case t.Kind() == reflect.Slice && string(src) == "[]":
			f.Set(reflect.MakeSlice(t, 0, 0))
			return nil
		}
		f.SetZero()
		return json.Unmarshal(src, f.Addr().Interface())
	}
}
