// Package checkout serves the pages that buyers see: a checkout, what becomes of a subscription, its cancellation.
// A page's link is all that it needs: it carries, sealed, what it is for, and nothing is stored until somebody
// submits it.
package checkout

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/sealed"
)

// Purposes of links; each has a key of its own.
const (
	forCheckout sealed.Purpose = "checkout"
	forPortal   sealed.Purpose = "portal"
	forPayment  sealed.Purpose = "payment" // and client secrets
	forCancel   sealed.Purpose = "cancel"
	forInvoice  sealed.Purpose = "invoice"
)

// Pages about a subscription.
const (
	Portal  = "portal"
	Payment = "payment"
	Cancel  = "cancel"
)

var purposes = map[string]sealed.Purpose{Portal: forPortal, Payment: forPayment, Cancel: forCancel}

// Offer is what a checkout is about.
type Offer struct {
	Plan           uuid.UUID `json:"plan"`
	Quantity       *int      `json:"quantity,omitzero"`
	ChangeQuantity bool      `json:"change_quantity,omitzero"` // the buyer may
	Currency       string    `json:"currency,omitzero"`
	Success        string    `json:"success,omitzero"` // where the buyer goes afterwards; a page of ours without one
	Cancel         string    `json:"cancel,omitzero"`
	Grantee        string    `json:"grantee,omitzero"` // of the first seat
	Owner          string    `json:"owner,omitzero"`
	Email          string    `json:"email,omitzero"`
	PromoCode      string    `json:"promo_code,omitzero"` // a coupon's, which the buyer cannot change
	AllowPromoCode bool      `json:"allow_promo_code,omitzero"`
	Test           bool      `json:"test,omitzero"`
}

// about is the content of the links to pages about a subscription.
type about struct {
	Subscription uuid.UUID `json:"subscription"`
	Test         bool      `json:"test,omitzero"`
	Success      string    `json:"success,omitzero"` // where the buyer goes once it is paid
}

// ofInvoice is the content of the links to an invoice.
type ofInvoice struct {
	Invoice uuid.UUID `json:"invoice"`
	Test    bool      `json:"test,omitzero"`
}

// Links makes links to the pages.
type Links struct{ sealer *sealed.Sealer }

// Sealer seals and opens what links and sessions of an installation carry.
func Sealer(store *eventstore.Store) *sealed.Sealer {
	return sealed.New(store.Master().Derive("sealed tokens", 32))
}

// NewLinks makes links that the pages of every process with the same secret open.
func NewLinks(sealer *sealed.Sealer) *Links { return &Links{sealer} }

// Checkout is a link that may be submitted once, before ends. Base is the server's public address.
func (l *Links) Checkout(base string, ledger uuid.UUID, ends time.Time, o Offer) (string, error) {
	token, err := l.sealer.Seal(forCheckout, ledger, ends, o)
	return base + "/checkout/" + token, err
}

// Subscription is a link to a page about a subscription: Portal, Payment or Cancel. Test is whether its ledger is one.
func (l *Links) Subscription(base, page string, ledger, subscription uuid.UUID, test bool, ends time.Time) (string, error) {
	token, err := l.sealer.Seal(purposes[page], ledger, ends, about{subscription, test, ""})
	return base + "/checkout/" + page + "/" + token, err
}

// Invoice gives the links to an invoice's page and to its PDF. Both only show.
func (l *Links) Invoice(base string, ledger, invoice uuid.UUID, test bool, ends time.Time) (page, pdf string, err error) {
	token, err := l.sealer.Seal(forInvoice, ledger, ends, ofInvoice{invoice, test})
	page = base + "/checkout/invoice/" + token
	return page, page + "/pdf", err
}

// ClientSecret is what opens the payment page of a subscription.
func (l *Links) ClientSecret(ledger, subscription uuid.UUID, test bool, ends time.Time) (string, error) {
	return l.sealer.Seal(forPayment, ledger, ends, about{subscription, test, ""})
}
