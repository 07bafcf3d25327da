package selftest

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/internal/faults"
)

// ledgers lists those to check with their ends, a page at a time.
func (x *run) ledgers(ctx context.Context, each func(id uuid.UUID, end int64) error) error {
	for after := uuid.Nil; ; {
		type ledger struct {
			id  uuid.UUID
			end int64
		}
		rows, err := x.pool.Query(ctx, `select ledger_id, position from ledgers
			where ledger_id > $1 and (cardinality($2::uuid[]) = 0 or ledger_id = any($2)) order by 1 limit 1000`, after, append([]uuid.UUID{}, x.Ledgers...))
		if err != nil {
			return err
		}
		page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l ledger, err error) { return l, row.Scan(&l.id, &l.end) })
		if err != nil || len(page) == 0 {
			return err
		}
		for _, l := range page {
			if err := each(l.id, l.end); err != nil {
				return err
			}
		}
		after = page[len(page)-1].id
	}
}

// stored finds the commands of a journal, a page of keys at a time.
func (x *run) stored(ctx context.Context, entries []*faults.Entry, each func(e *faults.Entry, first, last int64, there bool)) error {
	for len(entries) > 0 {
		page := entries[:min(len(entries), 1000)]
		entries = entries[len(page):]
		var ids []uuid.UUID
		var keys []string
		for _, e := range page {
			ids, keys = append(ids, e.Ledger), append(keys, "key:"+e.Key)
		}
		rows, err := x.pool.Query(ctx, `select w.n, c.first_position, c.last_position
			from unnest($1::uuid[], $2::text[]) with ordinality w(ledger_id, key, n) join commands c using (ledger_id, key)`, ids, keys)
		if err != nil {
			return err
		}
		there := map[int][2]int64{}
		var n int
		var first, last int64
		if _, err := pgx.ForEachRow(rows, []any{&n, &first, &last}, func() error { there[n-1] = [2]int64{first, last}; return nil }); err != nil {
			return err
		}
		for i, e := range page {
			at, ok := there[i]
			each(e, at[0], at[1], ok)
		}
	}
	return nil
}

// acknowledged: a success in the journal is a command of the log; what was only ever refused is none, and
// an unknown outcome agrees with what its retry was told.
func acknowledged(ctx context.Context, x *run, f *Finding) error {
	f.What = "commands of the journal"
	if x.Journal == nil {
		f.Skipped = "needs a client's journal: --journal FILE"
		return nil
	}
	return x.stored(ctx, x.Journal, func(e *faults.Entry, first, last int64, there bool) {
		f.Checked++
		succeeded, open := false, len(e.Answers) < e.Times // sent and never answered: either is right
		for _, a := range e.Answers {
			switch {
			case a.Status/100 == 2:
				succeeded = true
				if there && a.Position < last {
					f.breach(Breach{Ledger: e.Ledger, Position: last, Problem: fmt.Sprintf("key %q: acknowledged at position %d, but its events end at %d", e.Key, a.Position, last)})
				}
			case a.Status == 0 || a.Status >= 500:
				open = true
			}
		}
		switch {
		case succeeded && !there:
			f.breach(Breach{Ledger: e.Ledger, Problem: fmt.Sprintf("key %q: acknowledged (%s %s), and the log does not have it", e.Key, e.Method, e.Path)})
		case !succeeded && !open && there:
			f.breach(Breach{Ledger: e.Ledger, Position: first, Problem: fmt.Sprintf("key %q: every answer was a refusal, and the log has it", e.Key)})
		}
	})
}

// nothingExtra: in the ledgers of the journal each client's key was sent by it.
func nothingExtra(ctx context.Context, x *run, f *Finding) error {
	f.What = "client keys of the log"
	if x.Journal == nil {
		f.Skipped = "needs a client's journal: --journal FILE"
		return nil
	}
	sent := map[uuid.UUID]map[string]bool{}
	for _, e := range x.Journal {
		if sent[e.Ledger] == nil {
			sent[e.Ledger] = map[string]bool{}
		}
		sent[e.Ledger]["key:"+e.Key] = true
	}
	for ledger, keys := range sent {
		for after := ""; ; {
			rows, err := x.pool.Query(ctx, `select key, first_position from commands
				where ledger_id = $1 and key > $2 and key like 'key:%' order by key limit 5000`, ledger, after)
			if err != nil {
				return err
			}
			n := 0
			var key string
			var first int64
			_, err = pgx.ForEachRow(rows, []any{&key, &first}, func() error {
				n, after = n+1, key
				if !keys[key] {
					f.breach(Breach{Ledger: ledger, Position: first, Problem: fmt.Sprintf("key %q is not in the journal", key[len("key:"):])})
				}
				return nil
			})
			if err != nil {
				return err
			}
			f.Checked += int64(n)
			if n == 0 {
				break
			}
		}
	}
	return nil
}

// whole: the positions of the commands of a ledger tile it from its first event to its end. Rows of
// further keys, usage records' own, lie with their command.
func whole(ctx context.Context, x *run, f *Finding) error {
	f.What = "commands"
	return x.ledgers(ctx, func(id uuid.UUID, end int64) error {
		claimed := make([]uint64, end/64+1)
		furthest, by := end, ""
		for after := ""; ; {
			rows, err := x.pool.Query(ctx, `select key, first_position, last_position from commands
				where ledger_id = $1 and key > $2 order by key limit 5000`, id, after)
			if err != nil {
				return err
			}
			n := 0
			var key string
			var first, last int64
			_, err = pgx.ForEachRow(rows, []any{&key, &first, &last}, func() error {
				n, after = n+1, key
				own := strings.HasPrefix(key, "key:") || strings.HasPrefix(key, "id:")
				if last >= first && (first < 1 || last-first > 1<<20) {
					f.breach(Breach{Ledger: id, Position: first, Problem: fmt.Sprintf("command %q claims the events from %d to %d", key, first, last)})
					return nil
				}
				if last > furthest {
					furthest, by = last, key
				}
				for at := first; own && at <= min(last, end); at++ {
					if claimed[at/64]&(1<<(at%64)) != 0 {
						f.breach(Breach{Ledger: id, Position: at, Problem: fmt.Sprintf("two commands claim the event, %q is one of them", key)})
						break
					}
					claimed[at/64] |= 1 << (at % 64)
				}
				return nil
			})
			if err != nil {
				return err
			}
			f.Checked += int64(n)
			if n == 0 {
				break
			}
		}
		if by != "" { // the ledger may have gone on since
			var now int64
			if err := x.pool.QueryRow(ctx, "select position from ledgers where ledger_id = $1", id).Scan(&now); err != nil {
				return err
			}
			if furthest > now {
				f.breach(Breach{Ledger: id, Position: furthest, Problem: fmt.Sprintf("command %q claims events up to there, and the ledger ends at %d", by, now)})
			}
		}
		for at := int64(1); at <= end; at++ {
			if claimed[at/64]&(1<<(at%64)) == 0 {
				f.breach(Breach{Ledger: id, Position: at, Problem: "the event belongs to no command"})
				return nil
			}
		}
		return nil
	})
}
