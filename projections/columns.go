package projections

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
)

// column is one `db` field of a row struct. Fields of embedded structs count as the row's own.
type column struct {
	name  string
	index []int // of the field, for reflect
	sql   string
	json  bool // stored as jsonb: struct, slice or map
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	uuidType    = reflect.TypeFor[uuid.UUID]()
	decimalType = reflect.TypeFor[decimal.Decimal]()
	rawType     = reflect.TypeFor[json.RawMessage]()
)

// columnsOf reads a row struct once; it panics on a field type that has no column type, which is a
// mistake in the program.
func columnsOf(t reflect.Type) []column {
	var all []column
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := f.Tag.Lookup("db")
		if !ok {
			if f.Anonymous && f.Type.Kind() == reflect.Struct {
				for _, c := range columnsOf(f.Type) {
					c.index = append([]int{i}, c.index...)
					all = append(all, c)
				}
			}
			continue
		}
		sql, isJSON := sqlType(f.Type)
		if sql == "" {
			panic(fmt.Sprintf("projections: %s.%s: no column type for %s", t, f.Name, f.Type))
		}
		all = append(all, column{name: name, index: []int{i}, sql: sql, json: isJSON})
	}
	return all
}

func sqlType(t reflect.Type) (sql string, isJSON bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case timeType:
		return "timestamptz", false
	case uuidType:
		return "uuid", false
	case decimalType:
		return "numeric", false
	}
	switch t.Kind() {
	case reflect.String:
		return "text", false
	case reflect.Int, reflect.Int64:
		return "bigint", false
	case reflect.Bool:
		return "boolean", false
	case reflect.Float64:
		return "double precision", false
	case reflect.Struct, reflect.Slice, reflect.Map:
		return "jsonb", true
	}
	return "", false
}

// quoted lists column names for a statement, with a prefix such as "excluded.".
func quoted(columns []column, prefix string) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(prefix + `"` + c.name + `"`)
	}
	return b.String()
}

// collect reads all rows of a result whose columns are those of T, by name.
func collect[T any](rows pgx.Rows) ([]T, error) {
	defer rows.Close()
	if err := rows.Err(); err != nil { // a failed statement of a batch has no fields to ask for
		return nil, err
	}
	byName := map[string]column{}
	for _, c := range columnsOf(reflect.TypeFor[T]()) {
		byName[c.name] = c
	}
	var columns []column
	for _, f := range rows.FieldDescriptions() {
		c, ok := byName[f.Name]
		if !ok {
			return nil, fmt.Errorf("%T has no field for column %s", *new(T), f.Name)
		}
		columns = append(columns, c)
	}
	all, scanner := []T{}, newScanner(rows, 0, columns, reflect.TypeFor[T]())
	for rows.Next() {
		var row T
		if err := scanner.scan(rows.RawValues(), reflect.ValueOf(&row).Elem()); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
