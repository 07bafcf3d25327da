package main_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

type doctorOutput struct {
	Findings []struct{ Check, State, Detail, Do string }
}

func (d doctorOutput) states() map[string]string {
	all := map[string]string{}
	for _, f := range d.Findings {
		all[f.Check] = f.State
	}
	return all
}

func TestDoctorOfAPrivateDatabase(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	for check, state := range parse[doctorOutput](t, c.ok("doctor", "-o", "json")).states() {
		require.Equal(t, "ok", state, "%s", check)
	}
	require.Contains(t, c.ok("doctor"), "role subledger_app may change nothing")

	db := c.database()
	db.exec(`update checkpoints set covers = array_remove(covers, 'licenses') where covers is not null`)
	db.exec(`insert into checkpoints (ledger_id, projection, position, parked_at, parked_position, parked_reason)
		select ledger_id, 'licenses', position, now(), 1, 'a test' from checkpoints where projection = '*'`)
	require.Equal(t, "fault", parse[doctorOutput](t, c.fails(6, "doctor", "-o", "json").stdout).states()["projections"])
	require.Contains(t, c.ok("projections", "status"), "a test")
	c.ok("projections", "rebuild")
	c.ok("doctor")

	db.exec(`delete from licenses where ctid in (select ctid from licenses limit 1)`)
	r := c.fails(5, "projections", "check", "-o", "json")
	require.Len(t, parse[struct {
		Differences []struct{ Table, Live, Should string }
	}](t, r.stdout).Differences, 1, "%s", r.stdout)
	require.Contains(t, r.stderr, "subledger projections rebuild")
	c.ok("projections", "rebuild", "--model", "licenses", "-o", "json")
	c.ok("projections", "check")
	require.Contains(t, c.fails(2, "projections", "rebuild", "--model", "nonsense").stderr, "licenses")
}

// One role for everything works, and doctor tells what it costs.
func TestDoctorOfAGivenDatabase(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	c := newCLI(t)
	alone := c.with("DATABASE_URL=" + db.URL)
	require.Contains(t, alone.fails(4, "keys", "list").stderr, "subledger migrate up")
	alone.ok("migrate", "up")
	_, err := os.Stat(filepath.Join(c.dir, "master.key"))
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(c.dir, "data"))
	require.ErrorIs(t, err, os.ErrNotExist, "no private PostgreSQL")
	states := parse[doctorOutput](t, alone.run("doctor", "-o", "json").stdout).states()
	require.Equal(t, "warning", states["append-only"])
	require.Equal(t, "warning", states["reader"])
	require.Equal(t, "fault", states["fsync"], "the tests' server runs without")

	apart := c.with("DATABASE_URL="+db.AppURL, "DATABASE_READER_URL="+db.ReaderURL, "DATABASE_OWNER_URL="+db.URL)
	states = parse[doctorOutput](t, apart.run("doctor", "-o", "json").stdout).states()
	require.Equal(t, "ok", states["append-only"])
	require.Equal(t, "ok", states["reader"])
	d := parse[demoOutput](t, apart.ok("demo", "-o", "json"))
	s := apart.serve()
	require.Equal(t, d.Keys.Test, s.started.Keys.Test)
	require.Contains(t, s.started.Database, "postgres://subledger_app@")
	status, body := s.call("GET", "/ledger/v1/subscriptions/"+d.Subscription+"/licenses", d.Keys.Test, "")
	require.Equal(t, 200, status, "%s", body)

	// The same in three processes.
	role := func(name string) *serving { return apart.serve("--roles", name, "--connections", "12") }
	api, projector, reactor := role("api"), role("projector"), role("reactor")
	require.Equal(t, 0, s.stop())
	for _, each := range []*serving{api, projector, reactor} {
		require.Eventually(t, func() bool { status, _ := each.call("GET", "/readyz", "", ""); return status == 200 }, 10*time.Second, 50*time.Millisecond)
		status, _ = each.call("GET", "/metrics", "", "")
		require.Equal(t, 200, status)
	}
	status, body = api.call("POST", "/ledger/v1/subscriptions", d.Keys.Test, `{"planUuid": "`+d.Plans.PerSeat+`", "quantity": 3}`)
	require.Equal(t, 201, status, "%s", body)
	status, body = api.call("GET", "/ledger/v1/subscriptions", d.Keys.Test, "")
	require.Equal(t, 200, status, "%s", body)
	require.Contains(t, body, `"quantity":3`, "what was written here is read here, whoever projects")
	status, _ = projector.call("GET", "/ledger/v1/head", d.Keys.Test, "")
	require.Equal(t, 404, status)

	// A migrated database serves without the owner's rights.
	limited := c.with("DATABASE_URL="+db.AppURL, "DATABASE_READER_URL="+db.ReaderURL).serve()
	require.Equal(t, 0, limited.stop())
}
