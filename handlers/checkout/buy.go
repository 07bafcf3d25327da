package checkout

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// checkoutForm is a checkout as the page shows it.
type checkoutForm struct {
	Offer
	Product, Plan string
	Description   *string
	Prices        []string
	Trial         int // days
	Seats         bool
	Least, Most   int
	Count         int
	Code          string
	Total         total
	Problems      []string

	coupon *projections.Coupon // of the code; nil: none, or an unknown one
}

// show serves GET /checkout/{token}.
func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	if done, err := p.made(w, r); done || err != nil {
		return err
	}
	ledger, f, err := p.checkout(r)
	if err != nil {
		return err
	}
	return p.offer(w, r, http.StatusOK, ledger, f)
}

// offer shows the form, with what the purchase as it stands would be billed.
func (p *Pages) offer(w http.ResponseWriter, r *http.Request, status int, ledger uuid.UUID, f checkoutForm) (err error) {
	var coupon *catalog.CouponFields
	if f.coupon != nil {
		coupon = &f.coupon.Fields
	}
	if f.Total, err = p.total(r.Context(), ledger, f.purchase(), coupon); err != nil {
		return err
	}
	return render(w, status, "checkout.html", page{Title: "Checkout", Test: f.Test, Body: f}, f.Success)
}

// made shows what a link has made that was submitted before, whatever has become of its plan; false when it was not.
func (p *Pages) made(w http.ResponseWriter, r *http.Request) (bool, error) {
	var o Offer
	ledger, err := p.open(r, forCheckout, &o)
	if err != nil {
		return false, err
	}
	key, sum := onceFor(r)
	res, used, err := p.store.Answered(r.Context(), ledger, key, sum)
	if err != nil || !used {
		return false, err
	}
	var v subscription.View
	if err := handlers.Answer(res, &v); err != nil {
		return false, err
	}
	if _, err := p.reads.At(r.Context(), ledger, res.Last); err != nil { // another process may have made it
		return false, err
	}
	s, err := p.subscription(r, ledger, about{v.ID, o.Test, ""})
	switch {
	case err != nil:
		return false, err
	case s.Incomplete:
		return true, p.waitsFor(w, r, ledger, o, s)
	case o.Success != "" && !s.Over:
		return true, seeOther(w, o.Success)
	}
	s.HasBegun = !s.Over
	return true, render(w, http.StatusOK, "portal.html", page{Title: "Your subscription", Test: o.Test, Body: s}, "")
}

// waitsFor shows what is to be paid of a purchase, until it is: then the buyer is sent back.
func (p *Pages) waitsFor(w http.ResponseWriter, r *http.Request, ledger uuid.UUID, o Offer, s shownSubscription) error {
	if err := p.asksFor(r.Context(), ledger, &s); err != nil {
		return err
	}
	s.Cancel, s.Success = o.Cancel, o.Success
	if o.Test && s.Due != nil {
		token, err := p.links.sealer.Seal(forPayment, ledger, p.now().Add(payTime), about{s.ID, o.Test, o.Success})
		if err != nil {
			return err
		}
		s.Pay = "payment/" + token
	}
	return s.waits(w)
}

// payTime is how long the form on a page that waits pays; the page makes a new one each time.
const payTime = time.Hour

// onceFor is the key under which a link is submitted once.
func onceFor(r *http.Request) (string, [sha256.Size]byte) {
	sum := sha256.Sum256([]byte(handlers.PathText(r, "token")))
	return "checkout " + hex.EncodeToString(sum[:]), sum
}

// purchase is what submitting the form asks for.
func (f *checkoutForm) purchase() subscription.Start {
	c := subscription.Start{PlanID: f.Offer.Plan, Currency: f.Currency, Owner: f.Owner, Email: f.Email, Incomplete: true}
	if f.Grantee != "" {
		c.Grantee = &f.Grantee
	}
	if f.Seats {
		c.Quantity = &f.Count
	}
	if f.coupon != nil {
		c.CouponID = &f.coupon.ID
	}
	return c
}

func (p *Pages) checkout(r *http.Request) (uuid.UUID, checkoutForm, error) {
	var f checkoutForm
	ledger, err := p.open(r, forCheckout, &f.Offer)
	if err != nil {
		return ledger, f, err
	}
	plan, err := p.reads.Plan(r.Context(), ledger, f.Offer.Plan)
	if err != nil {
		return ledger, f, err
	}
	product, err := p.reads.Product(r.Context(), ledger, plan.ProductID)
	if err != nil {
		return ledger, f, err
	}
	if plan.Fields.OnSale(plan.ArchivedAt != nil, product.ArchivedAt != nil) != nil {
		return ledger, f, domain.Refuse(domain.Conflict, "plan_archived", "This plan is not sold any more.")
	}
	c := plan.Fields
	if e, ok := domain.AsRefusal(c.Sold()); ok {
		return ledger, f, domain.Refuse(e.Kind, e.Code, "This plan is announced and not sold yet.")
	}
	f.Product, f.Plan, f.Description = product.Fields.DisplayName, c.DisplayName, c.Description
	f.Seats, f.Least, f.Most, f.Count, f.Code = c.LicenseType == catalog.PerSeat, max(c.PerSeatAmount, 1), c.MaxSeatAmount, 1, f.PromoCode
	if f.Seats {
		f.Count = f.Least
	}
	if f.Quantity != nil {
		f.Count = *f.Quantity
	}
	if c.TrialDays != nil {
		f.Trial = *c.TrialDays
	}
	currency := f.Currency
	if currency == "" {
		currency = (catalog.Offer{Plan: &catalog.Plan{Fields: c}, Product: &catalog.Product{Fields: product.Fields}}).Usual()
	}
	f.Prices = priceLines(c, c.EffectivePrices(), currency)
	return ledger, f, p.redeem(r, ledger, &f)
}

// redeem looks up the form's code. An unknown one takes nothing off.
func (p *Pages) redeem(r *http.Request, ledger uuid.UUID, f *checkoutForm) error {
	if f.coupon = nil; f.Code == "" {
		return nil
	}
	coupon, err := p.reads.CouponByCode(r.Context(), ledger, f.Code)
	if e, ok := domain.AsRefusal(err); ok && e.Kind == domain.NotFound {
		return nil
	}
	if err == nil {
		f.coupon = &coupon
	}
	return err
}

// submit serves POST /checkout/{token}: the subscription begins, INCOMPLETE until its first invoice is paid, once for its
// link however often it is submitted. The buyer is sent back when it is paid, or at once where there is nothing to pay.
func (p *Pages) submit(w http.ResponseWriter, r *http.Request) error {
	ledger, f, err := p.checkout(r)
	if err != nil {
		return err
	}
	sent, err := form(w, r)
	if err != nil {
		return err
	}
	text := func(name string) string {
		s := strings.TrimSpace(sent.Get(name))
		if len(s) > domain.MaxName || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			f.Problems = append(f.Problems, "The "+name+" cannot be read.")
			return ""
		}
		return s
	}
	if email := text("email"); email != "" {
		f.Email = email
	}
	var bad domain.Problems
	if bad.Email("/email", f.Email); len(bad) > 0 || f.Email == "" {
		f.Problems = append(f.Problems, "Please give an e-mail address.")
	}
	if f.Seats && f.ChangeQuantity {
		if n := text("quantity"); n != "" {
			if f.Count, err = strconv.Atoi(n); err != nil {
				f.Count = 0
				f.Problems = append(f.Problems, "Please give the number of seats in digits.")
			}
		}
	}
	if f.AllowPromoCode {
		f.Code = text("code")
	}
	if err := p.redeem(r, ledger, &f); err != nil {
		return err
	}
	if f.Code != "" && f.coupon == nil {
		f.Problems = append(f.Problems, "This promotion code is not known.")
	}
	if len(f.Problems) > 0 {
		return p.offer(w, r, http.StatusBadRequest, ledger, f)
	}
	key, sum := onceFor(r)
	res, err := p.store.Execute(r.Context(), eventstore.Request{Ledger: ledger, Command: f.purchase(), Key: key, Fingerprint: sum,
		Meta: eventstore.Meta{Actor: "buyer", RequestID: handlers.CallOf(r).ID, Dialect: "checkout"}})
	if e, ok := domain.AsRefusal(err); ok && (e.Kind == domain.Invalid || e.Kind == domain.Conflict || e.Kind == domain.NotFound) {
		f.Problems = append(f.Problems, "This cannot be bought as it stands: "+e.Detail+".")
		return p.offer(w, r, http.StatusBadRequest, ledger, f)
	}
	if err != nil {
		return err
	}
	var v subscription.View
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	if v.Status == subscription.Incomplete || f.Success == "" {
		return seeOther(w, handlers.PathText(r, "token")) // which tells what is to be paid
	}
	return seeOther(w, f.Success)
}

// priceLines say what prices ask for in a currency, of a plan with the interval of f.
func priceLines(f catalog.PlanFields, prices []catalog.Price, currency string) []string {
	per := map[string]string{"day": "day", "week": "week", "month": "month", "year": "year"}[f.Interval]
	if f.Length != 1 {
		per = strconv.Itoa(f.Length) + " " + per + "s"
	}
	var lines []string
	for _, p := range prices {
		if p.Currency != currency {
			continue
		}
		switch {
		case p.Kind == catalog.Percentage && p.Percentage != nil:
			lines = append(lines, p.Percentage.String()+" % of what is used")
		case p.UnitAmount == nil && len(p.Tiers) > 0:
			lines = append(lines, "by tiers, from "+major(p.Tiers[0].UnitAmount, currency)+" a unit")
		case p.UnitAmount == nil:
		case p.Kind == catalog.Flat:
			lines = append(lines, major(*p.UnitAmount, currency)+" per "+per)
		case p.Kind == catalog.SeatPrice:
			lines = append(lines, major(*p.UnitAmount, currency)+" per seat and "+per)
		default:
			lines = append(lines, major(*p.UnitAmount, currency)+" per unit")
		}
	}
	return lines
}

// major writes a decimal of minor units in the currency's own: 1500 is 15.00 USD.
func major(minor decimal.Decimal, code string) string {
	c, _ := money.Lookup(code)
	d := minor.Shift(-int32(c.Exponent))
	places := max(int32(c.Exponent), -d.Normalize().Exponent())
	return d.StringFixed(places) + " " + code
}
