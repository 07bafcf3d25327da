package explain

import (
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/period"
)

// halfEven is how every amount is rounded (design section 6, R1).
const halfEven = "half to even"

// round brings an exact value to a whole number of minor units, the nearest one, the even one of two.
func round(r *big.Rat) *big.Int {
	n, rest := new(big.Int).QuoRem(new(big.Int).Abs(r.Num()), r.Denom(), new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(r.Denom()); {
	case twice > 0, twice == 0 && n.Bit(0) == 1:
		n.Add(n, big.NewInt(1))
	}
	if r.Sign() < 0 {
		n.Neg(n)
	}
	return n
}

// minor is round for what is an amount; what is too large for one is nothing that an invoice records.
func minor(r *big.Rat) int64 {
	n := round(r)
	if !n.IsInt64() {
		return 0
	}
	return n.Int64()
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func times(a *big.Rat, more ...*big.Rat) *big.Rat {
	product := new(big.Rat).Set(a)
	for _, b := range more {
		product.Mul(product, b)
	}
	return product
}

// part is a share as a number; one of nothing is nothing.
func part(s period.Share) *big.Rat {
	if s.Whole == 0 {
		return new(big.Rat)
	}
	return s.Rat()
}

func percent(d decimal.Decimal) *big.Rat { return times(d.Rat(), big.NewRat(1, 100)) }

// number reads a quantity; nothing where there is none.
func number(text string) *big.Rat {
	if r, ok := new(big.Rat).SetString(text); ok {
		return r
	}
	return new(big.Rat)
}

// plain writes an exact value: a decimal, or where it is none a fraction.
func plain(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	if n, exact := r.FloatPrec(); exact {
		return r.FloatString(n)
	}
	return r.RatString()
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func span(p period.Period) string { return moment(p.Start) + " to " + moment(p.End) }

func fraction(s period.Share) string { return digits(s.Part) + " of " + digits(s.Whole) }

func same(a, b period.Period) bool { return a.Start.Equal(b.Start) && a.End.Equal(b.End) }

// spread is the largest remainder: each weight gets what its proportion of the total is, rounded down, and what is left
// goes by one to those that lost most by it, the earlier of two alike. A total below zero is spread like the one above.
// Weights that cancel out count by their size; where all are nothing they count alike.
func spread(total int64, weights []*big.Rat) []int64 {
	sum := new(big.Rat)
	for _, w := range weights {
		sum.Add(sum, w)
	}
	if len(weights) > 0 && sum.Sign() == 0 {
		alike := make([]*big.Rat, len(weights))
		something := false
		for i, w := range weights {
			alike[i] = new(big.Rat).Abs(w)
			something = something || w.Sign() != 0
		}
		if !something {
			for i := range alike {
				alike[i] = whole(1)
			}
		}
		return spread(total, alike)
	}
	sign := int64(1)
	if total < 0 {
		sign, total = -1, -total
	}
	parts, lost, order, left := make([]int64, len(weights)), make([]*big.Rat, len(weights)), make([]int, len(weights)), total
	for i, w := range weights {
		part := times(whole(total), w, new(big.Rat).Inv(sum))
		down := new(big.Int).Div(part.Num(), part.Denom()) // rounds down, below zero too
		lost[i], parts[i], order[i] = part.Sub(part, new(big.Rat).SetInt(down)), down.Int64(), i
		left -= parts[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return lost[b].Cmp(lost[a]) })
	for _, i := range order[:left] {
		parts[i]++
	}
	for i := range parts {
		parts[i] *= sign
	}
	return parts
}

// step begins a step.
func step(name, formula string, events ...int64) *Step {
	return &Step{Name: name, Formula: formula, Rounding: halfEven, Events: slices.Compact(slices.Sorted(slices.Values(events))), Agrees: true}
}

func (s *Step) in(name, value string) { s.Inputs = append(s.Inputs, Input{name, value}) }

// wrong tells what the events do not bear out.
func (s *Step) wrong(note string) {
	s.Agrees, s.Notes = false, append(s.Notes, note)
}

// note tells what was not checked.
func (s *Step) note(text string) { s.Notes = append(s.Notes, text) }

// want compares what is recorded of an input.
func (s *Step) want(name, recorded, worked string) {
	if recorded != worked {
		s.wrong(name + " is recorded as " + recorded + ", not " + worked)
	}
}

// comes ends a step: what it comes to, and what is recorded.
func (s *Step) comes(exact *big.Rat, result, recorded int64) Step {
	s.Exact, s.Result, s.Recorded = plain(exact), result, recorded
	if result != recorded {
		s.wrong("it comes to " + digits(result) + ", not to " + digits(recorded))
	}
	return *s
}
