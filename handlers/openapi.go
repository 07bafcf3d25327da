package handlers

import _ "embed"

// The documents of /ledger/v1 and of Salable's dialect, version 3.1; tests hold them and the routes to the
// same lists.
var (
	//go:embed openapi/ledger-v1.json
	openAPI []byte
	//go:embed openapi/salable-v1.json
	openAPIOfSalable []byte
)
