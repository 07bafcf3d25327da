package subscription_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// One seat more, one fewer, one assigned: what it costs to fold must not grow with the seats.
func BenchmarkFoldOneSeat(b *testing.B) {
	for name, n := range map[string]int{"10 seats": 10, "100,000 seats": 100_000} {
		b.Run(name, func(b *testing.B) {
			s := &subscription.State{}
			start := subscription.Started{Terms: catalog.PlanTerms{LicenseType: catalog.PerSeat, MaxSeats: -1}, Status: subscription.Active}
			for i := range n {
				start.Seats = append(start.Seats, subscription.Seat{ID: domain.DeriveID(uuid.Nil, april(1), i)})
			}
			s.Apply(start)
			ann := domain.Grantee("ann")
			for i := 0; b.Loop(); i++ {
				id := domain.DeriveID(uuid.Max, april(1), i)
				s.Apply(subscription.SeatsAdded{Seats: []uuid.UUID{id}, Quantity: n + 1})
				s.Apply(subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id, Grantee: ann}}})
				s.Apply(subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: id}}})
				s.Apply(subscription.SeatsRemoved{Seats: []uuid.UUID{id}, Quantity: n})
			}
		})
	}
}

// The whole decision, the encoding of its events included.
func BenchmarkDecideOneSeat(b *testing.B) {
	for name, n := range map[string]int{"10 seats": 10, "100,000 seats": 100_000} {
		b.Run(name, func(b *testing.B) {
			l := ledgertest.New(b, april(1))
			plan := l.Plan(l.Product())
			id := ledgertest.Must[subscription.View](l, subscription.Start{PlanID: plan, Quantity: &n}).ID
			for b.Loop() {
				ledgertest.Must[subscription.TaskAnswer](l, subscription.AddSeats{ID: id, Count: 1})
				ledgertest.Must[subscription.TaskAnswer](l, subscription.RemoveSeats{ID: id, Count: 1})
			}
		})
	}
}

// A purchase, by an owner who bought before or who did not.
func BenchmarkStart(b *testing.B) {
	for name, owner := range map[string]func(n int) string{
		"nobody": func(int) string { return "" }, "an owner again": func(int) string { return "ann" }, "a new owner": func(n int) string { return fmt.Sprint("ann", n) },
	} {
		b.Run(name, func(b *testing.B) {
			l := ledgertest.New(b, april(1))
			plan := l.Plan(l.Product())
			for n := 0; b.Loop(); n++ {
				if n%100 == 0 { // its memory looks at every event for a stream that it does not know
					b.StopTimer()
					l = ledgertest.New(b, april(1))
					plan = l.Plan(l.Product())
					b.StartTimer()
				}
				ledgertest.Must[subscription.View](l, subscription.Start{PlanID: plan, Owner: owner(n)})
			}
		})
	}
}
