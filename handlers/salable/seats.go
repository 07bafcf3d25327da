package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
)

// eventRef is Salable's EventRef: what to poll for the end of a seat change.
type eventRef struct {
	EventUUID uuid.UUID `json:"eventUuid"`
}

// addSeats serves POST /subscriptions/{subscriptionUuid}/seats: unassigned licences, up to the plan's maximum.
//
//	in   {increment, proration?}
//	out  201 {eventUuid} | 400 | 404
func (a *API) addSeats(w http.ResponseWriter, r *http.Request) error {
	return a.changeSeats(w, r, "increment", http.StatusCreated, func(id uuid.UUID, n int, proration string) domain.Command {
		return coresubscription.AddSeats{ID: id, Count: n, Proration: proration}
	})
}

// removeSeats serves PUT /subscriptions/{subscriptionUuid}/seats: unassigned licences alone, all or none.
//
//	in   {decrement, proration?}
//	out  200 {eventUuid} | 400 | 404
func (a *API) removeSeats(w http.ResponseWriter, r *http.Request) error {
	return a.changeSeats(w, r, "decrement", http.StatusOK, func(id uuid.UUID, n int, proration string) domain.Command {
		return coresubscription.RemoveSeats{ID: id, Count: n, Proration: proration}
	})
}

func (a *API) changeSeats(w http.ResponseWriter, r *http.Request, field string, status int, command func(uuid.UUID, int, string) domain.Command) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	n := o.Int(field, handlers.Required, handlers.Min(1), handlers.Max(coresubscription.MaxSeatsPerCommand))
	proration := o.Enum("proration", prorations)
	if err := body.Err(); err != nil {
		return err
	}
	res, err := a.execute(w, r, body, command(handlers.PathUUID(r, "subscriptionUuid"), int(n), proration))
	if err != nil {
		return err
	}
	var v coresubscription.TaskAnswer
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	return handlers.JSON(w, status, eventRef{v.TaskID})
}
