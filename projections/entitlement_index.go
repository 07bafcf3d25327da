package projections

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/period"
)

// Answer is what grantees may use of a product at an instant.
type Answer struct {
	Capabilities []string                // distinct, in alphabetical order; none: nothing is granted
	EndDates     map[string]time.Time    // of each capability: the latest, grace included
	Plans        map[uuid.UUID]time.Time // whose licences give access: the latest end of each, grace included
	Granted      []PlanGrant             // those plans and their features, if the question asks for them
	Position     int64                   // of the ledger, up to which events are considered
	ValidUntil   time.Time               // from then on the answer is another one even without an event; zero: never
}

// grants evaluates one licence at an instant. An end that came by itself is softened by the grace
// (the reported end lies that much later too, at most at the calendar's end); a cancellation at once is not.
// change is when time alone will give another result; zero: never.
func (l *LicenseRow) grants(s *Subscription, at time.Time, grace time.Duration) (ok bool, end, change time.Time) {
	switch l.statusAt(s, at) {
	case license.Active, license.Trialing, license.Evaluation:
		end = l.endAt(s, at)
		return true, softened(end, grace), end
	case license.Scheduled:
		start := l.StartTime
		if s != nil && s.StartAt.After(start) {
			start = s.StartAt
		}
		if end = l.endAt(s, at); end.Before(start) { // its end comes first, and grace begins there
			start = end
		}
		return false, time.Time{}, start
	}
	if grace <= 0 || !l.ranOut(s, at) {
		return false, time.Time{}, time.Time{}
	}
	if end = softened(l.endAt(s, at), grace); !end.After(at) {
		return false, time.Time{}, time.Time{}
	}
	return true, end, end
}

// softened is an end with its grace. The calendar ends with the year 9999: no reader could take a later year.
func softened(end time.Time, grace time.Duration) time.Time {
	if end = end.Add(grace); end.After(period.Max) {
		return period.Max
	}
	return end
}

// answering adds licences up to an Answer.
type answering struct {
	at         time.Time
	grace      time.Duration
	ends       map[string]time.Time
	plans      map[uuid.UUID]time.Time
	validUntil time.Time
}

func (a *answering) add(l *LicenseRow, s *Subscription) {
	if l.SubscriptionID != nil && s == nil {
		return // its subscription's projection is behind
	}
	ok, end, change := l.grants(s, a.at, a.grace)
	if !change.IsZero() && (a.validUntil.IsZero() || change.Before(a.validUntil)) {
		a.validUntil = change
	}
	if !ok {
		return
	}
	plan := l.PlanID
	if plan == nil {
		plan = &s.Terms.PlanID
	}
	if a.plans == nil {
		a.plans = map[uuid.UUID]time.Time{}
	}
	if end.After(a.plans[*plan]) {
		a.plans[*plan] = end
	}
	for _, c := range l.capabilities(s) {
		if end.After(a.ends[c.Name]) {
			a.ends[c.Name] = end
		}
	}
}

func (a *answering) answer(position int64) Answer {
	all := make([]string, 0, len(a.ends))
	for name := range a.ends {
		all = append(all, name)
	}
	slices.Sort(all)
	return Answer{Capabilities: all, EndDates: a.ends, Plans: a.plans, Position: position, ValidUntil: a.validUntil}
}

// ledgerIndex holds the assigned licences of a ledger, their subscriptions, and which products there
// are. It is as old as its position.
type ledgerIndex struct {
	ledger     uuid.UUID
	tables     int64         // that it was loaded from
	generation atomic.Uint64 // changes with its rows
	confirmed  atomic.Int64  // Unix nanoseconds at which the database had nothing newer
	used       atomic.Int64

	mu            sync.RWMutex
	position      int64
	products      map[uuid.UUID]struct{}
	catalog       catalogTerms
	subscriptions map[uuid.UUID]*Subscription
	licenses      map[uuid.UUID]*LicenseRow
	byGrantee     map[granted][]*LicenseRow
	capabilities  map[string][]catalog.CapabilityRef // equal lists are one
	bytes         int64
	emptied       bool // too big, or forgotten: the database answers
}

type granted struct {
	product uuid.UUID
	grantee string
}

func newLedgerIndex(ledger uuid.UUID) *ledgerIndex {
	return &ledgerIndex{ledger: ledger, products: map[uuid.UUID]struct{}{}, catalog: newCatalogTerms(), subscriptions: map[uuid.UUID]*Subscription{},
		licenses: map[uuid.UUID]*LicenseRow{}, byGrantee: map[granted][]*LicenseRow{}, capabilities: map[string][]catalog.CapabilityRef{}, bytes: indexBytes}
}

// Sizes of rows in memory with their map entries: measured roughly, and rounded up.
const (
	indexBytes        = 1000 // of a ledger without any
	productBytes      = 64
	subscriptionBytes = 1200
	licenseBytes      = 700
)

// put takes over a row; a licence that grants nothing any more, or nobody, is left out. The caller
// holds the lock.
func (x *ledgerIndex) put(row any) {
	switch row := row.(type) {
	case Product:
		if _, ok := x.products[row.ID]; !ok {
			x.products[row.ID] = struct{}{}
			x.bytes += productBytes
		}
	case Plan:
		x.bytes += x.catalog.putPlan(row)
	case Feature:
		x.bytes += x.catalog.putFeature(row)
	case Subscription:
		if _, ok := x.subscriptions[row.ID]; !ok {
			x.bytes += subscriptionBytes
		}
		row.Terms.Capabilities = x.intern(row.Terms.Capabilities)
		x.subscriptions[row.ID] = &row
	case LicenseRow:
		x.forget(row.ID)
		if row.Grantee == nil || row.EndReason != nil && *row.EndReason == "canceled" {
			return
		}
		row.Capabilities, row.Terms = x.intern(row.Capabilities), nil
		x.licenses[row.ID] = &row
		k := granted{row.ProductID, *row.Grantee}
		x.byGrantee[k] = append(x.byGrantee[k], &row)
		x.bytes += licenseBytes + int64(len(*row.Grantee))
	}
}

func (x *ledgerIndex) forget(id uuid.UUID) {
	old := x.licenses[id]
	if old == nil {
		return
	}
	delete(x.licenses, id)
	k := granted{old.ProductID, *old.Grantee}
	rest := slices.DeleteFunc(x.byGrantee[k], func(l *LicenseRow) bool { return l == old })
	if x.byGrantee[k] = rest; len(rest) == 0 {
		delete(x.byGrantee, k)
	}
	x.bytes -= licenseBytes + int64(len(*old.Grantee))
}

// intern keeps one copy of equal lists; nil stays nil, which means the subscription's.
func (x *ledgerIndex) intern(refs []catalog.CapabilityRef) []catalog.CapabilityRef {
	if len(refs) == 0 {
		return refs
	}
	var b strings.Builder
	for _, r := range refs {
		b.Write(r.ID[:])
		b.WriteString(r.Name)
		b.WriteByte(0)
	}
	k := b.String()
	if known, ok := x.capabilities[k]; ok {
		return known
	}
	x.capabilities[k] = refs
	x.bytes += int64(2 * len(k))
	return refs
}

// move takes over rows and their position; the caller holds no lock.
func (x *ledgerIndex) move(rows []any, to int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.emptied {
		for _, row := range rows {
			if positionOf(row) > x.position {
				x.put(row)
			}
		}
	}
	x.position = max(x.position, to)
	if len(rows) > 0 {
		x.generation.Add(1)
	}
}

func positionOf(row any) int64 {
	switch row := row.(type) {
	case Product:
		return row.Position
	case Plan:
		return row.Position
	case Feature:
		return row.Position
	case Subscription:
		return row.Position
	case LicenseRow:
		return row.Position
	}
	return 0
}

// at tells where the index is, and whether it holds anything.
func (x *ledgerIndex) at() (position int64, emptied bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.position, x.emptied
}

// empty lets go of all that the index holds: answers that were kept know it for as long as they are.
func (x *ledgerIndex) empty() {
	x.emptied, x.bytes = true, indexBytes
	x.products, x.catalog, x.subscriptions, x.licenses, x.byGrantee, x.capabilities = nil, catalogTerms{}, nil, nil, nil, nil
}

// check answers; known is false for an unknown product, emptied where the database has to be asked.
func (x *ledgerIndex) check(q Question, at time.Time) (a Answer, known, emptied bool, generation uint64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if _, ok := x.products[q.Product]; !ok {
		return Answer{Position: x.position}, false, x.emptied, 0
	}
	sum := answering{at: at, grace: q.grace(), ends: map[string]time.Time{}}
	for _, g := range q.Grantees {
		for _, l := range x.byGrantee[granted{q.Product, g}] {
			var s *Subscription
			if l.SubscriptionID != nil {
				s = x.subscriptions[*l.SubscriptionID]
			}
			sum.add(l, s)
		}
	}
	a = sum.answer(x.position)
	if q.Catalog {
		a.Granted = x.catalog.granted(a.Plans)
	}
	return a, true, false, x.generation.Load()
}
