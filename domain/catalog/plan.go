package catalog

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Licence types.
const (
	PerSeat  = "perSeat"
	Licensed = "licensed"
	Metered  = "metered"
)

// Plan is the fold of a plan's stream.
type Plan struct {
	domain.Record
	Fields      PlanFields
	PlanVersion int // rule C5
	Archived    bool
	ArchivedAt  time.Time
	versions    [][]Price // effective prices by plan version, from 1
}

// Apply implements domain.State.
func (p *Plan) Apply(e domain.Event) {
	switch e := e.(type) {
	case PlanCreated:
		p.Fields, p.PlanVersion = e.PlanFields, 1
		p.keepPrices()
	case PlanChanged:
		p.Fields, p.PlanVersion = e.PlanFields, e.Version
		p.keepPrices()
	case PlanArchived:
		p.Archived, p.ArchivedAt = true, p.Effective
	}
}

func (p *Plan) keepPrices() {
	for len(p.versions) < p.PlanVersion {
		p.versions = append(p.versions, nil)
	}
	if p.PlanVersion > 0 {
		p.versions[p.PlanVersion-1] = p.Fields.EffectivePrices()
	}
}

// Prices are the effective prices of a version of the plan, from 1; a purchase stays with its version.
// They are the state's own: do not change them.
func (p *Plan) Prices(version int) (prices []Price, ok bool) {
	if version < 1 || version > len(p.versions) {
		return nil, false
	}
	return p.versions[version-1], true
}

// PricedCurrencies are those that the plan has a price in, in the order of the plan.
func (f *PlanFields) PricedCurrencies() []string {
	var codes []string
	add := func(code string) {
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	for _, c := range f.Currencies {
		add(c.Currency)
	}
	for _, p := range f.Prices {
		add(p.Currency)
	}
	return codes
}

// PlanView is a plan as its commands answer it.
type PlanView struct {
	ID uuid.UUID `json:"id"`
	PlanFields
	Status      string     `json:"status"` // ACTIVE, DEPRECATED
	PlanVersion int        `json:"plan_version"`
	ArchivedAt  *time.Time `json:"archived_at,omitempty"`
	Version     int64      `json:"version"` // of the stream
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
}

// View shows the plan.
func (p *Plan) View() PlanView {
	v := PlanView{ID: p.ID, PlanFields: p.Fields, Status: statusOf(p.Archived), PlanVersion: p.PlanVersion,
		Version: p.Version, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt}
	v.Capabilities, v.Features = slices.Clone(v.Capabilities), slices.Clone(v.Features)
	v.Currencies, v.Prices = slices.Clone(v.Currencies), slices.Clone(v.Prices)
	if p.Archived {
		at := p.ArchivedAt
		v.ArchivedAt = &at
	}
	return v
}

// PlanPatch sets some of a plan's fields: nil leaves one, a list replaces the whole relation (rule C6),
// the empty text removes an optional text.
type PlanPatch struct {
	ProductID     *uuid.UUID
	Name          *string
	Slug          *string
	DisplayName   *string
	Description   *string
	LicenseType   *string
	PricingType   *string
	PlanType      *string
	Environment   *string
	Visibility    *string
	Interval      *string
	Length        *int
	TrialDays     *int
	Evaluation    *bool
	EvalDays      *int
	PerSeatAmount *int
	MaxSeatAmount *int
	Active        *bool
	SalablePlan   *bool
	PaddlePlanID  *string
	Capabilities  *[]uuid.UUID
	Features      *[]PlanFeature
	Currencies    *[]PlanCurrency
	Prices        *[]Price
	Meters        Meters // of the prices
}

// Apply sets the patch's fields in f.
func (p PlanPatch) Apply(f *PlanFields) {
	set(&f.ProductID, p.ProductID)
	set(&f.Name, p.Name)
	set(&f.Slug, p.Slug)
	set(&f.DisplayName, p.DisplayName)
	setText(&f.Description, p.Description)
	set(&f.LicenseType, p.LicenseType)
	set(&f.PricingType, p.PricingType)
	set(&f.PlanType, p.PlanType)
	set(&f.Environment, p.Environment)
	set(&f.Visibility, p.Visibility)
	set(&f.Interval, p.Interval)
	set(&f.Length, p.Length)
	if p.TrialDays != nil {
		f.TrialDays = p.TrialDays
	}
	set(&f.Evaluation, p.Evaluation)
	set(&f.EvalDays, p.EvalDays)
	set(&f.PerSeatAmount, p.PerSeatAmount)
	set(&f.MaxSeatAmount, p.MaxSeatAmount)
	set(&f.Active, p.Active)
	set(&f.SalablePlan, p.SalablePlan)
	setText(&f.PaddlePlanID, p.PaddlePlanID)
	set(&f.Capabilities, p.Capabilities)
	set(&f.Features, p.Features)
	set(&f.Currencies, p.Currencies)
	set(&f.Prices, p.Prices)
}

// DefaultPlan has the values of fields whose zero value means something else: one seat at least, no
// maximum, active. The other defaults are filled in by the command.
func DefaultPlan() PlanFields {
	return PlanFields{PerSeatAmount: 1, MaxSeatAmount: -1, Active: true}
}

// Fields are the fields of a new plan: the defaults, then the patch.
func (p PlanPatch) Fields() PlanFields {
	f := DefaultPlan()
	p.Apply(&f)
	return f
}

// CreatePlan answers PlanView. Fields begins as DefaultPlan or comes from PlanPatch.Fields: a zero
// PerSeatAmount, MaxSeatAmount or Active is taken as given. Its slug is unique in its product (rule C7;
// slug_taken for a chosen one).
type CreatePlan struct {
	Fields PlanFields
	Meters Meters // of the prices
}

// Decide implements domain.Command.
func (c CreatePlan) Decide(l domain.Ledger) (any, error) {
	f, chosen := c.Fields, c.Fields.Slug != ""
	product, err := ofProduct(l, f.ProductID)
	if err != nil {
		return nil, err
	}
	if err := f.resolve(l, product, nil, c.Meters); err != nil {
		return nil, err
	}
	id := l.NewID()
	f.claim(l, id, chosen)
	l.Append(id, PlanCreated{f})
	return answer[*Plan](l, id)
}

// claim makes the slug the plan's own in its product (rule C7): the monthly and the yearly plan "Pro" are pro and
// pro_, followed by the end of the plan's id.
func (f *PlanFields) claim(l domain.Ledger, id uuid.UUID, chosen bool) {
	scope := "plan.slug:" + f.ProductID.String()
	if !chosen && !l.TryClaim(scope, f.Slug, id) {
		end := "_" + id.String()[28:]
		f.Slug = strings.ToValidUTF8(f.Slug[:min(len(f.Slug), domain.MaxName-len(end))], "") + end
		chosen = true
	}
	if chosen {
		claimSlug(l, scope, f.Slug, id)
	}
}

// ChangePlan answers PlanView. A change of what the plan costs makes the next plan version (rule C5);
// who has bought stays with the old one.
type ChangePlan struct {
	ID    uuid.UUID
	Patch PlanPatch
}

// Decide implements domain.Command.
func (c ChangePlan) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Plan](l, c.ID, "no_plan")
	if err != nil {
		return nil, err
	}
	product, err := domain.LoadAs[*Product](l, old.Fields.ProductID, "no_product")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	if err := f.resolve(l, product, &old.Fields, c.Patch.Meters); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("plan")
	}
	if f.Slug != old.Fields.Slug {
		f.claim(l, c.ID, c.Patch.Slug != nil && *c.Patch.Slug != "")
	}
	version := old.PlanVersion
	if !same(f.EffectivePrices(), old.Fields.EffectivePrices()) {
		version++
	}
	l.Append(c.ID, PlanChanged{PlanFields: f, Version: version})
	return answer[*Plan](l, c.ID)
}

// AddPlanVersion replaces the plan's prices (rule C5). It answers PlanView; the same prices make no event.
type AddPlanVersion struct {
	ID     uuid.UUID
	Prices []Price
	Meters Meters // of the prices
}

// Decide implements domain.Command.
func (c AddPlanVersion) Decide(l domain.Ledger) (any, error) {
	prices := c.Prices
	return ChangePlan{ID: c.ID, Patch: PlanPatch{Prices: &prices, Meters: c.Meters}}.Decide(l)
}

// ArchivePlan ends the sale of a plan (rule C3). It answers PlanView; twice makes no event.
type ArchivePlan struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchivePlan) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Plan](l, c.ID, "no_plan")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, PlanArchived{})
	}
	return answer[*Plan](l, c.ID)
}
