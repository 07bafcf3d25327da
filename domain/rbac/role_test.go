package rbac_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/internal/ledgertest"
)

func values(refs []rbac.PermissionRef) (all []string) {
	for _, r := range refs {
		all = append(all, r.Value)
	}
	return all
}

func replace(ids ...uuid.UUID) rbac.Links { return rbac.Links{Replace: &ids} }

func (o *office) role(name string, permissions ...uuid.UUID) uuid.UUID {
	return ledgertest.Must[rbac.RoleView](o.Ledger, rbac.CreateRole{Patch: rbac.RolePatch{Name: &name, Permissions: replace(permissions...)}}).ID
}

func TestCreateRole(t *testing.T) {
	o := open(t)
	v, types := o.done(t, rbac.CreateRole{Patch: rbac.RolePatch{Name: ptr("editor"), Description: ptr(ptr("edits")), Permissions: replace(o.write, o.read, o.write)}})
	require.Equal(t, []string{"rbac_role.created.v1"}, types)
	require.Equal(t, []string{"doc:write", "doc:read"}, values(v.(rbac.RoleView).Permissions), "rule A2: each once, as they came")

	unknown, deleted := uuid.New(), o.permission("x")
	o.done(t, rbac.DeletePermission{ID: deleted})
	require.Equal(t, []string{"/name", "/permissions/0", "/permissions/2", "/permissions/3"},
		o.refused(t, rbac.CreateRole{Patch: rbac.RolePatch{Permissions: replace(unknown, o.read, deleted, v.(rbac.RoleView).ID)}}, "invalid_fields"))
	require.Equal(t, []string{"/name", "/description"},
		o.refused(t, rbac.CreateRole{Patch: rbac.RolePatch{Name: ptr(strings.Repeat("x", 256)), Description: ptr(ptr("\x1b"))}}, "invalid_fields"))
}

func TestChangeRole(t *testing.T) {
	o := open(t)
	id := o.role("editor", o.read)
	change := func(k rbac.Links) rbac.ChangeRole {
		return rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: k}}
	}
	for _, step := range []struct {
		links rbac.Links
		want  []string
		none  bool // no event
	}{
		{rbac.Links{Add: []uuid.UUID{o.write, o.read}}, []string{"doc:read", "doc:write"}, false},
		{rbac.Links{Add: []uuid.UUID{o.read}, Remove: []uuid.UUID{o.admin}}, []string{"doc:read", "doc:write"}, true},
		{rbac.Links{Add: []uuid.UUID{o.admin}, Remove: []uuid.UUID{o.admin, o.read}}, []string{"doc:write"}, false},
		{rbac.Links{}, []string{"doc:write"}, true},
		{replace(o.admin, o.write), []string{"admin", "doc:write"}, false},
		{replace(o.admin, o.write, o.admin), []string{"admin", "doc:write"}, true},
		{replace(), nil, false},
	} {
		v, types := o.done(t, change(step.links))
		require.Equal(t, step.want, values(v.(rbac.RoleView).Permissions))
		require.Equal(t, step.none, len(types) == 0, "%v", types)
	}
	unknown := uuid.New()
	require.Equal(t, []string{"/permissions/add/0", "/permissions/remove/1"},
		o.refused(t, change(rbac.Links{Add: []uuid.UUID{unknown}, Remove: []uuid.UUID{o.read, unknown}}), "invalid_fields"))
	require.Equal(t, []string{"/name"}, o.refused(t, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Name: ptr("")}}, "bad_name"))
	o.refused(t, rbac.ChangeRole{ID: unknown}, "no_role")
}

// Rule A3 for permissions, without an event of the role's.
func TestADeletedPermissionIsNobodys(t *testing.T) {
	o := open(t)
	id := o.role("editor", o.read, o.write)
	o.done(t, rbac.DeletePermission{ID: o.read})
	o.Reload()
	v, types := o.done(t, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: replace(o.write)}})
	require.Equal(t, []string{"doc:write"}, values(v.(rbac.RoleView).Permissions))
	require.Empty(t, types, "nothing changed by this")
	require.Equal(t, []string{"/permissions/remove/0"},
		o.refused(t, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: rbac.Links{Remove: []uuid.UUID{o.read}}}}, "no_permission"))
	o.done(t, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: rbac.Links{Add: []uuid.UUID{o.admin}}}})
	require.Equal(t, []uuid.UUID{o.write, o.admin}, o.State(id).(*rbac.Role).Fields.Permissions, "it is forgotten with the next change")
}

// Rule A2.
func TestLinksAreBounded(t *testing.T) {
	o := open(t)
	var all []uuid.UUID
	for range rbac.MaxLinks {
		all = append(all, o.permission("p"))
	}
	id := o.role("all", all...)
	require.Equal(t, []string{"/permissions"}, o.refused(t, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: rbac.Links{Add: []uuid.UUID{o.read}}}}, "too_many"))
	v, _ := o.done(t, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: rbac.Links{Add: []uuid.UUID{o.read}, Remove: all[:1]}}})
	require.Len(t, v.(rbac.RoleView).Permissions, rbac.MaxLinks)
}

// Whatever is linked and taken away, in whatever order: a set with an order of its own.
func TestLinksAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := open(t)
		all := []uuid.UUID{o.read, o.write, o.admin, o.permission("more")}
		some := rapid.SliceOfN(rapid.SampledFrom(all), 0, 6)
		id, want := o.role("r"), map[uuid.UUID]bool{}
		for range 5 {
			k := rbac.Links{Add: some.Draw(t, "add"), Remove: some.Draw(t, "remove")}
			if rapid.Bool().Draw(t, "replaces") {
				k = replace(some.Draw(t, "all")...)
				clear(want)
				k.Add = *k.Replace
			}
			for _, p := range k.Add {
				want[p] = true
			}
			for _, p := range k.Remove {
				delete(want, p)
			}
			v := ledgertest.Must[rbac.RoleView](o.Ledger, rbac.ChangeRole{ID: id, Patch: rbac.RolePatch{Permissions: k}})
			if len(v.Permissions) != len(want) || slices.ContainsFunc(v.Permissions, func(r rbac.PermissionRef) bool { return !want[r.ID] }) {
				t.Fatalf("%v is not %v", v.Permissions, want)
			}
		}
	})
}
