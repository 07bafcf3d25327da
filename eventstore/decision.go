package eventstore

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// decision is domain.Ledger for one command.
type decision struct {
	batch    *batch
	part     *part
	call     *call
	now      time.Time
	ids      int
	events   []pendingEvent
	claims   []claimRow
	consumed []*keyRow
	probes   []string // keys that the decision asked for: the append looks whether the log has them
	err      error    // the first refusal of Claim, or a wrong use
}

type pendingEvent struct {
	stream    uuid.UUID
	in        *stream
	version   int64
	event     domain.Event
	effective time.Time
}

// run calls Decide. A panic is a fault of this command alone.
func (d *decision) run() (answer any, err error) {
	defer func() {
		if r := recover(); r != nil {
			answer, err = nil, fmt.Errorf("the decision panicked: %v\n%s", r, debug.Stack())
		}
	}()
	var stale error
	if want := d.call.req.Expect; want != nil {
		if _, err := d.Load(want.Stream); err != nil {
			return nil, err
		}
		have := d.Version(want.Stream)
		if have != want.Version {
			stale = &domain.Error{Kind: domain.Stale, Code: "stale_version", State: fmt.Sprint(have),
				Detail: fmt.Sprintf("the version is %d, not %d", have, want.Version)}
		}
		if stale != nil && have > 0 {
			return nil, stale
		}
	}
	answer, err = d.call.req.Command.Decide(d)
	return answer, cmp.Or(d.err, err, stale) // what came after the first refusal only follows from it; what is unknown is refused as that
}

func (d *decision) result(position int64) Result {
	return Result{Ledger: d.part.ls.id, Position: position, First: position + 1, Last: position}
}

// undo leaves no trace of the decision. States cannot be turned back, so their streams are marked: the
// rest of the batch keeps off them, and they are read again.
func (d *decision) undo() {
	for _, e := range d.events {
		e.in.dirty = mutant.Active != mutant.KeptOverlay
	}
	d.events = nil
}

func (d *decision) ID() uuid.UUID           { return d.part.ls.id }
func (d *decision) Test() bool              { return d.part.ls.test }
func (d *decision) Now() time.Time          { return d.now }
func (d *decision) LastRecorded() time.Time { return d.part.recordedAt }

func (d *decision) Position() int64 { return d.part.head.Position + int64(len(d.events)) + 1 }

func (d *decision) NewID() uuid.UUID {
	d.ids++
	return domain.OrderedID(d.part.ls.id, d.part.head.Position, d.call.req.ID, d.now, d.ids)
}

func (d *decision) Load(id uuid.UUID) (domain.State, error) {
	ls := d.part.ls
	st, ok := ls.streams[id]
	if !ok {
		if d.batch.read == nil {
			return nil, &miss{stream: id, known: ls.head.Position}
		}
		var err error
		if st, err = d.batch.read(ls, id); err != nil {
			return nil, err
		}
		ls.streams[id] = st
		ls.bytes += st.bytes
	}
	if st.dirty {
		return nil, errHold
	}
	return st.state, nil
}

func (d *decision) Version(id uuid.UUID) int64 {
	if st := d.part.ls.streams[id]; st != nil {
		return st.version
	}
	return 0
}

func (d *decision) Append(id uuid.UUID, events ...domain.Event) { d.AppendAt(id, d.now, events...) }

func (d *decision) AppendAt(id uuid.UUID, effective time.Time, events ...domain.Event) {
	if d.err != nil {
		return // it is refused already: spare the states
	}
	st := d.part.ls.streams[id]
	if st == nil {
		st = &stream{}
		d.part.ls.streams[id] = st
	}
	if st.dirty {
		d.err = errHold
		return
	}
	d.part.touched[id] = st
	for _, e := range events {
		typ := e.EventType()
		if _, known := d.batch.lane.s.codec.events[typ]; !known {
			d.err = fmt.Errorf("event %s is not in the vocabulary", typ)
			return
		}
		if moved, ok := e.(domain.ClockMoved); ok {
			// The clock's own time is the moment of its event, so that it can begin in the past.
			d.now = moment(moved.To)
			if d.now.Before(d.part.recordedAt) {
				d.now = d.part.recordedAt
			}
			effective = d.now
		}
		d.batch.lane.s.codec.evolve(st, typ, e, id, d.now, moment(effective))
		d.events = append(d.events, pendingEvent{id, st, st.version, e, effective})
	}
}

func (d *decision) Claim(scope, value string, stream uuid.UUID, otherwise *domain.Error) {
	switch {
	case d.err != nil:
	case len(value) > 255 || value == "":
		d.err = domain.Refuse(domain.Invalid, "bad_claim", "a unique %s has 1 to 255 bytes", scope)
	case !d.TryClaim(scope, value, stream):
		d.err = otherwise
	}
}

func (d *decision) TryClaim(scope, value string, stream uuid.UUID) bool {
	name := claimName{scope, value}
	holder, taken := d.part.claimed[name]
	if !taken {
		holder, taken = d.call.held[name]
	}
	for _, c := range d.claims {
		if c.claimName == name {
			holder, taken = c.stream, true
		}
	}
	if !taken {
		d.claims = append(d.claims, claimRow{name, stream})
	}
	return !taken || holder == stream
}

func (d *decision) Known(scope, key string, fingerprint [32]byte) domain.KeyUse {
	name := scope + ":" + key
	row, used := d.part.pending[name]
	if !used {
		var known keyRow
		known, used = d.call.known[name]
		row = &known
	}
	for _, c := range d.consumed {
		if c.name == name {
			row, used = c, true
		}
	}
	switch {
	case !used:
		d.probes = append(d.probes, name)
		return domain.KeyFresh
	case row.fingerprint == fingerprint:
		return domain.KeySame
	default:
		return domain.KeyOther
	}
}

func (d *decision) Consume(scope, key string, fingerprint [32]byte) domain.KeyUse {
	use := d.Known(scope, key, fingerprint)
	if mutant.Active == mutant.ReusedUsageKey {
		return domain.KeyFresh
	}
	if use == domain.KeyFresh {
		d.consumed = append(d.consumed, &keyRow{name: scope + ":" + key, fingerprint: fingerprint, answer: []byte("null")})
	}
	return use
}
