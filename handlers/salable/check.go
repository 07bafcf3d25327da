package salable

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/projections"
)

// Bounds of a check.
const (
	maxGrantees  = 100
	maxGraceDays = 36_500
)

// checkLicenses serves GET /licenses/check: what the grantees may use of a product, together. v1 lists
// capabilities, v2 the slugs of the plans that give access and their features as well.
//
//	in   productUuid, granteeIds (1 to 100, comma list), grace (days, 1 or more); v2 also sigEncode: P1363
//	out  200 v1 {capabilities, publicHash, signature, capsHashed, capabilitiesEndDates}, v2 {capabilities: [{capability, expiry}], signature}
//	     204 text/plain: none | 400 | 404 unknown product
func (a *API) checkLicenses(w http.ResponseWriter, r *http.Request) error {
	if versionOf(r) == v1 {
		return a.check(w, r, "licenses v1", false, encodeV1)
	}
	return a.check(w, r, "licenses v2", true, encodeV2)
}

// checkEntitlements serves GET /entitlements/check: which features the grantees may use of a product.
//
//	in   productUuid, granteeIds (1 to 100, comma list), grace (days, 1 or more), sigEncode: P1363
//	out  200 {features: [{feature, expiry}], signature} | 204 text/plain: none | 400 | 404 unknown product
func (a *API) checkEntitlements(w http.ResponseWriter, r *http.Request) error {
	return a.check(w, r, "entitlements v3", true, encodeV3)
}

var jsonType = []string{"application/json"}

// check answers from memory, and signs for as long as the answer stays the same.
func (a *API) check(w http.ResponseWriter, r *http.Request, encoding string, catalog bool, encode func(*signingKeys, bool, projections.Answer) ([]byte, error)) error {
	asked, err := a.asked(r, encoding, catalog)
	if err != nil {
		return err
	}
	c, ask := handlers.CallerOf(r), asked.Question
	ask.Ledger = c.Ledger
	if r.Header.Get("Ledger-Min-Position") != "" {
		if err := a.begin(w, r); err != nil {
			return err
		}
	}
	answer, err := sought(r.Context(), a, c.Ledger, func() (projections.Encoded, error) {
		return a.entitlements.Encoded(r.Context(), ask, a.clock(r.Context()), func(answer projections.Answer) ([]byte, error) {
			keys, err := a.signer.open(r.Context(), c.Ledger, c.Organisation)
			if err != nil {
				return nil, err
			}
			return encode(keys, asked.p1363, answer)
		})
	})
	if err != nil {
		return err
	}
	h := w.Header()
	numbers := []string{strconv.FormatInt(answer.Position, 10), ""}
	h["Ledger-Position"] = numbers[:1:1]
	if answer.Body == nil {
		h.Set("Content-Type", "text/plain")
		return noContent(w)
	}
	numbers[1] = strconv.Itoa(len(answer.Body))
	h["Content-Type"], h["Content-Length"] = jsonType, numbers[1:]
	_, _ = w.Write(answer.Body) // the client may be gone; the access log knows what was sent
	return nil
}

// asked is what a query asks, of whichever ledger.
type asked struct {
	projections.Question
	p1363 bool
}

func askedBytes(key string, q asked) int {
	bytes := len(key) + 96
	for _, id := range q.Grantees {
		bytes += len(id) + 16
	}
	return bytes
}

// asked reads the query, or remembers what it was read as: the same clients ask the same again and again.
func (a *API) asked(r *http.Request, encoding string, catalog bool) (asked, error) {
	key := encoding + "?" + r.URL.RawQuery
	if known, ok := a.questions.Get(key); ok {
		return known, nil
	}
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return asked{}, err
	}
	ask := asked{Question: projections.Question{Product: q.UUID("productUuid", handlers.Required), Grantees: readGrantees(q),
		GraceDays: int(q.Int("grace", handlers.Min(1), handlers.Max(maxGraceDays))), Catalog: catalog, Encoding: encoding}}
	if catalog && q.Enum("sigEncode", []string{"DER", "P1363"}) == "P1363" {
		ask.p1363 = true
		ask.Encoding += " P1363"
	}
	if err := q.Err(); err != nil {
		return asked{}, err
	}
	a.questions.Add(key, ask)
	return ask, nil
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

func encodeV1(keys *signingKeys, _ bool, a projections.Answer) ([]byte, error) {
	if len(a.Capabilities) == 0 {
		return nil, nil
	}
	caps := strings.Join(a.Capabilities, ",")
	return json.Marshal(licenseCheck{Capabilities: a.Capabilities, PublicHash: keys.public, Signature: keys.signV1(caps), CapsHashed: caps,
		EndDates: endDates{a.Capabilities, a.EndDates}})
}

// capabilityExpiry and featureExpiry are entries of v2's and v3's checks. Their JSON text is what is signed.
type capabilityExpiry struct {
	Capability string  `json:"capability"`
	Expiry     instant `json:"expiry"`
}

type featureExpiry struct {
	Feature string  `json:"feature"`
	Expiry  instant `json:"expiry"`
}

func encodeV2(keys *signingKeys, p1363 bool, a projections.Answer) ([]byte, error) {
	ends := latest{}
	for name, end := range a.EndDates {
		ends.add(name, end)
	}
	for _, plan := range a.Granted {
		ends.add(plan.Slug, plan.Ends)
	}
	ends.addFeatures(a.Granted)
	var all []capabilityExpiry
	for _, name := range ends.names() {
		all = append(all, capabilityExpiry{name, instant(ends[name])})
	}
	if len(all) == 0 {
		return nil, nil
	}
	text, signature, err := signedText(keys, p1363, all)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Capabilities jsontext.Value `json:"capabilities"`
		Signature    string         `json:"signature"`
	}{text, signature})
}

func encodeV3(keys *signingKeys, p1363 bool, a projections.Answer) ([]byte, error) {
	ends := latest{}
	ends.addFeatures(a.Granted)
	var all []featureExpiry
	for _, name := range ends.names() {
		all = append(all, featureExpiry{name, instant(ends[name])})
	}
	if len(all) == 0 {
		return nil, nil
	}
	text, signature, err := signedText(keys, p1363, all)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Features  jsontext.Value `json:"features"`
		Signature string         `json:"signature"`
	}{text, signature})
}

func signedText(keys *signingKeys, p1363 bool, list any) (text jsontext.Value, signature string, err error) {
	if text, err = json.Marshal(list); err != nil {
		return nil, "", err
	}
	signature, err = keys.signV2(text, p1363)
	return text, signature, err
}

// latest are the ends of what is granted, by name: of several the latest.
type latest map[string]time.Time

func (l latest) add(name string, end time.Time) {
	if end.After(l[name]) {
		l[name] = end
	}
}

func (l latest) names() []string { return slices.Sorted(maps.Keys(l)) }

// addFeatures names features as v2 and v3 spell them: a boolean one that is true by its variable name, any
// other as variable_name:value, in snake case.
func (l latest) addFeatures(plans []projections.PlanGrant) {
	for _, plan := range plans {
		for _, f := range plan.Features {
			switch {
			case f.ValueType != "boolean":
				l.add(snake(f.Name)+":"+snake(f.Value), plan.Ends)
			case f.Value == "true":
				l.add(snake(f.Name), plan.Ends)
			}
		}
	}
}

// snake is a name in lower case with underscores for spaces.
func snake(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }
