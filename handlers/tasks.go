package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/projections"
)

// readTask serves GET /tasks/{eventUuid}: how far an asynchronous command got.
//
//	out  200 task | 404 no_task
func (a *API) readTask(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	t, err := a.Reads.Task(r.Context(), CallerOf(r).Ledger, PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, t.Version, struct {
		UUID         uuid.UUID `json:"uuid"`
		Type         string    `json:"type"`
		Status       string    `json:"status"`
		Subject      uuid.UUID `json:"subjectUuid"`
		Retries      int       `json:"retries"`
		ErrorCode    *string   `json:"errorCode,omitzero"`
		ErrorMessage *string   `json:"errorMessage,omitzero"`
		Positions    []int64   `json:"positions"`
		CreatedAt    time.Time `json:"createdAt"`
		UpdatedAt    time.Time `json:"updatedAt"`
	}{t.ID, t.Type, t.Status, t.Subject, t.Retries, t.ErrorCode, t.ErrorMessage, t.Positions, t.CreatedAt, t.UpdatedAt})
}

// listProjections serves GET /projections.
//
//	out  200 [{"name", "position", "lagEvents", "lagSeconds", "state"}]
func (a *API) listProjections(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if _, _, err := a.head(w, r); err != nil {
		return err
	}
	all, err := a.Projections(r.Context(), CallerOf(r).Ledger)
	if err != nil {
		return err
	}
	type status struct {
		Name       string  `json:"name"`
		Position   int64   `json:"position"`
		LagEvents  int64   `json:"lagEvents"`
		LagSeconds float64 `json:"lagSeconds"`
		State      string  `json:"state"` // live, catching_up, parked
	}
	return JSON(w, http.StatusOK, each(all, func(s projections.Status) status {
		return status{s.Name, s.Position, s.LagEvents, s.LagSeconds, s.State}
	}))
}
