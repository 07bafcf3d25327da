package salable

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	coresubscription "github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

var subscriptionStatuses = []string{coresubscription.Active, coresubscription.Canceled, coresubscription.Paused, coresubscription.Trialing,
	coresubscription.Deleted, coresubscription.PastDue, coresubscription.Incomplete}

// listSubscriptions serves GET /subscriptions: a page in order of their making, as they are now.
//
//	in   status, email, owner, productUuid, planUuid, expand, sort: asc (default) | desc, cursor, take (25, at most 100)
//	out  200 {first, last, data} | 400
func (a *API) listSubscriptions(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	f := projections.SubscriptionFilter{Email: q.String("email"), Owner: q.String("owner"), ProductID: q.UUID("productUuid"), PlanID: q.UUID("planUuid")}
	status := q.Get("status")
	if f.Status = strings.ToUpper(status.String()); f.Status != "" && !slices.Contains(subscriptionStatuses, f.Status) {
		status.Bad("bad_enum", "want one of %s", strings.Join(subscriptionStatuses, ", "))
	}
	k, e := readSortedPart(q), readExpand(q, subscriptionExpandable)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	c, at := handlers.CallerOf(r), a.clock(r.Context())
	rows, err := a.reads.Subscriptions(r.Context(), c.Ledger, f, at, k)
	if err != nil {
		return err
	}
	out := each(rows, func(s projections.Subscription) *subscription { return fromSubscription(c, s, at) })
	if err := a.related(r).subscriptions(out, e); err != nil {
		return err
	}
	return writePage(w, out, func(s *subscription) uuid.UUID { return s.UUID })
}
