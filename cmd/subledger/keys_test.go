package main_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

type keyOutput struct {
	ID, Organisation, LedgerID, Mode, Name, Status, Secret string
	CreatedAt                                              time.Time
	Scopes                                                 []string
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newCLI(t).serve()
	opens := func(key string) int {
		status, _ := s.call("GET", "/ledger/v1/head", key, "")
		return status
	}
	k := parse[keyOutput](t, s.ok("keys", "create", "--mode", "live", "--name", "till", "--scopes", "ledger:read,plans:read", "-o", "json"))
	require.Equal(t, []string{"ledger:read", "plans:read"}, k.Scopes)
	require.Equal(t, 200, opens(k.Secret))

	rolled := parse[keyOutput](t, s.ok("keys", "roll", k.ID, "--overlap", "1h", "-o", "json"))
	require.Equal(t, k.Scopes, rolled.Scopes)
	require.Equal(t, 200, opens(k.Secret), "the overlap runs")
	require.Equal(t, 200, opens(rolled.Secret))
	require.Contains(t, s.fails(4, "keys", "roll", k.ID).stderr, "already_rolled")

	require.Equal(t, "revoked", parse[keyOutput](t, s.ok("keys", "revoke", rolled.ID, "-o", "json")).Status)
	require.Eventually(t, func() bool { return opens(rolled.Secret) == 401 }, 10*time.Second, 50*time.Millisecond)

	admin := parse[keyOutput](t, s.ok("keys", "create", "--mode", "admin", "-o", "json"))
	status, body := s.call("POST", "/ledger/v1/organisations", admin.Secret, `{"name": "Second"}`)
	require.Equal(t, 201, status, "%s", body)
	require.Contains(t, s.fails(2, "keys", "create", "--mode", "test").stderr, "--organisation "+s.started.Organisation)
	s.ok("keys", "create", "--mode", "test", "--organisation", s.started.Organisation, "--expires-in", "1h")

	list := parse[[]keyOutput](t, s.ok("keys", "list", "-o", "json"))
	require.Len(t, list, 3+1+1+1+1)
	for _, each := range list {
		require.Empty(t, each.Secret)
	}
	require.Contains(t, s.ok("keys", "list", "--organisation", s.started.Organisation), "till")
	s.fails(4, "keys", "revoke", "019b76da-0000-7000-8000-000000000000")
	require.Contains(t, s.fails(2, "keys", "create", "--mode", "live", "--organisation", s.started.Organisation, "--scopes", "admin").stderr, "--mode admin")
	require.Contains(t, s.fails(2, "keys", "create", "--mode", "admin", "--scopes", "plans:read").stderr, "leave out --scopes")
	s.fails(2, "keys", "create", "--mode", "system")
	s.fails(2, "keys", "create", "--mode", "admin", "--expires-in", "0s")
	nonsense := s.fails(2, "keys", "create", "--mode", "live", "--scopes", "nonsense").stderr
	require.Contains(t, nonsense, "a live key may have billing:read ")
	require.NotContains(t, nonsense, "admin", "a live key may not")
	text := s.ok("keys", "list", "-o", "json")

	// The same key has the same members over HTTP, null ones too; only the mode of admin keys is called as the flag is.
	members := func(text string) (names []string) {
		for _, key := range parse[[]map[string]any](t, text) {
			names = slices.AppendSeq(names, maps.Keys(key))
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	status, body = s.call("GET", "/ledger/v1/organisations/"+s.started.Organisation+"/keys", admin.Secret, "")
	require.Equal(t, 200, status, "%s", body)
	require.Equal(t, members(string(parse[struct{ Data json.RawMessage }](t, body).Data)), members(text))
	require.Contains(t, text, `"ledgerUuid":`)
	require.Contains(t, text, `"endsAt":null`)
	require.Contains(t, text, `"expiresAt":null`)
	require.Contains(t, text, `"mode":"admin"`)
	s.fails(2, "keys", "roll", k.ID, "--overlap", "10000h")
}
