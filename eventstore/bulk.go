package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Bulk fills one ledger that has no events yet. It decides, encodes, encrypts and chains commands as a
// lane does, and keeps what they wrote until WriteBulk COPYs it: what is in the database afterwards is
// what the same commands would have left, in a tenth of the time. One goroutine uses it at a time.
type Bulk struct {
	s     *Store
	batch *batch
	ls    *ledgerState
	part  *part
}

// NewBulk begins; the ledger must have no events, and nobody else may write to it meanwhile.
func (s *Store) NewBulk(ctx context.Context, ledger uuid.UUID) (*Bulk, error) {
	if _, err := s.keys.load(ctx, s.pool, ledger); err != nil {
		return nil, err
	}
	cold, err := readLedger(ctx, s.pool, ledger, "")
	if err != nil {
		return nil, err
	}
	if cold.head.Position > 0 {
		return nil, fmt.Errorf("ledger %s has %d events already", ledger, cold.head.Position)
	}
	b := &Bulk{s: s, ls: newLedgerState(ledger, cold)}
	// Every stream that is not in memory is one without events.
	b.batch = newBatch(&lane{s: s}, s.codec.newSealer(), func(*ledgerState, uuid.UUID) (*stream, error) { return &stream{}, nil })
	b.part = b.batch.part(b.ls)
	return b, nil
}

// Execute is the store's, but for keys that were used before: they are a fault.
func (b *Bulk) Execute(ctx context.Context, req Request) (Result, error) {
	if req.Key != "" && !ValidKey(req.Key) {
		return Result{}, errKeyShape
	}
	if req.ID == uuid.Nil {
		id, err := uuid.NewV7()
		if err != nil {
			return Result{}, fmt.Errorf("make a command id: %w", err)
		}
		req.ID = id
	}
	c, decided := newCall(ctx, req), len(b.part.decided)
	b.batch.decideIn(b.ls, c)
	if len(b.part.decided) > decided {
		out := b.part.decided[decided].answer
		return out.result, out.err
	}
	select {
	case out := <-c.done:
		if out.miss != nil {
			return Result{}, out.miss
		}
		return Result{}, out.err
	default:
		return Result{}, errors.New("a key was used twice, or a stream after a refusal that changed it")
	}
}

// Event is one that Execute made.
func (b *Bulk) Event(_ context.Context, ledger uuid.UUID, position int64) (*Recorded, error) {
	if ledger != b.ls.id || position < 1 || position > int64(len(b.part.events)) {
		return nil, fmt.Errorf("ledger %s has no position %d here", ledger, position)
	}
	return b.part.events[position-1], nil
}

// Events is how many there are.
func (b *Bulk) Events() int { return len(b.part.events) }

// WriteBulk writes whole ledgers in one transaction. Subscribers are not told: the read models are to be
// rebuilt, or find the ledgers by themselves.
func (s *Store) WriteBulk(ctx context.Context, bulks []*Bulk) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return writeBulk(ctx, tx, bulks) })
	if err != nil {
		return fmt.Errorf("write ledgers: %w", err)
	}
	for _, b := range bulks {
		s.keys.saved(b.ls, b.part.made)
	}
	return nil
}

func writeBulk(ctx context.Context, tx pgx.Tx, bulks []*Bulk) error {
	var ids []uuid.UUID
	var positions []int64
	var heads [][]byte
	var recorded []time.Time
	var clocks []*time.Time
	var events, commands, claims, keys [][]any
	for _, b := range bulks {
		p, id := b.part, b.ls.id
		ids, positions, heads = append(ids, id), append(positions, p.head.Position), append(heads, p.head.Hash[:])
		recorded, clocks = append(recorded, p.recordedAt), append(clocks, p.clock)
		for _, e := range p.events {
			events = append(events, []any{id, e.Position, e.Stream, e.Version, e.ID, e.Type, e.Data, e.Meta, e.RecordedAt, e.EffectiveAt, e.Hash[:]})
		}
		for _, k := range p.keys {
			commands = append(commands, []any{id, k.name, k.fingerprint[:], k.first, k.last, k.answer, p.recordedAt})
		}
		for _, c := range p.claims {
			claims = append(claims, []any{id, c.scope, c.value, c.stream})
		}
		for _, k := range p.made {
			keys = append(keys, []any{id, k.id, k.subject, k.wrapped, p.recordedAt})
		}
	}
	// The same arbiter as in the append, and the same order of locks.
	tag, err := tx.Exec(ctx, `with w as materialized (
			select l.ledger_id, w.position, w.head, w.recorded_at, w.clock
			from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::timestamptz[], $5::timestamptz[]) w(ledger_id, position, head, recorded_at, clock)
			join ledgers l on l.ledger_id = w.ledger_id where l.position = 0 order by l.ledger_id for no key update of l)
		update ledgers l set position = w.position, head = w.head, recorded_at = w.recorded_at, clock = w.clock from w where l.ledger_id = w.ledger_id`,
		ids, positions, heads, recorded, clocks)
	if err != nil {
		return err
	}
	if int(tag.RowsAffected()) != len(bulks) {
		return errors.New("somebody else wrote to one of them")
	}
	for _, t := range []struct {
		name    string
		columns []string
		rows    [][]any
	}{
		{"events", []string{"ledger_id", "position", "stream_id", "version", "event_id", "type", "data", "meta", "recorded_at", "effective_at", "hash"}, events},
		{"commands", []string{"ledger_id", "key", "fingerprint", "first_position", "last_position", "answer", "recorded_at"}, commands},
		{"claims", []string{"ledger_id", "scope", "value", "stream_id"}, claims},
		{"subject_keys", []string{"ledger_id", "key_id", "subject", "wrapped_key", "created_at"}, keys},
	} {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("copy %s: %w", t.name, err)
		}
	}
	return nil
}
