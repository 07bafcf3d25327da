package salable

import (
	"net/url"
	"slices"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// checkoutOptions are what a link to a checkout is asked for with. Routes that can do without a link take
// none of them for granted, and check those that are given all the same.
type checkoutOptions struct {
	SuccessURL, CancelURL        string
	Grantee, Member              string
	PromoCode, CustomerID        string
	CustomerEmail, Currency      string
	AllowPromoCode, AutomaticTax bool
}

// readCheckoutOptions notes whatever of them is wrong by itself; inCurrencyOf looks at the product.
func readCheckoutOptions(q *handlers.Query) checkoutOptions {
	o := checkoutOptions{
		SuccessURL: absoluteURL(q.Get("successUrl")), CancelURL: absoluteURL(q.Get("cancelUrl")),
		Grantee: q.String("granteeId", handlers.Line, handlers.MaxBytes(domain.MaxName)), Member: q.String("member", handlers.Line, handlers.MaxBytes(domain.MaxName)),
		PromoCode: q.String("promoCode", handlers.Line, handlers.MaxBytes(domain.MaxName)), CustomerID: q.String("customerId", handlers.Line, handlers.MaxBytes(domain.MaxName)),
		Currency: q.String("currency", handlers.Line, handlers.MaxBytes(domain.MaxName)), AllowPromoCode: q.Bool("allowPromoCode"), AutomaticTax: q.Bool("automaticTax"),
	}
	email := q.Get("customerEmail")
	o.CustomerEmail = email.String()
	var bad domain.Problems
	if bad.Email("", o.CustomerEmail); len(bad) > 0 {
		email.Bad(bad[0].Code, "%s", bad[0].Detail)
	}
	if allow := q.Get("allowPromoCode"); o.PromoCode != "" && !allow.Absent() {
		allow.Bad("excluded", "promoCode and allowPromoCode exclude each other")
	}
	return o
}

// absoluteURL reads a URL of http or https with a host.
func absoluteURL(v handlers.Value) string {
	text := v.String(handlers.MaxBytes(2000))
	if v.Absent() {
		return ""
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		v.Bad("bad_url", "is not an absolute URL")
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
