package eventstore

import (
	"sync"

	"github.com/subledger/subledger/internal/mutant"
	"github.com/subledger/subledger/internal/pgarray"
)

// columns are the parameters of appendSQL, an array a column. They are used again: a batch of a busy lane is
// some hundred kilobytes.
type columns struct {
	ledgers struct {
		id                    pgarray.UUIDs
		old, position         pgarray.Int8s
		oldHead, head         pgarray.Byteas
		recordedAt, clockTime pgarray.Timestamps
	}
	probes struct {
		ledger pgarray.UUIDs
		key    pgarray.Texts
	}
	claims struct {
		ledger, stream pgarray.UUIDs
		scope, value   pgarray.Texts
	}
	events struct {
		ledger, stream, id    pgarray.UUIDs
		position, version     pgarray.Int8s
		typ                   pgarray.Texts
		data, meta            pgarray.JSONs
		recordedAt, effective pgarray.Timestamps
		hash                  pgarray.Byteas
	}
	commands struct {
		ledger      pgarray.UUIDs
		key         pgarray.Texts
		fingerprint pgarray.Byteas
		first, last pgarray.Int8s
		answer      pgarray.JSONs
		recordedAt  pgarray.Timestamps
	}
	keys struct {
		ledger, id       pgarray.UUIDs
		subject, wrapped pgarray.Byteas
		createdAt        pgarray.Timestamps
	}
	args []any
}

// newColumns names them in the order of the statement's parameters.
func newColumns() *columns {
	c := &columns{}
	l, p, cl, e, cm, k := &c.ledgers, &c.probes, &c.claims, &c.events, &c.commands, &c.keys
	c.args = []any{&l.id, &l.old, &l.position, &l.head, &l.recordedAt, &l.clockTime, &p.ledger, &p.key,
		&e.ledger, &e.position, &e.stream, &e.version, &e.id, &e.typ, &e.data, &e.meta, &e.recordedAt, &e.effective, &e.hash,
		&cm.ledger, &cm.key, &cm.fingerprint, &cm.first, &cm.last, &cm.answer, &cm.recordedAt, &l.oldHead,
		&cl.ledger, &cl.scope, &cl.value, &cl.stream, &k.ledger, &k.id, &k.subject, &k.wrapped, &k.createdAt}
	return c
}

var columnsPool = sync.Pool{New: func() any { return newColumns() }}

// release gives the buffers back, unless a batch was so large that they are better forgotten.
func (c *columns) release() {
	for _, a := range c.args {
		if a.(interface{ Cap() int }).Cap() > 1<<20 {
			return
		}
	}
	columnsPool.Put(c)
}

// mostArgs are those that every batch has; claims and keys of subjects come after them.
const mostArgs = 27

// lay lays the parts out, for the whole statement or the one without claims and keys.
func (c *columns) lay(parts []*part, whole bool) []any {
	for _, a := range c.args {
		a.(interface{ Reset() }).Reset()
	}
	for _, p := range parts {
		c.part(p)
	}
	if !whole {
		return c.args[:mostArgs]
	}
	return c.args
}

func (c *columns) part(p *part) {
	id := p.ls.id
	l := &c.ledgers
	l.id.Add(id)
	l.old.Add(p.old.Position)
	l.position.Add(p.head.Position)
	l.oldHead.Add(p.old.Hash[:])
	l.head.Add(p.head.Hash[:])
	l.recordedAt.Add(p.recordedAt)
	if p.clock != nil {
		l.clockTime.Add(*p.clock)
	} else {
		l.clockTime.Null()
	}
	for _, d := range p.decided {
		// Keys of ours are new by construction. A client's is asked for even when the command is
		// refused: it may have been answered otherwise before.
		if d.call.req.Key != "" && mutant.Active != mutant.SkippedKeyProbe {
			c.probes.ledger.Add(id)
			c.probes.key.Add(d.call.key)
		}
	}
	for _, name := range p.probes {
		c.probes.ledger.Add(id)
		c.probes.key.Add(name)
	}
	for i := range p.keys {
		k, cm := &p.keys[i], &c.commands
		cm.ledger.Add(id)
		cm.key.Add(k.name)
		cm.fingerprint.Add(k.fingerprint[:])
		cm.first.Add(k.first)
		cm.last.Add(k.last)
		cm.answer.Add(k.answer)
		cm.recordedAt.Add(p.recordedAt)
	}
	for _, claim := range p.claims {
		cl := &c.claims
		cl.ledger.Add(id)
		cl.scope.Add(claim.scope)
		cl.value.Add(claim.value)
		cl.stream.Add(claim.stream)
	}
	for _, r := range p.events {
		e := &c.events
		e.ledger.Add(id)
		e.position.Add(r.Position)
		e.stream.Add(r.Stream)
		e.version.Add(r.Version)
		e.id.Add(r.ID)
		e.typ.Add(r.Type)
		e.data.Add(r.Data)
		e.meta.Add(r.Meta)
		e.recordedAt.Add(r.RecordedAt)
		e.effective.Add(r.EffectiveAt)
		e.hash.Add(r.Hash[:])
	}
	for _, key := range p.made {
		k := &c.keys
		k.ledger.Add(id)
		k.id.Add(key.id)
		k.subject.Add(key.subject)
		k.wrapped.Add(key.wrapped)
		k.createdAt.Add(p.recordedAt)
	}
}
