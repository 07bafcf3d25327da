package handlers_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/internal/apikey"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// rig is a whole server on a database of its own, and an organisation with keys.
type rig struct {
	server *handlers.Server
	api    *handlers.API
	store  *eventstore.Store
	pool   *pgxpool.Pool // of the application's role
	log    *lockedBuffer
	admin  string
	org    string
	test   string // keys with all scopes
	live   string

	mu    sync.Mutex
	clock time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (g *rig) now() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.clock
}

func (g *rig) pass(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clock = g.clock.Add(d)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{log: &lockedBuffer{}, clock: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	db, master := pgtest.New(t), eventstore.NewMasterKey()
	pool := func(url string) *pgxpool.Pool {
		p, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 8 })
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	require.NoError(t, eventstore.Bootstrap(t.Context(), pool(db.URL), master))
	app := pool(db.AppURL)
	g.pool = app
	logger := slog.New(slog.NewJSONHandler(g.log, nil))
	var err error
	g.store, err = eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{Now: g.now, Logger: logger})
	require.NoError(t, err)
	t.Cleanup(g.store.Close)

	applied := projections.NewApplied()
	var models []projections.Projection
	var names []string
	for _, m := range projections.Models() {
		models, names = append(models, m), append(names, m.Name())
	}
	runner := projections.NewRunner(projections.Config{Log: g.store, Pool: app, Projections: models, Applied: applied, Logger: logger})
	g.store.Subscribe(runner.Committed)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = runner.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })

	g.api = handlers.NewAPI(g.store, projections.NewReads(pool(db.ReaderURL), applied, g.store.Acknowledged), g.now, []byte("a test's secret"),
		func(ctx context.Context, ledger uuid.UUID) ([]projections.Status, error) {
			return projections.LedgerStatus(ctx, app, ledger, names)
		})
	g.server = handlers.NewServer(handlers.Config{Pool: app, Now: g.now, Log: logger}, map[string]*handlers.Dialect{"/ledger/v1": g.api.Dialect()})
	g.admin = g.adminKey(t)
	g.org, g.test, g.live = g.organisation(t)
	return g
}

// adminKey makes the first key as the command line does.
func (g *rig) adminKey(t *testing.T) string {
	t.Helper()
	key, err := apikey.New("system", rand.Reader)
	require.NoError(t, err)
	_, err = g.store.Execute(t.Context(), eventstore.Request{Ledger: g.store.SystemLedger(), Command: organisation.IssueKey{
		Organisation: organisation.AdminKeys, KeyID: uuid.New(), Mode: organisation.System, Name: "first", Hash: key.Hash[:], Hint: key.Hint,
		Scopes: []string{organisation.AdminScope}}})
	require.NoError(t, err)
	return key.Secret
}

// organisation makes an organisation with a test and a live key.
func (g *rig) organisation(t *testing.T) (id, test, live string) {
	t.Helper()
	id = g.call(t, g.admin, "POST", "/organisations", `{"name":"Acme"}`).want(201).text("uuid")
	var scopes []string
	for _, s := range organisation.Scopes() {
		if s != organisation.AdminScope {
			scopes = append(scopes, s)
		}
	}
	all, err := json.Marshal(scopes)
	require.NoError(t, err)
	key := func(mode string) string {
		return g.call(t, g.admin, "POST", "/organisations/"+id+"/keys", `{"mode":"`+mode+`","name":"all","scopes":`+string(all)+`}`).want(201).text("secret")
	}
	return id, key("test"), key("live")
}

// call sends a request to /ledger/v1 and checks the answer against the OpenAPI document. Headers come
// in pairs.
func (g *rig) call(t *testing.T, key, method, path, body string, header ...string) *result {
	t.Helper()
	r := httptest.NewRequest(method, "/ledger/v1"+path, nil)
	if body != "" {
		r = httptest.NewRequest(method, "/ledger/v1"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	res := &result{t: t, what: method + " " + path, status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	conforms(t, r, []byte(body), res)
	return res
}

type result struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

func (r *result) want(status int) *result {
	r.t.Helper()
	require.Equal(r.t, status, r.status, "%s: %s", r.what, r.body)
	return r
}

// code wants a problem.
func (r *result) code(status int, code string) *result {
	r.t.Helper()
	r.want(status)
	require.Equal(r.t, code, r.text("code"), "%s: %s", r.what, r.body)
	return r
}

// at finds a value by keys and indexes.
func (r *result) at(path ...any) any {
	r.t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	require.NoError(r.t, d.Decode(&v), "%s", r.body)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

func (r *result) text(path ...any) string {
	r.t.Helper()
	v := r.at(path...)
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyHash = regexp.MustCompile(`"(hash|sha256)":"[0-9a-f]{64}"`)
	anyNext = regexp.MustCompile(`"nextCursor":"[^"]+"`)
	anyKey  = regexp.MustCompile(`(test|live)_(?:[A-Za-z0-9_-]{43}|…[A-Za-z0-9_-]{4})`)
)

// golden compares the answer with testdata, ids, hashes and secrets replaced by their order.
func (r *result) golden(name string) *result {
	r.t.Helper()
	seen := map[string]string{}
	text := anyUUID.ReplaceAllStringFunc(string(r.body), func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprintf("00000000-0000-7000-8000-%012d", len(seen)+1)
		}
		return seen[id]
	})
	text = anyHash.ReplaceAllString(text, `"${1}":"<64 hexadecimal digits>"`)
	text = anyNext.ReplaceAllString(text, `"nextCursor":"<opaque>"`)
	text = anyKey.ReplaceAllString(text, "${1}_<key>")
	var pretty bytes.Buffer
	require.NoError(r.t, json.Indent(&pretty, []byte(text), "", "  "))
	pretty.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(r.t, os.MkdirAll("testdata", 0o755))
		require.NoError(r.t, os.WriteFile(path, pretty.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(r.t, err, "run with -update")
	require.Equal(r.t, string(want), pretty.String(), name)
	return r
}

// events is the number of events in the ledger of a key.
func (g *rig) events(t *testing.T, key string) string {
	t.Helper()
	return g.call(t, key, "GET", "/head", "").want(200).text("position")
}
