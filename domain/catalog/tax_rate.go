package catalog

import (
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// TaxRateFields are a tax rate's fields as callers set them.
type TaxRateFields struct {
	Name        string          `json:"name"`
	Percentage  decimal.Decimal `json:"percentage"`         // 0 to 100, at most four decimal places
	Inclusive   bool            `json:"inclusive,omitzero"` // prices have it in them
	Description *string         `json:"description,omitzero"`
}

// TaxRate is the fold of a tax rate's stream.
type TaxRate struct {
	domain.Record
	Fields   TaxRateFields
	Archived bool
}

// Apply implements domain.State.
func (r *TaxRate) Apply(e domain.Event) {
	switch e := e.(type) {
	case TaxRateCreated:
		r.Fields = e.TaxRateFields
	case TaxRateChanged:
		r.Fields = e.TaxRateFields
	case TaxRateArchived:
		r.Archived = true
	}
}

// TaxRateView is a tax rate as its commands answer it.
type TaxRateView struct {
	ID uuid.UUID `json:"id"`
	TaxRateFields
	Status    string    `json:"status"` // ACTIVE, DEPRECATED
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the tax rate.
func (r *TaxRate) View() TaxRateView {
	return TaxRateView{ID: r.ID, TaxRateFields: r.Fields, Status: statusOf(r.Archived),
		Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
}

// TaxRatePatch sets some of a tax rate's fields, like ProductPatch.
type TaxRatePatch struct {
	Name        *string
	Percentage  *decimal.Decimal
	Inclusive   *bool
	Description *string
}

// Apply sets the patch's fields in f.
func (p TaxRatePatch) Apply(f *TaxRateFields) {
	set(&f.Name, p.Name)
	set(&f.Percentage, p.Percentage)
	set(&f.Inclusive, p.Inclusive)
	setText(&f.Description, p.Description)
}

// Fields are the fields of a new tax rate.
func (p TaxRatePatch) Fields() TaxRateFields {
	var f TaxRateFields
	p.Apply(&f)
	return f
}

// check normalises f and lists what is wrong with it.
func (f *TaxRateFields) check() (bad domain.Problems) {
	bad.Line("/name", "bad_name", f.Name)
	bad.OptionalText("/description", "bad_description", f.Description)
	d := f.Percentage
	if !bounded(d) || d.IsNegative() || d.GreaterThan(decimal.NewFromInt(100)) || d.Normalize().Exponent() < -4 {
		bad.Add("/percentage", "bad_percentage", "it is 0 to 100, with at most four decimal places")
		return bad
	}
	f.Percentage = d.Normalize()
	return bad
}

// CreateTaxRate answers TaxRateView.
type CreateTaxRate struct{ Fields TaxRateFields }

// Decide implements domain.Command.
func (c CreateTaxRate) Decide(l domain.Ledger) (any, error) {
	f := c.Fields
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Append(id, TaxRateCreated{f})
	return answer[*TaxRate](l, id)
}

// ChangeTaxRate answers TaxRateView. What was billed at the old percentage keeps it (rule C9).
type ChangeTaxRate struct {
	ID    uuid.UUID
	Patch TaxRatePatch
}

// Decide implements domain.Command.
func (c ChangeTaxRate) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*TaxRate](l, c.ID, "no_tax_rate")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("tax_rate")
	}
	l.Append(c.ID, TaxRateChanged{f})
	return answer[*TaxRate](l, c.ID)
}

// ArchiveTaxRate answers TaxRateView; twice makes no event. Nobody gets it any more, and who has it keeps it.
type ArchiveTaxRate struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchiveTaxRate) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*TaxRate](l, c.ID, "no_tax_rate")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, TaxRateArchived{})
	}
	return answer[*TaxRate](l, c.ID)
}
