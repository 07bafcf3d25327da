package projections

import (
	"time"

	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
)

// What a subscription or a licence is at an instant follows from its row and the instant alone (rules
// P4, S7, L2). It is said twice below, once in SQL for filters and counts and once in Go for answers
// and the entitlement index; TestEffectiveStatusAgrees holds the two together.

// subscriptionStatus is the status of s at @at. A trial that is over makes ACTIVE and a scheduled end
// CANCELED, whether or not a scheduler recorded them.
const subscriptionStatus = `case
	when s.ended_at is not null then 'CANCELED'
	when s.status in ('DELETED', 'INCOMPLETE') then s.status
	when s.cancel_at <= @at or s.trial_outcome = 'cancel' and s.trial_end <= @at then 'CANCELED'
	when s.status = 'TRIALING' and s.trial_end <= @at then case when s.trial_outcome = 'pause' then 'PAUSED' else 'ACTIVE' end
	else s.status end`

// licenseStatus is the status of l, seat of s or ad hoc, at @at.
const licenseStatus = `case
	when l.end_reason = 'canceled' then 'CANCELED'
	when l.subscription_id is null then case
		when l.ended_at is not null or l.end_time <= @at then case when l.cancel_at_period_end then 'CANCELED' else 'INACTIVE' end
		when l.start_time > @at then 'SCHEDULED'
		else l.status end
	when l.ended_at is not null then 'CANCELED'
	when s.ended_at is not null or s.status = 'DELETED' then 'CANCELED'
	when s.status = 'INCOMPLETE' then 'INACTIVE'
	when s.cancel_at <= @at or s.trial_outcome = 'cancel' and s.trial_end <= @at then 'CANCELED'
	when s.status = 'TRIALING' and s.trial_outcome = 'pause' and s.trial_end <= @at then 'INACTIVE'
	when s.status = 'PAUSED' or s.grace_until <= @at then 'INACTIVE'
	when l.start_time > @at or s.start_at > @at then 'SCHEDULED'
	when s.status = 'TRIALING' and s.trial_end > @at then 'TRIALING'
	else 'ACTIVE' end`

// At is the row as the end of a trial leaves it without a payment method, whether or not that is recorded. Other ends
// and renewals are seen to by the methods below.
func (s *Subscription) At(at time.Time) *Subscription {
	if s.TrialOutcome == nil || s.TrialEnd == nil || s.TrialEnd.After(at) || s.CancelAt != nil && !s.CancelAt.After(*s.TrialEnd) ||
		s.EndedAt != nil || s.Status == subscription.Deleted || s.Status == subscription.Incomplete {
		return s
	}
	row := *s
	switch {
	case *s.TrialOutcome == settings.CancelTrial:
		reason := "expired"
		row.Status, row.EndedAt, row.EndReason, row.PausedAt, row.PendingChange = subscription.Canceled, s.TrialEnd, &reason, nil, nil
	case s.Status == subscription.Trialing:
		resumes := subscription.Active
		row.Status, row.ResumesAs, row.PausedAt = subscription.Paused, &resumes, s.TrialEnd
	}
	return &row
}

// StatusAt is the subscription's status at an instant.
func (s *Subscription) StatusAt(at time.Time) string {
	s = s.At(at)
	switch {
	case s.EndedAt != nil:
		return subscription.Canceled
	case s.Status == subscription.Deleted || s.Status == subscription.Incomplete:
		return s.Status
	case s.CancelAt != nil && !s.CancelAt.After(at):
		return subscription.Canceled
	case s.Status == subscription.Trialing && s.TrialEnd != nil && !s.TrialEnd.After(at):
		return subscription.Active
	}
	return s.Status
}

// CancelsAtPeriodEnd tells whether the subscription ends, or has ended, as was scheduled: who recorded that end, and
// whether anybody did, makes no difference.
func (s *Subscription) CancelsAtPeriodEnd() bool {
	return s.CancelAt != nil && (s.EndReason == nil || *s.EndReason != "canceled")
}

// PeriodAt is the period that contains an instant, or the first one for an earlier instant: the
// recorded one, else as counted from the anchor (rule S6).
func (s *Subscription) PeriodAt(at time.Time) subscription.Period {
	s = s.At(at)
	if at.Before(s.StartAt) {
		at = s.StartAt
	}
	recorded := subscription.Period{Start: s.PeriodStart, End: s.PeriodEnd}
	if at.Before(s.PeriodEnd) || s.Status == subscription.Paused || s.Status == subscription.Incomplete {
		return recorded
	}
	schedule, err := period.New(s.AnchorAt, period.Interval{Unit: period.Unit(s.Terms.Interval), Count: s.Terms.Length}, s.TimeZone)
	if err != nil {
		return recorded
	}
	_, p := schedule.At(at)
	if p.Start.Before(s.PeriodEnd) {
		p.Start = s.PeriodEnd // the rest of an anchored period (rule S10)
	}
	return subscription.Period{Start: p.Start, End: p.End}
}

// EndAt is when access ends as things stand at an instant: the recorded or scheduled end, the end of
// the trial, or the end of the period that contains the instant.
func (s *Subscription) EndAt(at time.Time) time.Time {
	s = s.At(at)
	switch {
	case s.EndedAt != nil:
		return *s.EndedAt
	case s.CancelAt != nil && !s.pausesBefore(*s.CancelAt, at):
		return *s.CancelAt
	case s.Status == subscription.Trialing && s.TrialEnd != nil && s.TrialEnd.After(at):
		return *s.TrialEnd
	}
	return s.PeriodAt(at).End
}

// pausesBefore tells a trial that runs at an instant and at whose end the subscription is paused, before another instant.
func (s *Subscription) pausesBefore(end, at time.Time) bool {
	return s.Status == subscription.Trialing && s.TrialOutcome != nil && s.TrialEnd != nil && s.TrialEnd.After(at) && s.TrialEnd.Before(end)
}

// statusAt is licenseStatus for a licence with its subscription, nil for an ad hoc one.
func (l *LicenseRow) statusAt(s *Subscription, at time.Time) string {
	ended := l.EndReason != nil && *l.EndReason == "canceled"
	switch {
	case ended:
		return license.Canceled
	case s == nil && (l.EndedAt != nil || !l.EndTime.After(at)):
		if l.CancelAtPeriodEnd {
			return license.Canceled
		}
		return license.Inactive
	case s == nil && l.StartTime.After(at):
		return license.Scheduled
	case s == nil:
		return l.Status
	case l.EndedAt != nil:
		return license.Canceled
	}
	switch status := s.StatusAt(at); {
	case status == subscription.Canceled || status == subscription.Deleted:
		return license.Canceled
	case status == subscription.Paused || status == subscription.Incomplete || s.GraceUntil != nil && !s.GraceUntil.After(at):
		return license.Inactive
	case l.StartTime.After(at) || s.StartAt.After(at):
		return license.Scheduled
	case status == subscription.Trialing && s.TrialEnd != nil:
		return license.Trialing
	}
	return license.Active
}

// endAt is when the licence's access ends as things stand at an instant.
func (l *LicenseRow) endAt(s *Subscription, at time.Time) time.Time {
	switch {
	case l.EndedAt != nil:
		return *l.EndedAt
	case s == nil:
		return *l.EndTime
	}
	end := s.EndAt(at)
	if s.GraceUntil != nil && s.GraceUntil.Before(end) {
		return *s.GraceUntil
	}
	return end
}

// ranOut tells an end of access that came by itself from a cancellation at once: only the former has
// grace. A subscription that was paused when it ended, or never complete, gave no access to end.
func (l *LicenseRow) ranOut(s *Subscription, at time.Time) bool {
	if s != nil {
		s = s.At(at)
	}
	if s != nil && (s.ResumesAs != nil || s.Status == subscription.Incomplete || s.Status == subscription.Deleted) {
		return false
	}
	reason := l.EndReason
	if reason == nil && s != nil {
		reason = s.EndReason
	}
	if reason != nil {
		return *reason != "canceled"
	}
	return !l.endAt(s, at).After(at)
}
