package eventstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/migrations"
)

// BenchmarkExecute appends with real commits (fsync on). Compare with BenchmarkInsert, one row a commit.
func BenchmarkExecute(b *testing.B) {
	for _, bb := range []struct {
		callers, ledgers int
	}{{1, 1}, {32, 1000}, {128, 1000}, {128, 1}} {
		b.Run(fmt.Sprintf("callers=%d/ledgers=%d", bb.callers, bb.ledgers), func(b *testing.B) {
			s, ledgers := benchStore(b, bb.ledgers)
			stream := uuid.New()
			var next atomic.Int64
			b.ResetTimer()
			var wg sync.WaitGroup
			for range bb.callers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := s.Execute(context.Background(), Request{Ledger: ledgers[int(n)%len(ledgers)], Command: add{Stream: stream, N: 1}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
		})
	}
}

func benchStore(b *testing.B, ledgers int) (*Store, []uuid.UUID) {
	b.Helper()
	server := pgtest.Cluster(b)
	url := server.URL("subledger", "postgres")
	if err := migrations.Up(b.Context(), url); err != nil {
		b.Fatal(err)
	}
	pool, err := OpenPool(b.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 16 })
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	master := NewMasterKey()
	if err := Bootstrap(b.Context(), pool, master); err != nil {
		b.Fatal(err)
	}
	ids := make([]uuid.UUID, ledgers)
	for i := range ids {
		key, err := newLedgerKey(master)
		if err != nil {
			b.Fatal(err)
		}
		if err := insertLedger(b.Context(), pool, key, uuid.New(), "live"); err != nil {
			b.Fatal(err)
		}
		ids[i] = key.ID
	}
	s, err := Open(b.Context(), pool, master, testVocabularies(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s, ids
}

// BenchmarkInsert is the baseline: bare single-row inserts, a commit each.
func BenchmarkInsert(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			server := pgtest.Cluster(b)
			pool, err := OpenPool(b.Context(), server.URL("subledger", "postgres"), func(c *pgxpool.Config) { c.MaxConns = int32(clients) })
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(pool.Close)
			if _, err := pool.Exec(b.Context(), `create table bare (id bigserial primary key, data json not null)`); err != nil {
				b.Fatal(err)
			}
			var next atomic.Int64
			b.ResetTimer()
			var wg sync.WaitGroup
			for range clients {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if _, err := pool.Exec(context.Background(), `insert into bare (data) values ($1)`, `{"n":1}`); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "inserts/s")
		})
	}
}
