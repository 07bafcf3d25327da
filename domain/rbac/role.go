package rbac

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Role is the fold of a role's stream. Fields.Permissions may name deleted ones.
type Role struct {
	domain.Record
	Fields  RoleFields
	Deleted bool
}

// Apply implements domain.State.
func (r *Role) Apply(e domain.Event) {
	switch e := e.(type) {
	case RoleCreated:
		r.Fields = e.RoleFields
	case RoleChanged:
		r.Fields = e.RoleFields
	case RoleDeleted:
		r.Fields, r.Deleted = RoleFields{}, true
	}
}

// RoleView is a role as its commands answer it.
type RoleView struct {
	ID          uuid.UUID       `json:"id"`
	Name        string          `json:"name"`
	Description *string         `json:"description,omitzero"`
	Permissions []PermissionRef `json:"permissions"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

func (r *Role) view(l domain.Ledger) (RoleView, error) {
	permissions, err := refs(l, r.Fields.Permissions)
	return RoleView{ID: r.ID, Name: r.Fields.Name, Description: r.Fields.Description, Permissions: permissions,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}, err
}

// role is nil for an id that no role has, or one that is deleted.
func role(l domain.Ledger, id uuid.UUID) (*Role, error) {
	state, err := l.Load(id)
	if err != nil {
		return nil, err
	}
	if r, ok := state.(*Role); ok && !r.Deleted {
		return r, nil
	}
	return nil, nil
}

func loadRole(l domain.Ledger, id uuid.UUID) (*Role, error) {
	r, err := role(l, id)
	if err == nil && r == nil {
		err = domain.Refuse(domain.NotFound, "no_role", "%s is not known here", id)
	}
	return r, err
}

func showRole(l domain.Ledger, id uuid.UUID) (any, error) {
	r, err := loadRole(l, id)
	if err != nil {
		return nil, err
	}
	v, err := r.view(l)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// RolePatch sets some of a role's fields; nil leaves them, and a description that points to nil removes it.
type RolePatch struct {
	Name        *string
	Description **string
	Permissions Links
}

// apply checks what it makes of the fields.
func (p RolePatch) apply(l domain.Ledger, f *RoleFields) error {
	set(&f.Name, p.Name)
	set(&f.Description, p.Description)
	var bad domain.Problems
	bad.Line("/name", "bad_name", f.Name)
	bad.OptionalText("/description", "bad_description", f.Description)
	var err error
	if f.Permissions, err = p.Permissions.apply(l, &bad, f.Permissions); err != nil {
		return err
	}
	return bad.Refusal()
}

// CreateRole answers RoleView. Two roles may have one name.
//
// Invalid: bad_name, bad_description, no_permission, too_many.
type CreateRole struct{ Patch RolePatch }

// Decide implements domain.Command.
func (c CreateRole) Decide(l domain.Ledger) (any, error) {
	var f RoleFields
	if err := c.Patch.apply(l, &f); err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Append(id, RoleCreated{f})
	return showRole(l, id)
}

// ChangeRole answers RoleView.
//
// NotFound: no_role. Invalid: as CreateRole.
type ChangeRole struct {
	ID    uuid.UUID
	Patch RolePatch
}

// Decide implements domain.Command.
func (c ChangeRole) Decide(l domain.Ledger) (any, error) {
	r, err := loadRole(l, c.ID)
	if err != nil {
		return nil, err
	}
	f := r.Fields
	if err := c.Patch.apply(l, &f); err != nil {
		return nil, err
	}
	if !same(f, r.Fields) {
		l.Append(c.ID, RoleChanged{f})
	}
	return showRole(l, c.ID)
}

// DeleteRole answers nothing. Like DeletePermission it writes nothing to the streams of those who have it.
//
// NotFound: no_role.
type DeleteRole struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c DeleteRole) Decide(l domain.Ledger) (any, error) {
	if _, err := loadRole(l, c.ID); err != nil {
		return nil, err
	}
	l.Append(c.ID, RoleDeleted{})
	return nil, nil
}
