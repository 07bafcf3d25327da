package handlers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
)

// Limits of lists of events.
const (
	mostEvents = 1000
	scanPage   = 1000
	mostScan   = 100_000 // events looked at for one answer
)

func (a *API) eventRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/events", Scope: ScopeLedgerRead, Serve: a.listEvents},
		{Method: "GET", Path: "/events/stream", Scope: ScopeLedgerRead, Stream: true, Serve: a.tailEvents},
		{Method: "GET", Path: "/events/{position:[0-9]+}", Scope: ScopeLedgerRead, Serve: a.readEvent},
		{Method: "GET", Path: "/tasks/{uuid}", Scope: ScopeEventsRead, Serve: a.readTask},
		{Method: "GET", Path: "/head", Scope: ScopeLedgerRead, Serve: a.readHead},
		{Method: "GET", Path: "/projections", Scope: ScopeLedgerRead, Serve: a.listProjections},
		{Method: "GET", Path: "/signing-keys", Scope: ScopeLicensesRead, Serve: a.readSigningKeys},
	}
}

// event is an event on the wire. Data is as the event was recorded, personal values in plain text unless
// they were erased, with keys in camelCase.
type event struct {
	Position    int64          `json:"position"`
	StreamUUID  uuid.UUID      `json:"streamUuid"`
	Kind        string         `json:"kind"`
	Version     int64          `json:"version"` // in its stream
	UUID        uuid.UUID      `json:"uuid"`
	Type        string         `json:"type"`
	Data        jsontext.Value `json:"data"`
	Meta        eventMeta      `json:"meta"`
	RecordedAt  time.Time      `json:"recordedAt"`
	EffectiveAt time.Time      `json:"effectiveAt"`
	Hash        string         `json:"hash"` // hexadecimal
}

type eventMeta struct {
	Actor     string `json:"actor,omitzero"`
	RequestID string `json:"requestId,omitzero"`
	Key       string `json:"key,omitzero"`
	CausedBy  string `json:"causedBy,omitzero"`
	Dialect   string `json:"dialect,omitzero"`
}

func metaOf(r *eventstore.Recorded) (eventMeta, error) {
	var m eventstore.Meta
	err := json.Unmarshal(r.Meta, &m)
	return eventMeta(m), err
}

func eventOut(r *eventstore.Recorded) (event, error) {
	meta, err := metaOf(r)
	if err != nil {
		return event{}, err
	}
	data, err := json.Marshal(r.Event)
	if err != nil {
		return event{}, err
	}
	if data, err = camelKeys(data); err != nil {
		return event{}, err
	}
	return event{r.Position, r.Stream, r.Kind(), r.Version, r.ID, r.Type, data, meta, r.RecordedAt, r.EffectiveAt, hex.EncodeToString(r.Hash[:])}, nil
}

// camelKeys turns the keys of all objects from the log's snake_case into the API's camelCase.
func camelKeys(data []byte) ([]byte, error) {
	var out bytes.Buffer
	dec, enc := jsontext.NewDecoder(bytes.NewReader(data)), jsontext.NewEncoder(&out)
	for dec.PeekKind() != 0 {
		tok, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		// A key is what stands at an odd place in an object.
		if kind, n := dec.StackIndex(dec.StackDepth()); kind == '{' && tok.Kind() == '"' && n%2 == 1 {
			tok = jsontext.String(camel(tok.String()))
		}
		if err := enc.WriteToken(tok); err != nil {
			return nil, err
		}
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

func camel(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// eventPage answers events; next, unless nil, is what the cursor holds.
func (a *API) eventPage(w http.ResponseWriter, r *http.Request, events []*eventstore.Recorded, next any) error {
	data := make([]event, len(events))
	for i, e := range events {
		var err error
		if data[i], err = eventOut(e); err != nil {
			return err
		}
	}
	p := page{Data: data}
	if next != nil {
		cursor, err := a.cursors.make(r, next)
		if err != nil {
			return err
		}
		p.NextCursor = &cursor
	}
	return JSON(w, http.StatusOK, p)
}

// eventFilter narrows a list of events; zero fields do not. From and To are half-open, of recordedAt.
type eventFilter struct {
	stream                 uuid.UUID
	kind, typ              string
	actor, requestID       string
	from, to               time.Time
	byStream, byMeta, past bool
}

func readEventFilter(q *Query) eventFilter {
	f := eventFilter{stream: q.UUID("stream"), kind: q.String("kind"), typ: q.String("type"), actor: q.String("actor"),
		requestID: q.String("requestId"), from: q.Time("from"), to: q.Time("to")}
	f.byStream = !q.Get("stream").Absent()
	f.byMeta = f.actor != "" || f.requestID != ""
	return f
}

func (f *eventFilter) takes(e *eventstore.Recorded) (bool, error) {
	switch {
	case f.kind != "" && e.Kind() != f.kind, f.typ != "" && e.Type != f.typ, e.RecordedAt.Before(f.from),
		f.byStream && e.Stream != f.stream:
		return false, nil
	case !f.to.IsZero() && !e.RecordedAt.Before(f.to):
		f.past = true // recordedAt never goes backwards: nothing later will do
		return false, nil
	case !f.byMeta:
		return true, nil
	}
	m, err := metaOf(e)
	return err == nil && (f.actor == "" || m.Actor == f.actor) && (f.requestID == "" || m.RequestID == f.requestID), err
}

// listEvents serves GET /events, in order of position.
//
//	in   after (a position), limit (at most 1,000), cursor, stream, kind, type, actor, requestId, from, to
//	out  200 page of events; an empty one with a cursor when 100,000 events were looked at in vain
func (a *API) listEvents(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	limit := int(q.Int("limit", Min(1), Max(mostEvents)))
	if q.Get("limit").Absent() {
		limit = defaultLimit
	}
	after := q.Int("after", Min(0))
	a.cursors.read(q, r, &after)
	f := readEventFilter(q)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	ledger := CallerOf(r).Ledger
	head, _, err := a.head(w, r)
	if err != nil {
		return err
	}
	if after, err = a.skipTo(r, ledger, after, head, f.from); err != nil {
		return err
	}
	var found []*eventstore.Recorded
	for scanned := 0; scanned < mostScan && len(found) < limit && after < head && !f.past; {
		events, err := a.nextEvents(r, ledger, f, after, head, min(scanPage, max(limit, 100)))
		if err != nil {
			return err
		}
		if len(events) == 0 {
			after = head
			break
		}
		for _, e := range events {
			if len(found) == limit || f.past {
				break
			}
			ok, err := f.takes(e)
			if err != nil {
				return err
			}
			if ok {
				found = append(found, e)
			}
			after = e.Position
			scanned++
		}
	}
	if after >= head || f.past {
		return a.eventPage(w, r, found, nil)
	}
	return a.eventPage(w, r, found, after)
}

// nextEvents reads up to head; a stream's events alone when the filter names one, for those have an index.
func (a *API) nextEvents(r *http.Request, ledger uuid.UUID, f eventFilter, after, head int64, limit int) ([]*eventstore.Recorded, error) {
	events, err := []*eventstore.Recorded(nil), error(nil)
	if !f.byStream {
		events, err = a.Store.Page(r.Context(), ledger, after, limit)
	} else {
		// A cursor is a position; versions are found from it by halving, since both only grow.
		var version int64
		if after > 0 {
			if version, err = a.versionAt(r, ledger, f.stream, after); err != nil {
				return nil, err
			}
		}
		events, err = a.Store.Stream(r.Context(), ledger, f.stream, version, limit)
	}
	for len(events) > 0 && events[len(events)-1].Position > head {
		events = events[:len(events)-1]
	}
	return events, err
}

// versionAt is the last version of a stream at or before a position, 0 for none.
func (a *API) versionAt(r *http.Request, ledger, stream uuid.UUID, position int64) (int64, error) {
	low, high := int64(0), position+1 // a stream has no more versions than the ledger positions
	for low+1 < high {
		middle := low + (high-low)/2
		events, err := a.Store.Stream(r.Context(), ledger, stream, middle-1, 1)
		if err != nil {
			return 0, err
		}
		if len(events) == 1 && events[0].Position <= position {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

// skipTo moves after to just before the first event recorded at from or later, by halving.
func (a *API) skipTo(r *http.Request, ledger uuid.UUID, after, head int64, from time.Time) (int64, error) {
	if from.IsZero() {
		return after, nil
	}
	low, high := after, head+1 // low is too early, or the beginning; high is late enough, or the end
	for low+1 < high {
		middle := low + (high-low)/2
		e, err := a.Store.Event(r.Context(), ledger, middle)
		if err != nil {
			return 0, err
		}
		if e.RecordedAt.Before(from) {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

// head is at for what is read from the log itself: the ledger's end, waited for when Ledger-Min-Position
// asks for more.
func (a *API) head(w http.ResponseWriter, r *http.Request) (int64, [sha256.Size]byte, error) {
	least, err := MinPosition(r)
	if err != nil {
		return 0, [sha256.Size]byte{}, err
	}
	ledger := CallerOf(r).Ledger
	position, hash, err := a.Store.Head(r.Context(), ledger)
	if err == nil && position < least {
		// The read models are no further than the log. What they do not reach, the log may have: it is asked again.
		if _, err = a.Reads.At(r.Context(), ledger, least); err != nil {
			if _, refused := domain.AsRefusal(err); !refused {
				return 0, hash, err
			}
		}
		position, hash, err = a.Store.Head(r.Context(), ledger)
	}
	if err != nil {
		return 0, hash, err
	}
	w.Header().Set("Ledger-Position", strconv.FormatInt(position, 10))
	if position < least {
		return position, hash, domain.Refuse(domain.Unavailable, notReached, "the ledger is at position %d, not yet at %d", position, least)
	}
	return position, hash, nil
}

// readEvent serves GET /events/{position}.
//
//	out  200 event | 404 no_event
func (a *API) readEvent(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	position, err := strconv.ParseInt(PathText(r, "position"), 10, 64)
	if err != nil || position < 1 {
		return domain.Refuse(domain.NotFound, "no_event", "there is no such position")
	}
	if _, _, err := a.head(w, r); err != nil {
		return err
	}
	e, err := a.Store.Event(r.Context(), CallerOf(r).Ledger, position)
	if err != nil {
		return err
	}
	out, err := eventOut(e)
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, out)
}

// readHead serves GET /head.
//
//	out  200 {"position", "hash"}
func (a *API) readHead(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	position, hash, err := a.head(w, r)
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, struct {
		Position int64  `json:"position"`
		Hash     string `json:"hash"`
	}{position, hex.EncodeToString(hash[:])})
}
