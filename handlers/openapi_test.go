package handlers_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/organisation"
)

// document is the OpenAPI document and a router over it, read once.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	return openapi3.NewLoader().LoadFromFile("openapi/ledger-v1.json")
})

var documentRouter = sync.OnceValues(func() (routers.Router, error) {
	openapi3filter.RegisterBodyDecoder("application/pdf", openapi3filter.FileBodyDecoder)
	doc, err := document()
	if err != nil {
		return nil, err
	}
	return gorillamux.NewRouter(doc)
})

// described are the headers of ours that the document has to name wherever they are sent.
var described = []string{"ETag", "Ledger-Position", "Event-Uuid", "Idempotency-Replayed", "Dry-Run", "Location", "Retry-After", "Request-Id"}

// conforms checks an answer and its headers against the document, and the request too when it was accepted.
func conforms(t *testing.T, r *http.Request, body []byte, res *result) {
	t.Helper()
	router, err := documentRouter()
	require.NoError(t, err)
	route, path, err := router.FindRoute(r)
	if err != nil {
		require.Contains(t, []int{404, 405, 400}, res.status, "%s is served but not documented", res.what)
		return
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	r.Body = io.NopCloser(bytes.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: path, Route: route, Options: options}
	if res.status < 300 {
		require.NoError(t, openapi3filter.ValidateRequest(context.WithoutCancel(t.Context()), in), "%s was accepted", res.what)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.status, Header: res.header, Options: options,
		Body: io.NopCloser(bytes.NewReader(res.body))}
	require.NoError(t, openapi3filter.ValidateResponse(context.WithoutCancel(t.Context()), out), "%s answered %s", res.what, res.body)
	answer := route.Operation.Responses.Status(res.status)
	if answer == nil {
		answer = route.Operation.Responses.Default()
	}
	for _, name := range described {
		if res.header.Get(name) != "" {
			require.Contains(t, answer.Value.Headers, name, "%s answered %d with a header that is not documented", res.what, res.status)
		}
	}
}

func TestDocumentIsValid(t *testing.T) {
	doc, err := document()
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
}

var pathPattern = regexp.MustCompile(`\{(\w+):[^}]*\}`)

// B78: what is served and what is documented are the same list.
func TestB78_RoutesAndDocumentAgree(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	doc, err := document()
	require.NoError(t, err)
	var served, documented []string
	for _, rt := range g.api.Dialect().Routes {
		served = append(served, rt.Method+" "+pathPattern.ReplaceAllString(rt.Path, "{$1}"))
		op := doc.Paths.Find(pathPattern.ReplaceAllString(rt.Path, "{$1}")).GetOperation(rt.Method)
		require.Contains(t, op.Description, "`"+rt.Scope+"`", "%s %s", rt.Method, rt.Path)
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	require.Equal(t, documented, served)

	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, httptest.NewRequest("GET", "/openapi/ledger-v1.json", nil))
	file, err := os.ReadFile("openapi/ledger-v1.json")
	require.NoError(t, err)
	require.Equal(t, string(file), w.Body.String())
}

func TestScopesAndDocumentAgree(t *testing.T) {
	doc, err := document()
	require.NoError(t, err)
	known := []any{}
	for _, scope := range organisation.Scopes() {
		if scope != organisation.AdminScope {
			known = append(known, scope)
		}
	}
	require.Equal(t, known, doc.Components.Schemas["Scope"].Value.Enum)
}

func TestTheRootSaysWhereToGoOn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		require.Equal(t, 200, w.Code, path)
		return w
	}
	require.Contains(t, get("/").Body.String(), `"product":"Subledger"`)
	get("/openapi/ledger-v1.json")
	get("/healthz")
}

func TestProblemsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	detail := func(r *result, code string) string { return r.code(r.status, code).text("detail") }
	keys := "/organisations/" + g.org + "/keys"
	require.Equal(t, "/name: is required", detail(g.call(t, g.admin, "POST", "/organisations", `{}`), "required"))
	scope := detail(g.call(t, g.admin, "POST", keys, `{"mode":"test","name":"k","scopes":["root"]}`), "bad_scope")
	require.True(t, strings.HasPrefix(scope, `/scopes/0: "root" is no scope; there are billing:read, `), scope)
	require.Equal(t, `"nonsense" is not a UUID, so nothing has it as its id`, detail(g.call(t, g.test, "GET", "/products/nonsense", "").want(404), "no_product"))
	require.Contains(t, detail(g.call(t, g.admin, "DELETE", keys+"/a%2Fb%00", "").want(404), "no_key"), `"a/b?"`)
	require.Less(t, len(detail(g.call(t, g.test, "GET", "/tasks/"+strings.Repeat("x", 5000), "").want(404), "no_task")), 200)
}
