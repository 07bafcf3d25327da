package reactions

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/projections"
)

// BenchmarkTask is one seat change at a time through the manual provider: from the moment before the
// request to the call of the provider, to the success in the log, and to its showing in the read model.
func BenchmarkTask(b *testing.B) {
	f := newFixture(b)
	sub := f.subscribed(b, f.test)
	called := make(chan time.Time, 1)
	f.start(b, func(c *Config) {
		c.Poll = time.Second
		c.MeasureEvery = 5 * time.Second
		inner := manual(f.store, f.clock.Now)
		c.Providers = map[string]Ask{"manual": func(ctx context.Context, call Call) (Answer, error) {
			called <- time.Now()
			return inner(ctx, call)
		}}
	})
	reads := projections.NewReads(f.app, f.applied, f.store.Acknowledged)
	var toCall, toSuccess, toShow []time.Duration
	for b.Loop() {
		began := time.Now()
		id := f.addSeat(b, f.test, sub)
		toCall = append(toCall, (<-called).Sub(began))
		f.ends(b, f.test, id)
		toSuccess = append(toSuccess, time.Since(began))
		_, err := reads.At(b.Context(), f.test, 0)
		require.NoError(b, err)
		got, err := reads.Task(b.Context(), f.test, id)
		require.NoError(b, err)
		require.Equal(b, task.Success, got.Status)
		toShow = append(toShow, time.Since(began))
	}
	for name, times := range map[string][]time.Duration{"called": toCall, "success": toSuccess, "shown": toShow} {
		slices.Sort(times)
		b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms/"+name)
		b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms/"+name)
	}
}
