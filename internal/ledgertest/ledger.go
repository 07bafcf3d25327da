// Package ledgertest is a ledger in memory, for tests of decisions: given events, when a command, then
// events. It keeps the promises of domain.Ledger that the log keeps, one decision at a time, and
// complains where the log would: of an event that does not survive its encoding, of a refusal that
// comes after an append.
package ledgertest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/domain/usage"
)

// TB is what of a test is needed: a *testing.T, *testing.B or *rapid.T.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// ID is the ledger's own id.
var ID = uuid.MustParse("00000000-0000-7000-8000-00000000abcd")

// Vocabularies is everything that the domain says happened.
func Vocabularies() []domain.Vocabulary {
	all := []domain.Vocabulary{domain.ClockVocabulary(), subscription.Vocabulary(), license.Vocabulary(),
		organisation.Vocabulary(), customer.Vocabulary(), settings.Vocabulary(), account.Vocabulary(), customer.OwnerVocabulary()}
	return slices.Concat(all, usage.Vocabularies(), catalog.Vocabularies(), task.Vocabularies(), rbac.Vocabularies(), invoice.Vocabularies())
}

// Event is an event as the log would hold it, decoded from its encoding.
type Event struct {
	Position    int64
	Stream      uuid.UUID
	Version     int64
	Event       domain.Event
	RecordedAt  time.Time
	EffectiveAt time.Time
}

type claim struct{ scope, value string }

// Ledger is a test ledger at a moment that only the test moves.
type Ledger struct {
	// Live makes it a live ledger.
	Live bool

	t        TB
	now      time.Time
	log      []Event
	streams  map[uuid.UUID]*stream
	claims   map[claim]uuid.UUID
	keys     map[claim][32]byte
	commands uint64
	kinds    map[string]domain.Vocabulary
	types    map[string]domain.EventType
}

type stream struct {
	state   domain.State
	version int64
}

// New makes an empty test ledger whose Now is the given instant.
func New(t TB, now time.Time) *Ledger {
	l := &Ledger{t: t, now: now.UTC().Truncate(time.Microsecond), streams: map[uuid.UUID]*stream{}, claims: map[claim]uuid.UUID{},
		keys: map[claim][32]byte{}, kinds: map[string]domain.Vocabulary{}, types: map[string]domain.EventType{}}
	for _, v := range Vocabularies() {
		l.kinds[v.Kind] = v
		for _, e := range v.Events {
			l.types[e.Name] = e
		}
	}
	return l
}

// Now is the ledger's moment.
func (l *Ledger) Now() time.Time { return l.now }

// SetNow moves the ledger to an instant, which is not before its newest event.
func (l *Ledger) SetNow(now time.Time) {
	l.t.Helper()
	if now.Before(l.lastRecorded()) {
		l.t.Fatalf("ledgertest: the ledger has events recorded after %s", now)
	}
	l.now = now.UTC().Truncate(time.Microsecond)
}

// Pass moves the ledger on.
func (l *Ledger) Pass(d time.Duration) { l.SetNow(l.now.Add(d)) }

func (l *Ledger) lastRecorded() time.Time {
	if len(l.log) == 0 {
		return time.Time{}
	}
	return l.log[len(l.log)-1].RecordedAt
}

// Given records events that happened on a stream, effective now.
func (l *Ledger) Given(stream uuid.UUID, events ...domain.Event) *Ledger {
	l.t.Helper()
	d := l.decision()
	d.Append(stream, events...)
	if d.commit(); d.err != nil {
		l.t.Fatalf("ledgertest: given: %v", d.err)
	}
	return l
}

// Execute decides a command and records what happened. An error leaves nothing.
func (l *Ledger) Execute(c domain.Command) (answer any, events []Event, err error) {
	l.t.Helper()
	return l.decide(c, true)
}

// DryRun decides a command and records nothing.
func (l *Ledger) DryRun(c domain.Command) (answer any, events []Event, err error) {
	l.t.Helper()
	return l.decide(c, false)
}

// Must is Execute for a command that is part of the given.
func Must[A any](l *Ledger, c domain.Command) A {
	l.t.Helper()
	answer, _, err := l.Execute(c)
	if err != nil {
		l.t.Fatalf("ledgertest: %T: %v", c, err)
	}
	a, ok := answer.(A)
	if !ok {
		l.t.Fatalf("ledgertest: %T answered a %T", c, answer)
	}
	return a
}

func (l *Ledger) decide(c domain.Command, keep bool) (any, []Event, error) {
	l.t.Helper()
	d := l.decision()
	answer, err := c.Decide(d)
	if err != nil && len(d.events) > 0 {
		l.t.Errorf("ledgertest: %T refused after an append, which costs the log its cached states: %v", c, err)
	}
	if err == nil {
		err = d.err
	}
	if err != nil || !keep {
		d.discard()
		if err != nil {
			return nil, nil, err
		}
		return answer, d.events, nil
	}
	d.commit()
	return answer, d.events, nil
}

// Log is all events, in their order.
func (l *Ledger) Log() []Event { return slices.Clone(l.log) }

// Stream is the events of one stream.
func (l *Ledger) Stream(id uuid.UUID) []Event {
	return slices.DeleteFunc(l.Log(), func(e Event) bool { return e.Stream != id })
}

// State is the fold of a stream as the ledger has it; nil without events. Read it only.
func (l *Ledger) State(id uuid.UUID) domain.State {
	return l.load(id).state
}

// Reload forgets every fold, like a process that starts: the next one is of the decoded events.
func (l *Ledger) Reload() { clear(l.streams) }

func (l *Ledger) load(id uuid.UUID) *stream {
	if s, ok := l.streams[id]; ok {
		return s
	}
	s := &stream{}
	for _, e := range l.log {
		if e.Stream == id {
			l.evolve(s, id, e.Event, e.RecordedAt, e.EffectiveAt)
		}
	}
	l.streams[id] = s
	return s
}

func (l *Ledger) evolve(s *stream, id uuid.UUID, e domain.Event, recorded, effective time.Time) {
	if s.state == nil {
		s.state = l.kinds[domain.KindOf(e.EventType())].New()
	}
	s.version++
	domain.Evolve(s.state, e, id, s.version, recorded, effective)
}

// decision is one command's view of the ledger.
type decision struct {
	*Ledger
	command uuid.UUID
	at      time.Time
	ids     int
	events  []Event
	claimed map[claim]uuid.UUID
	used    map[claim][32]byte
	err     error
}

func (l *Ledger) decision() *decision {
	l.commands++
	d := &decision{Ledger: l, at: l.now, claimed: map[claim]uuid.UUID{}, used: map[claim][32]byte{}}
	copy(d.command[:], "ledgertest")
	binary.BigEndian.PutUint32(d.command[12:], uint32(l.commands))
	return d
}

func (d *decision) ID() uuid.UUID           { return ID }
func (d *decision) Test() bool              { return !d.Live }
func (d *decision) Now() time.Time          { return d.at }
func (d *decision) LastRecorded() time.Time { return d.lastRecorded() }

func (d *decision) Position() int64 { return int64(len(d.log)+len(d.events)) + 1 }

func (d *decision) NewID() uuid.UUID {
	d.ids++
	return domain.OrderedID(ID, int64(len(d.log)), d.command, d.at, d.ids)
}

func (d *decision) StreamOf(subject string) (uuid.UUID, error) {
	return uuid.NewSHA1(ID, []byte("stream\x00"+subject)), nil
}

func (d *decision) Load(id uuid.UUID) (domain.State, error) { return d.load(id).state, nil }
func (d *decision) Version(id uuid.UUID) int64              { return d.load(id).version }

func (d *decision) Append(id uuid.UUID, events ...domain.Event) { d.AppendAt(id, d.at, events...) }

func (d *decision) AppendAt(id uuid.UUID, effective time.Time, events ...domain.Event) {
	for _, e := range events {
		decoded, err := d.roundTrip(e)
		if err != nil {
			d.t.Errorf("ledgertest: %s: %v", e.EventType(), err)
			decoded = e
		}
		if moved, ok := e.(domain.ClockMoved); ok { // the clock's own time is the moment of its event
			d.at = moved.To
			effective = moved.To
		}
		s := d.load(id)
		d.evolve(s, id, e, d.at, effective)
		d.events = append(d.events, Event{Position: int64(len(d.log) + len(d.events) + 1), Stream: id, Version: s.version,
			Event: decoded, RecordedAt: d.at, EffectiveAt: effective})
	}
}

func (d *decision) Claim(scope, value string, stream uuid.UUID, otherwise *domain.Error) {
	switch {
	case value == "" || len(value) > 255:
		d.err = fmt.Errorf("a claim has 1 to 255 bytes, not %d", len(value))
	case !d.TryClaim(scope, value, stream) && d.err == nil:
		d.err = otherwise
	}
}

func (d *decision) TryClaim(scope, value string, stream uuid.UUID) bool {
	c := claim{scope, value}
	holder, taken := d.claims[c]
	if !taken {
		holder, taken = d.claimed[c]
	}
	if !taken {
		d.claimed[c] = stream
	}
	return !taken || holder == stream
}

func (d *decision) Known(scope, key string, fingerprint [32]byte) domain.KeyUse {
	c := claim{scope, key}
	known, taken := d.keys[c]
	if !taken {
		known, taken = d.used[c]
	}
	switch {
	case !taken:
		return domain.KeyFresh
	case known == fingerprint:
		return domain.KeySame
	}
	return domain.KeyOther
}

func (d *decision) Consume(scope, key string, fingerprint [32]byte) domain.KeyUse {
	use := d.Known(scope, key, fingerprint)
	if use == domain.KeyFresh {
		d.used[claim{scope, key}] = fingerprint
	}
	return use
}

// discard brings the states back to the log.
func (d *decision) discard() {
	for _, e := range d.events {
		delete(d.streams, e.Stream)
	}
}

func (d *decision) commit() {
	d.log = append(d.log, d.events...)
	for c, stream := range d.claimed {
		d.claims[c] = stream
	}
	for c, fingerprint := range d.used {
		d.keys[c] = fingerprint
	}
	d.now = d.at
}
