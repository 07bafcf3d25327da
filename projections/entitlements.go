package projections

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/cache"
)

// Times of the entitlement index.
const (
	confirmEvery = 500 * time.Millisecond
	staleAfter   = 2 * time.Second  // without a confirmation the database answers
	confirmUsed  = 30 * time.Second // ledgers asked for since then are confirmed
)

// EntitlementConfig sizes an entitlement index.
type EntitlementConfig struct {
	Reads       *Reads
	Pool        *pgxpool.Pool         // role subledger_app, to find what changed
	Bytes       int64                 // of all ledgers in memory together, roughly; zero: 256 MiB
	AnswerBytes int                   // of encoded answers, roughly; zero: 48 MiB
	Metrics     prometheus.Registerer // nil: none
	Logger      *slog.Logger
}

// Entitlements answers what grantees may use, from memory where it can. A ledger is loaded when it is
// first asked for and then moved on by the runner's rows (Follow) or, when another process projects,
// by what Run finds in the database.
type Entitlements struct {
	EntitlementConfig
	metrics *entitlementMetrics
	answers *answers
	loading singleflight.Group

	mu      sync.Mutex
	ledgers *simplelru.LRU[uuid.UUID, *ledgerIndex]
	bytes   int64
	sizes   map[uuid.UUID]int64 // as counted in bytes

	hits, misses, evictions uint64
}

// NewEntitlements makes an empty index; Run keeps it confirmed.
func NewEntitlements(c EntitlementConfig) *Entitlements {
	if c.Bytes == 0 {
		c.Bytes = 256 << 20
	}
	if c.AnswerBytes == 0 {
		c.AnswerBytes = 48 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	x := &Entitlements{EntitlementConfig: c, sizes: map[uuid.UUID]int64{}, answers: newAnswers(c.AnswerBytes)}
	x.ledgers, _ = simplelru.NewLRU[uuid.UUID, *ledgerIndex](1<<20, nil) // fails for a size below 1 only
	x.metrics = newEntitlementMetrics(c.Metrics, x)
	return x
}

// Check answers which capabilities of a product the grantees have at an instant. It refuses with no_product;
// nothing granted is an empty answer. It waits, as every read, for what this process acknowledged.
func (x *Entitlements) Check(ctx context.Context, q Question, now time.Time) (Answer, error) {
	a, _, _, err := x.check(ctx, q, now)
	return a, err
}

// check also tells the index and its generation that answered; nil: it was the database.
func (x *Entitlements) check(ctx context.Context, q Question, now time.Time) (Answer, *ledgerIndex, uint64, error) {
	index, err := x.fresh(ctx, q.Ledger)
	if err != nil {
		return Answer{}, nil, 0, err
	}
	var a Answer
	known, emptied, generation := false, true, uint64(0)
	if index != nil {
		a, known, emptied, generation = index.check(q, now)
	}
	if emptied {
		index = nil
		x.metrics.database.Inc()
		if a, known, err = x.ask(ctx, q, now); err != nil {
			return Answer{}, nil, 0, err
		}
	} else {
		x.metrics.index.Inc()
	}
	if !known {
		return a, nil, 0, domain.Refuse(domain.NotFound, "no_product", "%s is not known here", q.Product)
	}
	return a, index, generation, nil
}

// fresh is the ledger's index at the position that a read has to see, or nil when the database has
// to answer.
func (x *Entitlements) fresh(ctx context.Context, ledger uuid.UUID) (*ledgerIndex, error) {
	want, err := x.Reads.Caught(ctx, ledger)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	index := x.cached(ledger)
	if index == nil {
		if index, err = x.loaded(ctx, ledger); err != nil {
			return nil, err
		}
	}
	index.used.Store(now.UnixNano())
	position, emptied := index.at()
	if emptied || now.UnixNano()-index.confirmed.Load() > int64(staleAfter) {
		return nil, nil
	}
	for try := 0; position < want && try < 3; try++ { // the first refresh may have begun before our position was there
		if err := x.refresh(ctx, index); err != nil {
			return nil, err
		}
		position, _ = index.at()
	}
	return index, nil
}

// current is the position of an index that can answer as it is, with nothing to wait for and nothing to read; else false.
func (x *Entitlements) current(index *ledgerIndex) (int64, bool) {
	want, reached := x.Reads.reached(index.ledger)
	now := time.Now().UnixNano()
	if !reached || now-index.confirmed.Load() > int64(staleAfter) {
		return 0, false
	}
	if now-index.used.Load() > int64(time.Second) {
		index.used.Store(now)
		x.cached(index.ledger) // or it would pass for one that nobody asks for
	}
	position, emptied := index.at()
	return position, position >= want && !emptied
}

func (x *Entitlements) cached(ledger uuid.UUID) *ledgerIndex {
	x.mu.Lock()
	defer x.mu.Unlock()
	index, ok := x.ledgers.Get(ledger)
	if ok {
		x.hits++
	}
	return index
}

// loaded reads a ledger once, however many ask.
func (x *Entitlements) loaded(ctx context.Context, ledger uuid.UUID) (*ledgerIndex, error) {
	got, err, _ := x.loading.Do("load "+ledger.String(), func() (any, error) {
		if index := x.cached(ledger); index != nil {
			return index, nil
		}
		// Others may wait for the same answer: the first one's context must not end it for all.
		index, err := x.load(context.WithoutCancel(ctx), ledger)
		if err != nil {
			return nil, fmt.Errorf("load entitlements of %s: %w", ledger, err)
		}
		x.metrics.loads.Inc()
		x.mu.Lock()
		x.misses++
		x.ledgers.Add(ledger, index)
		x.mu.Unlock()
		x.weigh(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return got.(*ledgerIndex), nil
}

// weigh counts a ledger's bytes anew and drops the ones that were not asked for the longest.
func (x *Entitlements) weigh(index *ledgerIndex) {
	index.mu.Lock()
	if index.bytes > x.Bytes {
		index.empty()
	}
	bytes := index.bytes
	index.mu.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if current, ok := x.ledgers.Peek(index.ledger); !ok || current != index {
		return
	}
	x.bytes += bytes - x.sizes[index.ledger]
	x.sizes[index.ledger] = bytes
	for x.bytes > x.Bytes {
		id, oldest, ok := x.ledgers.RemoveOldest()
		if !ok {
			return
		}
		oldest.mu.Lock()
		oldest.empty()
		oldest.mu.Unlock()
		x.bytes -= x.sizes[id]
		delete(x.sizes, id)
		x.evictions++
	}
}

func (x *Entitlements) stats() cache.Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return cache.Stats{Bytes: x.bytes, Entries: int64(x.ledgers.Len()), Hits: x.hits, Misses: x.misses, Evictions: x.evictions}
}

// Follow takes over what the runner of this process just wrote; it is Config.Follow.
func (x *Entitlements) Follow(h Handover) {
	type way struct {
		from, to int64
		n        int
	}
	ways := map[uuid.UUID]way{}
	for _, m := range h.Moves {
		switch m.Projection {
		case "catalog", "subscriptions", "licenses":
			w, ok := ways[m.Ledger]
			if !ok || w.from == m.From && w.to == m.To {
				ways[m.Ledger] = way{m.From, m.To, w.n + 1}
			}
		}
	}
	rows := map[uuid.UUID][]any{}
	for _, row := range h.Rows {
		switch r := row.(type) {
		case Product:
			rows[r.LedgerID] = append(rows[r.LedgerID], row)
		case Plan:
			rows[r.LedgerID] = append(rows[r.LedgerID], row)
		case Feature:
			rows[r.LedgerID] = append(rows[r.LedgerID], row)
		case Subscription:
			rows[r.LedgerID] = append(rows[r.LedgerID], row)
		case LicenseRow:
			rows[r.LedgerID] = append(rows[r.LedgerID], row)
		}
	}
	for ledger, w := range ways {
		x.mu.Lock()
		index, _ := x.ledgers.Peek(ledger)
		x.mu.Unlock()
		if index == nil {
			continue
		}
		if position, _ := index.at(); w.n == 3 && w.from <= position && position < w.to { // else it is read from the database when asked for
			index.move(rows[ledger], w.to)
			x.weigh(index)
		}
	}
}

// Run confirms the ledgers that are in use, until the context ends, whose error it returns.
func (x *Entitlements) Run(ctx context.Context) error {
	ticker := time.NewTicker(confirmEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if err := x.confirm(ctx); err != nil && ctx.Err() == nil {
			x.Logger.WarnContext(ctx, "entitlements: not confirmed, the database answers", "error", err)
		}
	}
}

// confirm compares the positions in memory with the checkpoints and reads what is newer.
func (x *Entitlements) confirm(ctx context.Context) error {
	start := time.Now()
	x.mu.Lock()
	var ids []uuid.UUID
	indexes := map[uuid.UUID]*ledgerIndex{}
	before := map[uuid.UUID]int64{}
	for _, index := range x.ledgers.Values() {
		if start.UnixNano()-index.used.Load() < int64(confirmUsed) {
			ids = append(ids, index.ledger)
			indexes[index.ledger] = index
			before[index.ledger], _ = index.at()
		}
	}
	x.mu.Unlock()
	if len(ids) == 0 {
		return nil
	}
	positions, tables, err := x.positions(ctx, ids)
	if err != nil {
		return err
	}
	for id, index := range indexes {
		if index.tables != tables || before[id] > positions[id] {
			x.forget(id) // rebuilt, or after a failover behind what was known: every row may be another
			continue
		}
		if position, _ := index.at(); position < positions[id] {
			if err := x.refresh(ctx, index); err != nil {
				return err
			}
		}
		index.confirmed.Store(start.UnixNano())
	}
	return nil
}

func (x *Entitlements) forget(ledger uuid.UUID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if index, ok := x.ledgers.Peek(ledger); ok {
		index.mu.Lock()
		index.empty()
		index.mu.Unlock()
	}
	x.ledgers.Remove(ledger)
	x.bytes -= x.sizes[ledger]
	delete(x.sizes, ledger)
}

type entitlementMetrics struct {
	cached, index, database prometheus.Counter // checks, by who answered
	loads                   prometheus.Counter
}

func newEntitlementMetrics(to prometheus.Registerer, x *Entitlements) *entitlementMetrics {
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "entitlement", Name: "checks_total",
		Help: "Checks by who answered: an encoded answer (cached), the index, the database."}, []string{"source"})
	m := &entitlementMetrics{
		cached: checks.WithLabelValues("cached"), index: checks.WithLabelValues("index"), database: checks.WithLabelValues("database"),
		loads: prometheus.NewCounter(prometheus.CounterOpts{Namespace: "subledger", Subsystem: "entitlement", Name: "loads_total",
			Help: "Ledgers that were read into memory."}),
	}
	cache.Register(to, "entitlements", x.stats)
	cache.Register(to, "answers", x.answers.Stats)
	if to != nil {
		gauge := func(name, help string, f func() float64) prometheus.Collector {
			return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "subledger", Subsystem: "entitlement", Name: name, Help: help}, func() float64 {
				x.mu.Lock()
				defer x.mu.Unlock()
				return f()
			})
		}
		to.MustRegister(checks, m.loads,
			gauge("index_bytes", "Rough size of the ledgers in memory.", func() float64 { return float64(x.bytes) }),
			gauge("index_ledgers", "Ledgers in memory.", func() float64 { return float64(x.ledgers.Len()) }))
	}
	return m
}
