package money

import (
	"math/big"
	"slices"

	"github.com/shopspring/decimal"
)

// Allocate spreads a total in minor units over weights by the largest remainder, ties to the earlier (rule R6).
// The parts add up to the total, always; a negative total gives the opposite of the positive one's parts.
//
// Weights of both signs are fine: a negative one takes from the others, as a credit line takes its tax back.
// Where they cancel out, or would ask for a part that is no int64, their sizes count instead, and where
// all are zero they count alike. No weights, no parts.
func Allocate(total int64, weights []decimal.Decimal) []int64 {
	return spread(total, integers(weights))
}

// AllocateRat is Allocate for weights that are fractions.
func AllocateRat(total int64, weights []*big.Rat) []int64 {
	common := big.NewInt(1)
	for _, w := range weights {
		common.Mul(common, new(big.Int).Quo(w.Denom(), new(big.Int).GCD(nil, nil, common, w.Denom())))
	}
	ws := make([]*big.Int, len(weights))
	for i, w := range weights {
		ws[i] = new(big.Int).Quo(common, w.Denom())
		ws[i].Mul(ws[i], w.Num())
	}
	return spread(total, ws)
}

func spread(total int64, ws []*big.Int) []int64 {
	if len(ws) == 0 {
		return nil
	}
	if parts, ok := allocate(total, ws); ok {
		return parts
	}
	for _, w := range ws {
		w.Abs(w)
	}
	if parts, ok := allocate(total, ws); ok {
		return parts
	}
	for _, w := range ws {
		w.SetInt64(1)
	}
	parts, _ := allocate(total, ws)
	return parts
}

// allocate reports false where the weights add up to nothing or a part does not fit.
func allocate(total int64, weights []*big.Int) ([]int64, bool) {
	whole := new(big.Int)
	for _, w := range weights {
		whole.Add(whole, w)
	}
	if whole.Sign() == 0 {
		return nil, false
	}
	t, flip := big.NewInt(total), total < 0
	rest := new(big.Int).Abs(t)
	if whole.Sign() < 0 { // dividing by a positive number keeps floor and remainder simple
		whole.Neg(whole)
		t.Neg(t)
	}
	if flip {
		t.Neg(t)
	}
	quotas, remainders, order := make([]*big.Int, len(weights)), make([]*big.Int, len(weights)), make([]int, len(weights))
	for i, w := range weights {
		quotas[i], remainders[i] = new(big.Int).DivMod(new(big.Int).Mul(t, w), whole, new(big.Int))
		order[i] = i
		rest.Sub(rest, quotas[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return remainders[b].Cmp(remainders[a]) })
	one := big.NewInt(1)
	for _, i := range order[:rest.Int64()] { // fewer than there are weights: each remainder is less than one unit
		quotas[i].Add(quotas[i], one)
	}
	parts := make([]int64, len(weights))
	for i, q := range quotas {
		if flip {
			q.Neg(q)
		}
		if !q.IsInt64() {
			return nil, false
		}
		parts[i] = q.Int64()
	}
	return parts, true
}

// integers brings the weights to a common exponent: only their proportions count.
func integers(weights []decimal.Decimal) []*big.Int {
	if len(weights) == 0 {
		return nil
	}
	least := weights[0].Exponent()
	for _, w := range weights {
		least = min(least, w.Exponent())
	}
	ws := make([]*big.Int, len(weights))
	for i, w := range weights {
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(w.Exponent())-int64(least)), nil)
		ws[i] = scale.Mul(scale, w.Coefficient())
	}
	return ws
}
