package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// role is Salable's Role.
type role struct {
	UUID         uuid.UUID       `json:"uuid"`
	Name         string          `json:"name"`
	Description  *string         `json:"description"`
	Organisation uuid.UUID       `json:"organisation"`
	Permissions  []permissionRef `json:"permissions"`
	times
}

func fromRoleView(c handlers.Caller, v rbac.RoleView) role {
	return role{UUID: v.ID, Name: v.Name, Description: v.Description, Organisation: c.Organisation,
		Permissions: fromRefs(v.Permissions), times: timesOf(v.CreatedAt, v.UpdatedAt)}
}

func fromRole(c handlers.Caller, row projections.Role, k linked) role {
	return fromRoleView(c, rbac.RoleView{ID: row.ID, Name: row.Fields.Name, Description: row.Fields.Description,
		Permissions: k.refs(row.Fields.Permissions), CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt})
}

func readRolePatch(o *handlers.Object, must ...handlers.Rule) rbac.RolePatch {
	p := rbac.RolePatch{
		Description: given(o.Has("description"), handlers.Opt(o, "description", o.String, handlers.MaxBytes(domain.MaxText))),
		Permissions: readLinks(o.Get("permissions")),
	}
	name := o.String("name", append(must, handlers.MaxBytes(domain.MaxName), handlers.Line)...)
	if o.Has("name") {
		p.Name = &name
	}
	return p
}

// listRoles serves GET /rbac/roles.
//
//	out  200 [Role], in order of their making
func (a *API) listRoles(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	return streamBy(w, r, rbacPage, func(after uuid.UUID) ([]role, uuid.UUID, error) {
		rows, err := a.reads.Roles(r.Context(), c.Ledger, nil, projections.Keyset{After: after, Limit: rbacPage})
		if err != nil || len(rows) == 0 {
			return nil, after, err
		}
		k, err := a.linkedTo(r.Context(), c.Ledger, rows, nil)
		if err != nil {
			return nil, after, err
		}
		return pageOf(rows, after, func(row projections.Role) (role, uuid.UUID) { return fromRole(c, row, k), row.ID })
	})
}

// createRole serves POST /rbac/roles.
//
//	in   {name, description?, permissions?: [uuid]}
//	out  201 Role | 400
func (a *API) createRole(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	c := rbac.CreateRole{Patch: readRolePatch(body.Object(), handlers.Required)}
	if err := body.Err(); err != nil {
		return err
	}
	return written(a, w, r, body, http.StatusCreated, c, fromRoleView)
}

// readRole serves GET /rbac/roles/{roleUuid}.
//
//	out  200 Role | 404
func (a *API) readRole(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, id := handlers.CallerOf(r), handlers.PathUUID(r, "roleUuid")
	row, err := sought(r.Context(), a, c.Ledger, func() (projections.Role, error) { return a.reads.Role(r.Context(), c.Ledger, id) })
	if err != nil {
		return err
	}
	k, err := a.linkedTo(r.Context(), c.Ledger, []projections.Role{row}, nil)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, fromRole(c, row, k))
}

// updateRole serves PUT /rbac/roles/{roleUuid}: it sets what is there; null removes a description.
//
//	in   {name?, description?, permissions?: [uuid], which are all then, or {add?: [uuid], remove?: [uuid]}}
//	out  200 Role | 400 | 404
func (a *API) updateRole(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	c := rbac.ChangeRole{ID: handlers.PathUUID(r, "roleUuid"), Patch: readRolePatch(body.Object())}
	if err := body.Err(); err != nil {
		return err
	}
	return written(a, w, r, body, http.StatusOK, c, fromRoleView)
}

// deleteRole serves DELETE /rbac/roles/{roleUuid}: its users have no role then.
//
//	out  204 | 404
func (a *API) deleteRole(w http.ResponseWriter, r *http.Request) error {
	return a.removed(w, r, rbac.DeleteRole{ID: handlers.PathUUID(r, "roleUuid")})
}
