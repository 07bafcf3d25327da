package reactions

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// A signal ends the wait at once; without one the poll comes in time; errors are waited out longer and
// longer; a stop ends everything.
func TestPacer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop, wake, handled := make(chan struct{}), newSignal(), 0
		p := &pacer{stopped: stop, wake: wake, poll: time.Second, handled: func() { handled++ },
			errors: prometheus.NewCounter(prometheus.CounterOpts{}), logger: slog.New(slog.DiscardHandler)}
		took := func(noMsg bool, err error) time.Duration {
			began := time.Now()
			require.Zero(t, p.HandleError(nil, noMsg, err))
			return time.Since(began)
		}
		require.Equal(t, time.Second, took(true, nil))
		wake.set()
		wake.set()
		require.Zero(t, took(true, nil), "a signal from before the wait counts")
		require.Equal(t, time.Second, took(true, nil), "and counts once")
		time.AfterFunc(3*time.Millisecond, wake.set)
		require.Equal(t, 3*time.Millisecond, took(true, nil))

		require.Zero(t, took(false, nil))
		require.Equal(t, 1, handled)

		broken := errors.New("broken")
		require.Equal(t, firstErrorPause, took(false, broken))
		p.cause = broken
		require.Equal(t, 2*firstErrorPause, took(true, nil), "an error that only the rows told")
		for range 10 {
			took(true, broken)
		}
		require.Equal(t, lastErrorPause, took(true, broken))
		require.Equal(t, time.Second, took(true, nil))
		require.Equal(t, firstErrorPause, took(true, broken))

		time.AfterFunc(time.Millisecond, func() { close(stop) })
		require.Equal(t, time.Millisecond, took(true, nil))
		require.Zero(t, took(true, broken))
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	var b Backoff
	b.setDefaults()
	for n, want := range map[int]time.Duration{1: 200 * time.Millisecond, 2: 400 * time.Millisecond, 5: 3200 * time.Millisecond,
		14: 1638400 * time.Millisecond, 15: 3276800 * time.Millisecond, 16: time.Hour, 1 << 30: time.Hour} {
		require.Equal(t, want, b.After(n), "after failure %d", n)
	}
}
