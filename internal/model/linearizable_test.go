package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// A history is what clients saw: when they asked, what they were told and when. Of a subscription it must be
// that of one register, one operation after the other, each at a moment between its call and its return.

type asked struct {
	sub   int
	do    string // read, seats, plan, cancel, end, reactivate, pause, resume, assign
	n     int    // seats: how many more, fewer below zero; plan: which; assign: 1 gives the first seat away, 0 takes it back
	match int64  // If-Match, 0 without
}

// heard is an answer: what the register holds afterwards, or the code of a refusal.
type heard struct {
	unknown bool // no answer: it may have happened, now, later or never
	code    string
	register
}

type register struct {
	version int64
	seats   int
	plan    int
	status  string
	ending  bool // at the end of its period
	taken   bool // the first seat
}

// limits of the two plans, and whom the first seat is given to.
var limits = [2]struct{ least, most int }{{1, 6}, {2, 4}}

// after is what the register holds when an operation happens, and what the client is told then. No time passes.
func (r register) after(a asked) (register, heard) {
	if a.match != 0 && a.match != r.version {
		return r, heard{code: "stale_version"}
	}
	next := r
	refuse := func(code string) (register, heard) { return r, heard{code: code} }
	switch a.do {
	case "seats", "plan":
		switch r.status {
		case "PAUSED":
			return refuse("subscription_paused")
		case "CANCELED":
			return refuse("subscription_ended")
		}
		free := r.seats
		if r.taken {
			free--
		}
		switch {
		case a.do == "plan" && r.plan == a.n:
		case a.do == "plan" && r.seats > limits[a.n].most, a.do == "seats" && a.n > 0 && r.seats+a.n > limits[r.plan].most:
			return refuse("seat_maximum")
		case a.do == "plan":
			next.plan, next.seats = a.n, max(r.seats, limits[a.n].least)
		case a.n < 0 && r.seats+a.n < limits[r.plan].least:
			return refuse("seat_minimum")
		case a.n < 0 && free+a.n < 0:
			return refuse("not_enough_unassigned")
		default:
			next.seats += a.n
		}
	case "cancel":
		next.ending = r.ending || r.status != "CANCELED"
	case "end":
		next.status = "CANCELED"
	case "reactivate":
		if r.status == "CANCELED" {
			return refuse("subscription_ended")
		}
		next.ending = false
	case "pause":
		if r.status == "CANCELED" {
			return refuse("subscription_ended")
		}
		next.status = "PAUSED"
	case "resume":
		if r.status == "CANCELED" {
			return refuse("subscription_ended")
		}
		next.status = "ACTIVE"
	case "assign":
		if r.status == "CANCELED" {
			return refuse("license_ended")
		}
		next.taken = a.n == 1
	}
	if next != r {
		next.version++
	}
	return next, heard{register: next}
}

var seatRegister = porcupine.Model{
	Init: func() any { return register{version: 1, seats: 2, status: "ACTIVE"} },
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
	add, read := asked{do: "seats", n: 1}, asked{do: "read"}
	two := heard{register: register{version: 1, seats: 2, status: "ACTIVE"}}
	three := heard{register: register{version: 2, seats: 3, status: "ACTIVE"}}
	ended := heard{register: register{version: 2, seats: 2, status: "CANCELED"}}
	for name, tt := range map[string]struct {
		history []porcupine.Operation
		fine    bool
	}{
		"one after the other":      {[]porcupine.Operation{op(0, 1, 2, add, three), op(1, 3, 4, read, three)}, true},
		"a read in between":        {[]porcupine.Operation{op(0, 1, 9, add, three), op(1, 3, 4, read, two)}, true},
		"an answer that was lost":  {[]porcupine.Operation{op(0, 1, math.MaxInt64, add, heard{unknown: true}), op(1, 3, 4, read, two), op(1, 5, 6, read, three)}, true},
		"a stale read":             {[]porcupine.Operation{op(0, 1, 2, add, three), op(1, 3, 4, read, two)}, false},
		"a lost update":            {[]porcupine.Operation{op(0, 1, 5, add, three), op(1, 1, 5, add, three)}, false},
		"a refusal without reason": {[]porcupine.Operation{op(0, 1, 2, add, heard{code: "seat_maximum"})}, false},
		"a change after the end":   {[]porcupine.Operation{op(0, 1, 2, asked{do: "end"}, ended), op(1, 3, 4, asked{do: "pause"}, heard{register: register{version: 3, seats: 2, status: "PAUSED"}})}, false},
		"an end that was undone":   {[]porcupine.Operation{op(0, 1, 2, asked{do: "end"}, ended), op(1, 3, 4, read, two)}, false},
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
		res, err := b.insist(ctx, 0, eventstore.Request{Ledger: b.test, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		var v struct{ ID uuid.UUID }
		require.NoError(t, json.Unmarshal(res.Answer, &v))
		return v.ID
	}
	product := id(catalog.CreateProduct{Fields: catalog.ProductFields{Name: "p", DisplayName: "P"}})
	r := scene{}
	for i := range limits {
		f := catalog.DefaultPlan()
		f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType = product, "seats", "Seats", catalog.PerSeat, "free"
		f.Interval, f.Length, f.MaxSeatAmount, f.PerSeatAmount = "month", 1, limits[i].most, limits[i].least
		r.plans[i] = id(catalog.CreatePlan{Fields: f})
	}
	two := 2
	for i := range r.subs {
		r.subs[i] = id(subscription.Start{PlanID: r.plans[0], Quantity: &two})
		state, _, err := b.stores[0].Fold(ctx, b.test, r.subs[i])
		require.NoError(t, err)
		own, ok := state.(*subscription.State).OwnSeat() // the oldest: removals leave it alone for longest
		require.True(t, ok)
		r.seats[i] = own.ID
	}

	var mu sync.Mutex
	var history []porcupine.Operation
	zero := time.Now()
	var wg sync.WaitGroup
	for client := range 8 {
		random := rand.New(rand.NewPCG(seed, uint64(client)))
		wg.Go(func() {
			seen := [2]int64{1, 1}
			for range 12 {
				a := asked{sub: random.IntN(2), do: kinds[random.IntN(len(kinds))]}
				switch a.do {
				case "seats":
					a.n = []int{-2, -1, 1, 2}[random.IntN(4)]
				case "plan", "assign":
					a.n = random.IntN(2)
				case "end":
					if random.IntN(4) > 0 {
						a.do = "cancel" // after an end little can happen
					}
				}
				if random.IntN(3) == 0 {
					a.match = seen[a.sub]
				}
				if random.IntN(20) == 0 {
					b.proxy.LoseAnswers(1)
				}
				call := time.Since(zero).Nanoseconds()
				got := b.ask(ctx, b.stores[client%2], &r, a)
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

// scene is what the clients work on.
type scene struct {
	plans, subs, seats [2]uuid.UUID
}

var kinds = []string{"read", "read", "seats", "seats", "seats", "plan", "cancel", "end", "reactivate", "pause", "resume", "resume", "assign", "assign"}

// ask runs an operation once, without a retry.
func (b *book) ask(ctx context.Context, store *eventstore.Store, r *scene, a asked) heard {
	sub, seat := r.subs[a.sub], r.seats[a.sub]
	req := eventstore.Request{Ledger: b.test, Command: operation{asked: a, sub: sub, seat: seat, plan: r.plans[a.n&1]}}
	if a.match != 0 {
		req.Expect = &eventstore.Expectation{Stream: sub, Version: a.match}
	}
	res, err := store.Execute(ctx, req)
	if refusal, ok := domain.AsRefusal(err); ok && refusal.Kind != domain.Unavailable {
		return heard{code: refusal.Code}
	}
	var v shown
	if err != nil || json.Unmarshal(res.Answer, &v) != nil {
		return heard{unknown: true}
	}
	return heard{register: register{version: v.Version, seats: v.Seats, plan: slices.Index(r.plans[:], v.Plan), status: v.Status, ending: v.Ending, taken: v.Taken}}
}

// operation is one of the product's commands, answered with what the register shows. To read is a command too:
// the append confirms its answer like any other.
type operation struct {
	asked
	sub, seat, plan uuid.UUID
}

type shown struct {
	Version int64
	Seats   int
	Plan    uuid.UUID
	Status  string
	Ending  bool
	Taken   bool
}

func (o operation) Decide(l domain.Ledger) (any, error) {
	c := map[string]domain.Command{
		"plan": subscription.ChangePlan{ID: o.sub, PlanID: o.plan}, "cancel": subscription.Cancel{ID: o.sub}, "end": subscription.Cancel{ID: o.sub, Now: true},
		"reactivate": subscription.Reactivate{ID: o.sub}, "pause": subscription.Pause{ID: o.sub}, "resume": subscription.Resume{ID: o.sub},
	}[o.do]
	switch {
	case o.do == "seats" && o.n > 0:
		c = subscription.AddSeats{ID: o.sub, Count: o.n}
	case o.do == "seats":
		c = subscription.RemoveSeats{ID: o.sub, Count: -o.n}
	case o.do == "assign":
		c = license.Assign{Ref: license.Ref{LicenseID: o.seat, SubscriptionID: &o.sub}, Grantee: []*string{nil, &o.do}[o.n]}
	}
	if c != nil {
		if _, err := c.Decide(l); err != nil {
			return nil, err
		}
	}
	s, err := domain.LoadAs[*subscription.State](l, o.sub, "no_subscription")
	if err != nil {
		return nil, err
	}
	seat, _ := s.Seat(o.seat)
	v := s.View(l.Now())
	return shown{v.Version, s.ActiveSeats(), v.PlanID, v.Status, v.CancelAt != nil, !seat.Grantee.IsZero()}, nil
}
