package handlers

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// docs is the page that shows the OpenAPI documents, with its viewer: nothing is asked of any other server.
//
//go:embed docs/index.html docs/page.js docs/page.css docs/viewer
var docs embed.FS

// docsPolicy lets the page load what is beside it and call this server. The viewer's icons are data: images;
// it needs neither inline scripts nor inline styles.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var docsTypes = map[string]string{".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}

// docsRoutes serve each file of docs under its name, and the page as /docs.
func docsRoutes() []Route {
	routes := []Route{{Method: http.MethodGet, Path: "/docs/", Open: true, Serve: func(w http.ResponseWriter, r *http.Request) error {
		http.Redirect(w, r, "/docs", http.StatusMovedPermanently)
		return nil
	}}}
	_ = fs.WalkDir(docs, "docs", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := docs.ReadFile(name)
		kind, ok := docsTypes[path.Ext(name)]
		if !ok {
			kind = "text/plain; charset=utf-8" // licences
		}
		at := "/" + name
		if name == "docs/index.html" {
			at = "/docs"
		}
		routes = append(routes, Route{Method: http.MethodGet, Path: at, Open: true, Serve: static(kind, content)})
		return err
	}) // an embedded file is always there
	return routes
}

// static serves what is part of the binary to anybody. A browser may keep it, and asks whether it is still the same.
func static(kind string, content []byte) func(http.ResponseWriter, *http.Request) error {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		h.Set("Content-Security-Policy", docsPolicy)
		h.Set("Referrer-Policy", "no-referrer")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		return nil
	}
}
