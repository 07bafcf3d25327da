package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/projections"
)

// movementBody is a line of a customer's statement. Amounts are minor units of its currency.
type movementBody struct {
	Position    int64     `json:"position"`
	At          time.Time `json:"at"`
	Kind        string    `json:"kind"` // invoice, payment, creditNote, void, writeOff, balance
	UUID        uuid.UUID `json:"uuid"` // of the invoice, payment or credit note
	Number      *string   `json:"number"`
	InvoiceUUID uuid.UUID `json:"invoiceUuid"`
	Currency    string    `json:"currency"`
	Amount      int64     `json:"amount"`  // of the document itself
	Change      int64     `json:"change"`  // of what is owed
	Owed        int64     `json:"owed"`    // afterwards
	Balance     int64     `json:"balance"` // in the customer's favour, afterwards
}

// statement serves GET /customers/{uuid}/statement: invoices, payments, credit notes and changes of the balance in the
// order in which they came, with what is owed in their currency after each.
//
//	in   limit, cursor
//	out  200 page of movements | 404 no_customer
func (a *API) statement(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := a.partOf(w, r)
	if err != nil {
		return err
	}
	customer, ledger := PathUUID(r, "uuid"), CallerOf(r).Ledger
	if _, err := a.Reads.Customer(r.Context(), ledger, customer); err != nil {
		return err
	}
	rows, err := a.Reads.Statement(r.Context(), ledger, customer, after, limit+1)
	if err != nil {
		return err
	}
	return listBy(a, w, r, limit, rows, func(m projections.Movement) int64 { return m.Position }, func(m projections.Movement) any {
		return movementBody{m.Position, m.At, m.Kind, m.DocumentID, m.Number, m.InvoiceID, m.Currency, m.Amount, m.Change, m.Owed, m.Balance}
	})
}

// balance serves GET /customers/{uuid}/balance, in each currency that the customer was billed in.
//
//	out  200 [{currency, amount, owed}] | 404 no_customer
func (a *API) balance(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	customer, ledger := PathUUID(r, "uuid"), CallerOf(r).Ledger
	if _, err := a.Reads.Customer(r.Context(), ledger, customer); err != nil {
		return err
	}
	rows, err := a.Reads.Balances(r.Context(), ledger, customer)
	if err != nil {
		return err
	}
	type balance struct {
		Currency string `json:"currency"`
		Amount   int64  `json:"amount"` // credit in the customer's favour
		Owed     int64  `json:"owed"`   // what open invoices have due
	}
	return JSON(w, http.StatusOK, each(rows, func(b projections.Balance) balance { return balance{b.Currency, b.Amount, b.Owed} }))
}
