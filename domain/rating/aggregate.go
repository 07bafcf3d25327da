package rating

import (
	"math/big"
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
// period's (R2). before is the level at its start, for weightedSum, and the latest quantity before it, for last: nothing
// of a meter that does not carry over.
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
	t := NewTally(how, p)
	for _, r := range records {
		t.Add(r)
	}
	return t.Result(before)
}

// Floor is a meter's result as it is charged: never below nothing. Below tells that it would have been.
func Floor(result *big.Rat) (n *big.Rat, below bool) {
	if result.Sign() < 0 {
		return new(big.Rat), true
	}
	return result, false
}
