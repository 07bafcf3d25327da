package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/pprof"
	"sync"
	"time"
)

// script gives a client its next request. Each client calls its own alone.
type script func() []byte

// load sends requests of many clients.
type load struct {
	address string
	scripts []script // one a client
	rate    float64  // requests per second of all together; 0: closed loop
	units   int      // that one request stands for
	bad     []byte   // what an answer must not hold, beside a status of success
	// watch is told of every success: whose it was, the Ledger-Position of the answer and when it came. Nil:
	// nobody. The client waits for it.
	watch func(client int, position int64, at time.Time)
}

// at is the same load when its units are due at a rate.
func (l *load) at(rate float64) side {
	open := *l
	open.rate = rate / float64(l.units)
	return open.work
}

// client is one connection's part of a load.
type client struct {
	number    int
	next      script
	conn      *conn
	latencies []time.Duration
	errors    map[string]int
	last      time.Time // end of its last request
}

// work is a side: connections are made before the clock runs.
func (l *load) work(ctx context.Context, d time.Duration) (sample, error) {
	clients := make([]*client, len(l.scripts))
	defer func() {
		for _, c := range clients {
			if c != nil && c.conn != nil {
				c.conn.Close()
			}
		}
	}()
	for i, s := range l.scripts {
		conn, err := dial(l.address)
		if err != nil {
			return sample{}, fmt.Errorf("connect client %d: %w", i+1, err)
		}
		clients[i] = &client{number: i, next: s, conn: conn, errors: map[string]int{}}
	}
	start := time.Now()
	end := start.Add(d)
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			pprof.Do(ctx, pprof.Labels("side", "generator"), func(ctx context.Context) {
				_ = c.conn.SetDeadline(end.Add(answerTime)) // a connection that takes no deadline fails at its first request
				if l.rate > 0 {
					l.open(ctx, c, i, start, end)
				} else {
					l.closed(ctx, c, end)
				}
			})
		})
	}
	wg.Wait()
	return l.gather(clients, start), ctx.Err()
}

// closed sends the next request when the answer is there.
func (l *load) closed(ctx context.Context, c *client, end time.Time) {
	for now := time.Now(); now.Before(end) && ctx.Err() == nil; {
		now = l.one(c, now, end)
	}
}

// open sends requests when they are due, evenly spread over the clients. A client that is late sends at
// once; what the request waited counts into its latency.
func (l *load) open(ctx context.Context, c *client, i int, start, end time.Time) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	each := time.Duration(float64(len(l.scripts)) / l.rate * float64(time.Second))
	for due := start.Add(each * time.Duration(i) / time.Duration(len(l.scripts))); due.Before(end) && ctx.Err() == nil; due = due.Add(each) {
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		l.one(c, due, end)
	}
}

// one sends a request that was due at a moment, and gives the moment of its answer.
func (l *load) one(c *client, due, end time.Time) time.Time {
	if c.conn == nil {
		conn, err := dial(l.address)
		if err != nil {
			c.errors["connect"]++
			time.Sleep(10 * time.Millisecond)
			return time.Now()
		}
		_ = conn.SetDeadline(end.Add(answerTime))
		c.conn = conn
	}
	status, body, err := c.conn.do(c.next())
	now := time.Now()
	c.last = now
	switch {
	case err != nil:
		c.errors["connection lost"]++
		c.conn.Close()
		c.conn = nil
	case status != 200 && status != 201:
		c.errors[refusal(status, body)]++
	case l.bad != nil && bytes.Contains(body, l.bad):
		c.errors["200 with "+string(l.bad)]++
	default:
		c.latencies = append(c.latencies, now.Sub(due))
		if l.watch != nil {
			l.watch(c.number, c.conn.position, now)
		}
	}
	return now
}

// refusal names an answer that is no success: its status and, where the body has one, its code.
func refusal(status int, body []byte) string {
	var problem struct{ Code string }
	if json.Unmarshal(body, &problem) == nil && problem.Code != "" {
		return fmt.Sprintf("%d %s", status, problem.Code)
	}
	return fmt.Sprint(status)
}

// gather counts what succeeded over the time until the last answer.
func (l *load) gather(clients []*client, start time.Time) sample {
	s := sample{errors: map[string]int{}}
	last := start
	for _, c := range clients {
		s.latencies = append(s.latencies, c.latencies...)
		for code, n := range c.errors {
			s.errors[code] += n
		}
		if c.last.After(last) {
			last = c.last
		}
	}
	s.units = len(s.latencies) * l.units
	if took := last.Sub(start); took > 0 {
		s.rate = float64(s.units) / took.Seconds()
	}
	return s
}
