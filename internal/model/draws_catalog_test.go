package model

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/organisation"
)

// What is sold, and the keys.

func (w *walk) newCapability(product int, name string) step {
	return step{command: catalog.CreateCapability{Fields: catalog.CapabilityFields{ProductID: w.r.products[product].id, Name: name}},
		expect: func(r *reference, answer []byte) string {
			return r.newItem(&r.powers, idIn(answer, "id"), product, name)
		}}
}

func (w *walk) newMeter(i int, unique bool) step {
	f := catalog.MeterFields{Key: meterKey(i)}
	if unique {
		f.Aggregation = "unique"
	}
	return step{command: catalog.CreateMeter{Fields: f}, expect: func(r *reference, answer []byte) string {
		r.meters = append(r.meters, &item{id: idIn(answer, "id"), text: f.Key, unique: unique, version: 1})
		return ""
	}}
}

func (w *walk) newPlan(p plan) step {
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.PricingType = w.r.products[p.product].id, "plan", "Plan", "paid"
	f.Currencies = []catalog.PlanCurrency{{Currency: "USD", Price: 100_000_000}} // so that an hour of a year costs something
	f.LicenseType, f.PerSeatAmount, f.MaxSeatAmount, f.Interval, f.Length = catalog.Licensed, p.least, p.most, p.unit, p.length
	if p.perSeat {
		f.LicenseType = catalog.PerSeat
	}
	if p.trialDays > 0 {
		f.TrialDays = &p.trialDays
	}
	f.Evaluation, f.EvalDays = p.evalDays > 0, p.evalDays
	if p.announced {
		f.PlanType = catalog.PlanComingSoon
	}
	for _, c := range p.powers {
		f.Capabilities = append(f.Capabilities, w.r.powers[c].id)
	}
	return step{command: catalog.CreatePlan{Fields: f}, expect: func(r *reference, answer []byte) string { return r.newPlan(idIn(answer, "id"), p) }}
}

func (w *walk) catalog(t *rapid.T) step {
	text := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "text")
	change := rapid.Bool().Draw(t, "change")
	switch rapid.IntRange(0, 9).Draw(t, "item") {
	case 0:
		if rapid.IntRange(0, 9).Draw(t, "archive") > 0 {
			change = true // an archived product sells nothing any more
		}
		i := pick(t, len(w.r.products), "product")
		if id := w.r.products[i].id; !change {
			return step{command: catalog.ArchiveProduct{ID: id}, expect: func(r *reference, _ []byte) string { return r.products[i].archive() }}
		}
		return step{command: catalog.ChangeProduct{ID: w.r.products[i].id, Patch: catalog.ProductPatch{DisplayName: &text}},
			expect: func(r *reference, _ []byte) string { return r.products[i].change(text, "product_archived") }}
	case 1:
		i := pick(t, len(w.r.powers), "capability")
		if id := w.r.powers[i].id; !change {
			return step{command: catalog.ArchiveCapability{ID: id}, expect: func(r *reference, _ []byte) string { return r.powers[i].archive() }}
		}
		return step{command: catalog.ChangeCapability{ID: w.r.powers[i].id, Patch: catalog.CapabilityPatch{Name: &text}},
			expect: func(r *reference, _ []byte) string { return r.powers[i].change(text, "capability_archived") }}
	case 2:
		return w.newCapability(0, text)
	case 3:
		if len(w.r.features) == 0 || rapid.Bool().Draw(t, "new") {
			return step{command: catalog.CreateFeature{Fields: catalog.FeatureFields{ProductID: w.r.products[0].id, Name: "f", DisplayName: text}},
				expect: func(r *reference, answer []byte) string {
					return r.newItem(&r.features, idIn(answer, "id"), 0, text)
				}}
		}
		i := pick(t, len(w.r.features), "feature")
		if id := w.r.features[i].id; !change {
			return step{command: catalog.ArchiveFeature{ID: id}, expect: func(r *reference, _ []byte) string { return r.features[i].archive() }}
		}
		return step{command: catalog.ChangeFeature{ID: w.r.features[i].id, Patch: catalog.FeaturePatch{DisplayName: &text}},
			expect: func(r *reference, _ []byte) string { return r.features[i].change(text, "feature_archived") }}
	case 4:
		i := pick(t, len(w.r.meters), "meter")
		if id := w.r.meters[i].id; !change {
			return step{command: catalog.ArchiveMeter{ID: id}, expect: func(r *reference, _ []byte) string { return r.meters[i].archive() }}
		}
		return step{command: catalog.ChangeMeter{ID: w.r.meters[i].id, Patch: catalog.MeterPatch{Name: &text}},
			expect: func(r *reference, _ []byte) string { return r.meters[i].change(text, "meter_archived") }}
	case 5:
		return step{command: catalog.CreateMeter{Fields: catalog.MeterFields{Key: meterKey(0)}}, expect: func(*reference, []byte) string { return "meter_key_taken" }}
	case 6:
		units := []string{"day", "week", "month", "year"}
		p := plan{perSeat: rapid.Bool().Draw(t, "per seat"), least: rapid.IntRange(0, 3).Draw(t, "least"), most: rapid.IntRange(-1, 6).Draw(t, "most"),
			unit: rapid.SampledFrom(units).Draw(t, "unit"), length: rapid.IntRange(1, 14).Draw(t, "length"), powers: []int{pick(t, 2, "capability")}}
		return w.newPlan(p)
	}
	i := pick(t, len(w.r.plans), "plan")
	id := w.r.plans[i].id
	switch rapid.IntRange(0, 3).Draw(t, "plan command") {
	case 0:
		return step{command: catalog.ArchivePlan{ID: id}, expect: func(r *reference, _ []byte) string { return r.plans[i].archive() }}
	case 1:
		price := rapid.IntRange(1, 3).Draw(t, "price")
		unit := decimal.NewFromInt(int64(price) * 1_000_000) // so much that no part of a period costs nothing
		return step{command: catalog.AddPlanVersion{ID: id, Prices: []catalog.Price{{Key: "p", Kind: catalog.Flat, Currency: "USD", UnitAmount: &unit}}},
			expect: func(r *reference, _ []byte) string { return r.pricePlan(i, price) }}
	}
	most := rapid.IntRange(-1, 6).Draw(t, "most")
	return step{command: catalog.ChangePlan{ID: id, Patch: catalog.PlanPatch{MaxSeatAmount: &most}}, expect: func(r *reference, _ []byte) string { return r.limitPlan(i, most) }}
}

// apiKeys are the organisation's, in the system ledger.
func (w *walk) apiKeys(t *rapid.T) step {
	org, process := w.k.organisation(), w.k.process()
	n := byte(rapid.IntRange(0, 40).Draw(t, "secret"))
	hash := make([]byte, 32)
	copy(hash, org[:])
	hash[31] = n
	id := uuid.NewSHA1(org, fmt.Append(nil, "key", w.keys))
	what := rapid.IntRange(0, 4).Draw(t, "keys")
	if len(w.r.keys) == 0 && what > 0 {
		what = 3
	}
	switch what {
	case 0:
		other := rapid.SampledFrom([]uuid.UUID{org, uuid.NewSHA1(org, fmt.Append(nil, "org", w.keys))}).Draw(t, "organisation")
		return step{system: true, command: w.k.newOrganisation(t, other), expect: func(r *reference, _ []byte) string { return r.organise(other) }}
	case 1:
		i := pick(t, len(w.r.keys), "key")
		return step{system: true, command: organisation.RevokeKey{Organisation: org, KeyID: w.r.keys[i].id}, expect: func(r *reference, _ []byte) string { return r.revoke(i) }}
	case 2:
		i, overlap := pick(t, len(w.r.keys), "key"), time.Duration(rapid.SampledFrom([]int{0, 24, 24 * 31}).Draw(t, "overlap"))*time.Hour
		return step{system: true, command: organisation.RollKey{Organisation: org, KeyID: w.r.keys[i].id, NewKeyID: id, Hash: hash, Hint: "h", Overlap: overlap},
			expect: func(r *reference, _ []byte) string { return r.roll(i, id, n, overlap) }}
	}
	c := organisation.IssueKey{Organisation: org, KeyID: id, Mode: "test", Name: "k", Hash: hash, Hint: "h", Scopes: []string{"plans:read"}}
	if rapid.Bool().Draw(t, "expires") {
		at := process.Add(time.Duration(rapid.IntRange(-1, 72).Draw(t, "expiry")) * time.Hour)
		c.ExpiresAt = &at
	}
	return step{system: true, command: c, expect: func(r *reference, _ []byte) string { return r.issue(id, n, c.ExpiresAt) }}
}
