package handlers

import (
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
)

// invoiceBody is an invoice on the wire. Amounts are minor units of its currency.
type invoiceBody struct {
	UUID             uuid.UUID        `json:"uuid"`
	Number           *string          `json:"number"` // null: it is a draft, or was discarded as one
	Status           string           `json:"status"`
	CustomerUUID     *uuid.UUID       `json:"customerUuid"`
	SubscriptionUUID *uuid.UUID       `json:"subscriptionUuid"`
	Currency         string           `json:"currency"`
	Reason           string           `json:"reason"`
	DebitNoteOf      *uuid.UUID       `json:"debitNoteOf"` // the invoice that it adds to
	Period           *period.Period   `json:"period"`      // that a period's invoice is for
	IssuedAt         *time.Time       `json:"issuedAt"`
	DueAt            *time.Time       `json:"dueAt"`
	Subtotal         int64            `json:"subtotal"`
	DiscountTotal    int64            `json:"discountTotal"`
	TaxTotal         int64            `json:"taxTotal"` // inclusive taxes too
	Total            int64            `json:"total"`
	BalanceApplied   int64            `json:"balanceApplied"`
	AmountDue        int64            `json:"amountDue"`
	AmountPaid       int64            `json:"amountPaid"`
	Credited         int64            `json:"credited"` // what credit notes lower the debt by
	Lines            []lineBody       `json:"lines"`
	CreditNotes      []creditNoteBody `json:"creditNotes"`
	Payments         []paymentBody    `json:"payments"`
	TaxExempt        *exemption       `json:"taxExempt"`
	Document         *documentBody    `json:"document"` // null: nobody asked for its PDF file yet
	Version          int64            `json:"version"`  // of the stream; the ETag
	Position         int64            `json:"position"` // of its last event
	CreatedAt        time.Time        `json:"createdAt"`
	UpdatedAt        time.Time        `json:"updatedAt"`
	Preview          *previewBody     `json:"preview,omitempty"` // of a dry run
}

type documentBody struct {
	SHA256     string    `json:"sha256"`
	Template   int       `json:"template"`
	RenderedAt time.Time `json:"renderedAt"`
	Size       int64     `json:"size"`
}

type lineBody struct {
	UUID             uuid.UUID      `json:"uuid"`
	Kind             string         `json:"kind"`
	Description      string         `json:"description"`
	SubscriptionUUID uuid.UUID      `json:"subscriptionUuid"`
	PlanUUID         uuid.UUID      `json:"planUuid"`
	PlanVersion      int            `json:"planVersion"`
	PriceKey         string         `json:"priceKey"`
	Quantity         string         `json:"quantity"`
	UnitAmount       *string        `json:"unitAmount"` // null: the price has tiers
	Amount           int64          `json:"amount"`
	DiscountAmount   int64          `json:"discountAmount"`
	TaxAmount        int64          `json:"taxAmount"`
	NetAmount        int64          `json:"netAmount"`   // less discounts and the taxes that are in it: what is earned
	GrossAmount      int64          `json:"grossAmount"` // with all taxes: what is asked for
	Period           period.Period  `json:"period"`
	ProrationMode    *string        `json:"prorationMode"`
	Reverses         *uuid.UUID     `json:"reverses"`
	Discounts        []discountBody `json:"discounts"`
	Taxes            []taxBody      `json:"taxes"`
	Events           []int64        `json:"events"`
}

type discountBody struct {
	Coupon string `json:"coupon"` // its code
	Amount int64  `json:"amount"`
}

type taxBody struct {
	TaxRate    uuid.UUID `json:"taxRate"`
	Percentage string    `json:"percentage"`
	Taxable    int64     `json:"taxable"`
	Amount     int64     `json:"amount"`
	Inclusive  bool      `json:"inclusive"`
}

type creditNoteBody struct {
	UUID        uuid.UUID          `json:"uuid"`
	InvoiceUUID uuid.UUID          `json:"invoiceUuid"`
	Number      string             `json:"number"`
	Currency    string             `json:"currency"`
	Reason      *string            `json:"reason"`
	Amount      int64              `json:"amount"` // of the lines, taxes included
	LowersDebt  int64              `json:"lowersDebt"`
	ToBalance   int64              `json:"toBalance"`
	Lines       []creditedLineBody `json:"lines"`
	IssuedAt    time.Time          `json:"issuedAt"`
	Preview     *previewBody       `json:"preview,omitempty"` // of a dry run
}

type creditedLineBody struct {
	LineUUID uuid.UUID `json:"lineUuid"`
	Amount   int64     `json:"amount"` // taxes included
	Tax      int64     `json:"tax"`
}

type paymentBody struct {
	UUID      uuid.UUID `json:"uuid"`
	Amount    int64     `json:"amount"`
	Method    *string   `json:"method"`
	Reference *string   `json:"reference"`
	PaidAt    time.Time `json:"paidAt"`
}

// invoiceOut shows an invoice but for its position, which a preview has none of.
func invoiceOut(v invoice.View) invoiceBody {
	d := v.Drafted
	out := invoiceBody{
		UUID: v.ID, Number: textOrNull(v.Number), Status: v.Status, CustomerUUID: d.CustomerID, SubscriptionUUID: d.SubscriptionID, Currency: d.Currency,
		Reason: d.Reason, DebitNoteOf: d.DebitNoteOf, Period: d.Period, IssuedAt: v.IssuedAt, DueAt: v.DueAt, Subtotal: d.Subtotal, DiscountTotal: d.DiscountTotal, TaxTotal: d.TaxTotal,
		Total: d.Total, BalanceApplied: v.BalanceApplied, AmountDue: v.AmountDue, AmountPaid: v.AmountPaid, Lines: each(d.Lines, lineOut),
		CreditNotes: each(v.CreditNotes, func(n invoice.CreditNote) creditNoteBody { return creditNoteOut(v, n) }), Payments: each(v.Payments, paymentOut), Version: v.Version, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
	for _, n := range v.CreditNotes {
		out.Credited += n.LowersDebt
	}
	if d.TaxExempt != "" {
		out.TaxExempt = &exemption{d.TaxExempt}
	}
	if p := v.Document; p != nil {
		out.Document = &documentBody{p.SHA256, p.Template, p.RenderedAt, p.Size}
	}
	return out
}

func lineOut(l invoice.Line) lineBody {
	sums := l.Sums()
	out := lineBody{
		DiscountAmount: sums.Discount, TaxAmount: sums.Tax, NetAmount: sums.Net, GrossAmount: sums.Gross,
		UUID: l.ID, Kind: l.Kind, Description: l.Description, SubscriptionUUID: l.SubscriptionID, PlanUUID: l.PlanID, PlanVersion: l.PlanVersion,
		PriceKey: l.PriceKey, Quantity: PlainQuantity(l.Quantity), Amount: l.Amount, Period: l.Period, ProrationMode: textOrNull(l.ProrationMode),
		Reverses: l.Reverses, Events: l.Events,
		Discounts: each(l.Discounts, func(d invoice.Discount) discountBody { return discountBody{d.Code, d.Amount} }),
		Taxes: each(l.Taxes, func(t invoice.Tax) taxBody {
			return taxBody{t.TaxRateID, t.Percentage.String(), t.Taxable, t.Amount, t.Inclusive}
		}),
	}
	if out.Events == nil {
		out.Events = []int64{}
	}
	if l.UnitAmount != nil {
		unit := l.UnitAmount.String()
		out.UnitAmount = &unit
	}
	return out
}

// PlainQuantity writes a fraction, such as an average over time is, as a decimal of twelve places.
func PlainQuantity(q string) string {
	if strings.Contains(q, "/") {
		if r, ok := new(big.Rat).SetString(q); ok {
			return decimal.NewFromBigRat(r, 12).String()
		}
	}
	return q
}

func creditNoteOut(of invoice.View, n invoice.CreditNote) creditNoteBody {
	return creditNoteBody{n.CreditNoteID, of.ID, n.Number, of.Drafted.Currency, textOrNull(n.Reason), n.Amount, n.LowersDebt, n.ToBalance,
		each(n.Lines, creditedLineOut), n.IssuedAt, nil}
}

func creditedLineOut(l invoice.CreditedLine) creditedLineBody {
	return creditedLineBody{l.LineID, l.Amount, l.Tax}
}

func paymentOut(p invoice.PaymentRecorded) paymentBody {
	return paymentBody{p.PaymentID, p.Amount, textOrNull(p.Method), textOrNull(p.Reference), p.PaidAt}
}
