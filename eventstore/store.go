package eventstore

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/cache"
)

// Config tunes a store; the zero value of each field means its default.
type Config struct {
	Lanes        int           // writers in this process, default one a processor, 8 at most; a ledger always maps to the same one
	BatchCalls   int           // commands a flush, default 512
	BatchBytes   int           // encoded events a flush, default 4 MiB
	QueueCalls   int           // waiting commands a ledger, default 2,048; beyond that: busy
	CacheBytes   int           // of the cached states of all lanes, roughly, default 256 MiB
	KeyBytes     int           // of the ledgers' and subjects' keys in memory, roughly, default 128 MiB
	CallTimeout  time.Duration // for a caller without a deadline of its own, default 10 s
	UnknownAfter time.Duration // how long an append's outcome may be unknown, default 8 s: half of it for the answer, half to look for it
	LockTimeout  time.Duration // wait for a ledger's row in the serial path, default 2 s
	Now          func() time.Time
	Logger       *slog.Logger
	Observe      func(Flush) // called after every flush, for metrics; must not block

	// Fault is called at named steps; an error stands for a crash there. For tests only.
	Fault func(step string) error
}

// Flush is what one append did, for metrics.
type Flush struct {
	Commands, Events, Ledgers, Lost int
	Took                            time.Duration
	Serial                          bool
	Err                             error
}

func (c Config) withDefaults() Config {
	setInt := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	setDuration := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	setInt(&c.Lanes, min(max(runtime.GOMAXPROCS(0), 1), 8)) // more lanes make smaller batches
	setInt(&c.BatchCalls, 512)
	setInt(&c.BatchBytes, 4<<20)
	setInt(&c.QueueCalls, 2048)
	setInt(&c.CacheBytes, 256<<20)
	setInt(&c.KeyBytes, 128<<20)
	setDuration(&c.CallTimeout, 10*time.Second)
	setDuration(&c.UnknownAfter, 8*time.Second)
	setDuration(&c.LockTimeout, 2*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Observe == nil {
		c.Observe = func(Flush) {}
	}
	if c.Fault == nil {
		c.Fault = func(string) error { return nil }
	}
	return c
}

// Store is the log of one database.
type Store struct {
	cfg     Config
	pool    *pgxpool.Pool
	keys    *keyring
	codec   *codec
	openers sync.Pool
	system  uuid.UUID
	lanes   []*lane
	running sync.WaitGroup // lanes and what they detached

	subscribersMu sync.Mutex
	subscribers   atomic.Pointer[[]func([]*Recorded)]
	acknowledged  acknowledged
	cold          coldReads
	clocksMu      sync.Mutex
	clocks        *cache.Cache[uuid.UUID, ledgerClock]
}

// Open begins to serve the log behind pool, which must come from OpenPool. The database must have
// been bootstrapped with the same master key (see Bootstrap).
func Open(ctx context.Context, pool *pgxpool.Pool, master MasterKey, vocabularies []domain.Vocabulary, cfg Config) (*Store, error) {
	s := &Store{cfg: cfg.withDefaults(), pool: pool, cold: coldReads{under: map[coldRead]chan struct{}{}}, clocks: newClocks()}
	s.keys = newKeyring(master, s.cfg.KeyBytes)
	var err error
	if s.codec, err = newCodec(vocabularies, s.keys); err != nil {
		return nil, err
	}
	s.openers.New = func() any { return s.codec.newOpener() }
	if s.system, err = readInstallation(ctx, pool, master); err != nil {
		return nil, err
	}
	s.Subscribe(s.clocksMoved)
	for range s.cfg.Lanes {
		s.lanes = append(s.lanes, newLane(s))
	}
	return s, nil
}

// Close lets the lanes finish what waits and stops them. Commands that come later are refused.
func (s *Store) Close() {
	for _, l := range s.lanes {
		l.stop()
	}
	s.running.Wait()
}

// SystemLedger is the ledger of organisations, keys and settings of the installation.
func (s *Store) SystemLedger() uuid.UUID { return s.system }

// Subscribe calls f with each ledger's events as soon as this process committed them, in order. It
// runs in the lane: f must not block. The slice and its events are shared and must not be changed.
func (s *Store) Subscribe(f func(events []*Recorded)) {
	s.subscribersMu.Lock()
	defer s.subscribersMu.Unlock()
	var all []func([]*Recorded)
	if old := s.subscribers.Load(); old != nil {
		all = append(all, *old...)
	}
	all = append(all, f)
	s.subscribers.Store(&all)
}

// Acknowledged is the highest position that this process acknowledged in a ledger, 0 for none.
func (s *Store) Acknowledged(ledger uuid.UUID) int64 {
	return s.acknowledged.position(ledger)
}

// committed tells the subscribers, before any caller gets its answer.
func (s *Store) committed(ledger uuid.UUID, position int64, events []*Recorded) {
	s.acknowledged.raise(ledger, position, time.Now())
	if len(events) == 0 {
		return
	}
	if all := s.subscribers.Load(); all != nil {
		for _, f := range *all {
			f(events)
		}
	}
}

func (s *Store) laneOf(ledger uuid.UUID) *lane {
	h := fnv.New32a()
	h.Write(ledger[:])
	return s.lanes[int(h.Sum32()%uint32(len(s.lanes)))]
}

// Refusals of the store itself.
var (
	errBusy     = domain.Refuse(domain.Unavailable, "busy", "too many commands wait for this ledger; try again in a second")
	errClosing  = domain.Refuse(domain.Unavailable, "shutting_down", "this process is stopping; try again")
	errOutcome  = domain.Refuse(domain.Unavailable, "outcome_unknown", "the command may or may not have happened; send it again with the same key to learn which")
	errKeyOther = domain.Refuse(domain.Invalid, "key_reused", "this idempotency key was used for another request")
	errKeyShape = domain.Refuse(domain.Malformed, "bad_key", "an idempotency key is 1 to 255 printable ASCII characters")
	errNoLedger = domain.Refuse(domain.NotFound, "no_ledger", "there is no such ledger")
)

// ValidKey tells whether a client may use key as an idempotency key.
func ValidKey(key string) bool {
	if key == "" || len(key) > 255 {
		return false
	}
	for i := range len(key) {
		if key[i] < 0x20 || key[i] > 0x7e {
			return false
		}
	}
	return true
}

// Execute runs a command: it happens entirely, once for its key, or not at all. Refusals are
// *domain.Error: those of the command, and key_reused, stale_version, bad_key, no_ledger, busy,
// shutting_down and outcome_unknown. Any other error is a fault after which nothing happened.
//
// A caller that gives up (ctx) before the command was taken leaves nothing behind; afterwards it gets
// outcome_unknown, and the same key tells later.
func (s *Store) Execute(ctx context.Context, req Request) (Result, error) {
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
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.cfg.CallTimeout)
		defer cancel()
	}
	c := newCall(ctx, req)
	lane, queued := s.laneOf(req.Ledger), func() {}
	for {
		err := lane.enqueue(c)
		queued()
		if err != nil {
			return Result{}, err
		}
		select {
		case out := <-c.done:
			if out.miss == nil {
				return s.finish(ctx, c, out)
			}
			// What the decision needs is not in memory: read it here, outside the lane, and queue again.
			if queued, err = s.load(ctx, c, out.miss); err != nil {
				queued()
				return Result{}, err
			}
			c.state.Store(callWaiting)
		case <-ctx.Done():
			if c.state.CompareAndSwap(callWaiting, callAbandoned) {
				if errors.Is(ctx.Err(), context.DeadlineExceeded) {
					return Result{}, errBusy
				}
				return Result{}, ctx.Err()
			}
			// It is being decided or flushed. Its answer may be a moment away.
			select {
			case out := <-c.done:
				if out.miss == nil {
					return s.finish(context.WithoutCancel(ctx), c, out)
				}
				return Result{}, errBusy // it was not decided
			case <-time.After(50 * time.Millisecond):
				return Result{}, errOutcome
			}
		}
	}
}

// finish opens an old answer; a new one is ready as it is.
func (s *Store) finish(ctx context.Context, c *call, out outcome) (Result, error) {
	row := out.replay
	if row == nil {
		return out.result, out.err
	}
	r := Result{Ledger: c.req.Ledger, Position: max(row.last, s.Acknowledged(c.req.Ledger)), First: row.first, Last: row.last, Replayed: true}
	o := s.openers.Get().(*opener)
	defer s.openers.Put(o)
	for try := 0; ; try++ {
		if err := s.keys.fetch(ctx, s.pool, c.req.Ledger, cipherKeys(row.answer, nil)); err != nil {
			return Result{}, err
		}
		plain, err := o.plainAnswer(c.req.Ledger, c.key, row.answer, try == decodeTries)
		if r.Answer = plain; !errors.Is(err, errForgotten) {
			return r, err
		}
	}
}

// OpenPool connects for the store, the projections and everyone who reads ids and texts of this schema.
func OpenPool(ctx context.Context, url string, adjust func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	return OpenImpatientPool(ctx, url, 0, adjust)
}

// OpenImpatientPool is OpenPool for statements that are all short: one that gets no answer at all for as long as
// patience loses its connection, and the pool those that are idle, since they lead the same way. 0: none does.
func OpenImpatientPool(ctx context.Context, url string, patience time.Duration, adjust func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database's URL: %w", err)
	}
	if adjust != nil {
		adjust(cfg)
	}
	switch mode := cfg.ConnConfig.DefaultQueryExecMode; mode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		return nil, fmt.Errorf("default_query_exec_mode=%s is not enough: use cache_describe behind a transaction pooler", mode)
	}
	var opened atomic.Pointer[pgxpool.Pool]
	cfg.BeforeConnect = neverCancel(patience, func() {
		if pool := opened.Load(); pool != nil {
			pool.Reset()
		}
	})
	if patience > 0 {
		cfg.PingTimeout = time.Second
		if cfg.ConnConfig.ConnectTimeout == 0 {
			cfg.ConnConfig.ConnectTimeout = patience / 2 // a pool goes on connecting when nobody waits for it any more
		}
	}
	adjusted := cfg.AfterConnect
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if adjusted != nil {
			if err := adjusted(ctx, conn); err != nil {
				return err
			}
		}
		return afterConnect(ctx, conn)
	}
	cfg.ConnConfig.OnNotice = onNotice
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	opened.Store(pool)
	return pool, nil
}

func isNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }
