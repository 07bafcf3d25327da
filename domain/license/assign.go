package license

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/subscription"
)

// Assign sets the grantee of a licence or a seat, nil unassigns it; what changes nothing makes no event
// (rules L4, S3). It answers View.
//
// NotFound: no_license. Invalid: bad_grantee. Conflict: license_ended, seats_reserved.
type Assign struct {
	Ref     Ref
	Grantee *string
}

// Decide implements domain.Command.
func (c Assign) Decide(l domain.Ledger) (any, error) {
	outcomes, err := assign(l, []Assign{c})
	if err != nil {
		return nil, err
	}
	if refused := outcomes[0].Err; refused != nil {
		return nil, refused
	}
	return *outcomes[0].View, nil
}

// AssignMany assigns each of 1 to 1,000 items that it can, the seats of one subscription in one event.
// Of two items for one licence the later one counts. It answers []Outcome in their order,
// and refuses when it can do none.
//
// Invalid: bad_item_count, invalid_items. NotFound: the code of the first item.
type AssignMany struct{ Items []Assign }

// Decide implements domain.Command.
func (c AssignMany) Decide(l domain.Ledger) (any, error) {
	if err := checkItems(len(c.Items)); err != nil {
		return nil, err
	}
	outcomes, err := assign(l, c.Items)
	if err != nil {
		return nil, err
	}
	return settle(outcomes)
}

func assign(l domain.Ledger, items []Assign) ([]Outcome, error) {
	outcomes := make([]Outcome, len(items))
	wanted := map[uuid.UUID]domain.Personal{} // by licence: what the last item says
	var order []found                         // each licence once, as it was first named
	taken := map[uuid.UUID]int{}              // by subscription: unassigned seats that there are fewer of, by the items so far
	for i, item := range items {
		grantee, err := domain.ParseGrantee("/granteeId", item.Grantee)
		var f found
		if err == nil {
			f, err = item.Ref.find(l)
		}
		if err == nil {
			err = f.alive(l.Now())
		}
		if err == nil && f.sub != nil {
			before, again := wanted[f.id]
			if !again {
				before = f.grantee()
			}
			err = take(f.sub, taken, before, grantee)
		}
		if outcomes[i].Err, err = refusal(err); err != nil {
			return nil, err
		}
		if outcomes[i].Err != nil {
			continue
		}
		if _, again := wanted[f.id]; !again {
			order = append(order, f)
		}
		wanted[f.id] = grantee
	}
	appendAssignments(l, order, wanted)
	for i := range items {
		if outcomes[i].Err != nil {
			continue
		}
		v, err := show(l, items[i].Ref)
		if err != nil {
			return nil, err
		}
		outcomes[i].View = &v
	}
	return outcomes, nil
}

// take notes whether a seat that goes from hand to hand leaves one more or one fewer unassigned, and refuses
// to take one that an open task is about to remove (rule S2).
func take(sub *subscription.State, taken map[uuid.UUID]int, before, after domain.Personal) error {
	switch {
	case before.IsZero() == after.IsZero():
	case after.IsZero():
		taken[sub.ID]--
	case taken[sub.ID] >= sub.Spare():
		return sub.Reserved()
	default:
		taken[sub.ID]++
	}
	return nil
}

func appendAssignments(l domain.Ledger, order []found, wanted map[uuid.UUID]domain.Personal) {
	seats := map[uuid.UUID][]subscription.Seat{}
	var streams []uuid.UUID
	for _, f := range order {
		grantee, stream := wanted[f.id], f.stream()
		switch {
		case grantee.Text == f.grantee().Text:
		case f.adHoc != nil:
			l.Append(stream, Assigned{Grantee: grantee})
		default:
			if seats[stream] == nil {
				streams = append(streams, stream)
			}
			seats[stream] = append(seats[stream], subscription.Seat{ID: f.id, Grantee: grantee})
		}
	}
	for _, stream := range streams {
		l.Append(stream, subscription.SeatsAssigned{Seats: seats[stream]})
	}
}
