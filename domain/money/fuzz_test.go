package money_test

import (
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/money"
)

// Money is read and written back alike, and its arithmetic is that of integers and fractions without a
// limit, or refused.
func FuzzMoney(f *testing.F) {
	for _, seed := range []string{"0", "-15", "0.0123", "1e9", "5.", "9999999999999999999.999999999999999999", "0.5", "1.5", "-2.5", "9223372036854775807.5"} {
		f.Add(seed, "USD", int64(1999), int64(-1))
	}
	f.Add("2.5", "jpy", int64(1<<62), int64(1<<62))
	f.Add("0.05", "Kwd", int64(-1<<63), int64(1))
	f.Add("7", "ſEK", int64(1<<63-1), int64(-1<<63))
	f.Fuzz(func(t *testing.T, s, code string, a, b int64) {
		if d, err := money.ParseDecimal(s); err == nil {
			again, err := money.ParseDecimal(d.String())
			require.NoError(t, err)
			require.True(t, d.Equal(again))
			checkRound(t, d)
			checkRound(t, money.Mul(d, decimal.NewFromInt(b)))
		}
		exact := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		sum, err := money.Sum(a, b)
		require.Equal(t, exact.IsInt64(), err == nil)
		if err == nil {
			require.Equal(t, exact.Int64(), sum)
		}
		exact.Sub(big.NewInt(a), big.NewInt(b))
		difference, err := money.Amount{Minor: a, Currency: "EUR"}.Sub(money.Amount{Minor: b, Currency: "EUR"})
		require.Equal(t, exact.IsInt64(), err == nil)
		if err == nil {
			require.Equal(t, exact.Int64(), difference.Minor)
		}
		if b != 0 {
			r := big.NewRat(a, b)
			rounded, err := money.RoundRat(r)
			checkNearest(t, r, rounded, err)
		}
		c, err := money.Parse(code)
		if err != nil {
			return
		}
		require.Len(t, code, 3)
		again, err := money.Parse(c.Code)
		require.NoError(t, err)
		require.Equal(t, c, again)
		major, err := money.ParseDecimal(c.Format(a))
		require.NoError(t, err)
		back, err := c.Minor(major)
		require.NoError(t, err)
		require.Equal(t, a, back, "%s", c.Format(a))
	})
}

func checkRound(t *testing.T, d decimal.Decimal) {
	t.Helper()
	rounded, err := money.Round(d)
	checkNearest(t, d.Rat(), rounded, err)
}

// checkNearest: half to even, worked out from the two integers beside it.
func checkNearest(t *testing.T, exact *big.Rat, rounded int64, err error) {
	t.Helper()
	below := new(big.Int).Div(exact.Num(), exact.Denom()) // Euclidean: the floor
	above := new(big.Int).Add(below, big.NewInt(1))
	down, up := new(big.Rat).Sub(exact, new(big.Rat).SetInt(below)), new(big.Rat).Sub(new(big.Rat).SetInt(above), exact)
	want := below
	if c := down.Cmp(up); c > 0 || c == 0 && below.Bit(0) == 1 {
		want = above
	}
	require.Equal(t, want.IsInt64(), err == nil, "%s: %v", exact, err)
	if err == nil {
		require.Equal(t, want.Int64(), rounded, "%s", exact)
	}
}
