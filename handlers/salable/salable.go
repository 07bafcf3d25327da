// Package salable serves the HTTP API of Salable, versions v1, v2 and v3, at the root: a client written for
// api.salable.app works unchanged. It owns paths, shapes, ids on the wire and statuses, and no rule.
//
// Vocabulary, where it differs from the core's: a licence's purchaser is `member` in requests; a task is
// an event; a grantee without a licence is not an error, it is an empty check.
//
// Facts of the clients that the shapes below follow (published SDKs, run against an echo server):
//
//	no v1 client sends the header `version`
//	some send JSON as text/plain; SDK 3.4.1 compares the answer's Content-Type as a whole text
//	SDK 4 and later take a 204 without Content-Length for a parse error
//	SDK 4 and later copy fields of bodies into the query
package salable

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/internal/cache"
	"github.com/subledger/subledger/projections"
)

// API is the dialect over one log and its read models.
type API struct {
	store        *eventstore.Store
	reads        *projections.Reads
	entitlements *projections.Entitlements
	signer       *Signer
	now          func() time.Time
	homes        *cache.Cache[home, *uuid.UUID]
	links        *checkout.Links

	// PublicURL is where clients reach the server, for links to its pages; without it, as each request knows it.
	PublicURL string
}

// New makes the dialect; now is the process clock.
func New(store *eventstore.Store, reads *projections.Reads, entitlements *projections.Entitlements, signer *Signer, now func() time.Time) *API {
	homes := cache.New(homesBytes, func(home, *uuid.UUID) int { return 64 })
	return &API{store: store, reads: reads, entitlements: entitlements, signer: signer, now: now, homes: homes,
		links: checkout.NewLinks(checkout.Sealer(store))}
}

// Caches are what the dialect keeps in memory, by name, for metrics.
func (a *API) Caches() map[string]func() cache.Stats {
	return map[string]func() cache.Stats{"license_homes": a.homes.Stats,
		"signing_keys": a.signer.opened.Stats, "signatures": a.signer.signed.Stats}
}

// Dialect is the API as the server mounts it, at "".
func (a *API) Dialect() *handlers.Dialect {
	return &handlers.Dialect{
		Name: "salable", Refuse: refuse, Routes: a.mounted(),
		// Widgets in browsers call it from their customers' sites, with the key in a header.
		CORS: &handlers.CORS{Origins: []string{"*"}, Headers: []string{"x-api-key", "authorization", "version", "content-type", "unique-key", "idempotency-key"}},
	}
}

// clock is the time of the caller's ledger.
func (a *API) clock(ctx context.Context) time.Time { return handlers.TimeIn(ctx, a.now) }

// execute runs a command under the request's idempotency key. Parts of the query that say what is to
// be done are part of what the key stands for.
func (a *API) execute(w http.ResponseWriter, r *http.Request, body *handlers.Body, c domain.Command, query ...string) (eventstore.Result, error) {
	req, err := handlers.Command(r, body, c)
	if err != nil {
		return eventstore.Result{}, err
	}
	for _, q := range query {
		req.Fingerprint = fold(req.Fingerprint, q)
	}
	return a.send(w, r, req)
}

func (a *API) send(w http.ResponseWriter, r *http.Request, req eventstore.Request) (eventstore.Result, error) {
	res, err := a.store.Execute(r.Context(), req)
	if err == nil {
		handlers.ResultHeaders(w, res)
	}
	return res, err
}

// begin waits for the read models to hold what this process wrote to the ledger, and for
// Ledger-Min-Position if that is sent.
func (a *API) begin(w http.ResponseWriter, r *http.Request) error {
	least, err := handlers.MinPosition(r)
	if err != nil {
		return err
	}
	position, err := a.reads.At(r.Context(), handlers.CallerOf(r).Ledger, least)
	w.Header().Set("Ledger-Position", strconv.FormatInt(position, 10))
	return err
}

// sought looks something up again, at the ledger's end as it is now, before it is called unknown: another
// process may have written it a moment ago.
func sought[T any](ctx context.Context, a *API, ledger uuid.UUID, look func() (T, error)) (T, error) {
	found, err := look()
	if err == nil {
		return found, nil
	}
	if e, ok := domain.AsRefusal(err); !ok || e.Kind != domain.NotFound {
		return found, err
	}
	if err := a.catchUp(ctx, ledger); err != nil {
		return found, err
	}
	return look()
}

func (a *API) catchUp(ctx context.Context, ledger uuid.UUID) error {
	head, _, err := a.store.Head(ctx, ledger)
	if err == nil {
		_, err = a.reads.At(ctx, ledger, head)
	}
	return err
}
