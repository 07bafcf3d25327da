package handlers

import (
	_ "embed"
	"net/http"
)

// openAPI is the document of /ledger/v1, version 3.1; a test holds it and the routes to the same list.
//
//go:embed openapi/ledger-v1.json
var openAPI []byte

// serveOpenAPI serves GET /openapi/ledger-v1.json to anybody.
func serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // the client may be gone
	return nil
}
