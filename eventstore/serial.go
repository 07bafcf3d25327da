package eventstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// tailLimit is how many events a lane catches up with; further behind, the ledger is read anew.
const tailLimit = 2000

// refresh catches up with what other processes appended, then sends the calls back. It runs detached.
func (l *lane) refresh(ls *ledgerState, calls []*call) func() {
	ctx, cancel := context.WithTimeout(context.Background(), l.s.cfg.CallTimeout)
	defer cancel()
	current, err := l.s.catchUp(ctx, l.s.pool, ls)
	return func() {
		switch {
		case err != nil:
			l.drop(ls.id)
			for _, c := range calls {
				c.reply(outcome{err: unavailable(err)})
			}
			return
		case !current:
			l.drop(ls.id)
		default:
			l.weigh(ls)
		}
		l.requeue(ls.id, calls)
	}
}

// catchUp folds the events behind the known end into the cached streams. It answers false when the
// ledger is not a continuation of what is known (a restored backup, say) or too far ahead.
func (s *Store) catchUp(ctx context.Context, db querier, ls *ledgerState) (bool, error) {
	cold, err := readLedger(ctx, db, ls.id, "")
	if err != nil {
		return false, err
	}
	return s.catchUpTo(ctx, db, ls, cold)
}

func (s *Store) catchUpTo(ctx context.Context, db querier, ls *ledgerState, cold *coldLedger) (bool, error) {
	known := ls.head
	if cold.head.Position > ls.head.Position+tailLimit {
		return false, nil
	}
	events, err := s.page(ctx, db, ls.id, ls.head.Position, cold.head.Position, tailLimit)
	if err != nil {
		return false, err
	}
	for _, e := range events {
		if e.Position != ls.head.Position+1 || chainHash(ls.head.Hash, e) != e.Hash {
			s.historyLost(ls.id, known, cold.head)
			return false, nil
		}
		if st := ls.streams[e.Stream]; st != nil {
			before := st.bytes
			if err := s.codec.apply(st, e); err != nil {
				return false, nil
			}
			ls.bytes += st.bytes - before
		}
		ls.head, ls.recordedAt = Head{e.Position, e.Hash}, e.RecordedAt
		ls.wrote(e.Stream, e.Position)
	}
	ls.clock = cold.clock
	if ls.head != cold.head { // behind, or another head at the same position: not a continuation
		s.historyLost(ls.id, known, cold.head)
		return false, nil
	}
	return true, nil
}

// historyLost reports what no operator may overlook: a failover to a standby that was behind, or a restored backup,
// took back what this process knows to have happened. Readers wait no longer for what is gone.
func (s *Store) historyLost(ledger uuid.UUID, known, found Head) {
	s.cfg.Logger.Error("history was lost: the ledger is no continuation of what this process knows of it", "ledger", ledger,
		"known_position", known.Position, "known_hash", hex.EncodeToString(known.Hash[:]), "position", found.Position, "hash", hex.EncodeToString(found.Hash[:]))
	s.acknowledged.lower(ledger, found.Position)
}

// serial is the way of a command that lost twice, of a suspect one, and of the system ledger: take the
// ledger's row first, then read, decide, append and commit. Optimism alone starves a distant process
// (0 wins of 472 were measured). It runs detached: meanwhile only this goroutine uses ls, which may be nil.
func (l *lane) serial(ledger uuid.UUID, ls *ledgerState, calls []*call) func() {
	t := &serialTry{lane: l, ledger: ledger, ls: ls}
	if rest := t.run(calls); len(rest) > 1 {
		// The database refuses something among these: each alone then, so that only the culprit fails.
		for _, c := range rest {
			if left := t.run([]*call{c}); len(left) > 0 {
				t.refuse(left, t.err)
			}
		}
	} else {
		t.refuse(rest, t.err)
	}
	return func() {
		l.drop(ledger)
		if t.ls != nil {
			l.ledgers[ledger] = t.ls
			t.ls.elem = l.recent.PushFront(t.ls)
			t.ls.weight = 0
			l.weigh(t.ls)
		}
		l.requeue(ledger, t.again)
		if t.held {
			l.turnAway(ledger)
		}
	}
}

// serialTry is a run through the serial path.
type serialTry struct {
	lane   *lane
	ledger uuid.UUID
	ls     *ledgerState // what is known when it ends; nil: read it anew
	again  []*call      // to be decided again
	err    error        // why the database refused the rest
	held   bool         // somebody else holds the ledger's row
}

func (t *serialTry) refuse(calls []*call, err error) {
	for _, c := range calls {
		c.reply(outcome{err: err})
	}
}

// run decides and commits calls in one transaction. It gives back those that the database refused for
// what they hold.
func (t *serialTry) run(calls []*call) (rest []*call) {
	s := t.lane.s
	ctx := context.Background() // never cancelled: see rule 4
	conn, err := t.lane.acquire(ctx)
	if err != nil {
		t.refuse(calls, unavailable(err))
		return nil
	}
	defer conn.Release()
	who, _ := conn.Conn().PgConn().CustomData()[customBackend].(backend)
	silent := s.cutAfter(s.cfg.UnknownAfter/2+s.cfg.LockTimeout, conn.Conn())
	defer silent.Stop()

	began := time.Now()
	p, held, err := t.decide(ctx, conn.Conn(), calls)
	t.again = append(t.again, held...)
	if err != nil {
		t.ls = nil
		t.notHappened(calls, p, held, err)
		return nil
	}
	if p == nil {
		t.rollback(ctx, conn.Conn())
		return nil
	}
	got, err := appendParts(ctx, conn.Conn(), []*part{p}, false)
	if err == nil && got.won[t.ledger] && t.ledger == s.system {
		err = s.applySystem(ctx, conn.Conn(), p.events)
	}
	if err == nil {
		err = s.cfg.Fault("before serial commit")
	}
	t.lane.observe([]*part{p}, got, began, true, err)
	if err != nil || !got.won[t.ledger] {
		t.rollback(ctx, conn.Conn())
		p.spoil()
		switch {
		case err == nil && (got.keys[t.ledger] != nil || got.claims[t.ledger] != nil):
			t.again = append(t.again, p.learn(got)...)
		case err == nil:
			t.ls, t.err = nil, fmt.Errorf("ledger %s moved under its own lock", t.ledger)
			return p.calls()
		case classify(err) == poisoned:
			t.err = fmt.Errorf("the database refuses this command: %w", err)
			return p.calls()
		default:
			t.ls = nil
			t.notHappened(p.calls(), nil, nil, err)
		}
		return nil
	}
	_, err = conn.Exec(ctx, "commit")
	if err == nil && takeUnreplicated(conn.Conn()) {
		err = errUnreplicated
	}
	if err == nil {
		err = s.cfg.Fault("after serial commit")
	}
	f := fateHappened
	switch classify(err) {
	case settled:
	case unknown:
		f = s.resolve(p, who)
	default:
		f = fateNot
	}
	switch f {
	case fateHappened:
		p.confirmState()
		s.keys.saved(p.ls, p.made)
		s.committed(p.ls.id, p.head.Position, p.events)
		for _, d := range p.decided {
			d.call.reply(d.answer)
		}
	case fateNot:
		t.ls = nil
		t.notHappened(p.calls(), nil, nil, err)
	default:
		t.ls = nil
		t.refuse(p.calls(), errOutcome)
	}
	return nil
}

// decide takes the row and decides on what stands behind it, reading what is missing at once.
func (t *serialTry) decide(ctx context.Context, conn *pgx.Conn, calls []*call) (*part, []*call, error) {
	s := t.lane.s
	if _, err := conn.Exec(ctx, "begin"); err != nil {
		return nil, nil, err
	}
	if _, err := conn.Exec(ctx, `select set_config('lock_timeout', $1, true)`, fmt.Sprint(s.cfg.LockTimeout.Milliseconds())); err != nil {
		return nil, nil, err
	}
	cold, err := readLedger(ctx, conn, t.ledger, "for no key update")
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.keys.load(ctx, conn, t.ledger); err != nil {
		return nil, nil, err
	}
	if t.ls != nil {
		current, err := s.catchUpTo(ctx, conn, t.ls, cold)
		if err != nil {
			return nil, nil, err
		}
		if !current {
			t.ls = nil
		}
	}
	if t.ls == nil {
		t.ls = newLedgerState(t.ledger, cold)
	}
	b := newBatch(t.lane, s.codec.newSealer(), func(ls *ledgerState, id uuid.UUID) (*stream, error) {
		cold, err := s.readStream(ctx, conn, ls.id, id)
		if err != nil {
			return nil, err
		}
		return cold.stream, nil
	})
	for _, c := range calls {
		b.decideIn(t.ls, c)
	}
	parts := b.sorted()
	if len(parts) == 0 {
		return nil, b.heldBack, nil
	}
	return parts[0], b.heldBack, nil
}

func (t *serialTry) rollback(ctx context.Context, conn *pgx.Conn) {
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		conn.Close(ctx)
	}
}

// notHappened sends the calls back after a passing failure, or answers that the database is in the way.
func (t *serialTry) notHappened(calls []*call, p *part, held []*call, err error) {
	if p != nil {
		calls = p.calls()
	}
	for _, c := range calls {
		if slices.Contains(held, c) {
			continue
		}
		switch c.tries++; {
		case isNoRows(err):
			c.reply(outcome{err: errNoLedger})
		case isHeld(err):
			t.held = true
			c.reply(outcome{err: errBusy})
		case c.tries > 3:
			c.reply(outcome{err: unavailable(err)})
		default:
			t.again = append(t.again, c)
		}
	}
}
