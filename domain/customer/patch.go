package customer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/period"
)

// Bounds of a customer.
const (
	maxTaxRates    = 20
	MaxMetadata    = 50  // entries
	maxMetadataKey = 40  // bytes
	maxMetadata    = 500 // bytes of a value
)

// Patch sets some of a customer's fields: nil leaves one. The empty text removes one, of the time zone what is not UTC; a
// pointer to nil and an empty list or map do too.
type Patch struct {
	Name       *string
	Email      *string
	Address    *PostalAddress // as a whole
	Currency   *string
	TimeZone   *string
	TaxRates   *[]uuid.UUID
	TaxExempt  **Exemption
	ExternalID *string
	Metadata   *map[string]string // as a whole
}

// PostalAddress is an address in plain text.
type PostalAddress struct {
	Line1      string `json:"line1,omitzero"`
	Line2      string `json:"line2,omitzero"`
	City       string `json:"city,omitzero"`
	State      string `json:"state,omitzero"`
	PostalCode string `json:"postal_code,omitzero"`
	Country    string `json:"country,omitzero"`
}

// Plain is the address in plain text.
func (a Address) Plain() PostalAddress {
	return PostalAddress{a.Line1.Text, a.Line2.Text, a.City.Text, a.State.Text, a.PostalCode.Text, a.Country.Text}
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// apply sets what is not personal.
func (p Patch) apply(f *Fields) {
	set(&f.Currency, p.Currency)
	set(&f.TimeZone, p.TimeZone)
	set(&f.TaxRates, p.TaxRates)
	set(&f.TaxExempt, p.TaxExempt)
	set(&f.ExternalID, p.ExternalID)
	set(&f.Metadata, p.Metadata)
}

// contact is what the patch, which was checked, makes of a contact.
func (p Patch) contact(c Contact, subject string) Contact {
	about := func(to *domain.Personal, text string) { *to = domain.About(subject, text) }
	if p.Name != nil {
		about(&c.Name, *p.Name)
	}
	if p.Email != nil {
		about(&c.Email, *p.Email)
	}
	if a := p.Address; a != nil {
		for i, text := range []string{a.Line1, a.Line2, a.City, a.State, a.PostalCode, strings.ToUpper(a.Country)} {
			about(c.all()[2+i], text)
		}
	}
	return c
}

// check lists what is wrong with the patch's contact.
func (p Patch) check(bad *domain.Problems) {
	bad.OptionalLine("/name", "bad_name", p.Name, domain.MaxName)
	if p.Email != nil {
		bad.Email("/email", *p.Email)
	}
	a := p.Address
	if a == nil {
		return
	}
	bad.OptionalLine("/address/line1", "bad_line1", &a.Line1, domain.MaxName)
	bad.OptionalLine("/address/line2", "bad_line2", &a.Line2, domain.MaxName)
	bad.OptionalLine("/address/city", "bad_city", &a.City, domain.MaxName)
	bad.OptionalLine("/address/state", "bad_state", &a.State, domain.MaxName)
	bad.OptionalLine("/address/postalCode", "bad_postal_code", &a.PostalCode, domain.MaxName)
	if a.Country != "" && (len(a.Country) != 2 || !known(strings.ToUpper(a.Country))) {
		bad.Add("/address/country", "unknown_country", "%.40q is not a code of ISO 3166-1 alpha-2", a.Country)
	}
}

// check normalises f and lists what is wrong with it. Had are the tax rates that the customer has already.
func (f *Fields) check(l domain.Ledger, had []uuid.UUID) (bad domain.Problems, err error) {
	c, err := money.Parse(f.Currency)
	bad.AddError("/currency", err)
	f.Currency = c.Code
	if f.TimeZone == "" {
		f.TimeZone = "UTC"
	}
	_, err = period.Zone(f.TimeZone)
	bad.AddError("/timeZone", err)
	if f.TaxExempt != nil {
		bad.Line("/taxExempt/reason", "bad_reason", f.TaxExempt.Reason)
	}
	bad.OptionalLine("/externalId", "bad_external_id", &f.ExternalID, domain.MaxName)
	f.checkMetadata(&bad)
	f.TaxRates = append([]uuid.UUID{}, f.TaxRates...)
	if len(f.TaxRates) > maxTaxRates {
		bad.Add("/taxRates", "too_many_items", "at most %d are allowed", maxTaxRates)
		return bad, nil
	}
	for i, id := range f.TaxRates {
		state, err := l.Load(id)
		if err != nil {
			return bad, err
		}
		r, ok := state.(*catalog.TaxRate)
		pointer := fmt.Sprintf("/taxRates/%d", i)
		switch {
		case slices.Contains(f.TaxRates[:i], id):
			bad.Add(pointer, "duplicate_tax_rate", "%s comes twice", id)
		case !ok:
			bad.Add(pointer, "no_tax_rate", "%s is not known here", id)
		case r.Archived && !slices.Contains(had, id):
			bad.Add(pointer, "tax_rate_archived", "%s is archived", id)
		}
	}
	return bad, nil
}

func (f *Fields) checkMetadata(bad *domain.Problems) {
	if len(f.Metadata) > MaxMetadata {
		bad.Add("/metadata", "bad_metadata", "at most %d entries are allowed", MaxMetadata)
		return
	}
	for _, k := range slices.Sorted(maps.Keys(f.Metadata)) {
		v := f.Metadata[k]
		if k == "" || len(k) > maxMetadataKey {
			bad.Add("/metadata", "bad_metadata", "a key has 1 to %d bytes, unlike %.40q", maxMetadataKey, k)
		}
		bad.OptionalLine("/metadata", "bad_metadata", &k, domain.MaxName)
		bad.OptionalLine("/metadata", "bad_metadata", &v, maxMetadata)
	}
	if len(f.Metadata) == 0 {
		f.Metadata = nil
	}
}

func (f Fields) same(g Fields) bool {
	exempt := func(f Fields) Exemption {
		if f.TaxExempt == nil {
			return Exemption{} // no other has no reason
		}
		return *f.TaxExempt
	}
	return f.Currency == g.Currency && f.TimeZone == g.TimeZone && f.ExternalID == g.ExternalID && exempt(f) == exempt(g) &&
		slices.Equal(f.TaxRates, g.TaxRates) && maps.Equal(f.Metadata, g.Metadata)
}
