package rbac

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Permission is the fold of a permission's stream.
type Permission struct {
	domain.Record
	Fields  PermissionFields
	Deleted bool
}

// Apply implements domain.State.
func (p *Permission) Apply(e domain.Event) {
	switch e := e.(type) {
	case PermissionCreated:
		p.Fields = e.PermissionFields
	case PermissionChanged:
		p.Fields = e.PermissionFields
	case PermissionDeleted:
		p.Fields, p.Deleted = PermissionFields{}, true
	}
}

// PermissionView is a permission as its commands answer it.
type PermissionView struct {
	ID uuid.UUID `json:"id"`
	PermissionFields
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (p *Permission) view() PermissionView {
	return PermissionView{ID: p.ID, PermissionFields: p.Fields, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
}

func loadPermission(l domain.Ledger, id uuid.UUID) (*Permission, error) {
	p, err := domain.LoadAs[*Permission](l, id, "no_permission")
	if err == nil && p.Deleted {
		err = domain.Refuse(domain.NotFound, "no_permission", "%s is not known here", id)
	}
	return p, err
}

// PermissionPatch sets some of a permission's fields; nil leaves them, and a pointer to nil removes what may be
// absent.
type PermissionPatch struct {
	Value             *string
	Type, Description **string
	Dependencies      *json.RawMessage
}

func (p PermissionPatch) apply(f *PermissionFields) {
	set(&f.Value, p.Value)
	set(&f.Type, p.Type)
	set(&f.Description, p.Description)
	set(&f.Dependencies, p.Dependencies)
}

// set is a patch's step: nil leaves the field.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (f *PermissionFields) check() (bad domain.Problems) {
	bad.Line("/value", "bad_value", f.Value)
	bad.OptionalLine("/type", "bad_type", f.Type, domain.MaxName)
	bad.OptionalText("/description", "bad_description", f.Description)
	checkDependencies(&bad, f.Dependencies)
	return bad
}

// checkDependencies wants a list of texts or an object of texts: published clients send either.
func checkDependencies(bad *domain.Problems, d json.RawMessage) {
	var list []*string
	var object map[string]*string
	switch {
	case d == nil:
	case len(d) > domain.MaxText:
		bad.Add("/dependencies", "too_long", "they have %d bytes, at most %d are allowed", len(d), domain.MaxText)
	case json.Unmarshal(d, &list) != nil && json.Unmarshal(d, &object) != nil:
		bad.Add("/dependencies", "bad_dependencies", "they are neither a list of texts nor an object of texts")
	}
	for _, text := range list {
		if text == nil {
			bad.Add("/dependencies", "bad_dependencies", "null is no text")
			return
		}
	}
	for _, text := range object {
		if text == nil {
			bad.Add("/dependencies", "bad_dependencies", "null is no text")
			return
		}
	}
}

// CreatePermission answers PermissionView. Two permissions may have one value.
//
// Invalid: bad_value, bad_type, bad_description, bad_dependencies, too_long.
type CreatePermission struct{ Patch PermissionPatch }

// Decide implements domain.Command.
func (c CreatePermission) Decide(l domain.Ledger) (any, error) {
	var f PermissionFields
	c.Patch.apply(&f)
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Append(id, PermissionCreated{f})
	return showPermission(l, id)
}

func showPermission(l domain.Ledger, id uuid.UUID) (any, error) {
	p, err := loadPermission(l, id)
	if err != nil {
		return nil, err
	}
	return p.view(), nil
}

// ChangePermission answers PermissionView.
//
// NotFound: no_permission. Invalid: as CreatePermission.
type ChangePermission struct {
	ID    uuid.UUID
	Patch PermissionPatch
}

// Decide implements domain.Command.
func (c ChangePermission) Decide(l domain.Ledger) (any, error) {
	p, err := loadPermission(l, c.ID)
	if err != nil {
		return nil, err
	}
	f := p.Fields
	c.Patch.apply(&f)
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	if !same(f, p.Fields) {
		l.Append(c.ID, PermissionChanged{f})
	}
	return showPermission(l, c.ID)
}

// same compares what would be written.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// DeletePermission answers nothing. It writes to the permission's own stream alone, however many have it: ids
// are never given twice, so that a link to one that is gone links nobody to anything.
//
// NotFound: no_permission.
type DeletePermission struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c DeletePermission) Decide(l domain.Ledger) (any, error) {
	if _, err := loadPermission(l, c.ID); err != nil {
		return nil, err
	}
	l.Append(c.ID, PermissionDeleted{})
	return nil, nil
}
