package projections

import (
	"fmt"
	"reflect"
	"strings"
)

// Keyed is a row struct with `db` tags; the columns of K come first in it, the ledger's id first of all.
type Keyed[K comparable] interface{ Key() K }

// Table is a read model's table: how the fold sees it, and the statements that load and write it.
// Make it once a model: statements and columns are found by reflection in NewTable.
type Table[K comparable, R Keyed[K]] struct {
	name    string
	slot    int
	columns []column
	keys    []column // of K: the same names as the first columns
	load    string
	upsert  string
	remove  string
}

// table is what a page does with a Table without knowing its row type.
type table interface {
	Name() string
	bind(slot int)
	newBuffer() rowBuffer
	newWhole() wholeTable
	rowType() reflect.Type
	columnList() []column
	keyCount() int
}

// NewTable reads the structure of R and K.
func NewTable[K comparable, R Keyed[K]](name string) *Table[K, R] {
	t := &Table[K, R]{name: name, columns: columnsOf(reflect.TypeFor[R]()), keys: columnsOf(reflect.TypeFor[K]())}
	for i, k := range t.keys {
		if t.columns[i].name != k.name {
			panic(fmt.Sprintf("projections: column %d of %s is %s, not the key's %s", i, name, t.columns[i].name, k.name))
		}
	}
	if t.keys[0].name != "ledger_id" {
		panic("projections: the key of " + name + " does not begin with ledger_id")
	}
	keys := quoted(t.keys, "")
	// A page knows its keys; joining the unnested arrays makes it one index scan a key whatever the size.
	t.load = fmt.Sprintf("select %s from %s t join unnest(%s) k(%s) using (%s)",
		quotedJoined(t.columns, len(t.keys)), name, arrays(t.keys), keys, keys)
	t.remove = fmt.Sprintf("delete from %s where (%s) in (select * from unnest(%s))", name, keys, arrays(t.keys))
	var set []string
	for _, c := range t.columns[len(t.keys):] {
		set = append(set, fmt.Sprintf(`"%s" = excluded."%s"`, c.name, c.name))
	}
	do := "nothing"
	if len(set) > 0 {
		do = "update set " + strings.Join(set, ", ")
	}
	t.upsert = fmt.Sprintf("insert into %s (%s) select * from unnest(%s) on conflict (%s) do %s",
		name, quoted(t.columns, ""), arrays(t.columns), keys, do)
	return t
}

// Name is the table's name in the database.
func (t *Table[K, R]) Name() string { return t.name }

// Get finds a row as it is at this point of the fold; false when there is none. The row is a copy.
func (t *Table[K, R]) Get(p *Page, key K) (R, bool) {
	if p.whole != nil {
		return p.whole[t.slot].(*whole[K, R]).get(key)
	}
	b := p.buffers[t.slot].(*buffer[K, R])
	e, ok := b.wrote[key]
	if !ok {
		e, ok = b.loaded[key]
	}
	if !ok {
		b.asked[key] = struct{}{}
	}
	return e.row, e.exists
}

// Must is Get of a row that an earlier event made. A missing one is a failure of this event; what the
// fold does with the zero row is then never written.
func (t *Table[K, R]) Must(p *Page, key K) R {
	row, ok := t.Get(p, key)
	if !ok {
		p.Fail(fmt.Errorf("%s has no row %v", t.name, key))
	}
	return row
}

// Put writes a row, new or changed.
func (t *Table[K, R]) Put(p *Page, row R) {
	if p.whole != nil {
		p.whole[t.slot].(*whole[K, R]).put(row)
		return
	}
	p.buffers[t.slot].(*buffer[K, R]).wrote[row.Key()] = held[R]{row: row, exists: true}
}

// Delete removes a row if there is one.
func (t *Table[K, R]) Delete(p *Page, key K) {
	if p.whole != nil {
		p.whole[t.slot].(*whole[K, R]).delete(key)
		return
	}
	p.buffers[t.slot].(*buffer[K, R]).wrote[key] = held[R]{}
}

func (t *Table[K, R]) bind(slot int) { t.slot = slot }
func (t *Table[K, R]) newBuffer() rowBuffer {
	return &buffer[K, R]{table: t, loaded: map[K]held[R]{}, wrote: map[K]held[R]{}, asked: map[K]struct{}{}}
}
func (t *Table[K, R]) newWhole() wholeTable  { return &whole[K, R]{rows: map[K]*wholeRow[R]{}} }
func (t *Table[K, R]) rowType() reflect.Type { return reflect.TypeFor[R]() }
func (t *Table[K, R]) columnList() []column  { return t.columns }
func (t *Table[K, R]) keyCount() int         { return len(t.keys) }

// arrays are the parameters of an unnest.
func arrays(columns []column) string {
	var b strings.Builder
	for i, c := range columns {
		fmt.Fprintf(&b, "%s$%d::%s[]", sep(i), i+1, c.sql)
	}
	return b.String()
}

// quotedJoined names the key columns without their table, since `using` merged them.
func quotedJoined(columns []column, keys int) string {
	if len(columns) == keys {
		return quoted(columns, "")
	}
	return quoted(columns[:keys], "") + ", " + quoted(columns[keys:], "t.")
}

func sep(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}
