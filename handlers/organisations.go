package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/organisation"
)

// organisationJSON is an organisation on the wire.
type organisationJSON struct {
	UUID      uuid.UUID   `json:"uuid"`
	Name      string      `json:"name"`
	Currency  string      `json:"currency"`
	TimeZone  string      `json:"timeZone"`
	Ledgers   ledgersJSON `json:"ledgers"`
	CreatedAt time.Time   `json:"createdAt"`
}

type ledgersJSON struct {
	Live uuid.UUID `json:"live"`
	Test uuid.UUID `json:"test"`
}

func organisationOut(v organisation.View) any {
	return organisationJSON{v.ID, v.Name, v.Currency, v.TimeZone, ledgersJSON{v.Live, v.Test}, v.CreatedAt}
}

// createOrganisation serves POST /organisations.
//
//	in   {name, currency?: USD, timeZone?: UTC}
//	out  201 {uuid, name, currency, timeZone, ledgers: {live, test}, createdAt} | 422
func (a *API) createOrganisation(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	name, currency, zone := o.String("name", Required), o.String("currency"), o.String("timeZone")
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	var ids [3]uuid.UUID
	for i := range ids {
		if ids[i], err = uuid.NewV7(); err != nil {
			return err
		}
	}
	c, err := a.Store.NewOrganisation(ids[0], ids[1], ids[2], name, currency, zone)
	if err != nil {
		return err
	}
	v, _, err := write[organisation.View](a, w, r, body, uuid.Nil, c)
	if err != nil {
		return err
	}
	return created(w, r, v.ID, v.Version, organisationOut(v))
}

// listOrganisations serves GET /organisations, in order of id.
//
//	in   limit, cursor
//	out  200 page of organisations
func (a *API) listOrganisations(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	k := a.keyset(q, r)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if _, _, err := a.head(w, r); err != nil {
		return err
	}
	all, err := a.Store.Organisations(r.Context(), k.After, k.Limit+1)
	if err != nil {
		return err
	}
	return listPage(a, w, r, k, all, func(v organisation.View) uuid.UUID { return v.ID }, organisationOut)
}

// readOrganisation serves GET /organisations/{uuid}.
//
//	out  200 organisation | 404 no_organisation
func (a *API) readOrganisation(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if _, _, err := a.head(w, r); err != nil {
		return err
	}
	v, err := a.Store.Organisation(r.Context(), PathUUID(r, "uuid"))
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, organisationOut(v))
}
