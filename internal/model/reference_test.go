// Package model runs random commands against a naive reference: plain lists and obvious code, written from
// the rules without the deciders and folds that it judges. The same seeds run on the ledger in memory and on
// the real log, with lost answers, crashes, two processes, retries and commands at the same time; what read
// models say is held against the reference too, and concurrent histories against linearisability.
package model

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// reference is what must be true of one ledger, and of an organisation's keys in the system ledger. Commands
// are methods that give "" when they are accepted, else the code of the refusal; those that make something
// are told its id.
type reference struct {
	now      time.Time // the ledger's test clock
	process  time.Time // the moment of the system ledger
	products []*item
	plans    []*plan
	powers   []*item // capabilities
	features []*item
	meters   []*item
	coupons  []*voucher
	subs     []*purchase
	tasks    []*job
	grants   []*grant
	used     map[string]string // usage keys: what each stands for
	totals   map[string]int    // by licence and meter
	manual   string            // how the provider answers
	provider int64             // events of its stream
	late     int               // hours: how long after an end usage is taken
	settings int64             // events of their stream
	keys     []*apiKey
	hashes   map[byte]bool
	orgs     map[uuid.UUID]bool
}

// clone is for looking ahead: what happens to it happens to nobody else.
func (r *reference) clone() *reference {
	c := *r
	c.products, c.powers, c.features, c.meters = copies(r.products), copies(r.powers), copies(r.features), copies(r.meters)
	c.plans, c.tasks, c.grants, c.keys = copies(r.plans), copies(r.tasks), copies(r.grants), copies(r.keys)
	c.coupons = copies(r.coupons)
	c.subs = slices.Clone(r.subs)
	for i, p := range c.subs {
		c.subs[i] = p.clone()
	}
	c.used, c.totals, c.hashes, c.orgs = copyOf(r.used), copyOf(r.totals), copyOf(r.hashes), copyOf(r.orgs)
	return &c
}

func copies[T any](all []*T) []*T {
	c := make([]*T, len(all))
	for i, p := range all {
		v := *p
		c[i] = &v
	}
	return c
}

func copyOf[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// item is a product, a capability, a feature or a meter: one text that can be changed, until it is archived.
type item struct {
	id       uuid.UUID
	text     string
	archived bool
	version  int64
	product  int
	unique   bool // of a meter: it counts values
}

func (i *item) change(text, archived string) string {
	switch {
	case i.text == text:
		return ""
	case i.archived:
		return archived
	}
	i.text = text
	i.version++
	return ""
}

func (i *item) archive() string {
	if !i.archived {
		i.archived = true
		i.version++
	}
	return ""
}

type plan struct {
	item
	perSeat     bool
	least, most int // seats; most -1: no maximum
	unit        string
	length      int
	trialDays   int
	evalDays    int
	powers      []int
	price       int  // 0: none of its own
	edition     int  // the plan's version: what it costs
	announced   bool // Coming soon: no subscription begins on it or moves to it
}

// terms are what a purchase copies and keeps.
type terms struct {
	plan        int
	edition     int
	perSeat     bool
	least, most int
	unit        string
	length      int
	powers      []string
}

// sold gives the terms of a plan that is on sale.
func (r *reference) sold(i int) (terms, string) {
	p := r.plans[i]
	if p.archived || r.products[p.product].archived {
		return terms{}, "plan_archived"
	}
	t := terms{plan: i, edition: p.edition, perSeat: p.perSeat, least: p.least, most: p.most, unit: p.unit, length: p.length}
	for _, c := range p.powers {
		if !r.powers[c].archived {
			t.powers = append(t.powers, r.powers[c].text)
		}
	}
	return t, ""
}

func (t terms) limits(quantity int) string {
	switch {
	case !t.perSeat && quantity < 1,
		t.perSeat && quantity < t.least,
		t.perSeat && t.most >= 0 && quantity > t.most:
		return "quantity_out_of_limits"
	}
	return ""
}

func (r *reference) newItem(all *[]*item, id uuid.UUID, product int, text string) string {
	if r.products[product].archived {
		return "product_archived"
	}
	*all = append(*all, &item{id: id, text: text, version: 1, product: product})
	return ""
}

func (r *reference) newPlan(id uuid.UUID, p plan) string {
	if r.products[p.product].archived {
		return "product_archived"
	}
	bad := 0
	code := ""
	for _, c := range p.powers {
		if r.powers[c].archived {
			bad++
			code = "capability_archived"
		}
	}
	if p.most >= 0 && p.least > p.most {
		bad++
		code = "bad_seat_maximum"
	}
	if bad > 1 {
		return "invalid_fields"
	}
	if code != "" {
		return code
	}
	p.id, p.version, p.edition = id, 1, 1
	r.plans = append(r.plans, &p)
	return ""
}

// limitPlan sets another maximum: who has bought keeps the old one.
func (r *reference) limitPlan(i, most int) string {
	switch p := r.plans[i]; {
	case most >= 0 && p.least > most:
		return "bad_seat_maximum"
	case p.most == most:
	case p.archived:
		return "plan_archived"
	default:
		p.most = most
		p.version++
	}
	return ""
}

func (r *reference) pricePlan(i, price int) string {
	switch p := r.plans[i]; {
	case p.price == price:
	case p.archived:
		return "plan_archived"
	default:
		p.price = price
		p.version++
		p.edition++
	}
	return ""
}

func (r *reference) moveClock(to time.Time) string {
	if to.Before(r.now) {
		return "clock_backwards"
	}
	r.now = to
	return ""
}

func (r *reference) configure(outcome string) string {
	if r.manual != outcome {
		r.manual = outcome
		r.provider++
	}
	return ""
}

func (r *reference) takeLate(hours int) string {
	if r.late != hours {
		r.late = hours
		r.settings++
	}
	return ""
}

// apiKey is a key of the organisation.
type apiKey struct {
	id      uuid.UUID
	expires *time.Time
	ends    *time.Time
	reason  string
}

func (k *apiKey) end() *time.Time {
	if k.ends != nil && (k.expires == nil || k.ends.Before(*k.expires)) {
		return k.ends
	}
	return k.expires
}

func (k *apiKey) over(now time.Time) bool { return k.end() != nil && !now.Before(*k.end()) }

func (k *apiKey) status(now time.Time) string {
	switch {
	case !k.over(now):
		return "active"
	case k.ends != nil && k.ends.Equal(*k.end()):
		return k.reason
	}
	return "expired"
}

func (r *reference) issue(id uuid.UUID, hash byte, expires *time.Time) string {
	switch {
	case expires != nil && !expires.After(r.process):
		return "bad_expiry"
	case r.hashes[hash]:
		return "key_exists"
	}
	r.hashes[hash] = true
	r.keys = append(r.keys, &apiKey{id: id, expires: expires})
	return ""
}

func (r *reference) revoke(i int) string {
	if k := r.keys[i]; !k.over(r.process) {
		now := r.process
		k.ends, k.reason = &now, "revoked"
	}
	return ""
}

func (r *reference) roll(i int, id uuid.UUID, hash byte, overlap time.Duration) string {
	k := r.keys[i]
	switch {
	case overlap > 30*24*time.Hour:
		return "bad_overlap"
	case k.over(r.process):
		return "key_ended"
	case k.ends != nil:
		return "already_rolled"
	case r.hashes[hash]:
		return "key_exists"
	}
	r.hashes[hash] = true
	end := r.process.Add(overlap)
	k.ends, k.reason = &end, "rolled"
	r.keys = append(r.keys, &apiKey{id: id, expires: k.expires})
	return ""
}

func (r *reference) organise(id uuid.UUID) string {
	if r.orgs[id] {
		return "organisation_exists"
	}
	r.orgs[id] = true
	return ""
}
