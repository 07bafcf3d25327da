// Package account is what a subscription was billed and is about to be: the lines of the time under way, what was taken
// back of each, the lines that wait for an invoice, the parts of a period that are billed at its end. Each subscription
// has one, a stream of its own; it is told what was bought as a value and knows nothing of seats or licences.
//
// Vocabulary: line, running (a line whose time is not over), pending (it waits for an invoice), part (of a period, at one
// price and quantity), counting (usage that is billed once it is counted).
//
// Rules (design section 6; the decisions of the billing cases):
//
//	B1 A price in advance is one line a period, for its share of the whole anchored period. A change credits running
//	   lines, each over its own time, and debits the rest of the period.
//	B2 More units at a price of so much a unit are one debit of the difference; fewer are credited on the latest line
//	   first. At any other price the old line's rest is credited and the rest of the period debited anew.
//	B3 A price in arrears is a line for each part of the period in which nothing about it changed, at the period's end.
//	B4 What waits goes on the next invoice of its subscription, whatever that is for. A line of nothing is left out, but
//	   on the invoice of a period.
//	B5 A coupon counts its months by the invoices of periods, from its first on, and discounts what begins within them.
//	   An amount is taken off once a period; what credits give back of it may be taken again.
//	B6 A line has the tax rates of when it was made; a customer that was exempt then has none on it.
//	B8 Usage is billed as the difference to what was billed of its part: later usage is an adjustment on the next invoice,
//	   less usage a credit note on the one that billed it. Once usage was billed, each period's invoice waits for it, also
//	   at a plan without meters. After an end there is a last one, when the time is over in which usage is taken.
//	B7 A pause that is credited takes back its time when it ends; one that extends the period moves it, and the line with
//	   it.
//	B9 When the period under way ends elsewhere on another calendar, so do the lines that run to its end, and a coupon's
//	   time with it: what is not used of a line is a part of its time as that is then.
//	B10 A credit is a part of what was asked for, paid or not. It pays what is due of the invoices that it credits, the rest
//	   goes to the payer's balance: nobody gets back what was not paid.
package account

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
)

// Accrued are lines that wait: Pending ones for the next invoice, Parts for the end of their period.
type Accrued struct {
	Pending  []invoice.Line `json:"pending,omitempty"`
	Debits   []Running      `json:"debits,omitempty"`   // those of them that are no credits
	Credited []Credited     `json:"credited,omitempty"` // what the credits among them take back
	Parts    []invoice.Line `json:"parts,omitempty"`
	Usage    []Usage        `json:"usage,omitempty"` // parts whose usage is counted at the end of their period
	Since    *time.Time     `json:"since,omitempty"` // from when the part under way runs
}

// Credited is what a credit takes back of a running line.
type Credited struct {
	LineID uuid.UUID `json:"line_id"`
	Amount int64     `json:"amount"`
	Units  int64     `json:"units,omitzero"` // it has so many fewer from now on
	All    bool      `json:"all,omitzero"`   // nothing of it runs any more
	// Returned is what was given back of each of its discounts by now.
	Returned []int64 `json:"returned,omitempty"`
}

// Usage is a metered price for a part of a period.
type Usage struct {
	PlanID      uuid.UUID     `json:"plan_id"`
	PlanVersion int           `json:"plan_version"`
	PriceKey    string        `json:"price_key"`
	Meter       string        `json:"meter"`
	Period      period.Period `json:"period"`
	Share       period.Share  `json:"share"` // of the price's own period
}

// Invoiced tells what an invoice was drafted with: all that waited, and lines of its own.
type Invoiced struct {
	InvoiceID uuid.UUID      `json:"invoice_id"`
	Reason    string         `json:"reason"`
	Period    *period.Period `json:"period,omitempty"` // of a period's invoice
	Ended     bool           `json:"ended,omitzero"`   // a period is over: its parts are on it
	Lines     []Running      `json:"lines,omitempty"`  // of it, those whose time is not over
	Made      int            `json:"made,omitzero"`    // lines made for it
	Coupons   []Counted      `json:"coupons,omitempty"`
	Counting  bool           `json:"counting,omitzero"` // usage is yet to be counted: of the period, or late
}

// Running is a line whose time is not over.
type Running struct {
	LineID    uuid.UUID `json:"line_id"`
	InvoiceID uuid.UUID `json:"invoice_id,omitzero"` // nil while it is pending
	PriceKey  string    `json:"price_key"`
	End       time.Time `json:"end"`
	Units     int64     `json:"units,omitzero"` // of a price of so much a unit
	Of        int64     `json:"of,omitzero"`    // those that it had
	Credited  int64     `json:"credited,omitzero"`
	Returned  []int64   `json:"returned,omitempty"` // of its discounts
	Moved     int64     `json:"moved,omitzero"`     // by pauses that extended it, in microseconds
}

// Counted is how many periods a coupon has discounted.
type Counted struct {
	CouponID uuid.UUID  `json:"coupon_id"`
	Periods  int        `json:"periods"`
	Until    *time.Time `json:"until,omitempty"` // the end of the last one, once it is known
}

// Extended moves the end of what runs: a pause took its time.
type Extended struct {
	By int64 `json:"by"` // microseconds
}

// Rezoned moves the end of the period under way, and what ends with it.
type Rezoned struct {
	Was time.Time `json:"was"`
	End time.Time `json:"end"`
}

// UsageBilled is what a price came to for the usage of a part, all that was billed of it so far.
type UsageBilled struct {
	InvoiceID uuid.UUID `json:"invoice_id"`
	Usage     []Metered `json:"usage,omitempty"`
	Position  int64     `json:"position"` // what the log had up to here was counted
}

// Metered is usage as it was billed.
type Metered struct {
	Usage
	Quantity string        `json:"quantity"`
	Amount   int64         `json:"amount"` // of all that was billed of it
	Lines    []MeteredLine `json:"lines,omitempty"`
}

// MeteredLine is a line that billed usage, and what of it was not credited since.
type MeteredLine struct {
	InvoiceID uuid.UUID `json:"invoice_id"`
	LineID    uuid.UUID `json:"line_id"`
	Amount    int64     `json:"amount"`
}

// ChargeFailed is an invoice that the payment method did not pay.
type ChargeFailed struct {
	InvoiceID uuid.UUID `json:"invoice_id"`
}

// Settled is such an invoice that was paid after all, or is not asked for any more.
type Settled struct {
	InvoiceID uuid.UUID `json:"invoice_id"`
}

func (Accrued) EventType() string      { return "account.accrued.v1" }
func (Invoiced) EventType() string     { return "account.invoiced.v1" }
func (Extended) EventType() string     { return "account.extended.v1" }
func (Rezoned) EventType() string      { return "account.rezoned.v1" }
func (UsageBilled) EventType() string  { return "account.usage_billed.v1" }
func (ChargeFailed) EventType() string { return "account.charge_failed.v1" }
func (Settled) EventType() string      { return "account.settled.v1" }

// Vocabulary is for the log's codec.
func Vocabulary() domain.Vocabulary {
	return domain.Vocabulary{Kind: "account", New: func() domain.State { return &State{} }, Events: []domain.EventType{
		domain.Named[Accrued](), domain.Named[Invoiced](), domain.Named[Extended](), domain.Named[UsageBilled](), domain.Named[ChargeFailed](),
		domain.Named[Settled](), domain.Named[Rezoned](), domain.Named[Closing](), domain.Named[Closed]()}}
}

// Closing tells how long usage from before the end of a subscription is taken: what comes by then is billed when that is over.
type Closing struct {
	SubscriptionID uuid.UUID `json:"subscription_id"`
	EndedAt        time.Time `json:"ended_at"`
	Until          time.Time `json:"until"` // this instant included
}

// Closed is an account that is billed nothing any more, and of which no usage is taken.
type Closed struct {
	SubscriptionID uuid.UUID `json:"subscription_id"`
}

func (Closing) EventType() string { return "account.closing.v1" }
func (Closed) EventType() string  { return "account.closed.v1" }

// ids is the name space of account streams.
var ids = uuid.MustParse("0c5f7a52-38b1-5d4e-8f4b-6a1d9e7c2b30")

// ID is the stream of a subscription's account.
func ID(subscription uuid.UUID) uuid.UUID { return uuid.NewSHA1(ids, subscription[:]) }

// nextID is the n-th id that an account gives at an instant: the scheduler's do not hang on when it ran.
func nextID(account uuid.UUID, what string, at time.Time, n int) uuid.UUID {
	return domain.DeriveID(uuid.NewSHA1(account, strconv.AppendInt([]byte(what), int64(n), 10)), at, n)
}
