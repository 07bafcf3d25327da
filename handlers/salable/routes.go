package salable

import (
	"net/http"
	"slices"
	"strings"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/handlers"
)

const scopeLicensesWrite = "licenses:write"

// route is served in some versions; in the others its path leads nowhere.
type route struct {
	handlers.Route
	in []string
}

// Versions of the API, by the request's header `version`; without one it is v1. They compare as texts.
const (
	v1 = "v1"
	v2 = "v2"
	v3 = "v3"
)

var (
	always  = []string{v1, v2, v3}
	untilV2 = []string{v1, v2} // among them all of licences, which v3 has none of
	sinceV2 = []string{v2, v3}
	onlyV3  = []string{v3}
)

// routes are in order: the first pattern that matches serves.
func (a *API) routes() []route {
	return slices.Concat(a.licenseRoutes(), a.productRoutes(), a.planRoutes(), a.featureRoutes(), a.pricingTableRoutes(), a.subscriptionRoutes(), a.checkoutRoutes(), a.sessionRoutes(), a.usageRoutes(), a.eventRoutes(), a.rbacRoutes())
}

// Route is one route as documents tell of it.
type Route struct {
	Method, Path, Scope string
	In                  []string // versions
}

// Versions lists the routes with the versions that have them, in their order.
func (a *API) Versions() []Route {
	var all []Route
	for _, r := range a.routes() {
		all = append(all, Route{r.Method, r.Path, r.Scope, r.in})
	}
	return all
}

// mounted are the routes as the server takes them.
func (a *API) mounted() []handlers.Route {
	var all []handlers.Route
	for _, r := range a.routes() {
		r.Serve = versioned(handlers.OwnTime(a.store, r.Serve), r)
		all = append(all, r.Route)
	}
	return all
}

// otherVersion is the code of a 404 for a route that other versions have: its text says which.
const otherVersion = "other_version"

// versioned refuses versions that there are not, and those that do not have the route.
func versioned(serve func(http.ResponseWriter, *http.Request) error, rt route) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		v := versionOf(r)
		switch {
		case slices.Contains(rt.in, v):
			return serve(w, r)
		case slices.Contains(always, v):
			return domain.Refuse(domain.NotFound, otherVersion, "%s %s is of %s, and this request of %s: send the header version",
				rt.Method, rt.Path, strings.Join(rt.in, " and "), v)
		}
		return &domain.Error{Kind: domain.Malformed, Code: "unknown_version",
			Fields: []domain.Field{{Pointer: "version", Code: "unknown_version", Detail: "want v1, v2 or v3"}}}
	}
}

func versionOf(r *http.Request) string {
	if sent := r.Header.Values("Version"); len(sent) > 0 {
		return strings.Join(sent, ",") // two are none
	}
	return v1
}
