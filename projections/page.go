package projections

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgarray"
)

// Page is a model's rows while a page of events is folded into them: the fold is tried until all rows that it
// asks for are loaded. A rebuild has nothing but what the fold itself wrote.
type Page struct {
	model   *Model
	buffers []rowBuffer
	whole   []wholeTable // in place of buffers: the ledger is folded from its first event, with nothing to load
	err     error
}

// EventError is a fold that failed: the event, and why.
type EventError struct {
	Projection string
	Event      *eventstore.Recorded
	Err        error
}

func (e *EventError) Error() string {
	return fmt.Sprintf("%s cannot apply %s at position %d of ledger %s: %v",
		e.Projection, e.Event.Type, e.Event.Position, e.Event.Ledger, e.Err)
}

func (e *EventError) Unwrap() error { return e.Err }

func (m *Model) newPage() *Page {
	p := &Page{model: m, buffers: make([]rowBuffer, len(m.tables))}
	for i, t := range m.tables {
		p.buffers[i] = t.newBuffer()
	}
	return p
}

// Fail makes the event that is being folded fail; the first failure counts.
func (p *Page) Fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// attempt runs the fold on what is loaded and tells whether it asked for rows that are not. If it did, nothing
// of the attempt counts, not even a failure: load them and try again. Otherwise the rows are what the events
// made of them; an error is then an *EventError or the database's.
func (p *Page) attempt(events []*eventstore.Recorded) (missing bool, err error) {
	for _, b := range p.buffers {
		b.begin()
	}
	for _, e := range events {
		if failed := p.try(e); failed != nil && err == nil {
			err = &EventError{Projection: p.model.name, Event: e, Err: failed}
		}
	}
	for _, b := range p.buffers {
		missing = missing || b.missing()
	}
	if missing {
		return true, nil
	}
	return false, err
}

func (p *Page) queueLoads(q *pgx.Batch) {
	for _, b := range p.buffers {
		b.queueLoad(q)
	}
}

func (p *Page) try(e *eventstore.Recorded) (err error) {
	p.err = nil
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	p.model.fold(p, e)
	return p.err
}

func (p *Page) queueWrites(q *pgx.Batch) error {
	var errs []error
	for _, b := range p.buffers {
		errs = append(errs, b.queueWrite(q))
	}
	return errors.Join(errs...)
}

// rowBuffer is a table's part of a page.
type rowBuffer interface {
	begin()
	missing() bool
	queueLoad(q *pgx.Batch)
	queueWrite(q *pgx.Batch) error
	written() []any
}

// held is a row as the page knows it, or a key known to have none.
type held[R any] struct {
	row    R
	exists bool
}

type buffer[K comparable, R Keyed[K]] struct {
	table  *Table[K, R]
	loaded map[K]held[R] // from the database
	wrote  map[K]held[R] // by the fold since the attempt began
	asked  map[K]struct{}
}

// begin forgets what the attempt before made of the rows.
func (b *buffer[K, R]) begin() { clear(b.wrote) }

func (b *buffer[K, R]) missing() bool { return len(b.asked) > 0 }

func (b *buffer[K, R]) queueLoad(q *pgx.Batch) {
	if len(b.asked) == 0 {
		return
	}
	keys := slices.Collect(maps.Keys(b.asked))
	clear(b.asked)
	q.Queue(b.table.load, b.keyArrays(keys)...).Query(func(rows pgx.Rows) error { return b.fill(rows, keys) })
}

func (b *buffer[K, R]) fill(rows pgx.Rows, asked []K) error {
	defer rows.Close()
	for _, k := range asked {
		b.loaded[k] = held[R]{}
	}
	if err := rows.Err(); err != nil { // a failed statement of a batch has no fields to ask for
		return err
	}
	scanner := newScanner(rows, 0, b.table.columns, reflect.TypeFor[R]())
	for rows.Next() {
		e := held[R]{exists: true}
		if err := scanner.scan(rows.RawValues(), reflect.ValueOf(&e.row).Elem()); err != nil {
			return fmt.Errorf("scan %s: %w", b.table.name, err)
		}
		b.loaded[e.row.Key()] = e
	}
	return rows.Err()
}

func (b *buffer[K, R]) queueWrite(q *pgx.Batch) error {
	var put []R
	var gone []K
	for k, e := range b.wrote {
		if e.exists {
			put = append(put, e.row)
		} else {
			gone = append(gone, k)
		}
	}
	if len(gone) > 0 {
		q.Queue(b.table.remove, b.keyArrays(gone)...)
	}
	if len(put) > 0 {
		args, err := columnArrays(b.table.columns, put)
		if err != nil {
			return fmt.Errorf("encode %s: %w", b.table.name, err)
		}
		q.Queue(b.table.upsert, args...)
	}
	return nil
}

func (b *buffer[K, R]) keyArrays(keys []K) []any {
	args, err := columnArrays(b.table.keys, keys)
	if err != nil {
		panic(err) // a key has no JSON
	}
	return args
}

// written lists the rows that the page wrote, as values of R. Deleted ones are left out.
func (b *buffer[K, R]) written() []any {
	var all []any
	for _, e := range b.wrote {
		if e.exists {
			all = append(all, e.row)
		}
	}
	return all
}

// columnArrays turns rows into one array a column, as unnest takes them.
func columnArrays[T any](columns []column, rows []T) ([]any, error) {
	args := make([]any, len(columns))
	for i, c := range columns {
		array := &pgarray.Of{Element: elementOIDs[c.sql]}
		encode := encoderOf(c, reflect.TypeFor[T]().FieldByIndex(c.index).Type, array.Element, nil)
		for j := range rows {
			field := reflect.ValueOf(&rows[j]).Elem().FieldByIndex(c.index)
			if err := array.Append(func(to []byte) ([]byte, error) { return encode(to, field) }); err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
		}
		args[i] = array
	}
	return args, nil
}
