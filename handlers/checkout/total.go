package checkout

import (
	"strconv"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/rating"
)

// total is what a period costs before anything is used, as the page shows it; texts are empty where there is nothing to say.
type total struct{ Off, Discount, Sum string }

// totalOf works out a period's fixed prices for a number of seats, and what a coupon takes off them. Amounts too large for
// an invoice are not shown: the purchase is refused for them.
func totalOf(prices []catalog.Price, currency string, seats int, coupon catalog.CouponFields) (t total) {
	t.Off = off(coupon)
	var lines []invoice.Line
	for _, p := range prices {
		if p.Currency != currency || p.Meter != "" || p.Billing == catalog.InArrears {
			continue // what is used is not known yet
		}
		amount, err := rating.Charge{Price: p, Quantity: rating.Units(seats), Share: rating.Whole}.Amount()
		if err != nil {
			return t
		}
		lines = append(lines, invoice.Line{Amount: amount})
	}
	c := invoice.Coupon{Code: coupon.Code, PercentOff: coupon.PercentOff}
	if coupon.AmountOff != nil {
		c.AmountOff = *coupon.AmountOff
	}
	sums, err := invoice.Settle(lines, []invoice.Coupon{c}, nil)
	if err != nil || len(lines) == 0 {
		return t
	}
	t.Discount, t.Sum = major(decimal.NewFromInt(sums.DiscountTotal), currency), major(decimal.NewFromInt(sums.Total), currency)
	return t
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
