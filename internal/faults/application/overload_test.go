package application

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/faults"
)

// overloadTime is how long each part of the test lasts in CI.
var overloadTime = 3 * time.Second

// overloadShare is how much of what the server can do gets done under overload. CI's machines have others to serve, and
// a short run of theirs says only that it doesn't collapse, to a tenth, as it does without a bound; make faults wants 0.8.
var overloadShare = 0.5

// patience is how long a client waits for an answer; what comes later is of no use to it.
const patience = 2 * time.Second

// starved runs a server and its private PostgreSQL on one processor together. Who asks has the others.
func starved(t *testing.T, env ...string) *app {
	t.Helper()
	out, err := exec.Command("taskset", "-cp", strconv.Itoa(os.Getpid())).CombinedOutput()
	require.NoError(t, err, "%s", out)
	first := regexp.MustCompile(`list: (\d+)`).FindSubmatch(out)
	require.NotNil(t, first, "%s", out)
	dir, err := os.MkdirTemp("", "subledger-overload-") // PostgreSQL of root's runs as another user, who has to get there
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	g := &rig{dir: filepath.Join(dir, "data"), path: filepath.Join(t.TempDir(), "journal"), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}}
	t.Cleanup(g.client.CloseIdleConnections)
	g.journal, err = faults.OpenJournal(g.path)
	require.NoError(t, err)
	cmd := g.command("serve", "--listen", "127.0.0.1:0", "-o", "json")
	pinned := exec.Command("taskset", append([]string{"-c", string(first[1])}, cmd.Args...)...)
	pinned.Env = cmd.Env
	a := g.startWith(t, pinned, env...)
	require.NotEmpty(t, a.key)
	r := a.call(t.Context(), "GET", "/ledger/v1/subscriptions", "", "")
	id := regexp.MustCompile(`"uuid":"([^"]+)"`).FindStringSubmatch(r.Body)
	require.NotNil(t, id, "%s", dump(r))
	a.subscription = id[1]
	return a
}

// records is how many usage records each request has: it is much work, and cheap to ask for, so that it is the
// server that is overloaded and not who asks.
const records = 10

// usage is the body of a request.
func (a *app) usage() string {
	var b strings.Builder
	key := uuid.NewString()
	for i := range records {
		fmt.Fprintf(&b, `,{"key":"%s-%d","quantity":1,"subscriptionUuid":"%s"}`, key, i, a.subscription)
	}
	return `{"records":[` + b.String()[1:] + `]}`
}

// connections are fewer than the server keeps when they are idle, and more than what it has time for.
const connections = 1500

// offered is what came of requests.
type offered struct {
	took                        time.Duration
	good, refused, late, broken int
	nobody                      int           // no connection, or one that ended before an answer
	slowest                     time.Duration // of the good ones
	cpu                         time.Duration // of the server and its PostgreSQL
	odd                         string        // one answer that should not have been
}

func (o offered) rate() float64 { return float64(o.good) / o.took.Seconds() }

// worth is what a second of the processor brought: on a busy machine the rate tells of the others, this does not.
func (o offered) worth() float64 { return float64(o.good) / o.cpu.Seconds() }

func (o offered) String() string {
	return fmt.Sprintf("%.0f/s succeeded with %s of the processor, the slowest in %s; %.0f/s were refused, %d were late, %d broken", o.rate(), o.cpu, o.slowest.Round(time.Millisecond), float64(o.refused)/o.took.Seconds(), o.late, o.broken)
}

// tally counts answers.
type tally struct {
	mu sync.Mutex
	offered
}

// one asks once, and counts what came.
func (a *app) one(c *tally) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	r := a.call(ctx, "POST", "/ledger/v1/usage", a.usage(), uuid.NewString())
	took := time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Status == 200:
		c.good++
		c.slowest = max(c.slowest, took)
	case (r.Status == 429 || r.Status == 503) && r.Header.Get("Retry-After") != "":
		c.refused++
	case r.Status == 0 && ctx.Err() != nil:
		c.late++
	case r.Status == 0:
		c.nobody++
	default:
		c.broken++
		c.odd = fmt.Sprintf("%d after %s: %s", r.Status, took, dump(r))
	}
}

// closedLoop has clients that ask again when they are answered: what the server can sustain.
func (a *app) closedLoop(clients int, for_ time.Duration) offered {
	var c tally
	var wg sync.WaitGroup
	began, cpu := time.Now(), a.spent()
	for range clients {
		wg.Go(func() {
			for time.Since(began) < for_ {
				a.one(&c)
			}
		})
	}
	wg.Wait()
	c.took, c.cpu = time.Since(began), a.spent()-cpu
	return c.offered
}

// openLoop has requests that are due whether or not earlier ones were answered.
func (a *app) openLoop(rate float64, for_ time.Duration) offered {
	var c tally
	var wg sync.WaitGroup
	began, cpu := time.Now(), a.spent()
	for sent := 0; time.Since(began) < for_; time.Sleep(time.Millisecond) {
		for due := int(rate * time.Since(began).Seconds()); sent < due; sent++ {
			wg.Go(func() { a.one(&c) })
		}
	}
	c.took = time.Since(began)
	wg.Wait()
	c.cpu = a.spent() - cpu
	return c.offered
}

// spent is the time that the server and all below it had the processor.
func (a *app) spent() (total time.Duration) {
	parents, used := map[int]int{}, map[int]time.Duration{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name before may hold anything
		parents[pid], _ = strconv.Atoi(fields[1])
		for _, ticks := range fields[11:13] {
			n, _ := strconv.Atoi(ticks)
			used[pid] += time.Duration(n) * 10 * time.Millisecond // Linux has 100 a second
		}
	}
	for pid, n := range used {
		for up := pid; up > 1; up = parents[up] {
			if up == a.cmd.Process.Pid {
				total += n
				break
			}
		}
	}
	return total
}

// watched asks for health and readiness all the while; it gives how often both answered 200 and the slowest answer.
func (a *app) watched(t *testing.T, while func()) (healthy int, slowest time.Duration) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		client := &http.Client{Timeout: 5 * time.Second}
		defer client.CloseIdleConnections()
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			ok := true
			for _, path := range []string{"/healthz", "/readyz"} {
				began := time.Now()
				res, err := client.Get(a.address + path)
				slowest = max(slowest, time.Since(began))
				if err != nil {
					ok = false
					continue
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				ok = ok && res.StatusCode == 200
			}
			if ok {
				healthy++
			}
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
		}
	}()
	while()
	close(stop)
	<-done
	return healthy, slowest
}

// At five times the rate that the server can sustain, most of what it can do still gets done, in time; what it
// refuses says when to come again, health answers, and afterwards all is as before.
func TestOverload(t *testing.T) {
	a := starved(t)
	a.openLoop(5*a.closedLoop(16, overloadTime/3).rate(), overloadTime/3) // its connections are made, and it has learnt what is too many
	for try := 1; ; try++ {
		before := a.closedLoop(16, overloadTime)
		require.Zero(t, before.broken+before.late+before.refused+before.nobody, "%+v", before)
		var under offered
		healthy, slowest := a.watched(t, func() { under = a.openLoop(5*before.rate(), overloadTime) })
		after := a.closedLoop(16, overloadTime)
		sustained := offered{good: before.good + after.good, cpu: before.cpu + after.cpu}
		share := under.worth() / sustained.worth()
		t.Logf("sustained %.0f/s with %s of the processor; at five times that %s; %.0f %% of the worth of a second of the processor; health answered %d times, at the slowest in %s; %.0f/s afterwards",
			before.rate(), before.cpu, under, 100*share, healthy, slowest.Round(time.Millisecond), after.rate())
		require.Zero(t, under.broken+under.nobody, "every refusal is a 429 or 503 with Retry-After, not %s", under.odd)
		require.Zero(t, after.broken+after.late+after.refused+after.nobody, "it recovers: %+v", after)
		require.NotZero(t, under.refused, "nothing was refused: that was no overload")
		require.Greater(t, healthy, 3)
		require.Less(t, slowest, 3*time.Second)
		if share >= overloadShare && 10*under.late <= under.good {
			a.drains(t, 5*before.rate())
			return
		}
		require.Less(t, try, 3, "too little gets done under overload: %s", under)
	}
}

// drains is SIGTERM in the middle of it: what was let in is answered, the rest is refused or finds nobody, and the
// process ends in time, by itself.
func (a *app) drains(t *testing.T, rate float64) {
	t.Helper()
	began := make(chan time.Time, 1)
	time.AfterFunc(overloadTime/3, func() { began <- time.Now(); a.signal(syscall.SIGTERM) })
	during := a.openLoop(rate, overloadTime)
	require.Zero(t, a.exits(t, 20*time.Second), "%s", a.said())
	t.Logf("at SIGTERM %s; it ended %s after it, at the latest; %d found nobody", during, time.Since(<-began).Round(time.Millisecond), during.nobody)
	require.NotZero(t, during.good)
	require.Zero(t, during.broken, during.odd)
	require.LessOrEqual(t, 50*during.late, during.good+during.nobody)
}

// SIGTERM under load: what was accepted is answered, without a 5xx, and the process ends in time.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t)
	stop := make(chan struct{})
	began := make(chan time.Time, 1)
	time.AfterFunc(time.Second, func() { began <- time.Now(); a.signal(syscall.SIGTERM) })
	_, replies := a.load(t.Context(), 64, stop)
	require.Zero(t, a.exits(t, 20*time.Second), "%s", a.said())
	require.Less(t, time.Since(<-began), 20*time.Second)
	answered := 0
	for _, r := range replies {
		require.True(t, r.Status == 0 || r.Status == 201 || r.code() == "overloaded", "%d %s", r.Status, dump(r)) // a slow machine lets fewer in
		if r.Status == 201 {
			answered++
		}
	}
	require.NotZero(t, answered)
	g.sound(t)
}
