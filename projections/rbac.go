package projections

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/eventstore"
)

// Permission is a permission's row.
type Permission struct {
	ItemKey
	Fields rbac.PermissionFields `db:"fields"`
	Touched
}

// Role is a role's row. Fields.Permissions may name deleted ones.
type Role struct {
	ItemKey
	Fields rbac.RoleFields `db:"fields"`
	Touched
}

// User is a user's row, by stream. RoleID and Permissions may name deleted ones.
type User struct {
	ItemKey
	UserID          string      `db:"user_id"`
	Name            *string     `db:"name"`
	RoleID          *uuid.UUID  `db:"role_id"`
	Permissions     []uuid.UUID `db:"permissions"`
	CreatedPosition int64       `db:"created_position"` // the order of lists
	Touched
}

// RBAC is the read model of who may do what in organisations' own applications. A deletion removes one row:
// what was linked to it is left out where it is read (rule A3).
func RBAC() *Model {
	permissions := NewTable[ItemKey, Permission]("rbac_permissions")
	roles := NewTable[ItemKey, Role]("rbac_roles")
	users := NewTable[ItemKey, User]("rbac_users")

	permission := func(p *Page, e *eventstore.Recorded, f rbac.PermissionFields) {
		row, _ := permissions.Get(p, key(e))
		permissions.Put(p, Permission{ItemKey: key(e), Fields: f, Touched: row.by(e)})
	}
	role := func(p *Page, e *eventstore.Recorded, f rbac.RoleFields) {
		row, _ := roles.Get(p, key(e))
		roles.Put(p, Role{ItemKey: key(e), Fields: f, Touched: row.by(e)})
	}
	return newModel("rbac", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case rbac.PermissionCreated:
			permission(p, e, d.PermissionFields)
		case rbac.PermissionChanged:
			permission(p, e, d.PermissionFields)
		case rbac.PermissionDeleted:
			permissions.Delete(p, key(e))
		case rbac.RoleCreated:
			role(p, e, d.RoleFields)
		case rbac.RoleChanged:
			role(p, e, d.RoleFields)
		case rbac.RoleDeleted:
			roles.Delete(p, key(e))
		case rbac.UserCreated:
			row := User{ItemKey: key(e), UserID: d.ID.Text, Name: text(d.Name), RoleID: d.Role, Permissions: orNone(d.Permissions),
				CreatedPosition: e.Position}
			if row.Touched = row.by(e); d.Since != nil {
				row.CreatedAt = d.Since.UTC()
			}
			users.Put(p, row)
		case rbac.UserRenamed:
			row := users.Must(p, key(e))
			row.Name, row.Touched = text(d.Name), row.by(e)
			users.Put(p, row)
		case rbac.UserAccessChanged:
			row := users.Must(p, key(e))
			row.RoleID, row.Permissions, row.Touched = d.Role, orNone(d.Permissions), row.by(e)
			users.Put(p, row)
		case rbac.UserDeleted:
			users.Delete(p, key(e))
		}
	}, permissions, roles, users)
}

func orNone(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}

// Permission refuses with no_permission.
func (r *Reads) Permission(ctx context.Context, ledger, id uuid.UUID) (Permission, error) {
	return item[Permission](ctx, r, ledger, id, "rbac_permissions", "no_permission")
}

// Permissions lists permissions in order of id.
func (r *Reads) Permissions(ctx context.Context, ledger uuid.UUID, k Keyset) ([]Permission, error) {
	return items[Permission](ctx, r, ledger, CatalogFilter{}, k, "rbac_permissions")
}

// Role refuses with no_role.
func (r *Reads) Role(ctx context.Context, ledger, id uuid.UUID) (Role, error) {
	return item[Role](ctx, r, ledger, id, "rbac_roles", "no_role")
}

// Roles lists roles in order of id: these alone, unless ids is nil.
func (r *Reads) Roles(ctx context.Context, ledger uuid.UUID, ids []uuid.UUID, k Keyset) ([]Role, error) {
	return items[Role](ctx, r, ledger, CatalogFilter{IDs: ids}, k, "rbac_roles")
}

// User finds a user by the organisation's own id; it refuses with no_user.
func (r *Reads) User(ctx context.Context, ledger uuid.UUID, userID string) (User, error) {
	return one[User](ctx, r, ledger, `select * from rbac_users where ledger_id = @ledger and user_id = @user
		order by created_position desc limit 1`, pgx.NamedArgs{"ledger": ledger, "user": userID},
		domain.Refuse(domain.NotFound, "no_user", "no such user here"))
}

// Users lists at most limit users in order of their making, after the CreatedPosition of one.
func (r *Reads) Users(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]User, error) {
	return query[User](ctx, r, ledger, `select * from rbac_users where ledger_id = @ledger and created_position > @after
		order by created_position limit @limit`, pgx.NamedArgs{"ledger": ledger, "after": after, "limit": min(limit, MaxLimit)})
}

// PermissionRefs finds what roles and users show of their permissions, however many; those that are not there
// any more are left out.
func (r *Reads) PermissionRefs(ctx context.Context, ledger uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]rbac.PermissionRef, error) {
	type row struct {
		ID    uuid.UUID `db:"id"`
		Value string    `db:"value"`
		Type  *string   `db:"type"`
	}
	found := make(map[uuid.UUID]rbac.PermissionRef, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := query[row](ctx, r, ledger, `select id, fields->>'value' as value, fields->>'type' as type from rbac_permissions
		where ledger_id = @ledger and id = any(@ids)`, pgx.NamedArgs{"ledger": ledger, "ids": ids})
	for _, p := range rows {
		found[p.ID] = rbac.PermissionRef(p)
	}
	return found, err
}
