package projections

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/subledger/subledger/eventstore"
)

// entry is a part of a page: events of one ledger, for the projections that stand right before them.
type entry struct {
	track       *track
	from        int64 // position before the first event
	events      []*eventstore.Recorded
	projections []int
}

func (e entry) to() int64 { return e.events[len(e.events)-1].Position }

// gather takes ledgers in turn and makes a page of what they have, but for what means nothing.
func (r *Runner) gather(ctx context.Context) (page []entry, skipped bool, err error) {
	var unknown []uuid.UUID
	for _, t := range r.dirty {
		if !t.known || t.at == nil {
			unknown = append(unknown, t.ledger)
		}
	}
	if err := r.loadCheckpoints(ctx, unknown); err != nil {
		return nil, false, err
	}
	left := pageEvents
	share := max(pageEvents/max(len(r.dirty), 1), 64)
	for len(r.dirty) > 0 && left > 0 {
		t := r.dirty[0]
		r.dirty, t.listed = r.dirty[1:], false
		for _, g := range t.groups() {
			events, err := r.read(ctx, t, g.from, min(left, share))
			if err != nil {
				r.list(t)
				r.relist(page)
				return nil, skipped, err
			}
			if len(events) == 0 {
				continue
			}
			g.events = events
			left -= len(events)
			if r.skip(g) {
				skipped = true
				continue
			}
			page = append(page, g)
		}
	}
	return page, skipped, nil
}

// skip moves on in memory over events that mean nothing to a Skipper; the checkpoint is saved with the
// next page that holds something, or at the next scan.
func (r *Runner) skip(g entry) bool {
	for _, i := range g.projections {
		if s, ok := r.Projections[i].(Skipper); !ok || !s.Skip(g.events) {
			return false
		}
	}
	for _, i := range g.projections {
		g.track.at[i] = g.to()
	}
	r.skipped[g.track] = true
	r.publish(g.track)
	r.relist([]entry{g})
	return true
}

// groups are the projections that have work, by position; those in front, which reads wait for, first.
func (t *track) groups() []entry {
	var groups []entry
next:
	for i, at := range t.at {
		if t.parked[i] || at >= t.head {
			continue
		}
		for j := range groups {
			if groups[j].from == at {
				groups[j].projections = append(groups[j].projections, i)
				continue next
			}
		}
		groups = append(groups, entry{track: t, from: at, projections: []int{i}})
	}
	for i := range groups {
		for j := i; j > 0 && groups[j].from > groups[j-1].from; j-- {
			groups[j], groups[j-1] = groups[j-1], groups[j]
		}
	}
	return groups
}

// read gives events after a position: those that were handed over, if they begin there.
func (r *Runner) read(ctx context.Context, t *track, from int64, limit int) ([]*eventstore.Recorded, error) {
	if n := len(t.queue); n > 0 && t.queue[0].Position <= from+1 && from < t.queue[n-1].Position {
		events := t.queue[from+1-t.queue[0].Position:]
		return events[:min(limit, len(events))], nil
	}
	events, err := r.Log.Page(ctx, t.ledger, from, limit)
	if err != nil {
		return nil, fmt.Errorf("read ledger %s after %d: %w", t.ledger, from, err)
	}
	return events, nil
}

// relist puts back the ledgers of a page that have more to do, and forgets what all applied.
func (r *Runner) relist(entries []entry) {
	for _, e := range entries {
		t := e.track
		if !t.known {
			r.list(t)
			continue
		}
		lowest, pending := int64(-1), false
		for i, at := range t.at {
			if t.parked[i] {
				continue
			}
			if lowest < 0 || at < lowest {
				lowest = at
			}
			pending = pending || at < t.head
		}
		if n := len(t.queue); n > 0 {
			first := t.queue[0].Position
			r.drop(t, int(min(max(lowest+1-first, 0), int64(n))))
		}
		if pending {
			r.list(t)
		}
	}
}
