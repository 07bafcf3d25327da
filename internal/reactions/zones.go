package reactions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/projections"
)

// follow takes a customer's subscriptions along into the zone that it moved to (customer rule K8), each in a command of its
// own, and answers the one that tells that all have followed.
func (s *scheduler) follow(ctx context.Context, row projections.DueRow) (domain.Command, error) {
	if s.cfg.Reads == nil {
		return nil, errors.New("without read models nobody knows which subscriptions follow")
	}
	state, position, err := s.cfg.Store.Fold(ctx, row.LedgerID, row.StreamID)
	if err != nil {
		return nil, err
	}
	c, ok := state.(*customer.Customer)
	if !ok {
		return nil, fmt.Errorf("%s is no customer", row.StreamID)
	}
	arrived := customer.Arrive{ID: row.StreamID, Version: c.Version}
	if len(c.Leaving) == 0 {
		return arrived, nil
	}
	// What was bought before the customer was as it is here is in the read model by then; what is bought later is in its zone.
	if err := s.subscribed(ctx, row.LedgerID, position); err != nil {
		return nil, err
	}
	f := projections.SubscriptionFilter{CustomerID: row.StreamID}
	for k := (projections.Keyset{Limit: duePage}); ; {
		page, err := s.cfg.Reads.Subscriptions(ctx, row.LedgerID, f, time.Time{}, k)
		if err != nil {
			return nil, err
		}
		for _, sub := range page {
			k.After = sub.ID
			if sub.EndedAt != nil || !slices.Contains(c.Leaving, sub.TimeZone) {
				continue
			}
			if err := s.rezone(ctx, row.LedgerID, sub.ID, fmt.Sprintf("zone:%s:%d", sub.ID, row.Position)); err != nil {
				return nil, err
			}
		}
		if len(page) < duePage {
			return arrived, nil
		}
	}
}

// subscribed fails while the read model of subscriptions is not at a position yet, whichever process makes it.
func (s *scheduler) subscribed(ctx context.Context, ledger uuid.UUID, position int64) error {
	s.projected(ctx, ledger, position)
	at, err := s.cfg.Reads.KnownTo(ctx, ledger, "subscriptions")
	if err == nil && at < position {
		err = fmt.Errorf("the subscriptions of ledger %s are known to position %d, not yet to %d", ledger, at, position)
	}
	return err
}

func (s *scheduler) rezone(ctx context.Context, ledger, id uuid.UUID, key string) error {
	_, err := s.cfg.Store.Execute(ctx, eventstore.Request{Ledger: ledger, Command: subscription.Rezone{ID: id}, Key: key,
		Fingerprint: sha256.Sum256([]byte(key)), Meta: eventstore.Meta{Actor: "scheduler"}})
	return err
}

// rules looks over all periods under way when this program has another release of the time zone database than the one by
// which that was done last, and moves the ends that lie elsewhere by now (subscription rule S17). Periods that are over
// stay. It is done again from the beginning after a crash: what was moved makes no event. The read models have to know all
// that was recorded before this process began.
func (s *scheduler) rules(ctx context.Context) error {
	if s.cfg.Reads == nil {
		return nil
	}
	var release string
	err := s.cfg.Pool.QueryRow(ctx, `select release from zone_release`).Scan(&release)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) || release == period.ZoneVersion {
		return err
	}
	if s.heads == nil {
		rows, err := s.cfg.Pool.Query(ctx, `select ledger_id, position from ledgers where position > 0`)
		if err != nil {
			return err
		}
		heads := map[uuid.UUID]int64{}
		var id uuid.UUID
		var position int64
		if _, err := pgx.ForEachRow(rows, []any{&id, &position}, func() error { heads[id] = position; return nil }); err != nil {
			return err
		}
		s.heads = heads
	}
	for id, position := range s.heads {
		if err := s.subscribed(ctx, id, position); err != nil {
			return err
		}
		delete(s.heads, id)
	}
	for ledger, id := uuid.Nil, uuid.Nil; ; {
		const limit = 1000
		page, err := projections.Zoned(ctx, s.cfg.Pool, ledger, id, limit)
		if err != nil {
			return err
		}
		for i := range page {
			sub := &page[i]
			ledger, id = sub.LedgerID, sub.ID
			at, err := period.New(sub.AnchorAt, period.Interval{Unit: period.Unit(sub.Terms.Interval), Count: sub.Terms.Length}, sub.TimeZone)
			if err != nil {
				return fmt.Errorf("subscription %s: %w", id, err)
			}
			if _, next := at.At(sub.PeriodEnd); next.Start.Equal(sub.PeriodEnd) {
				continue
			}
			if err := s.rezone(ctx, ledger, id, fmt.Sprintf("zone:%s:%s:%d", id, period.ZoneVersion, sub.PeriodEnd.UnixMicro())); err != nil {
				return err
			}
		}
		if len(page) < limit {
			break
		}
	}
	_, err = s.cfg.Pool.Exec(ctx, `insert into zone_release (release) values ($1) on conflict (only_row) do update set release = excluded.release, checked_at = now()`, period.ZoneVersion)
	return err
}
