package salable_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// named says what a field, parameter or variable of a path names, by its name; a name that is neither here nor in
// unnamed is a new one, and fails.
var named = map[string]string{
	"productUuid": "productUuid", "planUuid": "planUuid", "newPlanId": "planUuid", "subscriptionUuid": "subscriptionUuid", "subscriptionId": "subscriptionUuid",
	"licenseUuid": "licenseUuid", "uuid": "licenseUuid", "uuids": "licenseUuid", "eventUuid": "eventUuid", "granteeId": "granteeId", "granteeIds": "granteeId",
	"newGranteeId": "granteeId", "couponUuid": "couponUuid", "pricingTableUuid": "pricingTableUuid",
	"permissionUuid": "permissionUuid", "permissions": "permissionUuid", "add": "permissionUuid", "remove": "permissionUuid", "roleUuid": "roleUuid", "role": "roleUuid", "userUuid": "userUuid", "id": "userUuid",
}

// unnamed are texts, numbers and choices; cursors and positions have a test below.
var unnamed = strings.Fields(`scope metadata changeQuantity globalSuccessUrl globalCancelUrl globalGranteeId successUrls cancelUrls allowPromoCode archived automaticTax cancelAtPeriodEnd cancelUrl countOptions currency cursor customerEmail customerId decrement
	dependencies description email endTime expand expiryDate grace increment member name owner promoCode proration purchaser
	quantity sigEncode sort status successUrl take type value when
	Ledger-Min-Position`)

// free are names of whoever the caller says: what is kept, and not looked up.
var free = []string{"GET /plans/{planUuid}/checkoutlink granteeId", "GET /plans/{planUuid}/checkout-link granteeId", "GET /pricing-tables/{pricingTableUuid} granteeId",
	"GET /pricing-tables/{pricingTableUuid} granteeIds", "GET /products/{productUuid}/pricingtable granteeId", "GET /products/{productUuid}/pricing-table granteeId", "GET /products/{productUuid}/pricing-table granteeIds", "GET /products/{productUuid}/pricingtable granteeIds",
	"POST /checkout/create-subscription granteeId", "POST /checkout/create-subscription-intent granteeId", "POST /licenses granteeId", "PUT /licenses granteeId", "PUT /licenses/{licenseUuid} granteeId",
	"POST /subscriptions granteeId", "PUT /subscriptions/{subscriptionUuid}/manage-seats newGranteeId", "GET /plans/{planUuid} granteeId", "GET /products/{productUuid}/plans granteeId", "POST /rbac/users id", "PUT /rbac/users/{userUuid} id"}

// asksFor reads from the sources which names each route asks a request for, by method and path: those of
// its handler and of all that this calls in the package.
func asksFor(t *testing.T) map[string][]string {
	t.Helper()
	packages, err := parser.ParseDir(token.NewFileSet(), ".", nil, 0) //nolint:staticcheck // one package, no build tags
	require.NoError(t, err)
	functions := map[string][]*ast.FuncDecl{}
	serves := map[string]string{} // by route: its handler
	text := func(e ast.Expr) string {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return ""
		}
		s, err := strconv.Unquote(lit.Value)
		require.NoError(t, err)
		return s
	}
	for _, file := range packages["salable"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				functions[n.Name.Name] = append(functions[n.Name.Name], n) // which of them is called, names alone don't tell: all are
			case *ast.CompositeLit:
				var method, path, handler string
				for _, e := range n.Elts {
					kv, ok := e.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					switch key, _ := kv.Key.(*ast.Ident); {
					case key == nil:
					case key.Name == "Method":
						method = text(kv.Value)
					case key.Name == "Path":
						path = text(kv.Value)
					case key.Name == "Serve":
						handler = kv.Value.(*ast.SelectorExpr).Sel.Name
					}
				}
				if method != "" {
					serves[method+" "+path] = handler
				}
			}
			return true
		})
	}
	getters := []string{"UUID", "String", "Get", "Has", "Null", "Int", "Bool", "Time", "Enum", "List", "Object", "Decimal", "Opt", "PathUUID", "PathText"}
	asks := map[string][]string{}
	for route, handler := range serves {
		asks[route] = []string{}
		seen := map[string]bool{}
		var visit func(name string)
		visit = func(name string) {
			if seen[name] || functions[name] == nil {
				return
			}
			seen[name] = true
			for _, f := range functions[name] {
				ast.Inspect(f.Body, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok {
						return true
					}
					for _, e := range append([]ast.Expr{call.Fun}, call.Args...) {
						switch e := e.(type) {
						case *ast.Ident:
							visit(e.Name)
						case *ast.SelectorExpr:
							visit(e.Sel.Name)
						}
					}
					if f, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(getters, f.Sel.Name) {
						for _, arg := range call.Args[:min(2, len(call.Args))] {
							if s := text(arg); s != "" && !slices.Contains(asks[route], s) {
								asks[route] = append(asks[route], s)
							}
							_, variable := arg.(*ast.Ident)
							require.False(t, variable && f.Sel.Name == "UUID", "%s: the name of an id is not to be read in the sources", name)
						}
					}
					return true
				})
			}
		}
		visit(handler)
	}
	return asks
}

// B01, B10: every route, with every method, asked by whoever may not, answers one thing, whether what it is
// asked for is there or not; and so it is for the keys of other ledgers.
func TestB01_B10_WhoeverMayNotLearnsNothing(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	org := a.organisation(t)
	issue := func(more string, scopes ...string) *result {
		list, err := json.Marshal(scopes)
		require.NoError(t, err)
		return a.call(t, a.admin, "POST", "/ledger/v1/organisations/"+org+"/keys", `{"mode":"test","name":"k","scopes":`+string(list)+more+`}`).want(201)
	}
	expired := issue(`,"expiresAt":"`+a.now().Add(time.Second).UTC().Format(time.RFC3339)+`"`, allScopes()...).text("secret")
	revoked := issue("", allScopes()...)
	a.call(t, a.admin, "DELETE", "/ledger/v1/organisations/"+org+"/keys/"+revoked.text("id"), "").want(200)
	a.pass(time.Minute)
	nobody := map[string]string{"no key": "", "a wrong key": "test_" + strings.Repeat("A", 43), "an expired key": expired, "a revoked key": revoked.text("secret")}
	var reading []string
	lacking := map[string]string{}
	for _, scope := range allScopes() {
		if strings.HasSuffix(scope, ":read") {
			reading = append(reading, scope)
		}
		lacking[scope] = issue("", slices.DeleteFunc(allScopes(), func(s string) bool { return s == scope })...).text("secret")
	}
	readOnly := issue("", reading...).text("secret")
	elsewhere := map[string]string{"the other mode": a.key(t, org, "live", allScopes()...), "another organisation": issue("", allScopes()...).text("secret")}

	// Each id of ours has one that nobody has, of the same length, in its place.
	own := []string{a.product, a.perSeat, a.flat, a.metered, a.sub, a.seat, a.license, a.event, a.coupon, a.table, a.permission, a.linked, a.role, a.held}
	none := make([]string, 0, 2*len(own))
	for _, id := range own {
		none = append(none, id, uuid.Must(uuid.NewV7()).String())
	}
	unknown := strings.NewReplacer(append(none, "granteeId/ada", "granteeId/eda", "users/ada", "users/eda")...)
	same := func(ours, theirs *result) {
		t.Helper()
		require.Equal(t, fmt.Sprint(theirs.status, " ", string(theirs.body)), fmt.Sprint(ours.status, " ", string(ours.body)), ours.what)
		ours.header.Del("Request-Id")
		theirs.header.Del("Request-Id")
		require.Equal(t, theirs.header, ours.header, ours.what)
	}
	methods, paths := map[string][]string{}, map[string]string{}
	a.writesNothing(t, func() {
		for _, w := range slices.Concat(a.reads, a.writes) {
			methods[w.Path], paths[w.Path] = append(methods[w.Path], w.Method), w.path
			ask := func(key string) *result {
				ours := a.send(t, key, w.Method, w.path, w.body, "Unique-Key", "k")
				same(ours, a.send(t, key, w.Method, unknown.Replace(w.path), unknown.Replace(w.body), "Unique-Key", "k"))
				return ours
			}
			for role, key := range nobody {
				require.Equal(t, `401 {"error":"a valid API key is required, in the header x-api-key or as Authorization: Bearer"}`, fmt.Sprint(ask(key).status, " ", string(ask(key).body)), "%s, %s", w.name(), role)
			}
			forbidden := map[string]string{"a key without the scope": lacking[w.Scope], "an admin key": a.admin}
			if w.Method != "GET" {
				forbidden["a key that reads"] = readOnly
			}
			for role, key := range forbidden {
				require.NotEmpty(t, key, "%s: %s", w.name(), role)
				require.Equal(t, 403, ask(key).status, "%s, %s", w.name(), role)
			}
			for role, key := range elsewhere {
				if w.Method != "GET" && unknown.Replace(w.path+w.body) == w.path+w.body {
					continue // it names nothing of ours: theirs is as good
				}
				got := ask(key)
				switch {
				case w.Method != "GET":
					require.Contains(t, []int{400, 404}, got.status, "%s, %s: %s", w.name(), role, got.body)
				case strings.Contains(w.Path, "Uuid}"):
					require.Equal(t, 404, got.status, "%s, %s", w.name(), role)
				default:
					require.Less(t, len(got.body), 200, "%s has nothing for %s: %s", w.name(), role, got.body)
				}
			}
		}
		for _, w := range a.writes { // B10: a method in a header or a query is none
			for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
				got := a.send(t, a.test, "GET", "/products/"+a.product+"?_method="+w.Method, w.body, header, w.Method)
				require.Equal(t, 200, got.status, "%s: %s", header, got.body)
			}
		}
		for path, served := range methods {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
				if slices.Contains(served, method) || method == "HEAD" && slices.Contains(served, "GET") || a.served(method, path) {
					continue
				}
				for _, key := range []string{"", a.test, elsewhere["the other mode"], a.admin} {
					got := a.send(t, key, method, paths[path], "{}")
					same(got, a.send(t, key, method, unknown.Replace(paths[path]), "{}"))
					require.Equal(t, 404, got.status, "%s %s", method, path)
				}
			}
		}
	})
}

// served tells whether another pattern takes a path in, as /licenses/{licenseUuid} does with /licenses/count.
func (a *attack) served(method, path string) bool {
	if method == "HEAD" {
		method = "GET"
	}
	parts := strings.Split(path, "/")
	for _, rt := range a.api.Dialect().Routes {
		pattern := strings.Split(rt.Path, "/")
		if rt.Method == method && slices.EqualFunc(pattern, parts, func(p, part string) bool { return p == part || strings.HasPrefix(p, "{") }) {
			return true
		}
	}
	return false
}

// B01: neither a unique key that another ledger used, nor a cursor or a position of its, means anything here.
func TestB01_KeysCursorsAndPositionsOfAnotherLedger(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	live := a.key(t, a.organisation(t), "live", allScopes()...)
	theirs := a.stock(t, live)
	var granted []string
	for range 30 {
		granted = append(granted, a.call(t, live, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"m","granteeId":"zoe"}`, theirs.metered)).want(201).text("uuid"))
	}
	const used = "a key of another ledger's"
	usage := func(license string) string {
		return fmt.Sprintf(`{"licenseUuid":%q,"countOptions":{"increment":1}}`, license)
	}
	a.call(t, live, "PUT", "/usage", usage(granted[0]), "unique-key", used).want(204)
	a.call(t, live, "PUT", "/licenses/"+granted[0], `{"granteeId":"x"}`, "unique-key", used).want(200)

	count := func() string { return a.call(t, a.test, "GET", "/licenses/"+a.license+"/usage", "").text("unitCount") }
	before := count()
	for range 2 { // once here, whatever it was used for there
		a.call(t, a.test, "PUT", "/usage", usage(a.license), "unique-key", used).want(204)
	}
	require.NotEqual(t, before, count())
	made := a.call(t, a.test, "PUT", "/licenses/"+a.license, `{"granteeId":"ben two"}`, "unique-key", used).want(200)
	require.Empty(t, made.header.Get("Idempotency-Replayed"))
	require.Equal(t, "ben two", made.text("granteeId"))

	a.writesNothing(t, func() {
		next := uuid.MustParse(granted[0])
		next[15] ^= 1 // nobody's, in the same place of the order
		list := func(cursor string) *result {
			return a.call(t, a.test, "GET", "/licenses?take=10&cursor="+cursor, "", "version", "v2").want(200)
		}
		require.Equal(t, string(list(next.String()).body), string(list(granted[0]).body))
		require.NotContains(t, string(list("00000000-0000-7000-8000-000000000000").body), "zoe")
		ours, err := strconv.Atoi(a.call(t, a.test, "GET", "/ledger/v1/head", "").text("position"))
		require.NoError(t, err)
		head, err := strconv.Atoi(a.call(t, live, "GET", "/ledger/v1/head", "").text("position"))
		require.NoError(t, err)
		require.Greater(t, head, ours)
		for _, position := range []int{ours + 1, ours + 1_000_000} {
			require.Equal(t, 503, a.call(t, a.test, "GET", "/products", "", "Ledger-Min-Position", strconv.Itoa(position)).status)
		}
	})
}
