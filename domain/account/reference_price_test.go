package account_test

import (
	"fmt"
	"math/big"
	"slices"
)

// The reference's own arithmetic, in fractions.

// price is one of a plan. Numbers are decimals in text, "" where there is none.
type price struct {
	key, kind  string
	unit       string
	tiers      []tier
	size, free string
	percentage string
	included   int
	minimum    int64 // 0: none
	arrears    bool
	meter      string
}

type tier struct {
	upTo       int64 // 0: open
	unit, flat string
}

// String leaves out what is not said.
func (p price) String() string {
	text := p.key + " " + p.kind + " " + p.unit
	for _, t := range p.tiers {
		text += fmt.Sprintf(" to %d at %s +%s", t.upTo, t.unit, t.flat)
	}
	for _, x := range []struct{ name, value string }{{"size", p.size}, {"free", p.free}, {"percentage", p.percentage}, {"meter", p.meter}} {
		if x.value != "" {
			text += " " + x.name + " " + x.value
		}
	}
	if p.included > 0 {
		text += fmt.Sprint(" included ", p.included)
	}
	if p.minimum > 0 {
		text += fmt.Sprint(" minimum ", p.minimum)
	}
	if p.arrears {
		text += " in arrears"
	}
	return text
}

func ratio(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("no number: " + text)
	}
	return r
}

func whole(n int64) *big.Rat { return new(big.Rat).SetInt64(n) }

func times(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
func plus(a, b *big.Rat) *big.Rat  { return new(big.Rat).Add(a, b) }
func less(a, b *big.Rat) *big.Rat  { return new(big.Rat).Sub(a, b) }

// rounded is half to even.
func rounded(r *big.Rat) int64 {
	down := new(big.Int).Div(r.Num(), r.Denom())
	rest := less(r, new(big.Rat).SetInt(down))
	switch c := rest.Cmp(big.NewRat(1, 2)); {
	case c > 0, c == 0 && down.Bit(0) == 1:
		return down.Int64() + 1
	}
	return down.Int64()
}

// paid is how much of a quantity is paid for.
func (p *price) paid(quantity *big.Rat) *big.Rat {
	n := less(quantity, whole(int64(p.included)))
	if p.free != "" {
		n = less(n, ratio(p.free))
	}
	if n.Sign() < 0 {
		return new(big.Rat)
	}
	return n
}

// full is what a quantity costs in a whole period of the price.
func (p *price) full(quantity *big.Rat) *big.Rat {
	n := p.paid(quantity)
	switch p.kind {
	case "flat":
		return ratio(p.unit)
	case "percentage":
		return times(n, times(ratio(p.percentage), big.NewRat(1, 100)))
	case "package":
		packages := new(big.Rat)
		for covered := new(big.Rat); covered.Cmp(n) < 0; covered = plus(covered, ratio(p.size)) {
			packages = plus(packages, whole(1))
		}
		return times(packages, ratio(p.unit))
	case "graduated":
		sum, from := new(big.Rat), new(big.Rat)
		for _, t := range p.tiers {
			if n.Cmp(from) <= 0 {
				break
			}
			to := n
			if end := whole(t.upTo); t.upTo > 0 && end.Cmp(n) < 0 {
				to = end
			}
			sum = plus(sum, times(less(to, from), ratio(t.unit)))
			if t.flat != "" {
				sum = plus(sum, ratio(t.flat))
			}
			from = to
		}
		return sum
	case "volume":
		for _, t := range p.tiers {
			if n.Sign() > 0 && (t.upTo == 0 || n.Cmp(whole(t.upTo)) <= 0) {
				sum := times(n, ratio(t.unit))
				if t.flat != "" {
					sum = plus(sum, ratio(t.flat))
				}
				return sum
			}
		}
		return new(big.Rat)
	}
	return times(n, ratio(p.unit))
}

// byTheUnit tells a price at which units come and go alone: each costs the same.
func (p *price) byTheUnit() bool {
	return (p.kind == "perSeat" || p.kind == "perUnit") && p.minimum == 0 && (p.free == "" || ratio(p.free).IsInt())
}

// spread divides a total by weights: each part is its exact one rounded down, and what is missing then goes to those
// that lost most, the earlier first. Weights that cancel each other out count by their size.
func spread(total int64, weights []*big.Rat) []int64 {
	parts := make([]int64, len(weights))
	if len(weights) == 0 {
		return parts
	}
	sum := new(big.Rat)
	for _, w := range weights {
		sum = plus(sum, w)
	}
	if sum.Sign() == 0 {
		sizes := slices.Clone(weights)
		for i, w := range weights {
			sizes[i] = new(big.Rat).Abs(w)
			sum = plus(sum, sizes[i])
		}
		if weights = sizes; sum.Sign() == 0 {
			for i := range weights {
				weights[i], sum = whole(1), plus(sum, whole(1))
			}
		}
	}
	sign := int64(1)
	if total < 0 {
		sign = -1
	}
	lost, missing := make([]*big.Rat, len(weights)), sign*total
	for i, w := range weights {
		exact := new(big.Rat).Quo(times(whole(sign*total), w), sum)
		parts[i] = new(big.Int).Div(exact.Num(), exact.Denom()).Int64()
		lost[i] = less(exact, whole(parts[i]))
		missing -= parts[i]
	}
	for ; missing > 0; missing-- {
		most := 0
		for i := range lost {
			if lost[i].Cmp(lost[most]) > 0 {
				most = i
			}
		}
		parts[most]++
		lost[most] = whole(-1)
	}
	for i := range parts {
		parts[i] *= sign
	}
	return parts
}
