package salable

import (
	"context"

	"github.com/google/uuid"

	corelicense "github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/projections"
)

// A licence lives in its subscription's stream or in its own, for ever: commands need to know which.
type home struct{ ledger, license uuid.UUID }

const homesBytes = 16 << 20

// refs finds where licences live. What is not found is taken for an ad hoc licence: the core refuses it.
func (a *API) refs(ctx context.Context, ledger uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]corelicense.Ref, error) {
	found := make(map[uuid.UUID]corelicense.Ref, len(ids))
	missing := func() (rest []uuid.UUID) {
		for _, id := range ids {
			if _, ok := found[id]; ok {
				continue
			}
			if in, ok := a.homes.Get(home{ledger, id}); ok {
				found[id] = corelicense.Ref{LicenseID: id, SubscriptionID: in}
			} else {
				rest = append(rest, id)
			}
		}
		return rest
	}
	for try := range 2 {
		rest := missing()
		if len(rest) == 0 {
			return found, nil
		}
		if try > 0 {
			if err := a.catchUp(ctx, ledger); err != nil {
				return nil, err
			}
		}
		rows, err := a.reads.Licenses(ctx, ledger, projections.LicenseFilter{IDs: rest}, a.clock(ctx), projections.Keyset{Limit: corelicense.MaxItems})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			a.homes.Add(home{ledger, row.ID}, row.SubscriptionID)
		}
	}
	for _, id := range missing() {
		found[id] = corelicense.Ref{LicenseID: id}
	}
	return found, nil
}

// ref is refs for one licence.
func (a *API) ref(ctx context.Context, ledger, id uuid.UUID) (corelicense.Ref, error) {
	all, err := a.refs(ctx, ledger, []uuid.UUID{id})
	return all[id], err
}

// held is the oldest licence of a plan that gives a grantee access now; the zero Ref when there is none.
func (a *API) held(ctx context.Context, ledger uuid.UUID, grantee string, plan uuid.UUID) (corelicense.Ref, error) {
	if err := a.catchUp(ctx, ledger); err != nil {
		return corelicense.Ref{}, err
	}
	at := a.clock(ctx)
	for _, status := range []string{corelicense.Active, corelicense.Trialing, corelicense.Evaluation} {
		f := projections.LicenseFilter{Grantee: grantee, PlanID: plan, Status: status}
		rows, err := a.reads.Licenses(ctx, ledger, f, at, projections.Keyset{Limit: 1})
		if err != nil {
			return corelicense.Ref{}, err
		}
		if len(rows) > 0 {
			return corelicense.Ref{LicenseID: rows[0].ID, SubscriptionID: rows[0].SubscriptionID}, nil
		}
	}
	return corelicense.Ref{}, nil
}
