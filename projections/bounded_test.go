package projections

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestProgressOfManyLedgersIsBounded(t *testing.T) {
	a := NewApplied()
	waited := uuid.New()
	a.mu.Lock()
	a.of(waited).waiting[make(chan struct{})] = 1
	a.mu.Unlock()
	for range maxTracks + 10 {
		a.set(uuid.New(), 1, false)
	}
	require.LessOrEqual(t, len(a.ledgers), maxTracks)
	require.Contains(t, a.ledgers, waited, "somebody waits for it")

	r := NewRunner(Config{})
	busy := r.track(uuid.New())
	r.list(busy)
	for range maxTracks + 10 {
		r.track(uuid.New())
	}
	require.LessOrEqual(t, len(r.ledgers), maxTracks)
	require.Contains(t, r.ledgers, busy.ledger, "there is something to do with it")
}
