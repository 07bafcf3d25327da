package eventstore

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/cache"
)

// How long a ledger's clock is believed to stand where it was read, since another process may move it, and what is
// remembered of clocks.
const (
	clockTime  = time.Second
	clockBytes = 1 << 20
)

// ledgerClock is a clock as it was read or moved.
type ledgerClock struct {
	own  *time.Time // nil: it is the system's
	read time.Time
}

func newClocks() *cache.Cache[uuid.UUID, ledgerClock] {
	return cache.New(clockBytes, func(uuid.UUID, ledgerClock) int { return 64 })
}

// Now is a ledger's time: of a test ledger with a clock of its own what that shows, else now. It knows at once what this
// process moved, and what another one did within a second, or with fresh at once. It refuses with no_ledger.
func (s *Store) Now(ctx context.Context, ledger uuid.UUID, now time.Time, fresh bool) (at time.Time, own bool, err error) {
	known, ok := s.clocks.Get(ledger)
	if !ok || fresh || time.Since(known.read) > clockTime {
		began := time.Now()
		cold, err := readLedger(ctx, s.pool, ledger, "")
		if isNoRows(err) {
			return now, false, errNoLedger
		}
		if err != nil {
			return now, false, err
		}
		known = s.knowClock(ledger, ledgerClock{cold.clock, began})
	}
	if known.own == nil {
		return now, false, nil
	}
	return *known.own, true, nil
}

// clocksMoved takes over what was committed here.
func (s *Store) clocksMoved(events []*Recorded) {
	for _, e := range events {
		if moved, ok := e.Event.(domain.ClockMoved); ok {
			s.knowClock(e.Ledger, ledgerClock{&moved.To, time.Now()})
		}
	}
}

// knowClock takes over a clock and gives the one to go by: a clock never goes back, so what was read while it was moved
// is not what it shows.
func (s *Store) knowClock(ledger uuid.UUID, c ledgerClock) ledgerClock {
	s.clocksMu.Lock()
	defer s.clocksMu.Unlock()
	if before, ok := s.clocks.Peek(ledger); ok && before.own != nil && (c.own == nil || c.own.Before(*before.own)) {
		c.own = before.own
	}
	s.clocks.Add(ledger, c)
	return c
}
