package handlers

import (
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/eventstore"
)

// previewBody is what a dry run would be billed: the invoices that it would make, as drafts, and the lines that would wait
// for the next one. They are those that the command itself makes, from the same events.
type previewBody struct {
	Invoices     []invoiceBody `json:"invoices"`
	PendingLines []lineBody    `json:"pendingLines"`
}

func previewOf(would []eventstore.Would) *previewBody {
	var order []uuid.UUID
	drafts, waiting := map[uuid.UUID]*invoice.State{}, []invoice.Line{}
	for _, w := range would {
		switch e := w.Event.(type) {
		case invoice.Drafted:
			s := &invoice.State{}
			domain.Evolve(s, e, w.Stream, 1, w.At, w.At)
			order, drafts[w.Stream] = append(order, w.Stream), s
		case invoice.Redrafted:
			if s := drafts[w.Stream]; s != nil {
				domain.Evolve(s, e, w.Stream, 2, w.At, w.At)
			}
		case account.Accrued:
			waiting = append(waiting, e.Pending...)
		case account.Invoiced:
			waiting = nil
		}
	}
	out := &previewBody{Invoices: []invoiceBody{}, PendingLines: each(waiting, lineOut)}
	for _, id := range order {
		out.Invoices = append(out.Invoices, invoiceOut(drafts[id].View()))
	}
	return out
}

// previewed adds to a subscription what a dry run would be billed.
func previewed(s subscriptionBody, res eventstore.Result) subscriptionBody {
	if res.DryRun {
		s.Preview = previewOf(res.Would)
	}
	return s
}

// previewOfInvoice is what a dry run of a command on an invoice would come to: the invoice as it would be, and what else it
// would bring; nil of a command that was executed.
func previewOfInvoice(v invoice.View, res eventstore.Result) *previewBody {
	if !res.DryRun {
		return nil
	}
	p := previewOf(res.Would)
	others := slices.DeleteFunc(p.Invoices, func(i invoiceBody) bool { return i.UUID == v.ID })
	p.Invoices = append([]invoiceBody{invoiceOut(v)}, others...)
	return p
}
