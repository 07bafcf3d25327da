package subscription_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
)

// words are the lines as people read them.
func words(lines []invoice.Line) (all []string) {
	for _, x := range lines {
		unit := "-"
		if x.UnitAmount != nil {
			unit = x.UnitAmount.String()
		}
		all = append(all, fmt.Sprintf("%s, %s x %s = %s", x.Description, x.Quantity, unit, amount(x.Amount)))
	}
	return all
}

// What a line leaves out of its quantity is in its words, so that it multiplies on paper (newuser 10).
func TestALineSaysWhatIsIncluded(t *testing.T) {
	seats := func(l *till) uuid.UUID {
		return l.priced([]catalog.Price{{Key: "seat", Kind: catalog.SeatPrice, Currency: "USD", UnitAmount: dec("1000"), IncludedSeats: ptr(int64(2))}},
			func(f *catalog.PlanFields) { f.LicenseType, f.PerSeatAmount = catalog.PerSeat, 0 })
	}
	usage := func(l *till, p catalog.Price) uuid.UUID {
		p.Key, p.Currency, p.Meter = "calls", "USD", "calls"
		return l.priced([]catalog.Price{p}, func(f *catalog.PlanFields) { f.LicenseType = catalog.Metered })
	}
	t.Run("seats", func(t *testing.T) {
		l := openTill(t, april(1))
		l.start(subscription.Start{PlanID: seats(l), Quantity: ptr(5)})
		require.Equal(t, []string{"Plan (2 included), 5 x 1000 = 30.00"}, words(l.bill(l.newest()).Lines))
	})
	t.Run("seats that come and go", func(t *testing.T) {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: seats(l), Quantity: ptr(1)})
		require.Equal(t, []string{"Plan (1 included), 1 x 1000 = 0.00"}, words(l.bill(l.newest()).Lines))
		l.at(april(16), id, subscription.AddSeats{ID: id, Count: 3, Proration: "always_invoice"})
		require.Equal(t, []string{"Plan (1 included): remaining time, 3 x 1000 = 10.00"}, words(l.bill(l.newest()).Lines))
		l.at(april(16), id, subscription.AddSeats{ID: id, Count: 2, Proration: "always_invoice"})
		require.Equal(t, []string{"Plan: remaining time, 2 x 1000 = 10.00"}, words(l.bill(l.newest()).Lines), "both are paid for")
		l.at(april(16), id, subscription.RemoveSeats{ID: id, Count: 3, Proration: "always_invoice"})
		require.Equal(t, []string{"Plan: unused time, 2 x 1000 = -10.00", "Plan: unused time, 1 x 1000 = -5.00"}, words(l.bill(l.newest()).Lines), "one of the two that were paid for")
		l.CheckFolds()
	})
	t.Run("all that was bought", func(t *testing.T) {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: seats(l), Quantity: ptr(5)})
		l.at(april(16), id, subscription.Cancel{ID: id, Now: true, Credit: "prorate"})
		require.Equal(t, []string{"Plan (2 included): unused time, 5 x 1000 = -15.00"}, words(l.bill(l.newest()).Lines))
	})
	t.Run("usage", func(t *testing.T) {
		l := openTill(t, april(1))
		units := l.start(subscription.Start{PlanID: usage(l, catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("50"), FreeUnits: dec("100")})})
		l.at(on(5, 1), units)
		l.finalize(units, "40")
		require.Equal(t, []string{"Plan (40 free): usage of calls, 40 x 50 = 0.00"}, words(l.bill(l.newest()).Lines))
		l.at(on(6, 1), units)
		l.finalize(units, "0", "130")
		require.Equal(t, []string{"Plan: usage of calls, 0 x 50 = 0.00", "Plan (60 free): later usage of calls, 90 x 50 = 15.00"}, words(l.bill(l.newest()).Lines))
		l.CheckFolds()
	})
	for said, p := range map[string]catalog.Price{
		"Plan (per 1000, 100 free): usage of calls, 5000 x 700 = 35.00": {Kind: catalog.Package, UnitAmount: dec("700"), PackageSize: dec("1000"), FreeUnits: dec("100")},
		"Plan (2.5 %): usage of calls, 5000 x - = 1.25":                 {Kind: catalog.Percentage, Percentage: dec("2.5")},
	} {
		l := openTill(t, april(1))
		id := l.start(subscription.Start{PlanID: usage(l, p)})
		l.at(on(5, 1), id)
		l.finalize(id, "5000")
		require.Equal(t, []string{said}, words(l.bill(l.newest()).Lines))
	}
}
