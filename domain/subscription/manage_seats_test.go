package subscription_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/subscription"
)

// holders are a subscription's grantees in the order of the seats.
func (s *shop) holders(id uuid.UUID) string {
	var all []string
	for seat := range s.sub(id).Seats() {
		if seat.RemovedAt.IsZero() {
			all = append(all, seat.Grantee.Text)
		}
	}
	return strings.Join(all, ",")
}

func TestManageSeats(t *testing.T) {
	give := func(who string) subscription.SeatAction {
		return subscription.SeatAction{Type: subscription.AssignSeat, Grantee: who}
	}
	take := func(who string) subscription.SeatAction {
		return subscription.SeatAction{Type: subscription.UnassignSeat, Grantee: who, NewGrantee: "passed over"}
	}
	pass := func(who, to string) subscription.SeatAction {
		return subscription.SeatAction{Type: subscription.ReplaceSeat, Grantee: who, NewGrantee: to}
	}
	for name, tt := range map[string]struct {
		items []subscription.SeatAction
		then  string // event or refusal
		left  string // of ann, bob, nobody, ann, nobody
	}{
		"S3 the oldest unassigned seat is assigned": {[]subscription.SeatAction{give("cy")}, "seats_assigned", "ann,bob,cy,ann,"},
		"S3 of several the oldest is taken back":    {[]subscription.SeatAction{take("ann")}, "seats_assigned", ",bob,,ann,"},
		"S3 a grantee may hold several":             {[]subscription.SeatAction{give("ann"), give("ann")}, "seats_assigned", "ann,bob,ann,ann,ann"},
		"one seat goes from hand to hand":           {[]subscription.SeatAction{pass("bob", "cy"), pass("cy", "dan")}, "seats_assigned", "ann,dan,,ann,"},
		"what was taken back is assigned last":      {[]subscription.SeatAction{take("bob"), give("x"), give("y"), give("z")}, "seats_assigned", "ann,z,x,ann,y"},
		"two change places":                         {[]subscription.SeatAction{pass("bob", "tmp"), pass("ann", "bob"), pass("tmp", "ann")}, "seats_assigned", "bob,ann,,ann,"},
		"S3 nothing in the end is no event":         {[]subscription.SeatAction{take("bob"), give("x"), give("y"), give("bob"), take("x"), take("y")}, "-", "ann,bob,,ann,"},
		"handed to oneself":                         {[]subscription.SeatAction{pass("bob", "bob")}, "-", "ann,bob,,ann,"},
		"all or none":                               {[]subscription.SeatAction{give("x"), take("nobody")}, "!not_seated", "ann,bob,,ann,"},
		"more than are unassigned":                  {[]subscription.SeatAction{give("x"), give("y"), give("z")}, "!no_unassigned_seat", "ann,bob,,ann,"},
		"no items":                                  {nil, "!bad_item_count", "ann,bob,,ann,"},
		"another action":                            {[]subscription.SeatAction{{Type: "swap", Grantee: "ann"}}, "!bad_action", "ann,bob,,ann,"},
		"to nobody":                                 {[]subscription.SeatAction{pass("ann", "")}, "!bad_grantee", "ann,bob,,ann,"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(5)})
			require.Equal(t, "seats_assigned", s.do(id, subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{
				give("ann"), give("bob"), give("x"), give("ann"), take("x")}}))
			require.Equal(t, tt.then, s.do(id, subscription.ManageSeats{ID: id, Items: tt.items}))
			require.Equal(t, tt.left, s.holders(id))
			s.CheckFolds()
		})
	}
}

// Every bad item is named, with its place.
func TestManageSeatsNamesAllThatIsBad(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(1)})
	_, _, err := s.Execute(subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{{Type: "assign", Grantee: "a"}, {Type: "assign", Grantee: "b"},
		{Type: "replace"}, {Type: "unassign", Grantee: "c"}, {Type: "x", Grantee: "d"}}})
	e, ok := domain.AsRefusal(err)
	require.True(t, ok, "%v", err)
	var all []string
	for _, f := range e.Fields {
		all = append(all, f.Pointer+" "+f.Code)
	}
	require.Equal(t, []string{"/1/granteeId no_unassigned_seat", "/2/granteeId bad_grantee", "/2/newGranteeId bad_grantee", "/3/granteeId not_seated", "/4/type bad_action"}, all)

	require.Equal(t, "ended", s.do(id, subscription.Cancel{ID: id, Now: true}))
	require.Equal(t, "!subscription_ended", s.do(id, subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{{Type: "assign", Grantee: "a"}}}))
}

// Seats of grantees that nobody is given a seat as any more are taken back and passed on all the same.
func TestManageSeatsOfGranteesFromBefore(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats, Quantity: ptr(5)})
	s.assign(id, " ", "a,b", "[x]", " y")
	for i, who := range []string{" ", "a,b", "[x]"} {
		require.Equal(t, "!bad_grantee", s.do(id, subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{{Type: "assign", Grantee: who}}}))
		require.Equal(t, "!bad_grantee", s.do(id, subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{{Type: "replace", Grantee: who, NewGrantee: who}}}))
		require.Equal(t, "seats_assigned", s.do(id, subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{{Type: "unassign", Grantee: who}}}), "%d", i)
	}
	require.Equal(t, "seats_assigned", s.do(id, subscription.ManageSeats{ID: id, Items: []subscription.SeatAction{{Type: "replace", Grantee: " y", NewGrantee: "y"}}}))
	require.Equal(t, ",,,y,", s.holders(id))
	s.CheckFolds()
}

// A first period may have another end than the plan's interval gives it, and be the last one.
func TestFirstPeriodToADate(t *testing.T) {
	s := open(t)
	at := s.Now().AddDate(0, 3, 5)
	id := s.start(subscription.Start{PlanID: s.seats, ExpiryDate: &at})
	v := s.view(id)
	require.Equal(t, []any{subscription.Active, at, at}, []any{v.Status, v.ExpiryDate, v.AnchorAt})
	require.Equal(t, at.AddDate(0, 1, 0), s.sub(id).View(at.Add(time.Hour)).ExpiryDate, "and goes on by months from there")

	id = s.start(subscription.Start{PlanID: s.seats, Status: subscription.Trialing, ExpiryDate: &at, CancelAtPeriodEnd: true})
	v = s.view(id)
	require.Equal(t, []any{subscription.Trialing, at, true}, []any{v.Status, *v.TrialEnd, v.CancelAtPeriodEnd})
	require.Equal(t, subscription.Canceled, s.sub(id).View(at).Status)
	for code, c := range map[string]subscription.Start{
		"no_trial":   {PlanID: s.seats, Status: subscription.Trialing},
		"bad_status": {PlanID: s.seats, Status: subscription.Paused},
		"bad_expiry": {PlanID: s.seats, ExpiryDate: ptr(s.Now())},
	} {
		_, _, err := s.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: code})
	}
}
