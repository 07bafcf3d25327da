package handlers

import (
	"context"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// upcomingInvoice serves GET /subscriptions/{uuid}/upcoming-invoice: what the next renewal or end would bill, with the
// usage so far, late usage too; of a subscription that ended, what would be billed of usage that still comes. It is the
// renewal itself, tried and not recorded.
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
	would, err := a.upcoming(r.Context(), ledger, id)
	if err != nil {
		return err
	}
	p := previewOf(would)
	if len(p.Invoices) == 0 {
		return &domain.Error{Kind: domain.Conflict, Code: "nothing_upcoming", State: "nothing", Detail: "its next period is not billed anything"}
	}
	return JSON(w, http.StatusOK, p.Invoices[len(p.Invoices)-1])
}

func (a *API) upcoming(ctx context.Context, ledger, id uuid.UUID) ([]eventstore.Would, error) {
	books, err := a.books(ctx, ledger, id)
	if err != nil {
		return nil, err
	}
	if books.Closing != nil {
		closes, err := a.counter().Close(ctx, ledger, id)
		if err != nil {
			return nil, err
		}
		closes.Show = true
		return a.try(ctx, ledger, closes)
	}
	command := subscription.Upcoming{ID: id}
	would, err := a.try(ctx, ledger, command)
	if err != nil {
		return nil, err
	}
	return a.withUsage(ctx, ledger, id, command, would)
}

// withUsage is what a dry run of a command on a subscription would make, with the usage so far.
func (a *API) withUsage(ctx context.Context, ledger, id uuid.UUID, command domain.Command, would []eventstore.Would) ([]eventstore.Would, error) {
	if !slices.ContainsFunc(would, func(w eventstore.Would) bool { e, ok := w.Event.(account.Invoiced); return ok && e.Counting }) {
		return would, nil
	}
	if _, err := a.Reads.At(ctx, ledger, 0); err != nil { // what was recorded by now is counted
		return nil, err
	}
	counts, position, err := a.usedSoFar(ctx, ledger, id, would)
	if err != nil || len(counts) == 0 {
		return would, err
	}
	counted, err := a.try(ctx, ledger, subscription.WithUsage{Command: command, ID: id, Counts: counts, Position: position})
	if _, refused := domain.AsRefusal(err); refused { // something happened meanwhile: it is as true without
		return would, nil
	}
	return counted, err
}

// countedInvoice is a draft that waits for usage as it would be finalised now; nil for every other invoice.
func (a *API) countedInvoice(ctx context.Context, ledger, id uuid.UUID) (*invoice.State, error) {
	command, err := a.counter().Draft(ctx, ledger, id)
	if err != nil || len(command.Counts) == 0 {
		return nil, err
	}
	state, _, err := a.Store.Fold(ctx, ledger, id)
	if err != nil {
		return nil, err
	}
	draft, ok := state.(*invoice.State)
	if !ok || draft.Status != invoice.Draft {
		return nil, nil
	}
	command.Refresh = true
	would, err := a.try(ctx, ledger, command)
	if _, refused := domain.AsRefusal(err); refused { // it is no draft any more, or can't be finalised: it is shown as it is
		return nil, nil
	}
	for _, w := range would {
		if w.Stream == id {
			draft.Apply(w.Event)
		}
	}
	return draft, err
}

// books are a subscription's account.
func (a *API) books(ctx context.Context, ledger, subscription uuid.UUID) (*account.State, error) {
	state, _, err := a.Store.Fold(ctx, ledger, account.ID(subscription))
	if books, ok := state.(*account.State); ok {
		return books, err
	}
	return &account.State{}, err
}

// try decides a command and records nothing.
func (a *API) try(ctx context.Context, ledger uuid.UUID, c domain.Command) ([]eventstore.Would, error) {
	res, err := a.Store.Execute(ctx, eventstore.Request{Ledger: ledger, Command: c, DryRun: true})
	return res.Would, err
}

// usedSoFar counts what the drafts of a dry run would wait for: what the account has of the period already, what the run cut
// and, unless an earlier draft takes it, late usage of what was billed.
func (a *API) usedSoFar(ctx context.Context, ledger, subscription uuid.UUID, would []eventstore.Would) (counts []account.Count, position int64, err error) {
	books, err := a.books(ctx, ledger, subscription)
	if err != nil {
		return nil, 0, err
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
