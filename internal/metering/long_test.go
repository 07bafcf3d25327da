package metering_test

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

// A stream of 20,000 records, or 200,000, is counted page by page: what is in memory stays small, and a period at its end does
// not read what was long before.
func TestLongStream(t *testing.T) {
	s := closed(t)
	var err error
	s.bulk, err = s.store.NewBulk(t.Context(), s.ledger)
	require.NoError(t, err)
	s.begin()
	s.meter("calls", "sum", false)
	const days = 20
	for n := 0; n < records; {
		day := april(1 + n*days/records)
		if n%(records/days) == 0 {
			s.at(day.Add(time.Hour))
		}
		batch := usage.RecordMany{Items: make([]usage.Record, usage.MaxItems)}
		for i := range batch.Items {
			batch.Items[i] = s.item("calls", "1", "", day.Add(time.Duration(i)*time.Second))
		}
		s.execute(batch)
		n += len(batch.Items)
	}
	require.NoError(t, s.store.WriteBulk(t.Context(), []*eventstore.Bulk{s.bulk}))
	s.bulk = nil
	s.record("calls", "0.5", april(19)) // the read models hear of it
	s.caughtUp()

	defer debug.SetGCPercent(debug.SetGCPercent(10))
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	base := heap()
	var most atomic.Uint64
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			most.Store(max(most.Load(), heap()))
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				return
			}
		}
	}()
	began := time.Now()
	all := s.comes("calls", month, fmt.Sprint(2*records+1, "/2"))
	took := time.Since(began)
	close(done)
	<-watched
	require.EqualValues(t, records+1, all.Records)
	grown := (max(most.Load(), base) - base) >> 20
	t.Logf("%d records in %s, %.0f a second; heap %d MiB, at most %d MiB more", records, took, records/took.Seconds(), base>>20, grown)
	require.Less(t, grown, uint64(24), "MiB; 200,000 records themselves are some 150")
	require.Less(t, took, 30*time.Second)

	began = time.Now()
	s.comes("calls", period.Period{Start: april(20), End: april(21)}, fmt.Sprint(records/days))
	last := time.Since(began)
	t.Logf("the last day in %s", last)
	require.Less(t, last, took, "a twentieth of the records was read")
}
