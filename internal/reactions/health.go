package reactions

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/projections"
)

// Lag is how far reactions are behind; what went wrong without a trace shows here too.
type Lag struct {
	RelayEvents  int64         // behind the relay's checkpoints, which it saves every 5 s when there is nothing to publish; parked ledgers left out
	RelayAge     time.Duration // of the oldest of them
	RelayParked  int64         // ledgers in which the relay stands still at an event
	Messages     int64         // published and not handled, of all topics
	MessageAge   time.Duration // of the oldest of them
	Calls        int64         // open calls of providers, those in flight and those put off included
	CallOverdue  time.Duration // since the earliest call that nobody took was due
	DueLedgers   int64         // with something due by the system clock when the scheduler last looked at all of them
	DueOverdue   time.Duration // since the earliest of it
	MeasuredAt   time.Time
	topicBacklog map[string]int64
}

// measure reads the lag. It uses no lock that a stuck subscriber holds.
func measure(ctx context.Context, cfg *Config, due overdue) (Lag, error) {
	now := cfg.Now()
	l := Lag{MeasuredAt: now, topicBacklog: map[string]int64{}}
	relays, err := projections.OverallStatus(ctx, cfg.Pool, []string{(*relay)(nil).Name()})
	if err != nil {
		return l, err
	}
	l.RelayEvents, l.RelayParked = relays[0].LagEvents, relays[0].Parked
	l.RelayAge = seconds(relays[0].LagSeconds)

	var topic string
	var backlog int64
	var age float64
	rows, err := cfg.Pool.Query(ctx, `select t.topic, t.serial - o.acked,
			coalesce(extract(epoch from clock_timestamp() - m.published_at), 0)::float8
		from watermill_topics t join watermill_offsets o on o.topic = t.topic and o.consumer_group = $1
		left join watermill_messages m on m.topic = t.topic and m.serial = o.acked + 1`, group)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&topic, &backlog, &age}, func() error {
			l.topicBacklog[topic] = backlog
			l.Messages += backlog
			l.MessageAge = max(l.MessageAge, seconds(age))
			return nil
		})
	}
	if err != nil {
		return l, fmt.Errorf("measure the messages: %w", err)
	}

	var call *time.Time
	err = cfg.Pool.QueryRow(ctx, `select count(*), min(due_at) filter (where lease is null or due_at <= $1) from provider_calls`, now).Scan(&l.Calls, &call)
	if err != nil {
		return l, fmt.Errorf("measure the calls: %w", err)
	}
	l.CallOverdue = since(now, call)
	if due.ledgers > 0 {
		l.DueLedgers, l.DueOverdue = due.ledgers, since(now, &due.since)
	}
	return l, nil
}

func seconds(s float64) time.Duration { return max(0, time.Duration(s*float64(time.Second))) }

func since(now time.Time, at *time.Time) time.Duration {
	if at == nil {
		return 0
	}
	return max(0, now.Sub(*at))
}

// watch measures the lag now and then.
type watch struct {
	cfg     *Config
	metrics *instruments
	due     func() overdue

	mu   sync.Mutex
	last Lag
	err  error
}

// sweepEvery is how many measurements lie between two sweeps.
const sweepEvery = 60

func (w *watch) run(ctx context.Context) error {
	again := newSignal()
	for n := 0; ctx.Err() == nil; n++ {
		w.look(ctx)
		if n%sweepEvery == 0 {
			w.sweep(ctx)
		}
		_ = again.wait(ctx, w.cfg.MeasureEvery)
	}
	return nil
}

func (w *watch) look(ctx context.Context) {
	lag, err := measure(ctx, w.cfg, w.due())
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	if w.err = err; err == nil {
		w.last = lag
	}
	w.mu.Unlock()
	if err != nil {
		w.cfg.Logger.WarnContext(ctx, "reactions: could not measure the lag", "error", err)
		return
	}
	w.metrics.show(lag)
}

// ready is nil when the lag is known and within bounds.
func (w *watch) ready() error {
	w.mu.Lock()
	lag, err := w.last, w.err
	w.mu.Unlock()
	switch limit := w.cfg.LagLimit; {
	case err != nil:
		return fmt.Errorf("reactions: the lag is unknown: %w", err)
	case w.cfg.Now().Sub(lag.MeasuredAt) > 3*w.cfg.MeasureEvery+limit:
		return fmt.Errorf("reactions: the lag was last measured at %s", lag.MeasuredAt.UTC().Format(time.RFC3339))
	case lag.RelayAge > limit:
		return fmt.Errorf("reactions: %d events wait for the relay, the oldest for %s", lag.RelayEvents, lag.RelayAge.Round(time.Second))
	case lag.MessageAge > limit:
		return fmt.Errorf("reactions: %d messages wait, the oldest for %s", lag.Messages, lag.MessageAge.Round(time.Second))
	case lag.CallOverdue > limit:
		return fmt.Errorf("reactions: provider calls wait for %s", lag.CallOverdue.Round(time.Second))
	}
	return nil
}

// sweep removes acknowledged messages that are older than Keep.
func (w *watch) sweep(ctx context.Context) {
	const most = 1000
	for ctx.Err() == nil {
		tag, err := w.cfg.Pool.Exec(ctx, `delete from watermill_messages where (topic, serial) in (
				select m.topic, m.serial from (select topic, min(acked) as acked from watermill_offsets group by topic) o
				cross join lateral (select topic, serial, published_at from watermill_messages
					where topic = o.topic and serial <= o.acked order by serial limit $2) m
				where m.published_at < $1)`, w.cfg.Now().Add(-w.cfg.Keep), most)
		if err != nil {
			if ctx.Err() == nil {
				w.cfg.Logger.WarnContext(ctx, "reactions: could not sweep messages", "error", err)
			}
			return
		}
		if tag.RowsAffected() < most {
			return
		}
	}
}
