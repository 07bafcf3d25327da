package projections

// whole is a table's rows while a rebuild folds a ledger from its first event: there is nothing but what
// the fold itself wrote, and all of it is kept until the ledger's end.
type whole[K comparable, R Keyed[K]] struct {
	rows  map[K]*wholeRow[R]
	order []*wholeRow[R] // of making: near that of the keys, whose ids begin with a time
	chunk []wholeRow[R]  // not used yet
}

type wholeRow[R any] struct {
	row  R
	gone bool
}

// wholeTable is what a rebuild does with a whole without knowing its row type.
type wholeTable interface {
	// copyInto appends all rows to a COPY, in the order of their keys, and forgets them.
	copyInto(c *copying) error
}

// wholeChunk is how many rows are allocated at once.
const wholeChunk = 128

func (w *whole[K, R]) get(key K) (row R, ok bool) {
	if r := w.rows[key]; r != nil && !r.gone {
		return r.row, true
	}
	return row, false
}

func (w *whole[K, R]) put(row R) {
	key := row.Key()
	r := w.rows[key]
	if r == nil {
		if len(w.chunk) == 0 {
			w.chunk = make([]wholeRow[R], wholeChunk)
		}
		r, w.chunk = &w.chunk[0], w.chunk[1:]
		w.rows[key], w.order = r, append(w.order, r)
	}
	r.row, r.gone = row, false
}

func (w *whole[K, R]) delete(key K) {
	if r := w.rows[key]; r != nil {
		r.gone = true
	}
}

func (w *whole[K, R]) copyInto(c *copying) error {
	for _, r := range w.order {
		if r.gone {
			continue
		}
		if err := c.add(&r.row); err != nil {
			return err
		}
	}
	c.sort()
	clear(w.rows)
	clear(w.order)
	w.order = w.order[:0]
	return nil
}
