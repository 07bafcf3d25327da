package subscription_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/internal/ledgertest"
)

// asked starts a subscription with the manual provider and asks for a change.
func (s *shop) asked(start subscription.Start, change func(uuid.UUID) domain.Command) (id, taskID uuid.UUID) {
	s.t.Helper()
	start.Provider = "manual"
	id = s.start(start)
	return id, s.ask(change(id))
}

func (s *shop) ask(c domain.Command) uuid.UUID {
	s.t.Helper()
	a := ledgertest.Must[subscription.TaskAnswer](s.Ledger, c)
	require.Equal(s.t, task.Pending, a.Status)
	return a.TaskID
}

func (s *shop) task(id uuid.UUID) task.View { return s.State(id).(*task.State).View() }

// Rule S8: asked for, then agreed.
func TestTaskOfAProvider(t *testing.T) {
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats, Provider: "manual"})
	answer, events, err := s.Execute(subscription.AddSeats{ID: id, Count: 2})
	require.NoError(t, err)
	require.Equal(t, []string{"subscription.change_requested.v1", "task.requested.v1"}, ledgertest.Names(events))
	a := answer.(subscription.TaskAnswer)
	require.Equal(t, task.Pending, a.Status)
	require.Equal(t, 1, a.Subscription.Seats)
	require.Equal(t, subscription.ChangeRequested{TaskID: a.TaskID, Seats: 2}, events[0].Event)

	require.Equal(t, "-", s.do(id, subscription.RetryTask{TaskID: a.TaskID, Attempt: 1, Code: "card_declined", Message: "no\nfunds", NextAt: april(2)}))
	require.Equal(t, task.View{ID: a.TaskID, Type: task.CreateSeats, Status: task.Retrying, Subject: id, Retries: 1, ErrorCode: "card_declined",
		ErrorMessage: "no funds", CreatedAt: april(1), UpdatedAt: april(1)}, s.task(a.TaskID))
	require.Equal(t, "-", s.do(id, subscription.CompleteTask{TaskID: a.TaskID, Attempt: 1}), "T3 that attempt was counted")
	require.Equal(t, "-", s.do(id, subscription.AwaitAction{TaskID: a.TaskID, Attempt: 2, Code: "3ds"}))
	require.Equal(t, task.Incomplete, s.task(a.TaskID).Status)
	require.Equal(t, "seats_added", s.do(id, subscription.CompleteTask{TaskID: a.TaskID, Attempt: 2}))
	require.Equal(t, task.Success, s.task(a.TaskID).Status)
	require.Equal(t, 3, s.view(id).Seats)
	require.Zero(t, s.sub(id).OpenTasks())
	require.Equal(t, "-", s.do(id, subscription.CompleteTask{TaskID: a.TaskID, Attempt: 2}), "T3 twice is once")
	require.Equal(t, "-", s.do(id, subscription.FailTask{TaskID: a.TaskID, Attempt: 3}), "T1 success is for ever")
	s.CheckFolds()
}

// Rule S1: what open tasks want is reserved, and free again when they fail.
func TestOpenTasksReserve(t *testing.T) {
	s := open(t)
	id, first := s.asked(subscription.Start{PlanID: s.seats, Quantity: ptr(3)}, add(2)) // 3, and 2 more: the maximum
	require.Equal(t, "!seat_maximum", s.do(id, add(1)(id)))
	require.Equal(t, "-", s.do(id, set(5)(id)), "five it will be")
	require.Equal(t, "change_requested", s.do(id, remove(2)(id)))
	require.Equal(t, "!seat_minimum", s.do(id, remove(1)(id)), "1 of 3 are left if the first task fails")
	require.Equal(t, "!seat_maximum", s.do(id, add(1)(id)), "5 there are if the second fails")
	require.Equal(t, "!change_in_progress", s.do(id, subscription.ChangePlan{ID: id, PlanID: s.team}))
	require.Equal(t, "change_abandoned", s.do(id, subscription.FailTask{TaskID: first, Attempt: 1, Code: "refused", Message: "no"}))
	require.Equal(t, task.Failed, s.task(first).Status)
	require.Equal(t, "change_requested", s.do(id, add(2)(id)))

	many, _ := s.asked(subscription.Start{PlanID: s.many, Quantity: ptr(4)}, remove(2))
	s.assign(many, "ann")
	require.Equal(t, "!not_enough_unassigned", s.do(many, remove(2)(many)), "3 are unassigned, and 2 of them about to go")
	s.CheckFolds()
}

// Rule S2: the seats that an open task is about to remove are given to nobody meanwhile.
func TestOpenRemovalsKeepTheirSeats(t *testing.T) {
	manage := func(items ...subscription.SeatAction) func(uuid.UUID) domain.Command {
		return func(id uuid.UUID) domain.Command { return subscription.ManageSeats{ID: id, Items: items} }
	}
	give := func(who string) subscription.SeatAction {
		return subscription.SeatAction{Type: subscription.AssignSeat, Grantee: who}
	}
	take := func(who string) subscription.SeatAction {
		return subscription.SeatAction{Type: subscription.UnassignSeat, Grantee: who}
	}
	pass := func(who, to string) subscription.SeatAction {
		return subscription.SeatAction{Type: subscription.ReplaceSeat, Grantee: who, NewGrantee: to}
	}
	for name, tt := range map[string]struct {
		change func(*shop, uuid.UUID) domain.Command // of 5 seats, 2 assigned: it removes 2
		left   int
	}{
		"seats":      {func(_ *shop, id uuid.UUID) domain.Command { return remove(2)(id) }, 3},
		"a quantity": {func(_ *shop, id uuid.UUID) domain.Command { return set(3)(id) }, 3},
		"a plan with fewer seats": {func(s *shop, id uuid.UUID) domain.Command {
			return subscription.ChangePlan{ID: id, PlanID: s.team, Quantity: ptr(3)}
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id := s.start(subscription.Start{PlanID: s.many, Quantity: ptr(5), Provider: "manual"})
			require.Equal(t, "seats_assigned", s.do(id, manage(give("ann"), give("bob"))(id)))
			taskID := s.ask(tt.change(s, id))
			require.Equal(t, 1, s.sub(id).Spare())

			_, _, err := s.Execute(manage(give("cy"), give("dan"))(id))
			require.ErrorIs(t, err, &domain.Error{Code: "seats_reserved"})
			e, _ := domain.AsRefusal(err)
			require.Equal(t, domain.Conflict, e.Kind)
			require.Equal(t, "2 of the 3 unassigned seats are about to be removed (open change "+taskID.String()+")", e.Detail)
			require.Equal(t, "seats_assigned", s.do(id, manage(give("cy"))(id)), "one is left")
			require.Equal(t, "!seats_reserved", s.do(id, manage(give("dan"))(id)))
			require.Equal(t, "seats_assigned", s.do(id, manage(pass("ann", "eve"), take("bob"), give("dan"))(id)), "hand to hand takes none")

			require.NotContains(t, s.do(id, subscription.CompleteTask{TaskID: taskID, Attempt: 1}), "abandoned")
			require.Equal(t, task.Success, s.task(taskID).Status)
			require.Equal(t, tt.left, s.view(id).Seats)
			require.Equal(t, 3, s.view(id).Assigned)
			s.CheckFolds()
		})
	}
	s := open(t)
	id, taskID := s.asked(subscription.Start{PlanID: s.seats, Quantity: ptr(2)}, remove(1))
	require.Equal(t, "!seats_reserved", s.do(id, manage(give("ann"), give("bob"))(id)))
	require.Equal(t, "change_abandoned", s.do(id, subscription.FailTask{TaskID: taskID, Attempt: 1, Code: "refused"}))
	require.Equal(t, "seats_assigned", s.do(id, manage(give("ann"), give("bob"))(id)), "free again")

	s.Given(id, subscription.ChangeRequested{TaskID: taskID, Seats: -1}) // as of before that rule: none is free for it
	require.Equal(t, "seats_assigned", s.do(id, manage(pass("ann", "cy"))(id)))
	require.Equal(t, "seats_assigned", s.do(id, manage(take("bob"))(id)))
	require.Equal(t, "!seats_reserved", s.do(id, manage(give("bob"))(id)))
	s.CheckFolds()
}

// Rule S8: whoever cancels while a change is open goes; the change fails, and says why.
func TestCancellationWinsOverAnOpenChange(t *testing.T) {
	for name, change := range map[string]func(*shop, uuid.UUID) domain.Command{
		"more seats":   func(_ *shop, id uuid.UUID) domain.Command { return add(2)(id) },
		"fewer seats":  func(_ *shop, id uuid.UUID) domain.Command { return remove(1)(id) },
		"another plan": func(s *shop, id uuid.UUID) domain.Command { return subscription.ChangePlan{ID: id, PlanID: s.team} },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id, taskID := s.asked(subscription.Start{PlanID: s.seats, Quantity: ptr(3)}, func(id uuid.UUID) domain.Command { return change(s, id) })
			require.Equal(t, "ended", s.do(id, subscription.Cancel{ID: id, Now: true}))
			before := s.view(id)
			require.Equal(t, subscription.Canceled, before.Status)
			require.Zero(t, s.sub(id).OpenTasks(), "nothing is kept for it")
			require.Equal(t, task.Pending, s.task(taskID).Status, "the provider has not answered yet")
			require.Equal(t, "-", s.do(id, subscription.RetryTask{TaskID: taskID, Attempt: 1, Code: "timeout", NextAt: april(2)}))

			require.Equal(t, "change_abandoned", s.do(id, subscription.CompleteTask{TaskID: taskID, Attempt: 2}))
			of := s.task(taskID)
			require.Equal(t, []string{task.Failed, "subscription_ended", "the subscription ended at 2025-04-01T00:00:00Z"}, []string{of.Status, of.ErrorCode, of.ErrorMessage})
			after := s.view(id)
			before.Version, before.UpdatedAt = after.Version, after.UpdatedAt
			require.Equal(t, before, after, "the change left nothing behind")
			require.Zero(t, s.sub(id).OpenTasks())
			require.Equal(t, "-", s.do(id, subscription.CompleteTask{TaskID: taskID, Attempt: 3}), "T1 failed is for ever")
			require.Equal(t, "-", s.do(id, subscription.Cancel{ID: id, Now: true}))
			s.CheckFolds()
		})
	}
}

func TestPlanChangeIsOpenAlone(t *testing.T) {
	s := open(t)
	id, first := s.asked(subscription.Start{PlanID: s.seats}, func(id uuid.UUID) domain.Command {
		return subscription.ChangePlan{ID: id, PlanID: s.team}
	})
	for _, c := range []domain.Command{add(1)(id), remove(1)(id), subscription.ChangePlan{ID: id, PlanID: s.many}} {
		require.Equal(t, "!change_in_progress", s.do(id, c))
	}
	require.Equal(t, "plan_changed", s.do(id, subscription.CompleteTask{TaskID: first, Attempt: 1}))
	require.Equal(t, 3, s.view(id).Seats)

	one, second := s.asked(subscription.Start{PlanID: s.single}, set(5))
	require.Equal(t, "!change_in_progress", s.do(one, set(6)(one)))
	require.Equal(t, "quantity_changed", s.do(one, subscription.CompleteTask{TaskID: second, Attempt: 1}))
}

// The change is checked again when the provider agrees; what has become impossible is abandoned.
func TestChangeThatBecameImpossible(t *testing.T) {
	for name, tt := range map[string]struct {
		change    func(*shop, uuid.UUID) domain.Command
		meanwhile func(*shop, uuid.UUID)
		then      string
		code      string
	}{
		"the seats were assigned": {func(_ *shop, id uuid.UUID) domain.Command { return remove(2)(id) },
			func(s *shop, id uuid.UUID) { s.assign(id, "ann", "bob") }, "change_abandoned", "not_enough_unassigned"},
		"it was cancelled": {func(_ *shop, id uuid.UUID) domain.Command { return add(1)(id) },
			func(s *shop, id uuid.UUID) { s.do(id, subscription.Cancel{ID: id, Now: true}) }, "change_abandoned", "subscription_ended"},
		"it was paused": {func(_ *shop, id uuid.UUID) domain.Command { return add(1)(id) },
			func(s *shop, id uuid.UUID) { s.do(id, subscription.Pause{ID: id}) }, "change_abandoned", "subscription_paused"},
		"the plan was archived": {func(s *shop, id uuid.UUID) domain.Command { return subscription.ChangePlan{ID: id, PlanID: s.team} },
			func(s *shop, id uuid.UUID) {
				ledgertest.Must[catalog.PlanView](s.Ledger, catalog.ArchivePlan{ID: s.team})
			}, "change_abandoned", "plan_archived"},
		"a month passed: it renews first": {func(_ *shop, id uuid.UUID) domain.Command { return add(1)(id) },
			func(s *shop, id uuid.UUID) { s.SetNow(april(32)) }, "renewed seats_added", ""},
		"its end passed unrecorded": {func(_ *shop, id uuid.UUID) domain.Command { return add(1)(id) },
			func(s *shop, id uuid.UUID) { s.do(id, subscription.Cancel{ID: id}); s.SetNow(april(32)) }, "change_abandoned", "subscription_ended"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id, taskID := s.asked(subscription.Start{PlanID: s.seats, Quantity: ptr(3)}, func(id uuid.UUID) domain.Command { return tt.change(s, id) })
			tt.meanwhile(s, id)
			require.Equal(t, tt.then, s.do(id, subscription.CompleteTask{TaskID: taskID, Attempt: 1}))
			require.Equal(t, tt.code, s.task(taskID).ErrorCode)
			require.Zero(t, s.sub(id).OpenTasks())
			s.CheckFolds()
		})
	}
}

// Every task status with every report (rules T1 to T3).
func TestF62_EveryReportInEveryStatus(t *testing.T) {
	const next = 3 // an attempt after all that were reported
	reports := map[string]func(uuid.UUID) domain.Command{
		"complete": func(id uuid.UUID) domain.Command { return subscription.CompleteTask{TaskID: id, Attempt: next} },
		"fail":     func(id uuid.UUID) domain.Command { return subscription.FailTask{TaskID: id, Attempt: next, Code: "x"} },
		"retry":    func(id uuid.UUID) domain.Command { return subscription.RetryTask{TaskID: id, Attempt: next, Code: "x"} },
		"await": func(id uuid.UUID) domain.Command {
			return subscription.AwaitAction{TaskID: id, Attempt: next, Code: "x"}
		},
		"late retry": func(id uuid.UUID) domain.Command { return subscription.RetryTask{TaskID: id, Attempt: 1, Code: "y"} },
		"attempt 0":  func(id uuid.UUID) domain.Command { return subscription.CompleteTask{TaskID: id} },
	}
	given := map[string][]domain.Event{
		task.Pending:    nil,
		task.Retrying:   {task.Retried{Attempt: 1, Code: "w", NextAt: april(2)}},
		task.Incomplete: {task.ActionRequired{Attempt: 1, Code: "w"}},
		task.Success:    {task.Succeeded{Attempt: 2}},
		task.Failed:     {task.GaveUp{Attempt: 2, Code: "w"}},
	}
	for status, outcomes := range map[string]map[string]string{
		task.Pending:    {"complete": "task.succeeded.v1", "fail": "task.failed.v1", "retry": "task.retried.v1", "await": "task.action_required.v1", "late retry": "task.retried.v1", "attempt 0": "!bad_attempt"},
		task.Retrying:   {"complete": "task.succeeded.v1", "fail": "task.failed.v1", "retry": "task.retried.v1", "await": "task.action_required.v1", "late retry": "-", "attempt 0": "!bad_attempt"},
		task.Incomplete: {"complete": "task.succeeded.v1", "fail": "task.failed.v1", "retry": "task.retried.v1", "await": "task.action_required.v1", "late retry": "task.retried.v1", "attempt 0": "!bad_attempt"},
		task.Success:    {"complete": "-", "fail": "-", "retry": "-", "await": "-", "late retry": "-", "attempt 0": "!bad_attempt"},
		task.Failed:     {"complete": "-", "fail": "-", "retry": "-", "await": "-", "late retry": "-", "attempt 0": "!bad_attempt"},
	} {
		for report, want := range outcomes {
			t.Run(status+" "+report, func(t *testing.T) {
				s := open(t)
				_, id := s.asked(subscription.Start{PlanID: s.seats}, add(1))
				if given[status] != nil {
					s.Given(id, given[status]...)
				}
				require.Equal(t, status, s.task(id).Status)
				_, events, err := s.Execute(reports[report](id))
				got := "-"
				if e, ok := domain.AsRefusal(err); ok {
					got = "!" + e.Code
				} else if on := ledgertest.On(id, events); len(on) > 0 {
					got = on[0].Event.EventType()
				}
				require.Equal(t, want, got)
			})
		}
		require.Len(t, outcomes, len(reports), "every pair")
	}
	s := open(t)
	id := s.start(subscription.Start{PlanID: s.seats})
	require.Equal(t, "!no_task", s.do(id, subscription.CompleteTask{TaskID: id, Attempt: 1}))
}
