package metering

import (
	"context"
	"iter"
	"math/big"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/period"
)

// Source is a ledger to explain invoices from. Without read models it counts no usage.
func (c Counter) Source(ctx context.Context, ledger uuid.UUID) explain.Source {
	src := explain.Source{Stream: func(id uuid.UUID) iter.Seq2[explain.Past, error] {
		return func(yield func(explain.Past, error) bool) {
			for version, size := int64(0), firstPage; ; size = nextPage {
				events, err := c.Store.Stream(ctx, ledger, id, version, size)
				if err != nil {
					yield(explain.Past{}, err)
					return
				}
				for _, e := range events {
					version = e.Version
					if !yield(explain.Past{Position: e.Position, At: e.EffectiveAt, Event: e.Event}, nil) {
						return
					}
				}
				if len(events) < size {
					return
				}
			}
		}
	}}
	if c.Reads != nil {
		src.Count = func(subscription uuid.UUID, meter string, in period.Period, position int64) (*big.Rat, bool, error) {
			known, err := c.Reads.UsagePosition(ctx, ledger)
			if err != nil || known < position {
				return nil, false, err
			}
			counts, err := c.CountUpTo(ctx, ledger, subscription, meter, position, []period.Period{in})
			if err != nil {
				return nil, false, err
			}
			return counts[0].Quantity, counts[0].Aggregation == "weightedSum", nil
		}
	}
	return src
}
