package reactions

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

// patience bounds every wait of these tests; none of them sleeps.
const patience = 30 * time.Second

// clock runs with the system's, some time ahead of it.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// journal keeps what was committed and wakes who waits for it.
type journal struct {
	mu      sync.Mutex
	events  []*eventstore.Recorded
	changed chan struct{}
}

func (j *journal) committed(events []*eventstore.Recorded) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, events...)
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) now() ([]*eventstore.Recorded, chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events), j.changed
}

type fixture struct {
	db         *pgtest.DB
	owner, app *pgxpool.Pool
	store      *eventstore.Store
	applied    *projections.Applied
	clock      *clock
	journal    *journal
	live, test uuid.UUID
	keys       int
}

// newFixture is a store with an organisation and its read models, and no reactions yet.
func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.New(t), clock: &clock{}, journal: &journal{changed: make(chan struct{})}, applied: projections.NewApplied()}
	open := func(url string) *pgxpool.Pool {
		pool, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 24 })
		require.NoError(t, err)
		t.Cleanup(pool.Close)
		return pool
	}
	f.owner, f.app = open(f.db.URL), open(f.db.AppURL)
	master := eventstore.NewMasterKey()
	require.NoError(t, eventstore.Bootstrap(t.Context(), f.owner, master))
	var err error
	f.store, err = eventstore.Open(t.Context(), f.app, master, eventstore.Vocabularies(), eventstore.Config{Now: f.clock.Now})
	require.NoError(t, err)
	t.Cleanup(f.store.Close)
	f.live, f.test = f.organisation(t)

	f.store.Subscribe(f.journal.committed)
	var models []projections.Projection
	for _, m := range projections.Models() {
		models = append(models, m)
	}
	runner := projections.NewRunner(projections.Config{Log: f.store, Pool: f.app, Projections: models, Applied: f.applied})
	f.store.Subscribe(runner.Committed)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = runner.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

func (f *fixture) organisation(t testing.TB) (live, test uuid.UUID) {
	t.Helper()
	id, live, test := uuid.New(), uuid.New(), uuid.New()
	create, err := f.store.NewOrganisation(id, live, test, "Acme", "EUR", "UTC")
	require.NoError(t, err)
	f.do(t, f.store.SystemLedger(), create)
	return live, test
}

func (f *fixture) do(t testing.TB, ledger uuid.UUID, c domain.Command) eventstore.Result {
	t.Helper()
	r, err := f.store.Execute(t.Context(), eventstore.Request{Ledger: ledger, Command: c, Meta: eventstore.Meta{RequestID: "request-1"}})
	require.NoError(t, err)
	return r
}

func answer[T any](t testing.TB, r eventstore.Result) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(r.Answer, &v))
	return v
}

// plan makes a perSeat plan renewed every interval.
func (f *fixture) plan(t testing.TB, ledger uuid.UUID, interval string) uuid.UUID {
	t.Helper()
	product := answer[catalog.ProductView](t, f.do(t, ledger, catalog.CreateProduct{Fields: catalog.ProductFields{Name: "P", DisplayName: "P",
		Currencies: []catalog.ProductCurrency{{Currency: "EUR", Default: true}}}}))
	return answer[catalog.PlanView](t, f.do(t, ledger, catalog.CreatePlan{Fields: catalog.PlanFields{ProductID: product.ID, Name: "Pro", DisplayName: "Pro",
		LicenseType: "perSeat", PricingType: "free", Interval: interval, Length: 1, PerSeatAmount: 1, MaxSeatAmount: -1, Active: true}})).ID
}

// subscribed starts a subscription of one seat whose changes go through the manual provider.
func (f *fixture) subscribed(t testing.TB, ledger uuid.UUID) uuid.UUID {
	t.Helper()
	return answer[subscription.View](t, f.do(t, ledger, subscription.Start{PlanID: f.plan(t, ledger, "month"), Provider: "manual"})).ID
}

// addSeat asks for a seat and answers the task.
func (f *fixture) addSeat(t testing.TB, ledger, sub uuid.UUID) uuid.UUID {
	t.Helper()
	told := answer[subscription.TaskAnswer](t, f.do(t, ledger, subscription.AddSeats{ID: sub, Count: 1}))
	require.Equal(t, task.Pending, told.Status)
	return told.TaskID
}

func (f *fixture) seats(t testing.TB, ledger, sub uuid.UUID) int {
	t.Helper()
	state, _, err := f.store.Fold(t.Context(), ledger, sub)
	require.NoError(t, err)
	return state.(*subscription.State).Quantity
}

func (f *fixture) task(t testing.TB, ledger, id uuid.UUID) *task.State {
	t.Helper()
	state, _, err := f.store.Fold(t.Context(), ledger, id)
	require.NoError(t, err)
	return state.(*task.State)
}

// awaits waits until n committed events match.
func (f *fixture) awaits(t testing.TB, n int, match func(*eventstore.Recorded) bool) []*eventstore.Recorded {
	t.Helper()
	late := time.After(patience)
	for {
		events, changed := f.journal.now()
		events = slices.DeleteFunc(events, func(e *eventstore.Recorded) bool { return !match(e) })
		if len(events) >= n {
			return events
		}
		select {
		case <-changed:
		case <-late:
			require.FailNow(t, "it did not happen", "%d of %d", len(events), n)
		}
	}
}

// ends waits until a task is done.
func (f *fixture) ends(t testing.TB, ledger, id uuid.UUID) *task.State {
	t.Helper()
	f.awaits(t, 1, func(e *eventstore.Recorded) bool {
		return e.Stream == id && (e.Type == "task.succeeded.v1" || e.Type == "task.failed.v1")
	})
	return f.task(t, ledger, id)
}

func of[T domain.Event](stream uuid.UUID) func(*eventstore.Recorded) bool {
	return func(e *eventstore.Recorded) bool {
		_, ok := e.Event.(T)
		return ok && e.Stream == stream
	}
}

// running are reactions of a process of their own.
type running struct {
	*Reactions
	metrics *prometheus.Registry
	stop    func() // ends them and waits
}

// start runs reactions with short pauses; change sets what the test is about.
func (f *fixture) start(t testing.TB, change func(*Config)) *running {
	t.Helper()
	p := &running{metrics: prometheus.NewRegistry()}
	cfg := Config{Store: f.store, Pool: f.app, Applied: f.applied, Reads: projections.NewReads(f.app, f.applied, f.store.Acknowledged), Registerer: p.metrics, Now: f.clock.Now,
		Backoff: Backoff{First: time.Millisecond, Last: 20 * time.Millisecond, Attempts: 5}, Poll: 20 * time.Millisecond, MeasureEvery: 10 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	var err error
	p.Reactions, err = New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			assert.NoError(t, err)
		case <-time.After(patience):
			assert.Fail(t, "reactions did not stop")
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (f *fixture) count(t testing.TB, sql string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, f.owner.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}

// settles waits until no call is open: the last thing that a worker does.
func (f *fixture) settles(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool { return f.count(t, `select count(*) from provider_calls`) == 0 }, patience, time.Millisecond)
}

func (p *running) gauge(t testing.TB, name string) float64 {
	t.Helper()
	families, err := p.metrics.Gather()
	require.NoError(t, err)
	total := 0.0
	for _, family := range families {
		if family.GetName() == "subledger_reactions_"+name {
			for _, m := range family.GetMetric() {
				total += m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return total
}

// scripted is a provider that remembers what it was asked and answers as told.
type scripted struct {
	mu     sync.Mutex
	asked  []Call
	answer func(Call) (Answer, error)
}

func (s *scripted) ask(_ context.Context, c Call) (Answer, error) {
	s.mu.Lock()
	s.asked = append(s.asked, c)
	s.mu.Unlock()
	if s.answer == nil {
		return Answer{Verdict: Agreed}, nil
	}
	return s.answer(c)
}

func (s *scripted) calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func (s *scripted) as(name string) func(*Config) {
	return func(c *Config) { c.Providers = map[string]Ask{name: s.ask} }
}

var errFault = errors.New("fault point")
