package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) meters() kind[catalog.MeterView, catalog.MeterPatch] {
	view := func(m projections.Meter) catalog.MeterView {
		return catalog.MeterView{ID: m.ID, MeterFields: m.Fields, Status: m.Status,
			Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt}
	}
	return kind[catalog.MeterView, catalog.MeterPatch]{
		path: "meters", scope: ScopeProductsRead, decode: meterPatch, out: meterOut,
		create:  func(p catalog.MeterPatch) domain.Command { return catalog.CreateMeter{Fields: p.Fields()} },
		change:  func(id uuid.UUID, p catalog.MeterPatch) domain.Command { return catalog.ChangeMeter{ID: id, Patch: p} },
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchiveMeter{ID: id} },
		mark:    func(v catalog.MeterView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.MeterView, error) {
			row, err := a.Reads.Meter(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.MeterView, error) {
			rows, err := a.Reads.Meters(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func meterPatch(o *Object, must ...Rule) catalog.MeterPatch {
	return catalog.MeterPatch{Key: Opt(o, "key", o.String, must...), Name: Opt(o, "name", o.String),
		Aggregation: Opt(o, "aggregation", o.String), CarriesOver: Opt(o, "carriesOver", o.Bool)}
}

// meter is a meter on the wire.
type meter struct {
	UUID        uuid.UUID `json:"uuid"`
	Key         string    `json:"key"`
	Name        string    `json:"name"`
	Aggregation string    `json:"aggregation"`
	CarriesOver bool      `json:"carriesOver"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

func meterOut(_ Caller, v catalog.MeterView) any {
	return meter{v.ID, v.Key, v.Name, v.Aggregation, v.CarriesOver, v.Status, v.CreatedAt, v.UpdatedAt}
}
