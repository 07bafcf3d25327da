package handlers

import "github.com/subledger/subledger/domain/organisation"

// Scopes that routes ask for; which there are at all is the organisation's to say.
const (
	ScopeAdmin              = organisation.AdminScope
	ScopeLedgerRead         = "ledger:read"
	ScopeProductsRead       = "products:read"
	ScopePlansRead          = "plans:read"
	ScopeFeaturesRead       = "features:read"
	ScopeCapabilitiesRead   = "capabilities:read"
	ScopeCurrenciesRead     = "currencies:read"
	ScopePricingTablesRead  = "pricing-tables:read"
	ScopeSessionsWrite      = "sessions:write"
	ScopeCatalogWrite       = "catalog:write"
	ScopeBillingRead        = "billing:read"
	ScopeBillingWrite       = "billing:write"
	ScopeSubscriptionsRead  = "subscriptions:read"
	ScopeSubscriptionsWrite = "subscriptions:write"
	ScopeLicensesRead       = "licenses:read"
	ScopeEntitlementsCheck  = "entitlements:check"
	ScopeUsageRead          = "usage:read"
	ScopeUsageWrite         = "usage:write"
	ScopeEventsRead         = "events:read"
	ScopeCustomersRead      = "customers:read"
	ScopeCustomersWrite     = "customers:write"
	ScopeInvoicesRead       = "invoices:read"
	ScopeInvoicesWrite      = "invoices:write"
	ScopeRBACRead           = "rbac:read"
	ScopeRBACWrite          = "rbac:write"
)
