package handlers_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// injections are texts that somebody downstream may take for more than a text.
var injections = []string{
	`'; drop table events; --`, `" or "1"="1`, `1; select pg_sleep(5)`, `\'; delete from ledgers; --`, `$1`, `$$; commit; $$`, `%s%n%d`, `E'\\x41'`, `ad' || 'a`, `%' or '%'='`, `_%`,
	`{"$gt":""}`, `${jndi:ldap://x}`, `{{7*7}}`, `<script>alert(1)</script>`, `=1+1`, `../../etc/passwd`, `enc1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`, `erased:x`, `subject\0x`, "a\u2028b",
}

// granteeIDs are odd and legal: kept byte for byte.
var granteeIDs = []string{
	"a  b", "\u202eabc", "a\u200bb", "\u200b", "\ufeffa", "👩‍👩‍👧", "e\u0301", "é", "А", "A", "a", "\u212b", "\u00c5", "ﬁ", "fi", "İ", "ß", "[a", "a]", "a;b", "%", "%41", "a/b", "..", "+", "null",
	"\\", `"`, "'", strings.Repeat("x", 255), strings.Repeat("é", 127) + "x", "\U0010ffff", "\ufffd", "b\u2028c", "A\u030a\u0327\u0301",
}

func TestB30_GranteeIDs(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	subscribe := func(id string) *result {
		return a.call(t, a.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"granteeId":%s}`, a.seats, jsonText(t, id)))
	}
	a.writesNothing(t, func() {
		for _, bad := range []string{"", "a\nb", "\n", "a\tb", "\r\n", "\x1b[2J", "\x7f", "a\u0085b", "\u0001", strings.Repeat("x", 256), strings.Repeat("é", 128), strings.Repeat("x", 10_000),
			" ", "  a  ", " a", "a ", "\u00a0", "\u2028", "a,b", ",", "[a]", "[]"} {
			require.Equal(t, []string{"/granteeId"}, subscribe(bad).want(422).pointers(), "%q", bad)
		}
		for _, value := range []string{"7", "true", "[]", "{}"} {
			a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","granteeId":`+value+`}`).code(400, "wrong_type")
		}
	})
	for _, id := range append(granteeIDs, injections...) {
		if strings.Contains(id, ",") {
			require.Equal(t, []string{"/granteeId"}, subscribe(id).want(422).pointers(), "%q could not be asked for", id)
			continue
		}
		sub := subscribe(id).want(201).text("uuid")
		require.Equal(t, id, a.call(t, a.test, "GET", "/subscriptions/"+sub+"/licenses", "").want(200).text("data", 0, "granteeId"))
		record := fmt.Sprintf(`{"records":[{"key":%s,"quantity":1,"granteeId":%s,"planUuid":%q}]}`, jsonText(t, "key of "+sub), jsonText(t, id), a.seats)
		require.Equal(t, "recorded", a.call(t, a.test, "POST", "/usage", record).want(200).text("results", 0, "status"), "%q", id)
		total := a.call(t, a.test, "GET", "/usage?subscriptionUuid="+sub, "").want(200)
		require.Equal(t, "1", total.text("data", 0, "total"), "%q is nobody else", id)
	}
}

func TestB37_InjectionIsStoredAsText(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	tables := func() (n int) {
		require.NoError(t, a.pool.QueryRow(t.Context(), `select count(*) from information_schema.tables where table_schema = 'public'`).Scan(&n))
		return n
	}
	before := tables()
	for i, s := range injections {
		q := jsonText(t, s)
		for path, fields := range map[string]string{
			"/products":     `{"name":%s,"displayName":%s,"description":%s,"logoUrl":null,"appType":%s,"slug":%s}`,
			"/features":     `{"productUuid":"` + a.product + `","valueType":"enum","enumOptions":[%s],"name":%s,"displayName":%s,"description":%s,"variableName":%s}`,
			"/capabilities": `{"productUuid":"` + a.product + `","name":%s,"description":%s}`,
		} {
			args := make([]any, strings.Count(fields, "%s"))
			for j := range args {
				args[j] = q
			}
			made := a.call(t, a.test, "POST", path, fmt.Sprintf(fields, args...)).want(201)
			read := a.call(t, a.test, "GET", path+"/"+made.text("uuid"), "").want(200)
			require.Equal(t, s, read.text("name"))
			require.JSONEq(t, string(made.body), string(read.body))
		}
		sub := a.call(t, a.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"owner":%s}`, a.seats, q)).want(201).text("uuid")
		require.Equal(t, s, a.call(t, a.test, "GET", "/subscriptions/"+sub, "").want(200).text("owner"))
		value := fmt.Sprintf(`{"records":[{"key":"k%d","quantity":1,"subscriptionUuid":%q,"value":%s}]}`, i, sub, q)
		require.Equal(t, "recorded", a.call(t, a.test, "POST", "/usage", value).want(200).text("results", 0, "status"))
		a.call(t, a.test, "POST", "/usage", fmt.Sprintf(`{"records":[{"key":"x","quantity":1,"subscriptionUuid":%q,"meter":%s}]}`, sub, q)).want(200)
		if !strings.ContainsAny(s, "\u2028") {
			a.call(t, a.test, "POST", "/meters", `{"key":"`+fmt.Sprint("m", i)+`"}`, "Idempotency-Key", s).want(201)
		}
		// As filters they find nothing, and are no error of the database.
		for _, filter := range []string{"/events?type=", "/events?kind=", "/events?actor=", "/events?requestId=", "/usage?subscriptionUuid=" + sub + "&meter="} {
			require.Empty(t, a.call(t, a.test, "GET", filter+url.QueryEscape(s), "").want(200).at("data"), "%s%s", filter, s)
		}
		for _, filter := range []string{"/events?stream=", "/plans?productUuid=", "/subscriptions?status=", "/subscriptions?planUuid=", "/products?cursor=", "/products?limit=", "/events?from="} {
			a.call(t, a.test, "GET", filter+url.QueryEscape(s), "").want(400)
		}
		require.Equal(t, 404, a.call(t, a.test, "GET", "/products/"+url.PathEscape(s), "").status)
	}
	require.Equal(t, before, tables())
}

// B31: what looks alike is not alike: stored as sent, never normalised, and unequal everywhere.
func TestB31_LookAlikesDiffer(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	for _, pair := range [][2]string{{"é", "e\u0301"}, {"А", "A"}, {"ﬁ", "fi"}, {"\u212b", "\u00c5"}, {"a", "a\u200b"}, {"x", "X"}, {"ı", "i"}, {"1", "１"}} {
		one, two := pair[0], pair[1]
		require.NotEqual(t, one, two)
		var subs [2]string
		for i, id := range pair {
			subs[i] = a.call(t, a.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"granteeId":%q,"owner":%q}`, a.seats, "g"+id, id)).want(201).text("uuid")
			require.Equal(t, id, a.call(t, a.test, "GET", "/subscriptions/"+subs[i], "").want(200).text("owner"))
			a.call(t, a.test, "POST", "/meters", fmt.Sprintf(`{"key":%q}`, "m"+id)).want(201) // unique in a ledger
		}
		a.call(t, a.test, "POST", "/usage", fmt.Sprintf(`{"records":[{"key":"to %x","quantity":3,"granteeId":%q,"planUuid":%q}]}`, one, "g"+one, a.seats)).want(200)
		require.Equal(t, "3", a.call(t, a.test, "GET", "/usage?subscriptionUuid="+subs[0], "").want(200).text("data", 0, "total"))
		require.Empty(t, a.call(t, a.test, "GET", "/usage?subscriptionUuid="+subs[1], "").want(200).at("data"))
	}
}

// oddIDs are texts where an id belongs.
func oddIDs() []string {
	const unknown = "01900000-0000-7000-8000-00000000dead"
	return []string{unknown, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "{" + unknown + "}", "urn:uuid:" + unknown,
		strings.ReplaceAll(unknown, "-", ""), strings.ToUpper(unknown), unknown + "%20", "nonsense", "1", "-1", "..", "%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "a%2Fb", "%00", unknown + "%00", "%ff", "%C0%AF",
		"%0d%0aX:%20y", "%1b[2J", "*", "%25", "null", "undefined", strings.Repeat("x", 10_000), strings.Repeat("%61", 3_000), "%F0%9F%98%80", ";id=1", "~", "'"}
}

func TestB34_OddIDs(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		var all []write
		for _, r := range append(a.reads(), a.writes...) {
			if strings.Contains(r.Path, "{") {
				all = append(all, r)
			}
		}
		for _, r := range all {
			for _, id := range oddIDs() {
				path := strings.NewReplacer("{uuid}", id, "{id}", id, "{position:[0-9]+}", id).Replace(r.Path)
				got := a.send(t, r.key, r.Method, path, r.body, "Content-Type", "application/json")
				if strings.HasPrefix(r.Path, "/events/") && id == "1" {
					require.Equal(t, 200, got.status)
					continue
				}
				require.Contains(t, []int{404, 405}, got.status, "%s %.100s: %s", r.Method, path, got.body)
				require.Less(t, len(got.body), 1000)
			}
		}
		for _, position := range []string{"0", "00", "9223372036854775808", strings.Repeat("9", 1000)} {
			a.call(t, a.test, "GET", "/events/"+position, "").want(404)
		}
		// In bodies and filters: what is no id is malformed, what nobody has is unknown.
		for _, id := range oddIDs() {
			text, err := url.PathUnescape(id)
			require.NoError(t, err)
			if strings.Contains(text, "\x00") || !utf8.ValidString(text) {
				continue // B19
			}
			got := a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":`+jsonText(t, text)+`}`)
			require.Contains(t, []int{400, 404}, got.status, "%s: %s", id, got.body)
			for _, path := range []string{"/subscriptions?planUuid=", "/subscriptions?customerUuid=", "/plans?productUuid=", "/features?productUuid=", "/events?stream="} {
				got := a.call(t, a.test, "GET", path+url.QueryEscape(text), "")
				if got.status == 200 {
					require.Empty(t, got.at("data"), "%s%s finds nothing", path, id)
					continue
				}
				require.Equal(t, 400, got.status, "%s%s: %s", path, id, got.body)
			}
		}
		a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","customerUuid":"00000000-0000-0000-0000-000000000000"}`).code(404, "no_customer")
	})
}

func TestB41_MetadataIsNoField(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	many := make([]string, 51)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	a.writesNothing(t, func() {
		for _, w := range a.writes {
			if strings.HasPrefix(w.Path, "/customers") { // TestB11_B23_BadCustomers
				continue
			}
			for _, metadata := range []string{`{` + strings.Join(many, ",") + `}`, `{"k":"` + strings.Repeat("v", 501) + `"}`, `{"k":{"nested":[1]}}`, `{"__proto__":{"admin":true}}`, `{"":""}`} {
				a.call(t, w.key, w.Method, w.path, w.with(`"metadata":`+metadata)).code(422, "unknown_field")
			}
			for _, key := range []string{"__proto__", "constructor", "prototype", "toString", "a.b", "a/b~c", "$ref", " ", strings.Repeat("k", 5000)} {
				a.call(t, w.key, w.Method, w.path, w.with(jsonText(t, key)+`:{}`)).code(422, "unknown_field")
			}
		}
	})
}
