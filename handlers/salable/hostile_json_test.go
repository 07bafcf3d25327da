package salable_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestB13_MalformedJSON(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.bodied() {
			for name, body := range map[string]string{
				"cut short": w.body[:len(w.body)-1], "a bare word": "undefined", "a trailing text": w.body + "x", "two documents": w.body + w.body,
				"a byte-order mark": "\xef\xbb\xbf" + w.body, "a trailing comma": `{"z":1,}`, "NaN": `{"z":NaN}`, "a comment": w.body + "//", "a form": "a=1&b=2", "[object Object]": "[object Object]",
			} {
				require.Contains(t, a.refused(t, w, body).text("error"), "at byte ", "%s with %s", w.name(), name)
			}
			for _, body := range []string{"", " ", "null", `"x"`, "7", "true", "[]", "[null]", "[[]]", "[7]"} {
				a.refused(t, w, body)
			}
		}
	})
}

func TestB14_DuplicateAndCaseVariantKeys(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.bodied() {
			d := json.NewDecoder(strings.NewReader(strings.Trim(w.body, "[]")))
			_, err := d.Token()
			require.NoError(t, err)
			token, err := d.Token()
			require.NoError(t, err)
			key := token.(string)
			for _, members := range []string{fmt.Sprintf("%q:null", key), `"z":1,"z":1`, `"z":1,"\u007a":1`, `"z":{"a":1,"a":1}`, `"__proto__":1,"__proto__":2`} {
				a.refused(t, w, w.with(members))
			}
			for _, variant := range []string{strings.ToUpper(key), strings.ToUpper(key[:1]) + key[1:]} {
				require.Contains(t, string(a.refused(t, w, w.with(fmt.Sprintf("%q:null", variant))).body), "is spelt "+key)
			}
		}
	})
}

func TestB15_DeepJSONIsRefusedFast(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.bodied() {
			for _, body := range []string{strings.Repeat("[", 101) + strings.Repeat("]", 101), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001), strings.Repeat("[", 1_000_000),
				w.with(`"z":` + strings.Repeat(`{"a":`, 10_001) + "1" + strings.Repeat("}", 10_001))} {
				best := time.Hour // of several: others share the machine
				for range 200 {
					began := time.Now()
					a.refused(t, w, body)
					if best = min(best, time.Since(began)); best < 5*time.Millisecond {
						break
					}
				}
				require.Less(t, best, 5*time.Millisecond, w.name())
			}
		}
	})
}

func TestB17_CompressedAndLargeBodies(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 64 {
		_, err := z.Write(make([]byte, 1<<20))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	a.writesNothing(t, func() {
		for _, w := range a.bodied() {
			for _, encoding := range []string{"gzip", "deflate", "br", "identity, gzip"} {
				a.refused(t, w, bomb.String(), "Content-Encoding", encoding)
				a.refused(t, w, w.body, "Content-Encoding", "identity", "Content-Encoding", encoding)
			}
			a.refused(t, w, bomb.String())
			a.refused(t, w, w.with(`"z":"`+strings.Repeat("x", 1<<20)+`"`))
		}
	})
}

// B18: published SDKs send JSON as anything. What is no JSON in UTF-8 is refused whatever it is called.
func TestB18_AnyContentType(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	for i, as := range []string{"", "text/plain;charset=UTF-8", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "*/*", "x", "multipart/form-data"} {
		got := a.send(t, a.test, "POST", "/licenses", fmt.Sprintf(`{"planUuid":%q,"member":"mia","granteeId":"g%d"}`, a.flat, i), "Content-Type", as)
		require.Equal(t, 201, got.status, "as %q: %s", as, got.body)
	}
	a.writesNothing(t, func() {
		for _, w := range a.bodied() {
			for _, as := range []string{"application/json; charset=utf-16", "application/x-www-form-urlencoded"} {
				a.refused(t, w, "\xff\xfe{\x00}\x00", "Content-Type", as)
				a.refused(t, w, "planUuid=x&granteeId=y", "Content-Type", as)
			}
		}
	})
}

// withoutQuery are the routes whose answer no query changes.
var withoutQuery = []string{"/products", "/licenses/{licenseUuid}/usage", "/events/{eventUuid}", "/products/{productUuid}/features", "/products/{productUuid}/currencies",
	"/products/{productUuid}/capabilities", "/plans/{planUuid}/features", "/plans/{planUuid}/currencies", "/plans/{planUuid}/capabilities",
	"/subscriptions/{subscriptionUuid}/updateplan/listplans", "/subscriptions/{subscriptionUuid}/seats/count"}

func TestB19_InvalidText(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, w := range a.bodied() {
			for _, members := range []string{"\"z\":\"\xff\"", "\"z\":\"\xc0\x80\"", "\"z\":\"\xed\xa0\x80\"", "\"\xfe\":1", `"z":"\ud800"`, `"z":"\udc00\ud800"`, `"\udfff":1`, `"z":"\u0000"`, `"\u0000":1`, `"z":["a\u0000b"]`} {
				a.refused(t, w, w.with(members))
			}
		}
		for _, r := range a.reads {
			join := "?"
			if strings.Contains(r.path, "?") {
				join = "&"
			}
			for _, query := range []string{"expand=%ff", "x=%00", "status=%c0%80", "x=%zz"} {
				got := a.send(t, a.test, "GET", r.path+join+query, "")
				require.Contains(t, []int{r.status, 400}, got.status, "%s: %s", got.what, got.body)
				if got.status == 200 {
					require.True(t, strings.HasPrefix(r.Path, "/rbac/") || slices.Contains(withoutQuery, r.Path), "%s reads no query", r.Path)
				}
			}
		}
	})
}
