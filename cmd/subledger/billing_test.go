package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBillingRun(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	require.Contains(t, c.ok("billing", "run", "--mode", "test"), "0 due items done")
	out := parse[struct {
		At   time.Time
		Done int64
	}](t, c.ok("billing", "run", "--mode", "test", "--at", "2026-01-01T00:00:00Z", "-o", "json"))
	require.Zero(t, out.Done)
	require.Equal(t, "2026-01-01T00:00:00Z", out.At.Format(time.RFC3339))
	require.Contains(t, c.fails(4, "billing", "run", "--mode", "test", "--at", "2126-01-01T00:00:00Z").stderr, "has not come")
	require.Contains(t, c.fails(2, "billing", "run", "--mode", "test", "--at", "tomorrow").stderr, "2026-05-01T00:00:00Z")
}
