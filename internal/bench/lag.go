package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	lagLimit   = 250 * time.Millisecond
	lagSample  = 4                    // one command of so many is watched
	tailEvery  = 2 * time.Millisecond // what a lag is exact to, and a query
	tailAtMost = 10 * time.Second
)

// lag measures from the moment at which a client has a command's answer to the moment at which a tail of
// the checkpoints, in a connection of its own, sees that every read model has the command's events. The
// baseline is the highest rate of the same clients; the product works at half of what that last was.
func lag(ctx context.Context, r *run) error {
	loads, err := quantityLoads(ctx, r)
	if err != nil {
		return err
	}
	for _, q := range loads {
		clients, highest := len(q.load.scripts), 0.0
		name := fmt.Sprintf("commands/s, highest, %d clients", clients)
		r.baselines[name] = func(ctx context.Context, d time.Duration) (sample, error) {
			got, err := q.load.work(ctx, d)
			highest = got.rate
			return got, err
		}
		product := func(ctx context.Context, d time.Duration) (sample, error) {
			t, err := startTail(ctx, r)
			if err != nil {
				return sample{}, err
			}
			l := *q.load
			l.rate = highest / 2
			if r.Rate > 0 {
				l.rate = r.Rate
			}
			l.watch = func(client int, position int64, at time.Time) { t.expect(q.ledger(client), position, at) }
			got, err := l.work(ctx, d)
			lags, missed, tailErr := t.stop(ctx)
			if tailErr != nil && err == nil {
				err = tailErr
			}
			if got.latencies = lags; missed > 0 {
				got.errors[fmt.Sprintf("not visible after %s", tailAtMost)] = missed
			}
			return got, err
		}
		r.contests = append(r.contests, contest{clients: clients, unit: "commands/s", product: product, baseline: name, p99: lagLimit, mode: "open at half",
			note: fmt.Sprintf("latencies are from the answer to the read models, of every %dth command; exact to %s and a query", lagSample, tailEvery)})
	}
	return nil
}

// quantityLoad is a load of changes of quantity that knows whose ledger each client's last one was for.
type quantityLoad struct {
	load *load
	last []uuid.UUID
}

func (q *quantityLoad) ledger(client int) uuid.UUID { return q.last[client] }

// quantityLoads makes a load for each number of clients.
func quantityLoads(ctx context.Context, r *run) ([]*quantityLoad, error) {
	a := newAPI(r.target)
	r.say("making %d ledgers", r.Ledgers)
	ledgers, err := a.ledgers(ctx, r.target, r.Ledgers)
	if err != nil {
		return nil, err
	}
	shelves, err := a.stock(ctx, ledgers, "")
	if err != nil {
		return nil, err
	}
	subs, err := a.subscribe(ctx, shelves, 1, nil)
	if err != nil {
		return nil, err
	}
	templates, of := make([]*template, len(shelves)), map[*template]uuid.UUID{}
	for i, s := range shelves {
		templates[i] = quantityTemplate(r.target.Address, s, subs[i][0])
		of[templates[i]] = s.id
	}
	r.shuffle(templates)
	var all []*quantityLoad
	count := &stamps{}
	for _, clients := range r.Clients {
		mine, err := deal(templates, clients)
		if err != nil {
			return nil, err
		}
		q := &quantityLoad{load: &load{address: r.target.Address, units: 1}, last: make([]uuid.UUID, clients)}
		for i, own := range mine {
			next, n := quantityScript(own, count.client()), 0
			q.load.scripts = append(q.load.scripts, func() []byte {
				q.last[i] = of[own[n%len(own)]]
				n++
				return next()
			})
		}
		all = append(all, q)
	}
	return all, nil
}

// tail polls the checkpoints of ledgers that are waited for.
type tail struct {
	conn   *pgx.Conn
	cancel context.CancelFunc
	done   chan struct{}
	err    error

	mu      sync.Mutex
	seen    int
	ending  time.Time // nothing more comes; zero: not yet
	waiting map[uuid.UUID][]expected
	lags    []time.Duration
}

type expected struct {
	position int64
	at       time.Time
}

func startTail(ctx context.Context, r *run) (*tail, error) {
	conn, err := r.product(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &tail{conn: conn, cancel: cancel, done: make(chan struct{}), waiting: map[uuid.UUID][]expected{}}
	go func() {
		defer close(t.done)
		t.err = t.run(ctx)
	}()
	return t, nil
}

func (t *tail) expect(ledger uuid.UUID, position int64, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen++; t.seen%lagSample == 0 {
		t.waiting[ledger] = append(t.waiting[ledger], expected{position, at})
	}
}

func (t *tail) run(ctx context.Context) error {
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		t.mu.Lock()
		ids := make([]pgUUID, 0, len(t.waiting))
		for id := range t.waiting {
			ids = append(ids, pgUUID(id))
		}
		over := !t.ending.IsZero() && (len(ids) == 0 || time.Since(t.ending) > tailAtMost)
		t.mu.Unlock()
		if over {
			return nil
		}
		if len(ids) == 0 {
			continue
		}
		if err := t.look(ctx, ids); err != nil {
			return fmt.Errorf("tail the checkpoints: %w", err)
		}
	}
}

type pgUUID = [16]byte

func (t *tail) look(ctx context.Context, ids []pgUUID) error {
	rows, err := t.conn.Query(ctx, `select ledger_id, min(position) from checkpoints
		where ledger_id = any($1) and projection <> 'relay' group by ledger_id`, ids)
	if err != nil {
		return err
	}
	reached := map[uuid.UUID]int64{}
	var id pgUUID
	var position int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &position}, func() error {
		reached[uuid.UUID(id)] = position
		return nil
	}); err != nil {
		return err
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for ledger, position := range reached {
		var rest []expected
		for _, e := range t.waiting[ledger] {
			if e.position <= position {
				t.lags = append(t.lags, now.Sub(e.at))
			} else {
				rest = append(rest, e)
			}
		}
		if t.waiting[ledger] = rest; len(rest) == 0 {
			delete(t.waiting, ledger)
		}
	}
	return nil
}

// stop waits for what is still expected.
func (t *tail) stop(ctx context.Context) (lags []time.Duration, missed int, err error) {
	t.mu.Lock()
	t.ending = time.Now()
	t.mu.Unlock()
	<-t.done
	t.cancel()
	defer t.conn.Close(context.WithoutCancel(ctx))
	for _, rest := range t.waiting {
		missed += len(rest)
	}
	return t.lags, missed, t.err
}
