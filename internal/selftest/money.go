package selftest

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// money adds up the invoices, credit notes, series of numbers and balances of each ledger from its events, and holds the
// read models of finance against that.
func money(ctx context.Context, x *run, f *Finding) error {
	f.What = "invoices"
	return x.ledgers(ctx, func(id uuid.UUID, end int64) error {
		t := &till{ledger: id, end: end, invoices: map[uuid.UUID]*bill{}, lines: map[uuid.UUID]*asked{}, series: map[string]int64{}, balances: map[purse]int64{}, f: f}
		for after := int64(0); after < end; {
			rows, err := x.pool.Query(ctx, `select position, stream_id, type, case when type ~ '^(invoice|series|balance)\.' then data end from events
				where ledger_id = $1 and position > $2 and position <= $3 order by position limit $4`, id, after, end, page)
			if err != nil {
				return err
			}
			e, n := stored{ledger: id}, 0
			_, err = pgx.ForEachRow(rows, []any{&e.position, &e.stream, &e.kind, &e.data}, func() error {
				if n, after = n+1, e.position; e.data != nil && t.apply(&e) != nil {
					t.wrong(e.position, e.stream, "its data is not that of %s", e.kind)
				}
				return nil
			})
			if err != nil {
				return err
			}
			if n == 0 {
				break // invariant 5 tells of the hole
			}
		}
		f.Checked += int64(len(t.invoices))
		t.close()
		return t.compare(ctx, x)
	})
}

// till is what one ledger's money comes to.
type till struct {
	ledger   uuid.UUID
	end      int64 // position up to which events are read
	invoices map[uuid.UUID]*bill
	lines    map[uuid.UUID]*asked // of what was issued
	series   map[string]int64
	given    string // the number that was given last and is not on a document yet
	balances map[purse]int64
	f        *Finding
}

type purse struct {
	owner    uuid.UUID
	currency string
}

// bill is an invoice.
type bill struct {
	id       uuid.UUID
	at       int64 // position of its last event
	status   string
	payer    purse
	sums     sums
	draft    []line
	applied  int64 // by the balance
	paid     int64
	lowered  int64 // by credit notes
	noted    int64 // credit notes, all of them
	returned int64 // of these, to the balance
	moved    int64 // what the balance changed by for it
	unissued bool  // it came to nothing, and stands for what was billed all the same
}

type sums struct {
	Subtotal int64 `json:"subtotal"`
	Discount int64 `json:"discount_total"`
	Tax      int64 `json:"tax_total"`
	Total    int64 `json:"total"`
}

type line struct {
	ID        uuid.UUID
	Amount    int64
	Reverses  *uuid.UUID
	Discounts []struct{ Amount int64 }
	Taxes     []struct {
		Amount    int64
		Inclusive bool
	}
}

// asked is a line of an invoice and what was taken back of it.
type asked struct {
	of              *bill
	amount, gross   int64
	reversed, noted big.Int // without and with its taxes
}

func (t *till) wrong(position int64, stream uuid.UUID, format string, args ...any) {
	t.f.breach(Breach{Ledger: t.ledger, Position: position, Stream: stream, Problem: fmt.Sprintf(format, args...)})
}

func (t *till) apply(e *stored) error {
	switch e.kind {
	case "series.numbered.v1":
		return t.number(e)
	case "balance.changed.v1":
		return t.balance(e)
	}
	b := t.invoices[e.stream]
	if b == nil {
		b = &bill{id: e.stream}
		t.invoices[e.stream] = b
		if e.kind != "invoice.drafted.v1" {
			t.wrong(e.position, e.stream, "%s of an invoice that was never made", e.kind)
		}
	}
	b.at = e.position
	switch e.kind {
	case "invoice.drafted.v1", "invoice.redrafted.v1":
		return t.draft(e, b)
	case "invoice.finalized.v1":
		return t.issue(e, b)
	case "invoice.discarded.v1":
		var d struct{ Zero bool }
		if err := e.read(&d); err != nil {
			return err
		}
		if b.unissued = d.Zero; d.Zero { // it stands for what was billed all the same
			t.ask(b)
		}
		b.status, b.draft = "void", nil
	case "invoice.payment_recorded.v1":
		var d struct{ Amount int64 }
		if err := e.read(&d); err != nil {
			return err
		}
		b.paid += d.Amount
		t.settle(b)
	case "invoice.paid_from_balance.v1":
		var d struct{ Amount int64 }
		if err := e.read(&d); err != nil {
			return err
		}
		b.applied += d.Amount
		t.settle(b)
	case "invoice.voided.v1":
		b.status, b.applied = "void", 0
	case "invoice.written_off.v1":
		b.status = "uncollectible"
	case "invoice.credited.v1":
		return t.note(e, b)
	}
	return nil
}

func (t *till) draft(e *stored, b *bill) error {
	var d struct {
		sums
		CustomerID     *uuid.UUID `json:"customer_id"`
		SubscriptionID *uuid.UUID `json:"subscription_id"`
		Currency       string
		Lines          []line
	}
	if err := e.read(&d); err != nil {
		return err
	}
	if e.kind == "invoice.drafted.v1" {
		b.payer = purse{e.stream, d.Currency}
		if d.SubscriptionID != nil {
			b.payer.owner = *d.SubscriptionID
		}
		if d.CustomerID != nil {
			b.payer.owner = *d.CustomerID
		}
	} else if b.status != "draft" {
		t.wrong(e.position, e.stream, "the lines of an invoice that is %s were replaced", b.status)
	}
	b.status, b.sums, b.draft = "draft", d.sums, d.Lines
	var subtotal, discount, tax, total big.Int
	for i := range d.Lines {
		l := &d.Lines[i]
		add(&subtotal, l.Amount)
		add(&total, l.gross())
		for _, d := range l.Discounts {
			add(&discount, d.Amount)
		}
		for _, x := range l.Taxes {
			add(&tax, x.Amount)
		}
	}
	for _, s := range []struct {
		name     string
		lines    *big.Int
		recorded int64
	}{{"subtotal", &subtotal, d.Subtotal}, {"discounts", &discount, d.Discount}, {"taxes", &tax, d.Tax}, {"total", &total, d.Total}} {
		if s.lines.Cmp(big.NewInt(s.recorded)) != 0 {
			t.wrong(e.position, e.stream, "%s: the lines add up to %s, the invoice says %d", s.name, s.lines, s.recorded)
		}
	}
	return nil
}

// gross is what a line asks for: less its discounts, with the taxes that its price does not include.
func (l *line) gross() int64 {
	n := l.Amount
	for _, d := range l.Discounts {
		n -= d.Amount
	}
	for _, x := range l.Taxes {
		if !x.Inclusive {
			n += x.Amount
		}
	}
	return n
}

// ask notes a draft's lines as asked for.
func (t *till) ask(b *bill) {
	for i := range b.draft {
		l := &b.draft[i]
		a := t.line(l.ID)
		if a.of != nil {
			t.wrong(b.at, b.id, "line %s is asked for a second time; invoice %s has it", l.ID, a.of.id)
		}
		a.of, a.amount, a.gross = b, l.Amount, l.gross()
		if l.Reverses != nil {
			add(&t.line(*l.Reverses).reversed, -l.Amount)
		}
	}
	b.draft = nil
}

func (t *till) line(id uuid.UUID) *asked {
	a := t.lines[id]
	if a == nil {
		a = &asked{}
		t.lines[id] = a
	}
	return a
}

func (t *till) issue(e *stored, b *bill) error {
	var d struct {
		Number  string
		Applied int64 `json:"balance_applied"`
	}
	if err := e.read(&d); err != nil {
		return err
	}
	if b.status != "draft" {
		t.wrong(e.position, e.stream, "an invoice that is %s was issued", b.status)
	}
	t.take(e, d.Number)
	if d.Applied > max(0, b.sums.Total) || b.sums.Total < 0 && d.Applied != b.sums.Total {
		t.wrong(e.position, e.stream, "the balance pays %d of a total of %d", d.Applied, b.sums.Total)
	}
	b.status, b.applied = "open", d.Applied
	t.ask(b)
	t.settle(b)
	return nil
}

// due is what is still to be paid, which may have come to less than nothing.
func (b *bill) due() int64 {
	if b.status == "draft" || b.status == "void" {
		return 0
	}
	return b.sums.Total - b.applied - b.paid - b.lowered
}

func (t *till) settle(b *bill) {
	switch due := b.due(); {
	case b.status == "draft" || b.status == "void":
		t.wrong(b.at, b.id, "something came in for an invoice that is %s", b.status)
		return
	case due < 0:
		t.wrong(b.at, b.id, "%d more came in than was asked for", -due)
	case due > 0:
		return
	}
	b.status = "paid"
}

// number notes the next of a series, and take the document that got it.
func (t *till) number(e *stored) error {
	var d struct {
		Series string
		Number int64
	}
	if err := e.read(&d); err != nil {
		return err
	}
	if last := t.series[d.Series]; d.Number != last+1 {
		t.wrong(e.position, e.stream, "number %d of the series %s follows %d", d.Number, d.Series, last)
	}
	t.series[d.Series] = d.Number
	t.given = fmt.Sprintf("-%06d", d.Number)
	return nil
}

func (t *till) take(e *stored, number string) {
	if t.given == "" || !strings.HasSuffix(number, t.given) {
		t.wrong(e.position, e.stream, "nothing gave it the number %s", number)
	}
	t.given = ""
}

func (t *till) note(e *stored, b *bill) error {
	var d struct {
		Number string
		Lines  []struct {
			LineID uuid.UUID `json:"line_id"`
			Amount int64
		}
		Amount  int64
		Lowers  int64 `json:"lowers_debt"`
		Returns int64 `json:"to_balance"`
	}
	if err := e.read(&d); err != nil {
		return err
	}
	t.take(e, d.Number)
	var sum big.Int
	for _, l := range d.Lines {
		add(&sum, l.Amount)
		a := t.line(l.LineID)
		add(&a.noted, l.Amount)
		if a.of != b {
			t.wrong(e.position, e.stream, "credit note %s takes something off line %s, which is none of the invoice's", d.Number, l.LineID)
		}
	}
	if sum.Cmp(big.NewInt(d.Amount)) != 0 || d.Lowers+d.Returns != d.Amount {
		t.wrong(e.position, e.stream, "credit note %s over %d has lines of %s, lowers the debt by %d and gives %d to the balance", d.Number, d.Amount, &sum, d.Lowers, d.Returns)
	}
	b.noted, b.lowered, b.returned = b.noted+d.Amount, b.lowered+d.Lowers, b.returned+d.Returns
	if b.noted > b.sums.Total {
		t.wrong(e.position, e.stream, "its credit notes come to %d, and its total is %d", b.noted, b.sums.Total)
	}
	t.settle(b)
	return nil
}

func (t *till) balance(e *stored) error {
	var d struct {
		Owner    uuid.UUID
		Currency string
		Change   int64
		Amount   int64
		Invoice  uuid.UUID
	}
	if err := e.read(&d); err != nil {
		return err
	}
	of := purse{d.Owner, d.Currency}
	t.balances[of] += d.Change
	switch b := t.invoices[d.Invoice]; {
	case t.balances[of] != d.Amount:
		t.wrong(e.position, e.stream, "the balance is %d and its changes add up to %d", d.Amount, t.balances[of])
	case d.Amount < 0:
		t.wrong(e.position, e.stream, "the balance is %d, below nothing", d.Amount)
	case b == nil || b.payer != of:
		t.wrong(e.position, e.stream, "the balance of %s changed in %s for invoice %s, which somebody else pays", d.Owner, d.Currency, d.Invoice)
	default:
		b.moved += d.Change
	}
	return nil
}

func add(sum *big.Int, n int64) { sum.Add(sum, big.NewInt(n)) }
