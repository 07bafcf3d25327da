package salable

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/handlers/checkout"
	"github.com/subledger/subledger/projections"
)

// linkTime is how long links to pages of ours open.
const linkTime = 24 * time.Hour

// checkoutOptions are what a link to a checkout is asked for with. Routes that can do without a link take
// none of them for granted, and check those that are given all the same.
type checkoutOptions struct {
	SuccessURL, CancelURL        string
	Grantee, Member              string
	PromoCode, CustomerID        string
	CustomerEmail, Currency      string
	AllowPromoCode, AutomaticTax bool
	Quantity                     *int
	ChangeQuantity               bool
}

// readCheckoutOptions notes whatever of them is wrong by itself; inCurrencyOf looks at the product.
func readCheckoutOptions(q *handlers.Query, r *http.Request, must ...handlers.Rule) checkoutOptions {
	test, line := handlers.CallOf(r).Caller.Test(), append([]handlers.Rule{handlers.Line, handlers.MaxBytes(domain.MaxName)}, must...)
	o := checkoutOptions{
		SuccessURL: backURL(q.Get("successUrl"), test, must...), CancelURL: backURL(q.Get("cancelUrl"), test, must...), Grantee: q.String("granteeId", append(must, handlers.Grantee)...),
	}
	if owner := q.Get("owner"); owner.Absent() && versionOf(r) < v3 {
		o.Member = q.String("member", line...)
	} else {
		o.Member = owner.String(line...)
	}
	o.readOthers(q)
	return o
}

// readOthers reads the options that nowhere have to be there. An empty text is none: old widgets send them all.
func (o *checkoutOptions) readOthers(q *handlers.Query) {
	line := []handlers.Rule{handlers.Line, handlers.MaxBytes(domain.MaxName)}
	given := func(name string) bool { return unquoted(q.Get(name).String()) != "" }
	o.PromoCode, o.CustomerID = unquoted(q.String("promoCode", line...)), q.String("customerId", line...)
	o.Currency = strings.ToUpper(unquoted(q.String("currency", line...)))
	if given("allowPromoCode") {
		o.AllowPromoCode = q.Bool("allowPromoCode")
	}
	if given("automaticTax") {
		o.AutomaticTax = q.Bool("automaticTax")
	}
	email := q.Get("customerEmail")
	o.CustomerEmail = unquoted(email.String())
	var bad domain.Problems
	if bad.Email("", o.CustomerEmail); len(bad) > 0 {
		email.Bad(bad[0].Code, "%s", bad[0].Detail)
	}
	if o.PromoCode != "" && given("allowPromoCode") {
		q.Get("allowPromoCode").Bad("excluded", "promoCode and allowPromoCode exclude each other")
	}
}

// backURL reads a URL that the buyer is sent back to.
func backURL(v handlers.Value, test bool, r ...handlers.Rule) string {
	text := unquoted(v.String(r...))
	if text == "" {
		return ""
	}
	if problem := badURL(text, test); problem != "" {
		v.Bad("bad_url", "%s", problem)
		return ""
	}
	return text
}

// badURL tells what is wrong with an address to send buyers to, "" when nothing is (faults.md B57): only https, or
// in a test ledger http on the buyer's own machine.
func badURL(text string, test bool) string {
	u, err := url.Parse(text)
	switch {
	case len(text) > 2048:
		return "has more than 2048 bytes"
	case err != nil || u.Opaque != "" || u.Hostname() == "" || strings.ContainsAny(text, " \\\t\r\n\"<>`"):
		return "is not an absolute URL"
	case u.User != nil:
		return "names a user"
	case u.Scheme == "https":
		return ""
	case test && u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return ""
	}
	return "is not an https URL"
}

// unquoted takes single quotes off: old widgets put them around texts.
func unquoted(text string) string {
	if len(text) >= 2 && text[0] == '\'' && text[len(text)-1] == '\'' {
		return text[1 : len(text)-1]
	}
	return text
}

// inCurrencyOf refuses a currency that the product is not offered in.
func (o checkoutOptions) inCurrencyOf(p projections.Product) error {
	offered := func(c catalog.ProductCurrency) bool { return c.Currency == o.Currency }
	if o.Currency == "" || slices.ContainsFunc(p.Fields.Currencies, offered) {
		return nil
	}
	return domain.RefuseField("currency", "currency_not_offered", "the product is not offered in %.40q", o.Currency)
}

// base is the public address of this server: as it is configured, else as the client knows it.
func (a *API) base(r *http.Request) string {
	switch {
	case a.PublicURL != "":
		return a.PublicURL
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// link is the link to the checkout of a product's plan, "" for a plan that nobody can pay for.
func (x related) link(p projections.Plan, of projections.Product, o checkoutOptions) (string, error) {
	if notPayable(p, of, o.Currency) != nil {
		return "", nil
	}
	return x.links.Checkout(x.base, x.caller.Ledger, x.now().Add(linkTime), checkout.Offer{
		Plan: p.ID, Quantity: o.Quantity, ChangeQuantity: o.ChangeQuantity, Currency: o.Currency, Success: o.SuccessURL, Cancel: o.CancelURL,
		Grantee: o.Grantee, Owner: o.Member, Email: o.CustomerEmail, PromoCode: o.PromoCode, AllowPromoCode: o.AllowPromoCode, Test: x.caller.Test(),
	})
}

const comingSoon = "Coming soon"

// notPayable is why nobody can pay for a product's plan by a checkout; nil when somebody can.
func notPayable(p projections.Plan, of projections.Product, currency string) error {
	f := p.Fields
	if err := f.OnSale(p.ArchivedAt != nil, of.ArchivedAt != nil); err != nil {
		return err
	}
	if err := f.Sold(); err != nil {
		return err
	}
	if f.PricingType != "paid" {
		return domain.Refuse(domain.Conflict, "free_plan", "this plan is free: there is nothing to pay for by a checkout")
	}
	priced := f.PricedCurrencies()
	if len(priced) == 0 && !f.Evaluation { // or a price that was forgotten would give the product away
		return domain.Refuse(domain.Conflict, "unpriced_plan", "this plan is paid and has no price: give it prices before it is sold")
	}
	if currency != "" && len(priced) > 0 && !slices.Contains(priced, currency) {
		return domain.RefuseField("currency", "currency_not_offered", "this plan has no price in %.40q", currency)
	}
	return nil
}

// redeemable refuses a promotion code that a purchase of the plan could not redeem now: the buyer cannot change it.
func (a *API) redeemable(r *http.Request, o checkoutOptions, p projections.Plan, of projections.Product) error {
	if o.PromoCode == "" {
		return nil
	}
	currency, ledger := o.Currency, handlers.CallerOf(r).Ledger
	if currency == "" {
		currency = (catalog.Offer{Plan: &catalog.Plan{Fields: p.Fields}, Product: &catalog.Product{Fields: of.Fields}}).Usual()
	}
	coupon, err := sought(r.Context(), a, ledger, func() (projections.Coupon, error) { return a.reads.CouponByCode(r.Context(), ledger, o.PromoCode) })
	if err == nil {
		err = coupon.Fields.Redeem(a.clock(r.Context()), coupon.ArchivedAt != nil, coupon.Redemptions, p.ProductID, currency)
	}
	if e, refused := domain.AsRefusal(err); refused {
		return domain.RefuseField("promoCode", e.Code, "%s", e.Detail)
	}
	return err
}

// checkoutLink serves GET /plans/{planUuid}/checkoutlink; since v3 …/checkout-link.
//
//	in   successUrl, cancelUrl, granteeId, member (owner since v2), quantity, changeQuantity, currency, customerEmail, promoCode, allowPromoCode
//	out  200 {checkoutUrl} | 400, also for a plan that nobody can pay for and a code that it cannot redeem | 404
func (a *API) checkoutLink(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	o := readCheckoutOptions(q, r, handlers.Required)
	o.ChangeQuantity = q.Bool("changeQuantity")
	if n := handlers.Opt(q.Object, "quantity", q.Int, handlers.Min(0), handlers.Max(1<<31-1)); n != nil {
		o.Quantity = new(int(*n))
	}
	if err := q.Err(); err != nil {
		return err
	}
	row, err := a.planOfPath(w, r)
	if err != nil {
		return err
	}
	of, err := a.findProduct(r, row.ProductID)
	if err != nil {
		return err
	}
	if err := o.inCurrencyOf(of); err != nil {
		return err
	}
	if err := o.withinLimits(row); err != nil {
		return err
	}
	if err := notPayable(row, of, o.Currency); err != nil {
		return err
	}
	if err := a.redeemable(r, o, row, of); err != nil {
		return err
	}
	link, err := a.related(r).link(row, of, o)
	if err != nil {
		return err
	}
	return handlers.JSON(w, http.StatusOK, struct {
		CheckoutURL string `json:"checkoutUrl"`
	}{link})
}

// withinLimits holds a quantity against a perSeat plan's limits; for other plans it does not matter.
func (o *checkoutOptions) withinLimits(p projections.Plan) error {
	f := p.Fields
	switch n := o.Quantity; {
	case f.LicenseType != catalog.PerSeat:
		o.Quantity, o.ChangeQuantity = nil, false
	case n != nil && *n < f.PerSeatAmount:
		return domain.RefuseField("quantity", "quantity_out_of_limits", "this plan has %d seats or more", f.PerSeatAmount)
	case n != nil && f.MaxSeatAmount >= 0 && *n > f.MaxSeatAmount:
		return domain.RefuseField("quantity", "quantity_out_of_limits", "this plan has at most %d seats", f.MaxSeatAmount)
	}
	return nil
}
