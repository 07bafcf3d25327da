package application

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A run with everything logged, through successes, refusals, a panic and wrong keys: no key, no password, no
// name of a person is in the log, in an answer that did not ask for it, in the metrics or among the arguments.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	demo := g.demo
	for _, s := range []string{demo.Keys.Live, demo.Keys.Test, demo.Keys.Admin, demo.Plans.PerSeat} {
		require.NotEmpty(t, s)
	}
	a := g.start(t, "SUBLEDGER_LOG_LEVEL=debug", "SUBLEDGER_ACCESS_LOG=true", "SUBLEDGER_FAULT_POINTS=handler=panic:once")
	const email, owner, grantee = "zoe.secretive@example.com", "owner-of-a-secret", "grantee-of-a-secret"
	wrong := "test_" + strings.Repeat("Wrong0", 7)
	body := `{"planUuid":"` + demo.Plans.PerSeat + `","owner":"` + owner + `","email":"` + email + `","quantity":2}`
	require.Equal(t, 500, a.call(t.Context(), "POST", "/ledger/v1/subscriptions", body, "").Status, "the panic")
	made := a.call(t.Context(), "POST", "/ledger/v1/subscriptions", body, "")
	require.Equal(t, 201, made.Status, dump(made))
	var answers []string
	for _, r := range []reply{
		a.call(t.Context(), "POST", "/ledger/v1/subscriptions", `{"planUuid":"x","email":"`+email+`"`, ""),
		a.call(t.Context(), "POST", "/ledger/v1/subscriptions", `{"planUuid":"x","owner":7,"email":"`+email+`"}`, ""),
		a.call(t.Context(), "GET", "/licenses/check?granteeIds="+grantee+"&productUuid=x", "", ""),
		a.call(t.Context(), "GET", "/licenses/grantee/"+grantee, "", ""),
		a.call(t.Context(), "GET", "/ledger/v1/nothing/"+email, "", ""),
		a.call(t.Context(), "GET", "/metrics", "", ""),
		a.call(t.Context(), "GET", "/readyz", "", ""),
	} {
		answers = append(answers, r.Body)
		for name, values := range r.Header {
			answers = append(answers, name+": "+strings.Join(values, " "))
		}
	}
	stranger := &app{rig: &rig{client: a.client, key: wrong}, address: a.address}
	answers = append(answers, stranger.call(t.Context(), "GET", "/ledger/v1/products", "", "").Body, strings.Join(a.cmd.Args, " "))

	master, err := os.ReadFile(filepath.Join(g.dir, "master.key"))
	require.NoError(t, err)
	log := a.said()
	require.Contains(t, log, made.Header.Get("Request-Id"), "the access log is on")
	for name, secret := range map[string]string{"live key": demo.Keys.Live, "test key": demo.Keys.Test, "admin key": demo.Keys.Admin, "wrong key": wrong,
		"master key": strings.TrimSpace(string(master)), "e-mail": email, "owner": owner, "grantee": grantee} {
		require.NotEmpty(t, secret, name)
		require.NotContains(t, log, secret, "%s in the log", name)
		for _, text := range answers {
			if name == "e-mail" && strings.Contains(text, "nothing/") {
				continue // a path is told as it was sent
			}
			require.NotContains(t, text, secret, "%s in an answer", name)
		}
	}
}
