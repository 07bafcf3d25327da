package salable

import (
	"net/http"
	"strings"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/handlers"
)

const scopeLicensesWrite = "licenses:write"

// routes are in order: the first pattern that matches serves, so fixed names stand before {licenseUuid}.
func (a *API) routes() []handlers.Route {
	products, plans, events := handlers.ScopeProductsRead, handlers.ScopePlansRead, handlers.ScopeEventsRead
	subscriptions, change := handlers.ScopeSubscriptionsRead, handlers.ScopeSubscriptionsWrite
	licenses, grant := handlers.ScopeLicensesRead, scopeLicensesWrite
	all := []handlers.Route{
		{Method: "GET", Path: "/licenses/check", Scope: licenses, Serve: a.checkLicenses, Hot: true},

		{Method: "GET", Path: "/products", Scope: products, Serve: a.listProducts, Stream: true},
		{Method: "GET", Path: "/products/{productUuid}", Scope: products, Serve: a.readProduct},

		{Method: "GET", Path: "/plans/{planUuid}", Scope: plans, Serve: a.readPlan},

		{Method: "PUT", Path: "/subscriptions", Scope: change, Serve: a.changePlanOldest},
		{Method: "GET", Path: "/subscriptions/{subscriptionUuid}", Scope: subscriptions, Serve: a.readSubscription},
		{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/change-plan", Scope: change, Serve: a.changePlan},
		{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/updateplan/{planUuid}", Scope: change, Serve: a.changePlanByPath},
		{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/cancel", Scope: change, Serve: a.cancelSubscription},
		{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/reactivate", Scope: change, Serve: a.reactivateSubscription},
		{Method: "POST", Path: "/subscriptions/{subscriptionUuid}/seats", Scope: change, Serve: a.addSeats},
		{Method: "PUT", Path: "/subscriptions/{subscriptionUuid}/seats", Scope: change, Serve: a.removeSeats},

		{Method: "GET", Path: "/licenses", Scope: licenses, Serve: a.listLicenses, Stream: true},
		{Method: "POST", Path: "/licenses", Scope: grant, Serve: a.createLicenses},
		{Method: "PUT", Path: "/licenses", Scope: grant, Serve: a.updateLicenses},
		{Method: "GET", Path: "/licenses/count", Scope: licenses, Serve: a.countLicenses},
		{Method: "GET", Path: "/licenses/purchaser", Scope: licenses, Serve: a.licensesOfPurchaser, Stream: true},
		{Method: "GET", Path: "/licenses/granteeId/{granteeId}", Scope: licenses, Serve: a.licensesOfGrantee, Stream: true},
		{Method: "POST", Path: "/licenses/cancel", Scope: grant, Serve: a.cancelLicenses},
		{Method: "PUT", Path: "/licenses/cancel", Scope: grant, Serve: a.cancelLicenses}, // as an old page of the docs has it
		{Method: "GET", Path: "/licenses/{licenseUuid}", Scope: licenses, Serve: a.readLicense},
		{Method: "PUT", Path: "/licenses/{licenseUuid}", Scope: grant, Serve: a.updateLicense},
		{Method: "DELETE", Path: "/licenses/{licenseUuid}", Scope: grant, Serve: a.cancelLicense},
		{Method: "GET", Path: "/licenses/{licenseUuid}/usage", Scope: licenses, Serve: a.readLicenseUsage},

		{Method: "PUT", Path: "/usage", Scope: handlers.ScopeUsageWrite, Serve: a.recordUsage},

		{Method: "GET", Path: "/events/{eventUuid}", Scope: events, Serve: a.readEvent},
	}
	for i, route := range all {
		all[i].Serve = versioned(route.Serve)
	}
	return all
}

// Versions of the API, by the request's header `version`; without one it is v1.
const (
	v1 = "v1"
	v2 = "v2"
)

// versioned refuses versions that are not served.
func versioned(serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if v := versionOf(r); v != v1 && v != v2 {
			return &domain.Error{Kind: domain.Malformed, Code: "unknown_version",
				Fields: []domain.Field{{Pointer: "version", Code: "unknown_version", Detail: "want v1 or v2"}}}
		}
		return serve(w, r)
	}
}

func versionOf(r *http.Request) string {
	if sent := r.Header.Values("Version"); len(sent) > 0 {
		return strings.Join(sent, ",") // two are none
	}
	return v1
}
