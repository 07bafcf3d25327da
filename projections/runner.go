package projections

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/subledger/subledger/eventstore"
)

// Log is what a runner reads: the event store, or in tests events in memory.
type Log interface {
	// Page gives up to limit events of a ledger after a position, in order of position.
	Page(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]*eventstore.Recorded, error)
}

// Sizes and times of the runner.
const (
	pageEvents   = 1000    // of all ledgers together, in one transaction
	queueEvents  = 20000   // handed over and not yet applied; what exceeds it is read from the log
	maxTracks    = 1 << 17 // ledgers whose progress is in memory: some 300 bytes each
	firstBackOff = 100 * time.Millisecond
	lastBackOff  = 5 * time.Second
)

// Config is what a runner needs. Projections that serve reads are Models; one that publishes should
// have a runner of its own, since all projections of a runner share their transactions.
type Config struct {
	Log         Log
	Pool        *pgxpool.Pool // role subledger_app
	Projections []Projection
	Applied     *Applied              // told how far the Models are; nil: nobody waits
	Follow      func(Handover)        // gets the rows of every committed page; nil: nobody
	Announce    func(uuid.UUID)       // called for ledgers whose read models moved; nil: nobody
	Gather      time.Duration         // between the beginnings of two pages while nobody waits; zero: none
	Metrics     prometheus.Registerer // nil: none
	Logger      *slog.Logger
	Fault       func(step string) error // called between steps; an error is a fault of the database there; nil: none
}

// Runner applies what the log holds to its projections. Many may run at once, in one process or
// several: the checkpoints' compare-and-swap lets each event through once (rule P1).
type Runner struct {
	Config
	names   []string
	metrics *metrics
	hook    func(step string) error // tests crash here; nil: nothing

	mu     sync.Mutex
	inbox  [][]*eventstore.Recorded
	came   int // events in inbox
	nudged map[uuid.UUID]struct{}
	found  *findings // of the last scan
	rescan chan struct{}
	wake   chan struct{}
	full   chan struct{} // a page's worth of events came in

	// Run's own:
	ledgers map[uuid.UUID]*track
	dirty   []*track
	skipped map[*track]bool // at is ahead of saved
	queued  int
	paged   time.Time // when the last page began
	save    bool      // what was skipped: it is time
}

// track is what the runner knows of a ledger.
type track struct {
	ledger uuid.UUID
	head   int64
	known  bool // what follows is as in the database, as far as we know
	at     []int64
	saved  []int64 // as the checkpoint says: behind at while events that mean nothing were skipped
	parked []bool
	shared []bool                 // the shared checkpoint stands for it
	moved  time.Time              // when the above was read or written: an older scan knows less
	queue  []*eventstore.Recorded // handed over, without a hole
	listed bool                   // in dirty
}

// NewRunner makes a runner; Run starts it.
func NewRunner(c Config) *Runner {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Runner{Config: c, rescan: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		full: make(chan struct{}, 1), nudged: map[uuid.UUID]struct{}{}, ledgers: map[uuid.UUID]*track{}, skipped: map[*track]bool{}}
	for _, p := range c.Projections {
		r.names = append(r.names, p.Name())
	}
	r.metrics = newMetrics(c.Metrics, r.names)
	if c.Applied != nil {
		c.Applied.ask = func(ledger uuid.UUID) { r.Nudge(ledger) }
	}
	return r
}

// Committed takes over events right after they committed: the store's Subscribe calls it. It does not
// block. What never comes this way is found by Nudge or the scan.
func (r *Runner) Committed(events []*eventstore.Recorded) {
	if len(events) == 0 {
		return
	}
	r.mu.Lock()
	r.inbox = append(r.inbox, events)
	r.came += len(events)
	full := r.came >= pageEvents
	r.mu.Unlock()
	r.signal()
	if full {
		wakeUp(r.full)
	}
}

// Nudge tells that ledgers may have events that this process did not write.
func (r *Runner) Nudge(ledgers ...uuid.UUID) {
	r.mu.Lock()
	for _, id := range ledgers {
		r.nudged[id] = struct{}{}
	}
	r.mu.Unlock()
	r.signal()
}

// Rescan looks for dirty ledgers at once: after a listener connected again.
func (r *Runner) Rescan() { wakeUp(r.rescan) }

func (r *Runner) signal() { wakeUp(r.wake) }

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run applies events until the context ends, whose error it returns. Faults of the database are
// logged and retried with a back-off.
func (r *Runner) Run(ctx context.Context) error {
	defer r.saveAtEnd(ctx)
	ticker := time.NewTicker(scanEvery)
	defer ticker.Stop()
	scans, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { r.scanning(scans) })
	defer wg.Wait()
	defer stop()
	backOff := firstBackOff
	for {
		worked, err := r.round(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isCrash(err):
			return err
		case err != nil:
			r.Logger.WarnContext(ctx, "projections: retrying", "error", err, "in", backOff)
			r.metrics.faults.Inc()
			r.disbelieve()
			if err := pause(ctx, backOff); err != nil {
				return err
			}
			backOff = min(2*backOff, lastBackOff)
			r.Rescan()
			continue
		}
		backOff = firstBackOff
		if worked && len(r.dirty) > 0 {
			select {
			case <-ticker.C:
				r.save = true
			default:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wake:
			if err := r.gatherMore(ctx); err != nil {
				return err
			}
		case <-ticker.C:
			r.save = true
		}
	}
}

// gatherMore lets a page fill while nobody waits for it: a row that changes twice is written once, and
// a page costs the database some round trips whatever is in it.
func (r *Runner) gatherMore(ctx context.Context) error {
	left := r.Gather - time.Since(r.paged)
	if left <= 0 || r.Applied == nil {
		return nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	for !r.Applied.waitedFor() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-r.full:
			return nil
		case <-r.Applied.hurry:
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// round does one page; false when there was nothing to do.
func (r *Runner) round(ctx context.Context) (worked bool, err error) {
	if err := r.takeOver(ctx); err != nil {
		return false, err
	}
	entries, skipped, err := r.gather(ctx)
	if err != nil || len(entries) == 0 {
		return skipped, err
	}
	start := time.Now()
	r.paged = start
	err = r.settle(ctx, entries)
	r.metrics.page(entries, time.Since(start))
	if err != nil {
		for _, e := range entries { // the commit's outcome may be unknown
			e.track.known = false
		}
	}
	r.relist(entries)
	return true, err
}

// takeOver moves what came in into the tracks.
func (r *Runner) takeOver(ctx context.Context) error {
	r.mu.Lock()
	inbox, nudged, found := r.inbox, slices.Collect(maps.Keys(r.nudged)), r.found
	r.inbox, r.came, r.found = nil, 0, nil
	clear(r.nudged)
	r.mu.Unlock()
	for _, events := range inbox {
		t := r.track(events[0].Ledger)
		t.head = max(t.head, events[len(events)-1].Position)
		if n := len(t.queue); n > 0 && t.queue[n-1].Position+1 != events[0].Position {
			r.drop(t, n) // a hole: others write here too
		}
		if r.queued+len(events) <= queueEvents {
			t.queue = append(t.queue, events...)
			r.queued += len(events)
		} else {
			r.drop(t, len(t.queue))
		}
		r.list(t)
	}
	if found != nil {
		r.believe(found)
	}
	if r.save {
		if err := r.saveSkipped(ctx); err != nil {
			return err
		}
		r.save = false
	}
	if len(nudged) > 0 {
		if err := r.lookUp(ctx, nudged); err != nil {
			r.Nudge(nudged...)
			return err
		}
	}
	return nil
}

func (r *Runner) track(ledger uuid.UUID) *track {
	t := r.ledgers[ledger]
	if t == nil {
		if len(r.ledgers) >= maxTracks {
			r.shrink()
		}
		t = &track{ledger: ledger}
		r.ledgers[ledger] = t
	}
	return t
}

// shrink forgets some ledgers with which there is nothing to do: the database knows where they stand.
func (r *Runner) shrink() {
	for id, t := range r.ledgers {
		if len(r.ledgers) < maxTracks*3/4 {
			return
		}
		if !t.listed && len(t.queue) == 0 && !r.skipped[t] {
			delete(r.ledgers, id)
		}
	}
}

func (r *Runner) list(t *track) {
	if !t.listed {
		t.listed = true
		r.dirty = append(r.dirty, t)
	}
}

// disbelieve forgets what was handed over, which the log is read for then: after a fault another server may
// answer, a standby that never got the last of it.
func (r *Runner) disbelieve() {
	r.mu.Lock()
	r.inbox, r.came = nil, 0 // the scan that follows finds whose they were
	r.mu.Unlock()
	for _, t := range r.ledgers {
		r.drop(t, len(t.queue))
	}
}

// drop forgets the first n handed-over events.
func (r *Runner) drop(t *track, n int) {
	r.queued -= n
	if t.queue = t.queue[n:]; len(t.queue) == 0 {
		t.queue = nil
	}
}
