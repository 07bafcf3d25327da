package handlers

import (
	"net/http"
	"strconv"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/settings"
)

// An admin key opens the system ledger alone, so whoever bills sets how.
func (a *API) settingsRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/settings", Scope: ScopeBillingRead, Serve: a.readSettings},
		{Method: "PUT", Path: "/settings", Scope: ScopeBillingWrite, Serve: a.changeSettings},
	}
}

// settingsBody is a ledger's settings on the wire.
type settingsBody struct {
	ProrationMode           string  `json:"prorationMode"`
	InvoiceDaysUntilDue     int     `json:"invoiceDaysUntilDue"`
	DraftHours              int     `json:"draftHours"`
	ZeroInvoices            bool    `json:"zeroInvoices"`
	LateUsageHours          int     `json:"lateUsageHours"`
	GraceDaysPastDue        *int    `json:"graceDaysPastDue"`
	TrialEndsWithoutPayment *string `json:"trialEndsWithoutPayment"`
	Version                 int64   `json:"version"`
}

func settingsOut(v settings.View) settingsBody {
	return settingsBody{v.ProrationMode, v.InvoiceDaysUntilDue, v.DraftHours, v.ZeroInvoices, v.LateUsageHours, v.GraceDaysPastDue, v.TrialEndsWithoutPayment, v.Version}
}

// given is Opt for a field that is left out or has a value: null is none.
func given[T any](o *Object, name string, get func(string, ...Rule) T, r ...Rule) *T {
	if o.Has(name) {
		r = append(r, Required)
	}
	return Opt(o, name, get, r...)
}

// count is a whole number from 0 to most.
func count(o *Object, most int64) func(string, ...Rule) int {
	return func(name string, r ...Rule) int { return int(o.Int(name, append(r, Min(0), Max(most))...)) }
}

// oneOf is one of some texts.
func oneOf(o *Object, texts ...string) func(string, ...Rule) string {
	return func(name string, r ...Rule) string { return o.Enum(name, texts, r...) }
}

func settingsPatch(o *Object) settings.Patch {
	p := settings.Patch{
		ProrationMode:       given(o, "prorationMode", oneOf(o, string(period.BySecond), string(period.ByDay), string(period.ByFixed30))),
		InvoiceDaysUntilDue: given(o, "invoiceDaysUntilDue", count(o, settings.MaxDaysUntilDue)),
		DraftHours:          given(o, "draftHours", count(o, settings.MaxDraftHours)),
		ZeroInvoices:        given(o, "zeroInvoices", o.Bool),
		LateUsageHours:      given(o, "lateUsageHours", count(o, settings.MaxLateHours)),
	}
	if days := Opt(o, "graceDaysPastDue", count(o, settings.MaxGraceDays)); o.Has("graceDaysPastDue") {
		p.GraceDaysPastDue = &days
	}
	if then := Opt(o, "trialEndsWithoutPayment", oneOf(o, settings.PauseTrial, settings.CancelTrial)); o.Has("trialEndsWithoutPayment") {
		p.TrialEndsWithoutPayment = &then
	}
	return p
}

// readSettings serves GET /settings.
//
//	out  200 settings | 304
func (a *API) readSettings(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if err := a.at(w, r); err != nil {
		return err
	}
	caller := CallerOf(r)
	state, position, err := a.Store.Fold(r.Context(), caller.Ledger, settings.StreamID(caller.Ledger))
	if err != nil {
		return err
	}
	w.Header().Set("Ledger-Position", strconv.FormatInt(position, 10))
	v := settings.From(state, caller.Test())
	return entity(w, r, http.StatusOK, v.Version, settingsOut(v))
}

// changeSettings serves PUT /settings: what is left out stays; null clears graceDaysPastDue and trialEndsWithoutPayment.
//
//	in   {prorationMode?, invoiceDaysUntilDue?, draftHours?, zeroInvoices?, lateUsageHours?, graceDaysPastDue?, trialEndsWithoutPayment?}
//	out  200 settings | 412 | 422
func (a *API) changeSettings(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	c := settings.Change{Patch: settingsPatch(o)}
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	v, _, err := write[settings.View](a, w, r, body, settings.StreamID(CallerOf(r).Ledger), c)
	if err != nil {
		return err
	}
	return entity(w, r, http.StatusOK, v.Version, settingsOut(v))
}
