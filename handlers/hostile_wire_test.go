package handlers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/apikey"
)

// wire is a server behind a real listener; its times are short.
type wire struct {
	address string
	key     string
	reached chan string // bodies that got as far as a handler
}

func newWire(t *testing.T, idle int, times Times) *wire {
	t.Helper()
	w := &wire{reached: make(chan string, 1000)}
	read := func(rw http.ResponseWriter, r *http.Request) error {
		b, err := ReadOptional(r)
		if err != nil {
			return err
		}
		w.reached <- string(b.Canonical())
		return JSON(rw, 200, "taken")
	}
	big := bytes.Repeat([]byte("x"), 64<<20)
	routes := []Route{
		{Method: "GET", Path: "/x", Open: true, Serve: read}, {Method: "POST", Path: "/x", Open: true, Serve: read},
		{Method: "POST", Path: "/keyed", Serve: read},
		{Method: "GET", Path: "/big", Open: true, Serve: func(rw http.ResponseWriter, _ *http.Request) error {
			_, err := rw.Write(big)
			w.reached <- fmt.Sprint(err)
			return nil
		}},
	}
	s := NewServer(Config{Now: time.Now, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(), MaxIdle: idle, Times: times},
		map[string]*Dialect{"/ledger/v1": {Name: "ledger", Refuse: Problem, JSONOnly: true, Routes: routes}})
	k, err := apikey.New("test", bytes.NewReader(bytes.Repeat([]byte(t.Name()), 32)))
	require.NoError(t, err)
	s.keys.known.Add(k.Hash, &keyEntry{caller: Caller{Mode: "test"}})
	s.keys.stand.Store(&standing{at: time.Now().Add(time.Hour)})
	w.key = k.Secret
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w.address = ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx, ln, 10*time.Second) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-stopped) })
	return w
}

func (w *wire) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	return c
}

// say sends raw bytes in parts of at most size, and answers all that comes until the server closes.
func (w *wire) say(t *testing.T, raw string, size int) string {
	t.Helper()
	c := w.dial(t)
	for len(raw) > 0 {
		n := min(size, len(raw))
		if _, err := io.WriteString(c, raw[:n]); err != nil {
			break // refused before the end
		}
		raw = raw[n:]
	}
	got, _ := io.ReadAll(c)
	return string(got)
}

// answers checks that the process still serves.
func (w *wire) answers(t *testing.T) {
	t.Helper()
	require.Regexp(t, "^HTTP/1.1 200 ", w.say(t, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 1000))
}

const wireHead = "POST /ledger/v1/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

func TestB51_AmbiguousFraming(t *testing.T) {
	t.Parallel()
	w := newWire(t, 0, Times{Header: 2 * time.Second})
	const chunk = "\r\n2\r\n{}\r\n0\r\n\r\n"
	for name, raw := range map[string]string{
		"both lengths":                      wireHead + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n" + chunk,
		"both, the other way":               wireHead + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n" + chunk,
		"both, in odd case":                 wireHead + "content-LENGTH: 2\r\ntransfer-ENCODING: chunked\r\n" + chunk,
		"both, the length 0":                wireHead + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n" + chunk,
		"both, a tab before the value":      wireHead + "Content-Length:\t2\r\nTransfer-Encoding:\tchunked\r\n" + chunk,
		"both, bare line feeds":             "POST /ledger/v1/x HTTP/1.1\nHost: a\nContent-Length: 2\nTransfer-Encoding: chunked\n" + chunk,
		"two lengths":                       wireHead + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
		"the same length twice":             wireHead + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
		"a list of lengths":                 wireHead + "Content-Length: 2, 2\r\n\r\n{}",
		"a signed length":                   wireHead + "Content-Length: +2\r\n\r\n{}",
		"a negative length":                 wireHead + "Content-Length: -2\r\n\r\n{}",
		"a hexadecimal length":              wireHead + "Content-Length: 0x2\r\n\r\n{}",
		"an empty length":                   wireHead + "Content-Length:\r\n\r\n",
		"a length of 2^64":                  wireHead + "Content-Length: 18446744073709551616\r\n\r\n{}",
		"an endless length":                 wireHead + "Content-Length: " + strings.Repeat("0", 500) + "2\r\n\r\n{}",
		"obsolete folding":                  wireHead + "X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
		"folding with a tab":                wireHead + "X-A: b\r\n\tc\r\nContent-Length: 2\r\n\r\n{}",
		"a folded length":                   wireHead + "Content-Length:\r\n 2\r\n\r\n{}",
		"a folded coding":                   wireHead + "Transfer-Encoding:\r\n chunked\r\n" + chunk,
		"a length hidden by folding":        wireHead + "X-A: b\r\n Content-Length: 2\r\n\r\n{}",
		"a space before the colon":          wireHead + "Content-Length : 2\r\n\r\n{}",
		"a coding with a space":             wireHead + "Transfer-Encoding : chunked\r\n" + chunk,
		"a bad chunk":                       wireHead + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
		"a negative chunk":                  wireHead + "Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
		"a chunk that is too long":          wireHead + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n",
		"a chunk of 2^64":                   wireHead + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{}\r\n0\r\n\r\n",
		"an unknown coding":                 wireHead + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"two codings":                       wireHead + "Transfer-Encoding: gzip, chunked\r\n" + chunk,
		"two lines of codings":              wireHead + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" + chunk,
		"chunks of the old version":         "POST /ledger/v1/x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" + chunk,
		"a carriage return in a value":      wireHead + "X-A: b\rContent-Length: 2\r\n\r\n{}",
		"U+0000 in a value":                 wireHead + "X-A: b\x00\r\nContent-Length: 2\r\n\r\n{}",
		"U+0000 in a name":                  wireHead + "X\x00A: b\r\nContent-Length: 2\r\n\r\n{}",
		"a line without a colon":            wireHead + "nonsense\r\nContent-Length: 2\r\n\r\n{}",
		"an empty name":                     wireHead + ": x\r\nContent-Length: 2\r\n\r\n{}",
		"an empty first line":               "\r\n" + wireHead + "Content-Length: 2\r\n\r\n{}",
		"no host":                           "POST /ledger/v1/x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
		"two hosts":                         "POST /ledger/v1/x HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}",
		"a bad host":                        "POST /ledger/v1/x HTTP/1.1\r\nHost: a/../b\r\nContent-Length: 2\r\n\r\n{}",
		"three words and more on one line":  "POST /ledger/v1/x y HTTP/1.1\r\nHost: a\r\n\r\n",
		"no version":                        "GET /healthz\r\n\r\n",
		"a version of the future":           "GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n",
		"the begin of HTTP/2":               "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"TLS where there is none":           "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
		"a body in disguise, then a folded": "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcdePOST /x HTTP/1.1\r\n Host: a\r\n\r\n",
	} {
		for _, size := range []int{1 << 20, 1, 7} { // what comes in pieces is read alike
			got := w.say(t, raw+"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", size)
			if name == "a body in disguise, then a folded" { // its first request is a good one
				require.Regexp(t, `(?s)^HTTP/1\.1 200 .*HTTP/1\.1 400 `, got)
				require.Equal(t, 2, strings.Count(got, "HTTP/1.1 "), got)
				continue
			}
			require.Regexp(t, `^HTTP/1\.1 (400|501|505) `, got, "%s, in parts of %d", name, size)
			require.Equal(t, 1, strings.Count(got, "HTTP/1.1 "), "%s, in parts of %d: nothing after it is answered: %s", name, size, got)
		}
	}
	require.Empty(t, w.reached, "no handler saw any of it")
	w.answers(t)
}

// What is well framed is served, in one piece or byte by byte, one request after another on one connection.
func TestB51_PlainFramingIsServed(t *testing.T) {
	t.Parallel()
	w := newWire(t, 0, Times{})
	random := rand.New(rand.NewPCG(1, 2))
	long := strings.Repeat("x", 9000)
	const headLike = "{\r\n \r\n\r\n\"a\":\r\n\"Transfer-Encoding: chunked\",\r\n\"Content-Length: 7\":1}\r\n" // a body is not a head
	requests := []string{
		wireHead + "Content-Length: 2\r\n\r\n{}", wireHead + "content-length:   11  \r\n\r\n{\"a\":\"\\n\"}\n", "GET /ledger/v1/x HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /ledger/v1/x?q=" + long + " HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n", wireHead + "Content-Length: 0\r\n\r\n", "GET /ledger/v1/x HTTP/1.1\nHost: a\n\n",
		wireHead + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(headLike), headLike),
	}
	for range 20 {
		var raw strings.Builder
		n := 1 + random.IntN(30)
		for range n {
			raw.WriteString(requests[random.IntN(len(requests))])
		}
		raw.WriteString("POST /ledger/v1/x?q=" + long + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n")
		got := w.say(t, raw.String(), 1+random.IntN(700))
		require.Equal(t, n+1, strings.Count(got, "HTTP/1.1 200 OK"), got)
	}
}

func TestB50_SlowClientsAreClosed(t *testing.T) {
	t.Parallel()
	times := Times{Header: 300 * time.Millisecond, Body: 600 * time.Millisecond, Answer: 900 * time.Millisecond, Idle: 300 * time.Millisecond}
	w := newWire(t, 0, times)
	// closed tells how long it took until the server closed, and what it said.
	closed := func(c net.Conn) (time.Duration, string) {
		began := time.Now()
		got, _ := io.ReadAll(c)
		return time.Since(began), string(got)
	}
	const slack = 5 * time.Second // a busy machine's
	t.Run("slow headers", func(t *testing.T) {
		t.Parallel()
		for _, begin := range []string{"", "G", wireHead, wireHead + "X: "} {
			c := w.dial(t)
			_, err := io.WriteString(c, begin)
			require.NoError(t, err)
			took, got := closed(c)
			require.Less(t, took, times.Header+slack)
			require.NotContains(t, got, " 200 ")
		}
	})
	t.Run("headers byte by byte", func(t *testing.T) {
		t.Parallel()
		c := w.dial(t)
		began := time.Now()
		for i := 0; ; i++ { // a byte now and then moves no deadline
			if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nX: "[i%3:i%3+1]); err != nil {
				break
			}
			require.Less(t, time.Since(began), times.Header+slack)
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Run("slow body", func(t *testing.T) {
		t.Parallel()
		c := w.dial(t)
		_, err := io.WriteString(c, wireHead+"Content-Length: 1000\r\n\r\n{")
		require.NoError(t, err)
		took, got := closed(c)
		require.Less(t, took, times.Body+slack)
		require.Regexp(t, "^HTTP/1.1 400 ", got)
		require.Contains(t, got, "incomplete_body")
	})
	t.Run("slow read of the answer", func(t *testing.T) {
		t.Parallel()
		c := w.dial(t)
		_, err := io.WriteString(c, "GET /ledger/v1/big HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		select {
		case why := <-w.reached:
			require.NotEqual(t, "<nil>", why, "the answer is cut off")
		case <-time.After(times.Answer + slack):
			t.Fatal("the handler still waits for the client to read")
		}
	})
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		c := w.dial(t)
		_, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		took, got := closed(c)
		require.Less(t, took, times.Idle+slack)
		require.Regexp(t, "^HTTP/1.1 200 ", got)
	})
}

// The longest idle connections make room: whoever speaks is served.
func TestB50_IdleConnectionsAreCapped(t *testing.T) {
	t.Parallel()
	w := newWire(t, 20, Times{})
	var silent []net.Conn
	for range 60 {
		silent = append(silent, w.dial(t))
	}
	for _, c := range silent[:40] {
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err, "the oldest are closed")
		var timeout net.Error
		require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "closed, not waited for")
	}
	w.answers(t)
	last := silent[59]
	_, err := io.WriteString(last, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(last).ReadString('\n')
	require.NoError(t, err, "the youngest are not")
	require.Contains(t, line, " 200 ")
}

func TestB53_HeadersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWire(t, 0, Times{})
	for name, header := range map[string]string{
		"one of 9 KB": "X: " + strings.Repeat("x", 9<<10) + "\r\n", "one of 2 MiB": "X: " + strings.Repeat("x", 2<<20) + "\r\n",
		"a thousand": strings.Repeat("X: 123456\r\n", 1000), "a hundred thousand": strings.Repeat("X: 123456\r\n", 100_000),
		"many names": func() (all string) {
			for i := range 2000 {
				all += fmt.Sprintf("X-%d: y\r\n", i)
			}
			return all
		}(),
		"an endless name": strings.Repeat("x", 2<<20) + ": y\r\n", "a URL of 2 MiB": "",
	} {
		target := "/ledger/v1/x"
		if header == "" {
			target += "?" + strings.Repeat("x", 2<<20)
		}
		got := w.say(t, "GET "+target+" HTTP/1.1\r\nHost: a\r\n"+header+"Connection: close\r\n\r\n", 1<<20)
		if got != "" { // or the connection was reset while we still wrote
			require.Regexp(t, "^HTTP/1.1 431 ", got, name)
		}
	}
	require.Empty(t, w.reached)
	w.answers(t)
}

// B05: a key of a megabyte is a header that is too large, before anybody looks at it.
func TestB05_HugeKeys(t *testing.T) {
	t.Parallel()
	w := newWire(t, 0, Times{})
	for _, header := range []string{"x-api-key: ", "Authorization: Bearer "} {
		for _, size := range []int{9 << 10, 1 << 20} {
			got := w.say(t, "POST /ledger/v1/keyed HTTP/1.1\r\nHost: a\r\n"+header+strings.Repeat("k", size)+"\r\nConnection: close\r\n\r\n", 1<<20)
			if got != "" {
				require.Regexp(t, "^HTTP/1.1 431 ", got)
			}
		}
	}
	require.Empty(t, w.reached)
	require.Regexp(t, "^HTTP/1.1 200 ", w.say(t, "POST /ledger/v1/keyed HTTP/1.1\r\nHost: a\r\nx-api-key: "+w.key+"\r\nConnection: close\r\n\r\n", 1000))
}

func TestB54_OddMethodsAndTargets(t *testing.T) {
	t.Parallel()
	w := newWire(t, 0, Times{})
	for request, status := range map[string]string{
		"TRACE /ledger/v1/x": "405", "TRACE /": "405", "CONNECT a:443": "405", "CONNECT /ledger/v1/x": "405", "PROPFIND /ledger/v1/x": "405", "get /ledger/v1/x": "405",
		"OPTIONS /ledger/v1/x": "405", "PATCH /ledger/v1/x": "405", "GET http://evil.example/ledger/v1/x": "400", "GET https://evil.example": "400",
		"OPTIONS *": "(400|405|200)", "GET *": "400", "GET ledger/v1/x": "400", "GET //ledger/v1/x": "404", "GET /ledger/v1/../v1/x": "404", "GET /ledger/v1/./x": "404",
		"GET /ledger/v1/x/": "404", "GET /ledger/v1%2fx": "404", "GET /ledger/v1/%78": "(200|404)", "GET /ledger/v1/x%00": "404", "GET /ledger/v1/x%zz": "400", "GET /\\x": "404",
		"GET /ledger/v1/x;a=b": "404", "GET /ledger/v1/X": "404", "G@T /ledger/v1/x": "400", "DELETE /healthz": "405", "PUT /metrics": "405",
	} {
		got := w.say(t, request+" HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 1000)
		require.Regexp(t, "^HTTP/1.1 "+status+" ", got, request)
		if strings.HasPrefix(got, "HTTP/1.1 405 ") && !strings.HasPrefix(request, "TRACE") && !strings.HasPrefix(request, "CONNECT") {
			require.Regexp(t, `(?m)^Allow: `, got, request)
		}
		require.NotContains(t, got, "evil.example", "%s: nothing of ours points where a client says", request)
	}
	for _, header := range []string{"Range: bytes=0-1", "Range: bytes=9-", "Range: bytes=" + strings.Repeat("0-1,", 500) + "0-1", "If-Range: x\r\nRange: lines=1"} {
		require.Regexp(t, "^HTTP/1.1 200 ", w.say(t, "GET /ledger/v1/x HTTP/1.1\r\nHost: a\r\n"+header+"\r\nConnection: close\r\n\r\n", 1000), "a range is not served, and no error")
	}
	for _, header := range []string{"X-HTTP-Method-Override: DELETE", "X-Original-URL: /metrics", "X-Rewrite-URL: /metrics", "X-Forwarded-Host: evil.example", "Forwarded: host=evil.example",
		"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Upgrade: websocket\r\nConnection: Upgrade", "Expect: 100-continue"} {
		got := w.say(t, "GET /ledger/v1/x HTTP/1.1\r\nHost: a\r\n"+header+"\r\nConnection: close\r\n\r\n", 1000)
		require.Contains(t, got, `"taken"`, header)
		require.NotContains(t, got, "evil.example")
	}
	require.Regexp(t, "^HTTP/1.1 417 ", w.say(t, "GET /ledger/v1/x HTTP/1.1\r\nHost: a\r\nExpect: a cake\r\nConnection: close\r\n\r\n", 1000))
	w.answers(t)
}
