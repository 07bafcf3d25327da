package settings_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

var now = time.Date(2025, time.April, 1, 0, 0, 0, 0, time.UTC)

// of asks as a decision does.
type of struct{}

func (of) Decide(l domain.Ledger) (any, error) { return settings.Of(l) }

// Rule G1.
func TestSettingsBeginWithTheDefaultsOfTheirLedger(t *testing.T) {
	for live, draft := range map[bool]int{true: 1, false: 0} {
		l := ledgertest.New(t, now)
		l.Live = live
		want := settings.Settings{ProrationMode: "second", InvoiceDaysUntilDue: 30, DraftHours: draft, ZeroInvoices: true, LateUsageHours: 72}
		require.Equal(t, want, ledgertest.Must[settings.Settings](l, of{}))
		v := ledgertest.Must[settings.View](l, settings.Change{Patch: settings.Patch{DraftHours: ptr(draft)}})
		require.Equal(t, settings.View{Settings: want}, v)
		require.Empty(t, l.Log(), "nothing changed")

		want.ZeroInvoices = false
		v = ledgertest.Must[settings.View](l, settings.Change{Patch: settings.Patch{ZeroInvoices: ptr(false)}})
		require.Equal(t, settings.View{Settings: want, Version: 1}, v)
		require.Equal(t, []domain.Event{settings.Changed{Settings: want}}, ledgertest.Data(l.Stream(settings.StreamID(ledgertest.ID))))
	}
}

func TestChangeSettings(t *testing.T) {
	l := ledgertest.New(t, now)
	grace, then := ptr(7), ptr(settings.PauseTrial)
	all := settings.Patch{ProrationMode: ptr("fixed30"), InvoiceDaysUntilDue: ptr(0), DraftHours: ptr(2), ZeroInvoices: ptr(false), LateUsageHours: ptr(0),
		GraceDaysPastDue: &grace, TrialEndsWithoutPayment: &then}
	want := settings.Settings{ProrationMode: "fixed30", DraftHours: 2, GraceDaysPastDue: ptr(7), TrialEndsWithoutPayment: ptr("pause")}
	require.Equal(t, settings.View{Settings: want, Version: 1}, ledgertest.Must[settings.View](l, settings.Change{Patch: all}))
	require.Equal(t, settings.View{Settings: want, Version: 1}, ledgertest.Must[settings.View](l, settings.Change{Patch: all}), "the same again")
	require.Equal(t, settings.View{Settings: want, Version: 1}, ledgertest.Must[settings.View](l, settings.Change{}))

	none, forget := (*int)(nil), (*string)(nil)
	want.GraceDaysPastDue, want.TrialEndsWithoutPayment = nil, nil
	v := ledgertest.Must[settings.View](l, settings.Change{Patch: settings.Patch{GraceDaysPastDue: &none, TrialEndsWithoutPayment: &forget}})
	require.Equal(t, settings.View{Settings: want, Version: 2}, v)
	require.Equal(t, want, ledgertest.Must[settings.Settings](l, of{}))
	l.CheckFolds()
}

func TestBadSettingsAreNamedAtOnce(t *testing.T) {
	l := ledgertest.New(t, now)
	below, beyond, never := ptr(-1), ptr(366), ptr("never")
	for name, tt := range map[string]struct {
		patch settings.Patch
		want  []string
	}{
		"all of them": {settings.Patch{ProrationMode: ptr("month"), InvoiceDaysUntilDue: ptr(366), DraftHours: ptr(31*24 + 1), LateUsageHours: ptr(366*24 + 1), GraceDaysPastDue: &beyond, TrialEndsWithoutPayment: &never},
			[]string{"/prorationMode bad_proration_mode", "/invoiceDaysUntilDue out_of_range", "/draftHours out_of_range", "/lateUsageHours out_of_range", "/graceDaysPastDue out_of_range", "/trialEndsWithoutPayment bad_trial_policy"}},
		"below zero": {settings.Patch{InvoiceDaysUntilDue: ptr(-1), DraftHours: ptr(-1), LateUsageHours: ptr(-1), GraceDaysPastDue: &below},
			[]string{"/invoiceDaysUntilDue out_of_range", "/draftHours out_of_range", "/lateUsageHours out_of_range", "/graceDaysPastDue out_of_range"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, events, err := l.Execute(settings.Change{Patch: tt.patch})
			e, refused := domain.AsRefusal(err)
			require.True(t, refused, "%v", err)
			require.Empty(t, events)
			var got []string
			for _, f := range e.Fields {
				got = append(got, f.Pointer+" "+f.Code)
			}
			require.Equal(t, tt.want, got)
		})
	}
	edge := ptr(settings.MaxGraceDays)
	ledgertest.Must[settings.View](l, settings.Change{Patch: settings.Patch{InvoiceDaysUntilDue: ptr(settings.MaxDaysUntilDue), DraftHours: ptr(settings.MaxDraftHours),
		LateUsageHours: ptr(settings.MaxLateHours), GraceDaysPastDue: &edge}})
}
