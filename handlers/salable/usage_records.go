package salable

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// usageRecord is what a licence used in a period.
type usageRecord struct {
	UUID        uuid.UUID `json:"uuid"`
	UnitCount   int64     `json:"unitCount"`
	Type        string    `json:"type"`
	RecordedAt  *instant  `json:"recordedAt"` // when it was closed
	ResetAt     *instant  `json:"resetAt"`    // when the count begins again
	PlanUUID    uuid.UUID `json:"planUuid"`
	LicenseUUID uuid.UUID `json:"licenseUuid"`
	CreatedAt   instant   `json:"createdAt"`
	UpdatedAt   instant   `json:"updatedAt"`
}

func fromUsageRecord(u projections.UsageRecord) usageRecord {
	out := usageRecord{UUID: u.ID, UnitCount: toUnits(u.Total), Type: u.Type, RecordedAt: instantOrNull(u.ClosedAt), PlanUUID: u.PlanID,
		LicenseUUID: u.LicenseID, CreatedAt: instant(u.CreatedAt), UpdatedAt: instant(u.UpdatedAt)}
	switch u.Type {
	case projections.UsageCurrent:
		out.ResetAt = instantOrNull(&u.PeriodEnd)
	case projections.UsageRecorded:
		out.ResetAt = out.RecordedAt
	}
	return out
}

// listUsage serves GET /usage: a page of what the licences that a grantee holds used, in order of the periods.
//
//	in   granteeId, type: current | recorded | final, status (the licence's), planUuid, subscriptionUuid,
//	     sort: asc (default) | desc, cursor, take (25, at most 100)
//	out  200 {first, last, data} | 400
func (a *API) listUsage(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f := projections.UsageRecordFilter{Grantee: q.String("granteeId", handlers.Required), LicenseStatus: readStatus(q),
		Type:   q.Enum("type", []string{projections.UsageCurrent, projections.UsageRecorded, projections.UsageFinal}),
		PlanID: q.UUID("planUuid"), SubscriptionID: q.UUID("subscriptionUuid")}
	k := readSortedPart(q)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	rows, err := a.reads.UsageRecords(r.Context(), handlers.CallerOf(r).Ledger, f, a.clock(r.Context()), k)
	if err != nil {
		return err
	}
	return writePage(w, each(rows, fromUsageRecord), func(u usageRecord) uuid.UUID { return u.UUID })
}

// currentUsage serves GET /usage/current: of the oldest licence of the plan that gives the grantee access. Where
// nothing was counted in its period yet, updatedAt is when that or the licence began.
//
//	in   granteeId, planUuid
//	out  200 {unitCount, updatedAt} | 400 | 404
func (a *API) currentUsage(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	grantee, plan := q.String("granteeId", handlers.Required), q.UUID("planUuid", handlers.Required)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	ctx, ledger, at := r.Context(), handlers.CallerOf(r).Ledger, a.clock(r.Context())
	ref, err := a.held(ctx, ledger, grantee, plan)
	if err != nil {
		return err
	}
	if ref.LicenseID == uuid.Nil {
		return domain.Refuse(domain.NotFound, "no_license", "%s has no licence of this plan", grantee)
	}
	u, used, err := a.reads.UsageNow(ctx, ledger, ref.LicenseID, at)
	if err != nil {
		return err
	}
	updated := u.UpdatedAt
	if !used {
		l, err := a.reads.License(ctx, ledger, ref.LicenseID, at)
		if err != nil {
			return err
		}
		updated = time.Date(at.UTC().Year(), at.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
		if l.SubscriptionID != nil {
			s, err := a.reads.Subscription(ctx, ledger, *l.SubscriptionID)
			if err != nil {
				return err
			}
			updated = s.PeriodAt(at).Start
		}
		if updated.Before(l.StartTime) {
			updated = l.StartTime
		}
	}
	return handlers.JSON(w, http.StatusOK, struct {
		UnitCount int64   `json:"unitCount"`
		UpdatedAt instant `json:"updatedAt"`
	}{toUnits(u.Total), instant(updated)})
}
