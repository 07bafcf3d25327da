package invoice_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/invoice"
)

func lines(amounts ...int64) (all []invoice.Line) {
	for _, n := range amounts {
		all = append(all, invoice.Line{ID: uuid.New(), Amount: n})
	}
	return all
}

func rate(percentage string) invoice.Rate {
	return invoice.Rate{ID: uuid.New(), Percentage: decimal.RequireFromString(percentage)}
}

func percent(p string) invoice.Coupon {
	return invoice.Coupon{ID: uuid.New(), Code: p + " %", PercentOff: dec(p)}
}

func fixed(n int64) invoice.Coupon {
	return invoice.Coupon{ID: uuid.New(), Code: fmt.Sprint(n), AmountOff: n}
}

func settle(t require.TestingT, of []invoice.Line, coupons []invoice.Coupon, rates ...invoice.Rate) invoice.Totals {
	totals, err := invoice.Settle(of, coupons, rates)
	require.NoError(t, err)
	return totals
}

func discounts(of []invoice.Line) (all []int64) {
	for _, l := range of {
		sum := int64(0)
		for _, d := range l.Discounts {
			sum += d.Amount
		}
		all = append(all, sum)
	}
	return all
}

func taxes(of []invoice.Line) (all []int64) {
	for _, l := range of {
		sum := int64(0)
		for _, x := range l.Taxes {
			sum += x.Amount
		}
		all = append(all, sum)
	}
	return all
}

func TestCase107AFixedCouponNeverTakesMoreThanThereIs(t *testing.T) {
	l := lines(1000)
	require.Equal(t, invoice.Totals{Subtotal: 1000, DiscountTotal: 1000}, settle(t, l, []invoice.Coupon{fixed(1500)}, rate("20")))
}

func TestCase109AFixedCouponOverThreeLines(t *testing.T) {
	l := lines(3333, 3333, 3334)
	settle(t, l, []invoice.Coupon{fixed(1000)})
	require.Equal(t, []int64{333, 333, 334}, discounts(l))
}

func TestCase112TaxIsRoundedOnceAndSpread(t *testing.T) {
	l := lines(6833, 6833, 5750, 8500)
	require.Equal(t, invoice.Totals{Subtotal: 27916, TaxTotal: 5583, Total: 33499}, settle(t, l, nil, rate("20")))
	require.Equal(t, []int64{1367, 1366, 1150, 1700}, taxes(l))
}

func TestCase113TaxThatThePriceIncludes(t *testing.T) {
	l, r := lines(1000), rate("19")
	r.Inclusive = true
	require.Equal(t, invoice.Totals{Subtotal: 1000, TaxTotal: 160, Total: 1000}, settle(t, l, nil, r))
	require.EqualValues(t, 840, l[0].Taxes[0].Taxable)
	// One that is on top of it is on what the price is without it.
	settle(t, l, nil, r, rate("10"))
	require.Equal(t, []int64{160, 84}, []int64{l[0].Taxes[0].Amount, l[0].Taxes[1].Amount})
}

// Case 44: a credit keeps the rate that its line had; the rate of today is a tax of its own.
func TestCase44ACreditKeepsItsRate(t *testing.T) {
	old := debited(t, "1000", april, april, "second", nil)
	r := rate("19")
	billed := []invoice.Line{old.Line}
	settle(t, billed, nil, r)
	old.Line = billed[0]
	credit, _, err := old.Credit(uuid.New(), old.From(at("2025-04-16")), "second", nil)
	require.NoError(t, err)
	r.Percentage = decimal.NewFromInt(21)
	_, rest := april.Split(at("2025-04-16"))
	both := []invoice.Line{credit, debited(t, "2000", rest, april, "second", nil).Line}
	require.Equal(t, invoice.Totals{Subtotal: 500, TaxTotal: 210 - 95, Total: 615}, settle(t, both, nil, r))
	require.Equal(t, []int64{-95, 210}, taxes(both))
}

func TestDiscountsComeInTheirOrder(t *testing.T) {
	half, ten, two := percent("50"), percent("10"), fixed(200)
	for name, tt := range map[string]struct {
		coupons []invoice.Coupon
		want    int64
	}{
		"a percentage of what the one before left": {[]invoice.Coupon{half, ten}, 550},
		"an amount after it, whatever the order":   {[]invoice.Coupon{two, half}, 700},
		"amounts one after the other":              {[]invoice.Coupon{two, fixed(300)}, 500},
		"all of it":                                {[]invoice.Coupon{percent("100"), two}, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, settle(t, lines(1000), tt.coupons).DiscountTotal)
		})
	}
	some := fixed(1000)
	some.From, some.Until = april.Start, &april.End
	l := lines(500, 700)
	l[0].Period.Start, l[1].Period.Start = april.End, april.Start // what begins as it ends is not covered
	settle(t, l, []invoice.Coupon{some}, rate("10"))
	require.Equal(t, []int64{0, 700}, discounts(l))
	require.Equal(t, []int64{50, 0}, taxes(l))
}

// Half to even, a line: 2.5 of 25 at 10 % is 2, 3.5 of 35 is 4.
func TestAPercentageIsRoundedALine(t *testing.T) {
	l := lines(25, 35, 25)
	settle(t, l, []invoice.Coupon{percent("10")})
	require.Equal(t, []int64{2, 4, 2}, discounts(l))
}

// Lines sum to totals, in any currency: nothing but minor units is added. Settling again changes nothing.
// 10,000 invoices, of prices in currencies of 0, 2 and 3 decimals.
func TestLinesSumToTotals(t *testing.T) {
	for i := range 102 {
		rapid.Check(t, func(t *rapid.T) { linesSumToTotals(t, []int64{1, 100, 1000}[i%3]) })
	}
}

func linesSumToTotals(t *rapid.T, minor int64) {
	most := rapid.SampledFrom([]int64{20 * minor, 1000 * minor, 1 << 40}).Draw(t, "most")
	l := lines(rapid.SliceOfN(rapid.Int64Range(0, most), 1, 12).Draw(t, "amounts")...)
	for i := range l {
		if rapid.IntRange(0, 4).Draw(t, "credit") == 0 {
			of := uuid.New()
			l[i].Amount, l[i].Reverses = -l[i].Amount, &of
		}
	}
	var coupons []invoice.Coupon
	for range rapid.IntRange(0, 3).Draw(t, "coupons") {
		if rapid.Bool().Draw(t, "percent") {
			coupons = append(coupons, percent(fmt.Sprintf("%d.%d", rapid.IntRange(0, 99).Draw(t, "p"), rapid.IntRange(0, 9999).Draw(t, "places"))))
		} else {
			coupons = append(coupons, fixed(rapid.Int64Range(1, 2*most).Draw(t, "off")))
		}
	}
	var rates []invoice.Rate
	for range rapid.IntRange(0, 3).Draw(t, "rates") {
		r := rate(fmt.Sprintf("%d.%d", rapid.IntRange(0, 99).Draw(t, "r"), rapid.IntRange(0, 9999).Draw(t, "places")))
		r.Inclusive = rapid.Bool().Draw(t, "inclusive")
		rates = append(rates, r)
	}
	totals := settle(t, l, coupons, rates...)
	subtotal, off, tax, exclusive := int64(0), int64(0), int64(0), int64(0)
	for _, line := range l {
		left := line.Amount
		for _, d := range line.Discounts {
			require.Positive(t, d.Amount)
			off, left = off+d.Amount, left-d.Amount
		}
		if line.Reverses == nil {
			require.GreaterOrEqual(t, left, int64(0), "no discount takes a line below nothing")
		}
		subtotal += line.Amount
		for _, x := range line.Taxes {
			tax += x.Amount
			if x.Inclusive {
				left -= x.Amount
			} else {
				exclusive += x.Amount
			}
		}
		for _, x := range line.Taxes {
			require.Equal(t, left, x.Taxable)
		}
	}
	require.Equal(t, invoice.Totals{Subtotal: subtotal, DiscountTotal: off, TaxTotal: tax, Total: subtotal - off + exclusive}, totals)
	again, err := invoice.Sum(l)
	require.NoError(t, err)
	require.Equal(t, totals, again)
	require.Equal(t, totals, settle(t, l, coupons, rates...))
}

func TestTotalsThatFitNoAmountAreRefused(t *testing.T) {
	_, err := invoice.Settle(lines(1<<62, 1<<62), nil, nil)
	require.ErrorContains(t, err, "64 bits")
	_, err = invoice.Settle(lines(1<<62), nil, []invoice.Rate{rate("100"), rate("100")})
	require.ErrorContains(t, err, "64 bits")
}
