package domain_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

func TestDerivedIDsAreVersion7InTheOrderOfTheirMaking(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 456_789_000, time.UTC)
	command := uuid.MustParse("019b76da-a800-7b65-a62c-a1acb76239ab")
	seen := map[uuid.UUID]bool{}
	var last uuid.UUID
	for n := range 4096 {
		id := domain.DeriveID(command, at, n)
		require.Equal(t, uuid.Version(7), id.Version())
		require.Equal(t, uuid.RFC4122, id.Variant())
		sec, nsec := id.Time().UnixTime()
		require.Equal(t, at.UnixMilli(), time.Unix(sec, nsec).UnixMilli())
		require.Equal(t, 1, bytes.Compare(id[:], last[:]), "%d", n)
		require.Equal(t, id, domain.DeriveID(command, at, n))
		seen[id], last = true, id
	}
	for n := -5000; n < 0; n++ { // the ids of events
		seen[domain.DeriveID(command, at, n)] = true
	}
	for n := range 4096 {
		seen[domain.DeriveID(uuid.MustParse("019b76da-a800-7b65-a62c-a1acb76239ac"), at, n)] = true
	}
	require.Len(t, seen, 4096+5000+4096)
}

func TestOrderedIDsSortAsTheyWereMade(t *testing.T) {
	at := time.Date(2026, 11, 23, 1, 2, 3, 456_789_000, time.UTC)
	ledger := uuid.MustParse("019b76da-a800-7b65-a62c-a1acb76239ab")
	var last uuid.UUID
	for position := range int64(300) {
		command := uuid.New()
		for _, n := range []int{1, 2, 3, 4095, 4096, 4097, 100_000, 131_071} {
			id := domain.OrderedID(ledger, position, command, at, n)
			require.Equal(t, uuid.Version(7), id.Version())
			require.Equal(t, uuid.RFC4122, id.Variant())
			sec, nsec := id.Time().UnixTime()
			require.Equal(t, at.UnixMilli(), time.Unix(sec, nsec).UnixMilli())
			require.Equal(t, 1, bytes.Compare(id[:], last[:]), "position %d, %d", position, n)
			require.Equal(t, id, domain.OrderedID(ledger, position, command, at, n))
			last = id
		}
	}
	require.Equal(t, 1, bytes.Compare(bytesOf(domain.OrderedID(ledger, 0, uuid.New(), at.Add(time.Millisecond), 1)), last[:]), "time comes first")

	// Ledgers at the same position at the same time do not make the same ids, and tell nothing of each other.
	seen := map[uuid.UUID]bool{}
	for range 100_000 {
		seen[domain.OrderedID(uuid.New(), 1, uuid.New(), at, 1)] = true
	}
	require.Len(t, seen, 100_000)
}

func bytesOf(id uuid.UUID) []byte { return id[:] }
