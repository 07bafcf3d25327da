package handlers_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPricingTables(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s, other := g.shop(t, g.test), g.shop(t, g.test)
	feature := g.call(t, g.test, "POST", "/features", `{"productUuid":"`+s.product+`","name":"f","displayName":"F","valueType":"boolean"}`).want(201).text("uuid")
	made := g.call(t, g.test, "POST", "/pricing-tables", `{"productUuid":"`+s.product+`","name":"main","title":"Plans","featuredPlanUuid":"`+s.flat+`",
		"features":[{"featureUuid":"`+feature+`"}],"plans":[{"planUuid":"`+s.seats+`","sortOrder":2},{"planUuid":"`+s.flat+`","sortOrder":1}]}`).want(201).golden("pricing_table_created")
	path := "/pricing-tables/" + made.text("uuid")
	require.JSONEq(t, string(made.body), string(g.call(t, g.test, "GET", path, "").want(200).body))
	require.Len(t, g.call(t, g.test, "GET", "/pricing-tables?productUuid="+other.product, "").want(200).at("data"), 0)
	before := g.events(t, g.test)
	g.call(t, g.test, "PUT", path, `{"title":"Plans"}`).want(200)
	for body, want := range map[string]string{
		`{"plans":[]}`: "/featuredPlanUuid no_plan", `{"featuredPlanUuid":"` + s.yearly + `"}`: "/featuredPlanUuid no_plan",
		`{"plans":[{"planUuid":"` + s.flat + `"},{"planUuid":"` + s.flat + `"}]}`:            "/plans/1/planUuid duplicate_plan",
		`{"plans":[{"planUuid":"` + s.flat + `"},{"planUuid":"` + other.flat + `"}]}`:        "/plans/1/planUuid no_plan",
		`{"features":[{"featureUuid":"` + s.flat + `"}]}`:                                    "/features/0/featureUuid no_feature",
		`{"features":[{"featureUuid":"` + feature + `"},{"featureUuid":"` + feature + `"}]}`: "/features/1/featureUuid duplicate_feature",
		`{"productUuid":"` + s.product + `","name":"a\nb"}`:                                  "/name bad_name",
		`{"theme":"a\tb"}`: "/theme bad_theme", `{"customTheme":"` + strings.Repeat("x", 10_001) + `"}`: "/customTheme bad_custom_theme",
	} {
		got := g.call(t, g.test, "PUT", path, body).want(422)
		require.Equal(t, want, got.text("errors", 0, "pointer")+" "+got.text("errors", 0, "code"), body)
	}
	g.call(t, g.test, "POST", "/pricing-tables", `{"productUuid":"`+s.flat+`","name":"x"}`).code(404, "no_product")
	g.call(t, g.test, "PUT", path, `{"productUuid":"`+other.product+`"}`).want(422)
	require.Equal(t, before, g.events(t, g.test))
	require.Empty(t, g.call(t, g.test, "PUT", path, `{"featuredPlanUuid":null,"title":null}`).want(200).at("featuredPlanUuid"))
	require.Equal(t, "DEPRECATED", g.call(t, g.test, "POST", path+"/archive", "").want(200).text("status"))
	g.call(t, g.test, "PUT", path, `{"name":"x"}`).code(409, "pricing_table_archived")
}
