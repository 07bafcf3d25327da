package checkout

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
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
}

// show serves GET /checkout/{token}.
func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	if done, err := p.made(w, r); done || err != nil {
		return err
	}
	_, f, err := p.checkout(r)
	if err != nil {
		return err
	}
	return f.render(w, http.StatusOK)
}

// made shows what a link has made that was submitted before, whatever has become of its plan; false when it was not.
func (p *Pages) made(w http.ResponseWriter, r *http.Request) (bool, error) {
	var o Offer
	ledger, err := p.open(r, forCheckout, &o)
	if err != nil {
		return false, err
	}
	key, sum := onceFor(r)
	// A dry run writes nothing, and is answered what the key stands for, if it was used, whatever it asks.
	res, err := p.store.Execute(r.Context(), eventstore.Request{Ledger: ledger, Command: subscription.Switchable{}, Key: key, Fingerprint: sum, DryRun: true})
	if _, refused := domain.AsRefusal(err); refused || err == nil && !res.Replayed {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var v subscription.View
	if err := handlers.Answer(res, &v); err != nil {
		return false, err
	}
	s, err := p.subscription(r, ledger, about{v.ID, o.Test})
	if err != nil {
		return false, err
	}
	return true, render(w, http.StatusOK, "portal.html", page{Title: "Your subscription", Test: o.Test, Body: s}, "")
}

// onceFor is the key under which a link is submitted once.
func onceFor(r *http.Request) (string, [sha256.Size]byte) {
	sum := sha256.Sum256([]byte(handlers.PathText(r, "token")))
	return "checkout " + hex.EncodeToString(sum[:]), sum
}

func (f checkoutForm) render(w http.ResponseWriter, status int) error {
	return render(w, status, "checkout.html", page{Title: "Checkout", Test: f.Test, Body: f}, f.Success)
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
	if f.PromoCode == "" {
		return ledger, f, nil
	}
	at, _, err := p.store.Now(r.Context(), ledger, p.now(), false)
	if err != nil {
		return ledger, f, err
	}
	coupon, err := p.reads.CouponByCode(r.Context(), ledger, f.PromoCode)
	if err == nil {
		err = coupon.Fields.Redeem(at, coupon.ArchivedAt != nil, coupon.Redemptions, plan.ProductID, currency)
	}
	if _, refused := domain.AsRefusal(err); refused {
		return ledger, f, nil // it takes nothing off; whoever submits the form is told why
	}
	f.Total = totalOf(c.EffectivePrices(), currency, f.Count, coupon.Fields)
	return ledger, f, err
}

// submit serves POST /checkout/{token}: the subscription begins, INCOMPLETE until it is paid, once for its link however
// often it is submitted; then the buyer is sent back.
func (p *Pages) submit(w http.ResponseWriter, r *http.Request) error {
	ledger, f, err := p.checkout(r)
	if err != nil {
		return err
	}
	sent, err := form(w, r)
	if err != nil {
		return err
	}
	c := subscription.Start{PlanID: f.Offer.Plan, Currency: f.Currency, Owner: f.Owner, Email: f.Email, Incomplete: true}
	if f.Grantee != "" {
		c.Grantee = &f.Grantee
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
		c.Email, f.Email = email, email
	}
	var bad domain.Problems
	if bad.Email("/email", c.Email); len(bad) > 0 || c.Email == "" {
		f.Problems = append(f.Problems, "Please give an e-mail address.")
	}
	if f.Seats {
		if n := text("quantity"); f.ChangeQuantity && n != "" {
			if f.Count, err = strconv.Atoi(n); err != nil {
				f.Count = 0
				f.Problems = append(f.Problems, "Please give the number of seats in digits.")
			}
		}
		c.Quantity = &f.Count
	}
	if f.AllowPromoCode {
		f.Code = text("code")
	}
	if f.Code != "" {
		coupon, err := p.reads.CouponByCode(r.Context(), ledger, f.Code)
		if e, ok := domain.AsRefusal(err); ok {
			f.Problems = append(f.Problems, map[bool]string{true: "This promotion code is not known."}[e.Kind == domain.NotFound])
		} else if err != nil {
			return err
		}
		c.CouponID = &coupon.ID
	}
	if len(f.Problems) > 0 {
		return f.render(w, http.StatusBadRequest)
	}
	key, sum := onceFor(r)
	_, err = p.store.Execute(r.Context(), eventstore.Request{Ledger: ledger, Command: c, Key: key, Fingerprint: sum,
		Meta: eventstore.Meta{Actor: "buyer", RequestID: handlers.CallOf(r).ID, Dialect: "checkout"}})
	if e, ok := domain.AsRefusal(err); ok && (e.Kind == domain.Invalid || e.Kind == domain.Conflict || e.Kind == domain.NotFound) {
		f.Problems = append(f.Problems, "This cannot be bought as it stands: "+e.Detail+".")
		return f.render(w, http.StatusBadRequest)
	}
	if err != nil {
		return err
	}
	if f.Success == "" {
		return render(w, http.StatusOK, "message.html", page{Title: "Thank you", Test: f.Test, Body: "Your order of " + f.Plan + " is with the seller. Your subscription has begun; you have access once its first payment is recorded."}, "")
	}
	w.Header().Set("Location", f.Success)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
	return nil
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
