package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
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
	if versionOf(r) >= v3 {
		return a.changeSeatCount(w, r)
	}
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

// changeSeatCount serves POST /subscriptions/{subscriptionUuid}/seats of v3: both of them in one.
//
//	in   {increment | decrement, proration?}
//	out  201 {eventUuid} | 400 | 404
func (a *API) changeSeatCount(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	n := o.Int("increment", handlers.Min(1), handlers.Max(coresubscription.MaxSeatsPerCommand))
	fewer := o.Int("decrement", handlers.Min(1), handlers.Max(coresubscription.MaxSeatsPerCommand))
	proration := o.Enum("proration", prorations)
	switch more, less := o.Get("increment"), o.Get("decrement"); {
	case more.Absent() && less.Absent():
		more.Bad("required", "either increment or decrement is required")
	case !more.Absent() && !less.Absent():
		less.Bad("excluded", "increment and decrement exclude each other")
	}
	if err := body.Err(); err != nil {
		return err
	}
	id := handlers.PathUUID(r, "subscriptionUuid")
	if fewer > 0 {
		return a.writeSeats(w, r, body, http.StatusCreated, coresubscription.RemoveSeats{ID: id, Count: int(fewer), Proration: proration})
	}
	return a.writeSeats(w, r, body, http.StatusCreated, coresubscription.AddSeats{ID: id, Count: int(n), Proration: proration})
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
	return a.writeSeats(w, r, body, status, command(handlers.PathUUID(r, "subscriptionUuid"), int(n), proration))
}

func (a *API) writeSeats(w http.ResponseWriter, r *http.Request, body *handlers.Body, status int, c domain.Command) error {
	res, err := a.execute(w, r, body, c)
	if err != nil {
		return err
	}
	var v coresubscription.TaskAnswer
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	return handlers.JSON(w, status, eventRef{v.TaskID})
}

// listSeats serves GET /subscriptions/{subscriptionUuid}/seats: a page of its licences without the cancelled ones.
//
//	in   cursor, take (25, at most 100)
//	out  200 {first, last, data: [License]} | 400 | 404
func (a *API) listSeats(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	k := readPart(q)
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.findSubscription(w, r)
	if err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	rows, err := a.reads.Licenses(r.Context(), c.Ledger, projections.LicenseFilter{SubscriptionID: row.ID, NotCanceled: true}, a.clock(r.Context()), k)
	if err != nil {
		return err
	}
	out := each(rows, func(l projections.License) *license { return fromLicense(c, l) })
	return writePage(w, out, func(l *license) uuid.UUID { return l.UUID })
}

// countSeats serves GET /subscriptions/{subscriptionUuid}/seats/count: it counts what listSeats lists.
//
//	out  200 {count, assigned, unassigned} | 404
func (a *API) countSeats(w http.ResponseWriter, r *http.Request) error {
	row, err := a.findSubscription(w, r)
	if err != nil {
		return err
	}
	return a.writeCount(w, r, projections.LicenseFilter{SubscriptionID: row.ID, NotCanceled: true})
}

// manageSeats serves PUT /subscriptions/{subscriptionUuid}/manage-seats: who holds which seat, all or none.
//
//	in   [{type: assign | unassign, granteeId} | {type: replace, granteeId, newGranteeId}], 1 to 1,000
//	out  204 | 400 with every bad item | 404
func (a *API) manageSeats(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	c := coresubscription.ManageSeats{ID: handlers.PathUUID(r, "subscriptionUuid")}
	for _, v := range body.Value().List(handlers.Required, handlers.MaxItems(coresubscription.MaxSeatActions)) {
		o := v.Object(handlers.Required)
		action := coresubscription.SeatAction{
			Type: o.Enum("type", []string{coresubscription.AssignSeat, coresubscription.UnassignSeat, coresubscription.ReplaceSeat}, handlers.Required),
		}
		id := handlers.MaxBytes(domain.MaxName) // of whoever holds a seat, be it one that nobody is given any more
		if action.Type == coresubscription.AssignSeat {
			id = handlers.Grantee
		}
		action.Grantee = o.String("granteeId", handlers.Required, id)
		if action.Type == coresubscription.ReplaceSeat {
			action.NewGrantee = o.String("newGranteeId", handlers.Required, handlers.Grantee)
		}
		c.Items = append(c.Items, action)
	}
	if err := body.Err(); err != nil {
		return err
	}
	if _, err := a.execute(w, r, body, c); err != nil {
		return err
	}
	return noContent(w)
}
