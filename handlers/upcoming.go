package handlers

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// upcomingInvoice serves GET /subscriptions/{uuid}/upcoming-invoice: what the next renewal or end would bill, with the
// usage so far. It is the renewal itself, tried and not recorded.
//
//	out  200 invoice, a draft | 404 no_subscription | 409 nothing_upcoming
func (a *API) upcomingInvoice(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger, id := CallerOf(r).Ledger, PathUUID(r, "uuid")
	command := subscription.Upcoming{ID: id}
	would, err := a.try(r.Context(), ledger, command)
	if err != nil {
		return err
	}
	if command.Counts, command.Position, err = a.usedSoFar(r.Context(), ledger, id, would); err != nil {
		return err
	}
	if len(command.Counts) > 0 {
		if would, err = a.try(r.Context(), ledger, command); err != nil {
			return err
		}
	}
	p := previewOf(would)
	if len(p.Invoices) == 0 {
		return &domain.Error{Kind: domain.Conflict, Code: "nothing_upcoming", State: "nothing", Detail: "its next period is not billed anything"}
	}
	return JSON(w, http.StatusOK, p.Invoices[len(p.Invoices)-1])
}

// try decides a command and records nothing.
func (a *API) try(ctx context.Context, ledger uuid.UUID, c domain.Command) ([]eventstore.Would, error) {
	res, err := a.Store.Execute(ctx, eventstore.Request{Ledger: ledger, Command: c, DryRun: true})
	return res.Would, err
}

// usedSoFar counts what the drafts of a dry run would wait for: what the account has of the period already, what the run cut
// and, unless an earlier draft takes it, late usage of what was billed.
func (a *API) usedSoFar(ctx context.Context, ledger, subscription uuid.UUID, would []eventstore.Would) (counts []account.Count, position int64, err error) {
	state, _, err := a.Store.Fold(ctx, ledger, account.ID(subscription))
	if err != nil {
		return nil, 0, err
	}
	books, ok := state.(*account.State)
	if !ok {
		books = &account.State{}
	}
	if len(books.Counting) > 0 {
		books.Billed = nil
	}
	for _, w := range would {
		if w.Stream == account.ID(subscription) {
			domain.Evolve(books, w.Event, w.Stream, books.Version+1, w.At, w.At)
		}
	}
	var parts []account.Usage
	for draft := range books.Counting {
		parts = append(parts, books.Waiting(draft)...)
	}
	return a.counter().Parts(ctx, ledger, subscription, books, parts)
}
