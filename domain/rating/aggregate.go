package rating

import (
	"math/big"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/period"
)

// Record is one usage record of a meter as it is aggregated.
type Record struct {
	At       time.Time // when it happened, UTC
	Position int64     // in the ledger: of two of one instant the later is the later
	Quantity decimal.Decimal
	Value    string // what is counted once, for `unique`
}

// Aggregate is what the records of a period come to. Those outside of it are left out: one at its end is the next
// period's (R2). before is the level at its start, for weightedSum, and for last of a meter that carries over.
//
//	sum          of the quantities
//	count        of the records; a correction, whose quantity is negative, takes one off
//	max          the largest quantity
//	last         the quantity of the latest record, without one what was before
//	unique       how many values; a negative quantity removes its value
//	weightedSum  quantities change a level, which counts for as long as it lasts: its average over the period
//
// The result may be below nothing, and Floor takes care of that; a period without records gives 0, or what was before.
func Aggregate(how string, p period.Period, before decimal.Decimal, records []Record) *big.Rat {
	in := make([]Record, 0, len(records))
	for _, r := range records {
		if p.Contains(r.At) {
			in = append(in, r)
		}
	}
	slices.SortStableFunc(in, func(a, b Record) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(min(max(a.Position-b.Position, -1), 1))
	})
	switch how {
	case "count":
		n := int64(0)
		for _, r := range in {
			if r.Quantity.IsNegative() {
				n--
			} else {
				n++
			}
		}
		return new(big.Rat).SetInt64(n)
	case "max":
		return largest(in).Rat()
	case "last":
		if len(in) == 0 {
			return before.Rat()
		}
		return in[len(in)-1].Quantity.Rat()
	case "unique":
		return new(big.Rat).SetInt64(values(in))
	case "weightedSum":
		return average(p, before, in)
	}
	sum := decimal.Zero
	for _, r := range in {
		sum = sum.Add(r.Quantity)
	}
	return sum.Rat()
}

// Floor is a meter's result as it is charged: never below nothing. Below tells that it would have been.
func Floor(result *big.Rat) (n *big.Rat, below bool) {
	if result.Sign() < 0 {
		return new(big.Rat), true
	}
	return result, false
}

func largest(in []Record) (most decimal.Decimal) {
	for i, r := range in {
		if i == 0 || r.Quantity.GreaterThan(most) {
			most = r.Quantity
		}
	}
	return most
}

func values(in []Record) int64 {
	present := map[string]bool{}
	for _, r := range in {
		if r.Quantity.IsNegative() {
			delete(present, r.Value)
		} else {
			present[r.Value] = true
		}
	}
	return int64(len(present))
}

// average weighs each level by the microseconds that it lasted.
func average(p period.Period, level decimal.Decimal, in []Record) *big.Rat {
	whole := p.End.UnixMicro() - p.Start.UnixMicro()
	if whole <= 0 {
		return level.Rat()
	}
	sum, since := decimal.Zero, p.Start.UnixMicro()
	for _, r := range in {
		at := r.At.UnixMicro()
		sum = sum.Add(level.Mul(decimal.NewFromInt(at - since)))
		level, since = level.Add(r.Quantity), at
	}
	sum = sum.Add(level.Mul(decimal.NewFromInt(p.End.UnixMicro() - since)))
	return new(big.Rat).Quo(sum.Rat(), new(big.Rat).SetInt64(whole))
}
