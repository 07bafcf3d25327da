package salable

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) rbacRoutes() []route {
	read, write := handlers.ScopeRBACRead, handlers.ScopeRBACWrite
	return []route{
		{handlers.Route{Method: "GET", Path: "/rbac/permissions", Scope: read, Serve: a.listPermissions, Stream: true}, untilV2},
		{handlers.Route{Method: "POST", Path: "/rbac/permissions", Scope: write, Serve: a.createPermission}, untilV2},
		{handlers.Route{Method: "GET", Path: "/rbac/permissions/{permissionUuid}", Scope: read, Serve: a.readPermission}, untilV2},
		{handlers.Route{Method: "PUT", Path: "/rbac/permissions/{permissionUuid}", Scope: write, Serve: a.updatePermission}, untilV2},
		{handlers.Route{Method: "DELETE", Path: "/rbac/permissions/{permissionUuid}", Scope: write, Serve: a.deletePermission}, untilV2},
		{handlers.Route{Method: "GET", Path: "/rbac/roles", Scope: read, Serve: a.listRoles, Stream: true}, untilV2},
		{handlers.Route{Method: "POST", Path: "/rbac/roles", Scope: write, Serve: a.createRole}, untilV2},
		{handlers.Route{Method: "GET", Path: "/rbac/roles/{roleUuid}", Scope: read, Serve: a.readRole}, untilV2},
		{handlers.Route{Method: "PUT", Path: "/rbac/roles/{roleUuid}", Scope: write, Serve: a.updateRole}, untilV2},
		{handlers.Route{Method: "DELETE", Path: "/rbac/roles/{roleUuid}", Scope: write, Serve: a.deleteRole}, untilV2},
		{handlers.Route{Method: "GET", Path: "/rbac/users", Scope: read, Serve: a.listUsers, Stream: true}, untilV2},
		{handlers.Route{Method: "POST", Path: "/rbac/users", Scope: write, Serve: a.createUser}, untilV2},
		{handlers.Route{Method: "GET", Path: "/rbac/users/{userUuid}", Scope: read, Serve: a.readUser}, untilV2},
		{handlers.Route{Method: "PUT", Path: "/rbac/users/{userUuid}", Scope: write, Serve: a.updateUser}, untilV2},
		{handlers.Route{Method: "DELETE", Path: "/rbac/users/{userUuid}", Scope: write, Serve: a.deleteUser}, untilV2},
	}
}

// rbacPage is how many items of a list are read at once. Fewer than of others: each may have a description
// of 10,000 bytes, and as many permissions as there may be at all.
const rbacPage = 100

// permissionRef is a permission as roles and users have it.
type permissionRef struct {
	UUID  uuid.UUID `json:"uuid"`
	Value string    `json:"value"`
	Type  *string   `json:"type"`
}

func fromRefs(refs []rbac.PermissionRef) []permissionRef {
	return each(refs, func(p rbac.PermissionRef) permissionRef { return permissionRef{p.ID, p.Value, p.Type} })
}

// readLinks reads permissions: a list of ids is all of them, {add, remove} changes some. Clients send either,
// to roles and to users.
func readLinks(v handlers.Value) rbac.Links {
	switch {
	case v.Absent():
		return rbac.Links{}
	case v.IsList():
		ids := readIDs(v)
		return rbac.Links{Replace: &ids}
	case !v.IsObject():
		v.Bad("wrong_type", "is not a list: want ids, or an object of the lists add and remove")
		return rbac.Links{}
	}
	o := v.Object()
	return rbac.Links{Add: readIDs(o.Get("add")), Remove: readIDs(o.Get("remove"))}
}

func readIDs(v handlers.Value) (ids []uuid.UUID) {
	for _, item := range v.List(handlers.MaxItems(rbac.MaxLinks)) {
		ids = append(ids, item.UUID(handlers.Required))
	}
	return ids
}

// given is a patch's value: nil when the key is absent, a pointer to nil for null.
func given[T any](has bool, value *T) **T {
	if !has {
		return nil
	}
	return &value
}

// written runs a command that answers a view, which out shows.
func written[V, T any](a *API, w http.ResponseWriter, r *http.Request, body *handlers.Body, status int, c domain.Command, out func(handlers.Caller, V) T) error {
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return err
	}
	var v V
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	return handlers.JSON(w, status, out(handlers.CallerOf(r), v))
}

// removed runs a command that answers nothing.
func (a *API) removed(w http.ResponseWriter, r *http.Request, c domain.Command) error {
	if _, err := a.execute(w, r, nil, c); err != nil {
		return err
	}
	return noContent(w)
}

// linked finds what rows of roles and users link to: one query a kind, however many rows there are. What was
// deleted is not found (rule A3).
type linked struct {
	permissions map[uuid.UUID]rbac.PermissionRef
	roles       map[uuid.UUID]rbac.RoleRef
}

func (a *API) linkedTo(ctx context.Context, ledger uuid.UUID, roles []projections.Role, users []projections.User) (linked, error) {
	out := linked{roles: map[uuid.UUID]rbac.RoleRef{}}
	wanted, theirs := map[uuid.UUID]bool{}, map[uuid.UUID]bool{} // permissions, and users' roles
	want := func(ids []uuid.UUID) {
		for _, id := range ids {
			wanted[id] = true
		}
	}
	for _, u := range users {
		if want(u.Permissions); u.RoleID != nil {
			theirs[*u.RoleID] = true
		}
	}
	if len(theirs) > 0 {
		found, err := a.reads.Roles(ctx, ledger, keysOf(theirs), projections.Keyset{Limit: rbacPage})
		if err != nil {
			return out, err
		}
		roles = append(found, roles...)
	}
	for _, row := range roles {
		want(row.Fields.Permissions)
	}
	var err error
	if out.permissions, err = a.reads.PermissionRefs(ctx, ledger, keysOf(wanted)); err != nil {
		return out, err
	}
	for _, row := range roles {
		out.roles[row.ID] = rbac.RoleRef{ID: row.ID, Name: row.Fields.Name, Description: row.Fields.Description,
			Permissions: out.refs(row.Fields.Permissions), CreatedAt: row.CreatedAt}
	}
	return out, nil
}

func keysOf(set map[uuid.UUID]bool) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(set))
	for id := range set {
		ids = append(ids, id)
	}
	return ids
}

func (k linked) refs(ids []uuid.UUID) (all []rbac.PermissionRef) {
	for _, id := range ids {
		if p, ok := k.permissions[id]; ok {
			all = append(all, p)
		}
	}
	return all
}

// times are when a row was made and last changed.
type times struct {
	CreatedAt instant `json:"createdAt"`
	UpdatedAt instant `json:"updatedAt"`
}

func timesOf(created, updated time.Time) times { return times{instant(created), instant(updated)} }
