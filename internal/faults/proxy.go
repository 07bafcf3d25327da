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
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy stands between a client and PostgreSQL and understands enough of the protocol (version 3) to
// lose the answer to a commit: the server has done it, the client never hears of it. It is also a network
// that is slow, goes silent, is reset and leads elsewhere.
type Proxy struct {
	listener net.Listener

	cut     atomic.Int64 // how many answers to Execute messages are still to be lost
	lost    atomic.Int64
	cancels atomic.Int64
	trips   atomic.Int64
	delay   atomic.Int64 // of a round trip, in nanoseconds
	held    atomic.Bool

	mu      sync.Mutex
	network string // of the server
	address string
	conns   map[*link]struct{}
	silent  bool
}

// link is a client's connection and the server's behind it.
type link struct {
	client, server net.Conn
	silent         atomic.Bool // bytes vanish in both directions, and so does the end
}

// NewProxy serves until the test ends. URL is where to connect instead of databaseURL.
func NewProxy(t testing.TB, databaseURL string) (p *Proxy, proxyURL string) {
	t.Helper()
	return NewProxyAt(t, "127.0.0.1:0", databaseURL)
}

// NewProxyAt is NewProxy at an address of the caller's.
func NewProxyAt(t testing.TB, listen, databaseURL string) (p *Proxy, proxyURL string) {
	t.Helper()
	p = &Proxy{conns: map[*link]struct{}{}}
	cfg := p.Forward(t, databaseURL)
	var err error
	if p.listener, err = net.Listen("tcp", listen); err != nil {
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

// Forward leads new connections to another server.
func (p *Proxy) Forward(t testing.TB, databaseURL string) *pgconn.Config {
	t.Helper()
	cfg, err := pgconn.ParseConfig(databaseURL)
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.address = pgconn.NetworkAddress(cfg.Host, cfg.Port)
	return cfg
}

// Delay makes every round trip take that much longer.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// RoundTrips tells how many there were: times that the server was ready for the next question.
func (p *Proxy) RoundTrips() int64 { return p.trips.Load() }

// GoSilent makes what is sent vanish, on every connection there is and on new ones: nobody is told, no
// connection ends. After Heal new connections work; those of before stay silent.
func (p *Proxy) GoSilent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = true
	for l := range p.conns {
		l.silent.Store(true)
	}
}

// Heal ends GoSilent.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = false
}

// Reset resets every connection.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.conns {
		if c, ok := l.client.(*net.TCPConn); ok {
			c.SetLinger(0)
		}
		l.close()
	}
}

// Close takes no more connections and resets those there are.
func (p *Proxy) Close() {
	p.listener.Close()
	p.Reset()
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
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

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.conns {
		l.close()
	}
}

// open connects to the server of the moment.
func (p *Proxy) open(client net.Conn) (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	server, err := net.Dial(p.network, p.address)
	if err != nil {
		return nil, err
	}
	l := &link{client: client, server: server}
	l.silent.Store(p.silent)
	p.conns[l] = struct{}{}
	return l, nil
}

func (p *Proxy) serve(client net.Conn) {
	l, err := p.open(client)
	if err != nil {
		client.Close()
		return
	}
	from := bufio.NewReader(client)
	var executed atomic.Bool // an Execute or a Query went by since the last ReadyForQuery
	go func() {
		p.questions(l, from, &executed)
		if !l.silent.Load() {
			l.close()
		}
	}()
	p.answers(l, &executed)
	if l.silent.Load() {
		return // both ends stay as they are until the test ends
	}
	l.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, l)
}

func (p *Proxy) questions(l *link, from *bufio.Reader, executed *atomic.Bool) {
	if l.silent.Load() || !p.startup(from, l.server) {
		io.Copy(io.Discard, from)
		return
	}
	for {
		kind, message, err := readMessage(from)
		if err != nil {
			return
		}
		if kind == 'E' {
			executed.Store(true)
		}
		if l.silent.Load() {
			continue
		}
		if _, err := l.server.Write(message); err != nil {
			return
		}
	}
}

func (p *Proxy) answers(l *link, executed *atomic.Bool) {
	to := bufio.NewReader(l.server)
	var pending []byte
	for {
		kind, message, err := readMessage(to)
		if err != nil {
			return
		}
		pending = append(pending, message...)
		if kind == 'Z' {
			p.trips.Add(1)
			if executed.Swap(false) && p.take() {
				p.lost.Add(1)
				if p.held.Load() {
					io.Copy(io.Discard, to) // silence, until somebody closes
				}
				return
			}
			time.Sleep(time.Duration(p.delay.Load()))
		} else if to.Buffered() > 0 || executed.Load() && p.cut.Load() > 0 {
			continue // an answer that may be lost is lost whole
		}
		if !l.silent.Load() {
			if _, err := l.client.Write(pending); err != nil {
				return
			}
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
