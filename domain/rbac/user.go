package rbac

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// MaxUserID bounds a user's id, in characters.
const MaxUserID = 255

// Subject is whom a user's personal fields are about, for erasure; and what a user's stream is known by. Who got
// another id has two: the old one's events are erased with the old one's subject.
func Subject(id string) string { return "rbac_user:" + id }

// User is the fold of a user's stream. Role and Permissions may name deleted ones.
type User struct {
	domain.Record
	UserID      domain.Personal
	Name        domain.Personal
	Role        *uuid.UUID
	Permissions []uuid.UUID
	Since       time.Time // of the newest one, if the stream had several
	Deleted     bool
}

// Apply implements domain.State.
func (u *User) Apply(e domain.Event) {
	switch e := e.(type) {
	case UserCreated:
		u.UserID, u.Name, u.Role, u.Permissions, u.Deleted = e.ID, e.Name, e.Role, e.Permissions, false
		if u.Since = u.UpdatedAt; e.Since != nil {
			u.Since = *e.Since
		}
	case UserRenamed:
		u.Name = e.Name
	case UserAccessChanged:
		u.Role, u.Permissions = e.Role, e.Permissions
	case UserDeleted:
		*u = User{Record: u.Record, Deleted: true}
	}
}

// RoleRef is a role as its users show it.
type RoleRef struct {
	ID          uuid.UUID       `json:"id"`
	Name        string          `json:"name"`
	Description *string         `json:"description,omitzero"`
	Permissions []PermissionRef `json:"permissions"`
	CreatedAt   time.Time       `json:"created_at"`
}

// UserView is a user as its commands answer it.
type UserView struct {
	ID          domain.Personal `json:"id"`
	Name        domain.Personal `json:"name,omitzero"`
	Role        *RoleRef        `json:"role,omitzero"` // nil: none, or it was deleted
	Permissions []PermissionRef `json:"permissions"`   // the user's own
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

func showUser(l domain.Ledger, stream uuid.UUID) (any, error) {
	u, err := domain.LoadAs[*User](l, stream, "no_user")
	if err != nil {
		return nil, err
	}
	v := UserView{ID: u.UserID, Name: u.Name, CreatedAt: u.Since, UpdatedAt: u.UpdatedAt}
	if v.Permissions, err = refs(l, u.Permissions); err != nil {
		return nil, err
	}
	if u.Role == nil {
		return v, nil
	}
	r, err := role(l, *u.Role)
	if err != nil {
		return nil, err
	}
	if r != nil {
		of, err := r.view(l)
		if err != nil {
			return nil, err
		}
		v.Role = &RoleRef{ID: of.ID, Name: of.Name, Description: of.Description, Permissions: of.Permissions, CreatedAt: of.CreatedAt}
	}
	return v, nil
}

// at is the user on a stream if there is one of that id; nil when nobody is there, or somebody who was erased
// and is asked for by the old id: a name that was erased is nobody's.
func at(l domain.Ledger, stream uuid.UUID, id string) (*User, error) {
	state, err := l.Load(stream)
	if err != nil {
		return nil, err
	}
	if u, ok := state.(*User); ok && !u.Deleted && u.UserID.Text == id {
		return u, nil
	}
	return nil, nil
}

func loadUser(l domain.Ledger, stream uuid.UUID, id string) (*User, error) {
	u, err := at(l, stream, id)
	if err == nil && u == nil {
		err = domain.Refuse(domain.NotFound, "no_user", "no such user here")
	}
	return u, err
}

// UserPatch sets some of a user's fields; nil leaves them. A pointer to nil removes the name or the role.
type UserPatch struct {
	Name        **string
	Role        **uuid.UUID
	Permissions Links
}

// access is what a patch makes of a role and permissions; it loads all that an answer about them shows.
func (p UserPatch) access(l domain.Ledger, bad *domain.Problems, had UserAccessChanged) (UserAccessChanged, error) {
	next := UserAccessChanged{}
	var err error
	if next.Permissions, err = p.Permissions.apply(l, bad, had.Permissions); err != nil {
		return next, err
	}
	next.Role = had.Role
	set(&next.Role, p.Role)
	if next.Role == nil {
		return next, nil
	}
	r, err := role(l, *next.Role)
	if err != nil {
		return next, err
	}
	if r == nil {
		if p.Role != nil {
			bad.Add("/role", "no_role", "is not a role here")
		}
		return next, nil
	}
	_, err = refs(l, r.Fields.Permissions)
	return next, err
}

// named is what a patch makes of a name, which is about the user of an id.
func (p UserPatch) named(bad *domain.Problems, had domain.Personal, id string) domain.Personal {
	if p.Name == nil {
		return had
	}
	bad.OptionalLine("/name", "bad_name", *p.Name, domain.MaxName)
	if *p.Name == nil {
		return domain.Personal{}
	}
	return domain.About(Subject(id), **p.Name)
}

// CheckID refuses what cannot be a user's id, with bad_id.
func CheckID(id string) error {
	var bad domain.Problems
	checkID(&bad, id)
	return bad.Refusal()
}

func checkID(bad *domain.Problems, id string) {
	switch {
	case id == "":
		bad.Add("/id", "bad_id", "it is empty")
	case utf8.RuneCountInString(id) > MaxUserID:
		bad.Add("/id", "bad_id", "it has %d characters, at most %d are allowed", utf8.RuneCountInString(id), MaxUserID)
	default:
		bad.OptionalLine("/id", "bad_id", &id, utf8.UTFMax*MaxUserID)
	}
}

// free notes an id that somebody has, on the stream that is the id's.
func free(l domain.Ledger, bad *domain.Problems, stream uuid.UUID, id string) error {
	u, err := at(l, stream, id)
	if u != nil {
		bad.Add("/id", "user_exists", "a user has this id already")
	}
	return err
}

// CreateUser answers UserView.
//
// Invalid: bad_id, user_exists, bad_name, no_role, no_permission, too_many.
type CreateUser struct {
	Stream uuid.UUID // the id's, for ever: eventstore.Store.StreamOf of its Subject
	ID     string    // 1 to 255 characters without control characters, kept as they are
	Patch  UserPatch
}

// Decide implements domain.Command.
func (c CreateUser) Decide(l domain.Ledger) (any, error) {
	var bad domain.Problems
	checkID(&bad, c.ID)
	if err := free(l, &bad, c.Stream, c.ID); err != nil {
		return nil, err
	}
	name := c.Patch.named(&bad, domain.Personal{}, c.ID)
	access, err := c.Patch.access(l, &bad, UserAccessChanged{})
	if err != nil {
		return nil, err
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	l.Append(c.Stream, UserCreated{ID: domain.About(Subject(c.ID), c.ID), Name: name, Role: access.Role, Permissions: access.Permissions})
	return showUser(l, c.Stream)
}

// Move is another id for a user, and its stream.
type Move struct {
	Stream uuid.UUID
	ID     string
}

// ChangeUser answers UserView. With a Move to another id the user goes on there, created when it was, and the
// old id is free.
//
// NotFound: no_user. Invalid: as CreateUser.
type ChangeUser struct {
	Stream uuid.UUID
	ID     string // as it is
	Move   *Move  // nil: it stays
	Patch  UserPatch
}

// Decide implements domain.Command.
func (c ChangeUser) Decide(l domain.Ledger) (any, error) {
	u, err := loadUser(l, c.Stream, c.ID)
	if err != nil {
		return nil, err
	}
	to, moves := Move{c.Stream, c.ID}, c.Move != nil && c.Move.ID != c.ID
	var bad domain.Problems
	if moves {
		to = *c.Move
		checkID(&bad, to.ID)
		if err := free(l, &bad, to.Stream, to.ID); err != nil {
			return nil, err
		}
	}
	name := c.Patch.named(&bad, u.Name, to.ID)
	had := UserAccessChanged{Role: u.Role, Permissions: u.Permissions}
	access, err := c.Patch.access(l, &bad, had)
	if err != nil {
		return nil, err
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if moves {
		if strings.HasPrefix(name.Text, domain.ErasedPrefix) { // there is nothing to write down
			name.Text = ""
		}
		since := u.Since
		l.Append(c.Stream, UserDeleted{})
		l.Append(to.Stream, UserCreated{ID: domain.About(Subject(to.ID), to.ID), Name: domain.About(Subject(to.ID), name.Text),
			Role: access.Role, Permissions: access.Permissions, Since: &since})
		return showUser(l, to.Stream)
	}
	if name.Text != u.Name.Text {
		l.Append(c.Stream, UserRenamed{Name: name})
	}
	if !sameRole(access.Role, had.Role) || !slices.Equal(access.Permissions, had.Permissions) {
		l.Append(c.Stream, access)
	}
	return showUser(l, c.Stream)
}

func sameRole(a, b *uuid.UUID) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// DeleteUser answers nothing.
//
// NotFound: no_user.
type DeleteUser struct {
	Stream uuid.UUID
	ID     string
}

// Decide implements domain.Command.
func (c DeleteUser) Decide(l domain.Ledger) (any, error) {
	if _, err := loadUser(l, c.Stream, c.ID); err != nil {
		return nil, err
	}
	l.Append(c.Stream, UserDeleted{})
	return nil, nil
}
