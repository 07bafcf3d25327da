package bench

import (
	"context"
	"fmt"
	"runtime/metrics"
	"time"
)

// spent is what a side cost, the catching up of the read models included. Server and generator are one
// process: the generator allocates connections and lists of latencies, and nothing a request.
type spent struct {
	cpu        time.Duration // of all processes of the run; 0: not known
	wal        int64         // bytes that PostgreSQL wrote to its log
	allocs     uint64        // objects on this process's heap
	allocBytes uint64
}

func (s spent) plus(o spent) spent {
	return spent{s.cpu + o.cpu, s.wal + o.wal, s.allocs + o.allocs, s.allocBytes + o.allocBytes}
}

// observe lets a side work, waits until the read models have caught up (or the next one would share the
// machine with the projector), and tells what all of it cost.
func (r *run) observe(ctx context.Context, work side, d time.Duration) (sample, error) {
	before, err := r.meters(ctx)
	if err != nil {
		return sample{}, err
	}
	got, err := work(ctx, d)
	if err != nil {
		return sample{}, err
	}
	if got.behind, err = r.settle(ctx); err != nil {
		return sample{}, err
	}
	after, err := r.meters(ctx)
	got.spent = spent{after.cpu - before.cpu, after.wal - before.wal, after.allocs - before.allocs, after.allocBytes - before.allocBytes}
	if before.cpu == 0 || after.cpu == 0 {
		got.spent.cpu = 0
	}
	return got, err
}

func (r *run) meters(ctx context.Context) (s spent, err error) {
	if err := r.conn.QueryRow(ctx, `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint`).Scan(&s.wal); err != nil {
		return s, fmt.Errorf("read how much was logged: %w", err)
	}
	heap := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(heap)
	s.allocs, s.allocBytes = heap[0].Value.Uint64(), heap[1].Value.Uint64()
	s.cpu = cpuTime(r.target.Postmaster())
	return s, nil
}
