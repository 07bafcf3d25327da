package rbac_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

func april(n int) time.Time { return time.Date(2025, time.April, n, 0, 0, 0, 0, time.UTC) }

func raw(text string) *json.RawMessage { return ptr(json.RawMessage(text)) }

// office is a ledger with three permissions.
type office struct {
	*ledgertest.Ledger
	read, write, admin uuid.UUID
}

func open(t ledgertest.TB) *office {
	o := &office{Ledger: ledgertest.New(t, april(1))}
	o.read, o.write, o.admin = o.permission("doc:read"), o.permission("doc:write"), o.permission("admin")
	return o
}

func (o *office) permission(value string) uuid.UUID {
	return ledgertest.Must[rbac.PermissionView](o.Ledger, rbac.CreatePermission{Patch: rbac.PermissionPatch{Value: &value}}).ID
}

// refused runs a command that is refused, and lists the fields that it names.
func (o *office) refused(t *testing.T, c domain.Command, code string) (pointers []string) {
	t.Helper()
	_, _, err := o.Execute(c)
	require.ErrorIs(t, err, &domain.Error{Code: code})
	e, _ := domain.AsRefusal(err)
	for _, f := range e.Fields {
		pointers = append(pointers, f.Pointer)
	}
	return pointers
}

// done runs a command and lists its events' types.
func (o *office) done(t *testing.T, c domain.Command) (answer any, types []string) {
	t.Helper()
	answer, events, err := o.Execute(c)
	require.NoError(t, err)
	for _, e := range events {
		types = append(types, e.Event.EventType())
	}
	return answer, types
}

func TestCreatePermission(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, tt := range map[string]struct {
		patch  rbac.PermissionPatch
		fields []string
		fails  string
	}{
		"with a value alone":            {rbac.PermissionPatch{Value: ptr("v")}, nil, ""},
		"with everything":               {rbac.PermissionPatch{Value: ptr("v"), Type: ptr(ptr("t")), Description: ptr(ptr("a\nb")), Dependencies: raw(`["a","a",""]`)}, nil, ""},
		"with an object":                {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`{"a":"b"}`)}, nil, ""},
		"with nothing in it":            {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`[]`)}, nil, ""},
		"without a value":               {rbac.PermissionPatch{}, []string{"/value"}, "bad_value"},
		"with all of it wrong":          {rbac.PermissionPatch{Value: &long, Type: ptr(&long), Description: ptr(ptr("\x00")), Dependencies: raw(`7`)}, []string{"/value", "/type", "/description", "/dependencies"}, "invalid_fields"},
		"with numbers":                  {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`[1]`)}, []string{"/dependencies"}, "bad_dependencies"},
		"with null in a list":           {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`["a",null]`)}, []string{"/dependencies"}, "bad_dependencies"},
		"with null in an object":        {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`{"a":null}`)}, []string{"/dependencies"}, "bad_dependencies"},
		"with nested dependencies":      {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`{"a":{}}`)}, []string{"/dependencies"}, "bad_dependencies"},
		"with too many bytes of them":   {rbac.PermissionPatch{Value: ptr("v"), Dependencies: raw(`["` + strings.Repeat("x", 10_000) + `"]`)}, []string{"/dependencies"}, "too_long"},
		"with a value of several lines": {rbac.PermissionPatch{Value: ptr("a\nb")}, []string{"/value"}, "bad_value"},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			c := rbac.CreatePermission{Patch: tt.patch}
			if tt.fails != "" {
				require.Equal(t, tt.fields, o.refused(t, c, tt.fails))
				return
			}
			answer, types := o.done(t, c)
			require.Equal(t, []string{"rbac_permission.created.v1"}, types)
			v := answer.(rbac.PermissionView)
			require.Equal(t, april(1), v.CreatedAt)
			if tt.patch.Dependencies != nil {
				require.Equal(t, string(*tt.patch.Dependencies), string(v.Dependencies))
			}
			o.Reload()
			require.Empty(t, ledgertest.Diff(v.PermissionFields, o.State(v.ID).(*rbac.Permission).Fields))
		})
	}
}

func TestChangeAndDeletePermission(t *testing.T) {
	o := open(t)
	change := func(p rbac.PermissionPatch) rbac.ChangePermission { return rbac.ChangePermission{ID: o.read, Patch: p} }
	o.Pass(time.Hour)
	v, types := o.done(t, change(rbac.PermissionPatch{Type: ptr(ptr("doc")), Dependencies: raw(`["x"]`)}))
	require.Equal(t, []string{"rbac_permission.changed.v1"}, types)
	require.Equal(t, "doc:read", v.(rbac.PermissionView).Value, "what is not named stays")
	require.Equal(t, april(1).Add(time.Hour), v.(rbac.PermissionView).UpdatedAt)

	_, types = o.done(t, change(rbac.PermissionPatch{Value: ptr("doc:read"), Type: ptr(ptr("doc"))}))
	require.Empty(t, types, "rule A4")
	v, _ = o.done(t, change(rbac.PermissionPatch{Type: ptr[*string](nil), Dependencies: new(json.RawMessage)}))
	require.Nil(t, v.(rbac.PermissionView).Type)
	require.Equal(t, []string{"/value"}, o.refused(t, change(rbac.PermissionPatch{Value: ptr("")}), "bad_value"))

	_, types = o.done(t, rbac.DeletePermission{ID: o.read})
	require.Equal(t, []string{"rbac_permission.deleted.v1"}, types)
	o.Reload()
	for _, gone := range []uuid.UUID{o.read, uuid.New()} {
		o.refused(t, rbac.DeletePermission{ID: gone}, "no_permission")
		o.refused(t, rbac.ChangePermission{ID: gone}, "no_permission")
	}
	role := ledgertest.Must[rbac.RoleView](o.Ledger, rbac.CreateRole{Patch: rbac.RolePatch{Name: ptr("r")}}).ID
	o.refused(t, rbac.DeletePermission{ID: role}, "no_permission")
	o.refused(t, rbac.DeleteRole{ID: o.write}, "no_role")
}
