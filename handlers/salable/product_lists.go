package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// plansOfProduct serves GET /products/{productUuid}/plans: all of them, archived ones too, in order of their making.
//
//	in   expand, options of a checkout
//	out  200 [Plan] | 400 | 404
func (a *API) plansOfProduct(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	e, options := readExpand(q, planExpandable), readCheckoutOptions(q, r)
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.productOfPath(w, r)
	if err != nil {
		return err
	}
	if err := options.inCurrencyOf(row); err != nil {
		return err
	}
	x := a.related(r)
	x.options = func(uuid.UUID) checkoutOptions { return options }
	out, err := x.plansIn(row.ID, e)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}

// featuresOfProduct serves GET /products/{productUuid}/features.
//
//	out  200 [Feature with featureEnumOptions], in the order that the product shows them in | 404
func (a *API) featuresOfProduct(w http.ResponseWriter, r *http.Request) error {
	row, err := a.productOfPath(w, r)
	if err != nil {
		return err
	}
	out, err := a.related(r).featuresIn(row.ID, true)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}

// currenciesOfProduct serves GET /products/{productUuid}/currencies.
//
//	out  200 [ProductCurrency with currency] | 404
func (a *API) currenciesOfProduct(w http.ResponseWriter, r *http.Request) error {
	row, err := a.productOfPath(w, r)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, fromProduct(handlers.CallerOf(r), row, expandable("currencies.currency")).Currencies.value)
}

// capabilitiesOfProduct serves GET /products/{productUuid}/capabilities.
//
//	out  200 [Capability], in order of their making | 404
func (a *API) capabilitiesOfProduct(w http.ResponseWriter, r *http.Request) error {
	row, err := a.productOfPath(w, r)
	if err != nil {
		return err
	}
	out, err := a.related(r).capabilitiesIn(row.ID)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}

func (a *API) productOfPath(w http.ResponseWriter, r *http.Request) (projections.Product, error) {
	if err := a.begin(w, r); err != nil {
		return projections.Product{}, err
	}
	return a.findProduct(r, handlers.PathUUID(r, "productUuid"))
}
