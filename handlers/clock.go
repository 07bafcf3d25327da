package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

// OwnTime lets a handler see the time of its caller's ledger: TimeIn.
func OwnTime(store *eventstore.Store, serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if call := CallOf(r); call.Caller.Test() {
			at, own, err := store.Now(r.Context(), call.Caller.Ledger, time.Time{}, r.Header.Get("Ledger-Min-Position") != "")
			if err != nil {
				return err
			}
			if own {
				call.clock = &at
			}
		}
		return serve(w, r)
	}
}

// OwnNow is the time of a caller's ledger.
func OwnNow(ctx context.Context, store *eventstore.Store, c *Caller, now func() time.Time) (time.Time, error) {
	if !c.Test() {
		return now(), nil
	}
	at, own, err := store.Now(ctx, c.Ledger, time.Time{}, false)
	if err == nil && !own {
		at = now()
	}
	return at, err
}

// TimeIn is the time of the caller's ledger, where statuses count: a test ledger's own clock, else now.
func TimeIn(ctx context.Context, now func() time.Time) time.Time {
	if call := callFrom(ctx); call != nil && call.clock != nil {
		return *call.clock
	}
	return now()
}

func (a *API) clockRoutes() []Route {
	const read, write = "subscriptions:read", "subscriptions:write"
	return []Route{
		{Method: "GET", Path: "/clock", Scope: read, Serve: a.readClock},
		{Method: "PUT", Path: "/clock", Scope: write, Serve: a.startClock},
		{Method: "POST", Path: "/clock/advance", Scope: write, Serve: a.advanceClock},
	}
}

// clockBody is a ledger's clock: the system's, or a test ledger's own, which moves when it is told to.
type clockBody struct {
	Now  time.Time `json:"now"`
	Mode string    `json:"mode"` // system, test
}

// readClock serves GET /clock.
//
//	out  200 {now, mode: system | test}
func (a *API) readClock(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	at, own, err := a.Store.Now(r.Context(), CallerOf(r).Ledger, a.Now().UTC().Truncate(time.Microsecond), true)
	if err != nil {
		return err
	}
	mode := "system"
	if own {
		mode = "test"
	}
	return JSON(w, http.StatusOK, clockBody{at, mode})
}

// startClock serves PUT /clock, of test ledgers: from now on it is that time there, until the clock is advanced. It may
// lie in the past, as long as nothing was recorded later.
//
//	in   {now}
//	out  200 {now, mode: test} | 403 not_a_test_ledger | 409 clock_backwards
func (a *API) startClock(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := domain.MoveClock{To: o.Time("now", Required)}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, _, err := write[domain.ClockView](a, w, r, body, uuid.Nil, c)
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, clockBody{v.Now, v.Mode})
}

// advanceClock serves POST /clock/advance, of test ledgers: all that is due until then happens in order, each at its
// own instant; the task says when that is done.
//
//	in   {to}
//	out  202 {eventUuid} | 403 not_a_test_ledger | 409 clock_backwards
func (a *API) advanceClock(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := task.AdvanceClock{To: o.Time("to", Required)}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, _, err := write[task.View](a, w, r, body, uuid.Nil, c)
	if err != nil {
		return err
	}
	return accepted(w, v.ID)
}
