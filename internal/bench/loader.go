package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/eventstore"
)

// Loading fills an installation with history. What happens in each ledger follows from the seed, ids and
// times do not.
type Loading struct {
	Ledgers  int // two an organisation; an odd number leaves one empty
	Events   int // of all of them together, roughly: a ledger ends with the subscription that reaches its share
	Months   int // that a subscription lives after its first day: writer.life
	Seed     uint64
	Progress func(done, total int64) // events; called from several goroutines
}

// A transaction of the loader holds so many events.
const loadPage = 20_000

// Load makes organisations and fills their ledgers: a product and a plan, and then lives of
// subscriptions (writer.life) one after the other. Commands are decided, encoded, encrypted and chained by the
// store as always (eventstore.Bulk) and reach the log by COPY: `subledger verify` finds nothing. Read models
// are left as they are. It gives the number of events.
func Load(ctx context.Context, store *eventstore.Store, l Loading) (int64, error) {
	ledgers, err := foundLedgers(ctx, store, l.Ledgers)
	if err != nil {
		return 0, err
	}
	var done atomic.Int64
	next := make(chan int)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(next)
		for i := range ledgers {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range runtime.GOMAXPROCS(0) + 1 { // one decides while another waits for COPY
		g.Go(func() error {
			var page []*eventstore.Bulk
			held := 0
			write := func() error {
				if len(page) == 0 {
					return nil
				}
				err := store.WriteBulk(ctx, page)
				l.Progress(done.Add(int64(held)), int64(l.Events))
				page, held = nil, 0
				return err
			}
			for i := range next {
				b, err := store.NewBulk(ctx, ledgers[i])
				if err != nil {
					return err
				}
				w := &writer{store: b, ledger: ledgers[i], months: l.Months, random: rand.New(rand.NewPCG(l.Seed, uint64(i)))}
				if err := w.write(ctx, max(1, l.Events/l.Ledgers)); err != nil {
					return fmt.Errorf("ledger %d: %w", i+1, err)
				}
				page, held = append(page, b), held+b.Events()
				if held >= loadPage {
					if err := write(); err != nil {
						return err
					}
				}
			}
			return write()
		})
	}
	err = g.Wait()
	return done.Load(), err
}

// foundLedgers makes organisations by commands to the system ledger.
func foundLedgers(ctx context.Context, store *eventstore.Store, n int) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, (n+1)/2*2)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(makers)
	for i := 0; i < len(ids); i += 2 {
		g.Go(func() error {
			var made [3]uuid.UUID
			for j := range made {
				id, err := uuid.NewV7()
				if err != nil {
					return err
				}
				made[j] = id
			}
			ids[i], ids[i+1] = made[1], made[2]
			c, err := store.NewOrganisation(made[0], made[1], made[2], fmt.Sprintf("Loaded %d", i/2+1), "USD", "UTC")
			if err != nil {
				return err
			}
			_, err = store.Execute(ctx, eventstore.Request{Ledger: store.SystemLedger(), Command: c, Meta: eventstore.Meta{Actor: "bench"}})
			if err != nil {
				return fmt.Errorf("make an organisation: %w", err)
			}
			return nil
		})
	}
	return ids[:n], g.Wait()
}
