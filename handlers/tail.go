package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
)

// Limits of tails: how many a ledger, how long a client may take to read, how often a silent line is
// kept open, and how often the log is asked for what other processes wrote.
const (
	mostTails    = 20
	tailWrite    = 10 * time.Second
	tailSilence  = 15 * time.Second
	tailPoll     = 2 * time.Second
	tailPageSize = 500
)

// tails wakes the tails of a ledger when this process committed something to it.
type tails struct {
	mu  sync.Mutex
	all map[uuid.UUID]map[chan struct{}]struct{}
}

func newTails() *tails { return &tails{all: map[uuid.UUID]map[chan struct{}]struct{}{}} }

// open adds a tail; false when the ledger has enough.
func (t *tails) open(ledger uuid.UUID) (chan struct{}, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.all[ledger]
	if len(of) >= mostTails {
		return nil, false
	}
	if of == nil {
		of = map[chan struct{}]struct{}{}
		t.all[ledger] = of
	}
	c := make(chan struct{}, 1)
	of[c] = struct{}{}
	return c, true
}

func (t *tails) close(ledger uuid.UUID, c chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all[ledger], c)
	if len(t.all[ledger]) == 0 {
		delete(t.all, ledger)
	}
}

// wake runs in the lane: it signals and waits for nobody.
func (t *tails) wake(events []*eventstore.Recorded) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.all[events[0].Ledger] {
		select {
		case c <- struct{}{}:
		default: // it is awake already
		}
	}
}

// tailEvents serves GET /events/stream: events as they come, as server-sent events whose id is the
// position. Each is sent once and in order; Last-Event-ID resumes.
//
//	in   after (a position; the head when absent), Last-Event-ID
//	out  200 text/event-stream | 429 too_many_tails
func (a *API) tailEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	after := Opt(q.Object, "after", q.Int, Min(0))
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	ledger := CallerOf(r).Ledger
	head, _, err := a.Store.Head(r.Context(), ledger)
	if err != nil {
		return err
	}
	from := head
	if after != nil {
		from = *after
	}
	if sent := r.Header.Get("Last-Event-ID"); sent != "" {
		if from, err = strconv.ParseInt(sent, 10, 64); err != nil || from < 0 {
			return domain.Refuse(domain.Malformed, "bad_last_event_id", "Last-Event-ID is a position")
		}
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no")
		w.Header().Set("Ledger-Position", strconv.FormatInt(head, 10))
		w.WriteHeader(http.StatusOK)
		return nil
	}
	awake, ok := a.tails.open(ledger)
	if !ok {
		return domain.Refuse(domain.RateLimited, "too_many_tails", "a ledger has at most %d tails", mostTails)
	}
	defer a.tails.close(ledger, awake)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	w.Header().Set("Ledger-Position", strconv.FormatInt(head, 10))
	t := tail{w: w, control: http.NewResponseController(w)}
	if err := t.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err // the server's time for a body would end the stream
	}
	return a.follow(r, &t, ledger, from, awake)
}

// follow sends until the client goes, is too slow, or the server drains.
func (a *API) follow(r *http.Request, t *tail, ledger uuid.UUID, from int64, awake <-chan struct{}) error {
	poll, silence := time.NewTicker(tailPoll), time.NewTicker(tailSilence)
	defer poll.Stop()
	defer silence.Stop()
	if err := t.send([]byte(": from " + strconv.FormatInt(from, 10) + "\n\n")); err != nil {
		return nil
	}
	for {
		for {
			events, err := a.Store.Page(r.Context(), ledger, from, tailPageSize)
			if err != nil {
				return err
			}
			if len(events) == 0 {
				break
			}
			if err := t.events(events); err != nil {
				return nil // too slow, or gone: it resumes by Last-Event-ID
			}
			from = events[len(events)-1].Position
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-CallOf(r).closing:
			return nil
		case <-awake:
		case <-poll.C:
		case <-silence.C:
			if err := t.send([]byte(": \n\n")); err != nil {
				return nil
			}
		}
	}
}

// tail writes server-sent events.
type tail struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
}

func (t *tail) events(events []*eventstore.Recorded) error {
	t.buffer.Reset()
	for _, e := range events {
		out, err := eventOut(e)
		if err != nil {
			return err
		}
		data, err := json.Marshal(out)
		if err != nil {
			return err
		}
		fmt.Fprintf(&t.buffer, "id: %d\ndata: %s\n\n", e.Position, data)
	}
	return t.send(t.buffer.Bytes())
}

func (t *tail) send(data []byte) error {
	if err := t.control.SetWriteDeadline(time.Now().Add(tailWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := t.w.Write(data); err != nil {
		return err
	}
	return t.control.Flush()
}
