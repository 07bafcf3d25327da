// Package salable is the black box test of Salable's dialect: the built binary on a private PostgreSQL,
// driven by the clients that Salable published.
package salable

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//go:embed *.mjs package.json package-lock.json .npmrc
var scripts embed.FS

// demo is what `subledger demo` prints.
type demo struct {
	Organisation string
	Keys         struct{ Test, Live, Admin string }
	Product      string
	Plans        struct{ Free, Flat, FlatUpgrade, PerSeat, Metered string }
	Subscription string
	Licenses     []string
}

// report is what a script says of itself, and what it was given.
type report struct {
	Events            map[string]int // that it caused, by type
	License, Assigned string
	Tasks             []string
	flat, seats       string
}

func TestPublishedClients(t *testing.T) {
	t.Parallel()
	clients := install(t)
	l := start(t)
	text := l.run(t, "demo", "--seed", "11", "-o", "json")
	var d demo
	require.NoError(t, json.Unmarshal([]byte(text), &d))

	coupon := l.create(t, d, "coupons", `{"code":"FIVE","percentOff":"5","duration":"forever"}`)
	featured, layers := l.feature(t, d)
	table := l.create(t, d, "pricing-tables", fmt.Sprintf(`{"productUuid":%q,"name":"main","title":"Plans","featuredPlanUuid":%q,
		"features":[{"featureUuid":%q}],"plans":[{"planUuid":%q},{"planUuid":%q,"sortOrder":1}]}`, d.Product, featured, layers, d.Plans.Free, featured))
	keys := l.get(t, d, "/ledger/v1/signing-keys")
	scripts := []struct{ who, script, sdk string }{
		{"sdk-1", "sdk1.mjs", ""}, {"sdk-2", "sdk2.mjs", ""}, {"sdk-4", "v2.mjs", "4"}, {"sdk-5-v2", "v2.mjs", "5"}, {"sdk-5-v3", "v3.mjs", ""},
	}
	reports := make([]report, len(scripts))
	t.Run("clients", func(t *testing.T) {
		for i, s := range scripts {
			reports[i].flat = l.buy(t, d, d.Plans.Flat, "buyer of "+s.who, s.who+" flat", 1)
			reports[i].seats = l.buy(t, d, d.Plans.PerSeat, "buyer of "+s.who, s.who+" first", 5)
			given, err := json.Marshal(map[string]any{"demo": json.RawMessage(text), "who": s.who, "flat": reports[i].flat, "seats": reports[i].seats,
				"pem": keys["p256"], "coupon": coupon, "featured": featured, "pricingTable": table})
			require.NoError(t, err)
			t.Run(s.who, func(t *testing.T) {
				t.Parallel()
				l.drive(t, clients, s.script, &reports[i], "GIVEN="+string(given), "SDK="+s.sdk)
			})
		}
	})
	if t.Failed() {
		return
	}

	// What the clients did is in the log, in order and with where it came from.
	types, want := map[string]int{}, map[string]int{}
	for _, r := range reports {
		for name, n := range r.Events {
			want[name] += n
		}
	}
	position := int64(0)
	tail := []string{"events", "tail", "--organisation", d.Organisation, "--mode", "test", "--after", "0", "--lines", "1000", "-o", "json"}
	for line := range strings.Lines(l.run(t, tail...)) {
		var e struct {
			Position int64
			Type     string
			Meta     struct{ Dialect string }
		}
		require.NoError(t, json.Unmarshal([]byte(line), &e), line)
		position++
		require.Equal(t, position, e.Position)
		if e.Meta.Dialect == "salable" {
			types[e.Type]++
		}
	}
	require.Equal(t, want, types)

	// Read models answer, in our own language too.
	two, four := reports[1], reports[2]
	require.Equal(t, "CANCELED", l.get(t, d, "/ledger/v1/subscriptions/"+two.flat)["status"])
	require.Equal(t, d.Plans.FlatUpgrade, l.get(t, d, "/ledger/v1/subscriptions/"+four.flat)["planUuid"])
	require.EqualValues(t, 6, l.get(t, d, "/ledger/v1/subscriptions/"+four.seats)["quantity"])
	require.Equal(t, "sdk-2", l.get(t, d, "/licenses/"+two.License)["granteeId"])
	require.Equal(t, "sdk-4-a", l.get(t, d, "/licenses/"+four.Assigned)["granteeId"])
	for _, id := range four.Tasks {
		require.Equal(t, "success", l.get(t, d, "/ledger/v1/tasks/"+id)["status"])
	}
	l.run(t, "verify")
}

// install puts the scripts and the clients that they need into a directory of the test's own.
func install(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed: install Node.js 20 or newer with npm (apt-get install -y nodejs npm, or brew install node)", program)
		}
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, scripts))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--omit=optional", "--ignore-scripts")
	npm.Dir = dir
	out, err := npm.CombinedOutput()
	require.NoError(t, err, "npm ci: %s", out)
	return dir
}

// ledger is a running server and the binary beside it.
type ledger struct {
	binary, dataDir, address string
}

func start(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{binary: filepath.Join(t.TempDir(), "subledger")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", l.binary, "github.com/subledger/subledger/cmd/subledger")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "go build: %s", out)
	dir, err := os.MkdirTemp("", "subledger-acceptance-") // t.TempDir() is closed to PostgreSQL's user
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	l.dataDir = filepath.Join(dir, "ledger")

	serve := l.command(context.WithoutCancel(t.Context()), "serve", "-o", "json")
	var stderr bytes.Buffer
	serve.Stderr = &stderr
	stdout, err := serve.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, serve.Start())
	ended := make(chan error, 1)
	t.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		require.NoError(t, <-ended, "serve: %s", &stderr)
		require.NoError(t, os.RemoveAll(dir))
	})
	started := make(chan error, 1)
	go func() {
		var block struct{ Address string }
		err := json.NewDecoder(stdout).Decode(&block)
		l.address = block.Address
		started <- err
		_, _ = io.Copy(io.Discard, stdout)
		ended <- serve.Wait()
	}()
	select {
	case err := <-started:
		require.NoError(t, err, "serve: %s", &stderr)
	case <-time.After(time.Minute):
		t.Fatal("the server did not start within a minute")
	}
	return l
}

func (l *ledger) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.binary, args...)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		ours := strings.HasPrefix(name, "SUBLEDGER_") && !strings.HasPrefix(name, "SUBLEDGER_PG_")
		if !ours && !strings.HasPrefix(name, "DATABASE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "SUBLEDGER_DATA_DIR="+l.dataDir, "SUBLEDGER_LISTEN=127.0.0.1:0")
	return cmd
}

// run is a subcommand that must succeed.
func (l *ledger) run(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := l.command(ctx, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "subledger %s: %s%s", strings.Join(args, " "), out, &stderr)
	return string(out)
}

// drive runs a script against the server and reads the last line that it prints.
func (l *ledger) drive(t *testing.T, dir, script string, report any, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", "--import", "./redirect.mjs", script)
	node.Dir = dir
	node.Env = append(append(os.Environ(), "BASE_URL="+l.address), env...)
	var stderr bytes.Buffer
	node.Stderr = &stderr
	out, err := node.Output()
	require.NoError(t, err, "%s: %s%s", script, out, &stderr)
	require.NoError(t, json.Unmarshal(out, report), "%s: %s", script, out)
}

// buy makes a subscription through our own API: v1 has no call for it but a checkout. Each client has an owner, so that
// none lives on another one's balance.
func (l *ledger) buy(t *testing.T, d demo, plan, owner, grantee string, quantity int) string {
	t.Helper()
	body := fmt.Sprintf(`{"planUuid":%q,"owner":%q,"granteeId":%q,"quantity":%d}`, plan, owner, grantee, quantity)
	return l.create(t, d, "subscriptions", body)
}

// feature makes a plan with two features; the demo has none. It gives the plan and one of the features.
func (l *ledger) feature(t *testing.T, d demo) (plan, layers string) {
	t.Helper()
	options := l.call(t, d, http.MethodPost, "/ledger/v1/features", fmt.Sprintf(`{"productUuid":%q,"name":"size","displayName":"Size",
		"variableName":"size","valueType":"enum","enumOptions":["Small","Very large"],"sortOrder":1}`, d.Product), http.StatusCreated)
	layers = l.create(t, d, "features", fmt.Sprintf(`{"productUuid":%q,"name":"layers","displayName":"Layers","variableName":"layers","valueType":"boolean"}`, d.Product))
	return l.create(t, d, "plans", fmt.Sprintf(`{"productUuid":%q,"name":"Featured","displayName":"Featured","pricingType":"paid","licenseType":"licensed",
		"interval":"year","length":1,"currencies":[{"currency":"USD","price":9900}],
		"features":[{"featureUuid":%q,"value":"true"},{"featureUuid":%q,"enumValueUuid":%q}]}`,
		d.Product, layers, options["uuid"], options["enumOptions"].([]any)[1].(map[string]any)["uuid"])), layers
}

// create makes something through our own API and gives its id.
func (l *ledger) create(t *testing.T, d demo, kind, body string) string {
	t.Helper()
	id, ok := l.call(t, d, http.MethodPost, "/ledger/v1/"+kind, body, http.StatusCreated)["uuid"].(string)
	require.True(t, ok)
	return id
}

func (l *ledger) get(t *testing.T, d demo, path string) map[string]any {
	t.Helper()
	return l.call(t, d, http.MethodGet, path, "", http.StatusOK)
}

func (l *ledger) call(t *testing.T, d demo, method, path, body string, status int) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, l.address+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Api-Key", d.Keys.Test)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, status, res.StatusCode, "%s %s: %s", method, path, data)
	var v map[string]any
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}
