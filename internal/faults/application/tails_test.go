package application

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A thousand tails of one ledger: twenty are served. Those that are never read are closed, and cost no more memory than
// what one write holds; others take their places, and writes and reads go on meanwhile.
func TestB59_TailsNeverRead(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := g.start(t, "GOGC=100") // or most of what is seen is garbage that nobody needed to collect yet
	made := a.call(t.Context(), "POST", "/ledger/v1/subscriptions", `{"planUuid":"`+g.demo.Plans.PerSeat+`","quantity":2}`, "")
	require.Equal(t, 201, made.Status, dump(made))
	_, after, _ := strings.Cut(made.Body, `"uuid":"`)
	sub := after[:36]
	for range 20 { // 20,000 events: more than the sockets between hold
		var records []string
		for range 1000 {
			records = append(records, fmt.Sprintf(`{"key":%q,"quantity":1,"subscriptionUuid":%q}`, uuid.NewString(), sub))
		}
		r := a.call(t.Context(), "POST", "/ledger/v1/usage", `{"records":[`+strings.Join(records, ",")+`]}`, "")
		require.Equal(t, 200, r.Status, dump(r))
	}
	require.Greater(t, g.events(t), int64(20_000))

	address := strings.TrimPrefix(a.address, "http://")
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	// open begins a tail from the log's beginning and reads no more than its status.
	open := func() (net.Conn, int) {
		c, err := dialer.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = fmt.Fprintf(c, "GET /ledger/v1/events/stream?after=0 HTTP/1.1\r\nHost: %s\r\nX-Api-Key: %s\r\n\r\n", address, g.key)
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
		require.NoError(t, err)
		return c, res.StatusCode
	}
	before := a.resident(t)
	var silent []net.Conn
	statuses := map[int]int{}
	for range 1000 {
		c, status := open()
		statuses[status]++
		if status == 200 {
			silent = append(silent, c)
			continue
		}
		_ = c.Close()
	}
	require.Equal(t, map[int]int{200: 20, 429: 980}, statuses)

	// A place is free again only when the server has closed a tail by itself.
	began, slowest, most := time.Now(), time.Duration(0), before
	for {
		asked := time.Now()
		r := a.call(t.Context(), "POST", "/ledger/v1/products", `{"name":"`+uuid.NewString()+`","displayName":"P"}`, "")
		require.Equal(t, 201, r.Status, dump(r))
		slowest, most = max(slowest, time.Since(asked)), max(most, a.resident(t))
		c, status := open()
		if _ = c.Close(); status == 200 {
			break
		}
		require.Less(t, time.Since(began), 40*time.Second, "tails that nobody reads are kept")
		time.Sleep(50 * time.Millisecond) // as often as it is worth asking
	}
	t.Logf("tails that are not read were closed after %s; the slowest write meanwhile took %s; resident memory went from %d to at most %d MB",
		time.Since(began).Round(100*time.Millisecond), slowest.Round(time.Millisecond), before>>20, most>>20)
	require.Less(t, most-before, int64(100<<20))
	require.Len(t, silent, 20)
	g.sound(t)
}

// resident is the memory of the server's process, in bytes.
func (a *app) resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			require.NoError(t, err)
			return kb << 10
		}
	}
	require.Fail(t, "no VmRSS")
	return 0
}
