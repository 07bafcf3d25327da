package bench

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestTemplateNumbersItsMarks(t *testing.T) {
	tpl := newTemplate("POST", "h", "/p", "secret", `{"a":"`+stampMark+`","b":"`+stampMark+`"}`, "Idempotency-Key", "k-"+stampMark)
	text := string(tpl.stamp(41))
	require.Contains(t, text, "Idempotency-Key: k-0000000000000041\r\n")
	require.True(t, strings.HasSuffix(text, `{"a":"0000000000000042","b":"0000000000000043"}`), text)
	require.Contains(t, string(tpl.stamp(7)), "k-0000000000000007", "it can be numbered again")
	require.NotContains(t, text, "#")
}

func TestConnReadsWhatOurServersSend(t *testing.T) {
	long := strings.Repeat("0123456789", 5000)
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/echo":
			_, _ = w.Write(body)
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/chunks":
			for range 3 {
				_, _ = io.WriteString(w, long)
				w.(http.Flusher).Flush()
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	c, err := dial(address)
	require.NoError(t, err)
	defer c.Close()
	for range 2 { // over the one connection
		for _, tt := range []struct {
			path   string
			status int
			body   string
		}{{"/echo", 200, "hello"}, {"/empty", 204, ""}, {"/chunks", 200, long + long + long}, {"/other", 404, ""}} {
			status, body, err := c.do(newTemplate("POST", address, tt.path, "k", "hello").text)
			require.NoError(t, err)
			require.Equal(t, tt.status, status, tt.path)
			require.Equal(t, tt.body, string(body), tt.path)
		}
	}
}

func TestClosedLoopCountsSuccessesAndNamesFailures(t *testing.T) {
	var served atomic.Int64
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := served.Add(1); {
		case n%4 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"busy"}`)
		case n%4 == 2:
			_, _ = io.WriteString(w, `{"status":"rejected"}`)
		case n%4 == 3 && n < 20:
			panic(http.ErrAbortHandler) // the connection goes
		default:
			_, _ = io.WriteString(w, `{}`)
		}
	})
	tpl := newTemplate("GET", address, "/", "k", "")
	l := &load{address: address, units: 100, bad: []byte(`"rejected"`), scripts: []script{func() []byte { return tpl.text }}}
	got, err := l.work(t.Context(), 100*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, got.errors["503 busy"])
	require.Positive(t, got.errors[`200 with "rejected"`])
	require.Positive(t, got.errors["connection lost"])
	require.Len(t, got.errors, 3)
	require.NotEmpty(t, got.latencies)
	require.Equal(t, 100*len(got.latencies), got.units)
	failed := 0
	for _, n := range got.errors {
		failed += n
	}
	require.Equal(t, served.Load(), int64(len(got.latencies)+failed), "each request is a success or an error")
}

// A server that stalls once delays every request that was due meanwhile, and all of them say so.
func TestOpenLoopCountsFromTheDueTime(t *testing.T) {
	const stall = 200 * time.Millisecond
	var once sync.Once
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { time.Sleep(stall) })
		_, _ = fmt.Fprint(w, "{}")
	})
	tpl := newTemplate("GET", address, "/", "k", "")
	l := &load{address: address, units: 1, rate: 100, scripts: []script{func() []byte { return tpl.text }}}
	got, err := l.work(t.Context(), 400*time.Millisecond)
	require.NoError(t, err)
	require.Empty(t, got.errors)
	require.Len(t, got.latencies, 40, "as many as were due, although one of them took half of the time")
	late := 0
	for _, d := range got.latencies {
		if d > stall/2 {
			late++
		}
	}
	require.Greater(t, late, 5, "a closed loop would have noticed one")
}

func TestDealRefusesMoreClientsThanRequests(t *testing.T) {
	templates := []*template{{}, {}, {}}
	mine, err := deal(templates, 2)
	require.NoError(t, err)
	require.Len(t, mine[0], 2)
	require.Len(t, mine[1], 1)
	_, err = deal(templates, 4)
	require.ErrorContains(t, err, "raise --ledgers")
}

func TestStampsOfClientsDiffer(t *testing.T) {
	s := &stamps{}
	a, b := s.client(), s.client()
	require.Equal(t, uint64(0), a(101))
	require.Equal(t, uint64(101), a(101))
	require.Equal(t, uint64(stampsOfAClient), b(1))
}
