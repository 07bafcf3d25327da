package eventstore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// errHold postpones a command to the next batch: it wants a stream whose state in this batch was spoilt.
var errHold = errors.New("held back to the next batch")

// batch is what one flush decides, ledger by ledger.
type batch struct {
	lane     *lane
	sealer   *sealer
	read     func(ls *ledgerState, id uuid.UUID) (*stream, error) // reads a missing stream at once; nil: it is a miss
	parts    map[uuid.UUID]*part
	size     int
	heldBack []*call
}

// part is one ledger's share of a batch. Its states are changed in place: when the part does not
// become true, the streams that it touched are forgotten and read again.
type part struct {
	ls         *ledgerState
	old        Head
	head       Head
	recordedAt time.Time
	clock      *time.Time
	decided    []decided
	events     []*Recorded
	keys       []keyRow
	probes     []string // further keys to look for
	claims     []claimRow
	made       []*subjectKey
	touched    map[uuid.UUID]*stream
	pending    map[string]*keyRow // keys that this batch consumes
	claimed    map[claimName]uuid.UUID
}

// decided is a call whose answer is known, if the part becomes true.
type decided struct {
	call   *call
	answer outcome
}

// keyRow is a row of commands.
type keyRow struct {
	name        string
	fingerprint [32]byte
	first, last int64
	answer      []byte // as stored: personal fields are ciphertext
}

type claimRow struct {
	claimName
	stream uuid.UUID
}

func newBatch(l *lane, s *sealer, read func(*ledgerState, uuid.UUID) (*stream, error)) *batch {
	return &batch{lane: l, sealer: s, read: read, parts: map[uuid.UUID]*part{}}
}

func (b *batch) part(ls *ledgerState) *part {
	p := b.parts[ls.id]
	if p == nil {
		p = &part{ls: ls, old: ls.head, head: ls.head, recordedAt: ls.recordedAt, clock: ls.clock,
			touched: map[uuid.UUID]*stream{}, pending: map[string]*keyRow{}, claimed: map[claimName]uuid.UUID{}}
		b.parts[ls.id] = p
	}
	return p
}

// sorted gives the parts in the order in which rows are locked.
func (b *batch) sorted() []*part {
	parts := make([]*part, 0, len(b.parts))
	for _, p := range b.parts {
		if len(p.decided) > 0 {
			parts = append(parts, p)
		} else {
			p.spoil()
		}
	}
	slices.SortFunc(parts, func(x, y *part) int { return bytes.Compare(x.ls.id[:], y.ls.id[:]) })
	return parts
}

// withdraw takes a ledger's part out of the batch and gives back its calls.
func (b *batch) withdraw(ledger uuid.UUID) []*call {
	p := b.parts[ledger]
	if p == nil {
		return nil
	}
	delete(b.parts, ledger)
	p.spoil()
	return p.calls()
}

func (p *part) calls() []*call {
	calls := make([]*call, len(p.decided))
	for i, d := range p.decided {
		calls[i] = d.call
	}
	return calls
}

// spoil forgets every stream that the part changed.
func (p *part) spoil() {
	for id := range p.touched {
		p.ls.forget(id)
	}
}

// decide runs one command on what the lane knows. Replies that need no confirmation go out at once.
func (b *batch) decide(c *call) {
	ls := b.lane.ledger(c.req.Ledger, c.coldLedger)
	if ls == nil {
		b.lane.stats.found(c, false)
		c.reply(outcome{miss: &miss{ledger: true}})
		return
	}
	b.decideIn(ls, c)
}

func (b *batch) decideIn(ls *ledgerState, c *call) {
	p := b.part(ls)
	for _, cold := range c.coldStreams {
		if cold.position < cold.known && c.lost < 2 {
			// History went back: what is known here takes in nothing that is read there. The serial path finds out.
			c.coldStreams, c.lost = nil, 2
			b.heldBack = append(b.heldBack, c)
			return
		}
		if cold.erasures == b.lane.s.keys.erasures.Load() { // else it may name somebody erased meanwhile
			ls.accept(cold)
		}
	}
	c.coldLedger, c.coldStreams = nil, nil
	if p.pending[c.key] != nil {
		b.heldBack = append(b.heldBack, c) // the second waits for the first
		return
	}
	if row, ok := c.known[c.key]; ok {
		if row.fingerprint != c.req.Fingerprint {
			c.reply(outcome{err: errKeyOther})
		} else {
			c.reply(outcome{replay: &row})
		}
		return
	}
	d := &decision{batch: b, part: p, call: c}
	d.now = moment(b.lane.s.cfg.Now())
	if p.clock != nil {
		d.now = *p.clock
	}
	if d.now.Before(p.recordedAt) && mutant.Active != mutant.ClockBackwards {
		d.now = p.recordedAt
	}
	answer, err := d.run()
	var missing *miss
	switch {
	case errors.As(err, &missing):
		d.undo()
		b.lane.stats.found(c, false)
		c.reply(outcome{miss: missing})
	case errors.Is(err, errHold):
		d.undo()
		b.heldBack = append(b.heldBack, c)
	case err != nil:
		d.undo()
		if refusal, ok := domain.AsRefusal(err); ok {
			if mutant.Active == mutant.UnconfirmedRefusal {
				c.reply(outcome{err: refusal})
				return
			}
			// A refusal is an answer too: true only if the ledger still stands where it was decided.
			p.probes = append(p.probes, d.probes...)
			p.decided = append(p.decided, decided{c, outcome{err: refusal, result: d.result(p.head.Position)}})
		} else {
			c.reply(outcome{err: err})
		}
	case c.req.DryRun:
		would := make([]Would, len(d.events))
		for i, e := range d.events {
			would[i] = Would{e.stream, e.event, e.effective}
		}
		plain, err := json.Marshal(answer, json.Deterministic(true))
		d.undo()
		if err != nil {
			c.reply(outcome{err: fmt.Errorf("encode the answer: %w", err)})
			return
		}
		r := d.result(p.head.Position)
		r.DryRun, r.Answer, r.Would = true, plain, would
		p.probes = append(p.probes, d.probes...)
		p.decided = append(p.decided, decided{c, outcome{result: r}})
	default:
		err := b.encode(d, answer)
		if err != nil {
			d.undo()
		}
		switch {
		case errors.As(err, &missing): // the ledger's key was evicted
			b.lane.stats.found(c, false)
			c.reply(outcome{miss: missing})
		case err != nil:
			c.reply(outcome{err: err})
		default:
			b.lane.stats.found(c, true)
		}
	}
}

// encode turns a decision into rows. On an error nothing of it is in the part.
func (b *batch) encode(d *decision, answer any) error {
	p, c, ledger := d.part, d.call, d.part.ls.id
	s := b.sealer
	s.made, s.read = s.made[:0], p.ls.reading
	if c.meta == nil {
		m := c.req.Meta
		m.Key = c.req.Key
		var err error
		if c.meta, err = json.Marshal(m, json.Deterministic(true)); err != nil {
			return fmt.Errorf("encode meta: %w", err)
		}
	}
	head, clock := p.head, p.clock
	recordedAt := p.recordedAt
	events := make([]*Recorded, 0, len(d.events))
	size := 0
	for i, e := range d.events {
		data, err := s.encode(e.event, place{ledger: ledger, stream: e.stream, version: e.version})
		if err != nil {
			return fmt.Errorf("encode %s: %w", e.event.EventType(), err)
		}
		r := &Recorded{Ledger: ledger, Position: head.Position + 1, Stream: e.stream, Version: e.version,
			ID: domain.DeriveID(c.req.ID, d.now, -1-i), Type: e.event.EventType(), Event: e.event, Data: data, Meta: c.meta,
			RecordedAt: d.now, EffectiveAt: moment(e.effective)}
		if moved, ok := e.event.(domain.ClockMoved); ok {
			to := moment(moved.To)
			clock = &to
		}
		r.Hash = chainHash(head.Hash, r)
		head = Head{r.Position, r.Hash}
		recordedAt = d.now
		events = append(events, r)
		size += len(data) + len(c.meta) + 200
	}
	r := d.result(head.Position)
	r.First, r.Last = p.head.Position+1, head.Position
	stored, err := s.encode(answer, place{ledger: ledger, answer: c.key})
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	r.Answer, r.Value = stored, answer
	if s.used {
		if r.Answer, err = json.Marshal(answer, json.Deterministic(true)); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
	}
	for i, e := range d.events {
		p.ls.bytes += e.in.weigh(len(events[i].Data))
	}
	if len(events) > 0 || c.req.Key != "" || len(d.consumed) > 0 {
		row := keyRow{c.key, c.req.Fingerprint, r.First, r.Last, stored}
		p.keys = append(p.keys, row)
		p.pending[c.key] = &row
		size += len(stored) + 150
	}
	for _, k := range d.consumed {
		k.first, k.last = r.First, r.Last
		p.keys = append(p.keys, *k)
		p.pending[k.name] = k
		size += 150
	}
	p.probes = append(p.probes, d.probes...)
	for _, cl := range d.claims {
		p.claims = append(p.claims, cl)
		p.claimed[cl.claimName] = cl.stream
	}
	for _, key := range s.made {
		if !slices.Contains(p.made, key) {
			p.made = append(p.made, key)
		}
	}
	p.head, p.clock, p.recordedAt = head, clock, recordedAt
	p.events = append(p.events, events...)
	p.decided = append(p.decided, decided{c, outcome{result: r}})
	b.size += size
	return nil
}
