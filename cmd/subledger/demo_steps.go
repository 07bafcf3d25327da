package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/apikey"
)

// demoMaker sends the commands of one seed. Each has an idempotency key of its own, so that a demo that
// was interrupted is completed and a complete one only answers again.
type demoMaker struct {
	store *eventstore.Store
	seed  uint64
	test  uuid.UUID // the test ledger
}

// makeDemo makes what a seed stands for, or reads it back from the stored answers.
func makeDemo(ctx context.Context, store *eventstore.Store, seed uint64) (demo, error) {
	m := &demoMaker{store: store, seed: seed, test: derivedID(store.Master(), seed, "test ledger")}
	var d demo
	for _, step := range []func(context.Context, *demo) error{m.access, m.catalog, m.purchases, m.offers} {
		if err := step(ctx, &d); err != nil {
			return d, fmt.Errorf("make the demo of seed %d: %w", seed, err)
		}
	}
	return d, nil
}

// do runs one step in a ledger. Ids of the domain come from the command's id and the ledger's time, so
// they are read from the answer, which is the first one for ever.
func (m *demoMaker) do(ctx context.Context, ledger uuid.UUID, step string, c domain.Command) (eventstore.Result, error) {
	key := "demo:" + strconv.FormatUint(m.seed, 10) + ":" + step
	r, err := m.store.Execute(ctx, eventstore.Request{Ledger: ledger, ID: derivedID(m.store.Master(), m.seed, "command "+step), Command: c,
		Key: key, Fingerprint: sha256.Sum256([]byte(key)), Meta: eventstore.Meta{Actor: demoActor, Key: key}})
	if err != nil {
		return r, fmt.Errorf("step %s: %w", step, err)
	}
	return r, nil
}

// make runs a step of the test ledger that makes something, and returns its id.
func (m *demoMaker) make(ctx context.Context, step string, c domain.Command, id *uuid.UUID) (eventstore.Result, error) {
	r, err := m.do(ctx, m.test, step, c)
	if err != nil {
		return r, err
	}
	var answer struct {
		ID uuid.UUID `json:"id"`
	}
	if err := json.Unmarshal(r.Answer, &answer); err != nil {
		return r, fmt.Errorf("step %s: read the answer: %w", step, err)
	}
	*id = answer.ID
	return r, nil
}

// access makes the organisation and its keys.
func (m *demoMaker) access(ctx context.Context, d *demo) error {
	master, system := m.store.Master(), m.store.SystemLedger()
	d.Organisation = demoOrganisation(master, m.seed)
	create, err := m.store.NewOrganisation(d.Organisation, derivedID(master, m.seed, "live ledger"), m.test,
		fmt.Sprintf("Demo %d", m.seed), "USD", "UTC")
	if err != nil {
		return err
	}
	if _, err := m.do(ctx, system, "organisation", create); err != nil {
		return err
	}
	scopes := slices.DeleteFunc(organisation.Scopes(), func(s string) bool { return s == organisation.AdminScope })
	for _, k := range []struct {
		secret *string
		mode   string
		holder uuid.UUID
		scopes []string
	}{
		{&d.Keys.Live, organisation.Live, d.Organisation, scopes},
		{&d.Keys.Test, organisation.Test, d.Organisation, scopes},
		{&d.Keys.Admin, organisation.System, organisation.AdminKeys, []string{organisation.AdminScope}},
	} {
		label := "key " + k.mode
		key, err := apikey.New(k.mode, bytes.NewReader(master.Derive(fmt.Sprintf("demo %d %s", m.seed, label), 32)))
		if err != nil {
			return err
		}
		_, err = m.do(ctx, system, label, organisation.IssueKey{Organisation: k.holder, KeyID: derivedID(master, m.seed, label),
			Mode: k.mode, Name: fmt.Sprintf("Demo %d %s", m.seed, k.mode), Hash: key.Hash[:], Hint: key.Hint, Scopes: k.scopes})
		if err != nil {
			return err
		}
		*k.secret = key.Secret
	}
	return nil
}

// catalog makes the product and its plans.
func (m *demoMaker) catalog(ctx context.Context, d *demo) error {
	_, err := m.make(ctx, "product", catalog.CreateProduct{Fields: catalog.ProductFields{
		Name: "atlas", DisplayName: "Atlas", Paid: true, Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}}}}, &d.Product)
	if err != nil {
		return err
	}
	var read, edit, export, meter uuid.UUID
	for _, c := range []struct {
		name string
		id   *uuid.UUID
	}{{"read", &read}, {"edit", &edit}, {"export", &export}} {
		_, err := m.make(ctx, "capability "+c.name, catalog.CreateCapability{Fields: catalog.CapabilityFields{ProductID: d.Product, Name: c.name}}, c.id)
		if err != nil {
			return err
		}
	}
	_, err = m.make(ctx, "meter", catalog.CreateMeter{Fields: catalog.MeterFields{Key: "calls", Name: "API calls", Aggregation: "sum"}}, &meter)
	if err != nil {
		return err
	}
	amount := func(minor int64) *decimal.Decimal { a := decimal.New(minor, 0); return &a }
	perCall := decimal.New(2, -1) // a fifth of a cent
	for _, plan := range []struct {
		id           *uuid.UUID
		name, title  string
		licenseType  string
		capabilities []uuid.UUID
		price        *catalog.Price
	}{
		{&d.Plans.Free, "free", "Free", catalog.Licensed, []uuid.UUID{read}, nil},
		{&d.Plans.Flat, "flat", "Flat", catalog.Licensed, []uuid.UUID{read, edit},
			&catalog.Price{Key: "base", Kind: "flat", UnitAmount: amount(1500), Billing: "inAdvance"}},
		{&d.Plans.FlatUpgrade, "flat-upgrade", "Flat, more of it", catalog.Licensed, []uuid.UUID{read, edit, export},
			&catalog.Price{Key: "base", Kind: "flat", UnitAmount: amount(3000), Billing: "inAdvance"}},
		{&d.Plans.PerSeat, "per-seat", "Per seat", catalog.PerSeat, []uuid.UUID{read, edit},
			&catalog.Price{Key: "seats", Kind: "perSeat", UnitAmount: amount(1000), Billing: "inAdvance"}},
		{&d.Plans.Metered, "metered", "Metered", catalog.Metered, []uuid.UUID{read},
			&catalog.Price{Key: "calls", Kind: "perUnit", UnitAmount: &perCall, Billing: "inArrears", Meter: "calls"}},
	} {
		f := catalog.DefaultPlan()
		f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.Capabilities = d.Product, plan.name, plan.title, plan.licenseType, plan.capabilities
		f.PricingType, f.Interval, f.Length = "free", "month", 1
		if plan.price != nil {
			plan.price.Currency = "USD"
			f.PricingType, f.Prices = "paid", []catalog.Price{*plan.price}
		}
		if plan.licenseType == catalog.PerSeat {
			f.MaxSeatAmount = 50
		}
		if _, err := m.make(ctx, "plan "+plan.name, catalog.CreatePlan{Fields: f, Meters: catalog.Meters{"calls": meter}}, plan.id); err != nil {
			return err
		}
	}
	return nil
}

// purchases makes the subscriptions and licences.
func (m *demoMaker) purchases(ctx context.Context, d *demo) error {
	for _, name := range []string{"ada", "ben", "cem"} {
		d.Grantees = append(d.Grantees, fmt.Sprintf("%s-%d", name, m.seed))
	}
	owner, seats := fmt.Sprintf("owner-%d", m.seed), 5
	_, err := m.make(ctx, "subscription", subscription.Start{PlanID: d.Plans.PerSeat, Quantity: &seats, Owner: owner}, &d.Subscription)
	if err != nil {
		return err
	}
	// The answer counts the seats; the event names them.
	events, err := m.store.Stream(ctx, m.test, d.Subscription, 0, 1)
	if err != nil {
		return err
	}
	started, ok := events[0].Event.(subscription.Started)
	if !ok {
		return fmt.Errorf("event %d is %s, not the start of a subscription", events[0].Position, events[0].Type)
	}
	for _, seat := range started.Seats {
		d.Licenses = append(d.Licenses, seat.ID)
	}
	for i, grantee := range d.Grantees[:2] {
		seat := license.Ref{LicenseID: d.Licenses[i], SubscriptionID: &d.Subscription}
		if _, err := m.do(ctx, m.test, fmt.Sprintf("assign %d", i+1), license.Assign{Ref: seat, Grantee: &grantee}); err != nil {
			return err
		}
	}
	if _, err := m.make(ctx, "flat subscription", subscription.Start{PlanID: d.Plans.Flat, Owner: owner}, &d.FlatSubscription); err != nil {
		return err
	}
	_, err = m.make(ctx, "metered license", license.Grant{PlanID: d.Plans.Metered, Grantee: &d.Grantees[2], Purchaser: owner}, &d.MeteredLicense)
	return err
}

// offers makes the pricing table and the coupon, last: what a demo of an earlier version made keeps its ids.
func (m *demoMaker) offers(ctx context.Context, d *demo) error {
	table := catalog.PricingTableFields{ProductID: d.Product, Name: "atlas", FeaturedPlanID: &d.Plans.FlatUpgrade}
	for i, id := range []uuid.UUID{d.Plans.Free, d.Plans.Flat, d.Plans.FlatUpgrade, d.Plans.PerSeat, d.Plans.Metered} {
		table.Plans = append(table.Plans, catalog.TablePlan{PlanID: id, SortOrder: i})
	}
	if _, err := m.make(ctx, "pricing table", catalog.CreatePricingTable{Fields: table}, &d.PricingTable); err != nil {
		return err
	}
	tenth := decimal.NewFromInt(10)
	_, err := m.make(ctx, "coupon", catalog.CreateCoupon{Fields: catalog.CouponFields{Code: "TEN", PercentOff: &tenth, Duration: catalog.Forever}}, &d.Coupon)
	return err
}
