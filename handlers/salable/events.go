package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) eventRoutes() []route {
	events := handlers.ScopeEventsRead
	return []route{
		{handlers.Route{Method: "GET", Path: "/events/{eventUuid}", Scope: events, Serve: a.readEvent}, always},
	}
}

// event is Salable's Event: how far an asynchronous change got.
type event struct {
	UUID         uuid.UUID `json:"uuid"`
	Type         string    `json:"type"`
	Organisation uuid.UUID `json:"organisation"`
	Status       string    `json:"status"`
	IsTest       bool      `json:"isTest"`
	Retries      int       `json:"retries"`
	ErrorMessage *string   `json:"errorMessage"`
	ErrorCode    *string   `json:"errorCode"`
	CreatedAt    instant   `json:"createdAt"`
	UpdatedAt    instant   `json:"updatedAt"`
}

// readEvent serves GET /events/{eventUuid}.
//
//	out  200 Event | 404
func (a *API) readEvent(w http.ResponseWriter, r *http.Request) error {
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, id := handlers.CallerOf(r), handlers.PathUUID(r, "eventUuid")
	row, err := sought(r.Context(), a, c.Ledger, func() (projections.Task, error) { return a.reads.Task(r.Context(), c.Ledger, id) })
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, fromTask(c, row))
}
