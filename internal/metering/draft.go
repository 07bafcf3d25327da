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
	command.Counts, command.Position, err = c.Parts(ctx, ledger, *s.SubscriptionID, books, books.Waiting(draft))
	return command, err
}

// Close is the command that bills usage that came after the end of a subscription.
func (c Counter) Close(ctx context.Context, ledger, id uuid.UUID) (subscription.CloseAccount, error) {
	command := subscription.CloseAccount{ID: id}
	state, _, err := c.Store.Fold(ctx, ledger, account.ID(id))
	if err != nil {
		return command, err
	}
	if books, ok := state.(*account.State); ok {
		command.Counts, command.Position, err = c.Parts(ctx, ledger, id, books, nil)
	}
	return command, err
}

// Parts counts parts of periods that an account waits for, and those that it was billed for which usage came since, all up to
// one position.
func (c Counter) Parts(ctx context.Context, ledger, subscription uuid.UUID, books *account.State, parts []account.Usage) (counts []account.Count, position int64, err error) {
	if len(books.Counting) == 0 && len(books.Billed) == 0 {
		return nil, 0, nil // it never was billed any usage
	}
	if position, err = c.Reads.UsagePosition(ctx, ledger); err != nil {
		return nil, 0, err
	}
	if len(books.Billed) > 0 {
		late, err := c.late(ctx, ledger, subscription, books, position)
		if err != nil {
			return nil, 0, err
		}
		parts = slices.Concat(parts, late)
	}
	byMeter, meters := map[string][]account.Usage{}, []string{}
	for _, p := range parts {
		if byMeter[p.Meter] == nil {
			meters = append(meters, p.Meter)
		}
		byMeter[p.Meter] = append(byMeter[p.Meter], p)
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

// late are the parts that were billed and may come to something else since: those at whose time usage came and, of a meter
// that carries over, all after it.
func (c Counter) late(ctx context.Context, ledger, subscription uuid.UUID, books *account.State, position int64) (parts []account.Usage, err error) {
	late, err := c.Reads.LateUsage(ctx, ledger, subscription, books.Position)
	if err != nil {
		return nil, err
	}
	over := map[string]bool{}
	for _, l := range late {
		carries, known := over[l.Meter]
		if !known {
			definitions, err := c.definitions(ctx, ledger, l.Meter, position)
			if err != nil {
				return nil, err
			}
			carries = slices.ContainsFunc(definitions, definition.carriesEver)
			over[l.Meter] = carries
		}
		for _, u := range books.Overlapping(l.Start, l.End, carries) {
			if u.Meter == l.Meter && !slices.Contains(parts, u) {
				parts = append(parts, u)
			}
		}
	}
	return parts, nil
}
