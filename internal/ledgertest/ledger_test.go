package ledgertest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// spy is a test that remembers what it was told.
type spy struct{ errors []string }

func (*spy) Helper() {}
func (s *spy) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}
func (s *spy) Fatalf(format string, args ...any) { s.Errorf(format, args...) }

type command func(domain.Ledger) (any, error)

func (c command) Decide(l domain.Ledger) (any, error) { return c(l) }

// unnamed is an event that no vocabulary knows.
type unnamed struct{}

func (unnamed) EventType() string { return "license.unnamed.v1" }

var (
	start  = time.Date(2025, time.April, 1, 0, 0, 0, 0, time.UTC)
	stream = uuid.MustParse("00000000-0000-7000-8000-000000000001")
	other  = uuid.MustParse("00000000-0000-7000-8000-000000000002")
	ended  = license.Ended{At: start, Reason: "canceled"}
)

func TestItComplainsWhereTheLogWould(t *testing.T) {
	for name, c := range map[string]command{
		"of nanoseconds": func(l domain.Ledger) (any, error) {
			l.Append(stream, license.Ended{At: start.Add(1)})
			return nil, nil
		},
		"of another zone": func(l domain.Ledger) (any, error) {
			l.Append(stream, license.Ended{At: start.In(time.FixedZone("x", 3600))})
			return nil, nil
		},
		"of an event without a name": func(l domain.Ledger) (any, error) { l.Append(stream, unnamed{}); return nil, nil },
		"of a refusal after an append": func(l domain.Ledger) (any, error) {
			l.Append(stream, ended)
			return nil, domain.Refuse(domain.Conflict, "late", "too late")
		},
	} {
		s := &spy{}
		_, _, _ = ledgertest.New(s, start).Execute(c)
		require.Len(t, s.errors, 1, name)
	}
}

func TestARefusalAndADryRunLeaveNothing(t *testing.T) {
	l := ledgertest.New(t, start)
	l.Given(stream, license.Granted{Status: "ACTIVE"})
	taken := domain.Refuse(domain.Conflict, "taken", "taken")
	claim := func(on uuid.UUID) command {
		return func(l domain.Ledger) (any, error) {
			l.Claim("scope", "value", on, taken)
			l.Append(stream, ended)
			return l.Consume("scope", "key", [32]byte{1}), nil
		}
	}
	for range 2 {
		use, events, err := l.DryRun(claim(other))
		require.NoError(t, err)
		require.Len(t, events, 1)
		require.Equal(t, domain.KeyFresh, use)
		require.Len(t, l.Log(), 1)
		require.Equal(t, "ACTIVE", l.State(stream).(*license.State).Status)
	}
	use, _, err := l.Execute(claim(stream))
	require.NoError(t, err)
	require.Equal(t, domain.KeyFresh, use)
	use, _, err = l.Execute(claim(stream))
	require.NoError(t, err, "its own claim again")
	require.Equal(t, domain.KeySame, use)
	_, _, err = l.Execute(claim(other))
	require.ErrorIs(t, err, taken)
	require.Len(t, l.Stream(stream), 3)
	require.Equal(t, int64(3), l.State(stream).(*license.State).Version)
	l.CheckFolds()
}

func TestMomentsAndIDs(t *testing.T) {
	l := ledgertest.New(t, start)
	ids := func() (ids [2]uuid.UUID) {
		answer, _, err := l.Execute(command(func(l domain.Ledger) (any, error) { return [2]uuid.UUID{l.NewID(), l.NewID()}, nil }))
		require.NoError(t, err)
		return answer.([2]uuid.UUID)
	}
	a, b := ids(), ids()
	require.Len(t, map[uuid.UUID]bool{a[0]: true, a[1]: true, b[0]: true, b[1]: true}, 4)
	l.Pass(time.Hour)
	l.Given(ledgertest.ID, domain.ClockMoved{To: start.Add(2 * time.Hour)})
	require.Equal(t, start.Add(2*time.Hour), l.Now(), "the test clock is the moment")
	require.Equal(t, domain.Grantee("ann"), ledgertest.Must[domain.Personal](l, command(func(l domain.Ledger) (any, error) {
		l.Append(stream, subscription.Started{Seats: []subscription.Seat{{ID: other, Grantee: domain.Grantee("ann")}}})
		return domain.Grantee("ann"), nil
	})))
	l.Reload()
	seat, ok := l.State(stream).(*subscription.State).Seat(other)
	require.True(t, ok)
	require.Equal(t, domain.Grantee("ann"), seat.Grantee, "the encoding keeps whom a value is about")
}
