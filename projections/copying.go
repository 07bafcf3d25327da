package projections

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copying gathers rows of a table in the binary format of COPY. The driver makes the same bytes, and
// was a third of a rebuild: it asks for each value anew how it is encoded.
type copying struct {
	statement string
	columns   []column
	encoders  []encoder
	rows      []byte
	unsorted  [][2]int // rows since the last sort: from, to
	spare     []byte
}

// newCopying looks up the types that the columns have in the database.
func newCopying(ctx context.Context, conn *pgx.Conn, schema string, t table) (*copying, error) {
	name := pgx.Identifier{schema, t.Name()}.Sanitize()
	list := quoted(t.columnList(), "")
	described, err := conn.PgConn().Prepare(ctx, "", "select "+list+" from "+name, nil)
	if err != nil {
		return nil, fmt.Errorf("look at the columns of %s: %w", t.Name(), err)
	}
	c := &copying{statement: "copy " + name + " (" + list + ") from stdin (format binary)", columns: t.columnList()}
	for i, column := range c.columns {
		c.encoders = append(c.encoders, encoderOf(column, t.rowType().FieldByIndex(column.index).Type, described.Fields[i].DataTypeOID, conn.TypeMap()))
	}
	return c, nil
}

// add appends a row; a pointer to a struct with the table's columns.
func (c *copying) add(row any) (err error) {
	from := len(c.rows)
	c.rows = binary.BigEndian.AppendUint16(c.rows, uint16(len(c.columns)))
	v := reflect.ValueOf(row).Elem()
	for i, encode := range c.encoders {
		f := v.Field(c.columns[i].index[0])
		for _, inner := range c.columns[i].index[1:] {
			f = f.Field(inner)
		}
		if c.rows, err = encode(c.rows, f); err != nil {
			return fmt.Errorf("encode %s: %w", c.columns[i].name, err)
		}
	}
	c.unsorted = append(c.unsorted, [2]int{from, len(c.rows)})
	return nil
}

// sort puts the rows that were added since the last sort in the order of their first bytes, which are the
// keys: near each other in the table, and quick to make indexes of.
func (c *copying) sort() {
	if len(c.unsorted) == 0 {
		return
	}
	compare := func(a, b [2]int) int { return bytes.Compare(c.rows[a[0]:a[1]], c.rows[b[0]:b[1]]) }
	if !slices.IsSortedFunc(c.unsorted, compare) {
		first := c.unsorted[0][0]
		slices.SortFunc(c.unsorted, compare)
		c.spare = c.spare[:0]
		for _, r := range c.unsorted {
			c.spare = append(c.spare, c.rows[r[0]:r[1]]...)
		}
		copy(c.rows[first:], c.spare)
	}
	c.unsorted = c.unsorted[:0]
}

// What begins and ends a binary COPY: a signature, no flags, no further header; -1 for a number of fields.
const (
	copyHead = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTail = "\xff\xff"
)

// send writes the rows and forgets them.
func (c *copying) send(ctx context.Context, conn *pgx.Conn) error {
	if len(c.rows) == 0 {
		return nil
	}
	_, err := conn.PgConn().CopyFrom(ctx, io.MultiReader(strings.NewReader(copyHead), bytes.NewReader(c.rows), strings.NewReader(copyTail)), c.statement)
	c.rows = c.rows[:0]
	return err
}
