package handlers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEvents(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	s := g.shop(t, g.test) // five events
	sub := g.call(t, g.test, "POST", "/subscriptions", `{"planUuid":"`+s.seats+`","owner":"ada"}`, "Idempotency-Key", "k1").want(201)
	g.pass(time.Hour)
	for range 9 {
		g.call(t, g.test, "POST", "/subscriptions/"+sub.text("uuid")+"/quantity", `{"increment":1}`).want(200)
	}
	g.call(t, g.test, "GET", "/events/8", "").want(200).golden("event")
	g.call(t, g.test, "GET", "/events/0", "").code(404, "no_event")
	g.call(t, g.test, "GET", "/events/999", "").code(404, "no_event")
	g.call(t, g.test, "GET", "/events/99999999999999999999", "").code(404, "no_event")
	g.call(t, g.test, "GET", "/events/x", "").code(404, "not_found")
	head := g.call(t, g.test, "GET", "/head", "").want(200)
	require.Equal(t, "30", head.text("position"))
	last := g.call(t, g.test, "GET", "/events/30", "").want(200)
	require.Equal(t, head.text("hash"), last.text("hash"))
	require.Equal(t, "30", last.header.Get("Ledger-Position"))
	require.Equal(t, "30", g.call(t, g.test, "GET", "/projections", "").want(200).header.Get("Ledger-Position"))

	positions := func(query string) string {
		t.Helper()
		var all []string
		for next := query; ; {
			page := g.call(t, g.test, "GET", "/events?"+next, "").want(200)
			for _, e := range page.at("data").([]any) {
				all = append(all, fmt.Sprint(e.(map[string]any)["position"]))
			}
			cursor := page.text("nextCursor")
			if cursor == "" {
				return strings.Join(all, " ")
			}
			next = query + "&cursor=" + cursor
		}
	}
	require.Equal(t, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30", positions("limit=4"))
	require.Equal(t, "29 30", positions("after=28"))
	require.Equal(t, "3 4 5", positions("kind=plan"))
	require.Equal(t, "13 15 17 19 21 23 25 27 29", positions("type=subscription.seats_added.v1&limit=1"))
	require.Equal(t, "8 13 15 17 19 21 23 25 27 29", positions("limit=2&stream="+sub.text("uuid")))
	require.Equal(t, "15 17 19 21 23 25 27 29", positions("after=13&stream="+sub.text("uuid")))
	require.Empty(t, positions("stream=01900000-0000-7000-8000-00000000dead"))
	require.Equal(t, "6 7 8 9 10 11 12", positions("requestId="+sub.header.Get("Request-Id")))
	require.Equal(t, "1 2 3 4 5 6 7 8 9 10 11 12", positions("to=2026-06-01T13:00:00Z"))
	require.Equal(t, "13 14 15", positions("from=2026-06-01T12:00:01Z&after=0&limit=1&to=2026-06-01T13:00:00.000001Z")[:8])
	require.Equal(t, "13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30", positions("from=2026-06-01T13:00:00Z&limit=2"))
	require.Empty(t, positions("from=2027-01-01T00:00:00Z"))
	g.call(t, g.test, "GET", "/events?limit=1001", "").code(400, "out_of_range")
	g.call(t, g.test, "GET", "/events?limit=1&kind=plan&cursor="+g.call(t, g.test, "GET", "/events?limit=1", "").text("nextCursor"), "").code(400, "bad_cursor")
	g.call(t, g.test, "GET", "/events", "", "Ledger-Min-Position", "31").code(503, "position_not_reached")

	for _, p := range g.call(t, g.test, "GET", "/projections", "").want(200).at().([]any) {
		require.NotEmpty(t, p.(map[string]any)["name"])
	}
}

// listen serves the rig over a real connection.
func (g *rig) listen(t *testing.T) (url string, drain func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- g.server.Run(ctx, ln, 10*time.Second) }()
	var once bool
	drain = func() {
		if !once {
			once = true
			stop()
			require.NoError(t, <-stopped)
		}
	}
	t.Cleanup(drain)
	return "http://" + ln.Addr().String() + "/ledger/v1", drain
}

func (g *rig) tail(t *testing.T, url, key string, header ...string) (*http.Response, *bufio.Scanner) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	r.Header.Set("X-Api-Key", key)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	return res, bufio.NewScanner(res.Body)
}

// ids reads n events of a tail.
func ids(t *testing.T, lines *bufio.Scanner, n int) (all []string) {
	t.Helper()
	for len(all) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			all = append(all, id)
			require.True(t, lines.Scan())
			data, _ := strings.CutPrefix(lines.Text(), "data: ")
			var e struct {
				Position json.Number
			}
			require.NoError(t, json.Unmarshal([]byte(data), &e))
			require.Equal(t, id, e.Position.String())
		}
	}
	return all
}

func TestB59_EventStream(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	url, drain := g.listen(t)
	g.shop(t, g.test)
	res, lines := g.tail(t, url+"/events/stream?after=2", g.test)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(t, []string{"3", "4", "5"}, ids(t, lines, 3))
	g.call(t, g.live, "POST", "/products", `{"name":"x","displayName":"X"}`).want(201)
	g.call(t, g.test, "POST", "/products", `{"name":"x","displayName":"X"}`).want(201)
	require.Equal(t, []string{"6"}, ids(t, lines, 1), "as it comes, and of its own ledger alone")
	_, resumed := g.tail(t, url+"/events/stream?after=0", g.test, "Last-Event-ID", "4")
	require.Equal(t, []string{"5", "6"}, ids(t, resumed, 2))

	for range 18 {
		res, _ := g.tail(t, url+"/events/stream", g.test)
		require.Equal(t, 200, res.StatusCode)
	}
	res, _ = g.tail(t, url+"/events/stream", g.test)
	require.Equal(t, 429, res.StatusCode)
	res, _ = g.tail(t, url+"/events/stream", g.live)
	require.Equal(t, 200, res.StatusCode, "another ledger has tails of its own")
	drain()
	require.Empty(t, ids(t, lines, 1), "a drain ends the streams")
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	url, _ := g.listen(t)
	get := func(path string) int {
		res, err := http.Get(strings.TrimSuffix(url, "/ledger/v1") + path)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, 200, get("/readyz"))
	require.Equal(t, 200, get("/healthz"))
	require.Equal(t, 404, get("/nothing"))
}
