package task_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/internal/ledgertest"
)

func TestConfigureManual(t *testing.T) {
	l := ledgertest.New(t, time.Date(2025, time.April, 1, 0, 0, 0, 0, time.UTC))
	id := task.ManualProviderID(ledgertest.ID)
	for name, tt := range map[string]struct {
		when  task.ConfigureManual
		then  []domain.Event
		fails string
	}{
		"fails":                         {task.ConfigureManual{Outcome: "fails", DelayMs: 20}, []domain.Event{task.ManualConfigured{Outcome: "fails", DelayMs: 20}}, ""},
		"fails once by default":         {task.ConfigureManual{Outcome: "failsThenSucceeds"}, []domain.Event{task.ManualConfigured{Outcome: "failsThenSucceeds", Failures: 1}}, ""},
		"an outcome that is none":       {task.ConfigureManual{Outcome: "maybe"}, nil, "bad_outcome"},
		"fewer failures than none":      {task.ConfigureManual{Outcome: "fails", Failures: -1}, nil, "bad_failures"},
		"an answer that comes too late": {task.ConfigureManual{Outcome: "fails", DelayMs: 600_001}, nil, "bad_delay"},
	} {
		t.Run(name, func(t *testing.T) {
			_, events, err := l.DryRun(tt.when)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.then, ledgertest.Data(events))
			require.Equal(t, id, events[0].Stream)
		})
	}
	c := task.ConfigureManual{Outcome: "failsThenSucceeds", Failures: 2}
	ledgertest.Must[task.ManualView](l, c)
	_, events, err := l.Execute(c)
	require.NoError(t, err)
	require.Empty(t, events, "the same again")
	l.CheckFolds()

	p := l.State(id).(*task.ManualProvider)
	for attempt, done := range map[int]bool{1: false, 2: false, 3: true} {
		got, again := p.Agrees(attempt)
		require.Equal(t, done, got)
		require.True(t, again)
	}
	got, _ := (&task.ManualProvider{}).Agrees(1)
	require.True(t, got, "without a setting it agrees")
	got, again := (&task.ManualProvider{Config: task.ManualConfigured{Outcome: "fails", Failures: 1}}).Agrees(2)
	require.False(t, got || again)

	l.Live = true
	_, _, err = l.Execute(c)
	require.ErrorIs(t, err, &domain.Error{Code: "not_a_test_ledger"})
}
