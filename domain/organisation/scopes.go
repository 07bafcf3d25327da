package organisation

import (
	"slices"
	"strings"

	"github.com/subledger/subledger/internal/mutant"
)

// AdminScope opens the system ledger: organisations and keys (rule O2).
const AdminScope = "admin"

// scopes are Salable's and ours. A scope that ends in :* covers its resource's read and write.
var scopes = []string{
	AdminScope,
	"billing:read", "billing:write",
	"capabilities:read",
	"catalog:write",
	"currencies:read",
	"customers:*", "customers:read", "customers:write",
	"entitlements:check",
	"events:read",
	"features:read",
	"invoices:*", "invoices:read", "invoices:write",
	"ledger:read",
	"licenses:read", "licenses:write",
	"plans:read",
	"pricing-tables:read",
	"products:read",
	"rbac:read", "rbac:write",
	"sessions:write",
	"subscriptions:read", "subscriptions:write",
	"usage:read", "usage:write",
}

// idle are scopes of Salable's that open nothing here. Keys may have them, as old ones do, and none is offered them.
var idle = []string{"organisations:read", "organisations:write"}

// retired are spellings of old clients.
var retired = map[string]string{"write:usage": "usage:write"}

// Scopes lists every scope that opens something or may come to, by name, without the retired spellings.
func Scopes() []string { return slices.Clone(scopes) }

// CanonicalScope is today's spelling of a scope; false for one that does not exist.
func CanonicalScope(scope string) (string, bool) {
	if now, ok := retired[scope]; ok {
		return now, true
	}
	return scope, exists(scope)
}

func exists(scope string) bool {
	return slices.Contains(scopes, scope) || slices.Contains(idle, scope)
}

// Covers tells whether a key with the granted scopes may do what needs one.
func Covers(granted []string, needed string) bool {
	if mutant.Active == mutant.AnyScope {
		return true
	}
	resource, _, _ := strings.Cut(needed, ":")
	covers := func(scope string) bool {
		of, all := strings.CutSuffix(scope, ":*")
		return scope == needed || all && of == resource
	}
	for _, g := range granted { // each request asks: what covers nothing is not looked at further
		if covers(g) && exists(g) {
			return true
		}
	}
	for old, now := range retired {
		if covers(now) && slices.Contains(granted, old) {
			return true
		}
	}
	return false
}
