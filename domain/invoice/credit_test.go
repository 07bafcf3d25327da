package invoice_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

func dec(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

func at(s string) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	panic(s)
}

func span(from, to string) period.Period { return period.Period{Start: at(from), End: at(to)} }

var april = span("2025-04-01", "2025-05-01")

// debited is a line over a whole period, or a part of one.
func debited(t require.TestingT, price string, part, whole period.Period, mode period.Mode, zone *time.Location) *invoice.Debited {
	share := mode.Share(part, whole, zone)
	n, err := rating.Charge{Price: catalog.Price{Kind: catalog.Flat, UnitAmount: dec(price)}, Quantity: rating.Units(1), Share: share}.Amount()
	require.NoError(t, err)
	return &invoice.Debited{Line: invoice.Line{ID: uuid.New(), Amount: n, Period: part, Share: share}}
}

func TestProrationOfAPlanChange(t *testing.T) {
	year := span("2024-01-01", "2025-01-01")
	for _, tt := range []struct {
		name          string
		mode          period.Mode
		whole         period.Period
		from, to, at  string
		credit, debit int64
	}{
		{"26", "second", april, "1000", "2000", "2025-04-16", -500, 1000},
		{"26", "day", april, "1000", "2000", "2025-04-16", -500, 1000},
		{"26", "fixed30", april, "1000", "2000", "2025-04-16", -500, 1000},
		{"28", "day", span("2025-01-01", "2025-02-01"), "10000", "25000", "2025-01-11", -6774, 16935},
		{"28", "second", span("2025-01-01", "2025-02-01"), "10000", "25000", "2025-01-11", -6774, 16935},
		{"28", "fixed30", span("2025-01-01", "2025-02-01"), "10000", "25000", "2025-01-11", -6667, 16667},
		{"29", "second", span("2025-02-01", "2025-03-01"), "3000", "6000", "2025-02-15", -1500, 3000},
		{"29", "second", span("2024-02-01", "2024-03-01"), "3000", "6000", "2024-02-15", -1552, 3103},
		{"34", "second", april, "1000", "2000", "2025-05-01", 0, 0},
		{"35", "second", april, "1000", "2000", "2025-04-30T23:59:59Z", 0, 0},
		{"37, its credit", "second", span("2025-01-01", "2026-01-01"), "12000", "0", "2025-07-02", -6016, 0},
		{"38", "second", year, "36600", "0", "2024-12-31", -100, 0},
		{"40, JPY", "second", april, "1000", "3000", "2025-04-11", -667, 2000},
		{"41, KWD", "second", april, "10000", "25000", "2025-04-11", -6667, 16667},
		{"97", "second", april, "3000", "0", "2025-04-21", -1000, 0},
		{"52, a seat more", "second", april, "0", "1000", "2025-04-11", 0, 667},
		{"53", "second", april, "5000", "0", "2025-04-16", -2500, 0},
		{"53, three again", "second", april, "0", "3000", "2025-04-21", 0, 1000},
		{"62", "second", april, "0", "1000", "2025-04-30T23:59:59Z", 0, 0},
	} {
		t.Run("case "+tt.name+" "+string(tt.mode), func(t *testing.T) {
			old := debited(t, tt.from, tt.whole, tt.whole, tt.mode, nil)
			credit, ok, err := old.Credit(uuid.New(), old.From(at(tt.at)), tt.mode, nil)
			require.NoError(t, err)
			require.Equal(t, tt.credit != 0, ok, "no line of 0")
			require.Equal(t, tt.credit, credit.Amount)
			_, rest := tt.whole.Split(at(tt.at))
			require.Equal(t, tt.debit, debited(t, tt.to, rest, tt.whole, tt.mode, nil).Amount)
			if ok {
				require.Equal(t, []any{invoice.KindCredit, old.ID, rest, string(tt.mode)}, []any{credit.Kind, *credit.Reverses, credit.Period, credit.ProrationMode})
			}
		})
	}
}

// Case 32: a credit shares what the line that it reverses really was, over that line's own time.
func TestCase32TwoChangesInAPeriod(t *testing.T) {
	ten := debited(t, "1000", april, april, "second", nil)
	credit, _, err := ten.Credit(uuid.New(), ten.From(at("2025-04-11")), "second", nil)
	require.NoError(t, err)
	_, rest := april.Split(at("2025-04-11"))
	twenty := debited(t, "2000", rest, april, "second", nil)
	second, _, err := twenty.Credit(uuid.New(), twenty.From(at("2025-04-21")), "second", nil)
	require.NoError(t, err)
	_, last := april.Split(at("2025-04-21"))
	forty := debited(t, "4000", last, april, "second", nil)
	require.Equal(t, []int64{-667, 1333, -666, 1333}, []int64{credit.Amount, twenty.Amount, second.Amount, forty.Amount})
	require.EqualValues(t, 2333, ten.Amount+credit.Amount+twenty.Amount+second.Amount+forty.Amount)
}

// Case 17: the spring change makes March of 2025 an hour shorter in New York.
func TestCase17ACreditAcrossTheSpringChange(t *testing.T) {
	zone, err := period.Zone("America/New_York")
	require.NoError(t, err)
	march := span("2025-03-01T05:00:00Z", "2025-04-01T04:00:00Z")
	require.EqualValues(t, 2_674_800, march.Seconds())
	for mode, want := range map[period.Mode]int64{"day": -2300, "second": -2299} {
		credit, _, err := debited(t, "3100", march, march, mode, zone).Credit(uuid.New(), (&invoice.Debited{Line: invoice.Line{Period: march}}).From(at("2025-03-09T05:00:00Z")), mode, zone)
		require.NoError(t, err)
		require.Equal(t, want, credit.Amount, mode)
	}
}

// Case 46: a shortened first period is a share of the whole anchored one.
func TestCase46TheFirstPeriodOfAnInheritedAnchor(t *testing.T) {
	quarter := span("2025-04-01", "2025-07-01")
	_, rest := quarter.Split(at("2025-05-20"))
	require.Equal(t, period.Share{Part: 42 * 86400, Whole: 91 * 86400}, debited(t, "9100", rest, quarter, "second", nil).Share)
	require.EqualValues(t, 4200, debited(t, "9100", rest, quarter, "second", nil).Amount)
}

// Case 106: the discount that a line had is given back with it, whatever became of its coupon.
func TestCase106ACreditGivesItsDiscountBack(t *testing.T) {
	line := debited(t, "1000", april, april, "second", nil)
	coupon := invoice.Coupon{ID: uuid.New(), Code: "FIFTH", PercentOff: dec("20")}
	billed := []invoice.Line{line.Line}
	_, err := invoice.Settle(billed, []invoice.Coupon{coupon}, nil)
	require.NoError(t, err)
	line.Line = billed[0]
	credit, _, err := line.Credit(uuid.New(), line.From(at("2025-04-16")), "second", nil)
	require.NoError(t, err)
	_, rest := april.Split(at("2025-04-16"))
	lines := []invoice.Line{credit, debited(t, "2000", rest, april, "second", nil).Line}
	totals, err := invoice.Settle(lines, nil, nil)
	require.NoError(t, err)
	require.Equal(t, invoice.Totals{Subtotal: 500, DiscountTotal: -100, Total: 600}, totals)
	require.Equal(t, []invoice.Discount{{CouponID: coupon.ID, Code: "FIFTH", Amount: -100}}, lines[0].Discounts)
}

// Credits never exceed their debit, however many there are and however they are counted; one at the very start takes
// all of it back.
func TestCreditsNeverExceedTheirDebit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := debited(t, fmt.Sprintf("%d", rapid.Int64Range(0, 100_000).Draw(t, "price")), april, april, "second", nil)
		billed := []invoice.Line{line.Line}
		_, err := invoice.Settle(billed, []invoice.Coupon{{ID: uuid.New(), PercentOff: dec(fmt.Sprint(rapid.IntRange(0, 100).Draw(t, "percent")))}}, nil)
		require.NoError(t, err)
		line.Line = billed[0]
		sum, back := int64(0), int64(0)
		for range rapid.IntRange(1, 6).Draw(t, "credits") {
			mode := rapid.SampledFrom([]period.Mode{"second", "day", "fixed30"}).Draw(t, "mode")
			credit, _, err := line.Credit(uuid.New(), line.From(april.Start.Add(time.Duration(rapid.Int64Range(-10, 31*24).Draw(t, "hour"))*time.Hour)), mode, nil)
			require.NoError(t, err)
			require.LessOrEqual(t, credit.Amount, int64(0))
			sum -= credit.Amount
			for _, d := range credit.Discounts {
				require.Negative(t, d.Amount)
				back -= d.Amount
			}
		}
		require.LessOrEqual(t, sum, line.Amount)
		require.LessOrEqual(t, back, line.Amount)
		_, _, err = line.Credit(uuid.New(), line.From(april.Start), "second", nil)
		require.NoError(t, err)
		require.Equal(t, line.Amount, line.Credited)
		_, ok, err := line.Credit(uuid.New(), line.From(april.Start), "second", nil)
		require.NoError(t, err)
		require.False(t, ok, "nothing is left")
	})
}
