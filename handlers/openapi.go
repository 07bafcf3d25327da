package handlers

import (
	_ "embed"
	"net/http"
)

// The documents of /ledger/v1 and of Salable's dialect, version 3.1; tests hold them and the routes to the
// same lists.
var (
	//go:embed openapi/ledger-v1.json
	openAPI []byte
	//go:embed openapi/salable-v1.json
	openAPIOfSalable []byte
)

// serveOpenAPI serves a document to anybody.
func serveOpenAPI(document []byte) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(document) // the client may be gone
		return nil
	}
}
