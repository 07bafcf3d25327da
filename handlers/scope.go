package handlers

import "slices"

// Scopes of API keys: those of the Salable contract, and ours (ledger-v1, conventions).
const (
	ScopeAdmin              = "admin"
	ScopeLedgerRead         = "ledger:read"
	ScopeProductsRead       = "products:read"
	ScopePlansRead          = "plans:read"
	ScopeFeaturesRead       = "features:read"
	ScopeCapabilitiesRead   = "capabilities:read"
	ScopeCurrenciesRead     = "currencies:read"
	ScopeCatalogWrite       = "catalog:write"
	ScopeSubscriptionsRead  = "subscriptions:read"
	ScopeSubscriptionsWrite = "subscriptions:write"
	ScopeLicensesRead       = "licenses:read"
	ScopeLicensesWrite      = "licenses:write"
	ScopeUsageRead          = "usage:read"
	ScopeUsageWrite         = "usage:write"
	ScopeEventsRead         = "events:read"
)

// AllScopes lists what a key of an organisation may be given; `admin` is for the installation's own keys.
func AllScopes() []string {
	return []string{
		"billing:read", "billing:write", ScopeCapabilitiesRead, ScopeCatalogWrite, ScopeCurrenciesRead,
		"customers:read", "customers:write", "entitlements:check", ScopeEventsRead, ScopeFeaturesRead,
		"invoices:read", "invoices:write", ScopeLedgerRead, ScopeLicensesRead, ScopeLicensesWrite,
		"organisations:read", "organisations:write", ScopePlansRead, "pricing-tables:read", ScopeProductsRead,
		"rbac:read", "rbac:write", "sessions:write", ScopeSubscriptionsRead, ScopeSubscriptionsWrite,
		ScopeUsageRead, ScopeUsageWrite,
	}
}

// CurrentScope is today's spelling of a scope: Salable once wrote write:usage for usage:write.
func CurrentScope(scope string) string {
	if scope == "write:usage" {
		return ScopeUsageWrite
	}
	return scope
}

// KnownScope tells whether a key of an organisation may be given a scope.
func KnownScope(scope string) bool { return slices.Contains(AllScopes(), CurrentScope(scope)) }
