package money_test

import (
	"math"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/money"
)

func decs(ss ...string) []decimal.Decimal {
	ds := make([]decimal.Decimal, len(ss))
	for i, s := range ss {
		ds[i] = dec(s)
	}
	return ds
}

// Rule R6.
func TestAllocate(t *testing.T) {
	for name, tt := range map[string]struct {
		total   int64
		weights []decimal.Decimal
		want    []int64
	}{
		"a fixed discount over three lines (case 109)": {1000, decs("33.33", "33.33", "33.34"), []int64{333, 333, 334}},
		"tax over four lines (case 112)":               {5583, decs("6833", "6833", "5750", "8500"), []int64{1367, 1366, 1150, 1700}},
		"a hundred in three (case 118)":                {10000, decs("1", "1", "1"), []int64{3334, 3333, 3333}},
		"a negative total mirrors":                     {-10000, decs("1", "1", "1"), []int64{-3334, -3333, -3333}},
		"ties go to the earlier":                       {1, decs("1", "1"), []int64{1, 0}},
		"a line of zero gets nothing":                  {5, decs("0", "2", "1"), []int64{0, 3, 2}},
		"weights need not be whole":                    {100, decs("0.1", "0.20", "0.7"), []int64{10, 20, 70}},
		"negative weights only are proportions too":    {100, decs("-1", "-3"), []int64{25, 75}},
		"a credit line takes its tax back":             {95, decs("-500", "1000"), []int64{-95, 190}},
		"weights that cancel out count by size":        {3, decs("-5", "5"), []int64{2, 1}},
		"all zero count alike":                         {3, decs("0", "0"), []int64{2, 1}},
		"a part beyond 64 bits: by size":               {math.MaxInt64, decs("1000", "-999"), []int64{4613993014934855331, 4609379021919920476}},
		"the most negative total":                      {math.MinInt64, decs("1", "0"), []int64{math.MinInt64, 0}},
		"nothing over something":                       {0, decs("1", "2"), []int64{0, 0}},
		"no weights":                                   {5, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, money.Allocate(tt.total, tt.weights))
		})
	}
}

func TestTheFourCreditNotesOfCase112AddUpToTheInvoice(t *testing.T) {
	lines := []int64{6833, 6833, 5750, 8500}
	tax := money.Allocate(5583, decs("6833", "6833", "5750", "8500"))
	var notes []int64
	for i, l := range lines {
		notes = append(notes, l+tax[i])
	}
	// 82.00, 81.99, 69.00 and 102.00: together 334.99
	require.Equal(t, []int64{8200, 8199, 6900, 10200}, notes)
	sum, err := money.Sum(notes...)
	require.NoError(t, err)
	require.EqualValues(t, 33499, sum)
}

func TestPartsAddUpAndMirrorAndStayNearTheirShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) decimal.Decimal {
			return decimal.New(rapid.Int64Range(0, 1e9).Draw(t, "coefficient"), rapid.Int32Range(-4, 2).Draw(t, "exponent"))
		}), 1, 20).Draw(t, "weights")
		total := rapid.Int64Range(math.MinInt64+1, math.MaxInt64).Draw(t, "total")
		parts := money.Allocate(total, weights)
		sum, err := money.Sum(parts...)
		require.NoError(t, err)
		require.Equal(t, total, sum)
		opposite := money.Allocate(-total, weights)
		whole := decimal.Sum(weights[0], weights[1:]...)
		for i, p := range parts {
			require.Equal(t, -p, opposite[i])
			if whole.IsPositive() {
				// |part − total × weight / whole| < 1, without dividing
				off := decimal.NewFromInt(p).Mul(whole).Sub(decimal.NewFromInt(total).Mul(weights[i])).Abs()
				require.True(t, off.LessThan(whole), "part %d", i)
			}
		}
	})
}

func TestPartsAddUpWhateverTheSignsOfTheWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var weights []decimal.Decimal
		for _, w := range rapid.SliceOfN(rapid.Int64(), 1, 8).Draw(t, "weights") {
			weights = append(weights, decimal.NewFromInt(w))
		}
		total := rapid.Int64().Draw(t, "total")
		sum, err := money.Sum(money.Allocate(total, weights)...)
		require.NoError(t, err)
		require.Equal(t, total, sum)
	})
}
