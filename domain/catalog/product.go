package catalog

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Product is the fold of a product's stream.
type Product struct {
	domain.Record
	Fields     ProductFields
	Archived   bool
	ArchivedAt time.Time
}

// Apply implements domain.State.
func (p *Product) Apply(e domain.Event) {
	switch e := e.(type) {
	case ProductCreated:
		p.Fields = e.ProductFields
	case ProductChanged:
		p.Fields = e.ProductFields
	case ProductArchived:
		p.Archived, p.ArchivedAt = true, p.Effective
	}
}

// DefaultCurrency is the one marked as such, else the first, else none.
func (p *Product) DefaultCurrency() string {
	for _, c := range p.Fields.Currencies {
		if c.Default {
			return c.Currency
		}
	}
	if len(p.Fields.Currencies) > 0 {
		return p.Fields.Currencies[0].Currency
	}
	return ""
}

// Offers tells whether the product is offered in a currency; one without currencies is, in each.
func (p *Product) Offers(currency string) bool {
	return len(p.Fields.Currencies) == 0 ||
		slices.ContainsFunc(p.Fields.Currencies, func(c ProductCurrency) bool { return c.Currency == currency })
}

// ProductView is a product as its commands answer it.
type ProductView struct {
	ID uuid.UUID `json:"id"`
	ProductFields
	Status     string     `json:"status"` // ACTIVE, DEPRECATED
	ArchivedAt *time.Time `json:"archived_at,omitempty"`
	Version    int64      `json:"version"` // of the stream
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

// View shows the product.
func (p *Product) View() ProductView {
	v := ProductView{ID: p.ID, ProductFields: p.Fields, Status: statusOf(p.Archived),
		Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
	v.Currencies = slices.Clone(p.Fields.Currencies)
	if p.Archived {
		at := p.ArchivedAt
		v.ArchivedAt = &at
	}
	return v
}

// ProductPatch sets some of a product's fields: nil leaves one (rule C6), the empty text removes an
// optional text.
type ProductPatch struct {
	Name               *string
	Slug               *string
	DisplayName        *string
	Description        *string
	LogoURL            *string
	AppType            *string
	Paid               *bool
	PaymentIntegration *string
	Currencies         *[]ProductCurrency
}

// Apply sets the patch's fields in f.
func (p ProductPatch) Apply(f *ProductFields) {
	set(&f.Name, p.Name)
	set(&f.Slug, p.Slug)
	set(&f.DisplayName, p.DisplayName)
	setText(&f.Description, p.Description)
	setText(&f.LogoURL, p.LogoURL)
	setText(&f.AppType, p.AppType)
	set(&f.Paid, p.Paid)
	set(&f.PaymentIntegration, p.PaymentIntegration)
	set(&f.Currencies, p.Currencies)
}

// Fields are the fields of a new product: the defaults, then the patch.
func (p ProductPatch) Fields() ProductFields {
	var f ProductFields
	p.Apply(&f)
	return f
}

// check normalises f and lists what is wrong with it.
func (f *ProductFields) check() (bad domain.Problems) {
	orDefault(&f.PaymentIntegration, "free")
	bad.Line("/name", "bad_name", f.Name)
	bad.Line("/displayName", "bad_display_name", f.DisplayName)
	orDefault(&f.Slug, snake(f.DisplayName))
	bad.Line("/slug", "bad_slug", f.Slug)
	bad.OptionalText("/description", "bad_description", f.Description)
	bad.OptionalLine("/logoUrl", "bad_url", f.LogoURL, 2048)
	bad.OptionalLine("/appType", "bad_app_type", f.AppType, domain.MaxName)
	bad.Line("/paymentIntegration", "bad_payment_integration", f.PaymentIntegration)
	f.Currencies = append([]ProductCurrency{}, f.Currencies...)
	defaults, seen := 0, map[string]bool{}
	for i := range f.Currencies {
		c := &f.Currencies[i]
		currency(&bad, fmt.Sprintf("/currencies/%d/currency", i), &c.Currency)
		if seen[c.Currency] {
			bad.Add(fmt.Sprintf("/currencies/%d/currency", i), "duplicate_currency", "%s comes twice", c.Currency)
		}
		seen[c.Currency] = true
		if c.Default {
			if defaults++; defaults == 2 {
				bad.Add(fmt.Sprintf("/currencies/%d/default", i), "second_default", "a product has one default currency") // rule C2
			}
		}
	}
	return bad
}

// CreateProduct answers ProductView. An empty slug is derived from the display name; a chosen one is
// unique among products (slug_taken).
type CreateProduct struct{ Fields ProductFields }

// Decide implements domain.Command.
func (c CreateProduct) Decide(l domain.Ledger) (any, error) {
	f, chosen := c.Fields, c.Fields.Slug != ""
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	id := l.NewID()
	if chosen {
		claimSlug(l, "product.slug", f.Slug, id)
	}
	l.Append(id, ProductCreated{f})
	return answer[*Product](l, id)
}

// ChangeProduct answers ProductView; a change that changes nothing makes no event.
type ChangeProduct struct {
	ID    uuid.UUID
	Patch ProductPatch
}

// Decide implements domain.Command.
func (c ChangeProduct) Decide(l domain.Ledger) (any, error) {
	p, err := domain.LoadAs[*Product](l, c.ID, "no_product")
	if err != nil {
		return nil, err
	}
	f := p.Fields
	c.Patch.Apply(&f)
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	if same(f, p.Fields) {
		return p.View(), nil
	}
	if p.Archived {
		return nil, refuseArchived("product")
	}
	if f.Slug != p.Fields.Slug {
		claimSlug(l, "product.slug", f.Slug, c.ID)
	}
	l.Append(c.ID, ProductChanged{f})
	return answer[*Product](l, c.ID)
}

// ArchiveProduct ends the sale of a product with all its plans (rule C3). It answers ProductView;
// twice makes no event.
type ArchiveProduct struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchiveProduct) Decide(l domain.Ledger) (any, error) {
	p, err := domain.LoadAs[*Product](l, c.ID, "no_product")
	if err != nil {
		return nil, err
	}
	if !p.Archived {
		l.Append(c.ID, ProductArchived{})
	}
	return answer[*Product](l, c.ID)
}

// ofProduct loads the product that a new item names.
func ofProduct(l domain.Ledger, id uuid.UUID) (*Product, error) {
	p, err := domain.LoadAs[*Product](l, id, "no_product")
	if err == nil && p.Archived {
		return nil, refuseArchived("product")
	}
	return p, err
}
