package eventstore

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/internal/mutant"
)

// fate is what became of a part whose answer was lost.
type fate int

const (
	fateUnknown  fate = iota
	fateHappened      // the event at its last position carries our hash, or the keys are consumed with our answers
	fateNot           // another's stand there, or the server process that could still commit is gone
)

// detachUnknown finds out, ledger by ledger, whether the append happened (design section 3, rule 4).
// Until then nothing else is decided on these ledgers in this process.
func (l *lane) detachUnknown(parts []*part, who backend) {
	for _, p := range parts {
		l.detach(p.ls.id, func() func() {
			f := l.s.resolve(p, who)
			return func() { l.resolved(p, f) }
		})
	}
}

func (l *lane) resolved(p *part, f fate) {
	switch f {
	case fateHappened:
		l.confirm(p)
		l.weigh(p.ls)
	case fateNot:
		p.spoil()
		calls := p.calls()
		l.drop(p.ls.id)
		l.requeue(p.ls.id, calls)
	default:
		p.spoil()
		l.drop(p.ls.id)
		for _, d := range p.decided {
			d.call.reply(outcome{err: errOutcome})
		}
	}
}

// resolve asks until the fate is certain or time is up. "It happened" needs our hash at our last
// position: the position alone may be another's. "It did not" needs another's event there, or that
// the old server process is gone, seen before the log is read once more: it might still have committed.
func (s *Store) resolve(p *part, who backend) fate {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.UnknownAfter/2)
	defer cancel()
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		gone, err := s.backendGone(ctx, who)
		if err == nil {
			var f fate
			if f, err = s.look(ctx, p); err == nil && f == fateHappened {
				err = s.replicated(ctx, p.ls.id)
			}
			if err == nil && f != fateUnknown {
				return f
			}
			if err == nil && gone {
				return fateNot
			}
		}
		select {
		case <-ctx.Done():
			return fateUnknown
		case <-time.After(wait):
		}
	}
}

// replicated returns when a synchronous standby has all that can be seen of a ledger: a wait for it that somebody
// cancelled, or that a restart ended, leaves a commit to be seen that it may not have. A lock of the
// ledger's row is a commit too, and waits for the standby like any other, behind those before it.
func (s *Store) replicated(ctx context.Context, ledger uuid.UUID) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Exec(ctx, `select from ledgers where ledger_id = $1 for no key update`, ledger)
	if err == nil && takeUnreplicated(conn.Conn()) {
		return errUnreplicated
	}
	return err
}

func (s *Store) backendGone(ctx context.Context, who backend) (bool, error) {
	if who.pid == 0 {
		return false, nil
	}
	var alive bool
	err := s.pool.QueryRow(ctx, `select exists (select from pg_stat_activity where pid = $1 and backend_start = $2)`,
		int32(who.pid), who.started).Scan(&alive)
	return !alive, err
}

// look reads what stands at the part's last position. One that wrote nothing has nothing to find: it did not happen,
// and is harmless.
func (s *Store) look(ctx context.Context, p *part) (fate, error) {
	if len(p.events) == 0 {
		if len(p.keys) == 0 {
			return fateNot, nil
		}
		return s.lookForKeys(ctx, p)
	}
	last := p.events[len(p.events)-1]
	hash, err := s.hashAt(ctx, p.ls.id, last.Position)
	switch {
	case err != nil || hash == nil:
		return fateUnknown, err
	case [32]byte(hash) == last.Hash || mutant.Active == mutant.PositionIsProof:
		return fateHappened, nil
	default:
		return fateNot, nil
	}
}

// lookForKeys looks up all keys of a part that only consumed keys. Where one of them is consumed otherwise than by this
// part, by its other keys or with another answer, the part did not happen and never will. An equal answer may be another
// append's: then it is the same that this one's caller gets.
func (s *Store) lookForKeys(ctx context.Context, p *part) (fate, error) {
	names := make([]string, len(p.keys))
	ours := map[string]keyRow{}
	for i, k := range p.keys {
		names[i], ours[k.name] = k.name, k
	}
	var row keyRow
	var fingerprint []byte
	found, equal := 0, 0
	rows, err := s.pool.Query(ctx, `select key, fingerprint, first_position, last_position, answer from commands
		where ledger_id = $1 and key = any($2)`, p.ls.id, names)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&row.name, &fingerprint, &row.first, &row.last, &row.answer}, func() error {
			found++
			k := ours[row.name]
			if bytes.Equal(fingerprint, k.fingerprint[:]) && row.first == k.first && row.last == k.last && bytes.Equal(row.answer, k.answer) {
				equal++
			}
			return nil
		})
	}
	switch {
	case err != nil || found == 0:
		return fateUnknown, err
	case equal == len(names):
		return fateHappened, nil
	default:
		return fateNot, nil
	}
}

func (s *Store) hashAt(ctx context.Context, ledger uuid.UUID, position int64) ([]byte, error) {
	var hash []byte
	err := s.pool.QueryRow(ctx, `select hash from events where ledger_id = $1 and position = $2`, ledger, position).Scan(&hash)
	if isNoRows(err) {
		return nil, nil
	}
	return hash, err
}
