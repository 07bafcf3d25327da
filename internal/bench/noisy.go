package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	noise       = 10  // times the rate of each other ledger
	quietShare  = 0.3 // of the highest rate, for all quiet ledgers together
	noisySeats  = 16  // subscriptions of the noisy ledger, a client each
	noisyAtMost = 1.5
)

// noisy compares the 99th percentile of some ledgers' commands, sent when they are due, beside a ledger
// that sends ten times as much as each of them, with the same without it.
func noisy(ctx context.Context, r *run) error {
	loads, err := quantityLoads(ctx, r)
	if err != nil {
		return err
	}
	a := newAPI(r.target)
	one, err := a.ledgers(ctx, r.target, 1)
	if err != nil {
		return err
	}
	shelf, err := a.stock(ctx, one, "")
	if err != nil {
		return err
	}
	subs, err := a.subscribe(ctx, shelf, noisySeats, nil)
	if err != nil {
		return err
	}
	count := &stamps{clients: hotStamps}
	loud := &load{address: r.target.Address, units: 1}
	for _, sub := range subs[0] {
		loud.scripts = append(loud.scripts, quantityScript([]*template{quantityTemplate(r.target.Address, shelf[0], sub)}, count.client()))
	}
	for _, q := range loads {
		clients, rate := len(q.load.scripts), r.Rate
		if rate == 0 {
			got, err := q.load.work(ctx, max(r.WarmUp, 200*time.Millisecond))
			if err != nil {
				return err
			}
			rate = quietShare * got.rate
		}
		quiet := *q.load
		quiet.rate = rate
		name := fmt.Sprintf("ms, without it, %d clients", clients)
		r.baselines[name] = quiet.work
		product := func(ctx context.Context, d time.Duration) (sample, error) {
			l := *loud
			l.rate = noise * rate / float64(r.Ledgers)
			type end struct {
				got sample
				err error
			}
			noised := make(chan end, 1)
			go func() {
				got, err := l.work(ctx, d)
				noised <- end{got, err}
			}()
			got, err := quiet.work(ctx, d)
			other := <-noised
			for code, n := range other.got.errors {
				got.errors["noisy ledger: "+code] += n
			}
			if err == nil {
				err = other.err
			}
			return got, err
		}
		r.contests = append(r.contests, contest{clients: clients, unit: "ms p99", product: product, baseline: name, value: p99, most: noisyAtMost, mode: "open",
			note: fmt.Sprintf("%d quiet ledgers at %.0f commands/s together, the noisy one at %.0f", r.Ledgers, rate, noise*rate/float64(r.Ledgers))})
	}
	return nil
}

func p99(s sample) float64 {
	return milliseconds(percentile(slices.Sorted(slices.Values(s.latencies)), 99))
}
