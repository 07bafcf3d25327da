package handlers

import (
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/projections"
)

// rejectedUsage is a usage record that was refused though its licence is there.
type rejectedUsage struct {
	Position         int64           `json:"position"` // of the event that keeps it
	Key              string          `json:"key"`
	Reason           string          `json:"reason"` // no_access_then, usage_too_late
	SubscriptionUUID *uuid.UUID      `json:"subscriptionUuid"`
	LicenseUUID      uuid.UUID       `json:"licenseUuid"`
	Meter            *string         `json:"meter"` // null: the default meter
	Quantity         decimal.Decimal `json:"quantity"`
	At               time.Time       `json:"at"`
	RejectedAt       time.Time       `json:"rejectedAt"`
}

// listRejectedUsage serves GET /usage/rejected: usage records that were refused for their instant, or since they came too
// late, the newest first.
//
//	in   subscriptionUuid, limit, cursor
//	out  200 page of {position, key, reason, subscriptionUuid, licenseUuid, meter, quantity, at, rejectedAt} | 404 no_subscription
func (a *API) listRejectedUsage(w http.ResponseWriter, r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	sub := Opt(q.Object, "subscriptionUuid", q.UUID)
	limit := int(q.Int("limit", Min(1), Max(mostLimit)))
	if q.Get("limit").Absent() {
		limit = defaultLimit
	}
	var below int64
	a.cursors.read(q, r, &below)
	q.Strict()
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	ledger := CallerOf(r).Ledger
	if sub != nil {
		if _, err := a.Reads.Subscription(r.Context(), ledger, *sub); err != nil {
			return err
		}
	}
	rows, err := a.Reads.RejectedUsage(r.Context(), ledger, sub, below, limit+1)
	if err != nil {
		return err
	}
	out := page{}
	if len(rows) > limit {
		rows = rows[:limit]
		next, err := a.cursors.make(r, rows[limit-1].Position)
		if err != nil {
			return err
		}
		out.NextCursor = &next
	}
	out.Data = each(rows, func(u projections.RejectedUsage) rejectedUsage {
		return rejectedUsage{u.Position, u.RecordKey, u.Reason, u.SubscriptionID, u.LicenseID, textOrNull(u.Meter), u.Quantity, u.At, u.RejectedAt}
	})
	return JSON(w, http.StatusOK, out)
}
