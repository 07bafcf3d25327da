package money_test

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

var outOfRange = &domain.Error{Code: "amount_out_of_range"}

func usd(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "USD"} }

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func TestAmountsAddUpWithinOneCurrencyAnd64Bits(t *testing.T) {
	sum, err := usd(1999).Add(usd(-2000))
	require.NoError(t, err)
	require.Equal(t, usd(-1), sum)
	difference, err := usd(-1).Sub(usd(math.MinInt64))
	require.NoError(t, err)
	require.Equal(t, usd(math.MaxInt64), difference)
	opposite, err := usd(5).Neg()
	require.NoError(t, err)
	require.Equal(t, usd(-5), opposite)

	_, err = usd(math.MaxInt64).Add(usd(1))
	require.ErrorIs(t, err, outOfRange)
	_, err = usd(0).Sub(usd(math.MinInt64))
	require.ErrorIs(t, err, outOfRange)
	_, err = usd(math.MinInt64).Neg()
	require.ErrorIs(t, err, outOfRange)
	mismatch := &domain.Error{Code: "currency_mismatch"}
	_, err = usd(1).Add(money.Amount{Minor: 1, Currency: "EUR"})
	require.ErrorIs(t, err, mismatch)
	_, err = usd(1).Sub(money.Amount{Minor: 1, Currency: "EUR"})
	require.ErrorIs(t, err, mismatch)
}

func TestAnAmountIsWrittenInMinorUnits(t *testing.T) {
	out, err := json.Marshal(usd(-1999))
	require.NoError(t, err)
	require.JSONEq(t, `{"amount": -1999, "currency": "USD"}`, string(out))
	var in money.Amount
	require.NoError(t, json.Unmarshal(out, &in))
	require.Equal(t, usd(-1999), in)
	require.Error(t, json.Unmarshal([]byte(`{"amount": 19.99, "currency": "USD"}`), &in))
	require.Equal(t, "-19.99 USD", usd(-1999).String())
	require.Equal(t, "1000 JPY", money.Amount{Minor: 1000, Currency: "JPY"}.String())
}

func TestB22_OnlyTheSumMustFit(t *testing.T) {
	got, err := money.Sum(math.MaxInt64, math.MaxInt64, math.MinInt64, math.MinInt64, 7)
	require.NoError(t, err)
	require.EqualValues(t, 5, got)
	_, err = money.Sum(math.MaxInt64, 1)
	require.ErrorIs(t, err, outOfRange)
	_, err = money.Sum(math.MinInt64, -1)
	require.ErrorIs(t, err, outOfRange)
	rapid.Check(t, func(t *rapid.T) {
		terms, want := rapid.SliceOf(rapid.Int64()).Draw(t, "terms"), new(big.Int)
		for _, m := range terms {
			want.Add(want, big.NewInt(m))
		}
		got, err := money.Sum(terms...)
		require.Equal(t, want.IsInt64(), err == nil)
		if err == nil {
			require.Equal(t, want.Int64(), got)
		}
	})
}

// Rule R1, and case 115 with its amounts in cents.
func TestALineIsRoundedHalfToEven(t *testing.T) {
	for in, want := range map[string]int64{
		"12.5": 12, "13.5": 14, "267.5": 268, "-12.5": -12, "0.5": 0, "1.5": 2, // case 115
		"-0.5": 0, "-1.5": -2, "-13.5": -14, "0.49999999999999999999": 0, "0.50000000000000000001": 1,
		"122.999": 123, "0": 0, "0e9999": 0, "9.9e18": -1, "12300e-2": 123, "1.23e2": 123,
		"9223372036854775807.5": -1, "9223372036854775807.49": math.MaxInt64, "-9223372036854775808.5": math.MinInt64,
		"9223372036854775808": -1,
	} {
		got, err := money.Round(dec(in))
		if want == -1 {
			require.ErrorIs(t, err, outOfRange, in)
			continue
		}
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
}

// A decimal that is short to write and long to work out.
func TestRoundingLooksAtTheSizeFirst(t *testing.T) {
	_, err := money.Round(decimal.New(1, math.MaxInt32))
	require.ErrorIs(t, err, outOfRange)
	for _, d := range []decimal.Decimal{decimal.New(1, math.MinInt32), decimal.New(0, math.MaxInt32)} {
		got, err := money.Round(d)
		require.NoError(t, err)
		require.Zero(t, got)
	}
}

// Case 67: rounding 0.000123 to cents first would bill nothing, to four digits 100.00.
func TestAUnitPriceIsNeverRoundedFirst(t *testing.T) {
	exact := money.Mul(dec("0.0123"), dec("1000001")) // 0.000123 dollars, in cents
	require.True(t, exact.Equal(dec("12300.0123")), exact)
	got, err := money.Round(exact)
	require.NoError(t, err)
	require.EqualValues(t, 12300, got)
}

// Fault B21: the multiplication is exact, the result is checked.
func TestB21_AnAmountOutOfRangeIsRefusedNotWrapped(t *testing.T) {
	_, err := money.Round(money.Mul(dec("9007199254740992"), dec("2147483648")))
	require.ErrorIs(t, err, outOfRange)
}

func TestBothRoundingsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := decimal.New(rapid.Int64().Draw(t, "coefficient"), rapid.Int32Range(-20, 3).Draw(t, "exponent"))
		if rapid.Bool().Draw(t, "tie") {
			d = decimal.New(rapid.Int64Range(-1e15, 1e15).Draw(t, "n")*10+5, -1)
		}
		a, errA := money.Round(d)
		b, errB := money.RoundRat(d.Rat())
		require.Equal(t, errA == nil, errB == nil)
		require.Equal(t, a, b)
		if errA == nil {
			require.False(t, d.Sub(decimal.NewFromInt(a)).Abs().GreaterThan(dec("0.5")))
		}
	})
}

func TestParseDecimal(t *testing.T) {
	for _, in := range []string{"0", "15", "-15", "0.0123", "1500", "007", "-0.5", "9999999999999999999.999999999999999999"} {
		got, err := money.ParseDecimal(in)
		require.NoError(t, err, in)
		require.True(t, got.Equal(dec(in)), in)
	}
	for in, code := range map[string]string{
		"": "bad_decimal", "-": "bad_decimal", ".": "bad_decimal", ".5": "bad_decimal", "5.": "bad_decimal", "+5": "bad_decimal",
		"--5": "bad_decimal", "1e3": "bad_decimal", "1,5": "bad_decimal", "1.2.3": "bad_decimal", " 1": "bad_decimal", "١": "bad_decimal",
		"NaN": "bad_decimal", "0x10": "bad_decimal", "1_000": "bad_decimal",
		"10000000000000000000": "decimal_out_of_range", "0.0000000000000000001": "decimal_out_of_range",
	} {
		_, err := money.ParseDecimal(in)
		require.ErrorIs(t, err, &domain.Error{Code: code}, in)
	}
}

// A sum that leaves 64 bits only with its last line is refused, and one that comes back into them is not.
func TestB22_AHundredThousandLinesNearTheLimit(t *testing.T) {
	const n = 100_000
	lines := make([]int64, n)
	for i := range lines {
		lines[i] = math.MaxInt64 / n
	}
	full, err := money.Sum(lines...)
	require.NoError(t, err)
	rest := math.MaxInt64 - full
	got, err := money.Sum(append(lines, rest)...)
	require.NoError(t, err)
	require.EqualValues(t, int64(math.MaxInt64), got)
	_, err = money.Sum(append(lines, rest+1)...)
	require.ErrorIs(t, err, outOfRange)
	got, err = money.Sum(append(lines, rest+1, -1)...)
	require.NoError(t, err, "the order does not decide")
	require.EqualValues(t, int64(math.MaxInt64), got)
}
