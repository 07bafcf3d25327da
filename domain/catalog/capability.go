package catalog

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Capability is the fold of a capability's stream.
type Capability struct {
	domain.Record
	Fields   CapabilityFields
	Archived bool
}

// Apply implements domain.State.
func (c *Capability) Apply(e domain.Event) {
	switch e := e.(type) {
	case CapabilityCreated:
		c.Fields = e.CapabilityFields
	case CapabilityChanged:
		c.Fields = e.CapabilityFields
	case CapabilityArchived:
		c.Archived = true
	}
}

// CapabilityView is a capability as its commands answer it.
type CapabilityView struct {
	ID uuid.UUID `json:"id"`
	CapabilityFields
	Status    string    `json:"status"` // ACTIVE, DEPRECATED
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the capability.
func (c *Capability) View() CapabilityView {
	return CapabilityView{ID: c.ID, CapabilityFields: c.Fields, Status: statusOf(c.Archived),
		Version: c.Version, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
}

// CapabilityPatch sets some of a capability's fields, like ProductPatch.
type CapabilityPatch struct {
	ProductID   *uuid.UUID
	Name        *string
	Description *string
}

// Apply sets the patch's fields in f.
func (p CapabilityPatch) Apply(f *CapabilityFields) {
	set(&f.ProductID, p.ProductID)
	set(&f.Name, p.Name)
	setText(&f.Description, p.Description)
}

// Fields are the fields of a new capability.
func (p CapabilityPatch) Fields() CapabilityFields {
	var f CapabilityFields
	p.Apply(&f)
	return f
}

func (f *CapabilityFields) check() (bad domain.Problems) {
	bad.Line("/name", "bad_name", f.Name)
	bad.OptionalText("/description", "bad_description", f.Description)
	return bad
}

// checkName refuses a comma in a new name: a check signs the names joined by commas.
func (f *CapabilityFields) checkName(bad *domain.Problems) {
	if strings.Contains(f.Name, ",") {
		bad.Add("/name", "bad_name", "it has no comma: a check joins names by commas")
	}
}

// CreateCapability answers CapabilityView.
type CreateCapability struct{ Fields CapabilityFields }

// Decide implements domain.Command.
func (c CreateCapability) Decide(l domain.Ledger) (any, error) {
	f := c.Fields
	bad := f.check()
	f.checkName(&bad)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if _, err := ofProduct(l, f.ProductID); err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Append(id, CapabilityCreated{f})
	return answer[*Capability](l, id)
}

// ChangeCapability answers CapabilityView. What was sold keeps the old name.
type ChangeCapability struct {
	ID    uuid.UUID
	Patch CapabilityPatch
}

// Decide implements domain.Command.
func (c ChangeCapability) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Capability](l, c.ID, "no_capability")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	bad := f.check()
	fixedProduct(&bad, f.ProductID, old.Fields.ProductID)
	if f.Name != old.Fields.Name {
		f.checkName(&bad)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("capability")
	}
	l.Append(c.ID, CapabilityChanged{f})
	return answer[*Capability](l, c.ID)
}

// fixedProduct is rule C1.
func fixedProduct(bad *domain.Problems, asked, is uuid.UUID) {
	if asked != is {
		bad.Add("/productUuid", "product_is_fixed", "an item belongs to one product for ever") // rule C1
	}
}

// ArchiveCapability takes a capability out of what is sold from now on (rule C3). It answers
// CapabilityView; twice makes no event.
type ArchiveCapability struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchiveCapability) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Capability](l, c.ID, "no_capability")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, CapabilityArchived{})
	}
	return answer[*Capability](l, c.ID)
}
