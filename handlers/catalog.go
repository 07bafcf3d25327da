package handlers

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/projections"
)

// kind is what one kind of catalog item has of its own: V is the view that its commands answer, P the
// patch that its bodies say. The routes of all kinds are alike.
type kind[V, P any] struct {
	path, scope string
	ofProduct   bool                              // items belong to a product, and lists are filtered by it
	decode      func(o *Object, must ...Rule) P   // must is Required when the item is new
	find        func(r *http.Request, p *P) error // what a patch names by a key; nil: nothing
	create      func(P) domain.Command
	change      func(uuid.UUID, P) domain.Command
	archive     func(uuid.UUID) domain.Command
	one         func(ctx context.Context, ledger, id uuid.UUID) (V, error)
	all         func(ctx context.Context, ledger uuid.UUID, f projections.CatalogFilter, k projections.Keyset) ([]V, error)
	mark        func(V) (id uuid.UUID, version int64)
	out         func(Caller, V) any
}

func (a *API) catalogRoutes() []Route {
	routes := kindRoutes(a, a.products())
	routes = append(routes, kindRoutes(a, a.plans())...)
	routes = append(routes, kindRoutes(a, a.features())...)
	routes = append(routes, kindRoutes(a, a.capabilities())...)
	routes = append(routes, kindRoutes(a, a.meters())...)
	routes = append(routes, kindRoutes(a, a.coupons())...)
	routes = append(routes, kindRoutes(a, a.taxRates())...)
	routes = append(routes, kindRoutes(a, a.pricingTables())...)
	return append(routes, Route{Method: "POST", Path: "/plans/{uuid}/versions", Scope: ScopeCatalogWrite, Serve: a.addPlanVersion})
}

// kindRoutes serves
//
//	POST /products              in fields         out 201 item
//	GET  /products              in limit, cursor, status, productUuid   out 200 page of items
//	GET  /products/{uuid}                         out 200 item | 404
//	PUT  /products/{uuid}       in some fields    out 200 item | 404 | 409 archived
//	POST /products/{uuid}/archive                 out 200 item | 404
func kindRoutes[V, P any](a *API, k kind[V, P]) []Route {
	answer := func(w http.ResponseWriter, r *http.Request, v V) error {
		_, version := k.mark(v)
		return entity(w, r, http.StatusOK, version, k.out(CallerOf(r), v))
	}
	return []Route{
		{Method: "POST", Path: "/" + k.path, Scope: ScopeCatalogWrite, Serve: func(w http.ResponseWriter, r *http.Request) error {
			body, err := Read(r)
			if err != nil {
				return err
			}
			o := body.Object()
			p := k.decode(o, Required)
			o.Unknown()
			if err := body.Err(); err != nil {
				return err
			}
			if k.find != nil {
				if err := k.find(r, &p); err != nil {
					return err
				}
			}
			v, _, err := write[V](a, w, r, body, uuid.Nil, k.create(p))
			if err != nil {
				return err
			}
			id, version := k.mark(v)
			return created(w, r, id, version, k.out(CallerOf(r), v))
		}},
		{Method: "GET", Path: "/" + k.path, Scope: k.scope, Serve: func(w http.ResponseWriter, r *http.Request) error {
			q, err := ReadQuery(r)
			if err != nil {
				return err
			}
			part := a.keyset(q, r)
			f := projections.CatalogFilter{Status: statusFilter(q, "status", []string{catalog.Active, catalog.Deprecated, catalog.ComingSoon})}
			if k.ofProduct {
				f.ProductID = q.UUID("productUuid")
			}
			q.Strict()
			if err := q.Err(); err != nil {
				return err
			}
			if err := a.at(w, r); err != nil {
				return err
			}
			items, err := k.all(r.Context(), CallerOf(r).Ledger, f, oneMore(part))
			if err != nil {
				return err
			}
			id := func(v V) uuid.UUID { id, _ := k.mark(v); return id }
			return listPage(a, w, r, part, items, id, func(v V) any { return k.out(CallerOf(r), v) })
		}},
		{Method: "GET", Path: "/" + k.path + "/{uuid}", Scope: k.scope, Serve: func(w http.ResponseWriter, r *http.Request) error {
			if err := noQuery(r); err != nil {
				return err
			}
			if err := a.at(w, r); err != nil {
				return err
			}
			v, err := k.one(r.Context(), CallerOf(r).Ledger, PathUUID(r, "uuid"))
			if err != nil {
				return err
			}
			return answer(w, r, v)
		}},
		{Method: "PUT", Path: "/" + k.path + "/{uuid}", Scope: ScopeCatalogWrite, Serve: func(w http.ResponseWriter, r *http.Request) error {
			body, err := Read(r)
			if err != nil {
				return err
			}
			o := body.Object()
			p := k.decode(o)
			o.Unknown()
			if err := body.Err(); err != nil {
				return err
			}
			if k.find != nil {
				if err := k.find(r, &p); err != nil {
					return err
				}
			}
			id := PathUUID(r, "uuid")
			v, _, err := write[V](a, w, r, body, id, k.change(id, p))
			if err != nil {
				return err
			}
			return answer(w, r, v)
		}},
		{Method: "POST", Path: "/" + k.path + "/{uuid}/archive", Scope: ScopeCatalogWrite, Serve: func(w http.ResponseWriter, r *http.Request) error {
			body, err := emptyBody(r)
			if err != nil {
				return err
			}
			id := PathUUID(r, "uuid")
			v, _, err := write[V](a, w, r, body, id, k.archive(id))
			if err != nil {
				return err
			}
			return answer(w, r, v)
		}},
	}
}

// emptyBody takes no body or {}.
func emptyBody(r *http.Request) (*Body, error) {
	body, err := ReadOptional(r)
	if err != nil {
		return nil, err
	}
	body.Object().Unknown()
	return body, body.Err()
}

// optText is an optional text of a patch: null and "" both remove it.
func optText(o *Object, name string) *string {
	if o.Null(name) {
		return new(string)
	}
	return Opt(o, name, o.String)
}

// small is an integer that the core counts with.
func small(o *Object, name string, r ...Rule) *int {
	n := Opt(o, name, o.Int, append([]Rule{Min(-1), Max(1<<31 - 1), Amount}, r...)...)
	if n == nil {
		return nil
	}
	i := int(*n)
	return &i
}

// listOf is a list of a patch: nil when absent, and replaced as a whole when there.
func listOf[T any](o *Object, name string, read func(Value) T) *[]T {
	if o.Get(name).Absent() {
		return nil
	}
	values := o.List(name, MaxItems(1000))
	items := make([]T, len(values))
	for i, v := range values {
		items[i] = read(v)
	}
	return &items
}
