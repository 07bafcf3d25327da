package handlers_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/handlers"
)

// B01, B10: every route, with every method, asked by whoever may not, answers one thing, whether what it is asked
// for is there or not.
func TestB01_B10_WhoeverMayNotLearnsNothing(t *testing.T) {
	t.Parallel()
	w := newWalls(t)
	expired := w.issue(t, w.org, "test", `,"expiresAt":"2026-06-01T12:00:01Z"`, w.scopes("")...).text("secret")
	revoked := w.issue(t, w.org, "test", "", w.scopes("")...)
	w.call(t, w.admin, "DELETE", "/organisations/"+w.org+"/keys/"+revoked.text("id"), "").want(200)
	w.pass(time.Minute)
	nobody := map[string]string{"no key": "", "a wrong key": "test_" + strings.Repeat("A", 43), "an expired key": expired, "a revoked key": revoked.text("secret")}
	var reading []string
	lacking := map[string]string{}
	for _, scope := range w.scopes("") {
		if strings.HasSuffix(scope, ":read") {
			reading = append(reading, scope)
		}
		lacking[scope] = w.issue(t, w.org, "test", "", w.scopes(scope)...).text("secret")
	}
	readOnly := w.issue(t, w.org, "test", "", reading...).text("secret")
	none := nobodys(w.own)
	bodies := map[string]string{}
	for _, wr := range w.writes {
		bodies[wr.name()] = wr.body
	}
	var unauthenticated string
	methods := map[string][]string{}
	w.writesNothing(t, func() {
		for _, rt := range w.api.Dialect().Routes {
			name := rt.Method + " " + rt.Path
			body := bodies[name]
			methods[rt.Path] = append(methods[rt.Path], rt.Method)
			both := func(key string) (own, unknown *result) {
				theirs := body
				for kind, id := range w.own {
					theirs = strings.ReplaceAll(theirs, id, none[kind])
				}
				return w.asks(t, key, rt.Method, w.path(rt.Path, w.own), body), w.asks(t, key, rt.Method, w.path(rt.Path, none), theirs)
			}
			for role, key := range nobody {
				own, unknown := both(key)
				w.same(t, own, unknown, w.own, none)
				require.Equal(t, 401, own.status, "%s, %s", name, role)
				if unauthenticated == "" {
					unauthenticated = anonymous(own)
				}
				require.Equal(t, unauthenticated, anonymous(own), "%s, %s", name, role)
			}
			forbidden := map[string]string{"a key without the scope": lacking[rt.Scope], "an admin key": w.admin}
			switch {
			case rt.Scope == handlers.ScopeAdmin:
				forbidden = map[string]string{"a key of a ledger": w.test, "a key of the other mode": w.live, "a key of another organisation": w.keys["another organisation"], "a key that reads": readOnly}
			case !strings.HasSuffix(rt.Scope, ":read"):
				forbidden["a key that reads"] = readOnly
			}
			for role, key := range forbidden {
				require.NotEmpty(t, key, "%s: %s", name, role)
				own, unknown := both(key)
				w.same(t, own, unknown, w.own, none)
				require.Equal(t, "missing_scope", own.text("code"), "%s, %s", name, role)
				own.want(403)
			}
		}
		for path, served := range methods {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
				if slices.Contains(served, method) || method == "HEAD" && slices.Contains(served, "GET") {
					continue
				}
				for _, key := range []string{"", w.test, w.live, w.admin} {
					own, unknown := w.asks(t, key, method, w.path(path, w.own), "{}"), w.asks(t, key, method, w.path(path, none), "{}")
					w.same(t, own, unknown, w.own, none)
					require.Equal(t, 405, own.status, "%s %s", method, path)
				}
			}
		}
	})
}

// B01: keys of the other mode and of another organisation ask every route for what is ours, and are answered as if
// it were not there; what they may list has none of it.
func TestB01_OtherLedgersSeeNothingOfOurs(t *testing.T) {
	t.Parallel()
	w := newWalls(t)
	none := nobodys(w.own)
	bodies := map[string]string{}
	for _, wr := range w.writes {
		bodies[wr.name()] = wr.body
	}
	w.writesNothing(t, func() {
		for _, rt := range w.api.Dialect().Routes {
			if rt.Stream || rt.Scope == handlers.ScopeAdmin {
				continue // TestB59_EventStream, and the roles above
			}
			for role, key := range map[string]string{"the other mode": w.live, "another organisation": w.keys["another organisation"]} {
				path, body := w.path(rt.Path, w.own), bodies[rt.Method+" "+rt.Path]
				theirs := body
				for kind, id := range w.own {
					theirs = strings.ReplaceAll(theirs, id, none[kind])
				}
				if rt.Method != "GET" {
					path += "?dryRun=true" // what carries no id of ours is theirs to do
				}
				own := w.asks(t, key, rt.Method, path, body)
				if strings.Contains(rt.Path, "{uuid}") {
					unknown := w.asks(t, key, rt.Method, strings.NewReplacer(w.path(rt.Path, w.own), w.path(rt.Path, none)).Replace(path), theirs)
					w.same(t, own, unknown, w.own, none)
					require.Equal(t, 404, own.status, "%s %s, asked by %s: %s", rt.Method, rt.Path, role, own.body)
				}
				for kind, id := range w.own {
					if kind == "organisation" && role == "the other mode" {
						continue // it is theirs too
					}
					require.False(t, own.status < 300 && strings.Contains(string(own.body), id), "%s %s answers %s with our %s", rt.Method, rt.Path, role, kind)
				}
			}
		}
	})
}

// B01, B02: in every place where a request carries an id, another ledger's is answered exactly as one that nobody has.
func TestB01_B02_ForeignIDsAreUnknownOnes(t *testing.T) {
	t.Parallel()
	w := newWalls(t)
	tried := map[string]int{}
	w.writesNothing(t, func() {
		for _, c := range w.carriers(t) {
			key := w.test
			if c.rt.Scope == handlers.ScopeAdmin {
				key = w.admin
			}
			ask := func(id, more string, header ...string) *result {
				path, body := w.request(t, c, id)
				return w.asks(t, key, c.rt.Method, path+more, body, header...)
			}
			tried[c.in]++
			none := nobodys(w.own)
			unknown := ask(none[c.kind], "")
			require.Less(t, unknown.status, 500, c)
			if c.in != "query" && c.rt.Path != "/usage" {
				require.GreaterOrEqual(t, unknown.status, 400, "%s: %s", c, unknown.body)
			}
			// An id of ours is taken: what is refused is refused for the id alone.
			more := ""
			if c.rt.Method != "GET" {
				more = "?dryRun=true"
			}
			own := ask(w.own[c.kind], more)
			require.Less(t, own.status, 300, "%s, with our own: %s", c, own.body)
			require.NotEqual(t, strings.ReplaceAll(string(unknown.body), none[c.kind], ""), strings.ReplaceAll(string(own.body), w.own[c.kind], ""), "%s: the id makes no difference", c)
			for _, theirs := range w.others {
				require.NotEmpty(t, theirs[c.kind], c)
				w.same(t, ask(theirs[c.kind], ""), unknown, theirs, none)
				if c.in == "path" { // a version that they have, or have not, changes nothing
					for _, header := range [][]string{{"If-Match", `"1"`}, {"If-Match", `"77"`}, {"If-None-Match", `"1"`}, {"Ledger-Min-Position", "1"}, {"Idempotency-Key", "k"}} {
						w.same(t, ask(theirs[c.kind], "", header...), ask(none[c.kind], "", header...), theirs, none)
					}
				}
			}
		}
	})
	require.Greater(t, tried["path"], 30)
	require.Greater(t, tried["query"], 8)
	require.Greater(t, tried["body"], 15)
	t.Logf("places: %v", tried)
}

// B01: a cursor of another ledger's list is none; nor is one of another thing's list.
func TestB01_ForeignCursorsAreNone(t *testing.T) {
	t.Parallel()
	w := newWalls(t)
	doc, err := document()
	require.NoError(t, err)
	lists := 0
	w.writesNothing(t, func() {
		for _, rt := range w.api.Dialect().Routes {
			op := doc.Paths.Find(pathPattern.ReplaceAllString(rt.Path, "{$1}")).GetOperation(rt.Method)
			if op.Parameters.GetByInAndName("query", "cursor") == nil || rt.Scope == handlers.ScopeAdmin {
				continue // there is one system ledger
			}
			lists++
			list := func(of things) string {
				if rt.Path == "/usage" {
					return rt.Path + "?limit=1&subscriptionUuid=" + of["subscription"]
				}
				return w.path(rt.Path, of) + "?limit=1"
			}
			for whose, key := range map[string]string{"the other mode's": w.live, "another organisation's": w.keys["another organisation"]} {
				cursor := w.call(t, key, "GET", list(w.others[whose]), "").want(200).text("nextCursor")
				require.NotEmpty(t, cursor, "%s has one item", rt.Path)
				made := strings.Repeat("A", len(cursor))
				w.same(t, w.call(t, w.test, "GET", list(w.own)+"&cursor="+cursor, "").code(400, "bad_cursor"),
					w.call(t, w.test, "GET", list(w.own)+"&cursor="+made, ""), things{}, things{})
			}
		}
	})
	require.Greater(t, lists, 7)
}

// B01: an idempotency key that another ledger used stands for nothing here, with whatever body.
func TestB01_KeysOfAnotherLedgerAreFree(t *testing.T) {
	t.Parallel()
	w := newWalls(t)
	const used = "a key of another ledger's"
	w.call(t, w.live, "POST", "/meters", `{"key":"theirs"}`, "Idempotency-Key", used).want(201)
	w.call(t, w.keys["another organisation"], "POST", "/usage", `{"records":[{"key":"`+used+`","quantity":1,"subscriptionUuid":"`+w.others["another organisation's"]["subscription"]+`"}]}`,
		"Idempotency-Key", used).want(200)
	w.writesNothing(t, func() {
		for _, wr := range w.writes {
			if wr.Scope == handlers.ScopeAdmin {
				continue
			}
			free := w.call(t, w.test, wr.Method, wr.path+"?dryRun=true", wr.body, "Idempotency-Key", "nobody's")
			taken := w.call(t, w.test, wr.Method, wr.path+"?dryRun=true", wr.body, "Idempotency-Key", used)
			require.Less(t, free.status, 300)
			blur := func(r *result) string {
				return anyUUID.ReplaceAllString(fmt.Sprint(r.status, " ", string(r.body), " ", r.header), "ID")
			}
			require.Equal(t, blur(free), blur(taken), wr.name())
		}
	})
	made := w.call(t, w.test, "POST", "/meters", `{"key":"ours"}`, "Idempotency-Key", used).want(201)
	require.Empty(t, made.header.Get("Idempotency-Replayed"))
	require.Equal(t, "ours", made.text("key"))
}

// B01: a position that another ledger has reached is not reached here.
func TestB01_PositionsOfAnotherLedger(t *testing.T) {
	t.Parallel()
	w := newWalls(t)
	for range 20 {
		w.call(t, w.live, "POST", "/meters", `{"key":"`+uuid.NewString()+`"}`).want(201)
	}
	ours, err := strconv.Atoi(w.events(t, w.test))
	require.NoError(t, err)
	for range ours {
		w.call(t, w.live, "POST", "/meters", `{"key":"`+uuid.NewString()+`"}`).want(201)
	}
	far := strconv.Itoa(ours + 1_000_000)
	for path, position := range map[string]string{"/events/": strconv.Itoa(ours + 1), "/events?after=": strconv.Itoa(ours)} {
		w.same(t, w.call(t, w.test, "GET", path+position, ""), w.call(t, w.test, "GET", path+far, ""), things{"": position}, things{"": far})
	}
	var wg sync.WaitGroup // each waits for the position in vain
	w.writesNothing(t, func() {
		for _, r := range w.reads() {
			if r.Scope == handlers.ScopeAdmin {
				continue
			}
			path := r.path
			if r.Path == "/usage" {
				path += "?subscriptionUuid=" + w.sub
			}
			wg.Go(func() {
				for _, position := range []int{ours + 1, ours + 1_000_000} {
					got := w.call(t, r.key, "GET", path, "", "Ledger-Min-Position", strconv.Itoa(position))
					assert.Equal(t, 503, got.status, path)
					assert.Contains(t, string(got.body), "position_not_reached")
				}
			})
		}
		wg.Wait()
	})
}
