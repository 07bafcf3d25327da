package salable

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

func (a *API) productRoutes() []route {
	products := handlers.ScopeProductsRead
	return []route{
		{handlers.Route{Method: "GET", Path: "/products", Scope: products, Serve: a.listProducts, Stream: true}, always},
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}", Scope: products, Serve: a.readProduct}, always},
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}/plans", Scope: products, Serve: a.plansOfProduct}, untilV2},
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}/features", Scope: handlers.ScopeFeaturesRead, Serve: a.featuresOfProduct}, untilV2},
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}/currencies", Scope: handlers.ScopeCurrenciesRead, Serve: a.currenciesOfProduct}, untilV2},
		{handlers.Route{Method: "GET", Path: "/products/{productUuid}/capabilities", Scope: handlers.ScopeCapabilitiesRead, Serve: a.capabilitiesOfProduct}, untilV2},
	}
}

// product is Salable's Product.
type product struct {
	UUID                uuid.UUID                   `json:"uuid"`
	Name                relation[string]            `json:"name,omitzero"` // not in v3
	Description         *string                     `json:"description"`
	LogoURL             *string                     `json:"logoUrl"`
	DisplayName         string                      `json:"displayName"`
	Organisation        uuid.UUID                   `json:"organisation"`
	Status              string                      `json:"status"`
	Paid                bool                        `json:"paid"`
	PaymentIntegration  string                      `json:"organisationPaymentIntegrationUuid"` // "free" when there is none
	PaymentProductID    *string                     `json:"paymentIntegrationProductId"`
	AppType             relation[string]            `json:"appType,omitzero"` // not in v3
	UpdatedAt           instant                     `json:"updatedAt"`
	IsTest              bool                        `json:"isTest"`
	Slug                string                      `json:"slug"`
	ArchivedAt          *instant                    `json:"archivedAt"`
	Features            relation[[]feature]         `json:"features,omitzero"`
	Capabilities        relation[[]capability]      `json:"capabilities,omitzero"`
	Currencies          relation[[]productCurrency] `json:"currencies,omitzero"`
	OrganisationPayment relation[*struct{}]         `json:"organisationPaymentIntegration,omitzero"`
	Plans               relation[[]*plan]           `json:"plans,omitzero"`
}

// feature is Salable's Feature.
type feature struct {
	UUID          uuid.UUID                     `json:"uuid"`
	Name          relation[string]              `json:"name,omitzero"` // not in v3
	Description   *string                       `json:"description"`
	DisplayName   string                        `json:"displayName"`
	VariableName  *string                       `json:"variableName"`
	Status        string                        `json:"status"`
	Visibility    string                        `json:"visibility"`
	ValueType     string                        `json:"valueType"`
	DefaultValue  string                        `json:"defaultValue"`
	ShowUnlimited bool                          `json:"showUnlimited"`
	ProductUUID   uuid.UUID                     `json:"productUuid"`
	UpdatedAt     instant                       `json:"updatedAt"`
	SortOrder     int                           `json:"sortOrder"`
	EnumOptions   relation[[]featureEnumOption] `json:"featureEnumOptions,omitzero"`
}

// featureEnumOption is Salable's FeatureEnumOption.
type featureEnumOption struct {
	UUID        uuid.UUID `json:"uuid"`
	Name        string    `json:"name"`
	FeatureUUID uuid.UUID `json:"featureUuid"`
	UpdatedAt   instant   `json:"updatedAt"`
}

// capability is Salable's Capability.
type capability struct {
	UUID        uuid.UUID `json:"uuid"`
	Name        string    `json:"name"`
	Status      string    `json:"status"`
	Description *string   `json:"description"`
	ProductUUID uuid.UUID `json:"productUuid"`
	UpdatedAt   instant   `json:"updatedAt"`
}

// currency is Salable's Currency.
type currency struct {
	UUID      uuid.UUID `json:"uuid"`
	ShortName string    `json:"shortName"`
	LongName  string    `json:"longName"`
	Symbol    string    `json:"symbol"`
}

// productCurrency is Salable's ProductCurrency.
type productCurrency struct {
	ProductUUID     uuid.UUID          `json:"productUuid"`
	CurrencyUUID    uuid.UUID          `json:"currencyUuid"`
	DefaultCurrency bool               `json:"defaultCurrency"`
	Currency        relation[currency] `json:"currency,omitzero"`
}

// listProducts serves GET /products.
//
//	out  200 [Product], in order of their making, archived ones too; in v3 a page, see pageProducts
func (a *API) listProducts(w http.ResponseWriter, r *http.Request) error {
	if versionOf(r) >= v3 {
		return a.pageProducts(w, r)
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	c := handlers.CallerOf(r)
	return stream(w, r, func(after uuid.UUID) ([]*product, uuid.UUID, error) {
		rows, err := a.reads.Products(r.Context(), c.Ledger, projections.CatalogFilter{}, projections.Keyset{After: after, Limit: streamPage})
		if err != nil {
			return nil, after, err
		}
		return pageOf(rows, after, func(p projections.Product) (*product, uuid.UUID) { return fromProduct(c, p, nil), p.ID })
	})
}

// readProduct serves GET /products/{productUuid}.
//
//	in   expand
//	out  200 Product | 400 | 404
func (a *API) readProduct(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	allowed := productExpandable
	if versionOf(r) >= v3 {
		allowed = productExpandableV3
	}
	e := readExpand(q, allowed)
	if err := q.Err(); err != nil {
		return err
	}
	if err := a.begin(w, r); err != nil {
		return err
	}
	row, err := a.findProduct(r, handlers.PathUUID(r, "productUuid"))
	if err != nil {
		return err
	}
	out, err := a.related(r).product(row, e)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, out)
}

func (a *API) findProduct(r *http.Request, id uuid.UUID) (projections.Product, error) {
	ledger := handlers.CallerOf(r).Ledger
	return sought(r.Context(), a, ledger, func() (projections.Product, error) { return a.reads.Product(r.Context(), ledger, id) })
}

// pageOf turns rows into items of a stream.
func pageOf[A, B any](rows []A, after uuid.UUID, out func(A) (B, uuid.UUID)) ([]B, uuid.UUID, error) {
	items := make([]B, len(rows))
	for i, row := range rows {
		items[i], after = out(row)
	}
	return items, after, nil
}
