package eventstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
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

// coldReads are under way outside the lanes. Of the calls that miss the same, one reads it for all: a long stream that
// each of a hundred read for itself would take all that the database has, and longer than any of them waits.
type coldReads struct {
	mu    sync.Mutex
	under map[coldRead]chan struct{}
}

// coldRead names a stream, or a ledger's end.
type coldRead struct{ ledger, stream uuid.UUID }

// begin makes the caller the one who reads, and who calls ended when a lane has been given what it read; or it gives
// the channel that is closed then.
func (r *coldReads) begin(of coldRead) (ended func(), other <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if done := r.under[of]; done != nil {
		return nil, done
	}
	done := make(chan struct{})
	r.under[of] = done
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.under, of)
		close(done)
	}, nil
}

// load reads what c lacked, unless another call does: then it waits for that, and c comes back to find it in memory, or
// to miss it again. queued is called when c has been queued again, or never will be.
func (s *Store) load(ctx context.Context, c *call, m *miss) (queued func(), err error) {
	queued, other := s.cold.begin(coldRead{c.req.Ledger, m.stream})
	if other == nil {
		return queued, s.loadCold(ctx, c, m)
	}
	select {
	case <-other:
		return func() {}, nil
	case <-ctx.Done():
		return func() {}, errBusy
	}
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

// Pages of a stream that is read: one is enough for nearly all, and none is a sort on disk.
const (
	firstStreamPage = 256
	streamPage      = 4096
)

// readStream folds one stream. Its first page and the ledger's position come from one statement, so from one
// snapshot; what there is beyond it up to that position can't change any more. Where each event tells the whole
// state, as a count of usage does, the newest stands for all of what may be millions.
func (s *Store) readStream(ctx context.Context, db querier, ledger, id uuid.UUID) (*coldStream, error) {
	cold := &coldStream{id: id, stream: &stream{}, erasures: s.keys.erasures.Load()}
	read := func(sql string, args ...any) ([]*Recorded, error) {
		rows, err := db.Query(ctx, sql, append([]any{ledger, id}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", id, err)
		}
		events, err := s.collect(rows, ledger, &cold.position)
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", id, err)
		}
		return events, nil
	}
	size := firstStreamPage
	events, err := read(`select `+eventColumns+`, l.position from ledgers l
		left join lateral (select * from events s where s.ledger_id = $1 and s.stream_id = $2 order by s.version limit $3) e on true
		where l.ledger_id = $1 order by e.version`, size)
	if err == nil && len(events) == size && s.codec.latest[domain.KindOf(events[0].Type)] {
		events, err = read(`select `+eventColumns+` from events e
			where e.ledger_id = $1 and e.stream_id = $2 and e.position <= $3 order by e.version desc limit 1`, cold.position)
	}
	for err == nil {
		if err := s.foldAll(ctx, db, cold.stream, events); err != nil {
			return nil, err
		}
		if len(events) < size {
			return cold, nil
		}
		size = streamPage
		events, err = read(`select `+eventColumns+` from events e
			where e.ledger_id = $1 and e.stream_id = $2 and e.version > $3 and e.position <= $4 order by e.version limit $5`,
			cold.stream.version, cold.position, size)
	}
	return nil, err
}

// foldAll decodes events of a stream and folds them.
func (s *Store) foldAll(ctx context.Context, db querier, st *stream, events []*Recorded) error {
	if err := s.decodeAll(ctx, db, events); err != nil {
		return err
	}
	for _, e := range events {
		if err := s.codec.apply(st, e); err != nil {
			return err
		}
	}
	return nil
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
	state    domain.State
	version  int64
	bytes    int // what it weighs in the cache
	measured int // of that when the state itself was looked at last, 0 for never
	dirty    bool
}

// apply folds the next event; one that the stream has already is passed over.
func (c *codec) apply(st *stream, e *Recorded) error {
	switch {
	case e.Version <= st.version:
		return nil
	case e.Version != st.version+1 && (st.state != nil || !c.latest[domain.KindOf(e.Type)]):
		return fmt.Errorf("ledger %s position %d: stream %s goes from version %d to %d", e.Ledger, e.Position, e.Stream, st.version, e.Version)
	}
	st.version = e.Version - 1
	c.evolve(st, e.Type, e.Event, e.Stream, e.RecordedAt, e.EffectiveAt)
	st.weigh(len(e.Data))
	return nil
}

func (c *codec) evolve(st *stream, typ string, e domain.Event, id uuid.UUID, recorded, effective time.Time) {
	if st.state == nil {
		st.state = c.states[domain.KindOf(typ)]()
	}
	st.version++
	domain.Evolve(st.state, e, id, st.version, recorded, effective)
}
