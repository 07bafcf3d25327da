package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/projections"
)

func (a *API) customerRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/customers", Scope: ScopeCustomersWrite, Serve: a.createCustomer},
		{Method: "GET", Path: "/customers", Scope: ScopeCustomersRead, Serve: a.listCustomers},
		{Method: "GET", Path: "/customers/{uuid}", Scope: ScopeCustomersRead, Serve: a.readCustomer},
		{Method: "PUT", Path: "/customers/{uuid}", Scope: ScopeCustomersWrite, Serve: a.changeCustomer},
		{Method: "GET", Path: "/customers/{uuid}/payment-method", Scope: ScopeCustomersRead, Serve: a.readPaymentMethod},
		{Method: "PUT", Path: "/customers/{uuid}/payment-method", Scope: ScopeCustomersWrite, Serve: a.setPaymentMethod},
		{Method: "DELETE", Path: "/customers/{uuid}/payment-method", Scope: ScopeCustomersWrite, Serve: a.removePaymentMethod},
	}
}

// customerBody is a customer on the wire.
type customerBody struct {
	UUID       uuid.UUID         `json:"uuid"`
	Name       *string           `json:"name"`
	Email      *string           `json:"email"`
	Address    *address          `json:"address"`
	Currency   string            `json:"currency"`
	TimeZone   string            `json:"timeZone"`
	TaxRates   []uuid.UUID       `json:"taxRates"`
	TaxExempt  *exemption        `json:"taxExempt"`
	ExternalID *string           `json:"externalId"`
	Metadata   map[string]string `json:"metadata"`
	Version    int64             `json:"version"` // of the stream; the ETag
	CreatedAt  time.Time         `json:"createdAt"`
	UpdatedAt  time.Time         `json:"updatedAt"`
}

type address struct {
	Line1      *string `json:"line1"`
	Line2      *string `json:"line2"`
	City       *string `json:"city"`
	State      *string `json:"state"`
	PostalCode *string `json:"postalCode"`
	Country    *string `json:"country"`
}

type exemption struct {
	Reason string `json:"reason"`
}

func customerOut(v customer.View) customerBody {
	out := customerShape(v.ID, v.Fields, v.Address.Plain())
	out.Name, out.Email = textOrNull(v.Name.Text), textOrNull(v.Email.Text)
	out.Version, out.CreatedAt, out.UpdatedAt = v.Version, v.CreatedAt, v.UpdatedAt
	return out
}

func customerRow(c projections.Customer) customerBody {
	out := customerShape(c.ID, c.Fields, c.Address)
	out.Name, out.Email = c.Name, c.Email
	out.Version, out.CreatedAt, out.UpdatedAt = c.Version, c.CreatedAt, c.UpdatedAt
	return out
}

func customerShape(id uuid.UUID, f customer.Fields, a customer.PostalAddress) customerBody {
	out := customerBody{UUID: id, Currency: f.Currency, TimeZone: f.TimeZone, TaxRates: f.TaxRates, ExternalID: textOrNull(f.ExternalID), Metadata: f.Metadata}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	if f.TaxExempt != nil {
		out.TaxExempt = &exemption{f.TaxExempt.Reason}
	}
	if a != (customer.PostalAddress{}) {
		out.Address = &address{textOrNull(a.Line1), textOrNull(a.Line2), textOrNull(a.City), textOrNull(a.State), textOrNull(a.PostalCode), textOrNull(a.Country)}
	}
	return out
}

func customerPatch(o *Object, must ...Rule) customer.Patch {
	p := customer.Patch{
		Name: optText(o, "name"), Email: optText(o, "email"), Currency: Opt(o, "currency", o.String, must...), TimeZone: optText(o, "timeZone"),
		ExternalID: optText(o, "externalId"), TaxRates: listOf(o, "taxRates", func(v Value) uuid.UUID { return v.UUID(Required) }),
	}
	if o.Null("taxRates") {
		p.TaxRates = &[]uuid.UUID{}
	}
	if o.Has("address") {
		in := o.Object("address")
		p.Address = &customer.PostalAddress{Line1: in.String("line1"), Line2: in.String("line2"), City: in.String("city"),
			State: in.String("state"), PostalCode: in.String("postalCode"), Country: in.String("country")}
		in.Unknown()
	}
	if o.Has("taxExempt") {
		var exempt *customer.Exemption
		if in := o.Object("taxExempt"); !o.Null("taxExempt") {
			exempt = &customer.Exemption{Reason: in.String("reason", Required)}
			in.Unknown()
		}
		p.TaxExempt = &exempt
	}
	if o.Has("metadata") {
		p.Metadata = metadata(o.Object("metadata"))
	}
	return p
}

// metadata reads texts by keys that the caller chose.
func metadata(o *Object) *map[string]string {
	all := map[string]string{}
	names := o.Rest()
	if len(names) > customer.MaxMetadata {
		o.Bad("bad_metadata", "at most %d entries are allowed", customer.MaxMetadata)
		return &all
	}
	for _, name := range names {
		if all[name] = o.String(name); o.Null(name) {
			o.Get(name).Bad(codeWrongType, "is not a text")
		}
	}
	return &all
}

// createCustomer serves POST /customers.
//
//	in   {name?, email?, address?, currency, timeZone?, taxRates?, taxExempt?, externalId?, metadata?}
//	out  201 customer | 409 external_id_taken | 422
func (a *API) createCustomer(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	p := customerPatch(o, Required)
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, _, err := write[customer.View](a, w, r, body, uuid.Nil, customer.Create{Patch: p})
	if err != nil {
		return err
	}
	return created(w, r, v.ID, v.Version, customerOut(v))
}

// changeCustomer serves PUT /customers/{uuid}: what is left out stays, null removes.
//
//	in   some of createCustomer's fields
//	out  200 customer | 404 no_customer | 409 external_id_taken, currency_is_fixed | 412 | 422
func (a *API) changeCustomer(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	p := customerPatch(o)
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	id := PathUUID(r, "uuid")
	var c domain.Command = customer.Change{ID: id, Patch: p}
	v, _, err := write[customer.View](a, w, r, body, id, c)
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, customerOut(v))
}

// listCustomers serves GET /customers.
//
//	in   limit, cursor, externalId
//	out  200 page of customers, oldest first | 400 invalid_query
func (a *API) listCustomers(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	k := a.keyset(q, r)
	f := projections.CustomerFilter{ExternalID: q.String("externalId", MaxBytes(domain.MaxName))}
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	rows, err := a.Reads.Customers(r.Context(), CallerOf(r).Ledger, f, oneMore(k))
	if err != nil {
		return err
	}
	return listPage(a, w, r, k, rows, func(c projections.Customer) uuid.UUID { return c.ID }, func(c projections.Customer) any { return customerRow(c) })
}

// readCustomer serves GET /customers/{uuid}.
//
//	out  200 customer | 304 | 404 no_customer
func (a *API) readCustomer(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	row, err := a.Reads.Customer(r.Context(), CallerOf(r).Ledger, PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, row.Version, customerRow(row))
}
