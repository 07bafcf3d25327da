package projections

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/eventstore"
)

// ItemKey is a row that has an id of its own in a ledger.
type ItemKey struct {
	LedgerID uuid.UUID `db:"ledger_id"`
	ID       uuid.UUID `db:"id"`
}

// Key implements Keyed.
func (k ItemKey) Key() ItemKey { return k }

// Touched says which event changed a row last. All times UTC.
type Touched struct {
	Version   int64     `db:"version"`  // of the stream; the ETag
	Position  int64     `db:"position"` // in the ledger
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// by moves it on; a zero Touched begins with e.
func (t Touched) by(e *eventstore.Recorded) Touched {
	if t.Position == 0 {
		t.CreatedAt = e.RecordedAt
	}
	t.Version, t.Position, t.UpdatedAt = e.Version, e.Position, e.RecordedAt
	return t
}

// Status of a catalog item; a feature may also be COMING_SOON.
const (
	ItemActive     = "ACTIVE"
	ItemDeprecated = "DEPRECATED" // archived
)

// Product is a product's row. Fields.Currencies are its offers.
type Product struct {
	ItemKey
	Name       string                `db:"name"`
	Slug       string                `db:"slug"`
	Status     string                `db:"status"`
	Fields     catalog.ProductFields `db:"fields"`
	ArchivedAt *time.Time            `db:"archived_at"`
	Touched
}

// Plan is a plan's row; its relations are in Fields, by id.
type Plan struct {
	ItemKey
	ProductID   uuid.UUID          `db:"product_id"`
	Name        string             `db:"name"`
	Slug        string             `db:"slug"`
	PlanVersion int                `db:"plan_version"` // rule C5; 1 at first
	Status      string             `db:"status"`
	Fields      catalog.PlanFields `db:"fields"`
	ArchivedAt  *time.Time         `db:"archived_at"`
	Touched
}

// Feature is a feature's row with its enum options.
type Feature struct {
	ItemKey
	ProductID  uuid.UUID             `db:"product_id"`
	Status     string                `db:"status"`
	Fields     catalog.FeatureFields `db:"fields"`
	ArchivedAt *time.Time            `db:"archived_at"`
	Touched
}

// Capability is a capability's row.
type Capability struct {
	ItemKey
	ProductID  uuid.UUID                `db:"product_id"`
	Name       string                   `db:"name"`
	Status     string                   `db:"status"`
	Fields     catalog.CapabilityFields `db:"fields"`
	ArchivedAt *time.Time               `db:"archived_at"`
	Touched
}

// Meter is a meter's row.
type Meter struct {
	ItemKey
	MeterKey   string              `db:"key"`
	Status     string              `db:"status"`
	Fields     catalog.MeterFields `db:"fields"`
	ArchivedAt *time.Time          `db:"archived_at"`
	Touched
}

// Coupon is a coupon's row.
type Coupon struct {
	ItemKey
	Code        string               `db:"code"`
	Status      string               `db:"status"`
	Redemptions int                  `db:"redemptions"`
	Fields      catalog.CouponFields `db:"fields"`
	ArchivedAt  *time.Time           `db:"archived_at"`
	Touched
}

// TaxRate is a tax rate's row.
type TaxRate struct {
	ItemKey
	Status     string                `db:"status"`
	Fields     catalog.TaxRateFields `db:"fields"`
	ArchivedAt *time.Time            `db:"archived_at"`
	Touched
}

// PricingTable is a pricing table's row; what it shows is in Fields, by id.
type PricingTable struct {
	ItemKey
	ProductID  uuid.UUID                  `db:"product_id"`
	Status     string                     `db:"status"`
	Fields     catalog.PricingTableFields `db:"fields"`
	ArchivedAt *time.Time                 `db:"archived_at"`
	Touched
}

// Catalog is the read model of what is sold.
func Catalog() *Model {
	products := NewTable[ItemKey, Product]("products")
	plans := NewTable[ItemKey, Plan]("plans")
	features := NewTable[ItemKey, Feature]("features")
	capabilities := NewTable[ItemKey, Capability]("capabilities")
	meters := NewTable[ItemKey, Meter]("meters")
	coupons := NewTable[ItemKey, Coupon]("coupons")
	rates := NewTable[ItemKey, TaxRate]("tax_rates")
	tables := NewTable[ItemKey, PricingTable]("pricing_tables")

	product := func(p *Page, e *eventstore.Recorded, f catalog.ProductFields) {
		row, _ := products.Get(p, key(e))
		products.Put(p, Product{ItemKey: key(e), Name: f.Name, Slug: f.Slug, Status: either(row.ArchivedAt),
			Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	plan := func(p *Page, e *eventstore.Recorded, f catalog.PlanFields, version int) {
		row, _ := plans.Get(p, key(e))
		plans.Put(p, Plan{ItemKey: key(e), ProductID: f.ProductID, Name: f.Name, Slug: f.Slug, PlanVersion: version,
			Status: either(row.ArchivedAt), Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	feature := func(p *Page, e *eventstore.Recorded, f catalog.FeatureFields) {
		row, _ := features.Get(p, key(e))
		status := f.Status
		if status == "" || row.ArchivedAt != nil {
			status = either(row.ArchivedAt)
		}
		features.Put(p, Feature{ItemKey: key(e), ProductID: f.ProductID, Status: status,
			Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	capability := func(p *Page, e *eventstore.Recorded, f catalog.CapabilityFields) {
		row, _ := capabilities.Get(p, key(e))
		capabilities.Put(p, Capability{ItemKey: key(e), ProductID: f.ProductID, Name: f.Name,
			Status: either(row.ArchivedAt), Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	meter := func(p *Page, e *eventstore.Recorded, f catalog.MeterFields) {
		row, _ := meters.Get(p, key(e))
		meters.Put(p, Meter{ItemKey: key(e), MeterKey: f.Key, Status: either(row.ArchivedAt),
			Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	coupon := func(p *Page, e *eventstore.Recorded, f catalog.CouponFields) {
		row, _ := coupons.Get(p, key(e))
		coupons.Put(p, Coupon{ItemKey: key(e), Code: f.Code, Status: either(row.ArchivedAt), Redemptions: row.Redemptions,
			Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	rate := func(p *Page, e *eventstore.Recorded, f catalog.TaxRateFields) {
		row, _ := rates.Get(p, key(e))
		rates.Put(p, TaxRate{ItemKey: key(e), Status: either(row.ArchivedAt), Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}
	pricingTable := func(p *Page, e *eventstore.Recorded, f catalog.PricingTableFields) {
		row, _ := tables.Get(p, key(e))
		tables.Put(p, PricingTable{ItemKey: key(e), ProductID: f.ProductID, Status: either(row.ArchivedAt),
			Fields: f, ArchivedAt: row.ArchivedAt, Touched: row.by(e)})
	}

	return newModel("catalog", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case catalog.ProductCreated:
			product(p, e, d.ProductFields)
		case catalog.ProductChanged:
			product(p, e, d.ProductFields)
		case catalog.ProductArchived:
			row := products.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			products.Put(p, row)
		case catalog.PlanCreated:
			plan(p, e, d.PlanFields, 1)
		case catalog.PlanChanged:
			plan(p, e, d.PlanFields, d.Version)
		case catalog.PlanArchived:
			row := plans.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			plans.Put(p, row)
		case catalog.FeatureCreated:
			feature(p, e, d.FeatureFields)
		case catalog.FeatureChanged:
			feature(p, e, d.FeatureFields)
		case catalog.FeatureArchived:
			row := features.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			features.Put(p, row)
		case catalog.CapabilityCreated:
			capability(p, e, d.CapabilityFields)
		case catalog.CapabilityChanged:
			capability(p, e, d.CapabilityFields)
		case catalog.CapabilityArchived:
			row := capabilities.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			capabilities.Put(p, row)
		case catalog.MeterCreated:
			meter(p, e, d.MeterFields)
		case catalog.MeterChanged:
			meter(p, e, d.MeterFields)
		case catalog.MeterArchived:
			row := meters.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			meters.Put(p, row)
		case catalog.CouponCreated:
			coupon(p, e, d.CouponFields)
		case catalog.CouponChanged:
			coupon(p, e, d.CouponFields)
		case catalog.CouponRedeemed:
			row := coupons.Must(p, key(e))
			row.Redemptions, row.Touched = row.Redemptions+1, row.by(e)
			coupons.Put(p, row)
		case catalog.CouponArchived:
			row := coupons.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			coupons.Put(p, row)
		case catalog.TaxRateCreated:
			rate(p, e, d.TaxRateFields)
		case catalog.TaxRateChanged:
			rate(p, e, d.TaxRateFields)
		case catalog.TaxRateArchived:
			row := rates.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			rates.Put(p, row)
		case catalog.PricingTableCreated:
			pricingTable(p, e, d.PricingTableFields)
		case catalog.PricingTableChanged:
			pricingTable(p, e, d.PricingTableFields)
		case catalog.PricingTableArchived:
			row := tables.Must(p, key(e))
			row.Status, row.ArchivedAt, row.Touched = ItemDeprecated, &e.RecordedAt, row.by(e)
			tables.Put(p, row)
		}
	}, products, plans, features, capabilities, meters, coupons, rates, tables)
}

// key is the row of the event's own stream.
func key(e *eventstore.Recorded) ItemKey { return ItemKey{LedgerID: e.Ledger, ID: e.Stream} }

func either(archived *time.Time) string {
	if archived != nil {
		return ItemDeprecated
	}
	return ItemActive
}

// CatalogFilter narrows a list of catalog items; zero fields do not.
type CatalogFilter struct {
	IDs       []uuid.UUID // these alone; unknown ones are left out
	ProductID uuid.UUID   // not for products, meters, coupons and tax rates
	Status    string
	Archived  *bool // nil: both
}

func (f CatalogFilter) where(ledger uuid.UUID, k Keyset) *where {
	w := within(ledger).and("i.ledger_id = @ledger").after("i", k)
	if f.IDs != nil {
		w.with("ids", f.IDs, "i.id = any(@ids)")
	}
	if f.ProductID != uuid.Nil {
		w.with("product", f.ProductID, "i.product_id = @product")
	}
	if f.Status != "" {
		w.with("status", f.Status, "i.status = @status")
	}
	if f.Archived != nil {
		w.with("archived", *f.Archived, "(i.archived_at is not null) = @archived")
	}
	return w
}

// Product refuses with no_product.
func (r *Reads) Product(ctx context.Context, ledger, id uuid.UUID) (Product, error) {
	return item[Product](ctx, r, ledger, id, "products", "no_product")
}

// Products lists products in order of id.
func (r *Reads) Products(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]Product, error) {
	f.ProductID = uuid.Nil
	return items[Product](ctx, r, ledger, f, k, "products")
}

// Plan refuses with no_plan.
func (r *Reads) Plan(ctx context.Context, ledger, id uuid.UUID) (Plan, error) {
	return item[Plan](ctx, r, ledger, id, "plans", "no_plan")
}

// Plans lists plans in order of id.
func (r *Reads) Plans(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]Plan, error) {
	return items[Plan](ctx, r, ledger, f, k, "plans")
}

// Feature refuses with no_feature.
func (r *Reads) Feature(ctx context.Context, ledger, id uuid.UUID) (Feature, error) {
	return item[Feature](ctx, r, ledger, id, "features", "no_feature")
}

// Features lists features in order of id.
func (r *Reads) Features(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]Feature, error) {
	return items[Feature](ctx, r, ledger, f, k, "features")
}

// Capability refuses with no_capability.
func (r *Reads) Capability(ctx context.Context, ledger, id uuid.UUID) (Capability, error) {
	return item[Capability](ctx, r, ledger, id, "capabilities", "no_capability")
}

// Capabilities lists capabilities in order of id.
func (r *Reads) Capabilities(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]Capability, error) {
	return items[Capability](ctx, r, ledger, f, k, "capabilities")
}

// Meter refuses with no_meter.
func (r *Reads) Meter(ctx context.Context, ledger, id uuid.UUID) (Meter, error) {
	return item[Meter](ctx, r, ledger, id, "meters", "no_meter")
}

// MeterByKey finds the newest meter of a key; it refuses with no_meter.
func (r *Reads) MeterByKey(ctx context.Context, ledger uuid.UUID, meterKey string) (Meter, error) {
	w := within(ledger).with("key", meterKey, "i.ledger_id = @ledger and i.key = @key")
	return one[Meter](ctx, r, ledger, "select i.* from meters i where "+w.String()+" order by i.id desc limit 1", w.args,
		domain.Refuse(domain.NotFound, "no_meter", "no meter %q", meterKey))
}

// Meters lists meters in order of id.
func (r *Reads) Meters(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]Meter, error) {
	f.ProductID = uuid.Nil
	return items[Meter](ctx, r, ledger, f, k, "meters")
}

// Coupon refuses with no_coupon.
func (r *Reads) Coupon(ctx context.Context, ledger, id uuid.UUID) (Coupon, error) {
	return item[Coupon](ctx, r, ledger, id, "coupons", "no_coupon")
}

// CouponByCode finds the coupon of a code; it refuses with no_coupon.
func (r *Reads) CouponByCode(ctx context.Context, ledger uuid.UUID, code string) (Coupon, error) {
	w := within(ledger).with("code", code, "i.ledger_id = @ledger and i.code = @code")
	return one[Coupon](ctx, r, ledger, "select i.* from coupons i where "+w.String(), w.args,
		domain.Refuse(domain.NotFound, "no_coupon", "no coupon has this code"))
}

// Coupons lists coupons in order of id.
func (r *Reads) Coupons(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]Coupon, error) {
	f.ProductID = uuid.Nil
	return items[Coupon](ctx, r, ledger, f, k, "coupons")
}

// TaxRate refuses with no_tax_rate.
func (r *Reads) TaxRate(ctx context.Context, ledger, id uuid.UUID) (TaxRate, error) {
	return item[TaxRate](ctx, r, ledger, id, "tax_rates", "no_tax_rate")
}

// TaxRates lists tax rates in order of id.
func (r *Reads) TaxRates(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]TaxRate, error) {
	f.ProductID = uuid.Nil
	return items[TaxRate](ctx, r, ledger, f, k, "tax_rates")
}

// PricingTable refuses with no_pricing_table.
func (r *Reads) PricingTable(ctx context.Context, ledger, id uuid.UUID) (PricingTable, error) {
	return item[PricingTable](ctx, r, ledger, id, "pricing_tables", "no_pricing_table")
}

// PricingTables lists pricing tables in order of id.
func (r *Reads) PricingTables(ctx context.Context, ledger uuid.UUID, f CatalogFilter, k Keyset) ([]PricingTable, error) {
	return items[PricingTable](ctx, r, ledger, f, k, "pricing_tables")
}

func item[T any](ctx context.Context, r *Reads, ledger, id uuid.UUID, table, code string) (T, error) {
	w := within(ledger).with("id", id, "i.ledger_id = @ledger and i.id = @id")
	return one[T](ctx, r, ledger, "select i.* from "+table+" i where "+w.String(), w.args,
		domain.Refuse(domain.NotFound, code, "%s is not known here", id))
}

func items[T any](ctx context.Context, r *Reads, ledger uuid.UUID, f CatalogFilter, k Keyset, table string) ([]T, error) {
	w := f.where(ledger, k)
	return query[T](ctx, r, ledger, "select i.* from "+table+" i where "+w.String()+k.tail("i"), w.args)
}
