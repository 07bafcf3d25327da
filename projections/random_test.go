package projections

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/ledgertest"
)

var grantees = []string{"", "ada", "bob", "cleo"}

// drawn is a random history of one ledger: what commands could have recorded.
type drawn struct {
	t      *rapid.T
	ledger uuid.UUID
	h      *history
	now    time.Time
	n      int
	subs   []*drawnSub
	ad     []uuid.UUID // ad hoc licences that are not over
	buyers []uuid.UUID // customers
	book   *ledgertest.Ledger
	bills  []uuid.UUID // invoices
}

type drawnSub struct {
	id             uuid.UUID
	trial          *time.Time
	paused, cancel bool
	ended          bool
	seats          []uuid.UUID // not removed
	period         subscription.Period
}

func (d *drawn) id() uuid.UUID {
	d.n++
	return id(d.n)
}

func (d *drawn) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(d.t, label) }

func (d *drawn) grantee() domain.Personal {
	return domain.Grantee(grantees[d.pick("grantee", len(grantees))])
}

func (d *drawn) terms() catalog.PlanTerms {
	t := terms(10+d.pick("plan", 3), [][]string{{"read"}, {"read", "write"}, {"admin"}, {}}[d.pick("capabilities", 4)]...)
	t.ProductID = id(1 + d.pick("product", 2))
	return t
}

// drawHistory makes about steps events of a ledger with products 1 and 2.
func drawHistory(t *rapid.T, ledger uuid.UUID, steps int) []*eventstore.Recorded {
	d := &drawn{t: t, ledger: ledger, h: newHistory(), now: day(1), n: 1000, book: ledgertest.New(t, day(1))}
	for p := 1; p <= 2; p++ {
		d.h.add(ledger, id(p), d.now, catalog.ProductCreated{ProductFields: catalog.ProductFields{Name: fmt.Sprint("p", p), DisplayName: "P", PaymentIntegration: "free"}})
	}
	for range steps {
		d.now = d.now.Add(time.Duration(d.pick("hours", 10*24)) * time.Hour)
		switch d.pick("billing", 12) {
		case 0:
			d.bill()
			continue
		case 1:
			d.invoice()
			continue
		}
		d.step()
	}
	return d.h.events[ledger]
}

// drawBills makes what happens to invoices in about so many steps.
func drawBills(t *rapid.T, ledger uuid.UUID, steps int) *drawn {
	d := &drawn{t: t, ledger: ledger, h: newHistory(), now: day(1), n: 1000, book: ledgertest.New(t, day(1))}
	for range steps {
		d.now = d.now.Add(time.Duration(d.pick("hours", 48)) * time.Hour)
		if d.pick("customers", 12) == 0 {
			d.bill()
			continue
		}
		d.invoice()
	}
	return d
}

func (d *drawn) add(stream uuid.UUID, events ...domain.Event) {
	d.h.add(d.ledger, stream, d.now, events...)
}

func (d *drawn) step() {
	if len(d.subs) == 0 || d.pick("new", 6) == 0 {
		d.begin()
		return
	}
	s := d.subs[d.pick("subscription", len(d.subs))]
	if s.ended {
		return
	}
	switch d.pick("action", 13) {
	case 0:
		taskID := d.id()
		added := []uuid.UUID{d.id(), d.id()}
		d.add(taskID, task.Requested{Type: task.CreateSeats, Subject: s.id, Provider: "none"})
		s.seats = append(s.seats, added...)
		d.add(s.id, subscription.SeatsAdded{TaskID: taskID, Seats: added, Capabilities: d.terms().Capabilities, Quantity: len(s.seats)})
		d.add(taskID, task.Succeeded{})
	case 1:
		if n := len(s.seats); n > 1 {
			d.add(s.id, subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: s.seats[n-1]}}},
				subscription.SeatsRemoved{TaskID: d.id(), Seats: slices.Clone(s.seats[n-1:]), Quantity: n - 1})
			s.seats = s.seats[:n-1]
		}
	case 2, 3:
		d.add(s.id, subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: s.seats[d.pick("seat", len(s.seats))], Grantee: d.grantee()}}})
	case 4:
		added := d.id()
		next := d.terms()
		for _, e := range d.h.events[d.ledger] {
			if first, ok := e.Event.(subscription.Started); ok && e.Stream == s.id {
				next.ProductID = first.Terms.ProductID // rule S4
			}
		}
		s.seats = append(s.seats, added)
		d.add(s.id, subscription.PlanChanged{TaskID: d.id(), Terms: next, Added: []uuid.UUID{added}, Quantity: len(s.seats), AnchorAt: s.period.Start, Period: s.period})
	case 5:
		if !s.cancel {
			s.cancel = true
			d.add(s.id, subscription.CancellationScheduled{EndsAt: d.now.AddDate(0, 0, d.pick("ends", 40))})
		} else {
			s.cancel = false
			d.add(s.id, subscription.Reactivated{})
		}
	case 6:
		s.ended = d.pick("really", 3) == 0
		if s.ended {
			d.add(s.id, subscription.Ended{At: d.now, Reason: []string{"canceled", "expired"}[d.pick("reason", 2)]})
		}
	case 7:
		if s.paused = !s.paused; s.paused {
			d.add(s.id, subscription.PauseBegan{At: d.now})
		} else {
			d.add(s.id, subscription.Resumed{At: d.now, Period: s.period})
		}
	case 8:
		switch what := d.pick("trial", 4); {
		case s.trial == nil:
		case what < 2:
			d.add(s.id, subscription.TrialOutcomeChanged{Outcome: []string{"", "pause"}[what]})
		case what == 2 && !s.paused:
			d.add(s.id, subscription.PauseBegan{At: *s.trial, TrialEnded: true})
			s.trial, s.paused = nil, true
		default:
			d.add(s.id, subscription.TrialEnded{At: *s.trial})
			s.trial = nil
		}
	case 9:
		s.period = subscription.Period{Start: s.period.End, End: s.period.End.AddDate(0, 1, 0)}
		d.add(s.id, subscription.Renewed{Period: s.period})
		if d.pick("moves", 3) == 0 {
			s.period.End = s.period.End.Add(7 * time.Hour)
			e := subscription.Rezoned{TimeZone: "America/Los_Angeles", AnchorAt: s.period.Start.Add(7 * time.Hour), Period: s.period}
			if s.cancel {
				e.CancelAt = &s.period.End
			}
			d.add(s.id, e)
		}
	case 10:
		grace := d.now.AddDate(0, 0, d.pick("grace", 10))
		d.add(s.id, []domain.Event{subscription.PaymentMissed{}, subscription.PaymentMissed{GraceUntil: &grace}, subscription.PaymentSettled{}}[d.pick("payment", 3)])
	case 11:
		seat := s.seats[d.pick("seat", len(s.seats))]
		sub := s.id
		d.add(usage.StreamID(seat, "calls"), usage.Recorded{Key: d.id().String(), LicenseID: seat, SubscriptionID: &sub, PlanID: id(10), ProductID: id(1),
			Meter: "calls", Quantity: decimal.New(int64(d.pick("quantity", 2000)-500), -2), At: d.now.Add(-time.Duration(d.pick("ago", 900)) * time.Hour)})
	case 12:
		d.adHoc()
	}
}

// bill draws a tax rate, or what happens to a customer.
func (d *drawn) bill() {
	fields := customer.Fields{Currency: "EUR", TimeZone: []string{"UTC", "Asia/Tokyo"}[d.pick("zone", 2)], TaxRates: []uuid.UUID{},
		ExternalID: []string{"", "a", "b"}[d.pick("external", 3)]}
	if d.pick("metadata", 2) == 0 {
		fields.Metadata, fields.TaxExempt = map[string]string{"b": "", "a": "é"}, &customer.Exemption{Reason: "export"}
	}
	contact := func(of uuid.UUID) customer.Contact {
		about := func(text string) domain.Personal { return domain.About(customer.Subject(of), text) }
		return []customer.Contact{{}, {Name: about("Ada"), Email: about("ada@example.com")}, {Address: customer.Address{City: about("Ulm"), Country: about("DE")}}}[d.pick("contact", 3)]
	}
	what := d.pick("what", 5)
	if len(d.buyers) == 0 || what == 0 {
		of := d.id()
		d.buyers = append(d.buyers, of)
		d.add(of, customer.Created{Fields: fields, Contact: contact(of)})
		return
	}
	of := d.buyers[d.pick("customer", len(d.buyers))]
	switch what {
	case 1:
		d.add(of, []domain.Event{customer.Changed{Fields: fields}, customer.Changed{Fields: fields, LeftZone: "Asia/Tokyo"}, customer.Moved{}}[d.pick("moved", 3)])
	case 2:
		d.add(of, customer.ContactChanged{Contact: contact(of)})
	case 4:
		d.add(of, []domain.Event{customer.PaymentMethodSet{PaymentMethod: customer.PaymentMethod{Provider: "manual", Outcome: "fails"}}, customer.PaymentMethodRemoved{}, customer.ChargeFailed{InvoiceID: d.id()}}[:1+d.pick("removed", 3)]...)
	case 3:
		rate := catalog.TaxRateFields{Name: "VAT", Percentage: decimal.New(int64(d.pick("percent", 1_000_000)), -4), Inclusive: d.pick("inclusive", 2) == 0}
		d.add(d.id(), []domain.Event{catalog.TaxRateCreated{TaxRateFields: rate}, catalog.TaxRateChanged{TaxRateFields: rate}, catalog.TaxRateArchived{}}[:1+d.pick("later", 3)]...)
	}
}

// draft is a command that makes an invoice, or gives it other lines, as a bill does.
type draft struct {
	id    uuid.UUID
	of    invoice.Drafted
	rates []invoice.Rate
	again bool
}

func (c draft) Decide(l domain.Ledger) (any, error) {
	totals, err := invoice.Settle(c.of.Lines, nil, c.rates)
	if err != nil {
		return nil, err
	}
	c.of.Totals = totals
	if c.again {
		l.Append(c.id, invoice.Redrafted{Lines: c.of.Lines, Totals: totals})
	} else {
		l.Append(c.id, c.of)
	}
	return nil, nil
}

// reversal is a command of what a credit on another invoice does to one.
type reversal struct {
	id uuid.UUID
	of invoice.LineReversed
}

func (c reversal) Decide(l domain.Ledger) (any, error) {
	l.Append(c.id, c.of)
	return nil, nil
}

// invoice draws an invoice, or what happens to one: what its own commands say of it.
func (d *drawn) invoice() {
	d.book.SetNow(d.now)
	drafted := func() draft {
		c := draft{of: invoice.Drafted{Currency: []string{"EUR", "USD"}[d.pick("currency", 2)], Reason: invoice.ForManual, Lines: []invoice.Line{}}}
		if d.pick("taxed", 2) == 0 {
			c.rates = []invoice.Rate{{ID: id(77), Percentage: decimal.NewFromInt(19), Inclusive: d.pick("inclusive", 2) == 0}}
		}
		for range 1 + d.pick("lines", 3) {
			unit := decimal.New(int64(d.pick("unit", 9000)), -2)
			l := invoice.Line{ID: d.id(), Kind: invoice.KindUsage, Description: "é", SubscriptionID: id(5), PlanID: id(6), PlanVersion: 2, ProductID: id(1), PriceKey: "a", Quantity: "23/3",
				UnitAmount: &unit, Amount: int64(d.pick("amount", 9000) - 2000), Period: period.Period{Start: day(1), End: day(31)}, Share: period.Share{Part: 1, Whole: 3}, ProrationMode: "second", Events: []int64{1, 7}}
			c.of.Lines = append(c.of.Lines, l)
		}
		return c
	}
	var c domain.Command
	if len(d.bills) == 0 || d.pick("draft", 3) == 0 {
		made := drafted()
		made.id = d.id()
		if len(d.buyers) > 0 {
			made.of.CustomerID = &d.buyers[d.pick("buyer", len(d.buyers))]
		} else if len(d.subs) > 0 {
			made.of.SubscriptionID, made.of.Period = &d.subs[0].id, &period.Period{Start: day(1), End: day(31)}
		}
		d.bills, c = append(d.bills, made.id), made
	} else {
		of, amount := d.bills[d.pick("invoice", len(d.bills))], int64(1+d.pick("amount", 5000))
		s := d.book.State(of).(*invoice.State)
		switch d.pick("what", 11) {
		case 9:
			c = invoice.RecordPayment{ID: of, Amount: 1 + amount/10, Method: invoice.FromBalance}
		case 10:
			c = reversal{of, invoice.LineReversed{LineID: s.Lines[0].ID, CreditID: d.id(), Amount: amount}}
		case 0, 1, 2:
			c = invoice.Finalize{ID: of, DaysUntilDue: 14}
		case 3:
			c = invoice.RecordPayment{ID: of, Amount: amount, Method: "wire"}
		case 4:
			c = invoice.IssueCreditNote{ID: of, Amount: amount, Reason: "an outage"}
		case 5:
			c = invoice.Cancel{ID: of}
		case 6:
			c = invoice.WriteOff{ID: of}
		case 7:
			c = invoice.RecordDocument{ID: of, Documented: invoice.Documented{SHA256: strings.Repeat("a", 64), Template: 1, Size: amount}}
		case 8:
			if s.Status != invoice.Draft {
				return
			}
			again := drafted()
			again.id, again.again = of, true
			c = again
		}
	}
	_, events, err := d.book.Execute(c)
	if _, refused := domain.AsRefusal(err); err != nil && !refused {
		d.t.Fatalf("%T: %v", c, err)
	}
	for _, e := range events {
		d.add(e.Stream, e.Event)
	}
}

func (d *drawn) begin() {
	e := started(10, 0, "")
	e.Terms = d.terms()
	e.Status = []string{subscription.Active, subscription.Trialing, subscription.Incomplete}[d.pick("status", 3)]
	e.StartAt = d.now.AddDate(0, 0, d.pick("start", 4))
	e.AnchorAt, e.Period = e.StartAt, subscription.Period{Start: e.StartAt, End: e.StartAt.AddDate(0, 1, 0)}
	s := &drawnSub{id: d.id()}
	if e.Status == subscription.Trialing {
		end := e.StartAt.AddDate(0, 0, 7)
		e.TrialOutcome = []string{"", "pause", "cancel"}[d.pick("outcome", 3)]
		e.TrialEnd, e.Period.End, e.AnchorAt, s.trial = &end, end, end, &end
	}
	e.Seats = nil
	for range 1 + d.pick("seats", 3) {
		seat := subscription.Seat{ID: d.id(), Grantee: d.grantee()}
		e.Seats, s.seats = append(e.Seats, seat), append(s.seats, seat.ID)
	}
	s.period = e.Period
	d.subs = append(d.subs, s)
	d.add(s.id, e)
}

func (d *drawn) adHoc() {
	if len(d.ad) == 0 || d.pick("grant", 2) == 0 {
		stream := d.id()
		d.ad = append(d.ad, stream)
		start := d.now.AddDate(0, 0, d.pick("later", 3))
		d.add(stream, license.Granted{Terms: d.terms(), Status: []string{license.Active, license.Evaluation}[d.pick("kind", 2)], Grantee: d.grantee(),
			Purchaser: domain.Owner("acme"), StartTime: start, EndTime: start.AddDate(0, 0, 1+d.pick("days", 40))})
		return
	}
	i := d.pick("license", len(d.ad))
	if d.pick("end", 2) == 0 {
		d.add(d.ad[i], license.Ended{At: d.now, Reason: []string{"canceled", "expired"}[d.pick("reason", 2)]})
		d.ad = slices.Delete(d.ad, i, i+1)
		return
	}
	d.add(d.ad[i], license.Assigned{Grantee: d.grantee()})
}
