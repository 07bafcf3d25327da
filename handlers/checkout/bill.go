package checkout

import (
	"context"
	"strconv"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
)

// total is what a purchase would be billed at once; texts are empty where there is nothing to say.
type total struct {
	Off                string // what the coupon takes off, and of how many periods
	Discount           string
	Tax, Included      string // on top of the prices, and within them
	Sum                string
	Balance, Remaining string // what the buyer's balance pays of it, and what is left
	Nothing            bool   // is to be paid now
	Charged            bool   // the buyer's payment method pays
}

// total tries the purchase and reads the invoice that it would make. Of a purchase that is refused it says nothing: whoever
// submits it is told why.
func (p *Pages) total(ctx context.Context, ledger uuid.UUID, c subscription.Start, coupon *catalog.CouponFields) (t total, err error) {
	c.Email = "" // it is not given yet, or is wrong
	res, err := p.store.Execute(ctx, eventstore.Request{Ledger: ledger, Command: c, DryRun: true})
	if _, refused := domain.AsRefusal(err); refused {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	var v subscription.View
	if err := handlers.Answer(res, &v); err != nil {
		return t, err
	}
	if coupon != nil {
		t.Off = off(*coupon)
	}
	s := billed(res.Would)
	if s == nil || s.Total <= 0 {
		t.Nothing = true
	}
	if s == nil {
		return t, nil
	}
	text := func(minor int64) string {
		if minor == 0 {
			return ""
		}
		return major(decimal.NewFromInt(minor), s.Currency)
	}
	added := s.Total - s.Subtotal + s.DiscountTotal
	t.Discount, t.Tax, t.Included = text(s.DiscountTotal), text(added), text(s.TaxTotal-added)
	t.Sum = major(decimal.NewFromInt(s.Total), s.Currency)
	if t.Charged = s.AmountPaid > 0; s.BalanceApplied > 0 {
		left := s.Total - s.BalanceApplied
		t.Balance, t.Remaining, t.Nothing = text(s.BalanceApplied), major(decimal.NewFromInt(left), s.Currency), left == 0
	}
	return t, nil
}

// billed is the invoice that a dry run would make, as it would stand afterwards; nil: none.
func billed(would []eventstore.Would) *invoice.State {
	var s *invoice.State
	for _, w := range would {
		switch w.Event.(type) {
		case invoice.Drafted:
			s = &invoice.State{}
			domain.Evolve(s, w.Event, w.Stream, 1, w.At, w.At)
		default:
			if s != nil && w.Stream == s.ID {
				domain.Evolve(s, w.Event, w.Stream, s.Version+1, w.At, w.At)
			}
		}
	}
	return s
}

// off says what a coupon takes off, and of how many periods.
func off(f catalog.CouponFields) string {
	what := ""
	switch {
	case f.PercentOff != nil:
		what = f.PercentOff.String() + " %"
	case f.AmountOff != nil:
		what = major(decimal.NewFromInt(*f.AmountOff), f.Currency)
	}
	switch {
	case f.Duration == catalog.Once:
		return what + " off the first period"
	case f.Duration == catalog.Repeating && f.DurationPeriods != nil:
		return what + " off the first " + strconv.Itoa(*f.DurationPeriods) + " periods"
	}
	return what + " off every period"
}
