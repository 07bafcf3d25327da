package salable

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// Bounds of a check.
const (
	maxGrantees  = 100
	maxGraceDays = 36_500
)

// checkLicenses serves GET /licenses/check: which capabilities the grantees have of a product, together.
//
//	in   productUuid, granteeIds (1 to 100, comma list), grace (days, 1 or more); v2 also sigEncode: P1363
//	out  200 LicenseCheck | 204 text/plain: none | 400 | 404 unknown product
func (a *API) checkLicenses(w http.ResponseWriter, r *http.Request) error {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return err
	}
	c, version := handlers.CallerOf(r), versionOf(r)
	ask := projections.Question{Ledger: c.Ledger, Product: q.UUID("productUuid", handlers.Required),
		Grantees: readGrantees(q), GraceDays: int(q.Int("grace", handlers.Min(1), handlers.Max(maxGraceDays))), Encoding: "salable " + version}
	p1363 := version >= v2 && q.Enum("sigEncode", []string{"DER", "P1363"}) == "P1363"
	if err := q.Err(); err != nil {
		return err
	}
	if r.Header.Get("Ledger-Min-Position") != "" {
		if err := a.begin(w, r); err != nil {
			return err
		}
	}
	keys, err := a.signer.open(r.Context(), c.Ledger, c.Organisation)
	if err != nil {
		return err
	}
	answer, err := sought(r.Context(), a, c.Ledger, func() (projections.Encoded, error) {
		if version >= v2 {
			return a.checkV2(r.Context(), ask, keys, p1363)
		}
		return a.entitlements.Signed(r.Context(), ask, a.now(), encodeCheck)
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Ledger-Position", strconv.FormatInt(answer.Position, 10))
	if answer.Body == nil {
		h.Set("Content-Type", "text/plain")
		return noContent(w)
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(answer.Body)))
	_, _ = w.Write(answer.Body) // the client may be gone; the access log knows what was sent
	return nil
}

func readGrantees(q *handlers.Query) []string {
	v := q.Get("granteeIds")
	text := v.String(handlers.Required)
	if text == "" {
		return nil
	}
	ids := listed(text)
	switch {
	case slices.Contains(ids, ""):
		v.Bad("bad_grantee", "holds an empty id")
	case len(ids) > maxGrantees:
		v.Bad("too_many", "has %d ids, at most %d are allowed", len(ids), maxGrantees)
	}
	return ids
}

// licenseCheck is Salable's LicenseCheck.
type licenseCheck struct {
	Capabilities []string `json:"capabilities"`
	PublicHash   string   `json:"publicHash"`
	Signature    string   `json:"signature"`  // of capsHashed
	CapsHashed   string   `json:"capsHashed"` // the names joined by commas: not a hash
	EndDates     endDates `json:"capabilitiesEndDates"`
}

// endDates are in the order of the capabilities.
type endDates struct {
	names []string
	ends  map[string]time.Time
}

// MarshalJSONTo implements json.MarshalerTo.
func (d endDates) MarshalJSONTo(enc *jsontext.Encoder) error {
	if err := enc.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, name := range d.names {
		if err := enc.WriteToken(jsontext.String(name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(enc, instant(d.ends[name])); err != nil {
			return err
		}
	}
	return enc.WriteToken(jsontext.EndObject)
}

// encodeCheck is called once for as long as the answer stays the same.
func encodeCheck(a projections.Answer, s projections.Signature) ([]byte, error) {
	return json.Marshal(licenseCheck{Capabilities: a.Capabilities, PublicHash: s.PublicHash, Signature: s.Hex, CapsHashed: s.CapsHashed,
		EndDates: endDates{a.Capabilities, a.EndDates}})
}

// capabilityExpiry is an entry of v2's check. Its JSON text is part of what is signed.
type capabilityExpiry struct {
	Capability string  `json:"capability"`
	Expiry     instant `json:"expiry"`
}

// checkV2 lists, besides the capabilities, the slugs of the plans that give access and their features. It
// is not kept: an answer follows the catalog as it is now.
func (a *API) checkV2(ctx context.Context, ask projections.Question, keys *signingKeys, p1363 bool) (projections.Encoded, error) {
	answer, err := a.entitlements.Check(ctx, ask.Ledger, ask.Product, ask.Grantees, ask.GraceDays, a.now())
	if err != nil {
		return projections.Encoded{}, err
	}
	ends := map[string]time.Time{}
	add := func(name string, end time.Time) {
		if end.After(ends[name]) {
			ends[name] = end
		}
	}
	for name, end := range answer.EndDates {
		add(name, end)
	}
	if err := a.addPlans(ctx, ask.Ledger, answer, add); err != nil {
		return projections.Encoded{}, err
	}
	if len(ends) == 0 {
		return projections.Encoded{Position: answer.Position}, nil
	}
	all := make([]capabilityExpiry, 0, len(ends))
	for name, end := range ends {
		all = append(all, capabilityExpiry{name, instant(end)})
	}
	slices.SortFunc(all, func(a, b capabilityExpiry) int { return strings.Compare(a.Capability, b.Capability) })
	text, err := json.Marshal(all)
	if err != nil {
		return projections.Encoded{}, err
	}
	signature, err := keys.signV2(text, p1363)
	if err != nil {
		return projections.Encoded{}, err
	}
	body, err := json.Marshal(struct {
		Capabilities jsontext.Value `json:"capabilities"`
		Signature    string         `json:"signature"`
	}{text, signature})
	return projections.Encoded{Body: body, Position: answer.Position}, err
}

// addPlans names plans and features as v2 spells them: a plan by its slug, a boolean feature that is true by
// its variable name, any other as variable_name:value, in snake case.
func (a *API) addPlans(ctx context.Context, ledger uuid.UUID, answer projections.Answer, add func(string, time.Time)) error {
	ids := make([]uuid.UUID, 0, len(answer.Plans))
	for id := range answer.Plans {
		ids = append(ids, id)
	}
	x := related{API: a, ctx: ctx, caller: handlers.Caller{Ledger: ledger}}
	plans, err := byID(ids, func(ids []uuid.UUID) ([]projections.Plan, error) {
		return a.reads.Plans(ctx, ledger, projections.CatalogFilter{IDs: ids}, projections.Keyset{Limit: part})
	}, func(p projections.Plan) uuid.UUID { return p.ID })
	if err != nil {
		return err
	}
	rows := make([]projections.Plan, 0, len(plans))
	for _, p := range plans {
		rows = append(rows, p)
	}
	features, err := x.featuresOf(rows)
	if err != nil {
		return err
	}
	for _, p := range rows {
		end := answer.Plans[p.ID]
		add(p.Slug, end)
		for _, f := range p.Fields.Features {
			row, ok := features[f.FeatureID]
			if !ok || row.Status == projections.ItemDeprecated {
				continue
			}
			name := row.Fields.Name
			if row.Fields.VariableName != nil {
				name = *row.Fields.VariableName
			}
			switch {
			case row.Fields.ValueType != "boolean":
				add(snake(name)+":"+snake(f.Value), end)
			case f.Value == "true":
				add(snake(name), end)
			}
		}
	}
	return nil
}

// snake is a name in lower case with underscores for spaces.
func snake(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }
