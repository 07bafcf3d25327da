// Package subscription is a purchase with its seats: one stream, one consistency boundary. A seat is
// a licence of the subscription; every subscription has at least the licences that its plan's type
// calls for (perSeat: one a seat; the others: one).
//
// Vocabulary: subscription, plan terms, seat (a licence), grantee, owner, period, cancellation, task, coupon.
//
// Rules:
//
//	S1 ACTIVE seats stay within the plan's minimum and maximum, seats asked for by open tasks included.
//	S2 Only unassigned seats are removed, never partially; the newest go first. A removed seat is CANCELED for ever.
//	   While open tasks are about to remove seats, as many stay unassigned: no assignment and no other removal takes them.
//	S3 A grantee may hold several seats; an assignment that changes nothing makes no event. Of seats named
//	   by their grantee the oldest is meant, and the oldest unassigned one is assigned.
//	S4 A plan change keeps to the product, and to plans that are sold by now; a change to the plan that it has leads to that plan's
//	   newest version. Seats move to the new plan and its capabilities; when its minimum exceeds the seats, unassigned seats are
//	   added up to it; when its maximum is below them, it is refused. Where a quantity is said that takes fewer seats, or one
//	   licence in their place, unassigned ones are removed with the change.
//	S5 Cancel `now` ends everything at once; `end` keeps access until the period's end. Reactivate only
//	   undoes a scheduled cancellation, before that end. Repeating either makes no event.
//	S6 Periods are half-open and counted from the anchor (design section 6, R2 and R3).
//	S7 Access is a function of the state and the instant, never of whether a scheduler ran.
//	S8 With a provider, seat and plan changes are asked for as tasks and happen when the task succeeds;
//	   without, they happen in the same append. A plan change and a change of quantity are open alone:
//	   with one open, or for one while anything is open, the next change is refused. A cancellation and a pause
//	   are not: they win, and the task fails with what stands in its way by then.
//	S9 What is due by the moment of a command (a trial's end, renewals, a scheduled end) happens before
//	   it, in the same append and dated to its own instant; a command that changes nothing, and an
//	   assignment, which has no use for it, leave it be.
//	S10 A trial is a period of its own. The first paid period begins at its end, which is also the
//	   anchor unless another was asked for; a period that begins between two boundaries is the shorter.
//	   A first period whose end was asked for is as long as that, and its end is the anchor.
//	S11 News of payments is never refused: what changes nothing makes no event.
//	S12 A paused subscription gives no access, does not renew and is not changed; its trial runs on. It
//	   resumes in the status that it would have by then. One that was paused at its start begins when it resumes.
//	S14 A change for the period's end is one at most, and settled when it is asked for, which is refused while a change waits
//	   for the provider; of itself the provider is not asked. It comes
//	   before the renewal and is dropped by a change of plan or quantity that comes first. A scheduled end comes before it.
//	   Where the end comes in a pause, it comes right before the pause ends.
//	S13 A coupon is on a subscription at most once. It is put on and taken off until the subscription ends; putting on
//	   redeems it (catalog rule C8), and repeating either makes no event.
//	S15 A subscription that is PAST_DUE gives access until its grace ends, which was settled when the payment failed; from
//	   that instant on, to the microsecond, it gives none, goes on renewing, and gives access again once all is paid.
//	S16 When a trial of a paid plan ends while its customer has no payment method, the subscription goes on, is paused or
//	   ends, as the settings said when it began (settings rule G2): one event, and access ends at that instant whether or
//	   not anybody records it (S7). So the subscription knows beforehand: Started tells it, and each payment method that
//	   is set or removed while the trial runs tells the customer's trials (customer rule K7). A subscription that is
//	   paused by then stays paused. One that was paused by its trial's end gives access again when it is resumed, and is
//	   billed from there on; a payment method alone does not resume it.
//	S17 A customer who moves to another zone takes along the subscriptions that were in the zone left behind: anchors keep
//	   what local clocks show, and the period under way, whose start stays, ends where the new calendar has its end; a trial
//	   ends when it was to. The same happens, in one zone, when an update of the time zone database moves an end that is
//	   still to come. What is over stays. Prices are for the period as it is then.
//	S18 What is asked for counts from now on, or from an instant that is given: the end of the period under way, or one that
//	   is over, from the subscription's last event on, since events are in order of their instants. What is due by that
//	   instant comes before it, what is due since after it. A period's end that is over and not recorded yet is still one:
//	   what counts from it belongs to the next period. Invoices have the date of the day on which they are asked for.
package subscription

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
)

// Status values are Salable's.
const (
	Active     = "ACTIVE"
	Canceled   = "CANCELED"
	Paused     = "PAUSED"
	Trialing   = "TRIALING"
	Deleted    = "DELETED"
	PastDue    = "PAST_DUE"
	Incomplete = "INCOMPLETE"
)

// Period is half-open: Start counts, End does not. Both UTC.
type Period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Seat is a seat as it is made; a zero grantee is an unassigned one.
type Seat struct {
	ID      uuid.UUID       `json:"id"`
	Grantee domain.Personal `json:"grantee,omitzero"`
}

// Started begins a subscription. Quantity is the number of seats for perSeat plans, otherwise the
// quantity bought, with one licence.
type Started struct {
	Terms         catalog.PlanTerms `json:"terms"`
	Status        string            `json:"status"` // ACTIVE, TRIALING, INCOMPLETE
	CustomerID    *uuid.UUID        `json:"customer_id,omitzero"`
	Quantity      int               `json:"quantity"`
	Currency      string            `json:"currency,omitzero"`
	StartAt       time.Time         `json:"start_at"`
	AnchorAt      time.Time         `json:"anchor_at"`
	TimeZone      string            `json:"time_zone"`
	TrialEnd      *time.Time        `json:"trial_end,omitempty"`
	Period        Period            `json:"period"` // the one that holds StartAt
	ProrationMode string            `json:"proration_mode"`
	Provider      string            `json:"provider"`               // none, manual
	Later         bool              `json:"later,omitzero"`         // it begins after its recording: Begun will tell
	TrialOutcome  string            `json:"trial_outcome,omitzero"` // what the trial's end brings: pause, cancel; empty: it goes on
	Owner         domain.Personal   `json:"owner,omitzero"`
	Email         domain.Personal   `json:"email,omitzero"`
	Seats         []Seat            `json:"seats"`
}

// Begun is the start that had still to come when it was made.
type Begun struct {
	At time.Time `json:"at"`
}

// ChangeRequested reserves what an open task asks for (rules S1, S2, S8): Seats is the change of the seat
// count, negative for removals.
type ChangeRequested struct {
	TaskID uuid.UUID  `json:"task_id"`
	Seats  int        `json:"seats,omitzero"`
	PlanID *uuid.UUID `json:"plan_id,omitzero"`
}

// ChangeAbandoned ends the reservation of a task that failed.
type ChangeAbandoned struct {
	TaskID uuid.UUID `json:"task_id"`
}

// A change that needs no provider happens as it is asked for: its last event's Done is then the type of
// its task, and the task has no stream of its own (rule T2).

// SeatsAdded makes unassigned seats under the terms in force.
type SeatsAdded struct {
	TaskID       uuid.UUID               `json:"task_id"`
	Seats        []uuid.UUID             `json:"seats"`
	Capabilities []catalog.CapabilityRef `json:"capabilities"`
	Quantity     int                     `json:"quantity"` // afterwards
	Proration    string                  `json:"proration"`
	Done         string                  `json:"done,omitzero"`
}

// SeatsRemoved cancels unassigned seats for ever.
type SeatsRemoved struct {
	TaskID    uuid.UUID   `json:"task_id"`
	Seats     []uuid.UUID `json:"seats"`
	Quantity  int         `json:"quantity"` // afterwards
	Proration string      `json:"proration"`
	Done      string      `json:"done,omitzero"`
}

// QuantityChanged is the quantity of a plan that is not sold by the seat; its one licence stays.
type QuantityChanged struct {
	TaskID    uuid.UUID `json:"task_id"`
	Quantity  int       `json:"quantity"` // afterwards
	Proration string    `json:"proration"`
	Done      string    `json:"done,omitzero"`
}

// SeatsAssigned sets grantees; a zero grantee unassigns.
type SeatsAssigned struct {
	Seats []Seat `json:"seats"`
}

// PlanChanged moves the subscription and all its seats to new terms; Added seats are unassigned. Seats
// that the change takes away are removed by a SeatsRemoved of the same task right before it.
type PlanChanged struct {
	TaskID    uuid.UUID         `json:"task_id"`
	Terms     catalog.PlanTerms `json:"terms"`
	Added     []uuid.UUID       `json:"added,omitzero"`
	Quantity  int               `json:"quantity"`
	AnchorAt  time.Time         `json:"anchor_at"`
	Period    Period            `json:"period"`
	Proration string            `json:"proration"`
	Currency  string            `json:"currency,omitzero"` // of a subscription that had none before
	Done      string            `json:"done,omitzero"`
}

// CancellationScheduled ends access at EndsAt, the end of the current period.
type CancellationScheduled struct {
	EndsAt time.Time `json:"ends_at"`
	TaskID uuid.UUID `json:"task_id,omitzero"` // when it was asked for
	Done   string    `json:"done,omitzero"`
}

// Reactivated undoes a scheduled cancellation.
type Reactivated struct{}

// Ended is the end: by `cancel now`, or at the instant that was scheduled.
type Ended struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`           // canceled, expired
	Credit string    `json:"credit,omitzero"`  // prorate, none
	TaskID uuid.UUID `json:"task_id,omitzero"` // when it was asked for
	Done   string    `json:"done,omitzero"`
}

// Renewed begins the next period.
type Renewed struct {
	Period Period `json:"period"`
}

// TrialEnded makes a TRIALING subscription ACTIVE.
type TrialEnded struct {
	At time.Time `json:"at"`
}

// TrialOutcomeChanged says what the trial's end brings as things stand: pause, cancel; empty: it goes on.
type TrialOutcomeChanged struct {
	Outcome string `json:"outcome,omitzero"`
}

// PauseBegan stops access and renewal until it resumes.
type PauseBegan struct {
	At         time.Time `json:"at"`
	Credit     string    `json:"credit,omitzero"`      // prorate, extend, none
	TrialEnded bool      `json:"trial_ended,omitzero"` // without a payment method: it is the trial's end, too
}

// Resumed ends a pause; the period runs on from the anchor. A pause that extends has moved both.
type Resumed struct {
	At       time.Time  `json:"at"`
	Period   Period     `json:"period"`
	AnchorAt *time.Time `json:"anchor_at,omitempty"`
}

// PaymentMissed makes an ACTIVE subscription PAST_DUE. From GraceUntil on it gives no access; nil: it does for ever.
type PaymentMissed struct {
	GraceUntil *time.Time `json:"grace_until,omitempty"`
}

// PaymentSettled makes a PAST_DUE subscription ACTIVE again; settling the first invoice also makes an INCOMPLETE one so.
type PaymentSettled struct{}

// CouponApplied puts a coupon on the subscription: what it takes off, copied, so that a later change of the coupon
// changes nothing here. Several are in order of their being applied.
type CouponApplied struct {
	Coupon
}

// CouponRemoved takes a coupon off again; what it took off before stays so.
type CouponRemoved struct {
	CouponID uuid.UUID `json:"coupon_id"`
}

// Coupon is a discount as a subscription has it.
type Coupon = account.Coupon

// OwnerChanged names another owner.
type OwnerChanged struct {
	Owner domain.Personal `json:"owner,omitzero"`
}

func (Started) EventType() string               { return "subscription.started.v1" }
func (Begun) EventType() string                 { return "subscription.begun.v1" }
func (ChangeRequested) EventType() string       { return "subscription.change_requested.v1" }
func (ChangeAbandoned) EventType() string       { return "subscription.change_abandoned.v1" }
func (SeatsAdded) EventType() string            { return "subscription.seats_added.v1" }
func (SeatsRemoved) EventType() string          { return "subscription.seats_removed.v1" }
func (QuantityChanged) EventType() string       { return "subscription.quantity_changed.v1" }
func (SeatsAssigned) EventType() string         { return "subscription.seats_assigned.v1" }
func (PlanChanged) EventType() string           { return "subscription.plan_changed.v1" }
func (CancellationScheduled) EventType() string { return "subscription.cancellation_scheduled.v1" }
func (Reactivated) EventType() string           { return "subscription.reactivated.v1" }
func (Ended) EventType() string                 { return "subscription.ended.v1" }
func (Renewed) EventType() string               { return "subscription.renewed.v1" }
func (TrialEnded) EventType() string            { return "subscription.trial_ended.v1" }
func (PauseBegan) EventType() string            { return "subscription.paused.v1" }
func (Resumed) EventType() string               { return "subscription.resumed.v1" }
func (PaymentMissed) EventType() string         { return "subscription.payment_missed.v1" }
func (PaymentSettled) EventType() string        { return "subscription.payment_settled.v1" }
func (OwnerChanged) EventType() string          { return "subscription.owner_changed.v1" }
func (CouponApplied) EventType() string         { return "subscription.coupon_applied.v1" }
func (CouponRemoved) EventType() string         { return "subscription.coupon_removed.v1" }
func (TrialOutcomeChanged) EventType() string   { return "subscription.trial_outcome_changed.v1" }

// Vocabulary is for the log's codec.
func Vocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "subscription", New: func() domain.State { return &State{} }, Events: []domain.EventType{
		domain.Named[Started]().Scanned(scanStarted), domain.Named[ChangeRequested](), domain.Named[ChangeAbandoned](),
		domain.Named[SeatsAdded]().Scanned(scanSeatsAdded), domain.Named[SeatsRemoved]().Scanned(scanSeatsRemoved), domain.Named[SeatsAssigned]().Scanned(scanSeatsAssigned),
		domain.Named[PlanChanged](), domain.Named[CancellationScheduled](), domain.Named[Reactivated](),
		domain.Named[Ended](), domain.Named[Renewed]().Scanned(scanRenewed), domain.Named[TrialEnded](), domain.Named[PauseBegan](),
		domain.Named[Resumed](), domain.Named[PaymentMissed](), domain.Named[PaymentSettled](), domain.Named[OwnerChanged](),
		domain.Named[QuantityChanged]().Scanned(scanQuantityChanged), domain.Named[CouponApplied](), domain.Named[CouponRemoved](), domain.Named[Begun](), domain.Named[ChangeScheduled](), domain.Named[ScheduleDropped](),
		domain.Named[TrialOutcomeChanged](), domain.Named[Rezoned](),
	}}
}
