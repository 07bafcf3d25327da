package handlers

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// armed counts how often a connection's own timers are set.
type armed struct {
	net.Conn
	reads, writes *atomic.Int64
}

func (c armed) SetReadDeadline(t time.Time) error {
	c.reads.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c armed) SetWriteDeadline(t time.Time) error {
	c.writes.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

type armedListener struct {
	net.Listener
	reads, writes atomic.Int64
}

func (l *armedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return armed{c, &l.reads, &l.writes}, nil
}

// ends are both ends of a connection: ours, and a client's that may stay silent.
func ends(t *testing.T) (ours *framedConn, client net.Conn, counts *armedListener) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	client, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	counts = &armedListener{Listener: ln}
	c, err := framedListener{counts}.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c.(*framedConn), client, counts
}

// later does something while the caller waits.
func later(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(50 * time.Millisecond)
		do()
	}()
	t.Cleanup(func() { <-done })
}

func TestReadsEndWhenTheyAreToldTo(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	var one [1]byte

	ours, client, _ := ends(t)
	began := time.Now()
	require.NoError(t, ours.SetReadDeadline(in(100*time.Millisecond)))
	_, err := ours.Read(one[:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
	_, err = ours.Read(one[:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "it is still over")

	require.NoError(t, ours.SetReadDeadline(in(time.Minute)), "later, after one that came")
	_, err = client.Write([]byte("a"))
	require.NoError(t, err)
	_, err = ours.Read(one[:])
	require.NoError(t, err)

	later(t, func() { _ = ours.SetReadDeadline(in(50 * time.Millisecond)) })
	_, err = ours.Read(one[:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nearer, while it waits")

	require.NoError(t, ours.SetReadDeadline(in(100*time.Millisecond)))
	later(t, func() {
		_ = ours.SetReadDeadline(time.Time{})
		time.Sleep(150 * time.Millisecond)
		_, _ = client.Write([]byte("b"))
	})
	_, err = ours.Read(one[:])
	require.NoError(t, err, "taken away while it waits, on a connection that ends by the old one")
	require.Equal(t, "b", string(one[:]))

	require.NoError(t, ours.SetDeadline(time.Time{}))
	later(t, func() { _ = ours.SetReadDeadline(time.Unix(1, 0)) })
	_, err = ours.Read(one[:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "as net/http ends the read beside a handler")
	_, err = ours.Read(one[:])
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, ours.SetReadDeadline(time.Time{}))
	_, err = client.Write([]byte("c"))
	require.NoError(t, err)
	_, err = ours.Read(one[:])
	require.NoError(t, err)
	require.NoError(t, client.Close())
	_, err = ours.Read(one[:])
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestWritesEndWhenTheyAreToldTo(t *testing.T) {
	t.Parallel()
	much := make([]byte, 64<<20) // more than the two buffers between hold
	ours, client, _ := ends(t)
	began := time.Now()
	require.NoError(t, ours.SetWriteDeadline(began.Add(100*time.Millisecond)))
	n, err := ours.Write(much)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Less(t, n, len(much))
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)

	require.NoError(t, ours.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
	later(t, func() { // the timer comes, and writing goes on from where it was
		_ = ours.SetWriteDeadline(time.Now().Add(time.Minute))
		time.Sleep(150 * time.Millisecond)
		_ = client.SetReadDeadline(time.Now().Add(20 * time.Second))
		buffer := make([]byte, 1<<20)
		for read := 0; read < n+len(much); {
			m, err := client.Read(buffer)
			if read += m; err != nil {
				return
			}
		}
	})
	wrote, err := ours.Write(much)
	require.NoError(t, err)
	require.Equal(t, len(much), wrote)
}

// A connection that is in use is given no timers for what never waits that long.
func TestRequestsSetFewTimers(t *testing.T) {
	t.Parallel()
	e := newEdge(t, 0, Route{Method: "GET", Path: "/things", Open: true, Probe: true, Serve: func(w http.ResponseWriter, _ *http.Request) error {
		return JSON(w, http.StatusOK, "served")
	}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	counts := &armedListener{Listener: ln}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- e.Run(ctx, counts, 10*time.Second) }()
	defer func() { stop(); require.NoError(t, <-stopped) }()
	c, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	const requests = 200
	for range requests {
		_, err := c.Write([]byte("GET /ledger/v1/things HTTP/1.1\r\nHost: here\r\n\r\n"))
		require.NoError(t, err)
		answer, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, `"served"`, string(body))
	}
	require.Less(t, counts.reads.Load(), int64(2*requests), "net/http asks six times a request")
	require.LessOrEqual(t, counts.writes.Load(), int64(2))
}
