package salable_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"
)

const documentPath = "../openapi/salable-v1.json"

// documents are routers over the OpenAPI document as each version of the API has it, read once.
var documents = sync.OnceValues(func() (map[string]routers.Router, error) {
	all := map[string]routers.Router{}
	for _, version := range []string{"v1", "v2", "v3"} {
		doc, err := documentOf(version)
		if err != nil {
			return nil, err
		}
		if all[version], err = gorillamux.NewRouter(doc); err != nil {
			return nil, err
		}
	}
	return all, nil
})

// documentOf is the document without the operations, parameters, fields and shapes that a version does not have:
// x-versions names those that do.
func documentOf(version string) (*openapi3.T, error) {
	file, err := os.ReadFile(documentPath)
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(file, &doc); err != nil {
		return nil, err
	}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	lacks := func(v any) bool {
		m, _ := v.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			m, _ = schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		}
		in, limited := m["x-versions"].([]any)
		return limited && !slices.Contains(in, any(version))
	}
	for _, operations := range doc["paths"].(map[string]any) {
		for method, operation := range operations.(map[string]any) {
			if lacks(operation) {
				delete(operations.(map[string]any), method)
			}
		}
	}
	narrowed, err := json.Marshal(narrow(doc, lacks))
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(narrowed)
}

func narrow(v any, lacks func(any) bool) any {
	switch v := v.(type) {
	case map[string]any:
		if fields, ok := v["properties"].(map[string]any); ok {
			maps.DeleteFunc(fields, func(_ string, field any) bool { return lacks(field) })
		}
		for key, below := range v {
			v[key] = narrow(below, lacks)
		}
	case []any:
		kept := slices.DeleteFunc(v, lacks)
		for i, below := range kept {
			kept[i] = narrow(below, lacks)
		}
		return kept
	}
	return v
}

// described are the headers of ours that the document has to name wherever they are sent.
var described = []string{"Ledger-Position", "Idempotency-Replayed", "Dry-Run", "Event-Uuid", "ETag", "Location", "Retry-After", "Request-Id"}

// conforms checks an answer and its headers against the document of its version, and the request too when it was accepted.
func conforms(t testing.TB, r *http.Request, body string, res *result) {
	t.Helper()
	if strings.HasPrefix(r.URL.Path, "/ledger/") || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return
	}
	all, err := documents()
	require.NoError(t, err)
	version := strings.Join(r.Header.Values("Version"), ",")
	if version == "" {
		version = "v1"
	}
	router, known := all[version]
	if !known {
		require.GreaterOrEqual(t, res.status, 400, "%s was accepted in version %s", res.what, version)
		return
	}
	route, path, err := router.FindRoute(r)
	if err != nil {
		require.Contains(t, []int{400, 401, 404, 429}, res.status, "%s is served in %s but not documented", res.what, version)
		return
	}
	asked := r.Clone(context.WithoutCancel(t.Context()))
	asked.Body = io.NopCloser(strings.NewReader(body))
	if body != "" {
		asked.Header.Set("Content-Type", "application/json") // whatever it says, it is read as JSON
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: path, Route: route, Options: options}
	if res.status < 300 {
		require.NoError(t, openapi3filter.ValidateRequest(asked.Context(), in), "%s was accepted", res.what)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.status, Header: res.header, Options: options,
		Body: io.NopCloser(bytes.NewReader(res.body))}
	require.NoError(t, openapi3filter.ValidateResponse(asked.Context(), out), "%s answered %s in %s", res.what, res.body, version)
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
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromFile(documentPath)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	for _, version := range []string{"v1", "v2", "v3"} {
		doc, err := documentOf(version)
		require.NoError(t, err)
		require.NoError(t, doc.Validate(t.Context()), version)
	}
}

// B78: what is served and what is documented are the same list, with the same versions and scopes. What an
// operation's x-planned names is documented before it is there.
func TestB78_RoutesAndOpenAPIAgree(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	type operation struct {
		Description string
		Versions    []string `json:"x-versions"`
		Planned     []string `json:"x-planned"`
	}
	var doc struct {
		Paths map[string]map[string]operation
	}
	file, err := os.ReadFile(documentPath)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(file, &doc))

	documented, served := map[string]string{}, map[string]string{}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			there := slices.DeleteFunc(slices.Clone(op.Versions), func(v string) bool { return slices.Contains(op.Planned, v) })
			what := strings.ToUpper(method) + " " + path
			scope, _, _ := strings.Cut(strings.TrimPrefix(op.Description, "Scope: `"), "`")
			require.True(t, strings.HasPrefix(op.Description, fmt.Sprintf("Scope: `%s`. Versions: %s.", scope, strings.Join(op.Versions, " "))),
				"%s has the description %q, and x-versions are %v", what, op.Description, op.Versions)
			if len(there) > 0 {
				documented[what] = scope + " in " + strings.Join(there, " ")
			}
		}
	}
	for _, rt := range g.api.Versions() {
		served[rt.Method+" "+rt.Path] = rt.Scope + " in " + strings.Join(rt.In, " ")
	}
	for _, rt := range g.api.Dialect().Routes {
		opens := ""
		if rt.Session != "" {
			opens = " Sessions: `" + rt.Session + "`."
		}
		_, after, _ := strings.Cut(doc.Paths[rt.Path][strings.ToLower(rt.Method)].Description, " Sessions:")
		require.Equal(t, opens != "", after != "", "%s %s says what sessions open it", rt.Method, rt.Path)
		require.Contains(t, doc.Paths[rt.Path][strings.ToLower(rt.Method)].Description, opens)
	}
	var wrong []string
	for what, is := range served {
		if documented[what] != is {
			wrong = append(wrong, fmt.Sprintf("%s is served: %s; documented: %q", what, is, documented[what]))
		}
	}
	for what, is := range documented {
		if served[what] == "" {
			wrong = append(wrong, fmt.Sprintf("%s is documented: %s; it is not served", what, is))
		}
	}
	slices.Sort(wrong)
	require.Empty(t, wrong, "handlers/openapi/salable-v1.json; what is served is in x-planned no longer:\n%s", strings.Join(wrong, "\n"))

	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, httptest.NewRequest("GET", "/openapi/salable-v1.json", nil))
	require.Equal(t, string(file), w.Body.String())
}
