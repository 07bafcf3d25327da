package period_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/period"
)

func TestParseInterval(t *testing.T) {
	for in, want := range map[string]period.Interval{
		"P1D": daily, "P1W": weekly, "P1M": monthly, "P3M": quarterly, "P1Y": yearly, "P9999D": {Unit: period.Day, Count: 9999},
	} {
		got, err := period.ParseInterval(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		require.Equal(t, in, got.String())
	}
	for in, code := range map[string]string{
		"": "bad_interval", "P": "bad_interval", "PM": "bad_interval", "1M": "bad_interval", "P1": "bad_interval", "p1m": "bad_interval",
		"P01M": "bad_interval", "P-1M": "bad_interval", "P+1M": "bad_interval", "P1Y2M": "bad_interval", "PT1H": "bad_interval",
		"P1.5M": "bad_interval", " P1M": "bad_interval", "P1MM": "bad_interval", "P１M": "bad_interval",
		"P0M": "bad_interval_length", "P10000D": "bad_interval_length", "P99999999999999999999M": "bad_interval_length",
	} {
		_, err := period.ParseInterval(in)
		require.ErrorIs(t, err, &domain.Error{Code: code}, in)
	}
}

func TestNewInterval(t *testing.T) {
	got, err := period.NewInterval("month", 3)
	require.NoError(t, err)
	require.Equal(t, quarterly, got)
	for _, tt := range []struct {
		unit  string
		count int
		code  string
	}{
		{"fortnight", 1, "bad_interval"}, {"", 1, "bad_interval"}, {"Month", 1, "bad_interval"}, {"month", 0, "bad_interval_length"},
		{"month", -1, "bad_interval_length"}, {"day", period.MaxCount + 1, "bad_interval_length"},
	} {
		_, err := period.NewInterval(tt.unit, tt.count)
		require.ErrorIs(t, err, &domain.Error{Code: tt.code})
	}
}
