package eventstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/subledger/subledger/domain"
)

// Finding is the first thing that is wrong with a ledger.
type Finding struct {
	Ledger   uuid.UUID `json:"ledger"`
	Position int64     `json:"position"` // the first bad one
	Problem  string    `json:"problem"`
}

func (f Finding) String() string {
	return fmt.Sprintf("ledger %s position %d: %s", f.Ledger, f.Position, f.Problem)
}

// Report is what Verify saw.
type Report struct {
	Ledgers  int64     `json:"ledgers"`
	Events   int64     `json:"events"`
	Findings []Finding `json:"findings"`
}

// verifyPage bounds the memory and the age of a snapshot: each page is a statement of its own.
const verifyPage = 5000

// Verify recomputes the chain of the given ledgers, all when none is given, from the stored bytes: hashes, heads,
// positions and versions without a hole, recording times that never go backwards. It needs no key
// and takes no lock: each ledger is checked up to the end that it had when its turn came. progress,
// if any, hears how many events are done and how many there are.
func Verify(ctx context.Context, db querier, only []uuid.UUID, progress func(done, total int64)) (Report, error) {
	report := Report{Findings: []Finding{}}
	var total int64
	err := db.QueryRow(ctx, `select coalesce(sum(position), 0)::bigint from ledgers where cardinality($1::uuid[]) = 0 or ledger_id = any($1)`, nonNil(only)).Scan(&total)
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	for after := (uuid.UUID{}); ; {
		var id uuid.UUID
		err := db.QueryRow(ctx, `select ledger_id from ledgers
			where ledger_id > $1 and (cardinality($2::uuid[]) = 0 or ledger_id = any($2)) order by ledger_id limit 1`, after, nonNil(only)).Scan(&id)
		if isNoRows(err) && len(only) == 0 {
			lost, err := lostLedgers(ctx, db)
			report.Findings = append(report.Findings, lost...)
			return report, err
		}
		if isNoRows(err) {
			return report, nil
		}
		if err != nil {
			return report, fmt.Errorf("verify: %w", err)
		}
		base := report.Events
		count, finding, err := verifyLedger(ctx, db, id, func(n int64) {
			if progress != nil {
				progress(base+n, total)
			}
		})
		if err != nil {
			return report, fmt.Errorf("verify ledger %s: %w", id, err)
		}
		report.Ledgers++
		report.Events += count
		if finding != nil {
			report.Findings = append(report.Findings, *finding)
		}
		after = id
	}
}

// lostLedgers finds events whose ledger was deleted, a look-up for each ledger that has events.
func lostLedgers(ctx context.Context, db querier) (found []Finding, err error) {
	rows, err := db.Query(ctx, `with recursive of (ledger_id) as (
			(select ledger_id from events order by ledger_id limit 1)
			union all select (select e.ledger_id from events e where e.ledger_id > of.ledger_id order by e.ledger_id limit 1) from of where of.ledger_id is not null)
		select ledger_id, (select min(position) from events e where e.ledger_id = of.ledger_id) from of
		where ledger_id is not null and not exists (select from ledgers l where l.ledger_id = of.ledger_id) limit 100`)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	f := Finding{Problem: "there are events, and their ledger is missing"}
	if _, err := pgx.ForEachRow(rows, []any{&f.Ledger, &f.Position}, func() error { found = append(found, f); return nil }); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	return found, nil
}

func nonNil(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}

// storedEnd is a ledger's row as it is stored, however wrong.
type storedEnd struct {
	head              Head
	recordedAt, clock pgtype.Timestamptz
}

func readStoredEnd(ctx context.Context, db querier, ledger uuid.UUID) (end storedEnd, err error) {
	var hash []byte
	err = db.QueryRow(ctx, `select position, head, recorded_at, clock from ledgers where ledger_id = $1`, ledger).
		Scan(&end.head.Position, &hash, &end.recordedAt, &end.clock)
	copy(end.head.Hash[:], hash)
	return end, err
}

func verifyLedger(ctx context.Context, db querier, ledger uuid.UUID, progress func(int64)) (int64, *Finding, error) {
	end, err := readStoredEnd(ctx, db, ledger)
	if err != nil {
		return 0, nil, err
	}
	bad := func(position int64, format string, args ...any) *Finding {
		return &Finding{ledger, position, fmt.Sprintf(format, args...)}
	}
	var at Head
	var recorded time.Time
	var clock *time.Time
	versions := map[uuid.UUID]int64{}
	page := verifyPage
	for at.Position < end.head.Position {
		events, err := rawPage(ctx, db, ledger, at.Position, end.head.Position, page)
		switch {
		case isDamaged(err) && page > 1:
			page = 1 // event by event up to the first that cannot be read
			continue
		case isDamaged(err):
			return at.Position, bad(at.Position+1, "the event cannot be read: %v", err), nil
		case err != nil:
			return at.Position, nil, err
		}
		if len(events) == 0 {
			return at.Position, bad(at.Position+1, "the event is missing: the ledger ends at %d", end.head.Position), nil
		}
		for _, e := range events {
			switch hash := chainHash(at.Hash, e.Recorded); {
			case e.Position != at.Position+1:
				return at.Position, bad(at.Position+1, "the event is missing: the next one is at %d", e.Position), nil
			case e.unreadable != "":
				return at.Position, bad(e.Position, "%s", e.unreadable), nil
			case hash != e.Hash:
				return at.Position, bad(e.Position, "the hash does not follow from the event and its predecessor: %x is stored, %x computed", e.Hash, hash), nil
			case e.Version != versions[e.Stream]+1:
				return at.Position, bad(e.Position, "stream %s goes from version %d to %d", e.Stream, versions[e.Stream], e.Version), nil
			case e.RecordedAt.Before(recorded):
				return at.Position, bad(e.Position, "it was recorded at %s, before its predecessor at %s", e.RecordedAt.UTC().Format(time.RFC3339Nano), recorded.UTC().Format(time.RFC3339Nano)), nil
			}
			if e.Type == (domain.ClockMoved{}).EventType() {
				var moved domain.ClockMoved
				if err := json.Unmarshal(e.Data, &moved); err != nil {
					return at.Position, bad(e.Position, "the clock's event does not decode: %v", err), nil
				}
				to := moment(moved.To)
				clock = &to
			}
			at, recorded = Head{e.Position, e.Hash}, e.RecordedAt
			versions[e.Stream] = e.Version
		}
		progress(at.Position)
	}
	switch {
	case at.Hash != end.head.Hash:
		return at.Position, bad(at.Position, "the ledger's head is %x, its last event's hash %x", end.head.Hash, at.Hash), nil
	case at.Position > 0 && (!finite(end.recordedAt) || !end.recordedAt.Time.Equal(recorded)):
		return at.Position, bad(at.Position, "the ledger says that it was last recorded at %s, its last event at %s", show(end.recordedAt), recorded.UTC().Format(time.RFC3339Nano)), nil
	case end.clock.Valid != (clock != nil) || clock != nil && (!finite(end.clock) || !end.clock.Time.Equal(*clock)):
		return at.Position, bad(at.Position, "the ledger's clock is %s, which no event says", show(end.clock)), nil
	}
	var beyond *int64
	err = db.QueryRow(ctx, `select min(e.position) from ledgers l join events e on e.ledger_id = l.ledger_id and e.position > l.position
		where l.ledger_id = $1`, ledger).Scan(&beyond)
	if err != nil {
		return at.Position, nil, err
	}
	if beyond != nil {
		return at.Position, bad(*beyond, "the event lies beyond the ledger's end"), nil
	}
	return at.Position, nil, nil
}

func finite(t pgtype.Timestamptz) bool { return t.Valid && t.InfinityModifier == pgtype.Finite }

func show(t pgtype.Timestamptz) string {
	switch {
	case !t.Valid:
		return "not set"
	case t.InfinityModifier != pgtype.Finite:
		return t.InfinityModifier.String()
	}
	return t.Time.UTC().Format(time.RFC3339Nano)
}

// storedEvent is an event as it is stored, undecoded; unreadable says what no event of ours can hold.
type storedEvent struct {
	*Recorded
	unreadable string
}

// isDamaged tells that PostgreSQL itself finds a page or an index damaged, by its checksum for one.
func isDamaged(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "XX001" || pg.Code == "XX002")
}

func rawPage(ctx context.Context, db querier, ledger uuid.UUID, after, upTo int64, limit int) ([]storedEvent, error) {
	rows, err := db.Query(ctx, `select `+eventColumns+` from events e
		where e.ledger_id = $1 and e.position > $2 and e.position <= $3 order by e.position limit $4`, ledger, after, upTo, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (storedEvent, error) {
		e := storedEvent{Recorded: &Recorded{Ledger: ledger}}
		var hash []byte
		var recorded, effective pgtype.Timestamptz
		err := row.Scan(&e.Position, &e.Stream, &e.Version, &e.Type, &e.Data, &recorded, &effective, &e.ID, &e.Meta, &hash)
		if !finite(recorded) || !finite(effective) {
			e.unreadable = fmt.Sprintf("its times are %s and %s, which the ledger never writes", show(recorded), show(effective))
		}
		e.RecordedAt, e.EffectiveAt = recorded.Time.UTC(), effective.Time.UTC()
		copy(e.Hash[:], hash)
		return e, err
	})
}

func sortedIDs(heads map[uuid.UUID]Head) []uuid.UUID {
	return slices.SortedFunc(maps.Keys(heads), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}
