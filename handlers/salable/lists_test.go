package salable_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An unpaged list comes whole, each item once and in order.
func TestLongListsAreStreamed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	item := fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)
	batch := "[" + strings.Repeat(item+",", 999) + item + "]"
	g.call(t, g.test, "POST", "/licenses", batch).want(201)
	g.call(t, g.test, "POST", "/licenses", "["+item+"]").want(201)
	for _, path := range []string{"/licenses", "/licenses/granteeId/ada?expand=plan,product", "/licenses/purchaser?purchaser=mia&productUuid=" + g.product} {
		got := g.call(t, g.test, "GET", path, "").want(200)
		all := got.at().([]any)
		require.Len(t, all, 1001, path)
		require.Empty(t, got.header.Get("Content-Length"))
		last := ""
		for _, l := range all {
			id := l.(map[string]any)["uuid"].(string)
			require.Greater(t, id, last)
			last = id
		}
	}
	// Pages of v2 over the same licences.
	seen, cursor := 0, ""
	for {
		page := g.call(t, g.test, "GET", "/licenses?take=100"+cursor, "", "version", "v2").want(200)
		n := len(page.at("data").([]any))
		if seen += n; n == 0 {
			require.Nil(t, page.at("first"))
			break
		}
		require.Equal(t, page.text("data", n-1, "uuid"), page.text("last"))
		cursor = "&cursor=" + page.text("last")
	}
	require.Equal(t, 1001, seen)
}

func TestStatusFiltersTakeEitherCase(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	sub := g.subscribe(t, g.test, g.perSeat, `,"granteeId":"ada"`)
	g.call(t, g.test, "PUT", "/subscriptions/"+sub+"/cancel?when=now", "").want(204)
	g.subscribe(t, g.test, g.flat, "")
	for filter, want := range map[string]int{"": 3, "?status=": 3, "?status=active": 1, "?status=ACTIVE": 1, "?status=Canceled": 2, "?status=inactive": 0,
		"?status=active&granteeId=ignored&subscriptionUuid=" + sub: 1} {
		require.Len(t, g.call(t, g.test, "GET", "/licenses"+filter, "").want(200).at(), want, filter)
	}
}

// A licence that ran out is INACTIVE, or CANCELED when it was to be, in answers and filters alike.
func TestLicencesRunOut(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for cancel, want := range map[string]string{"true": "CANCELED", "false": "INACTIVE"} {
		id := g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada","cancelAtPeriodEnd":%s}`, g.flat, cancel), "version", "v2").
			want(201).text("uuid")
		g.pass(32 * 24 * time.Hour)
		require.Equal(t, want, g.call(t, g.test, "GET", "/licenses/"+id, "").want(200).text("status"))
		require.Equal(t, id, g.call(t, g.test, "GET", "/licenses?status="+want, "").want(200).text(0, "uuid"))
	}
}
