package handlers

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	domainlicense "github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/internal/cache"
	"github.com/subledger/subledger/projections"
)

// lookupBytes bounds each cache of facts that never change.
const lookupBytes = 16 << 20

// inLedger makes a key of a ledger's own.
type inLedger[K comparable] struct {
	ledger uuid.UUID
	key    K
}

func newLookups[K comparable, V any](bytes int) *cache.Cache[inLedger[K], V] {
	return cache.New(lookupBytes, func(inLedger[K], V) int { return bytes })
}

// finder finds what usage records name, for one request. A seat stays with its subscription for ever
// and a meter's key with its meter, so those are remembered; who holds a seat is asked each time. What
// is not found gets an id that nobody has: the core refuses it.
type finder struct {
	*API
	ctx    context.Context
	ledger uuid.UUID
	at     time.Time // the ledger's: who holds a licence counts then
	caught bool      // up with the ledger's end, as it must be before anything is called unknown
	holds  map[holding]domainlicense.Ref
}

type holding struct {
	grantee string
	plan    uuid.UUID
}

func (a *API) finder(ctx context.Context, ledger uuid.UUID, at time.Time) *finder {
	return &finder{API: a, ctx: ctx, ledger: ledger, at: at, holds: map[holding]domainlicense.Ref{}}
}

// catchUp waits for the read models to reach the ledger's end as it is now, once.
func (f *finder) catchUp() (again bool, err error) {
	if f.caught {
		return false, nil
	}
	f.caught = true
	head, _, err := f.Store.Head(f.ctx, f.ledger)
	if err != nil {
		return false, err
	}
	_, err = f.Reads.At(f.ctx, f.ledger, head)
	return true, err
}

// subscriptionOf is the subscription whose seat a licence is; nil for an ad hoc or unknown licence.
func (f *finder) subscriptionOf(license uuid.UUID) (*uuid.UUID, error) {
	key := inLedger[uuid.UUID]{f.ledger, license}
	if id, ok := f.licenses.Get(key); ok {
		return id, nil
	}
	for {
		found, err := f.Reads.License(f.ctx, f.ledger, license, f.at)
		if err == nil {
			f.licenses.Add(key, found.SubscriptionID)
			return found.SubscriptionID, nil
		}
		if e, ok := domain.AsRefusal(err); !ok || e.Kind != domain.NotFound {
			return nil, err
		}
		if again, err := f.catchUp(); err != nil || !again {
			return nil, err
		}
	}
}

// held is the active licence of a plan that a grantee holds, the oldest if there are several.
func (f *finder) held(grantee string, plan uuid.UUID) (domainlicense.Ref, error) {
	key := holding{grantee, plan}
	if ref, ok := f.holds[key]; ok {
		return ref, nil
	}
	if _, err := f.catchUp(); err != nil {
		return domainlicense.Ref{}, err
	}
	all, err := f.Reads.Licenses(f.ctx, f.ledger, projections.LicenseFilter{Grantee: grantee, PlanID: plan, Status: "ACTIVE"},
		f.at, projections.Keyset{Limit: 1})
	if err != nil {
		return domainlicense.Ref{}, err
	}
	var ref domainlicense.Ref
	if len(all) > 0 {
		ref = domainlicense.Ref{LicenseID: all[0].ID, SubscriptionID: all[0].SubscriptionID}
	}
	f.holds[key] = ref
	return ref, nil
}

// meter is the id of a meter's key.
func (f *finder) meter(name string) (*uuid.UUID, error) {
	key := inLedger[string]{f.ledger, name}
	if id, ok := f.meterIDs.Get(key); ok {
		return &id, nil
	}
	for {
		found, err := f.Reads.MeterByKey(f.ctx, f.ledger, name)
		if err == nil {
			f.meterIDs.Add(key, found.ID)
			return &found.ID, nil
		}
		if e, ok := domain.AsRefusal(err); !ok || e.Kind != domain.NotFound {
			return nil, err
		}
		if again, err := f.catchUp(); err != nil || !again {
			return &uuid.Nil, err
		}
	}
}
