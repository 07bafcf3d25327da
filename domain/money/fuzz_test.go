package money_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/money"
)

func FuzzParseDecimal(f *testing.F) {
	for _, seed := range []string{"0", "-15", "0.0123", "1e9", "5.", "9999999999999999999.999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := money.ParseDecimal(s)
		if err != nil {
			return
		}
		again, err := money.ParseDecimal(d.String())
		require.NoError(t, err)
		require.True(t, d.Equal(again))
		_, _ = money.Round(money.Mul(d, d))
	})
}
