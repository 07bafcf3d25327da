package task

import (
	"github.com/subledger/subledger/domain"
)

// Outcomes of the manual provider.
const (
	Succeeds          = "succeeds"
	Fails             = "fails"
	FailsThenSucceeds = "failsThenSucceeds"
)

// Bounds of the manual provider's settings.
const (
	maxFailures = 100
	maxDelayMs  = 10 * 60 * 1000
)

// ManualProvider is the fold of the manual provider's stream; without events every attempt succeeds at once.
type ManualProvider struct {
	domain.Record
	Config ManualConfigured
}

// Apply implements domain.State.
func (p *ManualProvider) Apply(e domain.Event) {
	if e, ok := e.(ManualConfigured); ok {
		p.Config = e
	}
}

// Agrees is the provider's answer to an attempt, 1 the first: done, or else refused, and then whether
// another attempt makes sense.
func (p *ManualProvider) Agrees(attempt int) (done, again bool) {
	switch p.Config.Outcome {
	case Fails:
		return false, attempt <= p.Config.Failures
	case FailsThenSucceeds:
		return attempt > p.Config.Failures, true
	}
	return true, false
}

// ConfigureManual says how the manual provider of a test ledger answers from now on. Failures is how
// many attempts of a task fail and are retried first, 1 by default for failsThenSucceeds; DelayMs, in
// milliseconds, comes before each answer. It answers ManualView.
//
// Forbidden: not_a_test_ledger. Invalid: bad_outcome, bad_failures, bad_delay.
type ConfigureManual struct {
	Outcome  string
	Failures int
	DelayMs  int
}

// ManualView is the provider's setting.
type ManualView struct {
	Outcome  string `json:"outcome"`
	Failures int    `json:"failures"`
	DelayMs  int    `json:"delay_ms"`
}

// Decide implements domain.Command.
func (c ConfigureManual) Decide(l domain.Ledger) (any, error) {
	if !l.Test() {
		return nil, domain.Refuse(domain.Forbidden, "not_a_test_ledger", "only a test ledger has a manual provider to set")
	}
	if c.Outcome == FailsThenSucceeds && c.Failures == 0 {
		c.Failures = 1
	}
	var bad domain.Problems
	bad.OneOf("/outcome", "bad_outcome", c.Outcome, Succeeds, Fails, FailsThenSucceeds)
	if c.Failures < 0 || c.Failures > maxFailures {
		bad.Add("/failures", "bad_failures", "0 to %d attempts fail first", maxFailures)
	}
	if c.DelayMs < 0 || c.DelayMs > maxDelayMs {
		bad.Add("/delayMs", "bad_delay", "a delay is 0 to %d milliseconds", maxDelayMs)
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	id := ManualProviderID(l.ID())
	state, err := l.Load(id)
	if err != nil {
		return nil, err
	}
	next := ManualConfigured{Outcome: c.Outcome, Failures: c.Failures, DelayMs: c.DelayMs}
	if now, ok := state.(*ManualProvider); !ok || now.Config != next {
		l.Append(id, next)
	}
	return ManualView{Outcome: next.Outcome, Failures: next.Failures, DelayMs: next.DelayMs}, nil
}
