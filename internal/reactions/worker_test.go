package reactions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/eventstore"
)

func TestManualProvider(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		given   *task.ConfigureManual
		status  string
		retries int
		code    string
		seats   int
	}{
		"unconfigured, it succeeds":    {nil, task.Success, 0, "", 2},
		"succeeds":                     {&task.ConfigureManual{Outcome: task.Succeeds}, task.Success, 0, "", 2},
		"succeeds after a delay":       {&task.ConfigureManual{Outcome: task.Succeeds, DelayMs: 5}, task.Success, 0, "", 2},
		"fails":                        {&task.ConfigureManual{Outcome: task.Fails}, task.Failed, 0, "manual_failure", 1},
		"fails, after retries":         {&task.ConfigureManual{Outcome: task.Fails, Failures: 2}, task.Failed, 2, "manual_failure", 1},
		"fails, then succeeds":         {&task.ConfigureManual{Outcome: task.FailsThenSucceeds, Failures: 3}, task.Success, 3, "", 2},
		"fails beyond the last chance": {&task.ConfigureManual{Outcome: task.FailsThenSucceeds, Failures: 9}, task.Failed, 4, "manual_failure", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.start(t, nil)
			if tt.given != nil {
				f.do(t, f.test, *tt.given)
			}
			sub := f.subscribed(t, f.test)
			got := f.ends(t, f.test, f.addSeat(t, f.test, sub))
			require.Equal(t, tt.status, got.Status)
			require.Equal(t, tt.retries, got.Retries)
			require.Equal(t, tt.code, got.ErrorCode)
			require.Equal(t, tt.code == "", got.ErrorMessage == "")
			require.Equal(t, tt.seats, f.seats(t, f.test, sub))
			f.settles(t)
		})
	}
}

// The same call has the same answer, whatever the provider was configured to since.
func TestManualProviderKeepsItsAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := f.do(t, f.test, task.ConfigureManual{Outcome: task.Fails}).Position
	after := f.do(t, f.test, task.ConfigureManual{Outcome: task.Succeeds}).Position
	ask := manual(f.store, f.clock.Now)
	for range 2 {
		a, err := ask(t.Context(), Call{Ledger: f.test, Answer: 1, Position: before, AskedAt: f.clock.Now()})
		require.NoError(t, err)
		require.Equal(t, Refused, a.Verdict)
		a, err = ask(t.Context(), Call{Ledger: f.test, Answer: 1, Position: after, AskedAt: f.clock.Now()})
		require.NoError(t, err)
		require.Equal(t, Agreed, a.Verdict)
	}
}

// A process that dies between any two steps leaves a call that another sees through: the provider is
// asked with the same key and the change happens once.
func TestCrashBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"relay published", "relay committed", "claimed", "call taken", "call asked", "call reported"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			sub := f.subscribed(t, f.test)
			provider := &scripted{}
			dead := make(chan struct{})
			die := sync.OnceFunc(func() { close(dead) })
			first := f.start(t, func(c *Config) {
				provider.as("manual")(c)
				c.Fault = func(at string) error {
					if at == step {
						die()
					}
					select {
					case <-dead: // a dead process does nothing more
						return fmt.Errorf("%w: %w", errFault, context.Canceled)
					default:
						return nil
					}
				}
			})
			id := f.addSeat(t, f.test, sub)
			select {
			case <-dead:
			case <-time.After(patience):
				require.FailNow(t, "the step never came")
			}
			first.stop()

			f.clock.advance(time.Minute) // the lease is over
			f.start(t, provider.as("manual"))
			require.Equal(t, task.Success, f.ends(t, f.test, id).Status)
			f.settles(t)
			require.Equal(t, 2, f.seats(t, f.test, sub))
			asked := provider.calls()
			require.NotEmpty(t, asked)
			for _, c := range asked {
				require.Equal(t, asked[0], c, "all asked for the same")
			}
			require.Len(t, f.awaits(t, 1, of[subscription.SeatsAdded](sub)), 1)
			require.Len(t, f.awaits(t, 1, of[task.Succeeded](id)), 1)
		})
	}
}

// While nothing is known of an answer the same key is asked again; a definite answer makes the next key.
func TestF63_AnUnknownAnswerIsAskedForUnderTheSameKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.subscribed(t, f.test)
	provider := &scripted{}
	provider.answer = func(c Call) (Answer, error) {
		switch len(provider.calls()) {
		case 1:
			return Answer{}, errors.New("the connection broke")
		case 2:
			panic("a bug")
		case 3:
			return Answer{Verdict: Retry, Code: "card_declined", Message: "declined"}, nil
		case 4:
			return Answer{Verdict: Action, Code: "authentication_required", Message: "please confirm"}, nil
		}
		return Answer{Verdict: Agreed}, nil
	}
	f.start(t, func(c *Config) {
		provider.as("manual")(c)
		c.ActionEvery = time.Millisecond
	})
	id := f.addSeat(t, f.test, sub)
	require.Equal(t, task.Success, f.ends(t, f.test, id).Status)
	var answers []int
	for _, c := range provider.calls() {
		answers = append(answers, c.Answer)
		require.Equal(t, fmt.Sprintf("%s/%d", c.Event, c.Answer), c.Key)
	}
	require.Equal(t, []int{1, 1, 1, 2, 3}, answers)
	retried := f.awaits(t, 3, of[task.Retried](id))
	require.Equal(t, codeUnavailable, retried[0].Event.(task.Retried).Code)
	require.Equal(t, "card_declined", retried[2].Event.(task.Retried).Code)
	require.Equal(t, "authentication_required", f.awaits(t, 1, of[task.ActionRequired](id))[0].Event.(task.ActionRequired).Code)
	require.Equal(t, "request-1", f.meta(t, retried[0]).RequestID, "reports carry the request that caused them")
}

func TestPanicInAHandlerPoisonsItsMessageAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.subscribed(t, f.test)
	provider := &scripted{}
	claims := 0
	p := f.start(t, func(c *Config) {
		provider.as("manual")(c)
		c.Fault = func(step string) error {
			if step == "claimed" {
				if claims++; claims <= 1+handlerRetries {
					panic("the claim is written by now")
				}
			}
			return nil
		}
	})
	poisoned, healthy := f.addSeat(t, f.test, sub), f.addSeat(t, f.test, sub)
	got := f.ends(t, f.test, poisoned)
	require.Equal(t, task.Failed, got.Status)
	require.Equal(t, codePoisoned, got.ErrorCode)
	require.Equal(t, task.Success, f.ends(t, f.test, healthy).Status)
	require.Len(t, provider.calls(), 1, "the poisoned one was never asked")
	require.Equal(t, 2, f.seats(t, f.test, sub))
	require.Equal(t, 1.0, p.gauge(t, "poisoned_messages_total"))
}

func TestF62_DuplicateMessagesAreHarmless(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.subscribed(t, f.test)
	provider := &scripted{}
	p := f.start(t, provider.as("manual"))
	id := f.addSeat(t, f.test, sub)
	f.ends(t, f.test, id)
	f.settles(t)
	requested := f.awaits(t, 1, of[task.Requested](id))[0]
	again, err := errandOf(requested)
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), f.app, func(tx pgx.Tx) error {
		return publish(t.Context(), tx, topicErrands, message3(again))
	}))
	p.relay.told.set()
	require.Eventually(t, func() bool {
		return f.count(t, `select acked::int from watermill_offsets where topic = 'errands'`) == 4
	}, patience, time.Millisecond)
	require.Zero(t, f.count(t, `select count(*) from provider_calls`))
	require.Len(t, provider.calls(), 1)
	require.Equal(t, 2, f.seats(t, f.test, sub))
}

// A worker that hangs or dies keeps its call for the lease; what it says afterwards changes nothing.
func TestLeaseOfAKilledWorkerIsTakenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.subscribed(t, f.test)
	asked, hang := make(chan struct{}), make(chan struct{})
	slow := &scripted{answer: func(Call) (Answer, error) {
		close(asked)
		<-hang
		return Answer{Verdict: Refused, Code: "too_late", Message: "the lease is over"}, nil
	}}
	// It takes no other call meanwhile, least of all the same one again: one that was killed takes none.
	first := f.start(t, func(c *Config) {
		slow.as("manual")(c)
		c.Workers = 1
	})
	id := f.addSeat(t, f.test, sub)
	<-asked
	quick := &scripted{}
	second := f.start(t, quick.as("manual"))
	second.calls.wake.set()
	require.Empty(t, quick.calls())
	f.clock.advance(time.Minute)
	second.calls.wake.set()
	require.Equal(t, task.Success, f.ends(t, f.test, id).Status)
	require.Equal(t, slow.calls(), quick.calls(), "the same question, with the same key")
	close(hang)
	first.stop()
	require.Equal(t, task.Success, f.task(t, f.test, id).Status)
	f.settles(t)
}

// A graceful stop waits for calls in flight; those that take too long are given back at once.
func TestStop(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		patience time.Duration
		finishes bool
	}{"a call that finishes": {patience, true}, "a call that hangs": {time.Millisecond, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			sub := f.subscribed(t, f.test)
			asked, finish := make(chan struct{}), make(chan struct{})
			p := f.start(t, func(c *Config) {
				c.StopTimeout = tt.patience
				c.Providers = map[string]Ask{"manual": func(ctx context.Context, _ Call) (Answer, error) {
					close(asked)
					select {
					case <-finish:
						return Answer{Verdict: Agreed}, nil
					case <-ctx.Done():
						return Answer{}, ctx.Err()
					}
				}}
			})
			id := f.addSeat(t, f.test, sub)
			<-asked
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				p.stop()
			}()
			if tt.finishes {
				<-p.stopped
				close(finish)
			}
			<-stopped
			if tt.finishes {
				require.Equal(t, task.Success, f.task(t, f.test, id).Status)
				require.Zero(t, f.count(t, `select count(*) from provider_calls`))
				return
			}
			require.Equal(t, task.Pending, f.task(t, f.test, id).Status)
			require.Equal(t, 1, f.count(t, `select count(*) from provider_calls where lease is null and due_at <= $1`, f.clock.Now()))
		})
	}
}

// A ledger whose provider hangs holds its share of the workers, no more.
func TestLedgersShareTheWorkers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	noisy, quiet := f.subscribed(t, f.test), f.subscribed(t, f.live)
	release := make(chan struct{})
	provider := &scripted{}
	full := make(chan struct{}, 100)
	provider.answer = func(c Call) (Answer, error) {
		if c.Ledger == f.test {
			full <- struct{}{}
			<-release
		}
		return Answer{Verdict: Agreed}, nil
	}
	f.start(t, func(c *Config) {
		provider.as("manual")(c)
		c.Workers, c.PerLedger = 4, 3
	})
	var last uuid.UUID
	for range 10 {
		last = f.addSeat(t, f.test, noisy)
	}
	for range 3 {
		<-full
	}
	require.Equal(t, task.Success, f.ends(t, f.live, f.addSeat(t, f.live, quiet)).Status)
	require.Empty(t, full, "the noisy ledger has three calls in flight")
	close(release)
	f.ends(t, f.test, last)
	f.settles(t)
	require.Equal(t, 11, f.seats(t, f.test, noisy))
}

// A client may have used the key of a report for something of its own.
func TestForeignUseOfAReportKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sub := f.subscribed(t, f.test)
	id := f.addSeat(t, f.test, sub)
	_, err := f.store.Execute(t.Context(), eventstore.Request{Ledger: f.test, Key: fmt.Sprintf("reaction:%s:1", id),
		Command: subscription.ChangeOwner{ID: sub, Owner: "eve"}})
	require.NoError(t, err)
	f.start(t, nil)
	require.Equal(t, task.Success, f.ends(t, f.test, id).Status)
}
