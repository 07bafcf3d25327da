package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

// scribe takes commands: the store, or one that COPYs.
type scribe interface {
	Execute(context.Context, eventstore.Request) (eventstore.Result, error)
	Event(ctx context.Context, ledger uuid.UUID, position int64) (*eventstore.Recorded, error)
}

// writer fills one ledger.
type writer struct {
	store  scribe
	ledger uuid.UUID
	random *rand.Rand
	events int
	key    int
	sells  uuid.UUID // a product
	months int       // that a subscription lives
}

// do runs a command and reads its answer into out, unless that is nil.
func (w *writer) do(ctx context.Context, c domain.Command, out any) (eventstore.Result, error) {
	res, err := w.store.Execute(ctx, eventstore.Request{Ledger: w.ledger, Command: c, Meta: eventstore.Meta{Actor: "bench"}})
	if err != nil {
		return res, fmt.Errorf("%T: %w", c, err)
	}
	w.events += int(res.Last - res.First + 1)
	if out == nil {
		return res, nil
	}
	return res, json.Unmarshal(res.Answer, out)
}

type answered struct {
	ID uuid.UUID `json:"id"`
}

func (w *writer) write(ctx context.Context, events int) error {
	if err := w.product(ctx, "bench"); err != nil {
		return err
	}
	var plan answered
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType = w.sells, "seats", "Seats", catalog.PerSeat, "free"
	f.Interval, f.Length, f.MaxSeatAmount = "month", 1, 50
	if _, err := w.do(ctx, catalog.CreatePlan{Fields: f}, &plan); err != nil {
		return err
	}
	for w.events < events {
		if err := w.life(ctx, plan.ID); err != nil {
			return err
		}
	}
	return nil
}

// product makes what plans are of.
func (w *writer) product(ctx context.Context, name string) error {
	var made answered
	_, err := w.do(ctx, catalog.CreateProduct{Fields: catalog.ProductFields{Name: name, DisplayName: "Bench"}}, &made)
	w.sells = made.ID
	return err
}

// life is one subscription's: it starts with four seats, three are assigned to grantees, one is added, and a
// dozen usage records count, 19 events with the owner's customer; then, in each month, a seat gets another grantee, one goes or comes, and
// twenty usage records count, 22 events.
func (w *writer) life(ctx context.Context, plan uuid.UUID) error {
	seats := 4
	var sub answered
	res, err := w.do(ctx, subscription.Start{PlanID: plan, Quantity: &seats, Owner: w.name("owner")}, &sub)
	if err != nil {
		return err
	}
	e, err := w.store.Event(ctx, w.ledger, res.Last) // the answer counts the seats, the event names them
	if err != nil {
		return err
	}
	started, ok := e.Event.(subscription.Started)
	if !ok || len(started.Seats) < 3 {
		return fmt.Errorf("event %d is %s, and not a start with seats", e.Position, e.Type)
	}
	commands := []domain.Command{}
	assign := func(seat uuid.UUID) {
		grantee := w.name("grantee")
		commands = append(commands, license.Assign{Ref: license.Ref{LicenseID: seat, SubscriptionID: &sub.ID}, Grantee: &grantee})
	}
	use := func(times int) {
		records := make([]usage.Record, times)
		for i := range records {
			w.key++
			records[i] = usage.Record{Key: fmt.Sprintf("h-%d", w.key), Quantity: decimal.NewFromInt(1 + w.random.Int64N(100)),
				Ref: license.Ref{LicenseID: started.Seats[i%3].ID, SubscriptionID: &sub.ID}}
		}
		commands = append(commands, usage.RecordMany{Items: records})
	}
	for _, seat := range started.Seats[:3] {
		assign(seat.ID)
	}
	commands = append(commands, subscription.AddSeats{ID: sub.ID, Count: 1})
	use(12)
	for month := range w.months {
		assign(started.Seats[month%3].ID)
		if month%2 == 0 {
			commands = append(commands, subscription.RemoveSeats{ID: sub.ID, Count: 1})
		} else {
			commands = append(commands, subscription.AddSeats{ID: sub.ID, Count: 1})
		}
		use(20)
	}
	for _, c := range commands {
		if _, err := w.do(ctx, c, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) name(what string) string { return fmt.Sprintf("%s-%d", what, w.random.IntN(100_000)) }
