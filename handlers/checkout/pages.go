package checkout

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/internal/sealed"
	"github.com/subledger/subledger/projections"
)

//go:embed templates
var files embed.FS

var templates = template.Must(template.ParseFS(files, "templates/*.html"))

// styleHash lets the pages' one style sheet through their content security policy, and nothing else.
var styleHash = func() string {
	css, err := files.ReadFile("templates/style.css")
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(css)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

var style = func() template.CSS {
	css, _ := files.ReadFile("templates/style.css")
	return template.CSS(css)
}()

// Pages are the pages over one log and its read models.
type Pages struct {
	store *eventstore.Store
	reads *projections.Reads
	links *Links
	now   func() time.Time
}

// New takes the process clock; links are those that the dialects make.
func New(store *eventstore.Store, reads *projections.Reads, links *Links, now func() time.Time) *Pages {
	return &Pages{store, reads, links, now}
}

// Dialect is the pages as the server mounts them, at /checkout.
func (p *Pages) Dialect() *handlers.Dialect {
	route := func(method, path string, serve func(http.ResponseWriter, *http.Request) error) handlers.Route {
		return handlers.Route{Method: method, Path: path, Open: true, Serve: serve}
	}
	return &handlers.Dialect{Name: "checkout", Refuse: refuse,
		Except: []string{"/checkout/create-subscription", "/checkout/create-subscription-intent"}, // Salable's
		Routes: []handlers.Route{
			route("GET", "/portal/{token}", p.portal), route("GET", "/payment/{token}", p.payment), route("POST", "/payment/{token}", p.pay),
			route("GET", "/invoice/{token}", p.invoice), route("GET", "/invoice/{token}/pdf", p.invoicePDF),
			route("GET", "/cancel/{token}", p.askToCancel), route("POST", "/cancel/{token}", p.cancel),
			route("GET", "/{token}", p.show), route("POST", "/{token}", p.submit),
		}}
}

// open reads the link that was followed.
func (p *Pages) open(r *http.Request, purpose sealed.Purpose, content any) (uuid.UUID, error) {
	ledger, err := p.links.sealer.Open(purpose, handlers.PathText(r, "token"), p.now(), content)
	switch {
	case errors.Is(err, sealed.ErrExpired):
		return ledger, domain.Refuse(domain.NotFound, "link_expired", "This link has expired. Please ask for a new one.")
	case errors.Is(err, sealed.ErrBad):
		return ledger, domain.Refuse(domain.NotFound, "no_link", "This link leads nowhere. Is it complete?")
	case err != nil:
		return ledger, err
	}
	_, err = p.reads.At(r.Context(), ledger, 0)
	return ledger, err
}

// page is what every template is given.
type page struct {
	Title string
	Style template.CSS
	Test  bool
	Body  any
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.\-]+(:[0-9]+)?$|^\[[0-9a-fA-F:]+\](:[0-9]+)?$`)

// render writes a page. A form may lead to this server and, since browsers hold redirects after a form to the policy
// too, to the address that the buyer goes back to.
func render(w http.ResponseWriter, status int, name string, data page, back string) error {
	form := "'self'"
	if u, err := url.Parse(back); back != "" && err == nil && plainHost.MatchString(u.Host) {
		form += " " + u.Scheme + "://" + u.Host
	}
	data.Style = style
	var out bytes.Buffer
	if err := templates.ExecuteTemplate(&out, name, data); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleHash+"; form-action "+form+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address is the key to the page
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // the client may be gone
	return nil
}

var statuses = map[domain.Kind]int{
	domain.Malformed: http.StatusBadRequest, domain.Invalid: http.StatusBadRequest, domain.NotFound: http.StatusNotFound, domain.Conflict: http.StatusConflict, domain.Gone: http.StatusGone,
	domain.TooLarge: http.StatusRequestEntityTooLarge, domain.Unsupported: http.StatusUnsupportedMediaType, domain.RateLimited: http.StatusTooManyRequests,
	domain.Unavailable: http.StatusServiceUnavailable, handlers.MethodNotAllowed: http.StatusMethodNotAllowed, handlers.HeadersTooLarge: http.StatusRequestHeaderFieldsTooLarge,
}

// refuse is the dialect's Refuse: a page that says it in words.
func refuse(w http.ResponseWriter, r *http.Request, e *domain.Error) {
	status, ok := statuses[e.Kind]
	text := e.Detail
	if !ok {
		status = http.StatusInternalServerError
	}
	switch e.Kind {
	case domain.NotFound:
		if e.Code != "link_expired" && e.Code != "no_link" {
			text = "There is nothing here."
		}
	case domain.Gone:
		text = "This file is not there any more."
	case domain.Unavailable, domain.RateLimited:
		text = "Please try again in a moment."
	case handlers.Fault:
		text = "Something went wrong on our side. If it happens again, quote " + handlers.CallOf(r).ID + "."
	}
	if err := render(w, status, "message.html", page{Title: "This did not work", Body: text}, ""); err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// about loads the subscription that a link is about.
func (p *Pages) about(r *http.Request, purpose sealed.Purpose) (uuid.UUID, shownSubscription, error) {
	var content about
	ledger, err := p.open(r, purpose, &content)
	if err != nil {
		return ledger, shownSubscription{}, err
	}
	s, err := p.subscription(r, ledger, content)
	return ledger, s, err
}

// subscription is one as the pages show it.
func (p *Pages) subscription(r *http.Request, ledger uuid.UUID, a about) (shownSubscription, error) {
	row, err := p.reads.Subscription(r.Context(), ledger, a.Subscription)
	if err != nil {
		return shownSubscription{}, err
	}
	product, err := p.reads.Product(r.Context(), ledger, row.ProductID)
	if err != nil {
		return shownSubscription{}, err
	}
	plan, err := p.reads.Plan(r.Context(), ledger, row.PlanID)
	if err != nil {
		return shownSubscription{}, err
	}
	prices, err := p.bought(r, ledger, row)
	if err != nil {
		return shownSubscription{}, err
	}
	at, _, err := p.store.Now(r.Context(), ledger, p.now(), false)
	if err != nil {
		return shownSubscription{}, err
	}
	s := shownSubscription{ID: row.ID, Test: a.Test, Success: a.Success, Product: product.Fields.DisplayName, Plan: plan.Fields.DisplayName, Status: words[row.StatusAt(at)], Quantity: row.Quantity,
		Seats: row.Terms.LicenseType == "perSeat", Until: day(row.EndAt(at)), Ends: row.CancelAt != nil || row.At(at).EndedAt != nil,
		Over: row.StatusAt(at) == subscription.Canceled, Incomplete: row.StatusAt(at) == subscription.Incomplete, Prices: priceLines(plan.Fields, prices, row.Currency)}
	return s, nil
}

// bought are the prices of the plan's version that a subscription has: those of today are others'.
func (p *Pages) bought(r *http.Request, ledger uuid.UUID, s projections.Subscription) ([]catalog.Price, error) {
	state, _, err := p.store.Fold(r.Context(), ledger, s.PlanID)
	if err != nil {
		return nil, err
	}
	plan, ok := state.(*catalog.Plan)
	if !ok {
		return nil, fmt.Errorf("subscription %s: %s is no plan", s.ID, s.PlanID)
	}
	prices, _ := plan.Prices(s.Terms.PlanVersion)
	return prices, nil
}

// shownSubscription is a subscription as the pages show it.
type shownSubscription struct {
	ID                     uuid.UUID
	Test                   bool
	Product, Plan, Status  string
	Quantity               int
	Seats                  bool
	Until                  string
	Ends, Over, Incomplete bool
	Prices                 []string

	// Of the pages that tell what is to be paid.
	Due             *due
	Pay             string // where the form leads that pays it; empty: there is none
	Cancel, Success string // back to the shop, before and afterwards
	HasBegun        bool   // right now, by a checkout
}

// due is what is asked for by the oldest invoice that is not paid.
type due struct {
	ID             uuid.UUID
	Number, Amount string
	By             string // day
	amount         int64
}

var words = map[string]string{
	subscription.Active: "active", subscription.Canceled: "ended", subscription.Paused: "paused", subscription.Trialing: "on trial", subscription.Deleted: "ended",
	subscription.PastDue: "a payment is due", subscription.Incomplete: "waiting for its first payment",
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// portal serves GET /checkout/portal/{token}: the subscription and its status.
func (p *Pages) portal(w http.ResponseWriter, r *http.Request) error {
	_, s, err := p.about(r, forPortal)
	if err != nil {
		return err
	}
	return render(w, http.StatusOK, "portal.html", page{Title: "Your subscription", Test: s.Test, Body: s}, "")
}

// askToCancel serves GET /checkout/cancel/{token}.
func (p *Pages) askToCancel(w http.ResponseWriter, r *http.Request) error {
	_, s, err := p.about(r, forCancel)
	if err != nil {
		return err
	}
	return render(w, http.StatusOK, "cancel.html", page{Title: "Cancel your subscription", Test: s.Test, Body: s}, "")
}

// cancel serves POST /checkout/cancel/{token}: the subscription ends with its period.
func (p *Pages) cancel(w http.ResponseWriter, r *http.Request) error {
	ledger, s, err := p.about(r, forCancel)
	if err != nil {
		return err
	}
	if _, err := form(w, r); err != nil {
		return err
	}
	res, err := p.store.Execute(r.Context(), eventstore.Request{Ledger: ledger, Command: subscription.Cancel{ID: s.ID},
		Meta: eventstore.Meta{Actor: "buyer", RequestID: handlers.CallOf(r).ID, Dialect: "checkout"}})
	if err != nil {
		return err
	}
	var v subscription.TaskAnswer
	if err := handlers.Answer(res, &v); err != nil {
		return err
	}
	s.Ends, s.Until, s.Over = true, day(v.Subscription.ExpiryDate), v.Subscription.Status == subscription.Canceled
	return render(w, http.StatusOK, "cancel.html", page{Title: "Cancel your subscription", Test: s.Test, Body: s}, "")
}

// maxForm bounds what a form sends.
const maxForm = 16 << 10

// form reads a form's fields.
func form(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, domain.Refuse(domain.TooLarge, "too_large", "That is more than this form takes.")
		}
		return nil, domain.Refuse(domain.Malformed, "bad_form", "The form cannot be read.")
	}
	return r.PostForm, nil
}
