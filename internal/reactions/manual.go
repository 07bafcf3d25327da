package reactions

import (
	"context"
	"fmt"
	"time"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

// manualPage is how many events of the provider's stream are read at once.
const manualPage = 200

// manual is the built-in provider, configured by task.ConfigureManual. It answers as it was configured
// at the call's position, so the same call has the same answer whenever it is asked. A delay is a Wait:
// no worker is held by it.
func manual(store *eventstore.Store, now func() time.Time) Ask {
	return func(ctx context.Context, c Call) (Answer, error) {
		provider, err := manualAt(ctx, store, c)
		if err != nil {
			return Answer{}, err
		}
		if until := c.AskedAt.Add(time.Duration(provider.Config.DelayMs) * time.Millisecond); now().Before(until) {
			return Answer{Verdict: Wait, At: until}, nil
		}
		switch done, again := provider.Agrees(c.Answer); {
		case done:
			return Answer{Verdict: Agreed}, nil
		case again:
			return Answer{Verdict: Retry, Code: "manual_failure", Message: fmt.Sprintf("the manual provider failed attempt %d, as configured", c.Answer)}, nil
		}
		return Answer{Verdict: Refused, Code: "manual_failure", Message: "the manual provider refused, as configured"}, nil
	}
}

func manualAt(ctx context.Context, store *eventstore.Store, c Call) (*task.ManualProvider, error) {
	provider, stream := &task.ManualProvider{}, task.ManualProviderID(c.Ledger)
	for version := int64(0); ; {
		events, err := store.Stream(ctx, c.Ledger, stream, version, manualPage)
		if err != nil {
			return nil, fmt.Errorf("read the manual provider: %w", err)
		}
		for _, e := range events {
			if e.Position > c.Position {
				return provider, nil
			}
			domain.Evolve(provider, e.Event, e.Stream, e.Version, e.RecordedAt, e.EffectiveAt)
			version = e.Version
		}
		if len(events) < manualPage {
			return provider, nil
		}
	}
}
