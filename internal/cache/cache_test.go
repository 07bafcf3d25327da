package cache

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func texts(bytes int) *Cache[string, string] {
	return New(bytes, func(k, v string) int { return len(k) + len(v) })
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := texts(3 * (overhead + 2))
	for _, k := range []string{"a", "b", "c"} {
		c.Add(k, "x")
	}
	_, ok := c.Get("a")
	require.True(t, ok)
	c.Add("d", "x")
	require.Equal(t, []string{"c", "a", "d"}, c.Keys())
	_, ok = c.Get("b")
	require.False(t, ok)
	require.Equal(t, Stats{Bytes: 3 * (overhead + 2), Entries: 3, Hits: 1, Misses: 1, Evictions: 1}, c.Stats())
}

func TestAnEntryLargerThanTheCacheIsNotKept(t *testing.T) {
	c := texts(overhead + 10)
	c.Add("a", "x")
	c.Add("a", strings.Repeat("x", 11))
	_, ok := c.Peek("a")
	require.False(t, ok, "and its old value is not true any more")
	require.Zero(t, c.Stats().Bytes)
}

// Whatever is done, the bytes are those of the entries and within the limit.
func TestBytesAreThoseOfTheEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := texts(1500)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				k, v := rapid.StringMatching(`[a-h]`).Draw(t, "k"), rapid.StringN(0, 400, 400).Draw(t, "v")
				c.Add(k, v)
				got, ok := c.Peek(k)
				require.True(t, ok)
				require.Equal(t, v, got)
			},
			"remove": func(t *rapid.T) { c.Remove(rapid.StringMatching(`[a-h]`).Draw(t, "k")) },
			"get":    func(t *rapid.T) { c.Get(rapid.StringMatching(`[a-h]`).Draw(t, "k")) },
			"": func(t *rapid.T) {
				sum := int64(0)
				for _, k := range c.Keys() {
					v, _ := c.Peek(k)
					sum += int64(overhead + len(k) + len(v))
				}
				s := c.Stats()
				require.Equal(t, sum, s.Bytes)
				require.LessOrEqual(t, s.Bytes, int64(1500))
			},
		})
	})
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	a, b := texts(1000), texts(1000)
	Register(r, "a", a.Stats)
	Register(r, "b", b.Stats)
	a.Add("k", "v")
	a.Get("k")
	b.Get("k")
	require.NoError(t, testutil.GatherAndCompare(r, strings.NewReader(`
# HELP subledger_state_cache_hits_total Look-ups that were answered from memory.
# TYPE subledger_state_cache_hits_total counter
subledger_state_cache_hits_total{cache="a"} 1
subledger_state_cache_hits_total{cache="b"} 0
# HELP subledger_state_cache_misses_total Look-ups that were not.
# TYPE subledger_state_cache_misses_total counter
subledger_state_cache_misses_total{cache="a"} 0
subledger_state_cache_misses_total{cache="b"} 1
`), "subledger_state_cache_hits_total", "subledger_state_cache_misses_total"))
}
