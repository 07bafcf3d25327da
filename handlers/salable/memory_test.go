package salable_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// discarding is a client that reads everything, counts, and looks at the process's memory now and then.
type discarding struct {
	header         http.Header
	status, writes int
	licenses       int
	peak           uint64
}

func (d *discarding) Header() http.Header { return d.header }

func (d *discarding) WriteHeader(status int) { d.status = status }

func (d *discarding) Write(p []byte) (int, error) {
	d.licenses += bytes.Count(p, []byte(`"granteeId"`))
	if d.writes++; d.writes%10 == 1 {
		d.peak = max(d.peak, inUse())
	}
	return len(p), nil
}

// inUse is what the process has of the system for its heap and stacks.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// A ledger may have any number of licences: v1's list without pages streams them, and counting them
// loads none. No other test runs meanwhile.
func TestHundredThousandLicences(t *testing.T) { //nolint:paralleltest // it measures the process
	const many, bound = 100_000, 64 << 20
	g := newRig(t)
	g.call(t, g.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"ada"}`, g.flat)).want(201)
	g.call(t, g.test, "GET", "/licenses", "").want(200) // the read model has it
	_, err := g.pool.Exec(t.Context(), `insert into licenses select r.* from licenses l, generate_series(2, $1) n,
		lateral jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid(), 'grantee', 'g' || n)) r`, many)
	require.NoError(t, err)
	_, err = pgtest.Pool(t, g.db.URL).Exec(t.Context(), "analyze licenses")
	require.NoError(t, err)
	for _, path := range []string{"/licenses?status=active", "/licenses/purchaser?purchaser=mia&productUuid=" + g.product} {
		runtime.GC()
		before := inUse()
		w := &discarding{header: http.Header{}}
		r := httptest.NewRequest("GET", path, http.NoBody)
		r.Header.Set("X-Api-Key", g.test)
		g.server.ServeHTTP(w, r)
		require.Equal(t, 200, w.status, path)
		require.Equal(t, many, w.licenses, path)
		grown := int64(w.peak) - int64(before)
		t.Logf("GET %s: %d licences, memory %+.1f MB", path, w.licenses, float64(grown)/(1<<20))
		require.Less(t, grown, int64(bound), path)
	}
	runtime.GC()
	before := inUse()
	require.Equal(t, fmt.Sprint(many), g.call(t, g.test, "GET", "/licenses/count", "").want(200).text("count"))
	require.Less(t, int64(inUse())-int64(before), int64(bound))
}
