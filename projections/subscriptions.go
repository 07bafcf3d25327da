package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// Subscription is a subscription's row: what was recorded. StatusAt, PeriodAt and EndAt say what it
// is at an instant.
type Subscription struct {
	ItemKey
	ProductID     uuid.UUID                   `db:"product_id"`
	PlanID        uuid.UUID                   `db:"plan_id"`
	Terms         catalog.PlanTerms           `db:"terms"`
	TermsPosition int64                       `db:"terms_position"` // from here on these terms are in force
	Status        string                      `db:"status"`
	CustomerID    *uuid.UUID                  `db:"customer_id"`
	Quantity      int                         `db:"quantity"`
	Currency      string                      `db:"currency"`
	StartAt       time.Time                   `db:"start_at"`
	AnchorAt      time.Time                   `db:"anchor_at"`
	TimeZone      string                      `db:"time_zone"`
	TrialEnd      *time.Time                  `db:"trial_end"`
	PeriodStart   time.Time                   `db:"period_start"`
	PeriodEnd     time.Time                   `db:"period_end"`
	ProrationMode string                      `db:"proration_mode"`
	Provider      string                      `db:"provider"`
	Owner         *string                     `db:"owner"`
	Email         *string                     `db:"email"`
	CancelAt      *time.Time                  `db:"cancel_at"`   // the scheduled end; cancelAtPeriodEnd is whether there is one
	CanceledAt    *time.Time                  `db:"canceled_at"` // when the cancellation was asked for
	EndedAt       *time.Time                  `db:"ended_at"`
	EndReason     *string                     `db:"end_reason"` // canceled, expired
	PausedAt      *time.Time                  `db:"paused_at"`
	ResumesAs     *string                     `db:"resumes_as"` // while paused, and when it ended so: the status it would have had otherwise
	OpenChanges   []OpenChange                `db:"open_changes"`
	PendingChange *subscription.PendingChange `db:"pending_change"` // what waits for the end of the period
	Coupons       []subscription.Coupon       `db:"coupons"`
	TrialOutcome  *string                     `db:"trial_outcome"` // what the trial's end brings: pause, cancel; null: it goes on, or has come
	GraceUntil    *time.Time                  `db:"grace_until"`   // a payment is missing: from then on there is no access
	Touched
}

// OpenChange is a change that waits for its task (rule S8).
type OpenChange struct {
	TaskID uuid.UUID  `json:"task_id"`
	Seats  int        `json:"seats,omitzero"`
	PlanID *uuid.UUID `json:"plan_id,omitzero"`
}

// Subscriptions is the read model of subscriptions, without their seats.
func Subscriptions() *Model {
	rows := NewTable[ItemKey, Subscription]("subscriptions")
	return newModel("subscriptions", func(p *Page, e *eventstore.Recorded) {
		if d, ok := e.Event.(subscription.Started); ok {
			row := Subscription{
				ItemKey: key(e), ProductID: d.Terms.ProductID, PlanID: d.Terms.PlanID, Terms: d.Terms, TermsPosition: e.Position,
				Status: d.Status, CustomerID: d.CustomerID, Quantity: d.Quantity, Currency: d.Currency,
				StartAt: d.StartAt, AnchorAt: d.AnchorAt, TimeZone: d.TimeZone, TrialEnd: d.TrialEnd,
				PeriodStart: d.Period.Start, PeriodEnd: d.Period.End, ProrationMode: d.ProrationMode, Provider: d.Provider,
				Owner: text(d.Owner), Email: text(d.Email), OpenChanges: []OpenChange{},
				Coupons: []subscription.Coupon{}, TrialOutcome: filled(d.TrialOutcome),
			}
			row.Touched = row.by(e)
			rows.Put(p, row)
			return
		}
		if e.Kind() != "subscription" {
			return
		}
		row := rows.Must(p, key(e))
		row.apply(e)
		row.Touched = row.by(e)
		rows.Put(p, row)
	}, rows)
}

// apply is every event after the first.
func (s *Subscription) apply(e *eventstore.Recorded) {
	switch d := e.Event.(type) {
	case subscription.ChangeRequested:
		s.OpenChanges = append(s.without(d.TaskID), OpenChange{TaskID: d.TaskID, Seats: d.Seats, PlanID: d.PlanID})
	case subscription.ChangeAbandoned:
		s.OpenChanges = s.without(d.TaskID)
	case subscription.QuantityChanged:
		s.Quantity, s.OpenChanges = d.Quantity, s.without(d.TaskID)
	case subscription.SeatsAdded:
		s.Quantity, s.OpenChanges = d.Quantity, s.without(d.TaskID)
	case subscription.SeatsRemoved:
		s.Quantity, s.OpenChanges = d.Quantity, s.without(d.TaskID)
	case subscription.PlanChanged:
		s.Terms, s.TermsPosition, s.PlanID, s.ProductID = d.Terms, e.Position, d.Terms.PlanID, d.Terms.ProductID
		s.Quantity, s.AnchorAt, s.OpenChanges = d.Quantity, d.AnchorAt, s.without(d.TaskID)
		s.PeriodStart, s.PeriodEnd = d.Period.Start, d.Period.End
		if d.Currency != "" {
			s.Currency = d.Currency
		}
	case subscription.ChangeScheduled:
		quantity := d.Quantity
		s.PendingChange = &subscription.PendingChange{PlanID: d.PlanID, Quantity: &quantity}
		if d.PlanID != nil && quantity == s.Quantity {
			s.PendingChange.Quantity = nil
		}
	case subscription.ScheduleDropped:
		s.PendingChange = nil
	case subscription.CancellationScheduled:
		s.CancelAt, s.CanceledAt = &d.EndsAt, &e.EffectiveAt
	case subscription.Reactivated:
		s.CancelAt, s.CanceledAt = nil, nil
	case subscription.Ended:
		s.PendingChange = nil
		s.Status, s.EndedAt, s.EndReason, s.OpenChanges = subscription.Canceled, &d.At, &d.Reason, []OpenChange{}
		s.PausedAt = nil // ResumesAs stays: it tells that there was no access to end
		if s.CanceledAt == nil {
			s.CanceledAt = &d.At
		}
	case subscription.Renewed:
		s.PendingChange = nil // it came right before
		s.PeriodStart, s.PeriodEnd = d.Period.Start, d.Period.End
	case subscription.TrialEnded:
		s.become(subscription.Trialing, subscription.Active)
		s.TrialOutcome = nil
	case subscription.TrialOutcomeChanged:
		s.TrialOutcome = filled(d.Outcome)
	case subscription.PauseBegan:
		if d.TrialEnded {
			s.become(subscription.Trialing, subscription.Active)
			s.TrialOutcome = nil
		}
		resumes := s.Status
		s.Status, s.ResumesAs, s.PausedAt = subscription.Paused, &resumes, &d.At
	case subscription.Resumed:
		if s.ResumesAs != nil {
			s.Status = *s.ResumesAs
		}
		s.ResumesAs, s.PausedAt = nil, nil
		if !d.Period.Start.Equal(s.PeriodStart) {
			s.PendingChange = nil // it came right before
		}
		s.PeriodStart, s.PeriodEnd = d.Period.Start, d.Period.End
		if d.AnchorAt != nil {
			s.AnchorAt = *d.AnchorAt
		}
	case subscription.PaymentMissed:
		s.become(subscription.Active, subscription.PastDue)
		s.GraceUntil = d.GraceUntil
	case subscription.PaymentSettled:
		s.become(subscription.PastDue, subscription.Active)
		s.GraceUntil = nil
		if s.Status == subscription.Incomplete {
			s.Status = subscription.Active
			if s.TrialEnd != nil {
				s.Status = subscription.Trialing
			}
		}
	case subscription.Rezoned:
		s.TimeZone, s.AnchorAt, s.PeriodEnd = d.TimeZone, d.AnchorAt, d.Period.End
		if d.CancelAt != nil {
			s.CancelAt = d.CancelAt
		}
	case subscription.OwnerChanged:
		s.Owner = text(d.Owner)
	case subscription.CouponApplied:
		s.Coupons = append(slices.Clip(s.Coupons), d.Coupon)
	case subscription.CouponRemoved:
		s.Coupons = slices.DeleteFunc(slices.Clone(s.Coupons), func(c subscription.Coupon) bool { return c.CouponID == d.CouponID })
	}
}

// become changes the status, or the one that a paused subscription resumes in.
func (s *Subscription) become(from, to string) {
	switch {
	case s.Status == from:
		s.Status = to
	case s.Status == subscription.Paused && s.ResumesAs != nil && *s.ResumesAs == from:
		s.ResumesAs = &to
	}
}

// without makes a new list: the old one may belong to a row that is kept.
func (s *Subscription) without(task uuid.UUID) []OpenChange {
	rest := []OpenChange{}
	for _, c := range s.OpenChanges {
		if c.TaskID != task {
			rest = append(rest, c)
		}
	}
	return rest
}

// text is a personal value as a column.
func text(p domain.Personal) *string {
	if p.IsZero() {
		return nil
	}
	return &p.Text
}

// filled is a text as a column.
func filled(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// SubscriptionFilter narrows a list of subscriptions; zero fields do not.
type SubscriptionFilter struct {
	IDs        []uuid.UUID // these alone; unknown ones are left out
	CustomerID uuid.UUID
	PlanID     uuid.UUID
	ProductID  uuid.UUID
	Status     string // at the instant of the query
	Owner      string
	Email      string
}

// Subscription refuses with no_subscription.
func (r *Reads) Subscription(ctx context.Context, ledger, id uuid.UUID) (Subscription, error) {
	w := within(ledger).with("id", id, "s.ledger_id = @ledger and s.id = @id")
	return one[Subscription](ctx, r, ledger, "select s.* from subscriptions s where "+w.String(), w.args,
		domain.Refuse(domain.NotFound, "no_subscription", "%s is not known here", id))
}

// Subscriptions lists subscriptions in order of id; at is the instant at which Filter.Status counts.
func (r *Reads) Subscriptions(ctx context.Context, ledger uuid.UUID, f SubscriptionFilter, at time.Time, k Keyset) ([]Subscription, error) {
	w := within(ledger).and("s.ledger_id = @ledger").after("s", k)
	if f.IDs != nil {
		w.with("ids", f.IDs, "s.id = any(@ids)")
	}
	if f.CustomerID != uuid.Nil {
		w.with("customer", f.CustomerID, "s.customer_id = @customer")
	}
	if f.PlanID != uuid.Nil {
		w.with("plan", f.PlanID, "s.plan_id = @plan")
	}
	if f.ProductID != uuid.Nil {
		w.with("product", f.ProductID, "s.product_id = @product")
	}
	if f.Owner != "" {
		w.with("owner", f.Owner, "s.owner = @owner")
	}
	if f.Email != "" {
		w.with("email", f.Email, "s.email = @email")
	}
	if f.Status != "" {
		w.args["at"] = at
		w.with("status", f.Status, subscriptionStatus+" = @status")
	}
	return query[Subscription](ctx, r, ledger, "select s.* from subscriptions s where "+w.String()+k.tail("s"), w.args)
}

// Zoned lists subscriptions of all ledgers that have not ended and go by the clocks of a zone with rules, in order of ledger
// and id, after one of them (zero: from the beginning). Pool is the application's, which sees all ledgers.
func Zoned(ctx context.Context, pool *pgxpool.Pool, ledger, id uuid.UUID, limit int) ([]Subscription, error) {
	rows, err := pool.Query(ctx, `select * from subscriptions where (ledger_id, id) > ($1, $2) and ended_at is null and time_zone <> 'UTC'
		order by ledger_id, id limit $3`, ledger, id, limit)
	if err != nil {
		return nil, fmt.Errorf("list subscriptions with a zone: %w", err)
	}
	return collect[Subscription](rows)
}
