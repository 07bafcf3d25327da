package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDemoIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	first := c.run("demo", "--seed", "7", "-o", "json")
	require.Equal(t, 0, first.code, "%s", first.stderr)
	require.Contains(t, first.stderr, "A new master key is in "+filepath.Join(c.dir, "master.key"))
	info, err := os.Stat(filepath.Join(c.dir, "master.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	d := parse[demoOutput](t, first.stdout)
	require.Len(t, d.Licenses, 5)
	require.Len(t, d.Grantees, 3)
	events := parse[verified](t, c.ok("verify", "-o", "json")).Events

	again := c.run("demo", "--seed", "7", "-o", "json")
	require.Equal(t, first.stdout, again.stdout)
	require.Empty(t, again.stderr)
	require.Equal(t, events, parse[verified](t, c.ok("verify", "-o", "json")).Events, "nothing was added")

	other := parse[demoOutput](t, c.ok("demo", "--seed", "8", "-o", "json"))
	require.NotEqual(t, d.Organisation, other.Organisation)
	require.NotEqual(t, d.Keys, other.Keys)
	require.NotEqual(t, d.Product, other.Product)
	require.Contains(t, c.ok("demo", "--seed", "8"), other.Keys.Test)

	elsewhere := parse[demoOutput](t, newCLI(t).ok("demo", "--seed", "7", "-o", "json"))
	require.NotEqual(t, d.Keys, elsewhere.Keys, "another master key gives other keys")
}

func TestDemoHasWhatItSays(t *testing.T) {
	t.Parallel()
	s := newCLI(t).serve()
	d := parse[demoOutput](t, s.ok("demo", "-o", "json"))
	require.Equal(t, d.Keys.Test, s.started.Keys.Test, "the first start of a private database makes the demo of seed 1")
	for path, wants := range map[string][]string{
		"/ledger/v1/subscriptions/" + d.Subscription:               {`"status":"ACTIVE"`, `"quantity":5`, d.Plans.PerSeat},
		"/ledger/v1/subscriptions/" + d.FlatSubscription:           {`"status":"ACTIVE"`, d.Plans.Flat},
		"/ledger/v1/subscriptions/" + d.Subscription + "/licenses": append(d.Licenses, d.Grantees[0], d.Grantees[1]),
		"/ledger/v1/products/" + d.Product:                         {`"currency":"USD"`},
		"/ledger/v1/plans/" + d.Plans.PerSeat:                      {`"perSeatAmount":1`, `"maxSeatAmount":50`},
		"/ledger/v1/plans/" + d.Plans.Metered:                      {`"licenseType":"metered"`, `"meter":"calls"`},
		"/ledger/v1/plans/" + d.Plans.Free:                         {`"pricingType":"free"`},
		"/ledger/v1/pricing-tables/" + d.PricingTable:              {d.Plans.Free, d.Plans.Metered},
		"/ledger/v1/coupons/" + d.Coupon:                           {`"code":"TEN"`, `"percentOff":"10"`},
		"/ledger/v1/plans/" + d.Plans.FlatUpgrade:                  {`"unitAmount":"3000"`},
	} {
		status, body := s.call("GET", path, d.Keys.Test, "")
		require.Equal(t, 200, status, "%s: %s", path, body)
		for _, want := range wants {
			require.Contains(t, body, want, "%s", path)
		}
	}
	status, _ := s.call("GET", "/ledger/v1/subscriptions/"+d.Subscription, d.Keys.Live, "")
	require.Equal(t, 404, status, "the demo lives in the test ledger alone")
}

func TestDemoIsRefusedBesideOthers(t *testing.T) {
	t.Parallel()
	s := newCLI(t).serve()
	status, body := s.call("POST", "/ledger/v1/organisations", s.started.Keys.Admin, `{"name": "Real"}`)
	require.Equal(t, 201, status, "%s", body)
	r := s.fails(4, "demo", "--seed", "2")
	require.Contains(t, r.stderr, "there are organisations that no demo made")
	require.Contains(t, r.stderr, "--yes")
	require.Empty(t, r.stdout)

	before := parse[verified](t, s.ok("verify", "-o", "json")).Events
	shown := parse[demoOutput](t, s.ok("demo", "--seed", "1", "-o", "json"))
	require.Equal(t, s.started.Keys.Test, shown.Keys.Test, "a demo that is there is shown beside others too")
	require.Equal(t, before, parse[verified](t, s.ok("verify", "-o", "json")).Events, "and nothing was added")

	s.ok("demo", "--seed", "2", "--yes")
}

// Whoever started PostgreSQL waits for the others before stopping it.
func TestCommandsShareAPrivateDatabase(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	var all sync.WaitGroup
	outputs := make([]result, 6)
	for i := range outputs {
		all.Go(func() { outputs[i] = c.run("demo", "--seed", strconv.Itoa(i/2), "-o", "json") })
	}
	all.Wait()
	for i, r := range outputs {
		require.Equal(t, 0, r.code, "%s", r.stderr)
		require.Equal(t, outputs[i/2*2].stdout, r.stdout)
	}
	require.EqualValues(t, 1+3*2, parse[verified](t, c.ok("verify", "-o", "json")).Ledgers)
}
