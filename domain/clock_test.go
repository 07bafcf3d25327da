package domain_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/internal/ledgertest"
)

func day(n int) time.Time { return time.Date(2025, time.April, n, 0, 0, 0, 0, time.UTC) }

// Design section 3, rule 12.
func TestMoveClock(t *testing.T) {
	product := catalog.ProductCreated{ProductFields: catalog.ProductFields{Name: "p"}}
	for name, tt := range map[string]struct {
		given func(*ledgertest.Ledger)
		to    time.Time
		then  []domain.Event
		fails string
	}{
		"starts in the future":                    {nil, day(20), []domain.Event{domain.ClockMoved{To: day(20)}}, ""},
		"starts in the past of an empty ledger":   {nil, day(1), []domain.Event{domain.ClockMoved{To: day(1)}}, ""},
		"does not start before what was recorded": {func(l *ledgertest.Ledger) { l.Given(uuid.New(), product) }, day(1), nil, "clock_backwards"},
		"moves on":                                     {func(l *ledgertest.Ledger) { l.Given(ledgertest.ID, domain.ClockMoved{To: day(1)}) }, day(2), []domain.Event{domain.ClockMoved{To: day(2)}}, ""},
		"never goes back":                              {func(l *ledgertest.Ledger) { l.Given(ledgertest.ID, domain.ClockMoved{To: day(3)}) }, day(2), nil, "clock_backwards"},
		"to where it stands: no event":                 {func(l *ledgertest.Ledger) { l.Given(ledgertest.ID, domain.ClockMoved{To: day(3)}) }, day(3), nil, ""},
		"is cut to microseconds":                       {nil, day(20).Add(1999), []domain.Event{domain.ClockMoved{To: day(20).Add(1000)}}, ""},
		"shows a time of the years that JSON can hold": {nil, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), nil, "bad_time"},
		"moves in test ledgers only":                   {func(l *ledgertest.Ledger) { l.Live = true }, day(20), nil, "not_a_test_ledger"},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledgertest.New(t, day(10))
			if tt.given != nil {
				tt.given(l)
			}
			_, events, err := l.Execute(domain.MoveClock{To: tt.to})
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			require.Empty(t, ledgertest.Diff(tt.then, ledgertest.Data(events)))
		})
	}
}
