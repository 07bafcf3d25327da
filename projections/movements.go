package projections

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/eventstore"
)

type balanceKey struct {
	LedgerID uuid.UUID `db:"ledger_id"`
	OwnerID  uuid.UUID `db:"owner_id"` // a customer, or the subscription or invoice without one
	Currency string    `db:"currency"`
}

// Key implements Keyed.
func (k balanceKey) Key() balanceKey { return k }

// Balance is what a payer has in their favour and owes in a currency, in minor units.
type Balance struct {
	balanceKey
	Amount    int64     `db:"amount"` // never below 0
	Owed      int64     `db:"owed"`   // the sum of what invoices have due
	Position  int64     `db:"position"`
	UpdatedAt time.Time `db:"updated_at"`
}

// What moved on a statement.
const (
	MovedInvoice    = "invoice"
	MovedPayment    = "payment"
	MovedCreditNote = "creditNote"
	MovedVoid       = "void"
	MovedWriteOff   = "writeOff"
	MovedBalance    = "balance"
)

type movementKey struct {
	LedgerID uuid.UUID `db:"ledger_id"`
	Position int64     `db:"position"`
}

// Key implements Keyed.
func (k movementKey) Key() movementKey { return k }

// Movement is a line of a payer's statement.
type Movement struct {
	movementKey
	OwnerID    uuid.UUID `db:"owner_id"`
	Currency   string    `db:"currency"`
	Kind       string    `db:"kind"`
	DocumentID uuid.UUID `db:"document_id"`
	Number     *string   `db:"number"` // of the invoice or credit note
	InvoiceID  uuid.UUID `db:"invoice_id"`
	Amount     int64     `db:"amount"`  // of the document itself, or of a change of the balance
	Change     int64     `db:"change"`  // of what is owed
	Owed       int64     `db:"owed"`    // afterwards
	Balance    int64     `db:"balance"` // afterwards
	At         time.Time `db:"at"`
}

// within64 is a sum, at most what an int64 holds: a payer may owe more than that, and a wrapped number would say the opposite.
func within64(a, b int64) int64 {
	sum, err := money.Sum(a, b)
	switch {
	case err == nil:
		return sum
	case b > 0:
		return math.MaxInt64
	}
	return math.MinInt64
}

// move notes a movement and what is owed after it.
func (t *invoices) move(p *Page, e *eventstore.Recorded, owner uuid.UUID, currency string, m Movement) {
	b, _ := t.balances.Get(p, balanceKey{e.Ledger, owner, currency})
	b.balanceKey = balanceKey{e.Ledger, owner, currency}
	b.Owed, b.Position, b.UpdatedAt = within64(b.Owed, m.Change), e.Position, e.RecordedAt
	if d, ok := e.Event.(invoice.BalanceChanged); ok {
		b.Amount = d.Amount
	}
	t.balances.Put(p, b)
	m.movementKey, m.OwnerID, m.Currency, m.Owed, m.Balance, m.At = movementKey{e.Ledger, e.Position}, owner, currency, b.Owed, b.Amount, e.EffectiveAt
	t.movements.Put(p, m)
}

// balanceChanged is what the balance paid of an invoice, or got: from a negative total, from a credit note over what
// was due, from what is void.
func (t *invoices) balanceChanged(p *Page, e *eventstore.Recorded, d invoice.BalanceChanged) {
	of := t.rows.Must(p, ItemKey{e.Ledger, d.Invoice})
	m := Movement{Kind: MovedBalance, DocumentID: d.Invoice, Number: of.Number, InvoiceID: d.Invoice, Amount: d.Change}
	if d.Change < 0 && of.Status != invoice.Void { // else a credit that is taken back
		m.Change = d.Change
	}
	t.move(p, e, d.Owner, d.Currency, m)
}

// Balances are what a payer has in their favour, by currency.
func (r *Reads) Balances(ctx context.Context, ledger, owner uuid.UUID) ([]Balance, error) {
	return query[Balance](ctx, r, ledger, `select b.* from balances b where b.ledger_id = @ledger and b.owner_id = @owner order by b.currency limit 1000`,
		pgx.NamedArgs{"ledger": ledger, "owner": owner})
}

// Statement lists a payer's movements in order, after a position.
func (r *Reads) Statement(ctx context.Context, ledger, owner uuid.UUID, after int64, limit int) ([]Movement, error) {
	return query[Movement](ctx, r, ledger, `select m.* from movements m
		where m.ledger_id = @ledger and m.owner_id = @owner and m.position > @after order by m.position limit @limit`,
		pgx.NamedArgs{"ledger": ledger, "owner": owner, "after": after, "limit": Keyset{Limit: limit}.limit()})
}
