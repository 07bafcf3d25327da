package usage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

func april(n int) time.Time { return time.Date(2025, time.April, n, 0, 0, 0, 0, time.UTC) }

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

// site is a ledger on 1 April with a subscription's licence, an ad hoc one and a meter.
type site struct {
	*ledgertest.Ledger
	sub, seat, adHoc, meter uuid.UUID
}

func open(t ledgertest.TB) *site {
	s := &site{Ledger: ledgertest.New(t, april(1))}
	plan := s.Plan(s.Product(), func(f *catalog.PlanFields) { f.LicenseType = "metered" })
	s.sub = ledgertest.Must[subscription.View](s.Ledger, subscription.Start{PlanID: plan}).ID
	seat, _ := s.State(s.sub).(*subscription.State).OwnSeat()
	s.seat = seat.ID
	s.adHoc = ledgertest.Must[license.View](s.Ledger, license.Grant{PlanID: plan, Purchaser: "acme"}).ID
	s.meter = ledgertest.Must[catalog.MeterView](s.Ledger, catalog.CreateMeter{Fields: catalog.MeterFields{Key: "users", Aggregation: "unique"}}).ID
	s.SetNow(april(11))
	return s
}

func TestRecord(t *testing.T) {
	for name, tt := range map[string]struct {
		given func(*site)
		edit  func(*site, *usage.Record)
		fails string
		total string
	}{
		"counts":                          {nil, func(*site, *usage.Record) {}, "", "5"},
		"U2 a correction is negative":     {nil, func(_ *site, r *usage.Record) { r.Quantity = dec("-7.5") }, "", "-7.5"},
		"on an ad hoc licence":            {nil, func(s *site, r *usage.Record) { r.Ref = license.Ref{LicenseID: s.adHoc} }, "", "5"},
		"on a subscription alone":         {nil, func(_ *site, r *usage.Record) { r.Ref.LicenseID = uuid.Nil }, "", "5"},
		"U3 at its own instant":           {nil, func(_ *site, r *usage.Record) { r.At = ptr(april(1)) }, "", "5"},
		"82 five minutes ahead":           {nil, func(_ *site, r *usage.Record) { r.At = ptr(april(11).Add(5 * time.Minute)) }, "", "5"},
		"82 more than five minutes ahead": {nil, func(_ *site, r *usage.Record) { r.At = ptr(april(11).Add(5*time.Minute + 1000)) }, "bad_time", ""},
		"U4 before the start":             {nil, func(_ *site, r *usage.Record) { r.At = ptr(april(1).Add(-1000)) }, "no_access_then", ""},
		"U4 while it was paused": {func(s *site) {
			_, _, _ = s.Execute(subscription.Pause{ID: s.sub})
			s.SetNow(april(12))
			_, _, _ = s.Execute(subscription.Resume{ID: s.sub})
		}, func(_ *site, r *usage.Record) { r.At = ptr(april(11)) }, "no_access_then", ""},
		"80 after the end": {func(s *site) { _, _, _ = s.Execute(subscription.Cancel{ID: s.sub, Now: true}) },
			func(_ *site, r *usage.Record) {}, "no_access_then", ""},
		"U5 from before the end, in time": {func(s *site) {
			_, _, _ = s.Execute(subscription.Cancel{ID: s.sub, Now: true})
			s.Pass(72 * time.Hour)
		}, func(_ *site, r *usage.Record) { r.At = ptr(april(10)) }, "", "5"},
		"U5 from before the end, too late": {func(s *site) {
			_, _, _ = s.Execute(subscription.Cancel{ID: s.sub, Now: true})
			s.Pass(72*time.Hour + time.Second)
		}, func(_ *site, r *usage.Record) { r.At = ptr(april(10)) }, "usage_too_late", ""},
		"U5 from before the end, later than the ledger's settings say": {func(s *site) {
			ledgertest.Must[settings.View](s.Ledger, settings.Change{Patch: settings.Patch{LateUsageHours: ptr(2)}})
			_, _, _ = s.Execute(subscription.Cancel{ID: s.sub, Now: true})
			s.Pass(2*time.Hour + time.Second)
		}, func(_ *site, r *usage.Record) { r.At = ptr(april(10)) }, "usage_too_late", ""},
		"U5 from before the end, as late as the ledger's settings let it": {func(s *site) {
			ledgertest.Must[settings.View](s.Ledger, settings.Change{Patch: settings.Patch{LateUsageHours: ptr(100)}})
			_, _, _ = s.Execute(subscription.Cancel{ID: s.sub, Now: true})
			s.Pass(100 * time.Hour)
		}, func(_ *site, r *usage.Record) { r.At = ptr(april(10)) }, "", "5"},
		"U4 after an end that nobody recorded": {func(s *site) {
			_, _, _ = s.Execute(subscription.Cancel{ID: s.sub})
			s.SetNow(april(31))
		}, func(_ *site, r *usage.Record) {}, "no_access_then", ""},
		"U4 before it ended without its first payment": {func(s *site) {
			state := s.State(s.sub).(*subscription.State)
			s.sub = ledgertest.Must[subscription.View](s.Ledger, subscription.Start{PlanID: state.Terms.PlanID, StartAt: ptr(april(1)), Incomplete: true}).ID
			seat, _ := s.State(s.sub).(*subscription.State).OwnSeat()
			s.seat = seat.ID
			_, _, _ = s.Execute(subscription.Cancel{ID: s.sub})
		}, func(_ *site, r *usage.Record) { r.At = ptr(april(10)) }, "no_access_then", ""},
		"an unknown licence":              {nil, func(_ *site, r *usage.Record) { r.Ref.LicenseID = uuid.Max }, "no_license", ""},
		"an unknown ad hoc licence":       {nil, func(_ *site, r *usage.Record) { r.Ref = license.Ref{LicenseID: uuid.Max} }, "no_license", ""},
		"2^63":                            {nil, func(_ *site, r *usage.Record) { r.Quantity = dec("9223372036854775808") }, "amount_out_of_range", ""},
		"2^63 - 1":                        {nil, func(_ *site, r *usage.Record) { r.Quantity = dec("9223372036854775807") }, "", "9223372036854775807"},
		"a sum beyond it":                 {func(s *site) { s.record("first", "9223372036854775807") }, func(*site, *usage.Record) {}, "amount_out_of_range", ""},
		"19 digits after the point":       {nil, func(_ *site, r *usage.Record) { r.Quantity = dec("0.0000000000000000001") }, "amount_out_of_range", ""},
		"an empty key":                    {nil, func(_ *site, r *usage.Record) { r.Key = "" }, "bad_key", ""},
		"a key of 256 characters":         {nil, func(_ *site, r *usage.Record) { r.Key = strings.Repeat("k", 256) }, "bad_key", ""},
		"a key that is not ASCII":         {nil, func(_ *site, r *usage.Record) { r.Key = "é" }, "bad_key", ""},
		"U1 a key twice":                  {func(s *site) { s.record("key", "5") }, func(*site, *usage.Record) {}, "", "5"},
		"U1 a key for something else":     {func(s *site) { s.record("key", "6") }, func(*site, *usage.Record) {}, "key_reused", ""},
		"a meter by its id, with a value": {nil, func(s *site, r *usage.Record) { r.Meter, r.MeterID, r.Value = "users", &s.meter, "ann" }, "", "5"},
		"a meter that counts values":      {nil, func(s *site, r *usage.Record) { r.Meter, r.MeterID = "users", &s.meter }, "bad_value", ""},
		"a meter of another key":          {nil, func(s *site, r *usage.Record) { r.Meter, r.MeterID = "api", &s.meter }, "no_meter", ""},
		"an archived meter": {func(s *site) { _, _, _ = s.Execute(catalog.ArchiveMeter{ID: s.meter}) },
			func(s *site, r *usage.Record) { r.Meter, r.MeterID, r.Value = "users", &s.meter, "ann" }, "meter_archived", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if tt.given != nil {
				tt.given(s)
			}
			r := usage.Record{Ref: license.Ref{LicenseID: s.seat, SubscriptionID: &s.sub}, Quantity: dec("5"), Key: "key"}
			tt.edit(s, &r)
			answer, _, err := s.Execute(r)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.total, answer.(usage.View).UnitCount.String())
			s.CheckFolds()
		})
	}
}

func (s *site) record(key, quantity string) {
	ledgertest.Must[usage.View](s.Ledger, usage.Record{Ref: license.Ref{LicenseID: s.seat, SubscriptionID: &s.sub}, Quantity: dec(quantity), Key: key})
}

// Cases 68, 83 and 85: each record has one outcome, in order, and a retry of the batch changes nothing.
// U1 What was counted stays a duplicate, whatever has become of its licence, its meter or its sum.
func TestARecordSentAgainIsADuplicate(t *testing.T) {
	for name, between := range map[string]func(*site){
		"nothing in between": func(*site) {},
		"the subscription ended": func(s *site) {
			ledgertest.Must[subscription.TaskAnswer](s.Ledger, subscription.Cancel{ID: s.sub, Now: true})
		},
		"the meter is archived": func(s *site) { ledgertest.Must[catalog.MeterView](s.Ledger, catalog.ArchiveMeter{ID: s.meter}) },
		"long after the end": func(s *site) {
			ledgertest.Must[subscription.TaskAnswer](s.Ledger, subscription.Cancel{ID: s.sub, Now: true})
			s.Pass(1000 * time.Hour)
		},
		"the grantee holds another": func(*site) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			r := usage.Record{Ref: license.Ref{LicenseID: s.seat, SubscriptionID: &s.sub}, Meter: "users", MeterID: &s.meter,
				Quantity: dec("9223372036854775807"), Key: "k", Value: "ada", Asked: "plan ada"}
			first := ledgertest.Must[[]usage.Outcome](s.Ledger, usage.RecordMany{Items: []usage.Record{r}})
			require.Equal(t, usage.StatusRecorded, first[0].Status)
			between(s)
			if name == "the grantee holds another" {
				r.Ref = license.Ref{LicenseID: s.adHoc}
			}
			again := ledgertest.Must[[]usage.Outcome](s.Ledger, usage.RecordMany{Items: []usage.Record{r}})
			require.Equal(t, usage.StatusDuplicate, again[0].Status, "%v", again[0].Err)
			r.Quantity = dec("1")
			other := ledgertest.Must[[]usage.Outcome](s.Ledger, usage.RecordMany{Items: []usage.Record{r}})
			require.ErrorIs(t, other[0].Err, &domain.Error{Code: "key_reused"})
		})
	}
}

func TestRecordMany(t *testing.T) {
	s := open(t)
	ref := license.Ref{LicenseID: s.seat, SubscriptionID: &s.sub}
	batch := usage.RecordMany{Items: []usage.Record{
		{Ref: ref, Quantity: dec("10"), Key: "a"},
		{Ref: ref, Quantity: dec("-3"), Key: "b"},
		{Ref: license.Ref{LicenseID: uuid.Max}, Quantity: dec("1"), Key: "c"},
		{Ref: ref, Quantity: dec("10.0"), Key: "a"},
		{Ref: ref, Quantity: dec("11"), Key: "a"},
		{Ref: license.Ref{LicenseID: s.adHoc}, Quantity: dec("2"), Key: "d", Meter: "api"},
	}}
	for _, status := range [][]string{{"recorded", "recorded", "rejected", "duplicate", "rejected", "recorded"},
		{"duplicate", "duplicate", "rejected", "duplicate", "rejected", "duplicate"}} {
		outcomes := ledgertest.Must[[]usage.Outcome](s.Ledger, batch)
		var got []string
		for _, o := range outcomes {
			got = append(got, o.Status)
			require.Equal(t, o.Status == usage.StatusRejected, o.Err != nil)
		}
		require.Equal(t, status, got)
		require.Equal(t, "7", outcomes[1].View.UnitCount.String())
		require.Equal(t, "key_reused", outcomes[4].Err.Code)
	}
	require.Equal(t, "7", s.State(usage.StreamID(s.seat, "")).(*usage.State).Total.String())
	require.Len(t, s.Stream(usage.StreamID(s.adHoc, "api")), 1)
	// A refused record does not consume its key.
	s.record("c", "1")
	_, _, err := s.Execute(usage.RecordMany{})
	require.ErrorIs(t, err, &domain.Error{Code: "bad_item_count"})
	s.CheckFolds()
}

// Invariant 8 of the faults: the counter is the sum of distinct keys, however they are batched and repeated.
func TestTotalIsTheSumOfDistinctKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := open(t)
		ref := license.Ref{LicenseID: s.seat, SubscriptionID: &s.sub}
		sums := map[string]int64{}
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			var batch usage.RecordMany
			for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 1, 8).Draw(t, "keys") {
				n := rapid.Int64Range(-5, 5).Draw(t, "quantity")
				if _, used := sums[key]; !used {
					sums[key] = n
				}
				batch.Items = append(batch.Items, usage.Record{Ref: ref, Quantity: decimal.NewFromInt(n), Key: key})
			}
			ledgertest.Must[[]usage.Outcome](s.Ledger, batch)
		}
		var want int64
		for _, n := range sums {
			want += n
		}
		require.Equal(t, want, s.State(usage.StreamID(s.seat, "")).(*usage.State).Total.IntPart())
		s.CheckFolds()
	})
}
