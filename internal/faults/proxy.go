// Package faults breaks things on purpose, for tests.
package faults

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy stands between a client and PostgreSQL and understands enough of the protocol (version 3) to
// lose the answer to a commit: the server has done it, the client never hears of it.
type Proxy struct {
	listener net.Listener
	network  string // of the server
	address  string

	cut     atomic.Int64 // how many answers to Execute messages are still to be lost
	lost    atomic.Int64
	cancels atomic.Int64
	held    atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// NewProxy serves until the test ends. URL is where to connect instead of databaseURL.
func NewProxy(t testing.TB, databaseURL string) (p *Proxy, proxyURL string) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p = &Proxy{conns: map[net.Conn]struct{}{}}
	p.network, p.address = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatalf("proxy: %v", err)
	}
	go p.accept()
	t.Cleanup(func() {
		p.listener.Close()
		p.closeAll()
	})
	u := url.URL{Scheme: "postgres", User: url.User(cfg.User), Host: p.listener.Addr().String(), Path: cfg.Database, RawQuery: "sslmode=disable"}
	return p, u.String()
}

// LoseAnswers makes the next n answers to executed statements vanish, with their connections, after
// the server is ready again: what they did is committed.
func (p *Proxy) LoseAnswers(n int) { p.cut.Store(int64(n)) }

// Lost tells how many answers have vanished.
func (p *Proxy) Lost() int64 { return p.lost.Load() }

// Cancels tells how many cancel requests were seen; they are passed on.
func (p *Proxy) Cancels() int64 { return p.cancels.Load() }

// HoldAnswers makes lost answers leave their connections open and silent (half-open) instead of closed.
func (p *Proxy) HoldAnswers(hold bool) { p.held.Store(hold) }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *Proxy) track(c net.Conn) {
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
}

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		return
	}
	defer server.Close()
	p.track(client)
	p.track(server)
	from := bufio.NewReader(client)
	if !p.startup(from, server) {
		return
	}
	var executed atomic.Bool // an Execute or a Query went by since the last ReadyForQuery
	go func() {
		defer server.Close()
		for {
			kind, message, err := readMessage(from)
			if err != nil {
				return
			}
			if kind == 'E' {
				executed.Store(true)
			}
			if _, err := server.Write(message); err != nil {
				return
			}
		}
	}()
	to := bufio.NewReader(server)
	var pending []byte
	for {
		kind, message, err := readMessage(to)
		if err != nil {
			return
		}
		pending = append(pending, message...)
		if kind == 'Z' {
			if executed.Swap(false) && p.take() {
				p.lost.Add(1)
				if p.held.Load() {
					io.Copy(io.Discard, to) // silence, until somebody closes
				}
				return
			}
		} else if to.Buffered() > 0 || executed.Load() && p.cut.Load() > 0 {
			continue // an answer that may be lost is lost whole
		}
		if _, err := client.Write(pending); err != nil {
			return
		}
		pending = pending[:0]
	}
}

func (p *Proxy) take() bool {
	for {
		n := p.cut.Load()
		if n <= 0 {
			return false
		}
		if p.cut.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// startup passes the first message on, which has no type byte; requests for encryption are declined.
func (p *Proxy) startup(from *bufio.Reader, server net.Conn) bool {
	const cancelRequest = 80877102
	var head [8]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return false
	}
	rest := make([]byte, binary.BigEndian.Uint32(head[:4])-8)
	if _, err := io.ReadFull(from, rest); err != nil {
		return false
	}
	if binary.BigEndian.Uint32(head[4:]) == cancelRequest {
		p.cancels.Add(1)
	}
	_, err := server.Write(append(head[:], rest...))
	return err == nil
}

func readMessage(from *bufio.Reader) (kind byte, message []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	message = make([]byte, 1+n)
	copy(message, head[:])
	_, err = io.ReadFull(from, message[5:])
	return head[0], message, err
}
