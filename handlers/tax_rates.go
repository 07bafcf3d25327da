package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) taxRates() kind[catalog.TaxRateView, catalog.TaxRatePatch] {
	view := func(r projections.TaxRate) catalog.TaxRateView {
		return catalog.TaxRateView{ID: r.ID, TaxRateFields: r.Fields, Status: r.Status,
			Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
	}
	return kind[catalog.TaxRateView, catalog.TaxRatePatch]{
		path: "tax-rates", scope: ScopeProductsRead, decode: taxRatePatch, out: taxRateOut,
		create: func(p catalog.TaxRatePatch) domain.Command { return catalog.CreateTaxRate{Fields: p.Fields()} },
		change: func(id uuid.UUID, p catalog.TaxRatePatch) domain.Command {
			return catalog.ChangeTaxRate{ID: id, Patch: p}
		},
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchiveTaxRate{ID: id} },
		mark:    func(v catalog.TaxRateView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.TaxRateView, error) {
			row, err := a.Reads.TaxRate(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.TaxRateView, error) {
			rows, err := a.Reads.TaxRates(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func taxRatePatch(o *Object, must ...Rule) catalog.TaxRatePatch {
	return catalog.TaxRatePatch{Name: Opt(o, "name", o.String, must...), Percentage: Opt(o, "percentage", o.Decimal, must...),
		Inclusive: Opt(o, "inclusive", o.Bool), Description: optText(o, "description")}
}

// taxRate is a tax rate on the wire.
type taxRate struct {
	UUID        uuid.UUID       `json:"uuid"`
	Name        string          `json:"name"`
	Percentage  decimal.Decimal `json:"percentage"`
	Inclusive   bool            `json:"inclusive"`
	Description *string         `json:"description"`
	Status      string          `json:"status"`
	CreatedAt   time.Time       `json:"createdAt"`
	UpdatedAt   time.Time       `json:"updatedAt"`
}

func taxRateOut(_ Caller, v catalog.TaxRateView) any {
	return taxRate{v.ID, v.Name, v.Percentage, v.Inclusive, v.Description, v.Status, v.CreatedAt, v.UpdatedAt}
}
