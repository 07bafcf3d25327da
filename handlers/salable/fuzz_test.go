package salable

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/handlers"
)

// Whatever is asked for, what is expanded is allowed, closed under its parents, and else it is refused;
// a refusal names its fields in valid UTF-8.
func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "plan", "[plan.currencies]", "plan.currencies.currency, product", "plan.", ".plan", "plan..currencies", "PLAN", "[", "][", ",,", "plan,nope"} {
		f.Add(s, "/0/granteeId")
	}
	for _, pointer := range []string{"", "/planUuid", "/a~1b/c~0d", "version", "/\xff", "//"} {
		f.Add("plan", pointer)
	}
	f.Fuzz(func(t *testing.T, text, pointer string) {
		if p := property(pointer); p == "" && pointer != "/" || strings.ToValidUTF8(p, "") != p {
			t.Fatalf("%q is %q", pointer, p)
		}
		r := httptest.NewRequest(http.MethodGet, "/?"+url.Values{"expand": {text}}.Encode(), nil)
		q, err := handlers.ReadQuery(r)
		if err != nil {
			return
		}
		e := readExpand(q, licenseExpandable)
		allowed := licenseExpandable.names("")
		for _, name := range e.names("") {
			if !slices.Contains(allowed, name) {
				t.Fatalf("%q expands %q", text, name)
			}
			if i := strings.LastIndexByte(name, '.'); i >= 0 && !e.knows(name[:i]) {
				t.Fatalf("%q expands %q without its parent", text, name)
			}
		}
		for _, name := range listed(text) {
			if name = strings.TrimSpace(name); name != "" && !e.knows(name) && q.Err() == nil {
				t.Fatalf("%q: %q was dropped silently", text, name)
			}
		}
		if refused, ok := domain.AsRefusal(q.Err()); ok {
			_ = errorBody(http.StatusBadRequest, refused)
		}
	})
}
