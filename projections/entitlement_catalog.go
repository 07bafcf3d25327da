package projections

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// PlanGrant is a plan whose licences give access, as the catalog is now.
type PlanGrant struct {
	Slug     string
	Ends     time.Time // as in Answer.Plans
	Features []FeatureGrant
}

// FeatureGrant is what a plan says of a feature that is not deprecated.
type FeatureGrant struct {
	Name      string // its variable name, or else its name
	ValueType string // boolean, numerical, enum
	Value     string
}

// planTerms and featureTerms are what is kept of the catalog to make grants.
type planTerms struct {
	slug     string
	features []featureValue
}

type featureValue struct {
	id    uuid.UUID
	value string
}

type featureTerms struct {
	name, valueType string
	deprecated      bool
}

// catalogTerms are a ledger's plans and features.
type catalogTerms struct {
	plans    map[uuid.UUID]planTerms
	features map[uuid.UUID]featureTerms
}

func newCatalogTerms() catalogTerms {
	return catalogTerms{plans: map[uuid.UUID]planTerms{}, features: map[uuid.UUID]featureTerms{}}
}

// Sizes in memory with map entries, rounded up.
const (
	termsBytes        = 160
	featureValueBytes = 48
)

// putPlan takes over a plan's row and tells how many bytes more it takes.
func (t catalogTerms) putPlan(p Plan) int64 {
	row := planTerms{slug: p.Slug, features: make([]featureValue, 0, len(p.Fields.Features))}
	for _, f := range p.Fields.Features {
		row.features = append(row.features, featureValue{f.FeatureID, f.Value})
	}
	old, known := t.plans[p.ID]
	t.plans[p.ID] = row
	more := int64(len(row.slug)-len(old.slug)) + featureValueBytes*int64(len(row.features)-len(old.features))
	if !known {
		more += termsBytes
	}
	return more
}

func (t catalogTerms) putFeature(f Feature) int64 {
	row := featureTerms{name: f.Fields.Name, valueType: f.Fields.ValueType, deprecated: f.Status == ItemDeprecated}
	if f.Fields.VariableName != nil {
		row.name = *f.Fields.VariableName
	}
	old, known := t.features[f.ID]
	t.features[f.ID] = row
	more := int64(len(row.name) - len(old.name))
	if !known {
		more += termsBytes
	}
	return more
}

// granted tells of plans what they give, in the order of their slugs.
func (t catalogTerms) granted(plans map[uuid.UUID]time.Time) []PlanGrant {
	ids := make([]uuid.UUID, 0, len(plans))
	for id := range plans {
		if _, ok := t.plans[id]; ok { // else the catalog's projection is behind
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int {
		if c := strings.Compare(t.plans[a].slug, t.plans[b].slug); c != 0 {
			return c
		}
		return bytes.Compare(a[:], b[:])
	})
	all := make([]PlanGrant, 0, len(ids))
	for _, id := range ids {
		grant := PlanGrant{Slug: t.plans[id].slug, Ends: plans[id]}
		for _, v := range t.plans[id].features {
			if f, ok := t.features[v.id]; ok && !f.deprecated {
				grant.Features = append(grant.Features, FeatureGrant{f.name, f.valueType, v.value})
			}
		}
		all = append(all, grant)
	}
	return all
}

// equalGrants tells whether two lists of grants are the same.
func equalGrants(a, b []PlanGrant) bool {
	return slices.EqualFunc(a, b, func(a, b PlanGrant) bool {
		return a.Slug == b.Slug && a.Ends.Equal(b.Ends) && slices.Equal(a.Features, b.Features)
	})
}
