package handlers

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/task"
)

// accepted answers a task that is worked later.
func accepted(w http.ResponseWriter, task uuid.UUID) error {
	return JSON(w, http.StatusAccepted, struct {
		EventUUID uuid.UUID `json:"eventUuid"`
	}{task})
}

func (a *API) billingRoutes() []Route {
	return []Route{{Method: "POST", Path: "/billing/run", Scope: ScopeInvoicesWrite, Serve: a.runBilling}}
}

// runBilling serves POST /billing/run: all that is due by an instant is done, as the scheduler does by itself; the task says
// when.
//
//	in   {at?}
//	out  202 {eventUuid} | 422 bad_time
func (a *API) runBilling(w http.ResponseWriter, r *http.Request) error {
	body, err := ReadOptional(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := task.RunBilling{At: Opt(o, "at", o.Time)}
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
