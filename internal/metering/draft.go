package metering

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
)

// Draft is the command that issues a draft: with what was used of each part that it waits for, and of earlier parts for
// which usage came after they were billed.
func (c Counter) Draft(ctx context.Context, ledger, draft uuid.UUID) (subscription.FinalizeInvoice, error) {
	command := subscription.FinalizeInvoice{ID: draft}
	state, _, err := c.Store.Fold(ctx, ledger, draft)
	if err != nil {
		return command, err
	}
	s, ok := state.(*invoice.State)
	if !ok || s.Status != invoice.Draft || s.SubscriptionID == nil {
		return command, nil // the command says what it is
	}
	if state, _, err = c.Store.Fold(ctx, ledger, account.ID(*s.SubscriptionID)); err != nil {
		return command, err
	}
	books, ok := state.(*account.State)
	if !ok {
		return command, nil
	}
	parts := books.Waiting(draft)
	if len(parts) == 0 && len(books.Billed) == 0 {
		return command, nil // it never was billed any usage
	}
	late, err := c.Reads.LateUsage(ctx, ledger, *s.SubscriptionID, s.CreatedAt, books.Position)
	if err != nil {
		return command, err
	}
	for _, l := range late {
		for _, u := range books.Overlapping(l.Start, l.End) {
			if u.Meter == l.Meter && !slices.Contains(parts, u) {
				parts = append(parts, u)
			}
		}
	}
	command.Counts, command.Position, err = c.Parts(ctx, ledger, *s.SubscriptionID, parts)
	return command, err
}

// Parts counts metered prices' parts of periods, all up to one position; 0 of none.
func (c Counter) Parts(ctx context.Context, ledger, subscription uuid.UUID, parts []account.Usage) (counts []account.Count, position int64, err error) {
	byMeter, meters := map[string][]account.Usage{}, []string{}
	for _, p := range parts {
		if byMeter[p.Meter] == nil {
			meters = append(meters, p.Meter)
		}
		byMeter[p.Meter] = append(byMeter[p.Meter], p)
	}
	if len(meters) > 0 {
		if position, err = c.Reads.UsagePosition(ctx, ledger); err != nil {
			return nil, 0, err
		}
	}
	for _, meter := range meters {
		of := byMeter[meter]
		periods := make([]period.Period, len(of))
		for n, p := range of {
			periods[n] = p.Period
		}
		found, err := c.CountUpTo(ctx, ledger, subscription, meter, position, periods)
		if err != nil {
			return nil, 0, fmt.Errorf("count the usage of %s: %w", meter, err)
		}
		for n, f := range found {
			counts = append(counts, account.Count{Usage: of[n], Quantity: f.Quantity.RatString(), Average: f.Aggregation == "weightedSum", Floored: f.Floored})
		}
	}
	return counts, position, nil
}
