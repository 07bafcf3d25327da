package model

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/faults"
	"github.com/subledger/subledger/internal/ledgertest"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/internal/selftest"
)

var start = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// keeper is who holds the truth: the ledger in memory, or the log.
type keeper interface {
	// do runs a command once for its key, whatever happens on the way; it gives the answer as JSON or the
	// code of the refusal.
	do(t *rapid.T, key string, c domain.Command) (answer []byte, code string)
	state(t *rapid.T, stream uuid.UUID) domain.State
}

// memory keeps promises one decision at a time.
type memory struct{ *ledgertest.Ledger }

func (m memory) do(t *rapid.T, _ string, c domain.Command) ([]byte, string) {
	answer, _, err := m.Execute(c)
	if refusal, ok := domain.AsRefusal(err); ok {
		return nil, refusal.Code
	}
	require.NoError(t, err)
	text, err := json.Marshal(answer)
	require.NoError(t, err)
	return text, ""
}

func (m memory) state(_ *rapid.T, stream uuid.UUID) domain.State { return m.State(stream) }

// world is a database with two processes on it, one of them behind a proxy that loses answers.
type world struct {
	db     *pgtest.DB
	master eventstore.MasterKey
	owner  *pgxpool.Pool
	proxy  *faults.Proxy
	stores [2]*eventstore.Store
	crash  string // the step at which the next append of a store dies
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{db: pgtest.New(t), master: eventstore.NewMasterKey()}
	pool := func(url string) *pgxpool.Pool {
		p, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 6 })
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	w.owner = pool(w.db.URL)
	require.NoError(t, eventstore.Bootstrap(t.Context(), w.owner, w.master))
	var through string
	w.proxy, through = faults.NewProxy(t, w.db.AppURL)
	for i, url := range []string{w.db.AppURL, through} {
		var err error
		w.stores[i], err = eventstore.Open(t.Context(), pool(url), w.master, eventstore.Vocabularies(), eventstore.Config{
			Now:          func() time.Time { return start },
			UnknownAfter: 400 * time.Millisecond,
			Logger:       slog.New(slog.DiscardHandler),
			Fault: func(step string) error {
				if i == 0 && step == w.crash {
					w.crash = ""
					return errors.New("crashed " + step)
				}
				return nil
			}})
		require.NoError(t, err)
		t.Cleanup(w.stores[i].Close)
	}
	return w
}

// book is a ledger of the world, as a keeper.
type book struct {
	*world
	t      *testing.T
	ledger uuid.UUID
}

func (w *world) open(t *testing.T) *book {
	test := uuid.New()
	create, err := w.stores[0].NewOrganisation(uuid.New(), uuid.New(), test, "Model", "USD", "UTC")
	require.NoError(t, err)
	_, err = w.stores[0].Execute(t.Context(), eventstore.Request{Ledger: w.stores[0].SystemLedger(), Command: create})
	require.NoError(t, err)
	return &book{world: w, t: t, ledger: test}
}

func (b *book) do(t *rapid.T, key string, c domain.Command) ([]byte, string) {
	which := rapid.IntRange(0, 1).Draw(t, "process")
	switch rapid.IntRange(0, 9).Draw(t, "fault") {
	case 0:
		b.proxy.LoseAnswers(1)
		which = 1
	case 1:
		b.crash, which = "before append", 0
	case 2:
		b.crash, which = "after append", 0
	}
	defer func() { b.proxy.LoseAnswers(0); b.crash = "" }()
	req := eventstore.Request{Ledger: b.ledger, Key: key, Fingerprint: sha256.Sum256([]byte(fmt.Sprintf("%T %+v", c, c))), Command: c}
	for try := 0; ; try++ {
		res, err := b.stores[which].Execute(b.t.Context(), req)
		refusal, refused := domain.AsRefusal(err)
		switch {
		case refused && refusal.Kind == domain.Unavailable: // the client sends it again with the same key
		case refused:
			return nil, refusal.Code
		case err != nil: // a fault on the way, a lost read say
		default:
			b.proxy.LoseAnswers(0)
			again, err := b.stores[1-which].Execute(b.t.Context(), req)
			require.NoError(t, err)
			require.True(t, again.Replayed, "a retry by another process is told the first answer")
			require.JSONEq(t, string(res.Answer), string(again.Answer))
			return res.Answer, ""
		}
		require.Less(t, try, 10, "%v", err)
	}
}

func (b *book) state(t *rapid.T, stream uuid.UUID) domain.State {
	state, _, err := b.stores[0].Fold(b.t.Context(), b.ledger, stream)
	require.NoError(t, err)
	return state
}

// walk runs random commands on a keeper and holds it against the reference after each.
func walk(t *rapid.T, k keeper) {
	n := &naive{least: 1, most: rapid.IntRange(2, 6).Draw(t, "most"), usage: map[string]int{}, version: 1}
	keys := 0
	do := func(c domain.Command) ([]byte, string) {
		keys++
		return k.do(t, fmt.Sprint("k", keys), c)
	}
	id := func(c domain.Command) uuid.UUID {
		answer, code := do(c)
		require.Empty(t, code, "%T", c)
		var v struct{ ID uuid.UUID }
		require.NoError(t, json.Unmarshal(answer, &v))
		return v.ID
	}
	product := id(catalog.CreateProduct{Fields: catalog.ProductFields{Name: "p", DisplayName: "P"}})
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType = product, "seats", "Seats", catalog.PerSeat, "free"
	f.Interval, f.Length, f.MaxSeatAmount, f.PerSeatAmount = "month", 1, n.most, n.least
	plan := id(catalog.CreatePlan{Fields: f})
	first := rapid.IntRange(n.least, n.most).Draw(t, "first")
	n.seats = make([]string, first)
	sub := id(subscription.Start{PlanID: plan, Quantity: &first, Owner: "o"})

	live := func() (ids []uuid.UUID) {
		for seat := range k.state(t, sub).(*subscription.State).Seats() {
			if seat.RemovedAt.IsZero() {
				ids = append(ids, seat.ID)
			}
		}
		return ids
	}
	expect := func(want string, c domain.Command) {
		_, code := do(c)
		require.Equal(t, want, code, "%T%+v on %+v", c, c, n)
	}
	count := rapid.IntRange(1, 3)
	licences := map[string]uuid.UUID{} // of usage keys
	t.Repeat(map[string]func(*rapid.T){
		"add": func(t *rapid.T) {
			c := count.Draw(t, "count")
			expect(n.add(c), subscription.AddSeats{ID: sub, Count: c})
		},
		"remove": func(t *rapid.T) {
			c := count.Draw(t, "count")
			expect(n.remove(c), subscription.RemoveSeats{ID: sub, Count: c})
		},
		"set": func(t *rapid.T) {
			c := rapid.IntRange(n.least, n.most).Draw(t, "quantity")
			expect(n.set(c), subscription.SetQuantity{ID: sub, Quantity: c})
		},
		"assign": func(t *rapid.T) {
			i := rapid.IntRange(0, len(n.seats)-1).Draw(t, "seat")
			grantee := rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(t, "grantee")
			ids := live()
			var to *string
			if grantee != "" {
				to = &grantee
			}
			expect(n.assign(i, grantee), license.Assign{Ref: license.Ref{LicenseID: ids[i], SubscriptionID: &sub}, Grantee: to})
		},
		"cancel": func(t *rapid.T) {
			now := rapid.IntRange(0, 5).Draw(t, "now") == 0
			expect(n.cancel(now), subscription.Cancel{ID: sub, Now: now})
		},
		"reactivate": func(t *rapid.T) { expect(n.reactivate(), subscription.Reactivate{ID: sub}) },
		"use": func(t *rapid.T) {
			if n.ended {
				t.Skip("usage after the end has rules of its own")
			}
			key, quantity := fmt.Sprint("u", rapid.IntRange(0, 4).Draw(t, "key")), rapid.IntRange(1, 3).Draw(t, "quantity")
			ids := live()
			licence, used := licences[key]
			if !used {
				licence = ids[0]
			} else if !slices.Contains(ids, licence) {
				t.Skip("the key stands for a licence that is gone")
			}
			licences[key] = licence
			want := n.record(key, quantity)
			if want == "duplicate" {
				want = ""
			}
			expect(want, usage.Record{Ref: license.Ref{LicenseID: licence, SubscriptionID: &sub}, Key: key + fmt.Sprint(sub), Quantity: decimal.NewFromInt(int64(quantity))})
		},
		"": func(t *rapid.T) {
			s := k.state(t, sub).(*subscription.State)
			var grantees []string
			for seat := range s.Seats() {
				if seat.RemovedAt.IsZero() {
					grantees = append(grantees, seat.Grantee.Text)
				}
			}
			require.Equal(t, n.seats, grantees)
			require.Equal(t, n.version, s.Version)
			v := s.View(start)
			require.Equal(t, n.ended, v.Status == subscription.Canceled)
			require.Equal(t, n.ending && !n.ended, v.CancelAt != nil && v.CanceledAt == nil)
		},
	})
}

func TestReferenceAgreesWithMemory(t *testing.T) {
	t.Parallel()
	within(t, func(rt *rapid.T) { walk(rt, memory{ledgertest.New(rt, start)}) })
}

// The same walk on the real log, through crashes, lost answers and two processes.
func TestReferenceAgreesWithTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	within(t, func(rt *rapid.T) { walk(rt, w.open(t)) })
	all, err := selftest.Check(t.Context(), w.owner, selftest.Options{})
	require.NoError(t, err)
	for _, f := range all {
		require.Empty(t, f.Breaches, "invariant %d, %s", f.Number, f.Name)
	}
}

// within checks until the budget is used up: rapid counts checks, CI has time.
func within(t *testing.T, check func(*rapid.T)) {
	began, failing := time.Now(), false
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(began) > budget && !failing {
			return
		}
		failing = true // unless it comes to its end: a failure is shrunk whatever it takes
		check(rt)
		failing = false
	})
}

// budget of each test on the log: 15 s, or what SOAK says (make soak).
var budget = func() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("SOAK")); err == nil {
		return d
	}
	return 15 * time.Second
}()
