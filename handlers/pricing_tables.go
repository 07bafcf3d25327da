package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) pricingTables() kind[catalog.PricingTableView, catalog.PricingTablePatch] {
	view := func(t projections.PricingTable) catalog.PricingTableView {
		return catalog.PricingTableView{ID: t.ID, PricingTableFields: t.Fields, Status: t.Status,
			Version: t.Version, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt}
	}
	return kind[catalog.PricingTableView, catalog.PricingTablePatch]{
		path: "pricing-tables", scope: ScopePricingTablesRead, ofProduct: true, decode: pricingTablePatch, out: pricingTableOut,
		create: func(p catalog.PricingTablePatch) domain.Command {
			return catalog.CreatePricingTable{Fields: p.Fields()}
		},
		change: func(id uuid.UUID, p catalog.PricingTablePatch) domain.Command {
			return catalog.ChangePricingTable{ID: id, Patch: p}
		},
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchivePricingTable{ID: id} },
		mark:    func(v catalog.PricingTableView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.PricingTableView, error) {
			row, err := a.Reads.PricingTable(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.PricingTableView, error) {
			rows, err := a.Reads.PricingTables(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func pricingTablePatch(o *Object, must ...Rule) catalog.PricingTablePatch {
	sortOrder := func(o *Object) int { return int(o.Int("sortOrder", Min(-1<<31), Max(1<<31-1))) }
	return catalog.PricingTablePatch{
		ProductID: Opt(o, "productUuid", o.UUID, must...), Name: Opt(o, "name", o.String, must...), Title: optText(o, "title"), Text: optText(o, "text"),
		Theme: Opt(o, "theme", o.String), FeatureOrder: Opt(o, "featureOrder", o.String), CustomTheme: optText(o, "customTheme"),
		FeaturedPlanID: removable(o, "featuredPlanUuid", o.UUID),
		Features: listOf(o, "features", func(v Value) catalog.TableFeature {
			o := v.Object(Required)
			f := catalog.TableFeature{FeatureID: o.UUID("featureUuid", Required), SortOrder: sortOrder(o)}
			o.Unknown()
			return f
		}),
		Plans: listOf(o, "plans", func(v Value) catalog.TablePlan {
			o := v.Object(Required)
			p := catalog.TablePlan{PlanID: o.UUID("planUuid", Required), SortOrder: sortOrder(o)}
			o.Unknown()
			return p
		}),
	}
}

// pricingTable is a pricing table on the wire.
type pricingTable struct {
	UUID             uuid.UUID      `json:"uuid"`
	ProductUUID      uuid.UUID      `json:"productUuid"`
	Name             string         `json:"name"`
	Title            *string        `json:"title"`
	Text             *string        `json:"text"`
	Theme            string         `json:"theme"`
	FeatureOrder     string         `json:"featureOrder"`
	CustomTheme      *string        `json:"customTheme"`
	FeaturedPlanUUID *uuid.UUID     `json:"featuredPlanUuid"`
	Features         []tableFeature `json:"features"`
	Plans            []tablePlan    `json:"plans"`
	Status           string         `json:"status"`
	CreatedAt        time.Time      `json:"createdAt"`
	UpdatedAt        time.Time      `json:"updatedAt"`
}

type tableFeature struct {
	FeatureUUID uuid.UUID `json:"featureUuid"`
	SortOrder   int       `json:"sortOrder"`
}

type tablePlan struct {
	PlanUUID  uuid.UUID `json:"planUuid"`
	SortOrder int       `json:"sortOrder"`
}

func pricingTableOut(_ Caller, v catalog.PricingTableView) any {
	return pricingTable{
		UUID: v.ID, ProductUUID: v.ProductID, Name: v.Name, Title: v.Title, Text: v.Text, Theme: v.Theme, FeatureOrder: v.FeatureOrder,
		CustomTheme: v.CustomTheme, FeaturedPlanUUID: v.FeaturedPlanID,
		Features: each(v.Features, func(f catalog.TableFeature) tableFeature { return tableFeature{f.FeatureID, f.SortOrder} }),
		Plans:    each(v.Plans, func(p catalog.TablePlan) tablePlan { return tablePlan{p.PlanID, p.SortOrder} }),
		Status:   v.Status, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}
