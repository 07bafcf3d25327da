package license_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

func ptr[T any](v T) *T { return &v }

func april(n int) time.Time { return time.Date(2025, time.April, n, 0, 0, 0, 0, time.UTC) }

// office is a ledger on 1 April with plans to grant.
type office struct {
	*ledgertest.Ledger
	product, plan, evaluation uuid.UUID
}

func open(t ledgertest.TB) *office {
	o := &office{Ledger: ledgertest.New(t, april(1))}
	o.product = o.Product()
	edit := o.Capability(o.product, "edit")
	o.plan = o.Plan(o.product, func(f *catalog.PlanFields) {
		f.LicenseType, f.Capabilities = "licensed", []uuid.UUID{edit}
	})
	o.evaluation = o.Plan(o.product, func(f *catalog.PlanFields) { f.Evaluation, f.EvalDays = true, 7 })
	return o
}

func (o *office) grant(c license.Grant) uuid.UUID {
	if c.PlanID == uuid.Nil {
		c.PlanID = o.plan
	}
	if c.Purchaser == "" {
		c.Purchaser = "acme"
	}
	return ledgertest.Must[license.View](o.Ledger, c).ID
}

// seats starts a subscription and lists its seats.
func (o *office) seats(n int) (sub uuid.UUID, seats []uuid.UUID) {
	plan := o.Plan(o.product)
	sub = ledgertest.Must[subscription.View](o.Ledger, subscription.Start{PlanID: plan, Quantity: &n, Owner: "acme", Email: "ann@example.com"}).ID
	for seat := range o.State(sub).(*subscription.State).Seats() {
		seats = append(seats, seat.ID)
	}
	return sub, seats
}

func TestGrant(t *testing.T) {
	o := open(t)
	for name, tt := range map[string]struct {
		when   license.Grant
		status string
		end    time.Time
		fails  string
	}{
		"ACTIVE for one interval":       {license.Grant{PlanID: o.plan, Purchaser: "acme"}, "ACTIVE", april(31), ""},
		"EVALUATION for its days":       {license.Grant{PlanID: o.evaluation, Purchaser: "acme"}, "EVALUATION", april(8), ""},
		"as asked for":                  {license.Grant{PlanID: o.plan, Purchaser: "acme", Status: ptr("TRIALING"), EndTime: ptr(april(3).Add(1500))}, "TRIALING", april(3).Add(1000), ""},
		"a status that gives no access": {license.Grant{PlanID: o.plan, Purchaser: "acme", Status: ptr("CANCELED")}, "", time.Time{}, "bad_status"},
		"an end that has come":          {license.Grant{PlanID: o.plan, Purchaser: "acme", EndTime: ptr(april(1))}, "", time.Time{}, "bad_end_time"},
		"nobody bought it":              {license.Grant{PlanID: o.plan}, "", time.Time{}, "bad_purchaser"},
		"B30 an empty grantee":          {license.Grant{PlanID: o.plan, Purchaser: "acme", Grantee: ptr("")}, "", time.Time{}, "bad_grantee"},
		"an address that is none":       {license.Grant{PlanID: o.plan, Purchaser: "acme", Email: "x"}, "", time.Time{}, "bad_email"},
		"an unknown plan":               {license.Grant{PlanID: o.product, Purchaser: "acme"}, "", time.Time{}, "no_plan"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, _, err := o.DryRun(tt.when)
			if tt.fails != "" {
				require.ErrorIs(t, err, &domain.Error{Code: tt.fails})
				return
			}
			require.NoError(t, err)
			v := answer.(license.View)
			require.Equal(t, tt.status, v.Status)
			require.Equal(t, tt.end, v.EndTime)
			require.Equal(t, license.AdHoc, v.PaymentService)
		})
	}
	// Rule L1: capabilities are frozen.
	id := o.grant(license.Grant{Grantee: ptr("ann"), Email: "ann@example.com"})
	ledgertest.Must[catalog.PlanView](o.Ledger, catalog.ChangePlan{ID: o.plan, Patch: catalog.PlanPatch{Capabilities: &[]uuid.UUID{}}})
	v := o.State(id).(*license.State).View(o.Now())
	require.Equal(t, "edit", v.Capabilities[0].Name)
	require.Equal(t, []string{"ann", "acme", "ann@example.com", "licensed"}, []string{v.Grantee.Text, v.Purchaser.Text, v.Email.Text, v.Type})
}

// Every state of an ad hoc licence with every command (rules L2 to L4). It is 2 April.
func TestStateMachine(t *testing.T) {
	commands := []struct {
		name string
		make func(uuid.UUID) domain.Command
	}{
		{"assign", func(id uuid.UUID) domain.Command {
			return license.Assign{Ref: license.Ref{LicenseID: id}, Grantee: ptr("bob")}
		}},
		{"assign the same", func(id uuid.UUID) domain.Command {
			return license.Assign{Ref: license.Ref{LicenseID: id}, Grantee: ptr("ann")}
		}},
		{"unassign", func(id uuid.UUID) domain.Command { return license.Assign{Ref: license.Ref{LicenseID: id}} }},
		{"cancel", func(id uuid.UUID) domain.Command { return license.Cancel{LicenseID: id} }},
		{"expire", func(id uuid.UUID) domain.Command { return license.Expire{LicenseID: id} }},
	}
	assigned, ended, gone := "license.assigned.v1", "license.ended.v1", "!license_ended"
	for _, state := range []struct {
		name  string
		grant license.Grant
		given []domain.Event
		is    string
		then  []string
	}{
		{"active", license.Grant{}, nil, "ACTIVE", []string{assigned, "-", assigned, ended, "-"}},
		{"trialing", license.Grant{Status: ptr("TRIALING")}, nil, "TRIALING", []string{assigned, "-", assigned, ended, "-"}},
		{"evaluation", license.Grant{Status: ptr("EVALUATION")}, nil, "EVALUATION", []string{assigned, "-", assigned, ended, "-"}},
		{"over, unrecorded", license.Grant{EndTime: ptr(april(2))}, nil, "INACTIVE", []string{gone, gone, gone, "-", ended}},
		{"over, to be cancelled", license.Grant{EndTime: ptr(april(2)), CancelAtPeriodEnd: true}, nil, "CANCELED", []string{gone, gone, gone, "-", ended}},
		{"expired", license.Grant{EndTime: ptr(april(2))}, []domain.Event{license.Ended{At: april(2), Reason: "expired"}}, "INACTIVE", []string{gone, gone, gone, "-", "-"}},
		{"canceled", license.Grant{}, []domain.Event{license.Ended{At: april(2), Reason: "canceled"}}, "CANCELED", []string{gone, gone, gone, "-", "-"}},
	} {
		require.Len(t, state.then, len(commands))
		for i, c := range commands {
			t.Run(state.name+": "+c.name, func(t *testing.T) {
				o := open(t)
				state.grant.Grantee = ptr("ann")
				id := o.grant(state.grant)
				o.SetNow(april(2))
				if state.given != nil {
					o.Given(id, state.given...)
				}
				s := o.State(id).(*license.State)
				require.Equal(t, state.is, s.View(o.Now()).Status)
				_, access := s.AccessUntil(o.Now())
				require.Equal(t, state.is != "INACTIVE" && state.is != "CANCELED", access)
				_, events, err := o.Execute(c.make(id))
				got := "-"
				if e, ok := domain.AsRefusal(err); ok {
					require.Equal(t, state.is, e.State)
					got = "!" + e.Code
				} else if len(events) > 0 {
					got = events[0].Event.EventType()
				}
				require.Equal(t, state.then[i], got)
				o.CheckFolds()
			})
		}
	}
}

// The end by time is dated to it, whenever it is recorded.
func TestExpireIsDatedToTheEnd(t *testing.T) {
	o := open(t)
	id := o.grant(license.Grant{})
	o.SetNow(april(40))
	_, events, err := o.Execute(license.Expire{LicenseID: id})
	require.NoError(t, err)
	require.Equal(t, april(31), events[0].EffectiveAt)
	require.Equal(t, april(40), events[0].RecordedAt)
}

func TestSeatsAreLicences(t *testing.T) {
	o := open(t)
	sub, seats := o.seats(3)
	ref := license.Ref{LicenseID: seats[1], SubscriptionID: &sub}
	v := ledgertest.Must[license.View](o.Ledger, license.Assign{Ref: ref, Grantee: ptr("b o b")})
	require.Equal(t, "b o b", v.Grantee.Text, "byte for byte")
	require.Equal(t, []string{"ACTIVE", "acme", "ann@example.com", license.Salable}, []string{v.Status, v.Purchaser.Text, v.Email.Text, v.PaymentService})
	require.Equal(t, sub, *v.SubscriptionID)
	require.Equal(t, april(31), v.EndTime)

	_, events, err := o.Execute(license.Assign{Ref: ref, Grantee: ptr("b o b")})
	require.NoError(t, err)
	require.Empty(t, events, "S3 no change, no event")
	_, _, err = o.Execute(license.Cancel(ref))
	require.ErrorIs(t, err, &domain.Error{Code: "not_ad_hoc"})
	_, _, err = o.Execute(license.Cancel{LicenseID: seats[1]})
	require.ErrorIs(t, err, &domain.Error{Code: "no_license"})
	_, _, err = o.Execute(license.Assign{Ref: license.Ref{LicenseID: sub, SubscriptionID: &sub}})
	require.ErrorIs(t, err, &domain.Error{Code: "no_license"})

	ledgertest.Must[subscription.TaskAnswer](o.Ledger, subscription.RemoveSeats{ID: sub, Count: 1})
	_, _, err = o.Execute(license.Assign{Ref: license.Ref{LicenseID: seats[2], SubscriptionID: &sub}, Grantee: ptr("eve")})
	require.ErrorIs(t, err, &domain.Error{Code: "license_ended"})

	status := func() string {
		s := o.State(sub).(*subscription.State)
		seat, _ := s.Seat(seats[1])
		return license.SeatView(s, seat, o.Now()).Status
	}
	o.Given(sub, subscription.PaymentMissed{})
	require.Equal(t, "ACTIVE", status(), "PAST_DUE without an end of grace")
	for _, step := range []struct {
		c    domain.Command
		then string
	}{
		{subscription.Pause{ID: sub}, "INACTIVE"}, {subscription.Resume{ID: sub}, "ACTIVE"},
		{subscription.Cancel{ID: sub, Now: true}, "CANCELED"},
	} {
		_, _, err := o.Execute(step.c)
		require.NoError(t, err)
		require.Equal(t, step.then, status(), "%T", step.c)
	}
	_, _, err = o.Execute(license.Assign{Ref: ref})
	require.ErrorIs(t, err, &domain.Error{Code: "license_ended"})

	plan := o.Plan(o.product, func(f *catalog.PlanFields) { f.TrialDays = ptr(9) })
	trial := ledgertest.Must[subscription.View](o.Ledger, subscription.Start{PlanID: plan, StartAt: ptr(april(2))}).ID
	own, ok := o.State(trial).(*subscription.State).OwnSeat()
	require.True(t, ok)
	require.Equal(t, license.Scheduled, license.SeatView(o.State(trial).(*subscription.State), own, april(1)).Status)
	require.Equal(t, license.Trialing, license.SeatView(o.State(trial).(*subscription.State), own, april(2)).Status)
	paid := o.Plan(o.product, func(f *catalog.PlanFields) { f.Name = "paid" })
	unpaid := ledgertest.Must[subscription.View](o.Ledger, subscription.Start{PlanID: paid, StartAt: ptr(april(2)), Incomplete: true}).ID
	own, _ = o.State(unpaid).(*subscription.State).OwnSeat()
	require.Equal(t, license.Inactive, license.SeatView(o.State(unpaid).(*subscription.State), own, april(1)).Status, "time alone will not make it active")
}

// Fault B42: each item has one outcome, in order.
func TestBatches(t *testing.T) {
	o := open(t)
	granted := ledgertest.Must[[]license.Outcome](o.Ledger, license.GrantMany{Items: []license.Grant{
		{PlanID: o.plan, Purchaser: "acme", Grantee: ptr("ann")}, {PlanID: uuid.Max, Purchaser: "acme"}, {PlanID: o.plan, Purchaser: "acme", Grantee: ptr("")}, {PlanID: o.plan, Purchaser: "acme"}}})
	require.Equal(t, []string{"", "no_plan", "bad_grantee", ""}, failed(granted))
	ann, free := granted[0].View.ID, granted[3].View.ID

	sub, seats := o.seats(3)
	_, events, err := o.Execute(license.AssignMany{Items: []license.Assign{
		{Ref: license.Ref{LicenseID: seats[0], SubscriptionID: &sub}, Grantee: ptr("a")},
		{Ref: license.Ref{LicenseID: free}, Grantee: ptr("b")},
		{Ref: license.Ref{LicenseID: seats[2], SubscriptionID: &sub}, Grantee: ptr("c")},
		{Ref: license.Ref{LicenseID: ann}, Grantee: ptr("ann")},
		{Ref: license.Ref{LicenseID: seats[0], SubscriptionID: &sub}, Grantee: ptr("d")},
		{Ref: license.Ref{LicenseID: seats[1], SubscriptionID: &sub}, Grantee: nil},
	}})
	require.NoError(t, err)
	require.Equal(t, []string{"license.assigned.v1", "subscription.seats_assigned.v1"}, ledgertest.Names(events), "one event a subscription, none for no change")
	require.Equal(t, subscription.SeatsAssigned{Seats: []subscription.Seat{{ID: seats[0], Grantee: domain.Grantee("d")}, {ID: seats[2], Grantee: domain.Grantee("c")}}},
		events[1].Event, "the later item counts")

	outcomes := ledgertest.Must[[]license.Outcome](o.Ledger, license.CancelMany{Refs: []license.Ref{
		{LicenseID: ann}, {LicenseID: uuid.Max}, {LicenseID: seats[0], SubscriptionID: &sub}, {LicenseID: ann}}})
	require.Equal(t, []string{"", "no_license", "not_ad_hoc", ""}, failed(outcomes))
	require.Equal(t, license.Canceled, outcomes[3].View.Status)
	require.Len(t, o.Stream(ann), 2, "twice is once")

	for code, c := range map[string]domain.Command{
		"no_plan":       license.GrantMany{Items: []license.Grant{{PlanID: uuid.Max, Purchaser: "acme"}, {PlanID: uuid.Max, Purchaser: "acme"}}},
		"no_license":    license.AssignMany{Items: []license.Assign{{Ref: license.Ref{LicenseID: uuid.Max}}}},
		"invalid_items": license.CancelMany{Refs: []license.Ref{{LicenseID: uuid.Max}, {LicenseID: seats[0], SubscriptionID: &sub}}},
	} {
		_, _, err := o.Execute(c)
		refused, ok := domain.AsRefusal(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, code, refused.Code)
		require.Equal(t, "/0", refused.Fields[0].Pointer)
		require.Equal(t, code == "invalid_items", refused.Kind == domain.Invalid)
	}
	for _, c := range []domain.Command{license.GrantMany{}, license.AssignMany{}, license.CancelMany{}, license.CancelMany{Refs: make([]license.Ref, 1001)}} {
		_, _, err := o.Execute(c)
		require.ErrorIs(t, err, &domain.Error{Code: "bad_item_count"})
	}
	o.CheckFolds()
}

// Subscription rule S2: seats that an open task is about to remove are not assigned, whichever way it is asked for.
func TestSeatsAboutToBeRemovedAreNotAssigned(t *testing.T) {
	o := open(t)
	plan, n := o.Plan(o.product), 3
	sub := ledgertest.Must[subscription.View](o.Ledger, subscription.Start{PlanID: plan, Quantity: &n, Provider: "manual"}).ID
	var refs []license.Ref
	for seat := range o.State(sub).(*subscription.State).Seats() {
		refs = append(refs, license.Ref{LicenseID: seat.ID, SubscriptionID: &sub})
	}
	removal := ledgertest.Must[subscription.TaskAnswer](o.Ledger, subscription.RemoveSeats{ID: sub, Count: 2}).TaskID

	outcomes := ledgertest.Must[[]license.Outcome](o.Ledger, license.AssignMany{Items: []license.Assign{
		{Ref: refs[0], Grantee: ptr("ann")}, {Ref: refs[1], Grantee: ptr("bob")}, {Ref: refs[0], Grantee: ptr("cy")},
		{Ref: refs[0]}, {Ref: refs[2], Grantee: ptr("dan")}, {Ref: refs[1]}, {Ref: refs[1], Grantee: ptr("eve")}}})
	require.Equal(t, []string{"", "seats_reserved", "", "", "", "", "seats_reserved"}, failed(outcomes))
	require.Equal(t, []string{"", "", "dan"}, o.holders(sub))

	for _, i := range []int{0, 1} {
		_, _, err := o.Execute(license.Assign{Ref: refs[i], Grantee: ptr("bob")})
		require.ErrorIs(t, err, &domain.Error{Code: "seats_reserved"})
		require.ErrorContains(t, err, removal.String())
	}
	ledgertest.Must[license.View](o.Ledger, license.Assign{Ref: refs[2], Grantee: ptr("eve")})
	ledgertest.Must[subscription.TaskAnswer](o.Ledger, subscription.CompleteTask{TaskID: removal, Attempt: 1})
	require.Equal(t, []string{"eve"}, o.holders(sub))
	o.CheckFolds()
}

// holders are the grantees of a subscription's seats that are not removed.
func (o *office) holders(sub uuid.UUID) (all []string) {
	for seat := range o.State(sub).(*subscription.State).Seats() {
		if seat.RemovedAt.IsZero() {
			all = append(all, seat.Grantee.Text)
		}
	}
	return all
}

func failed(outcomes []license.Outcome) []string {
	codes := make([]string, len(outcomes))
	for i, o := range outcomes {
		if o.Err != nil {
			codes[i] = o.Err.Code
		}
	}
	return codes
}

// A seat that is added before its subscription starts waits for that like the others.
func TestASeatAddedBeforeTheStartIsScheduled(t *testing.T) {
	o := open(t)
	plan := o.Plan(o.product, func(f *catalog.PlanFields) { f.LicenseType, f.MaxSeatAmount = catalog.PerSeat, 5 })
	start, one := april(8), 1
	sub := ledgertest.Must[subscription.View](o.Ledger, subscription.Start{PlanID: plan, Quantity: &one, StartAt: &start}).ID
	_, _, err := o.Execute(subscription.AddSeats{ID: sub, Count: 1})
	require.NoError(t, err)
	statuses := func(now time.Time) (all []string) {
		s := o.State(sub).(*subscription.State)
		for seat := range s.Seats() {
			all = append(all, license.SeatView(s, seat, now).Status)
		}
		return all
	}
	require.Equal(t, []string{license.Scheduled, license.Scheduled}, statuses(april(1)))
	require.Equal(t, []string{license.Active, license.Active}, statuses(start))
}
