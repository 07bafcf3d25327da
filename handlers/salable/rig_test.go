package salable_test

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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/handlers/salable"
	"github.com/subledger/subledger/internal/apikey"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// rig is a whole server on a database of its own, with an organisation that sells something.
type rig struct {
	server *handlers.Server
	api    *salable.API
	own    *handlers.API // /ledger/v1
	store  *eventstore.Store
	pool   *pgxpool.Pool // of the application's role
	db     *pgtest.DB
	master eventstore.MasterKey
	log    *lockedBuffer // all that is logged, at debug level
	admin  string
	test   string // a key with all scopes
	shop
	registry *prometheus.Registry

	mu    sync.Mutex
	clock time.Time
}

// shop is what an organisation sells, by id.
type shop struct {
	product, read, edit, seats, storage, option                string
	flat, upgrade, perSeat, metered, evaluation, elsewherePlan string
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

// statements counts what a request asks of the database: the count is in its context.
type statements struct{}

type statementCount struct{}

// TraceBatchStart implements pgx.BatchTracer: each question is a batch, with the name of its ledger before it.
func (statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	if n, ok := ctx.Value(statementCount{}).(*atomic.Int64); ok {
		n.Add(1)
	}
	return ctx
}

func (statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// TraceQueryStart and TraceQueryEnd implement pgx.QueryTracer, which a tracer has to: nothing is asked outside of batches.
func (statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// asks counts the questions that an answer takes.
func (g *rig) asks(t testing.TB, path string, header ...string) int64 {
	t.Helper()
	n := &atomic.Int64{}
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), statementCount{}, n), "GET", path, http.NoBody)
	r.Header.Set("X-Api-Key", g.test)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	require.Equal(t, 200, w.Code, "%s: %s", path, w.Body)
	return n.Load()
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

func newRig(t testing.TB) *rig {
	t.Helper()
	g := &rig{clock: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), db: pgtest.New(t), master: eventstore.NewMasterKey(), log: &lockedBuffer{}, registry: prometheus.NewRegistry()}
	db, master := g.db, g.master
	pool := func(url string) *pgxpool.Pool {
		p, err := eventstore.OpenPool(t.Context(), url, func(c *pgxpool.Config) { c.MaxConns = 8 })
		require.NoError(t, err)
		t.Cleanup(p.Close)
		return p
	}
	require.NoError(t, eventstore.Bootstrap(t.Context(), pool(db.URL), master))
	app, logger := pool(db.AppURL), slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.pool = app
	var err error
	g.store, err = eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{Now: g.now, Logger: logger})
	require.NoError(t, err)
	t.Cleanup(g.store.Close)

	applied, signer := projections.NewApplied(), salable.NewSigner(app, master)
	reader, err := eventstore.OpenPool(t.Context(), db.ReaderURL, func(c *pgxpool.Config) { c.MaxConns, c.ConnConfig.Tracer = 8, statements{} })
	require.NoError(t, err)
	t.Cleanup(reader.Close)
	reads := projections.NewReads(reader, applied, g.store.Acknowledged)
	checks := projections.NewEntitlements(projections.EntitlementConfig{Reads: reads, Pool: app, Metrics: g.registry, Logger: logger})
	var models []projections.Projection
	var names []string
	for _, m := range projections.Models() {
		models, names = append(models, m), append(names, m.Name())
	}
	runner := projections.NewRunner(projections.Config{Log: g.store, Pool: app, Projections: models, Applied: applied, Follow: checks.Follow, Logger: logger})
	g.store.Subscribe(runner.Committed)
	for _, run := range []func(context.Context) error{runner.Run, checks.Run} {
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { defer close(stopped); _ = run(ctx) }()
		t.Cleanup(func() { stop(); <-stopped })
	}
	g.api = salable.New(g.store, reads, checks, signer, g.now)
	g.own = handlers.NewAPI(g.store, reads, g.now, []byte("a test's secret"), func(ctx context.Context, ledger uuid.UUID) ([]projections.Status, error) {
		return projections.LedgerStatus(ctx, app, ledger, names)
	})
	g.server = handlers.NewServer(handlers.Config{Pool: app, Now: g.now, Log: logger, AccessLog: true, Sessions: checkout.Sealer(g.store), Registry: g.registry},
		map[string]*handlers.Dialect{"": g.api.Dialect(), "/ledger/v1": g.own.Dialect(),
			"/checkout": checkout.New(g.store, reads, checkout.NewLinks(checkout.Sealer(g.store)), g.now).Dialect()})
	g.admin = g.adminKey(t)
	g.test = g.key(t, g.organisation(t), "test", allScopes()...)
	g.shop = g.stock(t, g.test)
	return g
}

// adminKey makes the first key as the command line does.
func (g *rig) adminKey(t testing.TB) string {
	t.Helper()
	key, err := apikey.New("system", rand.Reader)
	require.NoError(t, err)
	_, err = g.store.Execute(t.Context(), eventstore.Request{Ledger: g.store.SystemLedger(), Command: organisation.IssueKey{
		Organisation: organisation.AdminKeys, KeyID: uuid.New(), Mode: organisation.System, Name: "first", Hash: key.Hash[:], Hint: key.Hint,
		Scopes: []string{organisation.AdminScope}}})
	require.NoError(t, err)
	return key.Secret
}

func allScopes() (all []string) {
	for _, s := range organisation.Scopes() {
		if s != organisation.AdminScope {
			all = append(all, s)
		}
	}
	return all
}

func (g *rig) organisation(t testing.TB) string {
	t.Helper()
	return g.call(t, g.admin, "POST", "/ledger/v1/organisations", `{"name":"Acme"}`).want(201).text("uuid")
}

func (g *rig) key(t testing.TB, org, mode string, scopes ...string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"mode": mode, "name": "a key", "scopes": scopes})
	require.NoError(t, err)
	return g.call(t, g.admin, "POST", "/ledger/v1/organisations/"+org+"/keys", string(body)).want(201).text("secret")
}

// stock fills a ledger's shelves.
func (g *rig) stock(t testing.TB, key string) shop {
	t.Helper()
	create := func(kind, body string, args ...any) *result {
		t.Helper()
		return g.call(t, key, "POST", "/ledger/v1/"+kind, fmt.Sprintf(body, args...)).want(201)
	}
	var s shop
	s.product = create("products", `{"name":"atlas","displayName":"Atlas","description":"Maps","paid":true,
		"currencies":[{"currency":"USD","default":true},{"currency":"EUR"}]}`).text("uuid")
	s.read = create("capabilities", `{"productUuid":%q,"name":"read"}`, s.product).text("uuid")
	s.edit = create("capabilities", `{"productUuid":%q,"name":"edit","description":"Draw"}`, s.product).text("uuid")
	s.seats = create("features", `{"productUuid":%q,"name":"layers","displayName":"Layers","variableName":"layers","valueType":"boolean"}`, s.product).text("uuid")
	storage := create("features", `{"productUuid":%q,"name":"storage","displayName":"Storage","variableName":"storage_size","valueType":"enum",
		"enumOptions":["Small","Very large"],"sortOrder":1}`, s.product)
	s.storage, s.option = storage.text("uuid"), storage.text("enumOptions", 1, "uuid")
	plan := func(name, more string, args ...any) string {
		return create("plans", `{"productUuid":%q,"name":%q,"displayName":%q,"pricingType":"paid","interval":"month","length":1,`+more+`}`,
			append([]any{s.product, name, name}, args...)...).text("uuid")
	}
	s.flat = plan("Flat", `"licenseType":"licensed","capabilities":[%q],"currencies":[{"currency":"USD","price":1500}]`, s.read)
	s.upgrade = plan("Flat Plus", `"licenseType":"licensed","capabilities":[%q,%q],
		"features":[{"featureUuid":%q,"value":"true"},{"featureUuid":%q,"enumValueUuid":%q}],
		"currencies":[{"currency":"USD","price":3000},{"currency":"EUR","price":2700}]`, s.edit, s.read, s.seats, s.storage, s.option)
	s.perSeat = plan("Per seat", `"licenseType":"perSeat","perSeatAmount":2,"maxSeatAmount":150,"capabilities":[%q,%q],
		"prices":[{"key":"seats","kind":"perSeat","currency":"USD","unitAmount":"1000","billing":"inAdvance"}]`, s.read, s.edit)
	s.metered = plan("Metered", `"licenseType":"metered","capabilities":[%q],
		"prices":[{"key":"calls","kind":"perUnit","currency":"USD","unitAmount":"0.2","billing":"inArrears"}]`, s.read)
	s.evaluation = plan("Trial", `"licenseType":"licensed","planType":"Evaluation","evaluation":true,"evalDays":14,"capabilities":[%q]`, s.read)
	other := create("products", `{"name":"globe","displayName":"Globe"}`).text("uuid")
	s.elsewherePlan = create("plans", `{"productUuid":%q,"name":"g","displayName":"G","licenseType":"licensed","pricingType":"free",
		"interval":"month","length":1}`, other).text("uuid")
	return s
}

// subscribe buys a plan and returns the subscription's id.
func (g *rig) subscribe(t testing.TB, key, plan, more string) string {
	t.Helper()
	return g.call(t, key, "POST", "/ledger/v1/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":"mia"%s}`, plan, more)).want(201).text("uuid")
}

// seatsOf lists a subscription's licences that are not removed.
func (g *rig) seatsOf(t testing.TB, key, subscription string) (ids []string) {
	t.Helper()
	all := g.call(t, key, "GET", "/licenses?status=active&subscriptionUuid="+subscription+"&take=100", "", "version", "v2").want(200).at("data").([]any)
	for _, l := range all {
		ids = append(ids, l.(map[string]any)["uuid"].(string))
	}
	return ids
}

// call sends a request; headers come in pairs.
func (g *rig) call(t testing.TB, key, method, path, body string, header ...string) *result {
	t.Helper()
	r := httptest.NewRequest(method, path, http.NoBody)
	if body != "" {
		r = httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("X-Api-Key", key)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	g.choose(r)
	if method != "GET" {
		g.pass(time.Millisecond) // ids sort by it
	}
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	res := &result{t: t, what: method + " " + path + " " + body, status: w.Code, header: w.Header(), body: w.Body.Bytes()}
	conforms(t, r, body, res)
	return res
}

// choose asks in the first version that has the route, where v1 has not and the test does not say.
func (g *rig) choose(r *http.Request) {
	if r.Header.Get("Version") != "" {
		return
	}
	for _, rt := range g.api.Versions() {
		if rt.Method == r.Method && samePath(rt.Path, r.URL.EscapedPath()) {
			if rt.In[0] != "v1" {
				r.Header.Set("Version", rt.In[0])
			}
			return
		}
	}
}

// samePath tells whether a path is of a pattern; {variables} stand for one segment each.
func samePath(pattern, path string) bool {
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(a, b, func(p, s string) bool { return p == s || strings.HasPrefix(p, "{") })
}

const lowerLength = "content-length"

type result struct {
	t      testing.TB
	what   string
	status int
	header http.Header
	body   []byte
}

func (r *result) want(status int) *result {
	r.t.Helper()
	require.Equal(r.t, status, r.status, "%s: %s", r.what, r.body)
	switch {
	case status == http.StatusNoContent:
		require.Empty(r.t, r.body)
		require.Equal(r.t, []string{"0"}, map[string][]string(r.header)[lowerLength], "net/http sends it in lower case alone")
	case !strings.Contains(r.what, "/ledger/v1"):
		require.Equal(r.t, "application/json", r.header.Get("Content-Type"), r.what)
	}
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

// properties lists the fields that a 400 names.
func (r *result) properties() (names []string) {
	r.t.Helper()
	r.want(400)
	all, _ := r.at("validationErrors").([]any)
	for _, e := range all {
		names = append(names, e.(map[string]any)["property"].(string))
	}
	return names
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyLink = regexp.MustCompile(`/checkout/(invoice/)?[A-Za-z0-9_-]{40,}`)
	anyHex  = regexp.MustCompile(`"(signature|publicHash)":"[0-9a-f]+"`)
)

// golden compares the answer with testdata: ids made here are replaced by their order, and what is signed by a word.
func (r *result) golden(name string) *result {
	r.t.Helper()
	seen := map[string]string{}
	text := anyUUID.ReplaceAllStringFunc(string(r.body), func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprintf("00000000-0000-7000-8000-%012d", len(seen)+1)
		}
		return seen[id]
	})
	text = anyHex.ReplaceAllString(text, `"$1":"<hex>"`)
	text = anyLink.ReplaceAllString(text, "/checkout/${1}<token>")
	var pretty bytes.Buffer
	require.NoError(r.t, json.Indent(&pretty, []byte(text), "", "  "), "%s", r.body)
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
