package handlers_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// pointers are the fields that a refusal names.
func (r *result) pointers() (all []string) {
	r.t.Helper()
	list, _ := r.at("errors").([]any)
	for _, e := range list {
		all = append(all, e.(map[string]any)["pointer"].(string))
	}
	return all
}

// Fields that are ours to set: named in the refusal, on every route and in every nested object.
func TestB11_MassAssignment(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	foreign := []string{"id", "uuid", "tenantId", "tenant_id", "ledgerUuid", "organisation", "status", "createdAt", "price", "isTest", "version", "position",
		"hash", "secret", "role", "admin", "$where", "metadata"}
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			for _, field := range foreign {
				if field == "status" && strings.Contains(w.path, "/features") {
					continue // a feature's own field
				}
				if field == "metadata" && strings.Contains(w.path, "/customers") {
					continue // a customer's
				}
				for _, value := range []string{`"x"`, `null`, `{}`} {
					got := a.call(t, w.key, w.Method, w.path, w.with(fmt.Sprintf("%q:%s", field, value)))
					got.code(422, "unknown_field")
					require.Equal(t, []string{"/" + field}, got.pointers(), "%s: %s", w.name(), got.body)
				}
			}
		}
		plan := `{"productUuid":"` + a.product + `","name":"p","displayName":"P","licenseType":"perSeat","pricingType":"paid","interval":"month","length":1,`
		for pointer, nested := range map[string][2]string{
			"/prices/0/id":            {"/plans", plan + `"prices":[{"id":1,"key":"a","kind":"flat","currency":"EUR","unitAmount":1}]}`},
			"/prices/0/tiers/0/price": {"/plans", plan + `"prices":[{"key":"a","kind":"volume","currency":"EUR","tiers":[{"price":1,"upTo":null,"unitAmount":1}]}]}`},
			"/currencies/0/uuid":      {"/plans", plan + `"currencies":[{"currency":"EUR","price":1,"uuid":"x"}]}`},
			"/currencies/0/isTest":    {"/products", `{"name":"x","displayName":"X","currencies":[{"currency":"EUR","isTest":false}]}`},
			"/features/0/status":      {"/plans", plan + `"features":[{"featureUuid":"` + a.feature + `","value":"true","status":"x"}]}`},
		} {
			require.Equal(t, []string{pointer}, a.call(t, a.test, "POST", nested[0], nested[1]).code(422, "unknown_field").pointers())
		}
	})
	record := `{"records":[{"key":"u","quantity":1,"subscriptionUuid":"` + a.sub + `","tenantId":"x"}]}`
	got := a.call(t, a.test, "POST", "/usage", record).want(200)
	require.Equal(t, "rejected unknown_field", got.text("results", 0, "status")+" "+got.text("results", 0, "error", "code"))
}

func TestB13_MalformedJSON(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			good := w.with(`"z":1`)
			for name, body := range map[string]string{
				"cut short": good[:len(good)-1], "cut in a text": `{"name":"x`, "cut in a literal": `{"z":tru`, "a bare word": "undefined", "NaN": `{"z":NaN}`,
				"a trailing text": good + "x", "two documents": good + good, "a byte-order mark": "\xef\xbb\xbf" + good, "a trailing comma": `{"z":1,}`,
				"single quotes": `{'z':1}`, "a comment": "{} // x", "a hash": "#", "a leading zero": `{"z":01}`, "a plus": `{"z":+1}`, "a raw line end": "{\"z\":\"a\nb\"}",
				"XML": "<a/>", "a form": "a=1&b=2", "U+0000 after it": good + "\x00", "a no-break space": "\u00a0" + good, "UTF-16": string(utf16Bytes(good)),
			} {
				got := a.call(t, w.key, w.Method, w.path, body).code(400, "bad_json")
				require.Contains(t, got.text("detail"), "at byte ", "%s with %s", w.name(), name)
			}
			for _, body := range []string{"null", "[]", "[" + good + "]", `"x"`, "7", "true"} {
				got := a.call(t, w.key, w.Method, w.path, body)
				require.Equal(t, 400, got.status, "%s with %s: %s", w.name(), body, got.body)
			}
			if w.optional {
				continue
			}
			for _, body := range []string{"", " ", "\r\n\t"} {
				a.call(t, w.key, w.Method, w.path, body).code(400, "empty_body")
			}
		}
	})
}

func utf16Bytes(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

// firstKey is the first member's name of an object.
func firstKey(t *testing.T, body string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	_, err := d.Token()
	require.NoError(t, err)
	key, err := d.Token()
	require.NoError(t, err)
	return key.(string)
}

func TestB14_DuplicateAndCaseVariantKeys(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			duplicates := []string{`"z":1,"z":1`, `"z":1,"\u007a":1`, `"z":{"a":1,"a":1}`, `"z":[[{"a":1,"b":2,"a":3}]]`, `"":1,"":2`, `"__proto__":1,"__proto__":2`}
			if w.fields {
				key := firstKey(t, w.body)
				duplicates = append(duplicates, fmt.Sprintf("%q:null", key))
				for _, variant := range []string{strings.ToUpper(key), strings.ToUpper(key[:1]) + key[1:]} {
					got := a.call(t, w.key, w.Method, w.path, w.with(fmt.Sprintf("%q:null", variant))).code(400, "case_variant")
					require.Equal(t, []string{"/" + variant}, got.pointers(), w.name())
				}
			}
			for _, members := range duplicates {
				got := a.call(t, w.key, w.Method, w.path, w.with(members)).code(400, "duplicate_key")
				require.Contains(t, got.text("detail"), "at byte ", w.name())
			}
		}
		// ſ and K fold to s and k as letters do, which Go's own decoder takes for them.
		a.call(t, a.test, "POST", "/meters", `{"key":"x","\u212aey":"y"}`).code(400, "case_variant")
		a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","\u017ftartAt":"2026-01-01T00:00:00Z"}`).code(400, "case_variant")
		a.call(t, a.test, "POST", "/plans/"+a.seats+"/versions", `{"prices":[{"key":"a","kind":"flat","currency":"EUR","unitAmount":1,"UnitAmount":0}]}`).code(400, "case_variant")
	})
}

func TestB15_DeepJSONIsRefusedFast(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	deep := map[string]string{
		"depth 101 of lists":   strings.Repeat("[", 101) + strings.Repeat("]", 101),
		"depth 101 of objects": strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101),
		"depth 10,001":         strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
		"a million brackets":   strings.Repeat("[", 1_000_000),
		"a million, in pairs":  strings.Repeat("[{\"a\":", 170_000),
	}
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			for _, body := range deep {
				a.call(t, w.key, w.Method, w.path, body).code(400, "too_deep")
			}
		}
	})
	for name, body := range deep {
		best := time.Hour // of several: others share the machine
		for n := 0; n < 30 || n < 300 && best >= 5*time.Millisecond; n++ {
			r := bytes.NewReader([]byte(body))
			began := time.Now()
			got := a.timed(t, r)
			best = min(best, time.Since(began))
			require.Equal(t, 400, got)
		}
		require.Less(t, best, 5*time.Millisecond, name)
	}
}

func TestB17_CompressedBodies(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	var bomb bytes.Buffer
	z, err := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	require.NoError(t, err)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, err := z.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			for _, encodings := range [][]string{{"gzip"}, {"GZIP"}, {"x-gzip"}, {"deflate"}, {"br"}, {"zstd"}, {"identity, gzip"}, {"gzip, gzip"}, {"identity", "gzip"}, {"?"}} {
				header := []string{"Content-Type", "application/json"}
				for _, e := range encodings {
					header = append(header, "Content-Encoding", e)
				}
				a.send(t, w.key, w.Method, w.path, bomb.String(), header...).code(415, "unsupported_encoding")
			}
			a.send(t, w.key, w.Method, w.path, bomb.String(), "Content-Type", "application/json").code(400, "bad_json")
			a.send(t, w.key, w.Method, w.path, `{"z":"`+strings.Repeat("x", 1<<20)+`"}`, "Content-Type", "application/json").code(413, "too_large")
		}
	})
}

func TestB18_OtherContentTypes(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			body := w.body
			if body == "" {
				body = "{}"
			}
			for _, header := range [][]string{
				nil, {"Content-Type", ""}, {"Content-Type", "text/plain"}, {"Content-Type", "application/x-www-form-urlencoded"},
				{"Content-Type", "multipart/form-data; boundary=x"}, {"Content-Type", "application/json; charset=utf-16"}, {"Content-Type", "application/json; charset=latin1"},
				{"Content-Type", "application/json;charset=utf-8;charset=utf-16"}, {"Content-Type", "application/jsonx"}, {"Content-Type", "application/problem+json"},
				{"Content-Type", "text/json"}, {"Content-Type", "application/json, text/plain"}, {"Content-Type", "*/*"}, {"Content-Type", "application/xml"},
				{"Content-Type", "application/json", "Content-Type", "text/plain"},
			} {
				a.send(t, w.key, w.Method, w.path, body, header...).code(415, "unsupported_media_type")
			}
			for _, good := range []string{"application/json", "APPLICATION/JSON", `application/json; charset="UTF-8"`, "application/json ; charset=utf-8", "application/json;"} {
				got := a.send(t, w.key, w.Method, w.path+"?dryRun=true", body, "Content-Type", good)
				require.Contains(t, []int{200, 201, 202}, got.status, "%s as %s: %s", w.name(), good, got.body)
			}
		}
	})
}

func TestB19_InvalidText(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			for _, members := range []string{
				"\"z\":\"\xff\"", "\"z\":\"\xc0\x80\"", "\"z\":\"\xed\xa0\x80\"", "\"z\":\"\xf4\x90\x80\x80\"", "\"z\":\"\xe2\x82\"", "\"\xfe\":1",
				`"z":"\ud800"`, `"z":"\udc00\ud800"`, `"z":"\ud800x"`, `"\udfff":1`, `"z":"\u0000"`, `"z":["a\u0000b"]`, `"\u0000":1`, `"z":"\x00"`, `"z":"\u00"`, `"z":"\uzzzz"`,
			} {
				got := a.call(t, w.key, w.Method, w.path, w.with(members))
				require.Equal(t, 400, got.status, "%s with %q: %s", w.name(), members, got.body)
				require.Contains(t, []string{"bad_json", "bad_text"}, got.text("code"))
			}
		}
		for _, r := range a.reads() {
			for _, query := range []string{"x=%ff", "x=%00", "%c0%80=1", "x=%ed%a0%80", "x=%zz", "x=%", "a;b"} {
				got := a.call(t, r.key, "GET", r.path+"?"+query, "")
				require.Equal(t, 400, got.status, "%s?%s: %s", r.path, query, got.body)
			}
		}
	})
	for _, name := range []string{"Idempotency-Key", "If-Match", "Ledger-Min-Position", "Last-Event-ID"} {
		got := a.send(t, a.test, "POST", "/subscriptions/"+a.sub+"/pause", "", name, "\xff\xfe")
		require.Contains(t, []int{200, 400}, got.status, "%s: %s", name, got.body)
	}
}
