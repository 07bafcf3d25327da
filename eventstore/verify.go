package eventstore

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
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

func nonNil(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}

func verifyLedger(ctx context.Context, db querier, ledger uuid.UUID, progress func(int64)) (int64, *Finding, error) {
	end, err := readLedger(ctx, db, ledger, "")
	if err != nil {
		return 0, nil, err
	}
	bad := func(position int64, format string, args ...any) *Finding {
		return &Finding{ledger, position, fmt.Sprintf(format, args...)}
	}
	var at Head
	var recorded time.Time
	versions := map[uuid.UUID]int64{}
	for at.Position < end.head.Position {
		events, err := rawPage(ctx, db, ledger, at.Position, end.head.Position)
		if err != nil {
			return at.Position, nil, err
		}
		if len(events) == 0 {
			return at.Position, bad(at.Position+1, "the event is missing: the ledger ends at %d", end.head.Position), nil
		}
		for _, e := range events {
			switch hash := chainHash(at.Hash, e); {
			case e.Position != at.Position+1:
				return at.Position, bad(at.Position+1, "the event is missing: the next one is at %d", e.Position), nil
			case hash != e.Hash:
				return at.Position, bad(e.Position, "the hash does not follow from the event and its predecessor: %x is stored, %x computed", e.Hash, hash), nil
			case e.Version != versions[e.Stream]+1:
				return at.Position, bad(e.Position, "stream %s goes from version %d to %d", e.Stream, versions[e.Stream], e.Version), nil
			case e.RecordedAt.Before(recorded):
				return at.Position, bad(e.Position, "it was recorded at %s, before its predecessor at %s", e.RecordedAt, recorded), nil
			}
			at, recorded = Head{e.Position, e.Hash}, e.RecordedAt
			versions[e.Stream] = e.Version
		}
		progress(at.Position)
	}
	if !bytes.Equal(at.Hash[:], end.head.Hash[:]) {
		return at.Position, bad(at.Position, "the ledger's head is %x, its last event's hash %x", end.head.Hash, at.Hash), nil
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

// rawPage reads events as stored, undecoded.
func rawPage(ctx context.Context, db querier, ledger uuid.UUID, after, upTo int64) ([]*Recorded, error) {
	rows, err := db.Query(ctx, `select `+eventColumns+` from events
		where ledger_id = $1 and position > $2 and position <= $3 order by position limit $4`, ledger, after, upTo, verifyPage)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Recorded, error) {
		e := &Recorded{Ledger: ledger}
		var ignored int64
		var hash []byte
		err := row.Scan(&ignored, &e.Position, &e.Stream, &e.Version, &e.ID, &e.Type, &e.Data, &e.Meta, &e.RecordedAt, &e.EffectiveAt, &hash)
		copy(e.Hash[:], hash)
		return e, err
	})
}

func sortedIDs(heads map[uuid.UUID]Head) []uuid.UUID {
	return slices.SortedFunc(maps.Keys(heads), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}
