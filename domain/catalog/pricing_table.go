package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// PricingTableFields are a pricing table's fields as callers set them: which plans and features of a product are
// shown side by side, and how.
type PricingTableFields struct {
	ProductID      uuid.UUID      `json:"product_id"`
	Name           string         `json:"name"`
	Title          *string        `json:"title,omitzero"`
	Text           *string        `json:"text,omitzero"`
	Theme          string         `json:"theme"`         // light, dark, or a name of the widget's
	FeatureOrder   string         `json:"feature_order"` // default, or a name of the widget's
	CustomTheme    *string        `json:"custom_theme,omitzero"`
	FeaturedPlanID *uuid.UUID     `json:"featured_plan_id,omitzero"`
	Features       []TableFeature `json:"features"`
	Plans          []TablePlan    `json:"plans"`
}

// TableFeature and TablePlan are a table's rows and columns, shown in order of SortOrder.
type (
	TableFeature struct {
		FeatureID uuid.UUID `json:"feature_id"`
		SortOrder int       `json:"sort_order"`
	}
	TablePlan struct {
		PlanID    uuid.UUID `json:"plan_id"`
		SortOrder int       `json:"sort_order"`
	}
)

// PricingTable is the fold of a pricing table's stream.
type PricingTable struct {
	domain.Record
	Fields   PricingTableFields
	Archived bool
}

// Apply implements domain.State.
func (t *PricingTable) Apply(e domain.Event) {
	switch e := e.(type) {
	case PricingTableCreated:
		t.Fields = e.PricingTableFields
	case PricingTableChanged:
		t.Fields = e.PricingTableFields
	case PricingTableArchived:
		t.Archived = true
	}
}

// PricingTableView is a pricing table as its commands answer it.
type PricingTableView struct {
	ID uuid.UUID `json:"id"`
	PricingTableFields
	Status    string    `json:"status"` // ACTIVE, DEPRECATED
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the pricing table.
func (t *PricingTable) View() PricingTableView {
	v := PricingTableView{ID: t.ID, PricingTableFields: t.Fields, Status: statusOf(t.Archived),
		Version: t.Version, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt}
	v.Features, v.Plans = slices.Clone(v.Features), slices.Clone(v.Plans)
	return v
}

// PricingTablePatch sets some of a pricing table's fields, like ProductPatch; a pointer to nil removes the featured
// plan.
type PricingTablePatch struct {
	ProductID      *uuid.UUID
	Name           *string
	Title          *string
	Text           *string
	Theme          *string
	FeatureOrder   *string
	CustomTheme    *string
	FeaturedPlanID **uuid.UUID
	Features       *[]TableFeature
	Plans          *[]TablePlan
}

// Apply sets the patch's fields in f.
func (p PricingTablePatch) Apply(f *PricingTableFields) {
	set(&f.ProductID, p.ProductID)
	set(&f.Name, p.Name)
	setText(&f.Title, p.Title)
	setText(&f.Text, p.Text)
	set(&f.Theme, p.Theme)
	set(&f.FeatureOrder, p.FeatureOrder)
	setText(&f.CustomTheme, p.CustomTheme)
	set(&f.FeaturedPlanID, p.FeaturedPlanID)
	set(&f.Features, p.Features)
	set(&f.Plans, p.Plans)
}

// Fields are the fields of a new pricing table.
func (p PricingTablePatch) Fields() PricingTableFields {
	var f PricingTableFields
	p.Apply(&f)
	return f
}

// check normalises f and lists what is wrong with it. Before is the table's present fields: what it shows already
// stays good.
func (f *PricingTableFields) check(l domain.Ledger, before *PricingTableFields) (bad domain.Problems, err error) {
	orDefault(&f.Theme, "light")
	orDefault(&f.FeatureOrder, "default")
	bad.Line("/name", "bad_name", f.Name)
	bad.OptionalText("/title", "bad_title", f.Title)
	bad.OptionalText("/text", "bad_text", f.Text)
	bad.Line("/theme", "bad_theme", f.Theme)
	bad.Line("/featureOrder", "bad_feature_order", f.FeatureOrder)
	bad.OptionalText("/customTheme", "bad_custom_theme", f.CustomTheme)
	f.Features, f.Plans = append([]TableFeature{}, f.Features...), append([]TablePlan{}, f.Plans...)
	if len(f.Features) > maxItems {
		bad.Add("/features", "too_many_items", "at most %d are allowed", maxItems)
		f.Features = nil
	}
	if len(f.Plans) > maxItems {
		bad.Add("/plans", "too_many_items", "at most %d are allowed", maxItems)
		f.Plans = nil
	}
	for i, shown := range f.Features {
		pointer := fmt.Sprintf("/features/%d/featureUuid", i)
		state, err := l.Load(shown.FeatureID)
		if err != nil {
			return bad, err
		}
		feature, ok := state.(*Feature)
		same := func(o TableFeature) bool { return o.FeatureID == shown.FeatureID }
		switch {
		case slices.ContainsFunc(f.Features[:i], same):
			bad.Add(pointer, "duplicate_feature", "%s comes twice", shown.FeatureID)
		case !ok || feature.Fields.ProductID != f.ProductID:
			bad.Add(pointer, "no_feature", "%s is no feature of this product", shown.FeatureID) // rule C1
		case feature.Archived && !slices.ContainsFunc(before.Features, same):
			bad.Add(pointer, "feature_archived", "%s is archived", shown.FeatureID)
		}
	}
	for i, shown := range f.Plans {
		pointer := fmt.Sprintf("/plans/%d/planUuid", i)
		state, err := l.Load(shown.PlanID)
		if err != nil {
			return bad, err
		}
		plan, ok := state.(*Plan)
		same := func(o TablePlan) bool { return o.PlanID == shown.PlanID }
		switch {
		case slices.ContainsFunc(f.Plans[:i], same):
			bad.Add(pointer, "duplicate_plan", "%s comes twice", shown.PlanID)
		case !ok || plan.Fields.ProductID != f.ProductID:
			bad.Add(pointer, "no_plan", "%s is no plan of this product", shown.PlanID) // rule C1
		case plan.Archived && !slices.ContainsFunc(before.Plans, same):
			bad.Add(pointer, "plan_archived", "%s is archived", shown.PlanID)
		}
	}
	if id := f.FeaturedPlanID; id != nil && !slices.ContainsFunc(f.Plans, func(p TablePlan) bool { return p.PlanID == *id }) {
		bad.Add("/featuredPlanUuid", "no_plan", "%s is not among the table's plans", *id)
	}
	return bad, nil
}

// CreatePricingTable answers PricingTableView.
type CreatePricingTable struct{ Fields PricingTableFields }

// Decide implements domain.Command.
func (c CreatePricingTable) Decide(l domain.Ledger) (any, error) {
	f := c.Fields
	if _, err := ofProduct(l, f.ProductID); err != nil {
		return nil, err
	}
	bad, err := f.check(l, &PricingTableFields{})
	if err == nil {
		err = bad.Refusal()
	}
	if err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Append(id, PricingTableCreated{f})
	return answer[*PricingTable](l, id)
}

// ChangePricingTable answers PricingTableView.
type ChangePricingTable struct {
	ID    uuid.UUID
	Patch PricingTablePatch
}

// Decide implements domain.Command.
func (c ChangePricingTable) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*PricingTable](l, c.ID, "no_pricing_table")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	bad, err := f.check(l, &old.Fields)
	if err != nil {
		return nil, err
	}
	fixedProduct(&bad, f.ProductID, old.Fields.ProductID)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("pricing_table")
	}
	l.Append(c.ID, PricingTableChanged{f})
	return answer[*PricingTable](l, c.ID)
}

// ArchivePricingTable answers PricingTableView; twice makes no event. It is shown nowhere any more.
type ArchivePricingTable struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchivePricingTable) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*PricingTable](l, c.ID, "no_pricing_table")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, PricingTableArchived{})
	}
	return answer[*PricingTable](l, c.ID)
}
