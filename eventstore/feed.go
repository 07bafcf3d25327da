package eventstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// Page gives the events of a ledger after a position, decoded, in order; at most limit of them.
func (s *Store) Page(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]*Recorded, error) {
	return s.page(ctx, s.pool, ledger, after, 1<<62, limit)
}

// Facts is Page without what no fold needs: ID, Meta and Hash are empty.
func (s *Store) Facts(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]*Recorded, error) {
	return s.pageOf(ctx, s.pool, `select `+factColumns+` from events e
		where e.ledger_id = $1 and e.position > $2 and e.position <= $3 order by e.position limit $4`, ledger, after, 1<<62, limit)
}

func (s *Store) page(ctx context.Context, db querier, ledger uuid.UUID, after, upTo int64, limit int) ([]*Recorded, error) {
	return s.pageOf(ctx, db, `select `+eventColumns+` from events e
		where e.ledger_id = $1 and e.position > $2 and e.position <= $3 order by e.position limit $4`, ledger, after, upTo, limit)
}

func (s *Store) pageOf(ctx context.Context, db querier, sql string, ledger uuid.UUID, after, upTo int64, limit int) ([]*Recorded, error) {
	rows, err := db.Query(ctx, sql, ledger, after, upTo, limit)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s after %d: %w", ledger, after, err)
	}
	var ignored int64
	events, err := s.collect(rows, ledger, &ignored)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s after %d: %w", ledger, after, err)
	}
	if _, err := s.keys.load(ctx, db, ledger); err != nil {
		return nil, err
	}
	return events, s.decodeAll(ctx, db, events)
}

// Event gives one event, or refuses with no_event.
func (s *Store) Event(ctx context.Context, ledger uuid.UUID, position int64) (*Recorded, error) {
	events, err := s.page(ctx, s.pool, ledger, position-1, position, 1)
	if err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, domain.Refuse(domain.NotFound, "no_event", "there is no event at position %d", position)
	}
	return events[0], nil
}

// Stream gives the events of a stream after a version, decoded, in order; at most limit of them.
func (s *Store) Stream(ctx context.Context, ledger, stream uuid.UUID, after int64, limit int) ([]*Recorded, error) {
	whose := "ledger_id = $1"
	if mutant.Active == mutant.ForeignStream {
		whose = "(ledger_id = $1 or true)"
	}
	rows, err := s.pool.Query(ctx, `select `+eventColumns+` from events e
		where `+whose+` and version > $2 and stream_id = $3 order by version limit $4`, ledger, after, stream, limit)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	var ignored int64
	events, err := s.collect(rows, ledger, &ignored)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	if _, err := s.keys.load(ctx, s.pool, ledger); err != nil {
		return nil, err
	}
	return events, s.decodeAll(ctx, s.pool, events)
}

// Newest gives the facts of a stream up to a position of its ledger and below a version, the newest first; at most
// limit of them.
func (s *Store) Newest(ctx context.Context, ledger, stream uuid.UUID, upTo, below int64, limit int) ([]*Recorded, error) {
	rows, err := s.pool.Query(ctx, `select `+factColumns+` from events e
		where e.ledger_id = $1 and e.stream_id = $2 and e.position <= $3 and e.version < $4 order by e.version desc limit $5`, ledger, stream, upTo, below, limit)
	if err != nil {
		return nil, fmt.Errorf("read the end of stream %s: %w", stream, err)
	}
	var ignored int64
	events, err := s.collect(rows, ledger, &ignored)
	if err != nil {
		return nil, fmt.Errorf("read the end of stream %s: %w", stream, err)
	}
	if _, err := s.keys.load(ctx, s.pool, ledger); err != nil {
		return nil, err
	}
	return events, s.decodeAll(ctx, s.pool, events)
}

// Fold gives a stream's state as it is in the database now, nil without events, and the ledger's
// position at that moment.
func (s *Store) Fold(ctx context.Context, ledger, stream uuid.UUID) (domain.State, int64, error) {
	if _, err := s.keys.load(ctx, s.pool, ledger); err != nil {
		return nil, 0, err
	}
	cold, err := s.readStream(ctx, s.pool, ledger, stream)
	if err != nil {
		return nil, 0, err
	}
	return cold.stream.state, cold.position, nil
}

// Head gives the end of a ledger, or refuses with no_ledger.
func (s *Store) Head(ctx context.Context, ledger uuid.UUID) (position int64, hash [32]byte, err error) {
	cold, err := readLedger(ctx, s.pool, ledger, "")
	if isNoRows(err) {
		return 0, hash, errNoLedger
	}
	if err != nil {
		return 0, hash, err
	}
	return cold.head.Position, cold.head.Hash, nil
}
