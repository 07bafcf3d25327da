package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Difference is a row that a rebuild made otherwise than it is live. Rows are JSON; empty: not there.
type Difference struct {
	Table  string
	Ledger uuid.UUID
	Key    []string // names of the columns that are its key within the ledger
	Live   string
	Shadow string
}

// Columns names the row by its key and says what the columns hold in which the two differ. A row that one
// of them lacks differs in none.
func (d Difference) Columns() (key, live, shadow string) {
	var l, s map[string]json.RawMessage
	if d.Live != "" && json.Unmarshal([]byte(d.Live), &l) != nil || d.Shadow != "" && json.Unmarshal([]byte(d.Shadow), &s) != nil {
		return "", d.Live, d.Shadow
	}
	list := func(names []string, of map[string]json.RawMessage) string {
		var all []string
		for _, name := range names {
			all = append(all, name+" "+string(of[name]))
		}
		return strings.Join(all, ", ")
	}
	switch {
	case l == nil:
		return list(d.Key, s), "", ""
	case s == nil:
		return list(d.Key, l), "", ""
	}
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if !bytes.Equal(l[name], s[name]) {
			differ = append(differ, name)
		}
	}
	return list(d.Key, l), list(differ, l), list(differ, s)
}

// Sizes of a comparison.
const (
	comparePage = 5000 // rows in one short transaction, in which the ledger's runner waits
	compareMost = 100  // differences that are told
	liveTries   = 100  // waits of firstBackOff for a live projection to catch up with the shadow
)

// ErrAhead is told of a live projection that has applied more than the log has: events were lost under it.
var ErrAhead = errors.New("the live projection is ahead of the log")

var errLiveBehind = errors.New("the live projection is behind the shadow")

// Check compares the shadow with the live tables, row by row and ledger by ledger, both at the same
// position: at most 100 differences. No snapshot lasts longer than a page of rows. Ledgers in which
// one of the projections is parked are left out.
func (r *Rebuild) Check(ctx context.Context) ([]Difference, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var names []string
	for _, m := range r.Models {
		names = append(names, m.name)
	}
	var found []Difference
	for after := uuid.Nil; ; {
		rows, err := conn.Query(ctx, `select l.ledger_id, l.position, false as done from public.ledgers l
			where l.position > 0 and l.ledger_id > $1 and not exists (select from public.projection_positions c
				where c.ledger_id = l.ledger_id and c.projection = any($2) and c.parked_at is not null)
			order by 1 limit 1000`, after, names)
		if err != nil {
			return nil, fmt.Errorf("rebuild: ledgers to compare: %w", err)
		}
		ledgers, err := collect[end](rows)
		if err != nil {
			return nil, fmt.Errorf("rebuild: ledgers to compare: %w", err)
		}
		if len(ledgers) == 0 {
			return found, nil
		}
		for _, l := range ledgers {
			after = l.Ledger
			for _, m := range r.Models {
				for _, t := range m.tables {
					d, err := r.compare(ctx, conn, l.Ledger, m.name, t)
					for try := 0; errors.Is(err, errLiveBehind) && try < liveTries && pause(ctx, firstBackOff) == nil; try++ {
						d, err = r.compare(ctx, conn, l.Ledger, m.name, t)
					}
					if err != nil {
						return nil, fmt.Errorf("rebuild: compare %s of %s: %w", t.Name(), l.Ledger, err)
					}
					if found = append(found, d...); len(found) >= compareMost {
						return found[:compareMost], nil
					}
				}
			}
		}
	}
}

// compare pages through one table of a ledger.
func (r *Rebuild) compare(ctx context.Context, conn *pgx.Conn, ledger uuid.UUID, model string, t table) ([]Difference, error) {
	keys := t.columnList()[1:t.keyCount()]
	var keyNames, list, text, cursor, upTo []string
	for i, k := range keys {
		keyNames = append(keyNames, k.name)
		list = append(list, fmt.Sprintf("%q", k.name))
		text = append(text, fmt.Sprintf("%q::text", k.name))
		cursor = append(cursor, fmt.Sprintf("$%d::text::%s", i+2, k.sql))
		upTo = append(upTo, fmt.Sprintf("$%d::text::%s", i+2+len(keys), k.sql))
	}
	names, row := strings.Join(list, ", "), "("+strings.Join(list, ", ")+")"
	from := make([]*string, len(keys)) // nil: from the beginning
	var found []Difference
	for {
		to := make([]*string, len(keys))
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := r.align(ctx, tx, ledger, model); err != nil {
				return err
			}
			args := append([]any{ledger}, anys(from)...)
			begin := "true"
			if from[0] != nil {
				begin = row + " > (" + strings.Join(cursor, ", ") + ")"
			}
			bound := fmt.Sprintf("select %s from public.%s where ledger_id = $1 and %s order by %s offset %d limit 1",
				strings.Join(text, ", "), t.Name(), begin, names, comparePage-1)
			targets := make([]any, len(to))
			for i := range to {
				targets[i] = &to[i]
			}
			boundArgs := args[:1]
			if from[0] != nil {
				boundArgs = args
			}
			if err := tx.QueryRow(ctx, bound, boundArgs...).Scan(targets...); err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			within, compareArgs := begin, boundArgs
			if to[0] != nil {
				shifted := upTo
				if from[0] == nil {
					shifted = cursor
				}
				within += " and " + row + " <= (" + strings.Join(shifted, ", ") + ")"
				compareArgs = append(append([]any{}, boundArgs...), anys(to)...)
			}
			rows, err := tx.Query(ctx, fmt.Sprintf(`select coalesce(to_jsonb(l)::text, ''), coalesce(to_jsonb(s)::text, '')
				from (select * from public.%[1]s where ledger_id = $1 and %[3]s) l
				full join (select * from %[2]s.%[1]s where ledger_id = $1 and %[3]s) s using (ledger_id, %[4]s)
				where l is distinct from s limit %[5]d`, t.Name(), r.schema, within, names, compareMost), compareArgs...)
			if err != nil {
				return err
			}
			d := Difference{Table: t.Name(), Ledger: ledger, Key: keyNames}
			_, err = pgx.ForEachRow(rows, []any{&d.Live, &d.Shadow}, func() error {
				found = append(found, d)
				return nil
			})
			return err
		})
		if err != nil || to[0] == nil || len(found) >= compareMost {
			return found, err
		}
		from = to
	}
}

// align holds the live checkpoint where it is until the transaction ends, and brings the shadow there.
func (r *Rebuild) align(ctx context.Context, tx pgx.Tx, ledger uuid.UUID, model string) error {
	var live, shadow int64
	err := tx.QueryRow(ctx, "select position from public.checkpoints where ledger_id = $1 and (projection = $2 or $2 = any(covers)) for share", ledger, model).Scan(&live)
	if err != nil {
		return fmt.Errorf("the live projection %s has not seen the ledger: %w", model, err)
	}
	err = tx.QueryRow(ctx, "select coalesce((select position from "+r.schema+".checkpoints where ledger_id = $1), 0)", ledger).Scan(&shadow)
	if err != nil {
		return err
	}
	if shadow > live {
		return fmt.Errorf("%w: %s is at %d, the shadow at %d", errLiveBehind, model, live, shadow)
	}
	for shadow < live {
		events, err := r.Log.Page(ctx, ledger, shadow, int(min(pageEvents, live-shadow)))
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return fmt.Errorf("%w: %s is at %d, the log ends at %d", ErrAhead, model, live, shadow)
		}
		if err := r.applyTo(ctx, tx, ledger, events); err != nil {
			return err
		}
		shadow = events[len(events)-1].Position
	}
	return nil
}

func anys(texts []*string) []any {
	all := make([]any, len(texts))
	for i, t := range texts {
		all[i] = t
	}
	return all
}
