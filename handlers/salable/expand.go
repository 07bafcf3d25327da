package salable

import (
	"slices"
	"strings"

	"github.com/subledger/subledger/handlers"
)

// expansion is a tree of relations by name.
type expansion map[string]expansion

// has tells that a relation was asked for; in gives what was asked for below it. Both work on nil.
func (e expansion) has(name string) bool     { return e[name] != nil }
func (e expansion) in(name string) expansion { return e[name] }

// names lists all dotted names, in order.
func (e expansion) names(before string) []string {
	var all []string
	for name, below := range e {
		all = append(append(all, before+name), below.names(before+name+".")...)
	}
	slices.Sort(all)
	return all
}

func (e expansion) add(path string) {
	for name := range strings.SplitSeq(path, ".") {
		if e[name] == nil {
			e[name] = expansion{}
		}
		e = e[name]
	}
}

func (e expansion) knows(path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		if e = e[name]; e == nil {
			return false
		}
	}
	return true
}

// readExpand reads the parameter expand: names separated by commas, brackets around the list or not. A
// dotted name implies those before it. Names outside of allowed are noted as wrong.
func readExpand(q *handlers.Query, allowed expansion) expansion {
	asked := expansion{}
	v := q.Get("expand")
	if v.Absent() {
		return asked
	}
	for _, name := range listed(v.String(handlers.MaxBytes(2000))) {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
		case !allowed.knows(name):
			v.Bad("unknown_relation", "%.100q cannot be expanded here; there are %s", name, strings.Join(allowed.names(""), ", "))
		default:
			asked.add(name)
		}
	}
	return asked
}

// listed splits a list in a query: old clients send it in brackets.
func listed(text string) []string {
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		text = text[1 : len(text)-1]
	}
	return strings.Split(text, ",")
}

// expandable makes the tree of names that a route takes.
func expandable(paths ...string) expansion {
	all := expansion{}
	for _, path := range paths {
		all.add(path)
	}
	return all
}

// What each route expands.
var (
	productExpandable = expandable("generateCheckoutLinks", "features.featureEnumOptions", "capabilities", "currencies.currency",
		"organisationPaymentIntegration", "plans.capabilities.capability", "plans.features.feature", "plans.features.enumValue",
		"plans.currencies.currency")
	productExpandableV3 = expandable("currencies.currency", "organisationPaymentIntegration")
	planExpandableV3    = expandable("features.feature", "features.enumValue", "currencies.currency", "product.organisationPaymentIntegration",
		"product.currencies.currency")
	planExpandable = expandable("generateCheckoutLink", "capabilities.capability", "features.feature", "features.enumValue",
		"currencies.currency", "product.organisationPaymentIntegration", "product.currencies.currency")
	subscriptionExpandable = expandable("product.organisationPaymentIntegration", "product.currencies.currency",
		"plan.currencies.currency", "plan.features.feature", "plan.features.enumValue", "customer", "licenses")
	licenseExpandable = expandable("subscription", "plan.currencies.currency", "plan.features.feature", "plan.features.enumValue",
		"product.organisationPaymentIntegration", "product.currencies.currency", "cancelLink")
)
