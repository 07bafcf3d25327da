// Package rbac keeps who may do what in an organisation's own application: permissions, roles that grant
// them, and users who have a role and permissions of their own. The ledger stores and answers; it asks
// nobody's permission itself.
//
// Vocabulary: permission, role, user, link (a permission that a role or a user has), dependencies.
//
// Rules:
//
//	A1 A user is known by an id that the organisation chose; of those who are not deleted each has another.
//	   An id that was given up may be taken again, by a user who has nothing of the former's.
//	A2 A role or user has at most MaxLinks permissions, in the order in which they were linked, each once.
//	A3 What is deleted is nobody's any more: its id is unknown, and whatever was linked to it is not.
//	A4 A change that changes nothing makes no event.
//	A5 A user's id and name are personal: they are about the user, and are erased with their subject.
package rbac

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// PermissionFields are a permission's fields as callers set them.
type PermissionFields struct {
	Value        string          `json:"value"`
	Type         *string         `json:"type,omitzero"`
	Description  *string         `json:"description,omitzero"`
	Dependencies json.RawMessage `json:"dependencies,omitzero"` // a list of texts, or an object of texts; as it was sent
}

// PermissionCreated makes a permission.
type PermissionCreated struct{ PermissionFields }

// PermissionChanged has all fields as they are from now on.
type PermissionChanged struct{ PermissionFields }

// PermissionDeleted takes it from all who have it (rule A3).
type PermissionDeleted struct{}

// RoleFields are a role's fields as callers set them.
type RoleFields struct {
	Name        string      `json:"name"`
	Description *string     `json:"description,omitzero"`
	Permissions []uuid.UUID `json:"permissions,omitempty"`
}

// RoleCreated makes a role.
type RoleCreated struct{ RoleFields }

// RoleChanged has all fields as they are from now on.
type RoleChanged struct{ RoleFields }

// RoleDeleted leaves its users without a role (rule A3).
type RoleDeleted struct{}

// UserCreated makes a user. The stream may have had one before, who was deleted or erased.
type UserCreated struct {
	ID          domain.Personal `json:"id"`
	Name        domain.Personal `json:"name,omitzero"`
	Role        *uuid.UUID      `json:"role,omitzero"`
	Permissions []uuid.UUID     `json:"permissions,omitempty"`
	Since       *time.Time      `json:"since,omitempty"` // of one who had another id before: the creation
}

// UserRenamed sets the name; a zero one removes it. It stands apart from UserAccessChanged, which does not
// repeat it: the name of an erased user cannot be written again.
type UserRenamed struct {
	Name domain.Personal `json:"name,omitzero"`
}

// UserAccessChanged has the user's role and permissions as they are from now on.
type UserAccessChanged struct {
	Role        *uuid.UUID  `json:"role,omitzero"`
	Permissions []uuid.UUID `json:"permissions,omitempty"`
}

// UserDeleted is also the end of an id that the user has no more, having got another.
type UserDeleted struct{}

func (PermissionCreated) EventType() string { return "rbac_permission.created.v1" }
func (PermissionChanged) EventType() string { return "rbac_permission.changed.v1" }
func (PermissionDeleted) EventType() string { return "rbac_permission.deleted.v1" }
func (RoleCreated) EventType() string       { return "rbac_role.created.v1" }
func (RoleChanged) EventType() string       { return "rbac_role.changed.v1" }
func (RoleDeleted) EventType() string       { return "rbac_role.deleted.v1" }
func (UserCreated) EventType() string       { return "rbac_user.created.v1" }
func (UserRenamed) EventType() string       { return "rbac_user.renamed.v1" }
func (UserAccessChanged) EventType() string { return "rbac_user.access_changed.v1" }
func (UserDeleted) EventType() string       { return "rbac_user.deleted.v1" }

// Vocabularies is for the log's codec.
func Vocabularies() []domain.Vocabulary {
	return []domain.Vocabulary{
		{Kind: "rbac_permission", New: func() domain.State { return &Permission{} }, Events: []domain.EventType{
			domain.Named[PermissionCreated](), domain.Named[PermissionChanged](), domain.Named[PermissionDeleted]()}},
		{Kind: "rbac_role", New: func() domain.State { return &Role{} }, Events: []domain.EventType{
			domain.Named[RoleCreated](), domain.Named[RoleChanged](), domain.Named[RoleDeleted]()}},
		{Kind: "rbac_user", New: func() domain.State { return &User{} }, Events: []domain.EventType{
			domain.Named[UserCreated](), domain.Named[UserRenamed](), domain.Named[UserAccessChanged](), domain.Named[UserDeleted]()}},
	}
}
