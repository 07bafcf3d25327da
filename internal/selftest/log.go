package selftest

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/eventstore"
)

// chains recomputes every hash from the stored bytes: invariants 3, 4 and 5.
func chains(ctx context.Context, x *run, f *Finding) error {
	f.What = "events"
	report, err := eventstore.Verify(ctx, x.pool, x.Ledgers, x.Progress)
	if err != nil {
		return err
	}
	f.Checked = report.Events
	for _, wrong := range report.Findings {
		f.breach(Breach{Ledger: wrong.Ledger, Position: wrong.Position, Problem: wrong.Problem})
	}
	return nil
}

func replay(ctx context.Context, x *run, f *Finding) error {
	f.What = "read models"
	if x.Projections == nil {
		f.Skipped = "needs a projector: run it as a subcommand"
		return nil
	}
	different, n, err := x.Projections(ctx)
	if err != nil {
		return err
	}
	f.Checked = n
	for _, b := range different {
		f.breach(b)
	}
	return nil
}

// stored is an event as it lies in the table.
type stored struct {
	ledger   uuid.UUID
	position int64
	stream   uuid.UUID
	kind     string
	data     []byte
}

// read decodes an event's data, whose personal fields are ciphertext: there or not is all that is asked.
func (e *stored) read(into any) error { return json.Unmarshal(e.data, into) }

const page = 5000

// business folds subscriptions and usage of each ledger and looks whether each event could follow the
// one before.
func business(ctx context.Context, x *run, f *Finding) error {
	f.What = "events"
	return x.ledgers(ctx, func(id uuid.UUID, end int64) error {
		l := &book{ledger: id, subscriptions: map[uuid.UUID]*bought{}, seats: map[uuid.UUID]uuid.UUID{}, used: map[counter]*count{}, keys: map[string]bool{}, f: f}
		for after := int64(0); after < end; {
			rows, err := x.pool.Query(ctx, `select position, stream_id, type, data from events
				where ledger_id = $1 and position > $2 and position <= $3 order by position limit $4`, id, after, end, page)
			if err != nil {
				return err
			}
			e := stored{ledger: id}
			n := 0
			_, err = pgx.ForEachRow(rows, []any{&e.position, &e.stream, &e.kind, &e.data}, func() error {
				n, after = n+1, e.position
				if l.apply(&e) != nil { // what was altered need not be JSON of that type: the other invariants are looked at all the same
					l.wrong(&e, "its data is not that of %s", e.kind)
				}
				return nil
			})
			if err != nil {
				return err
			}
			f.Checked += int64(n)
			if err := l.keep(ctx, x); err != nil {
				return err
			}
			if n == 0 {
				break // invariant 5 tells of the hole
			}
		}
		return l.compare(ctx, x)
	})
}

// book is what one ledger's events add up to.
type book struct {
	ledger        uuid.UUID
	subscriptions map[uuid.UUID]*bought
	seats         map[uuid.UUID]uuid.UUID // to their subscription, those that were removed too
	used          map[counter]*count
	keys          map[string]bool
	page          []recorded // of the page that is being read
	f             *Finding
}

// recorded is a usage record's key and where it counts.
type recorded struct {
	key string
	at  int64
}

type bought struct {
	perSeat  bool
	most     int // seats; below zero: no limit
	live     map[uuid.UUID]bool
	assigned map[uuid.UUID]bool
	end      time.Time // of the current period
	moved    bool      // the next period begins elsewhere: a pause, another interval, a trial
	ended    bool
}

type counter struct {
	license uuid.UUID
	meter   string
}

type count struct {
	total   decimal.Decimal
	records int64
	at      int64
}

type span struct{ Start, End time.Time }

type terms struct {
	LicenseType string `json:"license_type"`
	MaxSeats    int    `json:"max_seats"`
}

func (l *book) wrong(e *stored, format string, args ...any) {
	l.f.breach(Breach{Ledger: l.ledger, Position: e.position, Stream: e.stream, Problem: fmt.Sprintf(format, args...)})
}

func (l *book) apply(e *stored) error {
	if e.kind == "usage.recorded.v1" {
		return l.record(e)
	}
	var d struct {
		Terms    *terms
		Quantity *int
		Period   *span
		Seats    json.RawMessage
		Added    []uuid.UUID
	}
	switch e.kind {
	case "subscription.started.v1", "subscription.seats_added.v1", "subscription.seats_removed.v1", "subscription.seats_assigned.v1",
		"subscription.plan_changed.v1", "subscription.renewed.v1", "subscription.resumed.v1", "subscription.paused.v1",
		"subscription.trial_ended.v1", "subscription.ended.v1", "subscription.quantity_changed.v1", "subscription.rezoned.v1":
	default:
		return nil
	}
	if err := e.read(&d); err != nil {
		return err
	}
	s := l.subscriptions[e.stream]
	if s == nil {
		if e.kind != "subscription.started.v1" {
			l.wrong(e, "%s of a subscription that never started", e.kind)
			return nil
		}
		s = &bought{live: map[uuid.UUID]bool{}, assigned: map[uuid.UUID]bool{}}
		l.subscriptions[e.stream] = s
	} else if s.ended {
		switch e.kind {
		case "subscription.seats_assigned.v1":
		default:
			l.wrong(e, "%s after the end", e.kind)
		}
	}
	if d.Terms != nil {
		s.perSeat, s.most = d.Terms.LicenseType == "perSeat", d.Terms.MaxSeats
	}
	switch e.kind {
	case "subscription.started.v1", "subscription.seats_assigned.v1":
		var seats []struct {
			ID      uuid.UUID
			Grantee *json.RawMessage
		}
		if err := json.Unmarshal(d.Seats, &seats); err != nil {
			return err
		}
		for _, seat := range seats {
			if e.kind == "subscription.started.v1" {
				l.make(e, s, seat.ID)
			}
			switch {
			case seat.Grantee == nil || string(*seat.Grantee) == "null":
				delete(s.assigned, seat.ID)
			case !s.live[seat.ID]:
				l.wrong(e, "seat %s is assigned and is none of this subscription", seat.ID)
			default:
				s.assigned[seat.ID] = true
			}
		}
	case "subscription.seats_added.v1", "subscription.seats_removed.v1":
		var ids []uuid.UUID
		if err := json.Unmarshal(d.Seats, &ids); err != nil {
			return err
		}
		for _, id := range ids {
			switch {
			case e.kind == "subscription.seats_added.v1":
				l.make(e, s, id)
			case !s.live[id]:
				l.wrong(e, "seat %s is removed and is none of this subscription", id)
			case s.assigned[id]:
				l.wrong(e, "seat %s is removed while somebody has it", id)
			}
			if e.kind == "subscription.seats_removed.v1" {
				delete(s.live, id)
			}
		}
	case "subscription.plan_changed.v1":
		for _, id := range d.Added {
			l.make(e, s, id)
		}
	case "subscription.ended.v1":
		s.ended = true
	}
	if d.Quantity != nil && s.perSeat && *d.Quantity != len(s.live) {
		l.wrong(e, "the quantity is %d and there are %d seats", *d.Quantity, len(s.live))
	}
	if s.perSeat && s.most >= 0 && len(s.live) > s.most && e.kind != "subscription.seats_removed.v1" {
		l.wrong(e, "there are %d seats and the plan has at most %d", len(s.live), s.most)
	}
	switch {
	case d.Period == nil:
	case !d.Period.End.After(d.Period.Start):
		l.wrong(e, "the period ends at %s, not after its start", d.Period.End.Format(time.RFC3339))
	case e.kind == "subscription.renewed.v1" && !s.end.IsZero() && !d.Period.Start.Equal(s.end):
		l.wrong(e, "the period begins at %s and the one before ended at %s", d.Period.Start.Format(time.RFC3339Nano), s.end.Format(time.RFC3339Nano))
	}
	if d.Period != nil {
		s.end = d.Period.End
	}
	return nil
}

func (l *book) make(e *stored, s *bought, id uuid.UUID) {
	if owner, twice := l.seats[id]; twice {
		l.wrong(e, "seat %s is made a second time; subscription %s has it", id, owner)
	}
	l.seats[id] = e.stream
	s.live[id] = true
}

func (l *book) record(e *stored) error {
	var d struct {
		Key       string
		LicenseID uuid.UUID `json:"license_id"`
		Meter     string
		Quantity  decimal.Decimal
		Total     decimal.Decimal
	}
	if err := e.read(&d); err != nil {
		return err
	}
	if l.keys[d.Key] {
		l.wrong(e, "the usage record %q counts a second time", d.Key)
	}
	l.keys[d.Key] = true
	l.page = append(l.page, recorded{d.Key, e.position})
	at := counter{d.LicenseID, d.Meter}
	c := l.used[at]
	if c == nil {
		c = &count{}
		l.used[at] = c
	}
	c.total, c.records, c.at = c.total.Add(d.Quantity), c.records+1, e.position
	if !c.total.Equal(d.Total) {
		l.wrong(e, "the total is %s and the records add up to %s", d.Total, c.total)
	}
	return nil
}

// keep looks for the row that keeps each usage record of a page from counting again.
func (l *book) keep(ctx context.Context, x *run) error {
	if len(l.page) == 0 {
		return nil
	}
	var keys []string
	var at []int64
	for _, r := range l.page {
		keys, at = append(keys, "usage:"+r.key), append(at, r.at)
	}
	l.page = l.page[:0]
	rows, err := x.pool.Query(ctx, `select substr(w.key, 7), w.at from unnest($2::text[], $3::bigint[]) w(key, at)
		where not exists (select from commands c where c.ledger_id = $1 and c.key = w.key) order by w.at`, l.ledger, keys, at)
	if err != nil {
		return err
	}
	var r recorded
	_, err = pgx.ForEachRow(rows, []any{&r.key, &r.at}, func() error {
		l.f.breach(Breach{Ledger: l.ledger, Position: r.at, Problem: fmt.Sprintf("nothing keeps the usage record %q from counting again: its key has no row in commands", r.key)})
		return nil
	})
	return err
}

// compare holds the read model's totals against the records, where it has got as far as these.
func (l *book) compare(ctx context.Context, x *run) error {
	rows, err := x.pool.Query(ctx, `select license_id, meter, total, records, position from usage_totals where ledger_id = $1`, l.ledger)
	if err != nil {
		return err
	}
	var at counter
	var total decimal.Decimal
	var records, position int64
	_, err = pgx.ForEachRow(rows, []any{&at.license, &at.meter, &total, &records, &position}, func() error {
		c := l.used[at]
		switch {
		case c == nil:
			l.f.breach(Breach{Ledger: l.ledger, Position: position, Problem: fmt.Sprintf("usage_totals has licence %s, meter %q; no record does", at.license, at.meter)})
		case c.at == position && (c.records != records || !c.total.Equal(total)):
			l.f.breach(Breach{Ledger: l.ledger, Position: position, Problem: fmt.Sprintf("usage_totals counts %s in %d records of licence %s, meter %q; the log has %s in %d",
				total, records, at.license, at.meter, c.total, c.records)})
		}
		return nil
	})
	return err
}
