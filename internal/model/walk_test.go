package model

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/task"
)

// step is a command, and what the reference makes of it. The answer is for the ids in it; nil after a refusal.
type step struct {
	system  bool
	command domain.Command
	expect  func(r *reference, answer []byte) (code string)
}

// walk runs random commands on a keeper and holds it against the reference after each.
type walk struct {
	k    keeper
	r    *reference
	keys int
	sent []sent // what was accepted, to be sent again
}

type sent struct {
	sending
	told told
}

// walkOn walks on a keeper and counts what was done.
func walkOn(t *rapid.T, k keeper, done map[string]int) {
	w := &walk{k: k, r: &reference{now: start, late: 72, used: map[string]string{}, totals: map[string]int{}, hashes: map[byte]bool{}, orgs: map[uuid.UUID]bool{k.organisation(): true}}}
	w.open(t)
	actions := map[string]func(*rapid.T){}
	for name, draw := range w.draws() {
		actions[name] = func(t *rapid.T) { w.one(t, draw(t)) }
	}
	actions["together"] = func(t *rapid.T) { w.together(t) }
	actions["again"] = func(t *rapid.T) { w.again(t) }
	actions["read"] = func(t *rapid.T) { w.r.process = k.process(); k.read(t, w.r) }
	actions["pass"] = func(t *rapid.T) { k.pass(time.Duration(rapid.IntRange(1, 48).Draw(t, "hours")) * time.Hour) }
	for name, do := range actions {
		done[name] += 0
		actions[name] = func(t *rapid.T) {
			do(t)
			done[name]++
		}
	}
	actions[""] = func(t *rapid.T) {
		w.r.process = k.process()
		require.Empty(t, differs(t, k, w.r))
	}
	t.Repeat(actions)
	w.r.process = k.process()
	k.read(t, w.r)
}

func (w *walk) sending(t *rapid.T, s step) sending {
	w.keys++
	return sending{system: s.system, key: fmt.Sprint("k", w.keys), command: s.command,
		process: rapid.IntRange(0, 1).Draw(t, "process"), fault: rapid.IntRange(0, 15).Draw(t, "fault")}
}

func (w *walk) one(t *rapid.T, s step) {
	w.r.process = w.k.process()
	sending := w.sending(t, s)
	got := w.k.do(t, sending)
	before := w.r.clone()
	require.Equal(t, s.expect(w.r, got.answer), got.code, "%T%+v\non %s", s.command, s.command, before)
	w.note(sending, got)
}

func (w *walk) note(s sending, got told) {
	if got.code == "" {
		w.sent = append(w.sent, sent{s, got})
	}
}

// must is one for what the walk is built on; it gives the id of what was made.
func (w *walk) must(t *rapid.T, s step) {
	w.one(t, s)
	require.NotEmpty(t, w.sent)
	require.Equal(t, s.command, w.sent[len(w.sent)-1].command)
}

// together runs two or three commands at the same time: there is an order in which the reference gives the same
// answers and comes to the same end. Those that wrote did so in the order of the log: another one might look alike now
// and not later, as when a clock was moved before or after a pause ended.
func (w *walk) together(t *rapid.T) {
	w.r.process = w.k.process()
	draws := w.draws()
	names := []string{"seats", "seats", "plan", "assign", "manage", "ends", "task", "usage", "life", "licence", "clock", "coupon"}
	var steps []step
	var all []sending
	for range rapid.IntRange(2, 3).Draw(t, "commands") {
		s := draws[rapid.SampledFrom(names).Draw(t, "what")](t)
		steps, all = append(steps, s), append(all, w.sending(t, s))
	}
	got := w.k.together(t, all)
	var why string
	for _, order := range orders(len(steps)) {
		if !asLogged(order, got) {
			continue
		}
		r := w.r.clone()
		var codes []string
		for _, i := range order {
			code := steps[i].expect(r, got[i].answer)
			codes = append(codes, code)
			if code != got[i].code {
				why += fmt.Sprintf("\nin the order %v command %d is told %q", order, i, code)
				break
			}
		}
		if len(codes) < len(order) || codes[len(codes)-1] != got[order[len(order)-1]].code {
			continue
		}
		if diff := differs(t, w.k, r); diff != "" {
			why += fmt.Sprintf("\nin the order %v:\n%s", order, diff)
			continue
		}
		w.r = r
		for i, s := range all {
			w.note(s, got[i])
		}
		return
	}
	for i, s := range steps {
		t.Logf("%T%+v was told %q", s.command, s.command, got[i].code)
	}
	require.Fail(t, "there is no order that explains the answers", "%s", why)
}

// asLogged tells whether those that wrote are in the order in which they did; the others may be anywhere.
func asLogged(order []int, got []told) bool {
	var firsts []int64
	for _, i := range order {
		if got[i].first > 0 {
			firsts = append(firsts, got[i].first)
		}
	}
	return slices.IsSorted(firsts)
}

// Of three of which the second wrote nothing, the last before the first.
func TestAnOrderIsThatOfTheLog(t *testing.T) {
	t.Parallel()
	var may [][]int
	for _, order := range orders(3) {
		if asLogged(order, []told{{first: 7}, {}, {first: 5}}) {
			may = append(may, order)
		}
	}
	require.Equal(t, [][]int{{1, 2, 0}, {2, 0, 1}, {2, 1, 0}}, may)
}

func orders(n int) [][]int {
	if n == 2 {
		return [][]int{{0, 1}, {1, 0}}
	}
	return [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
}

// again sends what was accepted once more, with its key: the first answer comes, and nothing happens. Another
// command with that key is refused.
func (w *walk) again(t *rapid.T) {
	s := w.sent[pick(t, len(w.sent), "command")]
	s.process = rapid.IntRange(0, 1).Draw(t, "process")
	if rapid.Bool().Draw(t, "other") {
		s.command = task.ConfigureManual{Outcome: "never"}
		require.Equal(t, "key_reused", w.k.do(t, s.sending).code)
		return
	}
	got := w.k.do(t, s.sending)
	require.Empty(t, got.code)
	require.JSONEq(t, string(s.told.answer), string(got.answer))
}

func idIn(answer []byte, field string) uuid.UUID {
	var v map[string]any
	_ = json.Unmarshal(answer, &v)
	text, _ := v[field].(string)
	id, _ := uuid.Parse(text)
	return id
}

// outcomes are the codes of a batch's items.
func outcomes(answer []byte) (codes []string) {
	var all []struct {
		Status string
		Err    *struct{ Code string }
	}
	_ = json.Unmarshal(answer, &all)
	for _, o := range all {
		code := ""
		if o.Err != nil {
			code = o.Err.Code
		} else if o.Status == "duplicate" {
			code = o.Status
		}
		codes = append(codes, code)
	}
	return codes
}

// batch is what a batch is told as a whole: when nothing could be done, a refusal. Else each item counts.
func batch(want []string, answer []byte) string {
	done := slices.Contains(want, "")
	switch {
	case !done && answer == nil:
		return "invalid_items"
	case !done || answer == nil || !slices.Equal(want, outcomes(answer)):
		return fmt.Sprintf("%q, not %q", want, outcomes(answer))
	}
	return ""
}

func TestReferenceAgreesWithMemory(t *testing.T) {
	t.Parallel()
	done := map[string]int{}
	within(t, func(rt *rapid.T) { walkOn(rt, newMemory(rt), done) })
	allDone(t, done)
}

// allDone wants every step done in some walk: one that never is would hold of anything.
func allDone(t *testing.T, done map[string]int) {
	t.Helper()
	t.Logf("done: %v", done)
	require.NotEmpty(t, done)
	for name, times := range done {
		require.Positive(t, times, "no walk had the step %q in it", name)
	}
}

// open fills the shelves: plans by the seat and flat, by months and days, with trials.
func (w *walk) open(t *rapid.T) {
	began := []time.Time{start, time.Date(2027, time.January, 31, 23, 59, 59, 999999000, time.UTC), time.Date(2028, time.February, 29, 0, 0, 0, 0, time.UTC), time.Date(2025, time.December, 30, 8, 30, 0, 0, time.UTC)}
	w.r.now = time.Time{}
	w.must(t, w.moveTo(rapid.SampledFrom(began).Draw(t, "clock")))
	for _, name := range []string{"main", "elsewhere"} {
		w.must(t, step{command: catalog.CreateProduct{Fields: catalog.ProductFields{Name: name, DisplayName: name, Currencies: []catalog.ProductCurrency{{Currency: "USD", Default: true}}}},
			expect: func(r *reference, answer []byte) string {
				r.products = append(r.products, &item{id: idIn(answer, "id"), text: name, version: 1})
				return ""
			}})
	}
	for product, name := range map[int]string{0: "read"} {
		w.must(t, w.newCapability(product, name))
	}
	w.must(t, w.newCapability(0, "write"))
	w.must(t, w.newCapability(1, "elsewhere"))
	most := rapid.IntRange(2, 6).Draw(t, "most")
	for _, p := range []plan{
		{perSeat: true, least: 1, most: most, unit: "month", length: 1, powers: []int{0}},
		{perSeat: true, least: 3, most: 8, unit: "month", length: 1, powers: []int{0, 1}},
		{perSeat: true, least: 0, most: -1, unit: "day", length: 10, powers: []int{1}},
		{most: -1, least: 1, unit: "month", length: 3, powers: []int{0}},
		{most: -1, least: 1, unit: "week", length: 2, trialDays: 9},
		{perSeat: true, least: 1, most: -1, unit: "year", length: 1, trialDays: 7, powers: []int{0}},
		{most: -1, least: 1, unit: "month", length: 1, evalDays: 5, powers: []int{1}},
		{perSeat: true, least: 1, most: -1, unit: "month", length: 1, announced: true},
		{item: item{product: 1}, perSeat: true, least: 1, most: -1, unit: "month", length: 1, powers: []int{2}},
	} {
		w.must(t, w.newPlan(p))
	}
	for i := range 2 {
		w.must(t, w.newMeter(i, i == 1))
	}
	for range 2 {
		w.must(t, w.begin(t, false))
	}
}

func (w *walk) moveTo(to time.Time) step {
	return step{command: domain.MoveClock{To: to}, expect: func(r *reference, _ []byte) string { return r.moveClock(to) }}
}

// viewsIn are the ids of the views in a batch's answer; nil where an item was refused.
func viewsIn(answer []byte) (ids []uuid.UUID) {
	var all []struct{ View struct{ ID uuid.UUID } }
	_ = json.Unmarshal(answer, &all)
	for _, o := range all {
		ids = append(ids, o.View.ID)
	}
	return ids
}
