package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
)

// demoActor marks what a demo made. An API key's actor is a UUID, so that no client can pose as one.
const demoActor = "demo"

type demoCommand struct {
	Database
	Output
	Seed uint64 `default:"1" help:"Which demo: the same seed always gives the same ids and keys."`
	Yes  bool   `help:"Make it even where organisations exist that no demo made."`
}

func (c *demoCommand) Validate() error { return c.validate() }

func (c *demoCommand) Run(ctx context.Context, p *process) (err error) {
	in, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	key, err := in.prepare(ctx)
	if err != nil {
		return err
	}
	in.tellKey(p)
	store, done, err := in.store(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	if !c.Yes {
		beside, err := besideOthers(ctx, store, demoOrganisation(key, c.Seed))
		if err != nil {
			return err
		}
		if beside {
			return refused("Use another database, or say --yes to make the demo beside them.",
				"there are organisations that no demo made; a demo does not mix with them")
		}
	}
	d, err := makeDemo(ctx, store, c.Seed)
	if err != nil {
		return err
	}
	if err := in.catchUp(ctx, store, store.SystemLedger(), derivedID(key, c.Seed, "test ledger")); err != nil {
		return err
	}
	if c.json() {
		return p.writeJSON(d)
	}
	p.writeTable(nil, d.rows())
	return nil
}

// demo is what a seed made. All but the organisation and the admin key is in its test ledger.
type demo struct {
	Organisation     uuid.UUID   `json:"organisation"`
	Keys             demoKeys    `json:"keys"`
	Product          uuid.UUID   `json:"product"`
	Plans            demoPlans   `json:"plans"`
	Subscription     uuid.UUID   `json:"subscription"`     // per seat: 5 seats, the first 2 assigned
	FlatSubscription uuid.UUID   `json:"flatSubscription"` // paid
	Licenses         []uuid.UUID `json:"licenses"`         // of subscription, oldest first
	MeteredLicense   uuid.UUID   `json:"meteredLicense"`
	PricingTable     uuid.UUID   `json:"pricingTable"` // of all plans
	Coupon           uuid.UUID   `json:"coupon"`       // code TEN: a tenth off, for ever
	Grantees         []string    `json:"grantees"`     // of the two assigned seats, then of the metered licence
}

type demoKeys struct {
	Live  string `json:"live"`
	Test  string `json:"test"`
	Admin string `json:"admin"`
}

type demoPlans struct {
	Free        uuid.UUID `json:"free"`
	Flat        uuid.UUID `json:"flat"`
	FlatUpgrade uuid.UUID `json:"flatUpgrade"`
	PerSeat     uuid.UUID `json:"perSeat"` // 1 to 50 seats
	Metered     uuid.UUID `json:"metered"`
}

func (d demo) rows() [][]string {
	rows := [][]string{
		{"organisation", d.Organisation.String()},
		{"live key", d.Keys.Live}, {"test key", d.Keys.Test}, {"admin key", d.Keys.Admin},
		{"product", d.Product.String()},
		{"plan free", d.Plans.Free.String()}, {"plan flat", d.Plans.Flat.String()}, {"plan flat upgrade", d.Plans.FlatUpgrade.String()},
		{"plan per seat", d.Plans.PerSeat.String()}, {"plan metered", d.Plans.Metered.String()},
		{"subscription per seat", d.Subscription.String()}, {"subscription flat", d.FlatSubscription.String()},
	}
	for i, id := range d.Licenses {
		holder := "seat, unassigned"
		if i < 2 {
			holder = "seat of " + d.Grantees[i]
		}
		rows = append(rows, []string{holder, id.String()})
	}
	rows = append(rows, []string{"pricing table", d.PricingTable.String()}, []string{"coupon TEN", d.Coupon.String()})
	return append(rows, []string{"licence of " + d.Grantees[2], d.MeteredLicense.String()})
}

// besideOthers tells that a demo would come beside organisations that no demo made. One that is there already comes
// beside nobody.
func besideOthers(ctx context.Context, store *eventstore.Store, demo uuid.UUID) (bool, error) {
	state, _, err := store.Fold(ctx, store.SystemLedger(), demo)
	if err != nil || state != nil {
		return false, err
	}
	return anyOrganisation(ctx, store, func(m eventstore.Meta) bool { return m.Actor != demoActor })
}

// anyOrganisation looks for one whose making had such a Meta.
func anyOrganisation(ctx context.Context, store *eventstore.Store, is func(eventstore.Meta) bool) (bool, error) {
	for after := int64(0); ; {
		events, err := store.Page(ctx, store.SystemLedger(), after, 1000)
		if err != nil || len(events) == 0 {
			return false, err
		}
		for _, e := range events {
			if _, ok := e.Event.(organisation.Created); ok {
				var m eventstore.Meta
				if err := json.Unmarshal(e.Meta, &m); err != nil {
					return false, fmt.Errorf("read the meta data of event %d: %w", e.Position, err)
				}
				if is(m) {
					return true, nil
				}
			}
		}
		after = events[len(events)-1].Position
	}
}

// demoOrganisation is the id of a seed's organisation, whether or not it was made yet.
func demoOrganisation(key eventstore.MasterKey, seed uint64) uuid.UUID {
	return derivedID(key, seed, "organisation")
}

// derivedID is a UUIDv7 of a fixed moment that only this seed and master key give.
func derivedID(key eventstore.MasterKey, seed uint64, label string) uuid.UUID {
	moment := int64(1_767_225_600_000) // 2026-01-01 in milliseconds
	id := uuid.UUID(key.Derive("demo "+strconv.FormatUint(seed, 10)+" "+label, 16))
	for i := range 6 {
		id[i] = byte(moment >> (40 - 8*i))
	}
	id[6], id[8] = id[6]&0x0f|0x70, id[8]&0x3f|0x80
	return id
}
