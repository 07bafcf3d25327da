package salable

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	corelicense "github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
)

// licenseBatch answers a batch: the licences of the items that were done, 206 when some were not.
func (a *API) licenseBatch(w http.ResponseWriter, r *http.Request, res eventstore.Result, status int) error {
	var outcomes []corelicense.Outcome
	if err := handlers.Answer(res, &outcomes); err != nil {
		return err
	}
	done := []*license{}
	for _, o := range outcomes {
		if o.View != nil {
			done = append(done, fromLicenseView(handlers.CallerOf(r), *o.View))
		}
	}
	switch len(done) {
	case len(outcomes):
		return handlers.JSON(w, status, done)
	}
	return handlers.JSON(w, http.StatusPartialContent, done)
}

// itemsRefused says why nothing of a batch was done, item by item, as the request names things. The items
// are below a pointer.
func itemsRefused(err error, below string) error {
	e, ok := domain.AsRefusal(err)
	if !ok || len(e.Fields) == 0 {
		return err
	}
	out := *e
	out.Fields = each(e.Fields, func(f domain.Field) domain.Field {
		if text, ok := unknown[f.Code]; ok {
			f.Detail = text
		}
		if item, field, nested := strings.Cut(strings.TrimPrefix(f.Pointer, "/"), "/"); nested {
			if to, ok := grantNames["/"+field]; ok {
				f.Pointer = "/" + item + to
			}
		}
		f.Pointer = below + f.Pointer
		return f
	})
	return &out
}

// reason is what a client may read of an item's refusal.
func reason(e *domain.Error) string {
	if text, ok := unknown[e.Code]; ok {
		return text
	}
	return e.Detail
}

// cancelLicense serves DELETE /licenses/{licenseUuid}, of ad hoc licences alone; twice is once.
//
//	out  204 | 400 | 404
func (a *API) cancelLicense(w http.ResponseWriter, r *http.Request) error {
	ref, err := a.ref(r.Context(), handlers.CallerOf(r).Ledger, handlers.PathUUID(r, "licenseUuid"))
	if err != nil {
		return err
	}
	if _, err := a.execute(w, r, nil, corelicense.Cancel(ref)); err != nil {
		return err
	}
	return noContent(w)
}

// cancelLicenses serves POST /licenses/cancel: cancelLicense for 1 to 1,000.
//
//	in   {uuids}
//	out  204 | 206 {errors: [{uuid, error}]}: the others are cancelled | 400 | 404
func (a *API) cancelLicenses(w http.ResponseWriter, r *http.Request) error {
	body, err := handlers.Read(r)
	if err != nil {
		return err
	}
	var ids []uuid.UUID
	for _, v := range readItems(body.Object().Get("uuids")) {
		ids = append(ids, v.UUID(handlers.Required))
	}
	if err := body.Err(); err != nil {
		return err
	}
	refs, err := a.refs(r.Context(), handlers.CallerOf(r).Ledger, ids)
	if err != nil {
		return err
	}
	res, err := a.execute(w, r, body, corelicense.CancelMany{Refs: each(ids, func(id uuid.UUID) corelicense.Ref { return refs[id] })})
	if err != nil {
		return itemsRefused(err, "/uuids")
	}
	var outcomes []corelicense.Outcome
	if err := handlers.Answer(res, &outcomes); err != nil {
		return err
	}
	type itemError struct {
		UUID  uuid.UUID `json:"uuid"`
		Error string    `json:"error"`
	}
	var refused []itemError
	for i, o := range outcomes {
		if o.Err != nil {
			refused = append(refused, itemError{ids[i], reason(o.Err)})
		}
	}
	switch len(refused) {
	case 0:
		return noContent(w)
	}
	return handlers.JSON(w, http.StatusPartialContent, struct {
		Errors []itemError `json:"errors"`
	}{refused})
}
