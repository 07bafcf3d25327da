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
	"github.com/google/uuid"

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
		return a.check(w, r, licensesV1, false, encodeV1)
	}
	return a.check(w, r, licensesV2, true, encodeV2)
}

// checkEntitlements serves GET /entitlements/check: which features the grantees may use of a product.
//
//	in   productUuid, granteeIds (1 to 100, comma list), grace (days, 1 or more), sigEncode: P1363
//	out  200 {features: [{feature, expiry}], signature} | 204 text/plain: none | 400 | 404 unknown product
func (a *API) checkEntitlements(w http.ResponseWriter, r *http.Request) error {
	return a.check(w, r, entitlementsV3, true, encodeV3)
}

// Encodings of answers.
const (
	licensesV1     = "licenses v1"
	licensesV2     = "licenses v2"
	entitlementsV3 = "entitlements v3"
)

// known answers a check that was asked before in the same words, if nothing has changed since.
func (a *API) known(encodings map[string]string) func(http.ResponseWriter, *http.Request, *handlers.Caller) bool {
	return func(w http.ResponseWriter, r *http.Request, c *handlers.Caller) bool {
		encoding, ok := encodings[versionOf(r)]
		if !ok || r.Header["Ledger-Min-Position"] != nil {
			return false
		}
		now, err := handlers.OwnNow(r.Context(), a.store, c, a.now)
		if err != nil {
			return false
		}
		answer, ok := a.entitlements.Known(projections.Asked{Ledger: c.Ledger, Encoding: encoding, Words: r.URL.RawQuery}, now)
		return ok && answered(w, answer) == nil
	}
}

// check answers from memory, and signs for as long as the answer stays the same.
func (a *API) check(w http.ResponseWriter, r *http.Request, encoding string, catalog bool, encode func(*signingKeys, bool, projections.Answer) ([]byte, error)) error {
	c := handlers.CallerOf(r)
	ask, p1363, err := readQuestion(r, c.Ledger, catalog)
	if err != nil {
		return err
	}
	if r.Header.Get("Ledger-Min-Position") != "" {
		if err := a.begin(w, r); err != nil {
			return err
		}
	}
	answer, err := sought(r.Context(), a, c.Ledger, func() (projections.Encoded, error) {
		asked := projections.Asked{Ledger: c.Ledger, Encoding: encoding, Words: r.URL.RawQuery}
		return a.entitlements.Encoded(r.Context(), asked, ask, a.clock(r.Context()), func(answer projections.Answer) ([]byte, error) {
			keys, err := a.signer.open(r.Context(), c.Ledger, c.Organisation)
			if err != nil {
				return nil, err
			}
			return encode(keys, p1363, answer)
		})
	})
	if err != nil {
		return err
	}
	return answered(w, answer)
}

var jsonType = []string{"application/json"}

// shortAnswer is what net/http counts by itself: a header fewer to be handed over, copied and sorted.
const shortAnswer = 1 << 10

func answered(w http.ResponseWriter, answer projections.Encoded) error {
	h := w.Header()
	h["Ledger-Position"] = []string{strconv.FormatInt(answer.Position, 10)}
	if answer.Body == nil {
		h.Set("Content-Type", "text/plain")
		return noContent(w)
	}
	h["Content-Type"] = jsonType
	if len(answer.Body) > shortAnswer {
		h.Set("Content-Length", strconv.Itoa(len(answer.Body)))
	}
	_, _ = w.Write(answer.Body) // the client may be gone; the access log knows what was sent
	return nil
}

func readQuestion(r *http.Request, ledger uuid.UUID, catalog bool) (ask projections.Question, p1363 bool, err error) {
	q, err := handlers.ReadQuery(r)
	if err != nil {
		return ask, false, err
	}
	ask = projections.Question{Ledger: ledger, Product: q.UUID("productUuid", handlers.Required), Grantees: readGrantees(q),
		GraceDays: int(q.Int("grace", handlers.Min(1), handlers.Max(maxGraceDays))), Catalog: catalog}
	p1363 = catalog && q.Enum("sigEncode", []string{"DER", "P1363"}) == "P1363"
	q.Once()
	return ask, p1363, q.Err()
}

func readGrantees(q *handlers.Query) []string {
	v := q.Get("granteeIds")
	text := v.String(handlers.Required)
	if text == "" {
		return nil
	}
	ids := listed(text)
	for i := range ids {
		ids[i] = strings.TrimSpace(ids[i]) // no id begins or ends with a blank
	}
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
