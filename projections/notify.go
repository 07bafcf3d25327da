package projections

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
)

// Signals between processes are hints: heads and checkpoints in the database are the truth, and what
// a signal missed the scan finds. None is sent from within an append, which it would slow by far.

// Channels of NOTIFY. A payload is the sender's id and ledger ids, separated by spaces.
const (
	ChannelCommitted = "subledger_committed" // ledgers have new events
	ChannelApplied   = "subledger_applied"   // read models of ledgers moved
)

const (
	announceEvery = 20 * time.Millisecond // coalesces
	payloadLedger = 200                   // Postgres takes less than 8,000 bytes
	listenAnew    = 4 * time.Second       // without a word the connection is looked at; as long again, and it is given up
)

// Announcer tells other processes of ledgers, a few milliseconds later and each once.
type Announcer struct {
	pool    *pgxpool.Pool
	channel string
	sender  string
	logger  *slog.Logger

	mu      sync.Mutex
	ledgers map[uuid.UUID]struct{}
	wake    chan struct{}
}

// NewAnnouncer announces on a channel; sender is this process' id, by which it knows its own signals.
func NewAnnouncer(pool *pgxpool.Pool, channel, sender string, logger *slog.Logger) *Announcer {
	return &Announcer{pool: pool, channel: channel, sender: sender, logger: logger,
		ledgers: map[uuid.UUID]struct{}{}, wake: make(chan struct{}, 1)}
}

// Committed is for the store's Subscribe.
func (a *Announcer) Committed(events []*eventstore.Recorded) {
	if len(events) > 0 {
		a.Announce(events[0].Ledger)
	}
}

// Announce does not block.
func (a *Announcer) Announce(ledger uuid.UUID) {
	a.mu.Lock()
	a.ledgers[ledger] = struct{}{}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Run sends until the context ends, whose error it returns. What cannot be sent is dropped: the scan
// of the others finds it.
func (a *Announcer) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.wake:
		}
		if err := a.send(ctx); err != nil && ctx.Err() == nil {
			a.logger.WarnContext(ctx, "projections: could not announce", "channel", a.channel, "error", err)
		}
		if err := pause(ctx, announceEvery); err != nil {
			return err
		}
	}
}

func (a *Announcer) send(ctx context.Context) error {
	a.mu.Lock()
	ledgers := a.ledgers
	a.ledgers = map[uuid.UUID]struct{}{}
	a.mu.Unlock()
	q := &pgx.Batch{}
	words := []string{a.sender}
	queue := func() {
		if len(words) > 1 {
			q.Queue("select pg_notify($1, $2)", a.channel, strings.Join(words, " "))
			words = []string{a.sender}
		}
	}
	for id := range ledgers {
		if words = append(words, id.String()); len(words) > payloadLedger {
			queue()
		}
	}
	queue()
	return a.pool.SendBatch(ctx, q).Close()
}

// Listener hears what other processes announce, on a connection of its own: a pooled one, and one
// through a transaction pooler, would lose signals.
type Listener struct {
	Connection *pgx.ConnConfig
	Sender     string                     // this process', whose signals are left out
	Committed  func(ledgers ...uuid.UUID) // Runner.Nudge; nil: not listened to
	Applied    func(ledgers ...uuid.UUID) // Watcher.Nudge; nil: not listened to
	Erased     func(ledgers ...uuid.UUID) // eventstore.Store.Forget; nil: not listened to
	Connected  func()                     // after each connect, since signals were missed: Runner.Rescan, Store.Forget
	Logger     *slog.Logger
}

// Run listens until the context ends, whose error it returns, and connects again when it must.
func (l *Listener) Run(ctx context.Context) error {
	backOff := firstBackOff
	for {
		start := time.Now()
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.Logger.WarnContext(ctx, "projections: listening again", "error", err, "in", backOff)
		if time.Since(start) > lastBackOff {
			backOff = firstBackOff
		}
		if err := pause(ctx, backOff); err != nil {
			return err
		}
		backOff = min(2*backOff, lastBackOff)
	}
}

func (l *Listener) listen(ctx context.Context) error {
	connecting, cancel := context.WithTimeout(ctx, listenAnew)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, l.Connection.Copy())
	if err != nil {
		return fmt.Errorf("connect to listen: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	channels := map[string]func(...uuid.UUID){ChannelCommitted: l.Committed, ChannelApplied: l.Applied, eventstore.ChannelErased: l.Erased}
	for channel, f := range channels {
		if f == nil {
			continue
		}
		if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
	}
	if l.Connected != nil {
		l.Connected()
	}
	for {
		n, err := l.next(ctx, conn)
		if err != nil {
			return fmt.Errorf("wait for a notification: %w", err)
		}
		if n == nil {
			continue
		}
		words := strings.Fields(n.Payload)
		if len(words) == 0 || words[0] == l.Sender {
			continue
		}
		var ledgers []uuid.UUID
		for _, w := range words[1:] {
			if id, err := uuid.Parse(w); err == nil {
				ledgers = append(ledgers, id)
			}
		}
		if f := channels[n.Channel]; f != nil {
			f(ledgers...)
		}
	}
}

// next waits for a notification. When none came for a while it makes sure that one still could: nil then.
func (l *Listener) next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, listenAnew)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil || waiting.Err() == nil || ctx.Err() != nil {
		return n, err
	}
	asking, cancel := context.WithTimeout(ctx, listenAnew)
	defer cancel()
	return nil, conn.Ping(asking)
}

// Watcher keeps Applied up to date in a process that projects nothing itself: it reads checkpoints
// when another process announced them, and while somebody waits, every tenth of a second.
type Watcher struct {
	pool    *pgxpool.Pool
	applied *Applied
	names   []string
	logger  *slog.Logger

	mu     sync.Mutex
	nudged map[uuid.UUID]struct{}
	wake   chan struct{}
}

// NewWatcher watches the checkpoints of the given read models. What somebody waits for in vain is announced as
// committed, where an announcer is given: whoever wrote it may have ended before that.
func NewWatcher(pool *pgxpool.Pool, applied *Applied, models []*Model, committed *Announcer, logger *slog.Logger) *Watcher {
	w := &Watcher{pool: pool, applied: applied, logger: logger, nudged: map[uuid.UUID]struct{}{}, wake: make(chan struct{}, 1)}
	for _, m := range models {
		w.names = append(w.names, m.Name())
	}
	applied.ask = func(ledger uuid.UUID) { w.Nudge(ledger) }
	if committed != nil {
		applied.tell = committed.Announce
	}
	return w
}

// Nudge tells that checkpoints of ledgers may have moved.
func (w *Watcher) Nudge(ledgers ...uuid.UUID) {
	w.mu.Lock()
	for _, id := range ledgers {
		w.nudged[id] = struct{}{}
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run watches until the context ends, whose error it returns.
func (w *Watcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(firstBackOff)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.wake:
		case <-ticker.C:
		}
		w.mu.Lock()
		ids := w.applied.awaited()
		for id := range w.nudged {
			ids = append(ids, id)
		}
		clear(w.nudged)
		w.mu.Unlock()
		if len(ids) == 0 {
			continue
		}
		if err := w.look(ctx, ids); err != nil && ctx.Err() == nil {
			w.logger.WarnContext(ctx, "projections: could not read checkpoints", "error", err)
		}
	}
}

func (w *Watcher) look(ctx context.Context, ids []uuid.UUID) error {
	var ledger uuid.UUID
	var position int64
	var parked bool
	return queryRows(ctx, w.pool, `select l.ledger_id,
			case when count(c.projection) < $3 then 0 when count(*) = count(c.parked_at) then max(l.position)
				else min(c.position) filter (where c.parked_at is null) end,
			count(c.parked_at) > 0
		from ledgers l left join projection_positions c on c.ledger_id = l.ledger_id and c.projection = any($2)
		where l.ledger_id = any($1) group by l.ledger_id`,
		[]any{ids, w.names, len(w.names)}, []any{&ledger, &position, &parked}, func() { w.applied.set(ledger, position, parked) })
}
