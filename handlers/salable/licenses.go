package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// licenseRoutes are in order: fixed names stand before {licenseUuid}.
func (a *API) licenseRoutes() []route {
	licenses, grant := handlers.ScopeLicensesRead, scopeLicensesWrite
	return []route{
		{handlers.Route{Method: "GET", Path: "/licenses/check", Scope: licenses, Serve: a.checkLicenses, Hot: true, Quick: a.known(map[string]string{v1: licensesV1, v2: licensesV2})}, untilV2},
		{handlers.Route{Method: "GET", Path: "/entitlements/check", Scope: handlers.ScopeEntitlementsCheck, Serve: a.checkEntitlements, Hot: true, Quick: a.known(map[string]string{v3: entitlementsV3})}, []string{v3}},
		{handlers.Route{Method: "GET", Path: "/licenses", Scope: licenses, Serve: a.listLicenses, Stream: true}, untilV2},
		{handlers.Route{Method: "POST", Path: "/licenses", Scope: grant, Serve: a.createLicenses}, untilV2},
		{handlers.Route{Method: "PUT", Path: "/licenses", Scope: grant, Serve: a.updateLicenses}, untilV2},
		{handlers.Route{Method: "GET", Path: "/licenses/count", Scope: licenses, Serve: a.countLicenses}, untilV2},
		{handlers.Route{Method: "GET", Path: "/licenses/purchaser", Scope: licenses, Serve: a.licensesOfPurchaser, Stream: true}, untilV2},
		{handlers.Route{Method: "GET", Path: "/licenses/granteeId/{granteeId}", Scope: licenses, Serve: a.licensesOfGrantee, Stream: true}, untilV2},
		{handlers.Route{Method: "POST", Path: "/licenses/cancel", Scope: grant, Serve: a.cancelLicenses}, untilV2},
		{handlers.Route{Method: "PUT", Path: "/licenses/cancel", Scope: grant, Serve: a.cancelLicenses}, untilV2}, // as an old page of the docs has it
		{handlers.Route{Method: "GET", Path: "/licenses/{licenseUuid}", Scope: licenses, Serve: a.readLicense}, untilV2},
		{handlers.Route{Method: "PUT", Path: "/licenses/{licenseUuid}", Scope: grant, Serve: a.updateLicense}, untilV2},
		{handlers.Route{Method: "DELETE", Path: "/licenses/{licenseUuid}", Scope: grant, Serve: a.cancelLicense}, untilV2},
		{handlers.Route{Method: "GET", Path: "/licenses/{licenseUuid}/usage", Scope: licenses, Serve: a.readLicenseUsage}, untilV2},
	}
}

// license is Salable's License: a seat of a subscription, or an ad hoc one.
type license struct {
	UUID              uuid.UUID               `json:"uuid"`
	ProductUUID       uuid.UUID               `json:"productUuid"`
	PlanUUID          uuid.UUID               `json:"planUuid"`
	SubscriptionUUID  *uuid.UUID              `json:"subscriptionUuid"`
	GranteeID         *string                 `json:"granteeId"` // null: unassigned
	Purchaser         string                  `json:"purchaser"`
	Email             *string                 `json:"email"`
	Name              *string                 `json:"name"`
	PaymentService    string                  `json:"paymentService"`
	Type              string                  `json:"type"`
	Capabilities      []capability            `json:"capabilities"` // as copied at its making
	StartTime         instant                 `json:"startTime"`
	EndTime           instant                 `json:"endTime"`
	Status            string                  `json:"status"`
	Metadata          *string                 `json:"metadata"`
	UpdatedAt         instant                 `json:"updatedAt"`
	IsTest            bool                    `json:"isTest"`
	CancelAtPeriodEnd bool                    `json:"cancelAtPeriodEnd"`
	Subscription      relation[*subscription] `json:"subscription,omitzero"`
	Plan              relation[*plan]         `json:"plan,omitzero"`
	Product           relation[*product]      `json:"product,omitzero"`
	CancelLink        relation[*string]       `json:"cancelLink,omitzero"` // null where there is nothing to cancel
}

// readStatus reads the filter by status, in either case.
func readStatus(q *handlers.Query) string {
	v := q.Get("status")
	text := v.String()
	if text == "" {
		return ""
	}
	status, ok := toStatus(text)
	if !ok {
		v.Bad("bad_enum", "want one of active, canceled, evaluation, scheduled, trialing, inactive")
	}
	return status
}

// listLicenses serves GET /licenses: all of them in v1, a page in v2.
//
//	in   status; v2 also cursor, take (25, at most 100), subscriptionUuid, granteeId, planUuid, productUuid
//	out  200 [License] | v2 200 {first, last, data} | 400
func (a *API) listLicenses(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f := projections.LicenseFilter{Status: readStatus(q)}
	if versionOf(r) == v1 {
		return a.streamLicenses(w, r, q, f, nil)
	}
	f.SubscriptionID, f.PlanID, f.ProductID = q.UUID("subscriptionUuid"), q.UUID("planUuid"), q.UUID("productUuid")
	f.Grantee = q.String("granteeId")
	k := readPart(q)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	rows, err := a.reads.Licenses(r.Context(), c.Ledger, f, a.clock(r.Context()), k)
	if err != nil {
		return err
	}
	out := each(rows, func(l projections.License) *license { return fromLicense(c, l) })
	return writePage(w, out, func(l *license) uuid.UUID { return l.UUID })
}

// streamLicenses answers all licences that a filter leaves, as they are now, in order of their making.
func (a *API) streamLicenses(w http.ResponseWriter, r *http.Request, q *handlers.Query, f projections.LicenseFilter, e expansion) error {
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, at, related := handlers.CallerOf(r), a.clock(r.Context()), a.related(r)
	return stream(w, r, func(after uuid.UUID) ([]*license, uuid.UUID, error) {
		rows, err := a.reads.Licenses(r.Context(), c.Ledger, f, at, projections.Keyset{After: after, Limit: streamPage})
		if err != nil || len(rows) == 0 {
			return nil, after, err
		}
		out := each(rows, func(l projections.License) *license { return fromLicense(c, l) })
		return out, rows[len(rows)-1].ID, related.licenses(out, e)
	})
}

// licensesOfPurchaser serves GET /licenses/purchaser.
//
//	in   productUuid, purchaser, status, expand
//	out  200 [License] | 400
func (a *API) licensesOfPurchaser(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f := projections.LicenseFilter{ProductID: q.UUID("productUuid", handlers.Required), Purchaser: q.String("purchaser", handlers.Required),
		Status: readStatus(q)}
	return a.streamLicenses(w, r, q, f, readExpand(q, licenseExpandable))
}

// licensesOfGrantee serves GET /licenses/granteeId/{granteeId}.
//
//	in   expand
//	out  200 [License] | 400
func (a *API) licensesOfGrantee(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	id := handlers.PathText(r, "granteeId")
	var bad domain.Problems
	bad.Line("/granteeId", "bad_grantee", id) // with a comma too: such licences are from before those were refused
	if err := bad.Refusal(); err != nil {
		return err
	}
	return a.streamLicenses(w, r, q, projections.LicenseFilter{Grantee: id}, readExpand(q, licenseExpandable))
}

// countLicenses serves GET /licenses/count.
//
//	in   subscriptionUuid, status
//	out  200 {count, assigned, unassigned} | 400
func (a *API) countLicenses(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f := projections.LicenseFilter{SubscriptionID: q.UUID("subscriptionUuid"), Status: readStatus(q)}
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	return a.writeCount(w, r, f)
}

func (a *API) writeCount(w http.ResponseWriter, r *http.Request, f projections.LicenseFilter) error {
	n, err := a.reads.CountLicenses(r.Context(), handlers.CallerOf(r).Ledger, f, a.clock(r.Context()))
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, struct {
		Count      int64 `json:"count"`
		Assigned   int64 `json:"assigned"`
		Unassigned int64 `json:"unassigned"`
	}(n))
}

// license finds the licence of the path.
func (a *API) license(r *http.Request) (projections.License, error) {
	ledger, id := handlers.CallerOf(r).Ledger, handlers.PathUUID(r, "licenseUuid")
	return sought(r.Context(), a, ledger, func() (projections.License, error) {
		return a.reads.License(r.Context(), ledger, id, a.clock(r.Context()))
	})
}

// readLicense serves GET /licenses/{licenseUuid}.
//
//	in   expand
//	out  200 License | 400 | 404
func (a *API) readLicense(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	e := readExpand(q, licenseExpandable)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	row, err := a.license(r)
	if err != nil {
		return err
	}
	out := fromLicense(handlers.CallerOf(r), row)
	if err := a.related(r).licenses([]*license{out}, e); err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}
