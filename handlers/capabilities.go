package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

func (a *API) capabilities() kind[catalog.CapabilityView, catalog.CapabilityPatch] {
	view := func(c projections.Capability) catalog.CapabilityView {
		return catalog.CapabilityView{ID: c.ID, CapabilityFields: c.Fields, Status: c.Status,
			Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
	}
	return kind[catalog.CapabilityView, catalog.CapabilityPatch]{
		path: "capabilities", scope: ScopeCapabilitiesRead, ofProduct: true, decode: capabilityPatch, out: capabilityOut,
		create: func(p catalog.CapabilityPatch) domain.Command { return catalog.CreateCapability{Fields: p.Fields()} },
		change: func(id uuid.UUID, p catalog.CapabilityPatch) domain.Command {
			return catalog.ChangeCapability{ID: id, Patch: p}
		},
		archive: func(id uuid.UUID) domain.Command { return catalog.ArchiveCapability{ID: id} },
		mark:    func(v catalog.CapabilityView) (uuid.UUID, int64) { return v.ID, v.Version },
		one: func(ctx context.Context, ledger, id uuid.UUID) (catalog.CapabilityView, error) {
			row, err := a.Reads.Capability(ctx, ledger, id)
			return view(row), err
		},
		all: func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]catalog.CapabilityView, error) {
			rows, err := a.Reads.Capabilities(ctx, ledger, f, k)
			return each(rows, view), err
		},
	}
}

func capabilityPatch(o *Object, must ...Rule) catalog.CapabilityPatch {
	return catalog.CapabilityPatch{ProductID: Opt(o, "productUuid", o.UUID, must...), Name: Opt(o, "name", o.String, must...),
		Description: optText(o, "description")}
}

// capability is a capability on the wire: Salable's fields.
type capability struct {
	UUID        uuid.UUID `json:"uuid"`
	ProductUUID uuid.UUID `json:"productUuid"`
	Name        string    `json:"name"`
	Description *string   `json:"description"`
	Status      string    `json:"status"`
	CreatedAt   time.Time `json:"createdAt"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

func capabilityOut(_ Caller, v catalog.CapabilityView) any {
	return capability{v.ID, v.ProductID, v.Name, v.Description, v.Status, v.CreatedAt, v.UpdatedAt}
}
