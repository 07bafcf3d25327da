package eventstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/internal/mutant"
)

// ChannelErased tells processes, by NOTIFY, of ledgers in which somebody was erased: a payload is a word
// and ledger ids, as on the channels of package projections. Forget is to be called then.
const ChannelErased = "subledger_erased"

// EraseSubject destroys every key of a subject: what history says of it cannot be read any more, by
// nobody, and the chain still verifies. New events about it get a new key. This process forgets what
// it knows at once, others as soon as they hear of it (ChannelErased). Read models hold plain text and must be
// rebuilt afterwards. It answers how many keys were destroyed.
func (s *Store) EraseSubject(ctx context.Context, ledger uuid.UUID, subject string) (destroyed int64, err error) {
	lk, err := s.keys.load(ctx, s.pool, ledger)
	if err != nil {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update subject_keys set wrapped_key = null, destroyed_at = $3
			where ledger_id = $1 and subject = $2 and wrapped_key is not null`, ledger, lk.subjectHash(subject), moment(s.cfg.Now()))
		if err != nil {
			return err
		}
		destroyed = tag.RowsAffected()
		_, err = tx.Exec(ctx, `select pg_notify($1, 'erasure ' || $2::text)`, ChannelErased, ledger.String())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("erase subject: %w", err)
	}
	return destroyed, s.Forget(ctx, ledger)
}

// SubjectKeys counts the keys of a subject: those that something can still be read with, and those that were destroyed.
// A subject that nothing was ever written about has neither.
func (s *Store) SubjectKeys(ctx context.Context, ledger uuid.UUID, subject string) (live, destroyed int64, err error) {
	lk, err := s.keys.load(ctx, s.pool, ledger)
	if err != nil {
		return 0, 0, err
	}
	err = s.pool.QueryRow(ctx, `select count(wrapped_key), count(destroyed_at) from subject_keys where ledger_id = $1 and subject = $2`,
		ledger, lk.subjectHash(subject)).Scan(&live, &destroyed)
	if err != nil {
		return 0, 0, fmt.Errorf("look for a subject's keys: %w", err)
	}
	return live, destroyed, nil
}

// Forget drops what is in memory of ledgers' persons: keys, and the folded states that commands decide on. All of
// it can be read again, but for what was erased meanwhile. Without a ledger it is all ledgers, and returns
// before the states are gone.
func (s *Store) Forget(ctx context.Context, ledgers ...uuid.UUID) error {
	s.keys.forget(ledgers...)
	if mutant.Active == mutant.KeptPersons {
		return nil
	}
	if len(ledgers) == 0 {
		for _, l := range s.lanes {
			l.forgetAll()
		}
	}
	var waiting []*call
	for _, ledger := range ledgers {
		if c := s.laneOf(ledger).forgetLedger(ledger); c != nil {
			waiting = append(waiting, c)
		}
	}
	for _, c := range waiting {
		select {
		case <-c.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// forgetLedger queues a call that drops a ledger, so that it comes to it when nobody else uses it; nil when
// the lane is stopping.
func (l *lane) forgetLedger(ledger uuid.UUID) *call {
	c := newCall(context.Background(), Request{Ledger: ledger})
	c.forget = true
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing {
		return nil
	}
	q := l.queue(ledger)
	q.calls = append([]*call{c}, q.calls...)
	l.ready(ledger, q)
	return c
}

// forgetAll does so with every ledger that the lane knows.
func (l *lane) forgetAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inbox = append(l.inbox, func() {
		for ledger := range l.ledgers {
			l.forgetLedger(ledger)
		}
	})
	l.signal()
}

// forgetting drops a ledger when one of the calls asks for that, and gives the others.
func (l *lane) forgetting(ledger uuid.UUID, calls []*call) []*call {
	var rest []*call
	for _, c := range calls {
		if !c.forget {
			rest = append(rest, c)
			continue
		}
		l.drop(ledger)
		c.reply(outcome{})
	}
	return rest
}
