package handlers_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page at /docs loads what this server serves and nothing else, under a policy that lets it do no more.
func TestDocsAskNobodyElse(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		g.server.ServeHTTP(w, r)
		return w
	}
	page := get("/docs")
	require.Equal(t, 200, page.Code)
	require.Equal(t, "text/html; charset=utf-8", page.Header().Get("Content-Type"))
	var welcome struct{ Links map[string]string }
	require.NoError(t, json.Unmarshal(get("/").Body.Bytes(), &welcome))
	require.Equal(t, "/docs", welcome.Links["docs"])
	for name, link := range welcome.Links {
		require.Equal(t, 200, get(link).Code, name)
	}
	require.Equal(t, 301, get("/docs/").Code)
	require.Equal(t, "/docs", get("/docs/").Header().Get("Location"))
	for directive := range strings.SplitSeq(page.Header().Get("Content-Security-Policy"), "; ") {
		require.Regexp(t, `^[a-z-]+( '(none|self)'| data:)+$`, directive, "no other host, nothing inline")
	}

	// All that the page and its script name is here.
	script := get("/docs/page.js").Body.String()
	salable, err := url.Parse(welcome.Links["salableDocs"])
	require.NoError(t, err)
	require.Contains(t, script, `name: "`+salable.Query().Get("urls.primaryName")+`"`, "the link chooses a document of the list")
	loaded := regexp.MustCompile(`(?:href|src)="(/[^"]+)"|url: '([^']+)'`).FindAllStringSubmatch(page.Body.String()+script, -1)
	require.GreaterOrEqual(t, len(loaded), 7, "%q", loaded)
	for _, name := range loaded {
		require.Equal(t, 200, get(name[1]+name[2]).Code, name)
	}
	require.NotRegexp(t, `https?://|src="//`, page.Body.String()+script+get("/docs/page.css").Body.String())

	// The viewer is as its maker packed it, with its licence.
	viewer, err := os.ReadDir("docs/viewer")
	require.NoError(t, err)
	for _, entry := range viewer {
		w, path := get("/docs/viewer/"+entry.Name()), filepath.Join("docs/viewer", entry.Name())
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, 200, w.Code, path)
		require.True(t, string(file) == w.Body.String(), path)
		require.Equal(t, "no-cache", w.Header().Get("Cache-Control"))
		kept := get("/docs/viewer/"+entry.Name(), "If-None-Match", w.Header().Get("ETag"))
		require.Equal(t, 304, kept.Code, "a browser that has it gets it once")
		require.Empty(t, kept.Body.Bytes())
	}
	require.Contains(t, get("/docs/viewer/LICENSE").Body.String(), "Apache License")
	require.Contains(t, get("/docs/viewer/VERSION").Body.String(), "swagger-ui-dist ")

	for _, path := range []string{"/docs/index.html", "/docs/fetch.sh", "/docs/viewer", "/docs/viewer/..%2fpage.js", "/docs/%2e%2e/openapi.go"} {
		require.Equal(t, 404, get(path).Code, path)
	}
}
