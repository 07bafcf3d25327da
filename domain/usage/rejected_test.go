package usage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Case 80: what is refused for its instant is kept, once a key and so many of a licence; what names nothing is not.
func TestRejectedRecordsAreKept(t *testing.T) {
	s := open(t)
	ref := license.Ref{LicenseID: s.seat, SubscriptionID: &s.sub}
	before := april(1).Add(-time.Hour)
	early := usage.Record{Ref: ref, Quantity: dec("2.50"), Key: "early", Meter: "m", Value: "ada", At: &before}
	kept := func(of uuid.UUID) []any {
		var all []any
		for _, e := range s.Stream(usage.RejectedID(of)) {
			all = append(all, e.Event)
		}
		return all
	}
	batch := usage.RecordMany{Items: []usage.Record{
		early,
		{Ref: license.Ref{LicenseID: s.adHoc}, Quantity: dec("1"), Key: "ad hoc", At: &before},
		{Ref: license.Ref{LicenseID: uuid.Max}, Quantity: dec("1"), Key: "nobody's", At: &before},
		{Ref: ref, Quantity: dec("1"), Key: "", At: &before},
		{Ref: ref, Quantity: dec("1"), Key: "good"},
	}}
	for range 2 { // sent again it is refused again, and kept already
		outcomes := ledgertest.Must[[]usage.Outcome](s.Ledger, batch)
		require.Equal(t, "no_access_then", outcomes[0].Err.Code)
		require.Equal(t, []any{usage.Rejected{Key: "early", LicenseID: s.seat, SubscriptionID: &s.sub, Meter: "m", Quantity: dec("2.5"), At: before,
			Reason: "no_access_then", Number: 1}}, kept(s.seat))
		require.Len(t, kept(s.adHoc), 1)
		require.Empty(t, kept(uuid.Max))
	}
	_, events, err := s.Execute(early)
	require.Error(t, err)
	require.Empty(t, events, "a command that is refused writes nothing")
	early.At, early.Quantity = nil, dec("1")
	ledgertest.Must[usage.View](s.Ledger, early) // its key is free

	for n := 0; n < usage.MaxRejected+usage.MaxItems; n += usage.MaxItems {
		var many usage.RecordMany
		for i := range usage.MaxItems {
			many.Items = append(many.Items, usage.Record{Ref: ref, Quantity: dec("1"), Key: fmt.Sprint("e", n+i), At: &before})
		}
		ledgertest.Must[[]usage.Outcome](s.Ledger, many)
	}
	require.Len(t, kept(s.seat), usage.MaxRejected)
	s.CheckFolds()
}
