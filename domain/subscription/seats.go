package subscription

import (
	"fmt"
	"iter"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// seatRow is a seat in the order of their making. Times are in microseconds, UTC: there may be many seats.
type seatRow struct {
	id      uuid.UUID
	grantee domain.Personal
	start   int64
	updated int64
	removed int64              // 0: not removed
	terms   *catalog.PlanTerms // of a removed seat: those it was removed under
}

// seatIndex holds all seats ever made. A bit for each unassigned seat finds the newest of them in a
// 64th of the steps, so that one change costs next to nothing whatever the number of seats.
type seatIndex struct {
	rows       []seatRow
	byID       map[uuid.UUID]int32
	active     int // not removed
	assigned   int // of these, with a grantee
	unassigned []uint64
}

func (x *seatIndex) add(id uuid.UUID, grantee domain.Personal, at int64) {
	if x.byID == nil {
		x.byID = map[uuid.UUID]int32{}
	}
	i := len(x.rows)
	x.rows = append(x.rows, seatRow{id: id, start: at, updated: at})
	x.byID[id] = int32(i)
	x.active++
	if i/64 == len(x.unassigned) {
		x.unassigned = append(x.unassigned, 0)
	}
	x.unassigned[i/64] |= 1 << (i % 64)
	if !grantee.IsZero() {
		x.assign(id, grantee, at)
	}
}

// clone shares nothing with x.
func (x *seatIndex) clone() seatIndex {
	y := *x
	y.rows, y.byID, y.unassigned = slices.Clone(x.rows), maps.Clone(x.byID), slices.Clone(x.unassigned)
	return y
}

func (x *seatIndex) assign(id uuid.UUID, grantee domain.Personal, at int64) {
	i, ok := x.byID[id]
	if !ok || x.rows[i].removed != 0 {
		return
	}
	row := &x.rows[i]
	if !row.grantee.IsZero() {
		x.assigned--
		x.unassigned[i/64] |= 1 << (i % 64)
	}
	if !grantee.IsZero() {
		x.assigned++
		x.unassigned[i/64] &^= 1 << (i % 64)
	}
	row.grantee, row.updated = grantee, at
}

func (x *seatIndex) remove(id uuid.UUID, terms *catalog.PlanTerms, at int64) {
	i, ok := x.byID[id]
	if !ok || x.rows[i].removed != 0 {
		return
	}
	row := &x.rows[i]
	if !row.grantee.IsZero() { // no rule of today removes one
		x.assigned--
	}
	x.active--
	x.unassigned[i/64] &^= 1 << (i % 64)
	row.removed, row.updated, row.terms = max(at, 1), at, terms
}

// newestUnassigned lists up to n unassigned seats, the newest first (rule S2).
func (x *seatIndex) newestUnassigned(n int) []uuid.UUID {
	found := make([]uuid.UUID, 0, max(0, min(n, x.active-x.assigned)))
	for w := len(x.unassigned) - 1; w >= 0 && len(found) < n; w-- {
		for word := x.unassigned[w]; word != 0 && len(found) < n; {
			bit := 63 - bits.LeadingZeros64(word)
			word &^= 1 << bit
			found = append(found, x.rows[w*64+bit].id)
		}
	}
	return found
}

// SeatState is a seat as the fold has it. A removed one keeps the terms that it had.
type SeatState struct {
	ID        uuid.UUID
	Grantee   domain.Personal // zero: unassigned
	StartTime time.Time
	UpdatedAt time.Time
	RemovedAt time.Time // zero: not removed
	Terms     *catalog.PlanTerms
}

// Seat finds a seat of the subscription, a removed one too. Terms is the state's own: read it only.
func (s *State) Seat(id uuid.UUID) (SeatState, bool) {
	i, ok := s.seats.byID[id]
	if !ok {
		return SeatState{}, false
	}
	return s.seat(&s.seats.rows[i]), true
}

// Seats yields all seats ever made, oldest first.
func (s *State) Seats() iter.Seq[SeatState] {
	return func(yield func(SeatState) bool) {
		for i := range s.seats.rows {
			if !yield(s.seat(&s.seats.rows[i])) {
				return
			}
		}
	}
}

func (s *State) seat(row *seatRow) SeatState {
	seat := SeatState{ID: row.id, Grantee: row.grantee, StartTime: time.UnixMicro(row.start).UTC(),
		UpdatedAt: time.UnixMicro(row.updated).UTC(), Terms: row.terms}
	if row.removed != 0 {
		seat.RemovedAt = time.UnixMicro(row.removed).UTC()
		return seat
	}
	seat.Terms = &s.Terms
	if s.movedAt > row.updated {
		seat.UpdatedAt = time.UnixMicro(s.movedAt).UTC()
	}
	return seat
}

// ActiveSeats, AssignedSeats and UnassignedSeats count the seats that are not removed.
func (s *State) ActiveSeats() int     { return s.seats.active }
func (s *State) AssignedSeats() int   { return s.seats.assigned }
func (s *State) UnassignedSeats() int { return s.seats.active - s.seats.assigned }

// Spare counts the unassigned seats that can be given away: those that no open task is about to remove (rule S2).
func (s *State) Spare() int { return s.UnassignedSeats() - s.falling }

// Reserved refuses to give away the seats that open tasks are about to remove: seats_reserved, with those tasks.
func (s *State) Reserved() error {
	var tasks []string
	for id, e := range s.open {
		if e.Seats < 0 {
			tasks = append(tasks, id.String())
		}
	}
	slices.Sort(tasks)
	return &domain.Error{Kind: domain.Conflict, Code: "seats_reserved", State: fmt.Sprintf("%d unassigned", s.UnassignedSeats()),
		Detail: fmt.Sprintf("%d of the %d unassigned seats are about to be removed (open change %s)", s.falling, s.UnassignedSeats(), strings.Join(tasks, ", "))}
}

// OwnSeat is the oldest seat that is not removed: the one licence of a plan that is not sold by the
// seat. Removals take the newest, so it is found at once as a rule.
func (s *State) OwnSeat() (SeatState, bool) {
	for i := range s.seats.rows {
		if s.seats.rows[i].removed == 0 {
			return s.seat(&s.seats.rows[i]), true
		}
	}
	return SeatState{}, false
}
