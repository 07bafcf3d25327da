package salable

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	coreinvoice "github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// invoiceLines are Stripe's lines of an invoice, all of them.
type invoiceLines struct {
	Object     string        `json:"object"`
	Data       []invoiceLine `json:"data"`
	HasMore    bool          `json:"has_more"`
	TotalCount int           `json:"total_count"`
	URL        string        `json:"url"` // where they are, with their invoice
}

// lineMetadata is what Stripe's shape has no field for.
type lineMetadata struct {
	Kind     string `json:"kind"`
	Quantity string `json:"quantity"`
}

type invoiceLine struct {
	ID                     uuid.UUID        `json:"id"`
	Object                 string           `json:"object"`
	Amount                 int64            `json:"amount"`
	AmountExcludingTax     *int64           `json:"amount_excluding_tax"` // null: it includes a tax
	Currency               string           `json:"currency"`
	Description            string           `json:"description"`
	DiscountAmounts        []discountAmount `json:"discount_amounts"`
	Discountable           bool             `json:"discountable"`
	Discounts              []uuid.UUID      `json:"discounts"`
	InvoiceItem            null             `json:"invoice_item"`
	Livemode               bool             `json:"livemode"`
	Metadata               lineMetadata     `json:"metadata"`
	Period                 seconds          `json:"period"`
	Plan                   null             `json:"plan"` // what Stripe had before prices
	Price                  price            `json:"price"`
	Proration              bool             `json:"proration"`
	ProrationDetails       prorationDetails `json:"proration_details"`
	Quantity               int64            `json:"quantity"` // cut; metadata has the exact one
	Subscription           uuid.UUID        `json:"subscription"`
	SubscriptionItem       null             `json:"subscription_item"`
	TaxAmounts             []taxAmount      `json:"tax_amounts"`
	TaxRates               []taxRate        `json:"tax_rates"`
	Type                   string           `json:"type"`
	UnitAmountExcludingTax *string          `json:"unit_amount_excluding_tax"`
}

type seconds struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

type prorationDetails struct {
	CreditedItems null `json:"credited_items"`
}

type taxRate struct {
	ID         uuid.UUID   `json:"id"`
	Object     string      `json:"object"`
	Inclusive  bool        `json:"inclusive"`
	Percentage jsonDecimal `json:"percentage"`
}

// jsonDecimal is a decimal as a JSON number.
type jsonDecimal decimal.Decimal

// MarshalJSON implements json.Marshaler.
func (d jsonDecimal) MarshalJSON() ([]byte, error) { return []byte(decimal.Decimal(d).String()), nil }

// price is Stripe's Price: one of a plan's, in the version that was bought.
type price struct {
	ID                string            `json:"id"` // plan, version and key
	Object            string            `json:"object"`
	Active            bool              `json:"active"`
	BillingScheme     string            `json:"billing_scheme"`
	Created           int64             `json:"created"` // the plan
	Currency          string            `json:"currency"`
	CustomUnitAmount  null              `json:"custom_unit_amount"`
	Livemode          bool              `json:"livemode"`
	LookupKey         null              `json:"lookup_key"`
	Metadata          map[string]string `json:"metadata"`
	Nickname          string            `json:"nickname"`
	Product           uuid.UUID         `json:"product"`
	Recurring         recurring         `json:"recurring"`
	TaxBehavior       string            `json:"tax_behavior"`
	TiersMode         null              `json:"tiers_mode"`
	TransformQuantity null              `json:"transform_quantity"`
	Type              string            `json:"type"`
	UnitAmount        int64             `json:"unit_amount"`         // rounded; of tiers the average
	UnitAmountDecimal *string           `json:"unit_amount_decimal"` // exact; null for tiers
}

type recurring struct {
	AggregateUsage  null   `json:"aggregate_usage"`
	Interval        string `json:"interval"`
	IntervalCount   int    `json:"interval_count"`
	Meter           null   `json:"meter"`
	TrialPeriodDays null   `json:"trial_period_days"`
	UsageType       string `json:"usage_type"`
}

// invoices shows invoices of one subscription: one question each for who pays, for the plans, and for who asks.
func (x related) invoices(of projections.Subscription, rows []projections.Invoice) ([]*invoice, error) {
	if len(rows) == 0 {
		return []*invoice{}, nil
	}
	seller, err := x.store.Organisation(x.ctx, x.caller.Organisation)
	if err != nil {
		return nil, err
	}
	var payers, plans []uuid.UUID
	for i := range rows {
		if id := rows[i].CustomerID; id != nil {
			payers = append(payers, *id)
		}
		for _, l := range rows[i].Lines {
			plans = append(plans, l.PlanID)
		}
	}
	known, err := byID(payers, func(ids []uuid.UUID) ([]payer, error) {
		return x.reads.Customers(x.ctx, of.LedgerID, projections.CustomerFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(c payer) uuid.UUID { return c.ID })
	if err != nil {
		return nil, err
	}
	sold, err := byID(plans, func(ids []uuid.UUID) ([]projections.Plan, error) {
		return x.reads.Plans(x.ctx, of.LedgerID, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(p projections.Plan) uuid.UUID { return p.ID })
	if err != nil {
		return nil, err
	}
	out := make([]*invoice, len(rows))
	for i := range rows {
		var c *payer
		if id := rows[i].CustomerID; id != nil {
			if found, ok := known[*id]; ok {
				c = &found
			}
		}
		if out[i], err = x.invoice(&rows[i], &of, c, sold); err != nil {
			return nil, err
		}
		out[i].AccountName = seller.Name
	}
	return out, nil
}

func (x related) invoice(row *projections.Invoice, of *projections.Subscription, c *payer, sold map[uuid.UUID]projections.Plan) (*invoice, error) {
	out, live := fromInvoice(row, of, c), !x.caller.Test()
	out.Livemode = live
	out.Lines = invoiceLines{Object: "list", Data: []invoiceLine{}, TotalCount: len(row.Lines), URL: "/subscriptions/" + of.ID.String() + "/invoices"}
	for i := range row.Lines {
		l := &row.Lines[i]
		p, ok := sold[l.PlanID]
		if !ok {
			return nil, fmt.Errorf("invoice %s: plan %s is not known", row.ID, l.PlanID)
		}
		line := fromLine(l, &p)
		line.Currency, line.Price.Currency, line.Livemode, line.Price.Livemode = out.Currency, out.Currency, live, live
		out.Lines.Data = append(out.Lines.Data, line)
	}
	var err error
	out.HostedInvoiceURL, out.InvoicePDF, err = x.links.Invoice(x.base, x.caller.Ledger, row.ID, x.caller.Test(), x.now().Add(linkTime))
	return out, err
}

func fromLine(l *coreinvoice.Line, p *projections.Plan) invoiceLine {
	out := invoiceLine{
		ID: l.ID, Object: "line_item", Amount: l.Amount, AmountExcludingTax: &l.Amount, Description: l.Description, DiscountAmounts: []discountAmount{},
		Discountable: l.Reverses == nil, Discounts: []uuid.UUID{}, Metadata: lineMetadata{l.Kind, handlers.PlainQuantity(l.Quantity)},
		Period:    seconds{l.Period.Start.Unix(), l.Period.End.Unix()},
		Proration: l.Kind == coreinvoice.KindCredit || l.Kind == coreinvoice.KindDebit, Quantity: whole(l.Quantity), Subscription: l.SubscriptionID,
		TaxAmounts: []taxAmount{}, TaxRates: []taxRate{}, Type: "subscription", Price: fromPrice(l, p),
	}
	out.UnitAmountExcludingTax = out.Price.UnitAmountDecimal
	for _, d := range l.Discounts {
		out.DiscountAmounts, out.Discounts = append(out.DiscountAmounts, discountAmount{d.Amount, d.CouponID}), append(out.Discounts, d.CouponID)
	}
	for _, t := range l.Taxes {
		out.TaxAmounts = append(out.TaxAmounts, taxAmount{t.Amount, t.Inclusive, t.TaxRateID, nil, t.Taxable})
		out.TaxRates = append(out.TaxRates, taxRate{t.TaxRateID, "tax_rate", t.Inclusive, jsonDecimal(t.Percentage)})
		out.Price.TaxBehavior = "exclusive"
		if t.Inclusive {
			out.AmountExcludingTax, out.UnitAmountExcludingTax, out.Price.TaxBehavior = nil, nil, "inclusive"
		}
	}
	return out
}

func fromPrice(l *coreinvoice.Line, p *projections.Plan) price {
	out := price{
		ID: fmt.Sprintf("%s/%d/%s", l.PlanID, l.PlanVersion, l.PriceKey), Object: "price", Active: p.ArchivedAt == nil && p.PlanVersion == l.PlanVersion,
		BillingScheme: "per_unit", Created: p.CreatedAt.Unix(), Metadata: map[string]string{}, Nickname: l.PriceKey, Product: l.ProductID,
		Recurring:   recurring{Interval: p.Fields.Interval, IntervalCount: p.Fields.Length, UsageType: "licensed"},
		TaxBehavior: "unspecified", Type: "recurring", UnitAmount: unitOf(l),
	}
	if l.Kind == coreinvoice.KindUsage || l.Kind == coreinvoice.KindAdjustment {
		out.Recurring.UsageType = "metered"
	}
	switch {
	case l.UnitAmount != nil:
		exact := l.UnitAmount.String()
		out.UnitAmountDecimal = &exact
	case l.Kind != coreinvoice.KindMinimum:
		out.BillingScheme = "tiered"
	}
	return out
}
