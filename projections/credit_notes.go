package projections

import (
	"context"

	"github.com/google/uuid"
)

// CreditNoteFilter narrows a list of credit notes; zero fields do not.
type CreditNoteFilter struct{ InvoiceID, CustomerID uuid.UUID }

// CreditNotes lists credit notes in the order of their events, after a position.
func (r *Reads) CreditNotes(ctx context.Context, ledger uuid.UUID, f CreditNoteFilter, after int64, limit int) ([]CreditNote, error) {
	w := within(ledger).and("n.ledger_id = @ledger").with("after", after, "n.position > @after")
	if f.InvoiceID != uuid.Nil {
		w.with("invoice", f.InvoiceID, "n.invoice_id = @invoice")
	}
	if f.CustomerID != uuid.Nil {
		w.with("customer", f.CustomerID, "n.customer_id = @customer")
	}
	w.args["limit"] = Keyset{Limit: limit}.limit()
	return query[CreditNote](ctx, r, ledger, "select n.* from credit_notes n where "+w.String()+" order by n.position limit @limit", w.args)
}
