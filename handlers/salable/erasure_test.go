package salable_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/projections"
)

// B90, B91, B93: once a person's keys are destroyed and the read models made anew, no route, read model, cache,
// answer of an old command, log or metric has a name of theirs; all that does not name them goes on as before.
func TestB90_B91_B93_ErasedEverywhere(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	const owner, ownerMail, grantee, member, memberMail = "olga.o.secretive", "olga@secret.example", "gustav.g.secretive", "paula.p.secretive", "paula@secret.example"
	const buyer, buyerMail, buyerStreet = "berta.b.secretive", "berta@secret.example", "7 secretive street"
	names := []string{owner, ownerMail, grantee, member, memberMail, buyer, buyerMail, buyerStreet}
	customerBody := fmt.Sprintf(`{"name":%q,"email":%q,"address":{"line1":%q},"currency":"USD"}`, buyer, buyerMail, buyerStreet)
	customer := g.call(t, g.test, "POST", "/ledger/v1/customers", customerBody, "idempotency-key", "the customer").want(201).text("uuid")
	subject := g.call(t, g.test, "POST", "/ledger/v1/subscriptions", fmt.Sprintf(`{"planUuid":%q,"quantity":3,"owner":%q,"email":%q,"granteeId":%q}`,
		g.perSeat, owner, ownerMail, grantee), "idempotency-key", "the subscription").want(201)
	sub := subject.text("uuid")
	licenceBody := fmt.Sprintf(`{"planUuid":%q,"member":%q,"email":%q,"granteeId":%q}`, g.metered, member, memberMail, grantee)
	license := g.call(t, g.test, "POST", "/licenses", licenceBody, "unique-key", "the licence").want(201).text("uuid")
	g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"granteeId":%q,"planUuid":%q,"countOptions":{"increment":7}}`, grantee, g.metered), "unique-key", "use", "version", "v2").want(204)
	seats := g.seatsOf(t, g.test, sub)
	g.call(t, g.test, "PUT", "/licenses/"+seats[1], fmt.Sprintf(`{"granteeId":%q}`, grantee)).want(200)
	event := g.call(t, g.test, "POST", "/subscriptions/"+sub+"/seats", `{"increment":1}`).want(201).text("eventUuid")
	other := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201).text("uuid")
	check := func() int {
		return g.call(t, g.test, "GET", "/licenses/check?productUuid="+g.product+"&granteeIds="+grantee, "").status
	}
	require.Equal(t, 200, check())
	ids := map[string]string{"productUuid": g.product, "planUuid": g.perSeat, "subscriptionUuid": sub, "licenseUuid": license, "eventUuid": event, "granteeId": "ada", "customerUuid": customer}
	position := g.call(t, g.test, "GET", "/ledger/v1/head", "").text("position")
	counts := func() string {
		return string(g.call(t, g.test, "GET", "/licenses/count?subscriptionUuid="+sub, "").body) + string(g.call(t, g.test, "GET", "/licenses/"+license+"/usage", "").body) +
			string(g.call(t, g.test, "GET", "/ledger/v1/usage?subscriptionUuid="+sub, "").body)
	}
	totals := counts()

	// A GET of everything that could show a name, on both dialects, but the tail, which is asked below.
	everything := func() (all []*result) {
		for _, rt := range g.api.Versions() {
			if rt.Method != "GET" {
				continue
			}
			query := map[string]string{"/licenses/check": "?granteeIds=ada&productUuid=" + g.product, "/entitlements/check": "?granteeIds=ada&productUuid=" + g.product, "/licenses/purchaser": "?purchaser=mia&productUuid=" + g.product}[rt.Path]
			for _, version := range rt.In {
				path := fill(rt.Path, func(name string) string { return ids[name] }) + query
				all = append(all, g.call(t, g.test, "GET", path, "", "version", version))
				if strings.Contains(rt.Path, "{licenseUuid}") {
					all = append(all, g.call(t, g.test, "GET", path+"?expand=subscription,plan,product", "", "version", version))
				}
			}
		}
		for _, rt := range g.own.Dialect().Routes {
			if rt.Method != "GET" || rt.Stream || rt.Scope == handlers.ScopeAdmin {
				continue
			}
			if strings.Contains(rt.Path, "{position") {
				for i := 1; i < 40; i++ {
					all = append(all, g.call(t, g.test, "GET", fmt.Sprintf("/ledger/v1/events/%d", i), ""))
				}
				continue
			}
			kind := strings.TrimSuffix(strings.Split(rt.Path, "/")[1], "s") + "Uuid"
			id := ids[kind]
			if kind == "taskUuid" {
				id = event
			}
			path := "/ledger/v1" + strings.Replace(rt.Path, "{uuid}", id, 1)
			if rt.Path == "/usage" {
				path += "?subscriptionUuid=" + sub
			}
			all = append(all, g.call(t, g.test, "GET", path, ""))
		}
		tailed, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // it ends with its client
		defer cancel()
		r := httptest.NewRequestWithContext(tailed, "GET", "/ledger/v1/events/stream?after=0", http.NoBody)
		r.Header.Set("X-Api-Key", g.test)
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, r)
		require.Contains(t, w.Body.String(), "id: 3\n")
		return append(all, &result{t: t, what: "the tail", status: w.Code, body: w.Body.Bytes()})
	}
	showing := func() (where []string) {
		for _, r := range everything() {
			for _, name := range names {
				if strings.Contains(string(r.body), name) {
					where = append(where, r.what+" "+name)
				}
			}
		}
		return where
	}
	require.Greater(t, len(showing()), 20, "they are shown before")
	elsewhere := g.anotherProcess(t)
	require.Greater(t, len(g.holding(t, names)), 3, "the read models hold them before")

	var ledger uuid.UUID
	require.NoError(t, g.pool.QueryRow(t.Context(), `select ledger_id from api_keys where key_id = $1`,
		g.call(t, g.test, "GET", "/ledger/v1/events?limit=1", "").text("data", 0, "meta", "actor")).Scan(&ledger))
	// told is what the other process says of the subscription, from what it remembers.
	told := func() string {
		events, err := elsewhere.Page(t.Context(), ledger, 0, 1000)
		require.NoError(t, err)
		r, err := elsewhere.Execute(t.Context(), eventstore.Request{Ledger: ledger, Command: subscription.Resume{ID: uuid.MustParse(sub)}})
		require.NoError(t, err)
		text := string(r.Answer)
		for _, e := range events {
			text += fmt.Sprintf(" %+v", e.Event)
		}
		return text
	}
	for _, name := range names {
		require.Contains(t, told(), name)
	}
	for _, who := range []string{"owner:" + owner, "owner:" + member, "grantee:" + grantee, "customer:" + customer} {
		n, err := g.store.EraseSubject(t.Context(), ledger, who)
		require.NoError(t, err)
		require.NotZero(t, n, who)
	}
	rebuild := projections.NewRebuild(projections.RebuildConfig{Log: g.store, Owner: pgtest.Pool(t, g.db.URL), Models: projections.Models()})
	require.NoError(t, rebuild.Run(t.Context()))
	require.NoError(t, rebuild.Swap(t.Context()))

	require.Eventually(t, func() bool {
		text := told()
		return !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) })
	}, 20*time.Second, 20*time.Millisecond, "the other process hears of it")
	require.Empty(t, showing())
	require.Empty(t, g.holding(t, names), "no table has them, in text or bytes")
	require.Eventually(t, func() bool { return check() == 204 }, 20*time.Second, 20*time.Millisecond, "nobody of that name has anything any more")
	require.Empty(t, g.call(t, g.test, "GET", "/licenses/granteeId/"+grantee, "").want(200).at())
	for _, path := range []string{"/licenses/purchaser?productUuid=" + g.product + "&purchaser=" + member} {
		require.Empty(t, g.call(t, g.test, "GET", path, "").want(200).at(), path)
	}
	for name, r := range map[string]*result{
		"a subscription": g.call(t, g.test, "POST", "/ledger/v1/subscriptions", fmt.Sprintf(`{"planUuid":%q,"quantity":3,"owner":%q,"email":%q,"granteeId":%q}`,
			g.perSeat, owner, ownerMail, grantee), "idempotency-key", "the subscription").want(201),
		"a licence":  g.call(t, g.test, "POST", "/licenses", licenceBody, "unique-key", "the licence").want(201),
		"a customer": g.call(t, g.test, "POST", "/ledger/v1/customers", customerBody, "idempotency-key", "the customer").want(201),
	} {
		require.Equal(t, "true", r.header.Get("Idempotency-Replayed"), name)
		for _, n := range names {
			require.NotContains(t, string(r.body), n, "the answer of an old command, %s", name)
		}
	}
	require.Equal(t, totals, counts(), "B91: what was counted is counted")
	require.Equal(t, position, g.call(t, g.test, "GET", "/ledger/v1/head", "").text("position"))

	// Whatever is theirs is still changed as anybody's, and the answers have no names either.
	for _, r := range []*result{
		g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/quantity", `{"increment":1}`).want(200),
		g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/cancel", `{"when":"periodEnd"}`).want(200),
		g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/reactivate", "").want(200),
		g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/pause", `{"credit":"none"}`).want(200),
		g.call(t, g.test, "POST", "/ledger/v1/subscriptions/"+sub+"/resume", "").want(200),
		g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer, `{"timeZone":"Asia/Tokyo"}`).want(200),
		g.call(t, g.test, "PUT", "/ledger/v1/customers/"+customer, `{"email":"new@example.com"}`).want(200),
		g.call(t, g.test, "PUT", "/licenses/"+seats[2], `{"granteeId":"cem"}`).want(200),
		g.call(t, g.test, "PUT", "/licenses/"+seats[1], `{"granteeId":"dan"}`).want(200),
		g.call(t, g.test, "PUT", "/licenses/"+license, `{"granteeId":"eve"}`).want(200),
		g.call(t, g.test, "PUT", "/usage", fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":1}}`, license), "unique-key", "more").want(204),
		g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/seats", `{"decrement":1}`).want(200),
		g.call(t, g.test, "DELETE", "/licenses/"+license, "").want(204),
		g.call(t, g.test, "DELETE", "/licenses/"+other, "").want(204),
	} {
		for _, name := range names {
			require.NotContains(t, string(r.body), name, r.what)
		}
	}
	require.Empty(t, showing())

	// B93: who comes again is somebody new; what was erased stays so.
	again := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":%q}`, g.flat, grantee)).want(201).text("uuid")
	require.Equal(t, 200, check())
	require.Equal(t, grantee, g.call(t, g.test, "GET", "/licenses/"+again, "").text("granteeId"))
	require.Len(t, g.call(t, g.test, "GET", "/licenses/granteeId/"+grantee, "").want(200).at(), 1)
	require.NotContains(t, string(g.call(t, g.test, "GET", "/ledger/v1/events/"+subject.header.Get("Ledger-Position"), "").body), grantee)

	metrics := httptest.NewRecorder()
	g.server.ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range names {
		require.NotContains(t, g.log.String(), name, "in the log, before or after")
		require.NotContains(t, metrics.Body.String(), name)
	}
}

// anotherProcess is a log of its own on the same database, which hears what a server hears.
func (g *rig) anotherProcess(t *testing.T) *eventstore.Store {
	t.Helper()
	pool, err := eventstore.OpenPool(t.Context(), g.db.AppURL, func(c *pgxpool.Config) { c.MaxConns = 4 })
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := eventstore.Open(t.Context(), pool, g.master, eventstore.Vocabularies(), eventstore.Config{Now: g.now})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	ctx, stop := context.WithCancel(t.Context())
	listener := projections.Listener{Connection: pool.Config().ConnConfig, Sender: "another", Logger: slog.New(slog.DiscardHandler),
		Erased: func(ledgers ...uuid.UUID) { _ = store.Forget(ctx, ledgers...) }}
	connected, stopped := make(chan struct{}), make(chan struct{})
	var once sync.Once
	listener.Connected = func() { once.Do(func() { close(connected) }) }
	go func() { defer close(stopped); _ = listener.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })
	<-connected
	return store
}

// holding lists the tables and columns in which one of the names stands, in text or in bytes.
func (g *rig) holding(t *testing.T, names []string) (where []string) {
	t.Helper()
	owner := pgtest.Pool(t, g.db.URL)
	type column struct{ Table, Column, Type string }
	rows, err := owner.Query(t.Context(), `select c.oid::regclass::text, quote_ident(a.attname), a.atttypid::regtype::text from pg_class c
		join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`)
	require.NoError(t, err)
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	require.NoError(t, err)
	require.Greater(t, len(columns), 100)
	for _, c := range columns {
		text := c.Column + "::text"
		if c.Type == "bytea" {
			text = "encode(" + c.Column + ", 'escape')"
		}
		for _, name := range names {
			var n int
			require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from `+c.Table+` where strpos(`+text+`, $1) > 0`, name).Scan(&n))
			if n > 0 {
				where = append(where, c.Table+"."+c.Column)
			}
		}
	}
	slices.Sort(where)
	return slices.Compact(where)
}
