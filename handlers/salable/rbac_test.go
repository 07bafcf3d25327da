package salable_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

// access makes a permission, a role that has it and a user of that role.
func (g *rig) access(t testing.TB, key, user string) (permission, role string) {
	t.Helper()
	permission = g.call(t, key, "POST", "/rbac/permissions", `{"value":"doc:read"}`).want(201).text("uuid")
	role = g.call(t, key, "POST", "/rbac/roles", fmt.Sprintf(`{"name":"reader","permissions":[%q]}`, permission)).want(201).text("uuid")
	g.call(t, key, "POST", "/rbac/users", fmt.Sprintf(`{"id":%q,"role":%q}`, user, role)).want(201)
	return permission, role
}

// names lists a field of the items of a list.
func (r *result) names(field string, path ...any) []string {
	r.t.Helper()
	all := []string{}
	for _, item := range r.at(path...).([]any) {
		all = append(all, fmt.Sprint(item.(map[string]any)[field]))
	}
	return all
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	created := g.call(t, g.test, "POST", "/rbac/permissions", `{"value":"doc:read","type":"doc","description":"Reads","dependencies":["a","b"],
		"createdAt":"x","updatedAt":7,"rbacUsers":[1],"roles":{}}`).want(201).golden("permission")
	path := "/rbac/permissions/" + created.text("uuid")
	require.Equal(t, string(created.body), string(g.call(t, g.test, "GET", path, "").want(200).body), "the fold and the read model")

	updated := g.call(t, g.test, "PUT", path, `{"value":"doc:write","type":null,"dependencies":{"doc:read":"1","all":""}}`).want(200).golden("permission_updated")
	require.JSONEq(t, string(updated.body), string(g.call(t, g.test, "GET", path, "").want(200).body))
	require.Equal(t, string(updated.body), string(g.call(t, g.test, "PUT", path, `{}`).want(200).body))
	require.Nil(t, g.call(t, g.test, "PUT", path, `{"dependencies":null}`).want(200).at("dependencies"))
	least := g.call(t, g.test, "POST", "/rbac/permissions", `{"value":"x"}`, "version", "v2").want(201)
	require.Nil(t, least.at("type"))
	require.Nil(t, least.at("dependencies"))
	require.Equal(t, []string{"doc:write", "x"}, g.call(t, g.test, "GET", "/rbac/permissions", "").want(200).names("value"))

	for body, fields := range map[string][]string{
		`{}`: {"value"},
		`{"value":7,"type":7,"description":7,"dependencies":7}`:                {"type", "description", "value", "dependencies"},
		`{"value":"","dependencies":["a",null,7,"b"]}`:                         {"value", "dependencies.1", "dependencies.2"},
		`{"value":"a","dependencies":{"a":null,"b":{}}}`:                       {"dependencies.a", "dependencies.b"},
		`{"value":"a\nb","type":"a\tb","description":"\u001b"}`:                {"type", "value"},
		`{"value":"a","dependencies":["` + strings.Repeat("x", 10_000) + `"]}`: {"dependencies"},
		`{"value":"a","dependencies":[` + strings.Repeat(`"",`, 1000) + `""]}`: {"dependencies"},
		`{"value":"` + strings.Repeat("x", 256) + `"}`:                         {"value"},
		`{"value":"a","description":"` + strings.Repeat("x", 10_001) + `"}`:    {"description"},
	} {
		require.Equal(t, fields, g.call(t, g.test, "POST", "/rbac/permissions", body).properties(), "%.100s", body)
	}
	require.Equal(t, []string{"value"}, g.call(t, g.test, "PUT", path, `{"value":null}`).properties())

	g.call(t, g.test, "DELETE", path, "").want(204)
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, "permission not found", g.call(t, g.test, method, path, bodyFor(method)).want(404).text("error"))
	}
	require.Equal(t, []string{"x"}, g.call(t, g.test, "GET", "/rbac/permissions", "").want(200).names("value"))
}

// body is one for methods that have one.
func bodyFor(method string) string {
	if method == "PUT" {
		return "{}"
	}
	return ""
}

func TestRoles(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	permission := func(value string) string {
		return g.call(t, g.test, "POST", "/rbac/permissions", fmt.Sprintf(`{"value":%q,"type":"doc"}`, value)).want(201).text("uuid")
	}
	read, write := permission("doc:read"), permission("doc:write")
	created := g.call(t, g.test, "POST", "/rbac/roles", fmt.Sprintf(`{"name":"editor","description":"Edits","permissions":[%q,%q]}`, write, read)).want(201).golden("role")
	path := "/rbac/roles/" + created.text("uuid")
	require.Equal(t, string(created.body), string(g.call(t, g.test, "GET", path, "").want(200).body), "the fold and the read model")
	for _, step := range []struct {
		permissions string
		want        []string
	}{
		{fmt.Sprintf(`[%q]`, read), []string{"doc:read"}},
		{fmt.Sprintf(`{"add":[%q],"remove":[%q]}`, write, read), []string{"doc:write"}},
		{fmt.Sprintf(`{"add":[%q]}`, read), []string{"doc:write", "doc:read"}},
		{`{}`, []string{"doc:write", "doc:read"}},
		{`null`, []string{"doc:write", "doc:read"}},
		{`[]`, []string{}},
		{fmt.Sprintf(`[%q,%q]`, read, write), []string{"doc:read", "doc:write"}},
	} {
		got := g.call(t, g.test, "PUT", path, `{"permissions":`+step.permissions+`}`).want(200)
		require.Equal(t, step.want, got.names("value", "permissions"), step.permissions)
		require.Equal(t, string(got.body), string(g.call(t, g.test, "GET", path, "").want(200).body))
	}
	renamed := g.call(t, g.test, "PUT", path, `{"name":"author","description":null}`).want(200)
	require.Equal(t, "author", renamed.text("name"))
	require.Nil(t, renamed.at("description"))

	unknown := uuid.Must(uuid.NewV7()).String()
	for body, fields := range map[string][]string{
		`{"permissions":[]}`:                                                         {"name"},
		`{"name":"","description":7,"permissions":7}`:                                {"description", "permissions", "name"},
		fmt.Sprintf(`{"name":"n","permissions":[%q,%q]}`, read, unknown):             {"permissions.1"},
		fmt.Sprintf(`{"name":"n","permissions":[%q,"x",null]}`, read):                {"permissions.1", "permissions.2"},
		`{"name":"n","permissions":{"add":7,"remove":["x"]}}`:                        {"permissions.add", "permissions.remove.0"},
		fmt.Sprintf(`{"name":"n","permissions":{"add":[%q]}}`, created.text("uuid")): {"permissions.add.0"},
	} {
		require.ElementsMatch(t, fields, g.call(t, g.test, "POST", "/rbac/roles", body).properties(), body)
	}
	require.Equal(t, []string{"permissions.add.0", "permissions.remove.1"}, g.call(t, g.test, "PUT", path,
		fmt.Sprintf(`{"permissions":{"add":[%q],"remove":[%q,%[1]q]}}`, unknown, read)).properties())

	g.call(t, g.test, "DELETE", "/rbac/permissions/"+read, "").want(204)
	require.Equal(t, []string{"doc:write"}, g.call(t, g.test, "GET", path, "").want(200).names("value", "permissions"), "a deleted permission is nobody's")
	require.Equal(t, []string{"author"}, g.call(t, g.test, "GET", "/rbac/roles", "").want(200).names("name"))
	g.call(t, g.test, "DELETE", path, "").want(204)
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, "role not found", g.call(t, g.test, method, path, bodyFor(method)).want(404).text("error"))
	}
	require.Equal(t, "[]", strings.TrimSpace(string(g.call(t, g.test, "GET", "/rbac/roles", "").want(200).body)))
}

func TestUsers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	permission, role := g.access(t, g.test, "someone")
	more := g.call(t, g.test, "POST", "/rbac/permissions", `{"value":"admin"}`).want(201).text("uuid")
	created := g.call(t, g.test, "POST", "/rbac/users", fmt.Sprintf(`{"id":"ann","name":"Ann","role":%q,"permissions":[%q]}`, role, more)).want(201).golden("rbac_user")
	require.Equal(t, string(created.body), string(g.call(t, g.test, "GET", "/rbac/users/ann", "").want(200).body), "the fold and the read model")
	require.Equal(t, []string{"id"}, g.call(t, g.test, "POST", "/rbac/users", `{"id":"ann"}`).properties(), "it is taken")

	put := func(body string) *result {
		t.Helper()
		got := g.call(t, g.test, "PUT", "/rbac/users/ann", body).want(200)
		require.Equal(t, string(got.body), string(g.call(t, g.test, "GET", "/rbac/users/ann", "").want(200).body))
		return got
	}
	changed := put(fmt.Sprintf(`{"name":"Anna","role":null,"permissions":{"add":[%q],"remove":[%q]}}`, permission, more)).golden("rbac_user_updated")
	require.NotEqual(t, created.text("updatedAt"), changed.text("updatedAt"))
	require.Empty(t, put(`{"id":"ann","name":null,"permissions":[]}`).names("value", "permissions"))
	require.Equal(t, role, put(fmt.Sprintf(`{"role":%q}`, role)).text("role", "uuid"))
	require.Equal(t, []string{"doc:read"}, put(`{}`).names("value", "role", "permissions"))

	unknown := uuid.Must(uuid.NewV7()).String()
	for body, fields := range map[string][]string{
		`{}`: {"id"},
		`{"id":7,"name":7,"role":7,"permissions":7}`:                             {"id", "name", "role", "permissions"},
		fmt.Sprintf(`{"id":"x","role":%q,"permissions":[%q]}`, unknown, unknown): {"permissions.0", "role"},
		fmt.Sprintf(`{"id":"x","role":%q,"permissions":[%q]}`, permission, role): {"permissions.0", "role"},
		`{"id":"` + strings.Repeat("é", 256) + `"}`:                              {"id"},
		`{"id":"a\nb"}`: {"id"},
	} {
		require.ElementsMatch(t, fields, g.call(t, g.test, "POST", "/rbac/users", body).properties(), body)
	}

	g.call(t, g.test, "DELETE", "/rbac/permissions/"+permission, "").want(204)
	require.Empty(t, g.call(t, g.test, "GET", "/rbac/users/ann", "").want(200).names("value", "role", "permissions"))
	g.call(t, g.test, "DELETE", "/rbac/roles/"+role, "").want(204)
	require.Nil(t, g.call(t, g.test, "GET", "/rbac/users/ann", "").want(200).at("role"), "a deleted role is nobody's")
	require.Nil(t, put(`{"name":"A"}`).at("role"))

	g.call(t, g.test, "DELETE", "/rbac/users/ann", "").want(204)
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		require.Equal(t, "user not found", g.call(t, g.test, method, "/rbac/users/ann", bodyFor(method)).want(404).text("error"))
	}
	require.Equal(t, []string{"someone"}, g.call(t, g.test, "GET", "/rbac/users", "").want(200).names("id"))
	again := g.call(t, g.test, "POST", "/rbac/users", `{"id":"ann"}`).want(201)
	require.Nil(t, again.at("name"), "nothing of the former one")
	require.NotEqual(t, created.text("createdAt"), again.text("createdAt"))
	require.Equal(t, []string{"someone", "ann"}, g.call(t, g.test, "GET", "/rbac/users", "").want(200).names("id"), "in order of their making")
}

// A user's id can be changed: the user goes on under the new one, and the old one is free.
func TestUsersGetOtherIDs(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	_, role := g.access(t, g.test, "bob")
	made := g.call(t, g.test, "POST", "/rbac/users", fmt.Sprintf(`{"id":"ann","name":"Ann","role":%q}`, role)).want(201)
	require.Equal(t, []string{"id"}, g.call(t, g.test, "PUT", "/rbac/users/ann", `{"id":"bob"}`).properties())
	require.Equal(t, []string{"id"}, g.call(t, g.test, "PUT", "/rbac/users/ann", `{"id":""}`).properties())
	moved := g.call(t, g.test, "PUT", "/rbac/users/ann", `{"id":"anna/2"}`).want(200)
	require.Equal(t, "anna/2 Ann "+role, moved.text("id")+" "+moved.text("name")+" "+moved.text("role", "uuid"))
	require.Equal(t, made.text("createdAt"), moved.text("createdAt"))
	require.Equal(t, string(moved.body), string(g.call(t, g.test, "GET", "/rbac/users/anna%2F2", "").want(200).body))
	g.call(t, g.test, "GET", "/rbac/users/ann", "").want(404)
	require.Equal(t, []string{"bob", "anna/2"}, g.call(t, g.test, "GET", "/rbac/users", "").want(200).names("id"))
	g.call(t, g.test, "POST", "/rbac/users", `{"id":"ann"}`).want(201)
}

func TestB30_IDsOfUsers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ids := []string{" ", "  a ", "\u202eabc", "e\u0301", "é", "A", "a", "%41", "a/b", "..", ".", "a+b", "null", "'; drop table events; --", "enc1:AAAA", "erased-", "erased-1",
		uuid.NewString(), strings.Repeat("x", 255), strings.Repeat("é", 255)}
	for i, id := range ids {
		path := "/rbac/users/" + url.PathEscape(id)
		g.call(t, g.test, "GET", path, "").want(404)
		require.Equal(t, id, g.call(t, g.test, "POST", "/rbac/users", fmt.Sprintf(`{"id":%s}`, jsonText(t, id))).want(201).text("id"))
		require.Equal(t, strconv.Itoa(i), g.call(t, g.test, "PUT", path, fmt.Sprintf(`{"name":"%d"}`, i)).want(200).text("name"))
		require.Equal(t, strconv.Itoa(i), g.call(t, g.test, "GET", path, "").want(200).text("name"), "%q is nobody else", id)
	}
	require.Equal(t, ids, g.call(t, g.test, "GET", "/rbac/users", "").want(200).names("id"))
	for _, id := range ids {
		g.call(t, g.test, "DELETE", "/rbac/users/"+url.PathEscape(id), "").want(204)
	}
}

// Live and test rows are apart, and the versions that have no RBAC know nothing of it.
func TestRBACIsTheLedgersOwn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	org := g.organisation(t)
	test, live := g.key(t, org, "test", allScopes()...), g.key(t, org, "live", allScopes()...)
	permission, role := g.access(t, test, "ann")
	for _, path := range []string{"/rbac/permissions", "/rbac/roles", "/rbac/users"} {
		require.Len(t, g.call(t, test, "GET", path, "").want(200).at(), 1)
		require.Empty(t, g.call(t, live, "GET", path, "").want(200).at())
		require.Contains(t, g.call(t, test, "GET", path, "", "version", "v3").want(404).text("error"), "is of v1 and v2")
	}
	require.Equal(t, []string{"permissions.0"}, g.call(t, live, "POST", "/rbac/roles", fmt.Sprintf(`{"name":"n","permissions":[%q]}`, permission)).properties())
	require.Equal(t, []string{"role"}, g.call(t, live, "POST", "/rbac/users", fmt.Sprintf(`{"id":"ann","role":%q}`, role)).properties())
	g.call(t, live, "POST", "/rbac/users", `{"id":"ann"}`).want(201)

	var streams int
	require.NoError(t, g.pool.QueryRow(t.Context(), `select count(distinct stream_id) from events where type = 'rbac_user.created.v1'`).Scan(&streams))
	require.Equal(t, 2, streams, "one id has another stream in every ledger")
	var version int
	require.NoError(t, g.pool.QueryRow(t.Context(), `select get_byte(uuid_send(stream_id), 6) >> 4 from events where type = 'rbac_user.created.v1' limit 1`).Scan(&version))
	require.Equal(t, 8, version)
}

func TestRBACKeysCountOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	make := func() *result {
		return g.call(t, g.test, "POST", "/rbac/users", `{"id":"ann","name":"Ann"}`, "unique-key", "make").want(201)
	}
	remove := func() *result {
		return g.call(t, g.test, "DELETE", "/rbac/users/ann", "", "unique-key", "remove").want(204)
	}
	first := make()
	require.Equal(t, string(first.body), string(make().body))
	put := func() *result {
		return g.call(t, g.test, "PUT", "/rbac/users/ann", `{"id":"bob"}`, "unique-key", "move").want(200)
	}
	moved := put()
	require.Equal(t, string(moved.body), string(put().body), "though ann is no more")
	g.call(t, g.test, "PUT", "/rbac/users/bob", `{"id":"ann"}`).want(200)
	remove()
	require.Equal(t, "true", remove().header.Get("Idempotency-Replayed"))
	require.Equal(t, "true", make().header.Get("Idempotency-Replayed"), "and nobody is made")
	g.call(t, g.test, "GET", "/rbac/users/ann", "").want(404)
	require.Equal(t, []string{"unique-key"}, g.call(t, g.test, "POST", "/rbac/users", `{"id":"bob"}`, "unique-key", "make").properties())
}

func TestAnIDIsTakenOnceAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	got := atOnce(20, func(int) int { return g.call(t, g.test, "POST", "/rbac/users", `{"id":"ann"}`).status })
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusBadRequest: 19}, got)
	g.call(t, g.test, "POST", "/rbac/users", `{"id":"bob"}`).want(201)
	got = atOnce(2, func(i int) int {
		return g.call(t, g.test, "PUT", "/rbac/users/"+[]string{"ann", "bob"}[i], `{"id":"eve"}`).status
	})
	require.Equal(t, map[int]int{http.StatusOK: 1, http.StatusBadRequest: 1}, got)
	require.Len(t, g.call(t, g.test, "GET", "/rbac/users", "").want(200).at(), 2)
}

// Long lists come whole, in order, in a number of queries that grows with their pages alone.
func TestLongListsOfRBAC(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	permission, role := g.access(t, g.test, "0")
	const n = 250
	for i := 1; i < n; i++ {
		g.call(t, g.test, "POST", "/rbac/permissions", fmt.Sprintf(`{"value":"%d"}`, i)).want(201)
		g.call(t, g.test, "POST", "/rbac/roles", fmt.Sprintf(`{"name":"%d","permissions":[%q]}`, i, permission)).want(201)
		g.call(t, g.test, "POST", "/rbac/users", fmt.Sprintf(`{"id":"%d","role":%q,"permissions":[%q]}`, i, role, permission)).want(201)
	}
	for _, tt := range []struct {
		path, name string
		queries    int // of a page, but for the last
	}{{"/rbac/permissions", "value", 1}, {"/rbac/roles", "name", 2}, {"/rbac/users", "id", 3}} {
		g.call(t, g.test, "GET", tt.path, "").want(200) // whatever has to be caught up with
		got := g.call(t, g.test, "GET", tt.path, "").want(200)
		names := got.names(tt.name)
		require.Len(t, names, n)
		require.Equal(t, strconv.Itoa(n-1), names[n-1])
		require.True(t, json.Valid(got.body))
		if tt.name != "value" {
			require.Equal(t, []string{"doc:read"}, got.names("value", n-1, "permissions"))
		}
		require.EqualValues(t, (n/100+1)*tt.queries, g.asks(t, tt.path), tt.path)
	}
}

// B90, B91, B93 for users: their ids and names go with their keys; what is left has a mark in their place, by
// which it can be changed and deleted, and the id is free for somebody new.
func TestB90_B93_ErasedUsers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const id, name = "ursula.u.secretive", "Ursula Secretive"
	permission, role := g.access(t, g.test, "ada")
	body := fmt.Sprintf(`{"id":%q,"name":%q,"role":%q,"permissions":[%q]}`, id, name, role, permission)
	made := g.call(t, g.test, "POST", "/rbac/users", body, "unique-key", "the user").want(201)
	g.call(t, g.test, "PUT", "/rbac/users/"+id, fmt.Sprintf(`{"name":%q}`, name+" II")).want(200)
	require.NotEmpty(t, g.holding(t, []string{id}))

	var ledger uuid.UUID
	require.NoError(t, g.pool.QueryRow(t.Context(), `select ledger_id from events where type = 'rbac_user.created.v1' limit 1`).Scan(&ledger))
	_, err := g.store.EraseSubject(t.Context(), ledger, rbac.Subject(id))
	require.NoError(t, err)
	rebuild := projections.NewRebuild(projections.RebuildConfig{Log: g.store, Owner: pgtest.Pool(t, g.db.URL), Models: projections.Models()})
	require.NoError(t, rebuild.Run(t.Context()))
	require.NoError(t, rebuild.Swap(t.Context()))

	require.Empty(t, g.holding(t, []string{id, name}))
	list := g.call(t, g.test, "GET", "/rbac/users", "").want(200)
	require.Len(t, list.at(), 2)
	mark := list.text(1, "id")
	require.True(t, strings.HasPrefix(mark, domain.ErasedPrefix), mark)
	replayed := g.call(t, g.test, "POST", "/rbac/users", body, "unique-key", "the user").want(201)
	require.Equal(t, "true", replayed.header.Get("Idempotency-Replayed"))
	require.NotContains(t, string(replayed.body), "ecretive")
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		g.call(t, g.test, method, "/rbac/users/"+id, bodyFor(method)).want(404)
	}
	marked := g.call(t, g.test, "GET", "/rbac/users/"+mark, "").want(200)
	require.Equal(t, made.text("createdAt"), marked.text("createdAt"))
	require.Empty(t, g.call(t, g.test, "PUT", "/rbac/users/"+mark, `{"permissions":[]}`).want(200).at("permissions"))
	require.NotContains(t, g.log.String(), "ecretive")

	again := g.call(t, g.test, "POST", "/rbac/users", fmt.Sprintf(`{"id":%q}`, id)).want(201)
	require.Nil(t, again.at("name"))
	require.Equal(t, []string{"ada", id}, g.call(t, g.test, "GET", "/rbac/users", "").want(200).names("id"))
	g.call(t, g.test, "GET", "/rbac/users/"+mark, "").want(404)
	g.call(t, g.test, "DELETE", "/rbac/users/"+id, "").want(204)
}
