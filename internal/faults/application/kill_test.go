package application

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// rounds of F01 in CI; make faults has 200.
var rounds = 3

func TestF01_KilledWhileClientsWrite(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for range rounds {
		a := g.start(t)
		stop := make(chan struct{})
		time.AfterFunc(time.Duration(100+rand.IntN(500))*time.Millisecond, a.kill)
		open, replies := a.load(t.Context(), 64, stop)
		require.NotEmpty(t, replies)
		require.NotEmpty(t, open, "nobody was interrupted")
		a.exits(t, 10*time.Second)
		b := g.start(t)
		for _, key := range open { // a retry resolves each
			r, err := b.send(t.Context(), key)
			require.NoError(t, err)
			require.Equal(t, 201, r.Status, dump(r))
		}
		b.kill()
		b.exits(t, 10*time.Second)
	}
	g.sound(t)
}

// Case 131: the process dies between the commit and the answer, and the retry gets the first answer.
func TestF02_KilledBetweenCommitAndReply(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	before := g.events(t)
	a := g.start(t, "SUBLEDGER_FAULT_POINTS=after append=kill:once")
	key := uuid.NewString()
	r, err := a.send(t.Context(), key)
	require.NoError(t, err)
	require.Zero(t, r.Status, "%s", dump(r))
	a.exits(t, 10*time.Second)
	require.Equal(t, before+1, g.events(t))
	b := g.start(t)
	r, err = b.send(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, 201, r.Status, dump(r))
	require.Equal(t, "true", r.Header.Get("Idempotency-Replayed"))
	require.Equal(t, before+1, g.events(t))
	require.Equal(t, 200, b.call(t.Context(), "GET", "/ledger/v1/products", "", "").Status)
	g.sound(t)
}

func TestF03_KilledBeforeCommit(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	before := g.events(t)
	a := g.start(t, "SUBLEDGER_FAULT_POINTS=before append=kill:once")
	key := uuid.NewString()
	r, err := a.send(t.Context(), key)
	require.NoError(t, err)
	require.Zero(t, r.Status)
	a.exits(t, 10*time.Second)
	require.Equal(t, before, g.events(t))
	b := g.start(t)
	r, err = b.send(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, 201, r.Status, dump(r))
	require.Empty(t, r.Header.Get("Idempotency-Replayed"))
	require.Equal(t, before+1, g.events(t))
	g.sound(t)
}

func TestF05_StoppedAndContinued(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t)
	stop := make(chan struct{})
	done := make(chan []string, 1)
	go func() {
		open, _ := a.load(context.WithoutCancel(t.Context()), 8, stop)
		done <- open
	}()
	time.Sleep(200 * time.Millisecond) // let it be in the middle of things
	a.signal(syscall.SIGSTOP)
	time.Sleep(3 * time.Second) // the fault itself
	a.signal(syscall.SIGCONT)
	r, err := a.send(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Equal(t, 201, r.Status, dump(r))
	close(stop)
	for _, key := range <-done {
		r, err := a.send(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, 201, r.Status, dump(r))
	}
	g.sound(t)
}

func TestF06_PanicInAHandler(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t, "SUBLEDGER_FAULT_POINTS=handler=panic:once")
	before := g.events(t)
	r, err := a.send(t.Context(), uuid.NewString())
	require.NoError(t, err)
	require.Equal(t, 500, r.Status)
	require.NotEmpty(t, r.Header.Get("Request-Id"))
	require.Contains(t, r.Body, r.Header.Get("Request-Id"))
	require.NotContains(t, r.Body, "fault point", "what failed is in the log alone")
	require.Contains(t, a.said(), r.Header.Get("Request-Id"))
	require.Equal(t, before, g.events(t))
	for range 20 {
		r, err = a.send(t.Context(), uuid.NewString())
		require.NoError(t, err)
		require.Equal(t, 201, r.Status, dump(r))
	}
	g.sound(t)
}

func TestF09_OutOfFiles(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	served := g.command("serve", "--listen", "127.0.0.1:0", "-o", "json", "--connections", "12")
	limited := exec.Command("sh", append([]string{"-c", `ulimit -n 128 && exec "$0" "$@"`}, served.Args...)...)
	limited.Env = served.Env
	a := g.startWith(t, limited)
	short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	crowd := &app{rig: &rig{client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 500, MaxIdleConnsPerHost: 500}}, key: g.key,
		journal: g.journal, ledger: g.ledger}, address: a.address}
	_, replies := crowd.load(short, 500, short.Done())
	for _, r := range replies {
		require.Contains(t, []int{0, 201, 429, 503}, r.Status, dump(r))
	}
	crowd.client.CloseIdleConnections()
	require.Eventually(t, func() bool { // it recovers by itself
		r, err := a.send(t.Context(), uuid.NewString())
		return err == nil && r.Status == 201
	}, 20*time.Second, 100*time.Millisecond, "%s", a.said())
	require.Contains(t, a.said(), "too many open files", "the log says why")
	g.sound(t)
}

func TestF50_ClientsThatGiveUp(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t, "SUBLEDGER_FAULT_POINTS=seed=3,before append=delay:0.5:20ms,after append=delay:0.5:20ms")
	var keys []string
	for i := range 60 {
		key := uuid.NewString()
		keys = append(keys, key)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*time.Millisecond)
		_, err := a.send(ctx, key)
		cancel()
		require.NoError(t, err)
	}
	for _, key := range keys {
		r, err := a.send(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, 201, r.Status, dump(r))
	}
	g.sound(t)
}

func TestF65_MigrationKilledHalfWay(t *testing.T) {
	t.Parallel()
	g := &rig{db: newEmpty(t), dir: t.TempDir()}
	for i := range 6 {
		cmd := g.command("migrate", "up")
		require.NoError(t, cmd.Start())
		time.AfterFunc(time.Duration(20+40*i)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
	}
	out, err := g.command("migrate", "up").CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = g.command("migrate", "plan").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "nothing to do")
}

func TestF69_RebuildKilledAndRestarted(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t)
	stop := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(stop) })
	_, replies := a.load(t.Context(), 16, stop)
	require.NotEmpty(t, replies)
	for i := range 5 {
		cmd := g.command("projections", "rebuild")
		require.NoError(t, cmd.Start())
		time.AfterFunc(time.Duration(50+60*i)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		require.Equal(t, 200, a.call(t.Context(), "GET", "/ledger/v1/products?limit=1", "", "").Status, "the live tables are untouched")
	}
	out, err := g.command("projections", "rebuild").CombinedOutput()
	require.NoError(t, err, "%s", out)
	g.sound(t)
}

// The projector dies between writing rows and committing its checkpoint, which are one transaction.
func TestF71_ProjectorKilledBetweenRowsAndCheckpoint(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"moved", "written", "committed"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			a := g.start(t, "SUBLEDGER_FAULT_POINTS="+step+"=kill:once")
			for range 3 {
				if r, err := a.send(t.Context(), uuid.NewString()); err != nil || r.Status == 0 {
					break
				}
			}
			a.exits(t, 10*time.Second)
			g.start(t)
			g.sound(t)
		})
	}
}

// Fault points are refused where a live ledger has history, and live keys where fault points are on.
func TestFaultPointsAreForTestLedgers(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	_, err := pgtestExec(t, g, "update ledgers set mode = 'live' where mode = 'test'")
	require.NoError(t, err)
	out, err := func() ([]byte, error) {
		cmd := g.command("serve", "--listen", "127.0.0.1:0")
		cmd.Env = append(cmd.Env, "SUBLEDGER_FAULT_POINTS=handler=panic:once")
		return cmd.CombinedOutput()
	}()
	require.Error(t, err)
	require.Contains(t, string(out), "refused in live mode")
}
