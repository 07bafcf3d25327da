package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// A history is what clients saw: when they asked, what they were heard and when. Of a subscription it must be
// that of one register of version and seats, one operation after the other, each at a moment between its call
// and its return.

type asked struct {
	sub   int
	add   int   // seats, below zero to remove, 0 to read
	match int64 // If-Match, 0 without
}

type heard struct {
	unknown bool // no answer: it may have happened, now, later or never
	code    string
	version int64
	seats   int
}

type register struct {
	version int64
	seats   int
}

const (
	leastSeats = 1
	mostSeats  = 6
)

// after is what the register holds when an operation happens, and what the client is heard then.
func (r register) after(a asked) (register, heard) {
	switch {
	case a.match != 0 && a.match != r.version:
		return r, heard{code: "stale_version"}
	case a.add > 0 && r.seats+a.add > mostSeats:
		return r, heard{code: "seat_maximum"}
	case a.add < 0 && r.seats+a.add < leastSeats:
		return r, heard{code: "seat_minimum"}
	case a.add != 0:
		r = register{r.version + 1, r.seats + a.add}
	}
	return r, heard{version: r.version, seats: r.seats}
}

var seatRegister = porcupine.Model{
	Init: func() any { return register{1, 2} },
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		bySub := map[int][]porcupine.Operation{}
		for _, op := range history {
			sub := op.Input.(asked).sub
			bySub[sub] = append(bySub[sub], op)
		}
		var all [][]porcupine.Operation
		for _, ops := range bySub {
			all = append(all, ops)
		}
		return all
	},
	Step: func(state, input, output any) (bool, any) {
		next, want := state.(register).after(input.(asked))
		got := output.(heard)
		return got.unknown || got == want, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// The checker sees what it is there for.
func TestABrokenHistoryIsNotLinearizable(t *testing.T) {
	t.Parallel()
	op := func(client int, call, back int64, a asked, b heard) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: a, Call: call, Output: b, Return: back}
	}
	for name, tt := range map[string]struct {
		history []porcupine.Operation
		fine    bool
	}{
		"one after the other":      {[]porcupine.Operation{op(0, 1, 2, asked{add: 1}, heard{version: 2, seats: 3}), op(1, 3, 4, asked{}, heard{version: 2, seats: 3})}, true},
		"a read in between":        {[]porcupine.Operation{op(0, 1, 9, asked{add: 1}, heard{version: 2, seats: 3}), op(1, 3, 4, asked{}, heard{version: 1, seats: 2})}, true},
		"an answer that was lost":  {[]porcupine.Operation{op(0, 1, math.MaxInt64, asked{add: 1}, heard{unknown: true}), op(1, 3, 4, asked{}, heard{version: 1, seats: 2}), op(1, 5, 6, asked{}, heard{version: 2, seats: 3})}, true},
		"a stale read":             {[]porcupine.Operation{op(0, 1, 2, asked{add: 1}, heard{version: 2, seats: 3}), op(1, 3, 4, asked{}, heard{version: 1, seats: 2})}, false},
		"a lost update":            {[]porcupine.Operation{op(0, 1, 5, asked{add: 1}, heard{version: 2, seats: 3}), op(1, 1, 5, asked{add: 1}, heard{version: 2, seats: 3})}, false},
		"a refusal without reason": {[]porcupine.Operation{op(0, 1, 2, asked{add: 1}, heard{code: "seat_maximum"})}, false},
	} {
		require.Equal(t, tt.fine, porcupine.CheckOperations(seatRegister, tt.history), name)
	}
}

func TestHistoriesAreLinearizable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for began := time.Now(); time.Since(began) < budget; {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		b := w.open(t)
		history := b.clients(t, seed)
		result, info := porcupine.CheckOperationsVerbose(seatRegister, history, 30*time.Second)
		if result == porcupine.Illegal {
			path := t.TempDir() + "/history.html"
			_ = porcupine.VisualizePath(seatRegister, info, path)
		}
		require.Equal(t, porcupine.Ok, result, "%v", history)
	}
}

// clients lets eight clients change two subscriptions through two processes at once, with lost answers.
func (b *book) clients(t *testing.T, seed uint64) []porcupine.Operation {
	ctx := t.Context()
	id := func(c domain.Command) uuid.UUID {
		res, err := b.stores[0].Execute(ctx, eventstore.Request{Ledger: b.test, Command: c})
		require.NoError(t, err)
		var v struct{ ID uuid.UUID }
		require.NoError(t, json.Unmarshal(res.Answer, &v))
		return v.ID
	}
	product := id(catalog.CreateProduct{Fields: catalog.ProductFields{Name: "p", DisplayName: "P"}})
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType = product, "seats", "Seats", catalog.PerSeat, "free"
	f.Interval, f.Length, f.MaxSeatAmount, f.PerSeatAmount = "month", 1, mostSeats, leastSeats
	plan := id(catalog.CreatePlan{Fields: f})
	two := 2
	subs := []uuid.UUID{id(subscription.Start{PlanID: plan, Quantity: &two}), id(subscription.Start{PlanID: plan, Quantity: &two})}

	var mu sync.Mutex
	var history []porcupine.Operation
	zero := time.Now()
	var wg sync.WaitGroup
	for client := range 8 {
		random := rand.New(rand.NewPCG(seed, uint64(client)))
		wg.Go(func() {
			seen := [2]int64{1, 1}
			for range 12 {
				a := asked{sub: random.IntN(2), add: random.IntN(5) - 2}
				if random.IntN(3) == 0 {
					a.match = seen[a.sub]
				}
				if random.IntN(20) == 0 {
					b.proxy.LoseAnswers(1)
				}
				call := time.Since(zero).Nanoseconds()
				got := b.ask(ctx, b.stores[client%2], subs[a.sub], a)
				back := time.Since(zero).Nanoseconds()
				if got.unknown {
					back = math.MaxInt64
				} else if got.version > 0 {
					seen[a.sub] = got.version
				}
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: a, Call: call, Output: got, Return: back})
				mu.Unlock()
				if got.unknown {
					return // a client that does not know goes away; it may still happen
				}
			}
		})
	}
	wg.Wait()
	b.proxy.LoseAnswers(0)
	return history
}

// ask runs an operation once, without a retry.
func (b *book) ask(ctx context.Context, store *eventstore.Store, sub uuid.UUID, a asked) heard {
	var c domain.Command = subscription.AddSeats{ID: sub, Count: a.add}
	switch {
	case a.add < 0:
		c = subscription.RemoveSeats{ID: sub, Count: -a.add}
	case a.add == 0:
		c = reading{sub}
	}
	req := eventstore.Request{Ledger: b.test, Command: c}
	if a.match != 0 {
		req.Expect = &eventstore.Expectation{Stream: sub, Version: a.match}
	}
	res, err := store.Execute(ctx, req)
	if refusal, ok := domain.AsRefusal(err); ok && refusal.Kind != domain.Unavailable {
		return heard{code: refusal.Code}
	}
	if err != nil {
		return heard{unknown: true}
	}
	var v struct {
		Subscription *subscription.View
		Version      int64
		Seats        int
	}
	if err := json.Unmarshal(res.Answer, &v); err != nil {
		return heard{unknown: true}
	}
	if v.Subscription != nil {
		return heard{version: v.Subscription.Version, seats: v.Subscription.Seats}
	}
	return heard{version: v.Version, seats: v.Seats}
}

// reading is a command that changes nothing: its answer is confirmed by the append like any other.
type reading struct{ sub uuid.UUID }

func (r reading) Decide(l domain.Ledger) (any, error) {
	s, err := domain.LoadAs[*subscription.State](l, r.sub, "no_subscription")
	if err != nil {
		return nil, err
	}
	v := s.View(l.Now())
	return struct {
		Version int64 `json:"Version"`
		Seats   int   `json:"Seats"`
	}{v.Version, v.Seats}, nil
}
