package salable

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// rbacUser is Salable's RbacUser; its id is whatever the organisation calls the user.
type rbacUser struct {
	ID           string          `json:"id"`
	Name         *string         `json:"name"`
	Organisation uuid.UUID       `json:"organisation"`
	Role         *userRole       `json:"role"`
	Permissions  []permissionRef `json:"permissions"` // the user's own, without the role's
	times
}

// userRole is the role of an RbacUser.
type userRole struct {
	UUID        uuid.UUID       `json:"uuid"`
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	Permissions []permissionRef `json:"permissions"`
	CreatedAt   instant         `json:"createdAt"`
}

func fromUserView(c handlers.Caller, v rbac.UserView) rbacUser {
	out := rbacUser{ID: v.ID.Text, Organisation: c.Organisation, Permissions: fromRefs(v.Permissions), times: timesOf(v.CreatedAt, v.UpdatedAt)}
	if !v.Name.IsZero() {
		out.Name = &v.Name.Text
	}
	if v.Role != nil {
		out.Role = &userRole{UUID: v.Role.ID, Name: v.Role.Name, Description: v.Role.Description,
			Permissions: fromRefs(v.Role.Permissions), CreatedAt: instant(v.Role.CreatedAt)}
	}
	return out
}

func fromUser(c handlers.Caller, row projections.User, k linked) rbacUser {
	v := rbac.UserView{ID: domain.Personal{Text: row.UserID}, Permissions: k.refs(row.Permissions), CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt}
	if row.Name != nil {
		v.Name.Text = *row.Name
	}
	if row.RoleID != nil {
		if r, ok := k.roles[*row.RoleID]; ok {
			v.Role = &r
		}
	}
	return fromUserView(c, v)
}

func readUserPatch(o *handlers.Object) rbac.UserPatch {
	return rbac.UserPatch{
		Name:        given(o.Has("name"), handlers.Opt(o, "name", o.String, handlers.MaxBytes(domain.MaxName), handlers.Line)),
		Role:        given(o.Has("role"), handlers.Opt(o, "role", o.UUID)),
		Permissions: readLinks(o.Get("permissions")),
	}
}

// userRow finds a user by the id of the path. No_user is also for what cannot be an id.
func (a *API) userRow(ctx context.Context, ledger uuid.UUID, id string) (projections.User, error) {
	if rbac.CheckID(id) != nil {
		return projections.User{}, domain.Refuse(domain.NotFound, "no_user", "no such user here")
	}
	return sought(ctx, a, ledger, func() (projections.User, error) { return a.reads.User(ctx, ledger, id) })
}

// userStream is where a user's events are. Of an erased one, whom lists show under a mark in place of the id,
// the read model alone knows it.
func (a *API) userStream(ctx context.Context, ledger uuid.UUID, id string) (uuid.UUID, error) {
	if strings.HasPrefix(id, domain.ErasedPrefix) {
		row, err := a.userRow(ctx, ledger, id)
		if e, ok := domain.AsRefusal(err); !ok || e.Kind != domain.NotFound {
			return row.ID, err
		}
	}
	return a.store.StreamOf(ctx, ledger, rbac.Subject(id))
}

// listUsers serves GET /rbac/users.
//
//	out  200 [RbacUser], in order of their making
func (a *API) listUsers(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	return streamBy(w, r, rbacPage, func(after int64) ([]rbacUser, int64, error) {
		rows, err := a.reads.Users(r.Context(), c.Ledger, after, rbacPage)
		if err != nil || len(rows) == 0 {
			return nil, after, err
		}
		k, err := a.linkedTo(r.Context(), c.Ledger, nil, rows)
		if err != nil {
			return nil, after, err
		}
		return each(rows, func(row projections.User) rbacUser { return fromUser(c, row, k) }), rows[len(rows)-1].CreatedPosition, nil
	})
}

// createUser serves POST /rbac/users.
//
//	in   {id, name?, role?: uuid, permissions?: [uuid]}
//	out  201 RbacUser | 400
func (a *API) createUser(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := rbac.CreateUser{ID: o.String("id", handlers.Required), Patch: readUserPatch(o)}
	if err := body.Err(); err != nil {
		return err
	}
	if c.Stream, err = a.store.StreamOf(r.Context(), handlers.CallerOf(r).Ledger, rbac.Subject(c.ID)); err != nil {
		return err
	}
	return written(a, w, r, body, http.StatusCreated, c, fromUserView)
}

// readUser serves GET /rbac/users/{userUuid}, which is the user's id.
//
//	out  200 RbacUser | 404
func (a *API) readUser(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	row, err := a.userRow(r.Context(), c.Ledger, handlers.PathText(r, "userUuid"))
	if err != nil {
		return err
	}
	k, err := a.linkedTo(r.Context(), c.Ledger, nil, []projections.User{row})
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, fromUser(c, row, k))
}

// updateUser serves PUT /rbac/users/{userUuid}: it sets what is there; null removes a name or a role. With another
// id the user goes on under that one, and the old one is free.
//
//	in   {id?, name?, role?: uuid, permissions?: {add?: [uuid], remove?: [uuid]}, or [uuid], which are all then}
//	out  200 RbacUser | 400 | 404
func (a *API) updateUser(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o, ctx, ledger := body.Object(), r.Context(), handlers.CallerOf(r).Ledger
	c := rbac.ChangeUser{ID: handlers.PathText(r, "userUuid"), Patch: readUserPatch(o)}
	to := handlers.Opt(o, "id", o.String)
	if err := body.Err(); err != nil {
		return err
	}
	if c.Stream, err = a.userStream(ctx, ledger, c.ID); err != nil {
		return err
	}
	if to != nil {
		c.Move = &rbac.Move{ID: *to}
		if c.Move.Stream, err = a.store.StreamOf(ctx, ledger, rbac.Subject(*to)); err != nil {
			return err
		}
	}
	return written(a, w, r, body, http.StatusOK, c, fromUserView)
}

// deleteUser serves DELETE /rbac/users/{userUuid}. The id can be taken again.
//
//	out  204 | 404
func (a *API) deleteUser(w http.ResponseWriter, r *http.Request) error {
	id := handlers.PathText(r, "userUuid")
	stream, err := a.userStream(r.Context(), handlers.CallerOf(r).Ledger, id)
	if err != nil {
		return err
	}
	return a.removed(w, r, rbac.DeleteUser{Stream: stream, ID: id})
}
