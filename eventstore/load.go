package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// miss names what a decision lacked: the ledger's own end, or a stream.
type miss struct {
	ledger bool
	stream uuid.UUID
	known  int64 // the ledger's position then
}

func (m *miss) Error() string { return "not in memory: stream " + m.stream.String() }

// coldLedger is a ledger's end as it was read outside the lane.
type coldLedger struct {
	head       Head
	recordedAt time.Time
	clock      *time.Time
	test       bool
}

// coldStream is a stream's state as it was read outside the lane, and the ledger's position then.
type coldStream struct {
	id       uuid.UUID
	stream   *stream
	position int64
	known    int64 // the position that was known before it was read
	erasures int64 // that this process knew of when it began to read
}

// loadCold reads what c lacked and hangs it on the call; the lane decides whether it still counts.
func (s *Store) loadCold(ctx context.Context, c *call, m *miss) error {
	if _, err := s.keys.load(ctx, s.pool, c.req.Ledger); err != nil {
		if isNoRows(err) {
			return errNoLedger
		}
		return err
	}
	if m.ledger {
		acknowledged := s.acknowledged.position(c.req.Ledger)
		cold, err := readLedger(ctx, s.pool, c.req.Ledger, "")
		if isNoRows(err) {
			return errNoLedger
		}
		if err == nil && cold.head.Position < acknowledged { // the lane forgot where it stood, but not that it stood further
			s.historyLost(c.req.Ledger, Head{Position: acknowledged}, cold.head)
		}
		c.coldLedger = cold
		return err
	}
	cold, err := s.readStream(ctx, s.pool, c.req.Ledger, m.stream)
	if err != nil {
		return err
	}
	cold.known = m.known
	c.coldStreams = append(c.coldStreams, cold)
	return nil
}

func readLedger(ctx context.Context, db querier, ledger uuid.UUID, lock string) (*coldLedger, error) {
	var cold coldLedger
	var hash []byte
	sql := `select position, head, recorded_at, clock, mode = 'test' from ledgers where ledger_id = $1`
	if lock != "" {
		sql = `select position, head, recorded_at, clock, mode = 'test' from ledgers where ledger_id = $1 for no key update`
	}
	err := db.QueryRow(ctx, sql, ledger).Scan(&cold.head.Position, &hash, &cold.recordedAt, &cold.clock, &cold.test)
	if err != nil {
		return nil, fmt.Errorf("read the end of ledger %s: %w", ledger, err)
	}
	copy(cold.head.Hash[:], hash)
	cold.recordedAt = cold.recordedAt.UTC()
	if cold.clock != nil {
		utc := cold.clock.UTC()
		cold.clock = &utc
	}
	return &cold, nil
}

// readStream folds one stream. Events and the ledger's position come from one statement, so from one
// snapshot.
func (s *Store) readStream(ctx context.Context, db querier, ledger, id uuid.UUID) (*coldStream, error) {
	cold := &coldStream{id: id, stream: &stream{}, erasures: s.keys.erasures.Load()}
	rows, err := db.Query(ctx, `select `+eventColumns+`, l.position
		from ledgers l left join events e on e.ledger_id = l.ledger_id and e.stream_id = $2
		where l.ledger_id = $1 order by e.version`, ledger, id)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", id, err)
	}
	events, err := s.collect(rows, ledger, &cold.position)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", id, err)
	}
	if err := s.decodeAll(ctx, db, events); err != nil {
		return nil, err
	}
	for _, e := range events {
		if err := s.codec.apply(cold.stream, e); err != nil {
			return nil, err
		}
	}
	return cold, nil
}

// decodeAll fills in the events of one ledger, reading the keys that they need in one query.
func (s *Store) decodeAll(ctx context.Context, db querier, events []*Recorded) error {
	if len(events) == 0 {
		return nil
	}
	var ids []uuid.UUID
	for _, e := range events {
		if !s.codec.plain[e.Type] {
			ids = cipherKeys(e.Data, ids)
		}
	}
	if err := s.keys.fetch(ctx, db, events[0].Ledger, ids); err != nil {
		return err
	}
	o := s.openers.Get().(*opener)
	defer s.openers.Put(o)
	for _, e := range events {
		err := o.decode(e)
		for try := 0; errors.Is(err, errForgotten) && try < decodeTries; try++ { // others needed the room meanwhile
			if err := s.keys.fetch(ctx, db, e.Ledger, cipherKeys(e.Data, nil)); err != nil {
				return err
			}
			err = o.decode(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decodeTries is how often keys are fetched again that were evicted before they were used.
const decodeTries = 3

// stream is an aggregate in memory: nil state and version 0 for one without events.
type stream struct {
	state   domain.State
	version int64
	bytes   int // of the events behind it: what it weighs in the cache
	dirty   bool
}

// apply folds the next event; one that the stream has already is passed over.
func (c *codec) apply(st *stream, e *Recorded) error {
	switch {
	case e.Version <= st.version:
		return nil
	case e.Version != st.version+1:
		return fmt.Errorf("ledger %s position %d: stream %s goes from version %d to %d", e.Ledger, e.Position, e.Stream, st.version, e.Version)
	}
	c.evolve(st, e.Type, e.Event, e.Stream, e.RecordedAt, e.EffectiveAt)
	st.bytes += len(e.Data)
	return nil
}

func (c *codec) evolve(st *stream, typ string, e domain.Event, id uuid.UUID, recorded, effective time.Time) {
	if st.state == nil {
		st.state = c.states[domain.KindOf(typ)]()
	}
	st.version++
	domain.Evolve(st.state, e, id, st.version, recorded, effective)
}
