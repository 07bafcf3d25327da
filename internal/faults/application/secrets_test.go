package application

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/salable"
	"github.com/subledger/subledger/internal/pgtest"
)

// routesOf lists what the program serves, by method and path, in both dialects.
func routesOf() (all []handlers.Route) {
	for _, rt := range (&handlers.API{}).Dialect().Routes {
		rt.Path = "/ledger/v1" + rt.Path
		all = append(all, rt)
	}
	return append(all, (&salable.API{}).Dialect().Routes...)
}

var inPath = regexp.MustCompile(`\{(\w+)(:[^}]*)?\}`)

// secretsOf reads the private keys that the installation has, as text of every kind they could be written in.
func (g *rig) secretsOf(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, "master.key"))
	require.NoError(t, err)
	master, err := eventstore.ParseMasterKey(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	all := map[string]string{"the master key": strings.TrimSpace(string(text))}
	add := func(name string, raw []byte) {
		require.Len(t, raw, 32, name)
		all[name+", hexadecimal"], all[name+", base64"], all[name+", base64 for URLs"] = hex.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)
	}
	add("the key of cursors", master.Derive("cursors", 32))
	var organisation uuid.UUID
	var secp256k1, p256 []byte
	pool := pgtest.Pool(t, g.db.URL)
	require.NoError(t, pool.QueryRow(t.Context(), `select organisation_id, secp256k1_private, p256_private from organisations`).Scan(&organisation, &secp256k1, &p256))
	for name, wrapped := range map[string][]byte{"secp256k1": secp256k1, "p256": p256} {
		raw, err := master.Unwrap(wrapped, eventstore.SigningPurpose(organisation, name))
		require.NoError(t, err)
		add("the signing key "+name, raw)
	}
	rows, err := pool.Query(t.Context(), `select ledger_id, wrapped_key from ledgers`)
	require.NoError(t, err)
	var ledger uuid.UUID
	var wrapped []byte
	_, err = pgx.ForEachRow(rows, []any{&ledger, &wrapped}, func() error {
		raw, err := master.Unwrap(wrapped, "ledger key "+ledger.String())
		require.NoError(t, err)
		add("the key of ledger "+ledger.String(), raw)
		return nil
	})
	require.NoError(t, err)
	return all
}

// A run with everything logged, in which every route is called well, badly, without a right, with a wrong key, panicking and
// without a database: no key, no password and no name of a person is in the log, in an answer that did not
// ask for it, in the metrics or among the arguments.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	demo := g.demo
	for _, s := range []string{demo.Keys.Live, demo.Keys.Test, demo.Keys.Admin, demo.Plans.PerSeat} {
		require.NotEmpty(t, s)
	}
	const password = "hunter2-of-the-database"
	url := g.db.URL + "&password=" + password
	require.Contains(t, g.db.URL, "?")
	a := g.start(t, "DATABASE_URL="+url, "SUBLEDGER_LOG_LEVEL=debug", "SUBLEDGER_ACCESS_LOG=true", "SUBLEDGER_FAULT_POINTS=handler=panic:0.05,before append=error:0.1")
	const email, owner, grantee = "zoe.secretive@example.com", "owner-of-a-secret", "grantee-of-a-secret"
	wrong := "test_" + strings.Repeat("Wrong0", 7)
	body := `{"planUuid":"` + demo.Plans.PerSeat + `","owner":"` + owner + `","email":"` + email + `","granteeId":"` + grantee + `","quantity":2}`
	var made reply
	for range 20 { // or a fault
		if made = a.call(t.Context(), "POST", "/ledger/v1/subscriptions", body, uuid.NewString()); made.Status == 201 {
			break
		}
	}
	require.Equal(t, 201, made.Status, dump(made))
	sub := regexp.MustCompile(`"uuid":"([^"]+)"`).FindStringSubmatch(made.Body)[1]

	var answers []string
	hear := func(r reply) {
		answers = append(answers, r.Body)
		for name, values := range r.Header {
			answers = append(answers, name+": "+strings.Join(values, " "))
		}
	}
	as := func(key string) *app { return &app{rig: &rig{client: a.client, key: key}, address: a.address} }
	called, statuses := 0, map[int]int{}
	everyRoute := func() {
		for _, rt := range routesOf() {
			for _, id := range []string{sub, uuid.NewString()} {
				path := inPath.ReplaceAllStringFunc(rt.Path, func(v string) string {
					switch {
					case strings.HasPrefix(v, "{position"):
						return "1"
					case v == "{granteeId}":
						return grantee
					}
					return id
				})
				query := "?granteeId=" + grantee + "&granteeIds=" + grantee + "&purchaser=" + owner + "&email=" + email + "&productUuid=" + id
				bodies := []string{body, `{"email":"` + email + `","owner":7,"member":"` + owner + `"}`, `[{"granteeId":"` + grantee + `","member":"` + owner + `"}]`, `{"email":"` + email + `"`}
				if rt.Method == "GET" {
					bodies = []string{""}
				}
				for _, text := range bodies {
					for _, key := range []string{demo.Keys.Test, demo.Keys.Live, demo.Keys.Admin, wrong} {
						r := as(key).call(t.Context(), rt.Method, path+query, text, "")
						called++
						statuses[r.Status]++
						if key != demo.Keys.Test || r.Status >= 500 || r.Status == 401 || r.Status == 403 { // else it may show what was asked for
							hear(r)
						}
						if rt.Method == "GET" && !rt.Stream {
							r = as(key).call(t.Context(), rt.Method, path, "", "")
							statuses[r.Status]++
						}
					}
				}
			}
		}
	}
	everyRoute()
	require.Greater(t, called, 500)
	for _, status := range []int{200, 400, 401, 403, 404, 422, 500} {
		require.NotZero(t, statuses[status], "%v", statuses)
	}
	for _, r := range []reply{
		a.call(t.Context(), "GET", "/ledger/v1/nothing/"+email, "", ""), a.call(t.Context(), "GET", "/metrics", "", ""), a.call(t.Context(), "GET", "/readyz", "", ""),
	} {
		hear(r)
	}

	// A tail shows what it is asked for; its end is logged.
	tail := &http.Client{Timeout: 200 * time.Millisecond}
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.address+"/ledger/v1/events/stream?after=0", nil)
	require.NoError(t, err)
	req.Header.Set("X-Api-Key", demo.Keys.Test)
	if res, err := tail.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}

	// While backends die, requests and all that runs beside them fail: their errors are logged too.
	_, err = pgtestExec(t, g, `alter table subscriptions rename to gone`)
	require.NoError(t, err)
	_, err = pgtestExec(t, g, `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()`)
	require.NoError(t, err)
	for range 3 {
		for _, r := range []reply{
			a.call(t.Context(), "POST", "/ledger/v1/subscriptions", `{"planUuid":"`+demo.Plans.PerSeat+`","owner":"`+owner+` two","email":"`+email+`"}`, ""),
			a.call(t.Context(), "GET", "/ledger/v1/subscriptions/"+sub, "", ""),
		} {
			if r.Status >= 500 {
				hear(r)
			}
		}
	}

	// A database that is not there, and URLs that are none: what is said of them names no password.
	for _, url := range []string{"postgres://ledger:" + password + "@127.0.0.1:1/ledger", "postgres://ledger:" + password + "@127.0.0.1:port/ledger", "postgres://ledger:" + password + "@[::1/ledger",
		"host=127.0.0.1 port=1 password=" + password, "postgres://ledger:" + password + "@127.0.0.1/ledger?sslmode=nonsense"} {
		for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"doctor"}, {"migrate", "status"}} {
			cmd := g.command(args...)
			cmd.Env = append(cmd.Env, "DATABASE_URL="+url)
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "%s", out)
			require.NotContains(t, string(out), password, "%v with %s", args, url)
		}
	}

	answers = append(answers, strings.Join(a.cmd.Args, " "))
	log := a.said()
	require.Contains(t, log, made.Header.Get("Request-Id"), "the access log is on")
	for _, rt := range routesOf() {
		require.Contains(t, log, `"route":"`+rt.Path+`"`, "every route is in the log")
	}
	require.Contains(t, log, "fault point")
	require.Contains(t, log, `"msg":"panic"`)
	secrets := g.secretsOf(t)
	for name, secret := range map[string]string{"live key": demo.Keys.Live, "test key": demo.Keys.Test, "admin key": demo.Keys.Admin, "wrong key": wrong,
		"e-mail": email, "owner": owner, "grantee": grantee, "password": password} {
		secrets[name] = secret
	}
	for name, secret := range secrets {
		require.NotEmpty(t, secret, name)
		require.NotContains(t, log, secret, "%s in the log", name)
		for _, text := range answers {
			if strings.Contains(text, "nothing/") {
				continue // a path is told as it was sent
			}
			require.NotContains(t, text, secret, "%s in an answer", name)
		}
	}
}
