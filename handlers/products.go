package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) products() kind[catalog.ProductView, catalog.ProductPatch] {
	view := func(p projections.Product) catalog.ProductView {
		return catalog.ProductView{ID: p.ID, ProductFields: p.Fields, Status: p.Status, ArchivedAt: p.ArchivedAt,
			Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
	}
	return kind[catalog.ProductView, catalog.ProductPatch]{
		path: "products", scope: ScopeProductsRead, decode: productPatch, out: productOut,
		create: func(p catalog.ProductPatch) domain.Command { return catalog.CreateProduct{Fields: p.Fields()} },
		change: func(id uuid.UUID, p catalog.ProductPatch) domain.Command {
			return catalog.ChangeProduct{ID: id, Patch: p}
		},
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchiveProduct{ID: id} },
		mark:    func(v catalog.ProductView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.ProductView, error) {
			row, err := a.Reads.Product(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.ProductView, error) {
			rows, err := a.Reads.Products(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

func productPatch(o *Object, must ...Rule) catalog.ProductPatch {
	return catalog.ProductPatch{
		Name: Opt(o, "name", o.String, must...), Slug: Opt(o, "slug", o.String), DisplayName: Opt(o, "displayName", o.String, must...),
		Description: optText(o, "description"), LogoURL: optText(o, "logoUrl"), AppType: optText(o, "appType"),
		Paid: Opt(o, "paid", o.Bool), PaymentIntegration: Opt(o, "organisationPaymentIntegrationUuid", o.String),
		Currencies: listOf(o, "currencies", func(v Value) catalog.ProductCurrency {
			c := v.Object(Required)
			defer c.Unknown()
			return catalog.ProductCurrency{Currency: c.String("currency", Required), Default: c.Bool("default")}
		}),
	}
}

// product is a product on the wire: Salable's fields.
type product struct {
	UUID               uuid.UUID         `json:"uuid"`
	Name               string            `json:"name"`
	Slug               string            `json:"slug"`
	DisplayName        string            `json:"displayName"`
	Description        *string           `json:"description"`
	LogoURL            *string           `json:"logoUrl"`
	AppType            *string           `json:"appType"`
	Organisation       uuid.UUID         `json:"organisation"`
	Status             string            `json:"status"`
	Paid               bool              `json:"paid"`
	PaymentIntegration string            `json:"organisationPaymentIntegrationUuid"`
	Currencies         []productCurrency `json:"currencies"`
	IsTest             bool              `json:"isTest"`
	ArchivedAt         *time.Time        `json:"archivedAt"`
	CreatedAt          time.Time         `json:"createdAt"`
	UpdatedAt          time.Time         `json:"updatedAt"`
}

type productCurrency struct {
	Currency string `json:"currency"`
	Default  bool   `json:"default"`
}

func productOut(c Caller, v catalog.ProductView) any {
	return product{
		UUID: v.ID, Name: v.Name, Slug: v.Slug, DisplayName: v.DisplayName, Description: v.Description, LogoURL: v.LogoURL,
		AppType: v.AppType, Organisation: c.Organisation, Status: v.Status, Paid: v.Paid, PaymentIntegration: v.PaymentIntegration,
		Currencies: each(v.Currencies, func(c catalog.ProductCurrency) productCurrency { return productCurrency(c) }),
		IsTest:     c.Test(), ArchivedAt: v.ArchivedAt, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}
