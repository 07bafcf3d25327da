package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Times of the scan.
const (
	scanEvery = 5 * time.Second // for ledgers that no signal told of
	scanRest  = 50              // it reads the checkpoints of all ledgers: rest so many times as long as that took
)

// behind tells of a ledger l that the checkpoint which stands for all of a runner's projections is not at its
// end: the shared one, or the only one of a runner with one projection. Nearly all ledgers are told apart by
// it with one look.
const behind = `not exists (select from checkpoints s where s.ledger_id = l.ledger_id and s.position = l.position
	and (s.projection = '*' and s.covers @> $1::text[] or array[s.projection] = $1::text[]))`

// findings are the ledgers whose end lay beyond a checkpoint when a scan began.
type findings struct {
	began   time.Time
	ledgers []uuid.UUID
	heads   []int64
}

// scanning scans now and then until the context ends, beside the pages: in an installation of many ledgers it
// takes longer than a page may wait.
func (r *Runner) scanning(ctx context.Context) {
	for backOff := firstBackOff; ctx.Err() == nil; {
		began := time.Now()
		found, err := r.scan(ctx, began)
		if err == nil {
			r.mu.Lock()
			r.found = found
			r.mu.Unlock()
			r.signal()
			r.metrics.scanned(ctx, r)
			backOff = firstBackOff
			timer := time.NewTimer(max(scanEvery, scanRest*time.Since(began)))
			select {
			case <-timer.C:
			case <-r.rescan:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		if ctx.Err() == nil {
			r.Logger.WarnContext(ctx, "projections: scanning again", "error", err, "in", backOff)
			r.metrics.faults.Inc()
		}
		_ = pause(ctx, backOff)
		backOff = min(2*backOff, lastBackOff)
	}
}

// scan finds ledgers whose end lies beyond a checkpoint: the net below all signals.
func (r *Runner) scan(ctx context.Context, began time.Time) (*findings, error) {
	found := &findings{began: began}
	var ledger uuid.UUID
	var head int64
	// Only of the ledgers that are behind is it asked where each projection stands.
	err := queryRows(ctx, r.Pool, `select l.ledger_id, l.position from ledgers l
		where l.position > 0 and `+behind+`
			and exists (select from unnest($1::text[]) p(projection)
				left join projection_positions c on c.ledger_id = l.ledger_id and c.projection = p.projection
				where c.position is null or c.position < l.position and c.parked_at is null)`,
		[]any{r.names}, []any{&ledger, &head}, func() {
			found.ledgers, found.heads = append(found.ledgers, ledger), append(found.heads, head)
		})
	if err != nil {
		return nil, fmt.Errorf("scan for dirty ledgers: %w", err)
	}
	return found, nil
}

// believe takes over what a scan found, where nothing newer is known.
func (r *Runner) believe(f *findings) {
	for i, ledger := range f.ledgers {
		t := r.track(ledger)
		if newer := t.moved.After(f.began) || r.skipped[t]; !t.listed && newer && !slices.Contains(t.parked, true) {
			if f.heads[i] <= t.head {
				continue
			}
		} else if !t.listed { // whoever moved or unparked it, it was not us
			t.known = false
		}
		t.head = max(t.head, f.heads[i])
		r.list(t)
	}
}
