package salable_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestB05_KeysThatAreNone(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		same := ""
		for _, w := range append(a.writes, a.reads...) {
			for _, header := range [][]string{nil, {"X-Api-Key", ""}, {"X-Api-Key", "x"}, {"X-Api-Key", a.test + "x"}, {"X-Api-Key", "live_" + strings.TrimPrefix(a.test, "test_")},
				{"X-Api-Key", "test_" + strings.Repeat("A", 43)}, {"Authorization", "Basic " + a.test}, {"Authorization", a.test}, {"Cookie", "x-api-key=" + a.test}} {
				got := a.send(t, "", w.Method, w.path, w.body, header...)
				require.Equal(t, 401, got.status, "%s with %q", w.name(), header)
				if same == "" {
					same = string(got.body)
				}
				require.Equal(t, same, string(got.body))
			}
			for _, header := range [][]string{{"X-Api-Key", a.test, "X-Api-Key", a.test}, {"X-Api-Key", a.test, "Authorization", "Bearer " + a.test}} {
				require.Equal(t, 400, a.send(t, "", w.Method, w.path, w.body, header...).status, w.name())
			}
			require.Equal(t, 431, a.send(t, "", w.Method, w.path, w.body, "X-Api-Key", strings.Repeat("k", 1<<20)).status)
		}
	})
}

// The dialect's refusals keep to the statuses that its clients know.
func TestB54_OddMethodsStayInTheStatusList(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range append(a.writes, a.reads...) {
			for _, method := range []string{"TRACE", "CONNECT", "PROPFIND", "PATCH", "get", "put", "LINK", "OPTIONS"} {
				got := a.send(t, a.test, method, w.path, w.body)
				require.Contains(t, []int{400, 404}, got.status, "%s %s", method, w.path)
				require.Empty(t, got.header.Get("Allow"))
			}
			if w.Method == "GET" {
				got := a.send(t, a.test, "GET", w.path, "", "Range", "bytes=0-1", "If-Range", "x")
				require.Equal(t, w.status, got.status, "ranges are passed over")
			}
			for _, header := range []string{"X-HTTP-Method-Override", "X-Method-Override"} {
				require.Equal(t, 200, a.send(t, a.test, "GET", "/products", "", header, w.Method).status)
			}
		}
	})
}

func TestB58_NothingIsCached(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	for _, w := range a.reads {
		for _, key := range []string{a.test, "", "x"} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "PURGE"} {
				got := a.send(t, key, method, w.path, "", "Origin", "https://shop.example")
				require.Equal(t, []string{"no-store"}, got.header.Values("Cache-Control"), "%s answered %d", got.what, got.status)
			}
		}
	}
	preflight := a.send(t, "", "OPTIONS", "/licenses/check", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET")
	require.Equal(t, "no-store", preflight.header.Get("Cache-Control"))
}
