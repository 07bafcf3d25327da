package organisation_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

func april(n int) time.Time { return time.Date(2025, time.April, n, 0, 0, 0, 0, time.UTC) }

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }

func hash(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func create() organisation.Create {
	return organisation.Create{ID: id(1), Name: "Acme", Currency: "eur", TimeZone: "Europe/Berlin",
		Live: organisation.LedgerKey{ID: id(2), WrappedKey: []byte{1}}, Test: organisation.LedgerKey{ID: id(3), WrappedKey: []byte{2}}}
}

func issue(n byte) organisation.IssueKey {
	return organisation.IssueKey{Organisation: id(1), KeyID: id(n), Mode: "test", Name: "ci", Hash: hash(n), Hint: "test_…abcd", Scopes: []string{"write:usage", "usage:write", "plans:read"}}
}

func TestCreate(t *testing.T) {
	l := ledgertest.New(t, april(1))
	v := ledgertest.Must[organisation.View](l, create())
	require.Equal(t, organisation.View{ID: id(1), Name: "Acme", Currency: "EUR", TimeZone: "Europe/Berlin", Live: id(2), Test: id(3), Version: 1,
		CreatedAt: april(1), UpdatedAt: april(1)}, v)
	_, _, err := l.Execute(create())
	require.ErrorIs(t, err, &domain.Error{Code: "organisation_exists"})
	c := create()
	c.ID, c.Currency, c.TimeZone = id(9), "", ""
	v = ledgertest.Must[organisation.View](l, c)
	require.Equal(t, []string{"USD", "UTC"}, []string{v.Currency, v.TimeZone})
	for code, edit := range map[string]func(*organisation.Create){
		"bad_name": func(c *organisation.Create) { c.Name = "" }, "unknown_currency": func(c *organisation.Create) { c.Currency = "XXX" },
		"unknown_time_zone": func(c *organisation.Create) { c.TimeZone = "Local" }, "bad_key_material": func(c *organisation.Create) { c.Test.ID = c.Live.ID },
	} {
		c := create()
		c.ID = id(8)
		edit(&c)
		_, _, err := l.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: code})
	}
}

func TestIssueKey(t *testing.T) {
	for name, tt := range map[string]struct {
		edit  func(*organisation.IssueKey)
		fails string
	}{
		"of the test ledger": {func(*organisation.IssueKey) {}, ""},
		"of the live ledger": {func(c *organisation.IssueKey) { c.Mode = "live" }, ""},
		"O2 admin keys are the installation's": {func(c *organisation.IssueKey) {
			c.Organisation, c.Mode, c.Scopes = organisation.AdminKeys, "system", []string{"admin"}
		}, ""},
		"O2 admin and nothing else": {func(c *organisation.IssueKey) {
			c.Organisation, c.Mode, c.Scopes = organisation.AdminKeys, "system", []string{"admin", "plans:read"}
		}, "bad_scope"},
		"O2 no admin for an organisation": {func(c *organisation.IssueKey) { c.Scopes = []string{"admin"} }, "bad_scope"},
		"O2 no organisation's system key": {func(c *organisation.IssueKey) { c.Mode = "system" }, "bad_mode"},
		"O2 no live admin key":            {func(c *organisation.IssueKey) { c.Organisation, c.Scopes = organisation.AdminKeys, []string{"admin"} }, "bad_mode"},
		"a scope that is none":            {func(c *organisation.IssueKey) { c.Scopes = []string{"plans:write"} }, "bad_scope"},
		"no scope":                        {func(c *organisation.IssueKey) { c.Scopes = nil }, "bad_scope"},
		"O3 a hash, not a secret":         {func(c *organisation.IssueKey) { c.Hash = []byte("test_secret") }, "bad_hash"},
		"it expires in the future":        {func(c *organisation.IssueKey) { c.ExpiresAt = ptr(april(2)) }, ""},
		"it expired":                      {func(c *organisation.IssueKey) { c.ExpiresAt = ptr(april(1)) }, "bad_expiry"},
		"no name":                         {func(c *organisation.IssueKey) { c.Name = "" }, "bad_name"},
		"an unknown organisation":         {func(c *organisation.IssueKey) { c.Organisation = id(77) }, "no_organisation"},
		"an id that is taken":             {func(c *organisation.IssueKey) { c.KeyID = id(20) }, "key_exists"},
		"a secret that is taken":          {func(c *organisation.IssueKey) { c.Hash = hash(20) }, "key_exists"},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledgertest.New(t, april(1))
			ledgertest.Must[organisation.View](l, create())
			ledgertest.Must[organisation.KeyView](l, issue(20))
			c := issue(21)
			tt.edit(&c)
			answer, _, err := l.Execute(c)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			v := answer.(organisation.KeyView)
			require.Equal(t, map[string]uuid.UUID{"live": id(2), "test": id(3), "system": ledgertest.ID}[c.Mode], v.LedgerID)
			require.Equal(t, organisation.KeyActive, v.Status)
			if c.Mode == "test" {
				require.Equal(t, []string{"usage:write", "plans:read"}, v.Scopes, "a retired spelling is today's scope")
			}
			l.CheckFolds()
		})
	}
}

func TestKeysEnd(t *testing.T) {
	l := ledgertest.New(t, april(1))
	ledgertest.Must[organisation.View](l, create())
	ledgertest.Must[organisation.KeyView](l, issue(20))
	roll := organisation.RollKey{Organisation: id(1), KeyID: id(20), NewKeyID: id(21), Hash: hash(21), Hint: "test_…efgh", Overlap: 24 * time.Hour}
	next := ledgertest.Must[organisation.KeyView](l, roll)
	require.Equal(t, []string{"usage:write", "plans:read"}, next.Scopes, "O4 with the same scopes")
	require.Equal(t, "ci", next.Name)

	status := func(n byte) string {
		v, ok := l.State(id(1)).(*organisation.State).Key(id(n), l.Now())
		require.True(t, ok)
		return v.Status
	}
	require.Equal(t, organisation.KeyActive, status(20), "O4 while the overlap runs")
	roll.NewKeyID, roll.Hash = id(22), hash(22)
	_, _, err := l.Execute(roll)
	require.ErrorIs(t, err, &domain.Error{Code: "already_rolled"})
	l.SetNow(april(2))
	require.Equal(t, organisation.KeyRolled, status(20))
	_, _, err = l.Execute(roll)
	require.ErrorIs(t, err, &domain.Error{Code: "key_ended"})
	_, events, err := l.Execute(organisation.RevokeKey{Organisation: id(1), KeyID: id(20)})
	require.NoError(t, err)
	require.Empty(t, events, "it has ended")

	ledgertest.Must[organisation.KeyView](l, organisation.RollKey{Organisation: id(1), KeyID: id(21), NewKeyID: id(22), Hash: hash(22), Hint: "h", Overlap: time.Hour})
	v := ledgertest.Must[organisation.KeyView](l, organisation.RevokeKey{Organisation: id(1), KeyID: id(21)})
	require.Equal(t, organisation.KeyRevoked, v.Status, "at once, the overlap too")
	_, events, err = l.Execute(organisation.RevokeKey{Organisation: id(1), KeyID: id(21)})
	require.NoError(t, err)
	require.Empty(t, events)

	short := issue(30)
	short.ExpiresAt = ptr(april(3))
	ledgertest.Must[organisation.KeyView](l, short)
	l.SetNow(april(3))
	require.Equal(t, organisation.KeyExpired, status(30))
	for code, c := range map[string]domain.Command{
		"no_key":      organisation.RevokeKey{Organisation: id(1), KeyID: id(99)},
		"bad_overlap": organisation.RollKey{Organisation: id(1), KeyID: id(22), NewKeyID: id(23), Hash: hash(23), Hint: "h", Overlap: -1},
		"key_exists":  organisation.RollKey{Organisation: id(1), KeyID: id(22), NewKeyID: id(20), Hash: hash(23), Hint: "h"},
	} {
		_, _, err := l.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: code})
	}
	keys := l.State(id(1)).(*organisation.State).Keys(l.Now())
	require.Len(t, keys, 4)
	require.Equal(t, id(20), keys[0].ID)
	l.CheckFolds()
}

func TestScopes(t *testing.T) {
	all := organisation.Scopes()
	require.True(t, slices.IsSorted(all))
	for _, s := range all {
		canonical, ok := organisation.CanonicalScope(s)
		require.True(t, ok)
		require.Equal(t, s, canonical)
		require.True(t, organisation.Covers([]string{s}, s))
	}
	require.True(t, organisation.Covers([]string{"customers:*"}, "customers:write"))
	require.True(t, organisation.Covers([]string{"write:usage"}, "usage:write"), "a retired spelling")
	require.False(t, organisation.Covers([]string{"customers:read"}, "customers:write"))
	require.False(t, organisation.Covers([]string{"admin"}, "plans:read"))
	require.False(t, organisation.Covers(nil, "plans:read"))
	for _, s := range []string{"organisations:read", "organisations:write"} { // keys of today have them
		canonical, ok := organisation.CanonicalScope(s)
		require.True(t, ok)
		require.Equal(t, s, canonical)
		require.NotContains(t, all, s, "it opens nothing, so it is not offered")
	}
	_, ok := organisation.CanonicalScope("plans:*")
	require.False(t, ok)
}
