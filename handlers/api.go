package handlers

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/cache"
	"github.com/subledger/subledger/internal/invoicepdf"
	"github.com/subledger/subledger/projections"
)

// API is the ledger's own language, mounted at /ledger/v1 (docs: openapi/ledger-v1.json).
type API struct {
	Store *eventstore.Store
	Reads *projections.Reads
	// Now is the process clock; status filters and statuses count at its instant.
	Now func() time.Time
	// Projections lists how far the read models of a ledger are.
	Projections func(ctx context.Context, ledger uuid.UUID) ([]projections.Status, error)
	// Template makes invoices' PDF files.
	Template invoicepdf.Template

	cursors  cursors
	tails    *tails
	licenses *cache.Cache[inLedger[uuid.UUID], *uuid.UUID]
	meterIDs *cache.Cache[inLedger[string], uuid.UUID]
}

// NewAPI needs a store and its read models. Cursors are signed with secret: the same in all processes.
func NewAPI(store *eventstore.Store, reads *projections.Reads, now func() time.Time, secret []byte,
	status func(context.Context, uuid.UUID) ([]projections.Status, error)) *API {
	a := &API{Store: store, Reads: reads, Now: now, Projections: status, Template: invoicepdf.Today, cursors: cursors{secret}, tails: newTails(),
		licenses: newLookups[uuid.UUID, *uuid.UUID](64), meterIDs: newLookups[string, uuid.UUID](128)}
	store.Subscribe(a.tails.wake)
	return a
}

// Caches are what the API keeps in memory, by name, for metrics.
func (a *API) Caches() map[string]func() cache.Stats {
	return map[string]func() cache.Stats{"licenses": a.licenses.Stats, "meters": a.meterIDs.Stats}
}

// Dialect is the API as the server mounts it.
func (a *API) Dialect() *Dialect {
	d := &Dialect{Name: "ledger", Refuse: Problem, JSONOnly: true}
	for _, routes := range [][]Route{a.accessRoutes(), a.catalogRoutes(), a.customerRoutes(), a.invoiceRoutes(), a.billingRoutes(), a.subscriptionRoutes(), a.usageRoutes(), a.eventRoutes(), a.clockRoutes(), a.settingsRoutes()} {
		d.Routes = append(d.Routes, routes...)
	}
	for i, route := range d.Routes {
		d.Routes[i].Serve = namingIDs(OwnTime(a.Store, route.Serve))
	}
	return d
}

// namingIDs says of an id in the path that is none what was sent: inside it stands for an id that nobody has.
func namingIDs(serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := serve(w, r)
		e, refused := domain.AsRefusal(err)
		if !refused || e.Kind != domain.NotFound {
			return err
		}
		for _, name := range []string{"uuid", "id"} {
			sent, there := mux.Vars(r)[name]
			if _, ok := ParseUUID(sent); there && !ok {
				return domain.Refuse(e.Kind, e.Code, "%q is not a UUID, so nothing has it as its id", printable(PathText(r, name), 100))
			}
		}
		return err
	}
}

// write executes a command and reads its answer. Stream is what If-Match speaks of; zero when the
// command makes it.
func write[V any](a *API, w http.ResponseWriter, r *http.Request, body *Body, stream uuid.UUID, c domain.Command) (V, eventstore.Result, error) {
	var v V
	q, err := ReadQuery(r)
	if err != nil {
		return v, eventstore.Result{}, err
	}
	dry := q.Bool("dryRun")
	q.Strict()
	if err := q.Err(); err != nil {
		return v, eventstore.Result{}, err
	}
	req, err := Command(r, body, c)
	if err != nil {
		return v, eventstore.Result{}, err
	}
	req.DryRun = dry
	if stream != uuid.Nil {
		if req.Expect, err = expect(r, stream); err != nil {
			return v, eventstore.Result{}, err
		}
	} else if r.Header.Get("If-Match") != "" {
		return v, eventstore.Result{}, domain.Refuse(domain.Malformed, "bad_if_match", "there is nothing to match yet")
	}
	res, err := a.Store.Execute(r.Context(), req)
	if err != nil {
		return v, res, err
	}
	ResultHeaders(w, res)
	if err := Answer(res, &v); err != nil {
		return v, res, err
	}
	return v, res, nil
}

// Answer gives a command's answer as the view that the command answered; an old one is decoded.
func Answer[V any](res eventstore.Result, v *V) error {
	if now, ok := res.Value.(V); ok {
		*v = now
		return nil
	}
	err := json.Unmarshal(res.Answer, v, json.WithUnmarshalers(json.UnmarshalFromFunc(readPersonal)))
	if err != nil {
		return fmt.Errorf("read the answer of the command at %d: %w", res.Last, err)
	}
	return nil
}

// readPersonal takes the bare text that an answer has for a personal value.
func readPersonal(dec *jsontext.Decoder, p *domain.Personal) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	*p = domain.Personal{}
	if tok.Kind() == '"' {
		*p = domain.Personal{Subject: "answer", Text: tok.String()}
	}
	return nil
}

// at begins a read: it waits for what this process wrote, and for Ledger-Min-Position if that is sent,
// and says in the answer's headers how far the rows are.
func (a *API) at(w http.ResponseWriter, r *http.Request) error {
	_, err := a.reached(w, r)
	return err
}

// reached is at, and answers the position.
func (a *API) reached(w http.ResponseWriter, r *http.Request) (int64, error) {
	least, err := MinPosition(r)
	if err != nil {
		return 0, err
	}
	position, err := a.Reads.At(r.Context(), CallerOf(r).Ledger, least)
	w.Header().Set("Ledger-Position", strconv.FormatInt(position, 10))
	return position, err
}

// MinPosition reads Ledger-Min-Position, 0 without it. Malformed: bad_min_position.
func MinPosition(r *http.Request) (int64, error) {
	sent := r.Header.Values("Ledger-Min-Position")
	if len(sent) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(sent[0], 10, 64)
	if err != nil || n < 0 || len(sent) > 1 {
		return 0, domain.Refuse(domain.Malformed, "bad_min_position", "Ledger-Min-Position is one position, such as 42")
	}
	return n, nil
}

// noQuery refuses all query parameters.
func noQuery(r *http.Request) error {
	q, err := ReadQuery(r)
	if err != nil {
		return err
	}
	q.Strict()
	return q.Err()
}

// entity answers one thing with its ETag.
func entity(w http.ResponseWriter, r *http.Request, status int, version int64, v any) error {
	tag := etag(version)
	w.Header().Set("ETag", tag)
	if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return JSON(w, status, v)
}

// created answers something new and says where it is.
func created(w http.ResponseWriter, r *http.Request, id uuid.UUID, version int64, v any) error {
	w.Header().Set("Location", r.URL.Path+"/"+id.String())
	return entity(w, r, http.StatusCreated, version, v)
}
