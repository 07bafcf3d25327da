package subscription

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Ways to change who holds a seat.
const (
	AssignSeat   = "assign"
	UnassignSeat = "unassign"
	ReplaceSeat  = "replace"
)

// MaxSeatActions bounds the items of one ManageSeats.
const MaxSeatActions = 1000

// SeatAction gives an unassigned seat to Grantee, takes one from Grantee, or hands one of theirs to NewGrantee.
type SeatAction struct {
	Type       string // AssignSeat, UnassignSeat, ReplaceSeat
	Grantee    string
	NewGrantee string // of a ReplaceSeat
}

// ManageSeats does 1 to 1,000 actions one after the other, all or none (rule S3). What changes nothing in
// the end makes no event. It answers View.
//
// NotFound: no_subscription. Conflict: subscription_ended, seats_reserved. Invalid, at the items' places:
// bad_item_count, bad_action, bad_grantee, no_unassigned_seat, not_seated.
type ManageSeats struct {
	ID    uuid.UUID
	Items []SeatAction
}

// Decide implements domain.Command.
func (c ManageSeats) Decide(l domain.Ledger) (any, error) {
	if n := len(c.Items); n < 1 || n > MaxSeatActions {
		return nil, domain.RefuseField("", "bad_item_count", "there are 1 to %d items", MaxSeatActions)
	}
	s, err := load(l, c.ID)
	if err != nil {
		return nil, err
	}
	f, _ := s.at(l.Now(), noLimit)
	if f.Status == Canceled || f.Status == Deleted {
		return nil, f.ended()
	}
	var bad domain.Problems
	b := s.seats.bench(c.Items)
	for i, item := range c.Items {
		b.act(fmt.Sprintf("/%d", i), item, &bad)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	changed := b.changed()
	if taken := b.taken(); taken > 0 && taken > s.Spare() {
		return nil, s.Reserved()
	}
	if len(changed) > 0 {
		l.Append(c.ID, SeatsAssigned{Seats: changed})
	}
	return show(l, c.ID)
}

// bench is who would hold which seat after the actions so far.
type bench struct {
	seats *seatIndex
	free  []int32            // unassigned, the oldest first; no more than there are actions
	held  map[string][]int32 // by grantee, of those that are named, the oldest first
	moved map[int32]string   // by seat: who has it now, "" for nobody
	order []int32            // of moved
}

// bench looks through all seats once, whatever the number of actions.
func (x *seatIndex) bench(items []SeatAction) *bench {
	b := &bench{seats: x, held: map[string][]int32{}, moved: map[int32]string{}}
	for _, item := range items {
		b.held[item.Grantee] = nil
	}
	for i := range x.rows {
		switch row := &x.rows[i]; {
		case row.removed != 0:
		case row.grantee.IsZero():
			if len(b.free) < len(items) {
				b.free = append(b.free, int32(i))
			}
		default:
			if of, named := b.held[row.grantee.Text]; named {
				b.held[row.grantee.Text] = append(of, int32(i))
			}
		}
	}
	return b
}

func (b *bench) act(at string, item SeatAction, bad *domain.Problems) {
	known := len(*bad)
	bad.OneOf(at+"/type", "bad_action", item.Type, AssignSeat, UnassignSeat, ReplaceSeat)
	if item.Type == AssignSeat {
		bad.Grantee(at+"/granteeId", item.Grantee)
	} else {
		bad.Line(at+"/granteeId", "bad_grantee", item.Grantee)
	}
	if item.Type == ReplaceSeat {
		bad.Grantee(at+"/newGranteeId", item.NewGrantee)
	}
	if len(*bad) > known {
		return
	}
	if item.Type == AssignSeat {
		if len(b.free) == 0 {
			bad.Add(at+"/granteeId", "no_unassigned_seat", "no seat is left to assign")
			return
		}
		seat := b.free[0]
		b.free = b.free[1:]
		b.give(seat, item.Grantee)
		return
	}
	theirs := b.held[item.Grantee]
	if len(theirs) == 0 {
		bad.Add(at+"/granteeId", "not_seated", "this grantee holds no seat of the subscription")
		return
	}
	b.held[item.Grantee] = theirs[1:]
	if item.Type == ReplaceSeat {
		b.give(theirs[0], item.NewGrantee)
		return
	}
	b.free = append(b.free, theirs[0])
	b.give(theirs[0], "")
}

// give notes who has a seat now; nobody for the empty text.
func (b *bench) give(seat int32, grantee string) {
	if _, again := b.moved[seat]; !again {
		b.order = append(b.order, seat)
	}
	b.moved[seat] = grantee
	if of, named := b.held[grantee]; named && grantee != "" {
		b.held[grantee] = append(of, seat)
	}
}

// taken is how many unassigned seats there are fewer of in the end.
func (b *bench) taken() (n int) {
	for i, grantee := range b.moved {
		switch free := b.seats.rows[i].grantee.IsZero(); {
		case free && grantee != "":
			n++
		case !free && grantee == "":
			n--
		}
	}
	return n
}

// changed are the seats that are another's in the end.
func (b *bench) changed() []Seat {
	var all []Seat
	for _, i := range b.order {
		row, grantee := &b.seats.rows[i], b.moved[i]
		if row.grantee.Text == grantee {
			continue
		}
		seat := Seat{ID: row.id}
		if grantee != "" {
			seat.Grantee = domain.Grantee(grantee)
		}
		all = append(all, seat)
	}
	return all
}
