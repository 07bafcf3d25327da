package application

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// soakTime is how long the load of F10 goes on in CI; a tenth of it comes first, as a warm-up. soakMemory is how
// much more memory there may be afterwards: in a few seconds caches have just begun to fill. In an hour of it 300,000
// products fill them, and the collector waits for five times of what lives: then mostMemory bounds it, a tenth above the
// collector's limit (cmd/subledger, relaxCollector).
var (
	soakTime   = 4 * time.Second
	soakMemory = 1.5
	mostMemory = 0.0
)

// mostConnections are the server's own (--connections). How many of them are open follows the load.
const mostConnections = 48

// held is what a server holds on to.
type held struct{ goroutines, files, memory, connections float64 }

// holds asks a server that has nothing to do.
func (a *app) holds(t *testing.T) held {
	t.Helper()
	r := a.call(t.Context(), "GET", "/metrics", "", "")
	require.Equal(t, 200, r.Status)
	metric := func(name string) float64 {
		found := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(r.Body)
		require.NotNil(t, found, name)
		v, err := strconv.ParseFloat(found[1], 64)
		require.NoError(t, err)
		return v
	}
	h := held{goroutines: metric("go_goroutines"), files: metric("process_open_fds"), memory: metric("process_resident_memory_bytes")}
	require.NoError(t, pgtest.Pool(t, a.db.URL).QueryRow(t.Context(),
		`select count(*) from pg_stat_activity where datname = current_database() and application_name like 'subledger%'`).Scan(&h.connections))
	return h
}

// within tells that h is no more than a twentieth above a warm one; what comes and goes is allowed for with two.
func (h held) within(warm held) bool {
	more := max(0, h.connections-warm.connections) // each is a file
	return h.goroutines <= warm.goroutines*1.05+2 && h.files <= warm.files*1.05+2+more && h.connections <= mostConnections &&
		h.memory <= max(warm.memory*soakMemory, mostMemory)
}

// mix is what clients do for a while: writes and reads, refused ones and those that nobody waits for, over
// connections that are kept and ones that are not.
func (a *app) mix(clients int, while time.Duration) (answered map[int]int) {
	answered = map[int]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for range clients {
		wg.Go(func() {
			for time.Since(began) < while {
				ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
				method, path, body := "GET", "/ledger/v1/products?limit=5", ""
				switch rand.IntN(8) {
				case 0:
					method, path, body = "POST", "/ledger/v1/products", `{"name":"`+uuid.NewString()+`","displayName":"P"}`
				case 1:
					method, path, body = "POST", "/ledger/v1/products", `{"name":`
				case 2:
					path = "/ledger/v1/events?limit=20"
				case 3:
					path = "/ledger/v1/products/" + uuid.NewString()
				case 4:
					method, path, body = "PUT", "/ledger/v1/products/"+a.product, fmt.Sprintf(`{"displayName":"P%d"}`, rand.IntN(1000))
				case 5: // nobody waits
					go func() { time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond); cancel() }()
				case 6:
					a.client.CloseIdleConnections()
				case 7:
					path = "/licenses/check?productUuid=" + a.product + "&granteeIds=ann,bob"
				}
				r := a.call(ctx, method, path, body, uuid.NewString())
				cancel()
				mu.Lock()
				answered[r.Status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	a.client.CloseIdleConnections()
	return answered
}

// What comes with the load goes with it: goroutines, open files, connections to the database, memory.
func TestF10_NothingIsLeaked(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t)
	r := a.call(t.Context(), "POST", "/ledger/v1/products", `{"name":"soaked","displayName":"P"}`, uuid.NewString())
	require.Equal(t, http.StatusCreated, r.Status, dump(r))
	a.product = regexp.MustCompile(`"uuid":"([^"]+)"`).FindStringSubmatch(r.Body)[1]
	a.mix(32, max(soakTime/10, 2*time.Second))
	var warm held
	settled := func() bool { // it lets go of the last load by itself
		before := warm
		warm = a.holds(t)
		return warm.goroutines == before.goroutines && warm.files == before.files
	}
	require.Eventually(t, settled, 20*time.Second, 300*time.Millisecond)
	require.NotZero(t, warm.connections)
	answered := a.mix(32, soakTime)
	var now held
	end := time.Now().Add(30 * time.Second)
	for now = a.holds(t); !now.within(warm) && time.Now().Before(end); now = a.holds(t) {
		time.Sleep(200 * time.Millisecond) // between two looks
	}
	t.Logf("warm %+v, after %s and answers %v %+v", warm, soakTime, answered, now)
	require.True(t, now.within(warm), "warm %+v, now %+v", warm, now)
	require.Greater(t, answered[200], 20)
	require.NotZero(t, answered[201])
	require.Zero(t, answered[500])
}
