package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) features() kind[catalog.FeatureView, catalog.FeaturePatch] {
	view := func(f projections.Feature) catalog.FeatureView {
		v := catalog.FeatureView{ID: f.ID, FeatureFields: f.Fields, Version: f.Version, CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt}
		v.Status = f.Status
		return v
	}
	return kind[catalog.FeatureView, catalog.FeaturePatch]{
		path: "features", scope: ScopeFeaturesRead, ofProduct: true, decode: featurePatch, out: featureOut,
		create: func(p catalog.FeaturePatch) domain.Command { return catalog.CreateFeature{Fields: p.Fields()} },
		change: func(id uuid.UUID, p catalog.FeaturePatch) domain.Command {
			return catalog.ChangeFeature{ID: id, Patch: p}
		},
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchiveFeature{ID: id} },
		mark:    func(v catalog.FeatureView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.FeatureView, error) {
			row, err := a.Reads.Feature(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.FeatureView, error) {
			rows, err := a.Reads.Features(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func featurePatch(o *Object, must ...Rule) catalog.FeaturePatch {
	return catalog.FeaturePatch{
		ProductID: Opt(o, "productUuid", o.UUID, must...), Name: Opt(o, "name", o.String, must...),
		DisplayName: Opt(o, "displayName", o.String, must...), Description: optText(o, "description"),
		VariableName: optText(o, "variableName"), Status: Opt(o, "status", o.String), Visibility: Opt(o, "visibility", o.String),
		ValueType: Opt(o, "valueType", o.String, must...), DefaultValue: Opt(o, "defaultValue", o.String),
		ShowUnlimited: Opt(o, "showUnlimited", o.Bool), SortOrder: small(o, "sortOrder"),
		EnumOptions: listOf(o, "enumOptions", func(v Value) catalog.EnumOption { return catalog.EnumOption{Name: v.String(Required)} }),
	}
}

// feature is a feature on the wire: Salable's fields.
type feature struct {
	UUID          uuid.UUID    `json:"uuid"`
	ProductUUID   uuid.UUID    `json:"productUuid"`
	Name          string       `json:"name"`
	DisplayName   string       `json:"displayName"`
	Description   *string      `json:"description"`
	VariableName  *string      `json:"variableName"`
	Status        string       `json:"status"`
	Visibility    string       `json:"visibility"`
	ValueType     string       `json:"valueType"`
	DefaultValue  string       `json:"defaultValue"`
	ShowUnlimited bool         `json:"showUnlimited"`
	SortOrder     int          `json:"sortOrder"`
	EnumOptions   []enumOption `json:"enumOptions"`
	CreatedAt     time.Time    `json:"createdAt"`
	UpdatedAt     time.Time    `json:"updatedAt"`
}

type enumOption struct {
	UUID uuid.UUID `json:"uuid"`
	Name string    `json:"name"`
}

func featureOut(_ Caller, v catalog.FeatureView) any {
	return feature{
		UUID: v.ID, ProductUUID: v.ProductID, Name: v.Name, DisplayName: v.DisplayName, Description: v.Description,
		VariableName: v.VariableName, Status: v.Status, Visibility: v.Visibility, ValueType: v.ValueType, DefaultValue: v.DefaultValue,
		ShowUnlimited: v.ShowUnlimited, SortOrder: v.SortOrder,
		EnumOptions: each(v.EnumOptions, func(o catalog.EnumOption) enumOption { return enumOption{o.ID, o.Name} }),
		CreatedAt:   v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
}
