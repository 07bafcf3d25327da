package handlers

import (
	"bytes"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/invoice"
)

// ExplanationBody is how an invoice came about, on the wire and at the command line. Results are minor units of its
// currency.
type ExplanationBody struct {
	InvoiceUUID uuid.UUID      `json:"invoiceUuid"`
	Number      *string        `json:"number"` // null: it is a draft, or was discarded as one
	Status      string         `json:"status"`
	Reason      string         `json:"reason"`
	Currency    string         `json:"currency"`
	Agrees      bool           `json:"agrees"` // all of it
	Lines       []explainedOne `json:"lines"`
	Coupons     []stepBody     `json:"coupons"`
	TaxRates    []stepBody     `json:"taxRates"`
	Totals      []stepBody     `json:"totals"`
}

type explainedOne struct {
	LineUUID    uuid.UUID  `json:"lineUuid"`
	Kind        string     `json:"kind"`
	Description string     `json:"description"`
	PlanUUID    uuid.UUID  `json:"planUuid"`
	PlanVersion int        `json:"planVersion"`
	PriceKey    string     `json:"priceKey"`
	PricedAt    *int64     `json:"pricedAt"` // position of the event that made that version; null: it is not there
	Amount      stepBody   `json:"amount"`
	Discounts   []stepBody `json:"discounts"`
	Taxes       []stepBody `json:"taxes"`
}

type stepBody struct {
	Name     string   `json:"name"`
	Formula  string   `json:"formula"`
	Inputs   inputs   `json:"inputs"`
	Exact    string   `json:"exact"`
	Rounding *string  `json:"rounding"` // null: there is nothing to round
	Result   int64    `json:"result"`
	Recorded int64    `json:"recorded"`
	Events   []int64  `json:"events"`
	Agrees   bool     `json:"agrees"`
	Notes    []string `json:"notes"`
}

// inputs are an object whose members stay in order.
type inputs []explain.Input

// UnmarshalJSON implements json.Unmarshaler.
func (all *inputs) UnmarshalJSON(data []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	*all = inputs{}
	for {
		name, err := d.ReadToken()
		switch {
		case err != nil:
			return err
		case name.Kind() == '{':
			continue
		case name.Kind() != '"':
			return nil
		}
		text := name.String()
		value, err := d.ReadToken()
		if err != nil {
			return err
		}
		*all = append(*all, explain.Input{Name: text, Value: value.String()})
	}
}

// MarshalJSON implements json.Marshaler.
func (all inputs) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := jsontext.NewEncoder(&b)
	err := e.WriteToken(jsontext.BeginObject)
	for _, i := range all {
		if err == nil {
			err = e.WriteToken(jsontext.String(i.Name))
		}
		if err == nil {
			err = e.WriteToken(jsontext.String(i.Value))
		}
	}
	if err == nil {
		err = e.WriteToken(jsontext.EndObject)
	}
	return bytes.TrimSpace(b.Bytes()), err
}

// ExplanationOut shows an explanation.
func ExplanationOut(e explain.Explanation) ExplanationBody {
	return ExplanationBody{InvoiceUUID: e.InvoiceID, Number: textOrNull(e.Number), Status: e.Status, Reason: e.Reason, Currency: e.Currency, Agrees: e.Agrees,
		Lines: each(e.Lines, explainedLine), Coupons: each(e.Coupons, stepOut), TaxRates: each(e.Rates, stepOut), Totals: each(e.Totals, stepOut)}
}

func explainedLine(l explain.Line) explainedOne {
	out := explainedOne{LineUUID: l.LineID, Kind: l.Kind, Description: l.Description, PlanUUID: l.PlanID, PlanVersion: l.PlanVersion, PriceKey: l.PriceKey,
		Amount: stepOut(l.Amount), Discounts: each(l.Discounts, stepOut), Taxes: each(l.Taxes, stepOut)}
	if l.PricedAt > 0 {
		out.PricedAt = &l.PricedAt
	}
	return out
}

func stepOut(s explain.Step) stepBody {
	return stepBody{s.Name, s.Formula, s.Inputs, s.Exact, textOrNull(s.Rounding), s.Result, s.Recorded, append([]int64{}, s.Events...), s.Agrees, append([]string{}, s.Notes...)}
}

// explainInvoice serves GET /invoices/{uuid}/explain: how each amount came about, worked out again from the log.
//
//	out  200 explanation | 304 | 404 no_invoice
func (a *API) explainInvoice(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger := CallerOf(r).Ledger
	state, _, err := a.Store.Fold(r.Context(), ledger, PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	of, ok := state.(*invoice.State)
	if !ok {
		return domain.Refuse(domain.NotFound, "no_invoice", "there is no such invoice")
	}
	got, err := explain.Invoice(a.counter().Source(r.Context(), ledger), of)
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, of.Version, ExplanationOut(got))
}
