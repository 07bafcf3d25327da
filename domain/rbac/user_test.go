package rbac_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
)

// stream stands in for the store's keyed hash.
func stream(id string) uuid.UUID { return uuid.NewSHA1(uuid.Nil, []byte(id)) }

func create(id string, p rbac.UserPatch) rbac.CreateUser {
	return rbac.CreateUser{Stream: stream(id), ID: id, Patch: p}
}

func change(id string, p rbac.UserPatch) rbac.ChangeUser {
	return rbac.ChangeUser{Stream: stream(id), ID: id, Patch: p}
}

func move(id, to string, p rbac.UserPatch) rbac.ChangeUser {
	c := change(id, p)
	c.Move = &rbac.Move{Stream: stream(to), ID: to}
	return c
}

func remove(id string) rbac.DeleteUser { return rbac.DeleteUser{Stream: stream(id), ID: id} }

func named(name string) **string { return ptr(&name) }

func TestCreateUser(t *testing.T) {
	o := open(t)
	editor := o.role("editor", o.read, o.write)
	v, types := o.done(t, create("ann", rbac.UserPatch{Name: named("Ann"), Role: ptr(&editor), Permissions: replace(o.admin)}))
	require.Equal(t, []string{"rbac_user.created.v1"}, types)
	ann := v.(rbac.UserView)
	require.Equal(t, "ann Ann", ann.ID.Text+" "+ann.Name.Text)
	require.Equal(t, []string{"admin"}, values(ann.Permissions))
	require.Equal(t, "editor", ann.Role.Name)
	require.Equal(t, []string{"doc:read", "doc:write"}, values(ann.Role.Permissions))

	for name, tt := range map[string]struct {
		when   rbac.CreateUser
		fields []string
		fails  string
	}{
		"an id that is taken (rule A1)": {create("ann", rbac.UserPatch{}), []string{"/id"}, "user_exists"},
		"no id":                         {create("", rbac.UserPatch{}), []string{"/id"}, "bad_id"},
		"256 characters":                {create(strings.Repeat("é", 256), rbac.UserPatch{}), []string{"/id"}, "bad_id"},
		"a control character":           {create("a\nb", rbac.UserPatch{}), []string{"/id"}, "bad_id"},
		"invalid text":                  {create("\xff", rbac.UserPatch{}), []string{"/id"}, "bad_id"},
		"everything wrong": {create("ann", rbac.UserPatch{Name: named("\x00"), Role: ptr(&o.read), Permissions: replace(editor)}),
			[]string{"/id", "/name", "/permissions/0", "/role"}, "invalid_fields"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.fields, o.refused(t, tt.when, tt.fails)) })
	}
	for _, id := range []string{strings.Repeat("é", 255), " ", "a/b", "..", "Ann", "enc1:AAAA"} {
		v, _ := o.done(t, create(id, rbac.UserPatch{}))
		require.Equal(t, id, v.(rbac.UserView).ID.Text)
	}
}

func TestChangeUser(t *testing.T) {
	o := open(t)
	editor, viewer := o.role("editor", o.write), o.role("viewer", o.read)
	o.done(t, create("ann", rbac.UserPatch{Name: named("Ann"), Role: ptr(&editor)}))
	renamed, changed := "rbac_user.renamed.v1", "rbac_user.access_changed.v1"
	for name, tt := range map[string]struct {
		patch rbac.UserPatch
		then  []string
	}{
		"nothing":              {rbac.UserPatch{}, nil},
		"what it is":           {rbac.UserPatch{Name: named("Ann"), Role: ptr(&editor)}, nil},
		"the name":             {rbac.UserPatch{Name: named("Anna")}, []string{renamed}},
		"no name":              {rbac.UserPatch{Name: ptr[*string](nil)}, []string{renamed}},
		"the role":             {rbac.UserPatch{Role: ptr(&viewer)}, []string{changed}},
		"no role":              {rbac.UserPatch{Role: ptr[*uuid.UUID](nil)}, []string{changed}},
		"the permissions":      {rbac.UserPatch{Permissions: rbac.Links{Add: []uuid.UUID{o.admin}}}, []string{changed}},
		"everything, in order": {rbac.UserPatch{Name: named("A"), Role: ptr(&viewer), Permissions: replace(o.read)}, []string{renamed, changed}},
	} {
		t.Run(name, func(t *testing.T) {
			_, events, err := o.DryRun(change("ann", tt.patch))
			require.NoError(t, err)
			var types []string
			for _, e := range events {
				types = append(types, e.Event.EventType())
			}
			require.Equal(t, tt.then, types)
		})
	}
	unknown := uuid.New()
	require.Equal(t, []string{"/permissions/add/0", "/role"},
		o.refused(t, change("ann", rbac.UserPatch{Role: ptr(&unknown), Permissions: rbac.Links{Add: []uuid.UUID{unknown}}}), "invalid_fields"))
	o.refused(t, change("bob", rbac.UserPatch{}), "no_user")
	o.refused(t, rbac.ChangeUser{Stream: editor, ID: "editor"}, "no_user")
}

// Rule A3 for roles, without an event of the user's.
func TestADeletedRoleLeavesItsUsers(t *testing.T) {
	o := open(t)
	editor := o.role("editor", o.write)
	o.done(t, create("ann", rbac.UserPatch{Role: ptr(&editor), Permissions: replace(o.read)}))
	_, types := o.done(t, rbac.DeleteRole{ID: editor})
	require.Equal(t, []string{"rbac_role.deleted.v1"}, types)
	o.Reload()
	v, types := o.done(t, change("ann", rbac.UserPatch{}))
	require.Empty(t, types)
	require.Nil(t, v.(rbac.UserView).Role)
	require.Equal(t, []string{"doc:read"}, values(v.(rbac.UserView).Permissions))
	require.Equal(t, []string{"/role"}, o.refused(t, change("ann", rbac.UserPatch{Role: ptr(&editor)}), "no_role"))
	o.refused(t, rbac.DeleteRole{ID: editor}, "no_role")
}

// Rule A1: an id can be taken again, and nothing of the former user's comes with it.
func TestADeletedUserIsGone(t *testing.T) {
	o := open(t)
	o.done(t, create("ann", rbac.UserPatch{Name: named("Ann"), Permissions: replace(o.read)}))
	_, types := o.done(t, remove("ann"))
	require.Equal(t, []string{"rbac_user.deleted.v1"}, types)
	o.refused(t, remove("ann"), "no_user")
	o.refused(t, change("ann", rbac.UserPatch{}), "no_user")

	o.Pass(time.Hour)
	v, types := o.done(t, create("ann", rbac.UserPatch{}))
	require.Equal(t, []string{"rbac_user.created.v1"}, types)
	again := v.(rbac.UserView)
	require.True(t, again.Name.IsZero())
	require.Empty(t, again.Permissions)
	require.Equal(t, []time.Time{april(1).Add(time.Hour), april(1).Add(time.Hour)}, []time.Time{again.CreatedAt, again.UpdatedAt})
}

func TestMoveToAnotherID(t *testing.T) {
	o := open(t)
	editor := o.role("editor", o.write)
	o.done(t, create("ann", rbac.UserPatch{Name: named("Ann"), Role: ptr(&editor), Permissions: replace(o.read)}))
	o.done(t, create("bob", rbac.UserPatch{}))
	require.Equal(t, []string{"/id"}, o.refused(t, move("ann", "bob", rbac.UserPatch{}), "user_exists"))
	require.Equal(t, []string{"/id"}, o.refused(t, move("ann", "", rbac.UserPatch{}), "bad_id"))
	_, types := o.done(t, move("ann", "ann", rbac.UserPatch{}))
	require.Empty(t, types, "rule A4")

	o.Pass(time.Hour)
	v, types := o.done(t, move("ann", "anna", rbac.UserPatch{Permissions: rbac.Links{Add: []uuid.UUID{o.admin}}}))
	require.Equal(t, []string{"rbac_user.deleted.v1", "rbac_user.created.v1"}, types)
	anna := v.(rbac.UserView)
	require.Equal(t, "anna Ann", anna.ID.Text+" "+anna.Name.Text)
	require.Equal(t, rbac.Subject("anna"), anna.Name.Subject, "rule A5")
	require.Equal(t, []string{"doc:read", "admin"}, values(anna.Permissions))
	require.Equal(t, "editor", anna.Role.Name)
	require.Equal(t, []time.Time{april(1), april(1).Add(time.Hour)}, []time.Time{anna.CreatedAt, anna.UpdatedAt})

	o.refused(t, change("ann", rbac.UserPatch{}), "no_user")
	o.done(t, create("ann", rbac.UserPatch{}))
	o.done(t, remove("bob"))
	o.done(t, move("anna", "bob", rbac.UserPatch{}))
}

// Rule A5: of an erased user nothing but a mark is left, by which they can still be changed and deleted; their
// old name is free for somebody new.
func TestErasedUsers(t *testing.T) {
	erased := domain.Personal{Subject: "erased", Text: domain.ErasedPrefix + "1"}
	erase := func(o *office) *office { // as the log reads the events of someone whose keys are destroyed
		o.Given(stream("ann"), rbac.UserCreated{ID: erased, Name: erased, Permissions: []uuid.UUID{o.read}})
		return o
	}
	o := erase(open(t))
	o.refused(t, change("ann", rbac.UserPatch{}), "no_user")
	o.refused(t, remove("ann"), "no_user")
	theirs := rbac.ChangeUser{Stream: stream("ann"), ID: erased.Text, Patch: rbac.UserPatch{Permissions: replace(o.admin)}}
	_, types := o.done(t, theirs)
	require.Equal(t, []string{"rbac_user.access_changed.v1"}, types, "it does not repeat the name, which cannot be written")
	theirs.Move = &rbac.Move{Stream: stream("eve"), ID: "eve"}
	v, _ := o.done(t, theirs)
	require.True(t, v.(rbac.UserView).Name.IsZero(), "nor is the mark anybody's name")

	v, _ = o.done(t, create("ann", rbac.UserPatch{}))
	require.Equal(t, "ann", v.(rbac.UserView).ID.Text)
	o = erase(open(t))
	v, _ = o.done(t, create("ann", rbac.UserPatch{Name: named("Ann")}))
	require.Equal(t, "Ann", v.(rbac.UserView).Name.Text)
	require.Empty(t, v.(rbac.UserView).Permissions)
	o = erase(open(t))
	_, types = o.done(t, rbac.DeleteUser{Stream: stream("ann"), ID: erased.Text})
	require.Equal(t, []string{"rbac_user.deleted.v1"}, types)
}
