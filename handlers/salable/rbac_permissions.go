package salable

import (
	"encoding/json"
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// permission is Salable's Permission.
type permission struct {
	UUID         uuid.UUID       `json:"uuid"`
	Value        string          `json:"value"`
	Type         *string         `json:"type"`
	Description  *string         `json:"description"`
	Dependencies json.RawMessage `json:"dependencies"` // a list of texts or an object of texts, as it was sent; null
	Organisation uuid.UUID       `json:"organisation"`
	times
}

func fromPermissionView(c handlers.Caller, v rbac.PermissionView) permission {
	return permission{UUID: v.ID, Value: v.Value, Type: v.Type, Description: v.Description, Dependencies: v.Dependencies,
		Organisation: c.Organisation, times: timesOf(v.CreatedAt, v.UpdatedAt)}
}

func fromPermission(c handlers.Caller, p projections.Permission) permission {
	return fromPermissionView(c, rbac.PermissionView{ID: p.ID, PermissionFields: p.Fields, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt})
}

// maxDependencies bounds the texts of dependencies; the core bounds their bytes.
const maxDependencies = 1000

func readPermissionPatch(o *handlers.Object, must ...handlers.Rule) rbac.PermissionPatch {
	p := rbac.PermissionPatch{
		Type:        given(o.Has("type"), handlers.Opt(o, "type", o.String, handlers.MaxBytes(domain.MaxName), handlers.Line)),
		Description: given(o.Has("description"), handlers.Opt(o, "description", o.String, handlers.MaxBytes(domain.MaxText))),
	}
	value := o.String("value", append(must, handlers.MaxBytes(domain.MaxName), handlers.Line)...)
	if o.Has("value") {
		p.Value = &value
	}
	if o.Has("dependencies") {
		dependencies := readDependencies(o.Get("dependencies"))
		p.Dependencies = &dependencies
	}
	return p
}

// readDependencies takes what clients send: a list of texts, or an object of texts, as SDK 2.5.0 types it.
func readDependencies(v handlers.Value) json.RawMessage {
	switch {
	case v.Absent():
		return nil
	case !v.IsList() && !v.IsObject():
		v.Bad("wrong_type", "is not a list: want texts, or an object of texts")
		return nil
	}
	text := func(of handlers.Value) string {
		if of.Absent() {
			of.Bad("wrong_type", "is not a text")
		}
		return of.String()
	}
	var sent any
	if v.IsList() {
		sent = each(v.List(handlers.MaxItems(maxDependencies)), text)
	} else {
		o, texts := v.Object(), map[string]string{}
		names := o.Rest()
		if len(names) > maxDependencies {
			v.Bad("too_many", "has %d items, at most %d are allowed", len(names), maxDependencies)
			names = nil
		}
		for _, name := range names {
			texts[name] = text(o.Get(name))
		}
		sent = texts
	}
	out, err := json.Marshal(sent)
	if err != nil {
		panic(err) // texts have no way to fail
	}
	return out
}

// listPermissions serves GET /rbac/permissions.
//
//	out  200 [Permission], in order of their making
func (a *API) listPermissions(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	return streamBy(w, r, rbacPage, func(after uuid.UUID) ([]permission, uuid.UUID, error) {
		rows, err := a.reads.Permissions(r.Context(), c.Ledger, projections.Keyset{After: after, Limit: rbacPage})
		if err != nil {
			return nil, after, err
		}
		return pageOf(rows, after, func(p projections.Permission) (permission, uuid.UUID) { return fromPermission(c, p), p.ID })
	})
}

// createPermission serves POST /rbac/permissions.
//
//	in   {value, type?, description?, dependencies?: [text] or {name: text}}
//	out  201 Permission | 400
func (a *API) createPermission(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	c := rbac.CreatePermission{Patch: readPermissionPatch(body.Object(), handlers.Required)}
	if err := body.Err(); err != nil {
		return err
	}
	return written(a, w, r, body, http.StatusCreated, c, fromPermissionView)
}

// readPermission serves GET /rbac/permissions/{permissionUuid}.
//
//	out  200 Permission | 404
func (a *API) readPermission(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, id := handlers.CallerOf(r), handlers.PathUUID(r, "permissionUuid")
	row, err := sought(r.Context(), a, c.Ledger, func() (projections.Permission, error) { return a.reads.Permission(r.Context(), c.Ledger, id) })
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, fromPermission(c, row))
}

// updatePermission serves PUT /rbac/permissions/{permissionUuid}: it sets what is there; null removes.
//
//	in   {value?, type?, description?, dependencies?}
//	out  200 Permission | 400 | 404
func (a *API) updatePermission(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	c := rbac.ChangePermission{ID: handlers.PathUUID(r, "permissionUuid"), Patch: readPermissionPatch(body.Object())}
	if err := body.Err(); err != nil {
		return err
	}
	return written(a, w, r, body, http.StatusOK, c, fromPermissionView)
}

// deletePermission serves DELETE /rbac/permissions/{permissionUuid}: no role and no user has it any more.
//
//	out  204 | 404
func (a *API) deletePermission(w http.ResponseWriter, r *http.Request) error {
	return a.removed(w, r, rbac.DeletePermission{ID: handlers.PathUUID(r, "permissionUuid")})
}
