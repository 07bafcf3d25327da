package salable

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/customer"
	coreinvoice "github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/projections"
)

// null is what Stripe tells and a ledger does not know.
type null = *struct{}

// invoice is Stripe's Invoice. Amounts are minor units, times seconds since 1970.
type invoice struct {
	ID                           uuid.UUID         `json:"id"`
	Object                       string            `json:"object"`
	AccountCountry               null              `json:"account_country"`
	AccountName                  string            `json:"account_name"`
	AccountTaxIDs                null              `json:"account_tax_ids"`
	AmountDue                    int64             `json:"amount_due"` // paid or not
	AmountPaid                   int64             `json:"amount_paid"`
	AmountRemaining              int64             `json:"amount_remaining"`
	AmountShipping               int64             `json:"amount_shipping"`
	Application                  null              `json:"application"`
	ApplicationFeeAmount         null              `json:"application_fee_amount"`
	AttemptCount                 int               `json:"attempt_count"`
	Attempted                    bool              `json:"attempted"`
	AutoAdvance                  bool              `json:"auto_advance"`
	AutomaticTax                 automaticTax      `json:"automatic_tax"`
	AutomaticallyFinalizesAt     *int64            `json:"automatically_finalizes_at"` // of a draft
	BillingReason                string            `json:"billing_reason"`
	Charge                       null              `json:"charge"`
	CollectionMethod             string            `json:"collection_method"`
	Created                      int64             `json:"created"`
	Currency                     string            `json:"currency"`
	CustomFields                 null              `json:"custom_fields"`
	Customer                     *uuid.UUID        `json:"customer"`
	CustomerAddress              *address          `json:"customer_address"`
	CustomerEmail                *string           `json:"customer_email"`
	CustomerName                 *string           `json:"customer_name"`
	CustomerPhone                null              `json:"customer_phone"`
	CustomerShipping             null              `json:"customer_shipping"`
	CustomerTaxExempt            string            `json:"customer_tax_exempt"`
	CustomerTaxIDs               []string          `json:"customer_tax_ids"`
	DefaultPaymentMethod         null              `json:"default_payment_method"`
	DefaultSource                null              `json:"default_source"`
	DefaultTaxRates              []string          `json:"default_tax_rates"`
	Description                  null              `json:"description"`
	Discount                     null              `json:"discount"`
	Discounts                    []uuid.UUID       `json:"discounts"` // coupons
	DueDate                      *int64            `json:"due_date"`
	EffectiveAt                  *int64            `json:"effective_at"` // of what is issued
	EndingBalance                null              `json:"ending_balance"`
	Footer                       null              `json:"footer"`
	FromInvoice                  null              `json:"from_invoice"`
	HostedInvoiceURL             string            `json:"hosted_invoice_url"`
	InvoicePDF                   string            `json:"invoice_pdf"`
	Issuer                       issuer            `json:"issuer"`
	LastFinalizationError        null              `json:"last_finalization_error"`
	LatestRevision               null              `json:"latest_revision"`
	Lines                        invoiceLines      `json:"lines"`
	Livemode                     bool              `json:"livemode"`
	Metadata                     map[string]string `json:"metadata"`
	NextPaymentAttempt           null              `json:"next_payment_attempt"`
	Number                       *string           `json:"number"`
	OnBehalfOf                   null              `json:"on_behalf_of"`
	Paid                         bool              `json:"paid"`
	PaidOutOfBand                bool              `json:"paid_out_of_band"`
	PaymentIntent                null              `json:"payment_intent"`
	PaymentSettings              paymentSettings   `json:"payment_settings"`
	PeriodEnd                    int64             `json:"period_end"`
	PeriodStart                  int64             `json:"period_start"`
	PostPaymentCreditNotesAmount int64             `json:"post_payment_credit_notes_amount"`
	PrePaymentCreditNotesAmount  int64             `json:"pre_payment_credit_notes_amount"`
	Quote                        null              `json:"quote"`
	ReceiptNumber                null              `json:"receipt_number"`
	Rendering                    null              `json:"rendering"`
	RenderingOptions             null              `json:"rendering_options"`
	ShippingCost                 null              `json:"shipping_cost"`
	ShippingDetails              null              `json:"shipping_details"`
	StartingBalance              null              `json:"starting_balance"`
	StatementDescriptor          null              `json:"statement_descriptor"`
	Status                       string            `json:"status"`
	StatusTransitions            statusTransitions `json:"status_transitions"`
	Subscription                 *uuid.UUID        `json:"subscription"`
	SubscriptionDetails          detailsOf         `json:"subscription_details"`
	Subtotal                     int64             `json:"subtotal"`
	SubtotalExcludingTax         *int64            `json:"subtotal_excluding_tax"` // null: prices include a tax
	Tax                          *int64            `json:"tax"`
	TestClock                    null              `json:"test_clock"`
	Total                        int64             `json:"total"`
	TotalDiscountAmounts         []discountAmount  `json:"total_discount_amounts"`
	TotalExcludingTax            int64             `json:"total_excluding_tax"`
	TotalPretaxCreditAmounts     []struct{}        `json:"total_pretax_credit_amounts"`
	TotalTaxAmounts              []taxAmount       `json:"total_tax_amounts"`
	TransferData                 null              `json:"transfer_data"`
	WebhooksDeliveredAt          null              `json:"webhooks_delivered_at"`
}

type automaticTax struct {
	Enabled        bool `json:"enabled"`
	Status         null `json:"status"`
	DisabledReason null `json:"disabled_reason"`
	Liability      null `json:"liability"`
}

type address struct {
	City       *string `json:"city"`
	Country    *string `json:"country"`
	Line1      *string `json:"line1"`
	Line2      *string `json:"line2"`
	PostalCode *string `json:"postal_code"`
	State      *string `json:"state"`
}

func addressOf(a customer.PostalAddress) address {
	return address{textOrNull(a.City), textOrNull(a.Country), textOrNull(a.Line1), textOrNull(a.Line2), textOrNull(a.PostalCode), textOrNull(a.State)}
}

type issuer struct {
	Type string `json:"type"`
}

type paymentSettings struct {
	DefaultMandate       null `json:"default_mandate"`
	PaymentMethodOptions null `json:"payment_method_options"`
	PaymentMethodTypes   null `json:"payment_method_types"`
}

type statusTransitions struct {
	FinalizedAt           *int64 `json:"finalized_at"`
	MarkedUncollectibleAt *int64 `json:"marked_uncollectible_at"`
	PaidAt                *int64 `json:"paid_at"`
	VoidedAt              *int64 `json:"voided_at"`
}

type detailsOf struct {
	Metadata null `json:"metadata"`
}

type discountAmount struct {
	Amount   int64     `json:"amount"`
	Discount uuid.UUID `json:"discount"` // the coupon
}

type taxAmount struct {
	Amount           int64     `json:"amount"`
	Inclusive        bool      `json:"inclusive"`
	TaxRate          uuid.UUID `json:"tax_rate"`
	TaxabilityReason null      `json:"taxability_reason"`
	TaxableAmount    int64     `json:"taxable_amount"`
}

// payer is who pays an invoice, as they are now; nil: nobody is known, or they are erased.
type payer = projections.Customer

// fromInvoice shows an invoice of a subscription.
func fromInvoice(i *projections.Invoice, of *projections.Subscription, c *payer) *invoice {
	out := &invoice{
		ID: i.ID, Object: "invoice", AmountPaid: i.AmountPaid, AutoAdvance: i.FinalizeAt != nil, AutomaticallyFinalizesAt: unix(i.FinalizeAt),
		BillingReason: billingReason(i, of), CollectionMethod: "send_invoice", Created: i.CreatedAt.Unix(), Currency: strings.ToLower(i.Currency),
		Customer: i.CustomerID, CustomerTaxExempt: "none", CustomerTaxIDs: []string{}, DefaultTaxRates: []string{}, Discounts: []uuid.UUID{},
		DueDate: unix(i.DueAt), EffectiveAt: unix(i.IssuedAt), Issuer: issuer{"self"}, Metadata: map[string]string{}, Number: i.Number,
		Paid: i.Status == coreinvoice.Paid, PrePaymentCreditNotesAmount: i.Credited, Status: i.Status, Subscription: i.SubscriptionID,
		Subtotal: i.Subtotal, SubtotalExcludingTax: &i.Subtotal, Total: i.Total, TotalExcludingTax: i.Total - i.TaxTotal,
		TotalDiscountAmounts: []discountAmount{}, TotalPretaxCreditAmounts: []struct{}{}, TotalTaxAmounts: []taxAmount{},
	}
	out.AmountRemaining = i.AmountDue
	if i.Status == coreinvoice.Draft || i.Status == coreinvoice.Void { // what it asks for, or asked
		out.AmountRemaining = max(0, i.Total-i.BalanceApplied)
	}
	out.AmountDue = out.AmountRemaining + out.AmountPaid
	out.PaidOutOfBand = out.Paid && i.AmountPaid > 0 // no provider took it
	if i.TaxExempt != nil {
		out.CustomerTaxExempt = "exempt"
	}
	if c != nil {
		at := addressOf(c.Address)
		out.CustomerName, out.CustomerEmail, out.CustomerAddress = c.Name, c.Email, &at
	}
	for _, n := range i.CreditNotes {
		out.PostPaymentCreditNotesAmount += n.ToBalance
	}
	start, end := served(i)
	out.PeriodStart, out.PeriodEnd = start.Unix(), end.Unix()
	out.StatusTransitions = transitions(i)
	out.sum(i.Lines)
	return out
}

// sum adds up what lines have of each coupon and tax rate.
func (out *invoice) sum(lines []coreinvoice.Line) {
	tax, any := int64(0), false
	for _, l := range lines {
		for _, d := range l.Discounts {
			at := slices.Index(out.Discounts, d.CouponID)
			if at < 0 {
				at = len(out.Discounts)
				out.Discounts = append(out.Discounts, d.CouponID)
				out.TotalDiscountAmounts = append(out.TotalDiscountAmounts, discountAmount{Discount: d.CouponID})
			}
			out.TotalDiscountAmounts[at].Amount += d.Amount
		}
		for _, x := range l.Taxes {
			at := slices.IndexFunc(out.TotalTaxAmounts, func(t taxAmount) bool { return t.TaxRate == x.TaxRateID && t.Inclusive == x.Inclusive })
			if at < 0 {
				at = len(out.TotalTaxAmounts)
				out.TotalTaxAmounts = append(out.TotalTaxAmounts, taxAmount{Inclusive: x.Inclusive, TaxRate: x.TaxRateID})
			}
			t := &out.TotalTaxAmounts[at]
			t.Amount, t.TaxableAmount = t.Amount+x.Amount, t.TaxableAmount+x.Taxable
			if tax, any = tax+x.Amount, true; x.Inclusive {
				out.SubtotalExcludingTax = nil
			}
		}
	}
	if any {
		out.Tax = &tax
	}
}

// billingReason is why there is an invoice, in Stripe's words.
func billingReason(i *projections.Invoice, of *projections.Subscription) string {
	switch i.Reason {
	case coreinvoice.ForPeriod:
		if i.PeriodStart != nil && i.PeriodStart.Equal(of.StartAt) {
			return "subscription_create"
		}
		return "subscription_cycle"
	case coreinvoice.ForManual:
		return "manual"
	}
	return "subscription_update"
}

// served is the period that an invoice is for, or that of its lines together.
func served(i *projections.Invoice) (start, end time.Time) {
	if i.PeriodStart != nil && i.PeriodEnd != nil {
		return *i.PeriodStart, *i.PeriodEnd
	}
	start, end = i.CreatedAt, i.CreatedAt
	for n, l := range i.Lines {
		if n == 0 || l.Period.Start.Before(start) {
			start = l.Period.Start
		}
		if n == 0 || l.Period.End.After(end) {
			end = l.Period.End
		}
	}
	return start, end
}

// transitions are when an invoice became what it is. What was written off and then paid in part does not tell when.
func transitions(i *projections.Invoice) statusTransitions {
	t := statusTransitions{FinalizedAt: unix(i.IssuedAt)}
	switch i.Status {
	case coreinvoice.Paid:
		t.PaidAt = unix(&i.UpdatedAt)
		if n := len(i.Payments); n > 0 {
			t.PaidAt = unix(&i.Payments[n-1].PaidAt)
		} else if i.Credited == 0 {
			t.PaidAt = unix(i.IssuedAt) // by the balance, or of nothing
		}
	case coreinvoice.Void:
		t.VoidedAt = unix(&i.UpdatedAt)
	case coreinvoice.Uncollectible:
		if len(i.Payments) == 0 && len(i.CreditNotes) == 0 {
			t.MarkedUncollectibleAt = unix(&i.UpdatedAt)
		}
	}
	return t
}

func unix(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	s := t.Unix()
	return &s
}

// whole is a quantity as Stripe has it, cut to a whole number.
func whole(quantity string) int64 {
	q, ok := new(big.Rat).SetString(quantity)
	if !ok {
		return 0
	}
	n := new(big.Int).Quo(q.Num(), q.Denom())
	if !n.IsInt64() {
		return 0
	}
	return n.Int64()
}

// unitOf is what a unit of a line costs in whole minor units: its price, rounded, or what the units cost on average.
func unitOf(l *coreinvoice.Line) int64 {
	exact := decimal.Zero
	if l.UnitAmount != nil {
		exact = *l.UnitAmount
	} else if q, ok := new(big.Rat).SetString(l.Quantity); ok && q.Sign() != 0 {
		n, err := money.RoundRat(new(big.Rat).Quo(new(big.Rat).SetInt64(l.Amount), q))
		if err == nil {
			return n
		}
	}
	n, err := money.Round(exact)
	if err != nil {
		return 0
	}
	return n
}
