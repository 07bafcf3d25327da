package money_test

import (
	"math"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

func TestTheTableHasTheActiveCurrenciesWithTheirDigits(t *testing.T) {
	for code, exponent := range map[string]int{
		"USD": 2, "EUR": 2, "GBP": 2, "CHF": 2, "IDR": 2, "HUF": 2, "TWD": 2,
		"SLE": 2, "XCG": 2, "VED": 2, "VES": 2, "ZWG": 2, "MRU": 2, "MGA": 2, "XAD": 2,
		"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "ISK": 0, "UGX": 0, "XAF": 0, "XOF": 0, "XPF": 0, "UYI": 0,
		"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
		"CLF": 4, "UYW": 4,
	} {
		c, ok := money.Lookup(code)
		require.True(t, ok, code)
		require.Equal(t, exponent, c.Exponent, code)
	}
	for _, code := range []string{"XXX", "XTS", "XAU", "XDR", "HRK", "BGN", "ANG", "SLL", "ZWL", "CUC", "usd", "", "US", "USDT"} {
		_, ok := money.Lookup(code)
		require.False(t, ok, code)
	}
	var last string
	n := 0
	for c := range money.All() {
		require.Regexp(t, `^[A-Z]{3}$`, c.Code)
		require.Less(t, last, c.Code)
		require.Contains(t, []int{0, 2, 3, 4}, c.Exponent, c.Code)
		require.NotEmpty(t, c.Name, c.Code)
		require.NotEmpty(t, c.Symbol, c.Code)
		last = c.Code
		n++
	}
	require.Equal(t, 165, n)
}

func TestB23_Parse(t *testing.T) {
	for _, in := range []string{"USD", "usd", "Usd"} {
		c, err := money.Parse(in)
		require.NoError(t, err, in)
		require.Equal(t, money.Currency{Code: "USD", Exponent: 2, Name: "US Dollar", Symbol: "$"}, c)
	}
	for _, in := range []string{"", "XXX", "xxx", "XTS", "xau", "US", "USDD", " USD", "U$D", "uſd", "uS\x00", "ÜS", "BGN"} {
		_, err := money.Parse(in)
		require.ErrorIs(t, err, &domain.Error{Code: "unknown_currency"}, in)
	}
}

func TestB23_MajorAndMinorUnits(t *testing.T) {
	for name, tt := range map[string]struct {
		code  string
		major decimal.Decimal
		minor int64
		fails string
	}{
		"two digits":                {"USD", dec("19.99"), 1999, ""},
		"none (case 40)":            {"JPY", dec("1000"), 1000, ""},
		"three (case 41)":           {"KWD", dec("10.001"), 10001, ""},
		"four":                      {"UYW", dec("1.2345"), 12345, ""},
		"trailing zeros are no use": {"JPY", dec("1000.00"), 1000, ""},
		"negative":                  {"USD", dec("-0.05"), -5, ""},
		"yen with decimals":         {"JPY", dec("10.5"), 0, "amount_too_precise"},
		"a tenth of a cent":         {"USD", dec("0.001"), 0, "amount_too_precise"},
		"the largest":               {"USD", dec("92233720368547758.07"), 9223372036854775807, ""},
		"one above it":              {"USD", dec("92233720368547758.08"), 0, "amount_out_of_range"},
		"a short bomb":              {"USD", decimal.New(1, math.MaxInt32), 0, "amount_out_of_range"},
		"a small bomb":              {"USD", decimal.New(1, math.MinInt32), 0, "amount_too_precise"},
	} {
		t.Run(name, func(t *testing.T) {
			c, ok := money.Lookup(tt.code)
			require.True(t, ok)
			got, err := c.Minor(tt.major)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.minor, got)
			require.True(t, c.Major(got).Equal(tt.major))
		})
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		code  string
		minor int64
		want  string
	}{
		{"USD", 1999, "19.99"}, {"USD", -5, "-0.05"}, {"USD", 0, "0.00"}, {"JPY", 1234, "1234"},
		{"KWD", 10000, "10.000"}, {"CLF", 1, "0.0001"}, {"USD", -9223372036854775808, "-92233720368547758.08"},
	} {
		c, _ := money.Lookup(tt.code)
		require.Equal(t, tt.want, c.Format(tt.minor))
	}
}
