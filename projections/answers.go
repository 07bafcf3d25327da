package projections

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/internal/cache"
)

// Question is what a check asks.
type Question struct {
	Ledger, Product uuid.UUID
	Grantees        []string // in the order of the question
	GraceDays       int      // of 24 hours
	Catalog         bool     // Answer.Granted is asked for
}

func (q Question) grace() time.Duration { return time.Duration(q.GraceDays) * 24 * time.Hour }

// Asked is how a question was put: who asks in the same words again gets the same answer, and nothing of them has
// to be understood anew.
type Asked struct {
	Ledger   uuid.UUID
	Encoding string // whose: "licenses v1"
	Words    string // the query as it was sent
}

// Encode makes a dialect's body of an answer, signed where it is; nil: there is nothing to say. It is called
// once for as long as the answer stays the same, so the body must depend on nothing but the words and the answer,
// and must not hold the answer's position.
type Encode func(Answer) ([]byte, error)

// Encoded is a check's answer on the wire.
type Encoded struct {
	Body     []byte // shared: never change it; nil when nothing is granted
	Position int64
}

// answers keeps encoded answers until they change or time makes them void.
type answers = cache.Cache[Asked, *body]

type body struct {
	index      *ledgerIndex
	generation uint64
	since      time.Time // when it was answered: a test ledger's clock may be started before it
	answer     Answer
	encoded    []byte
}

func newAnswers(bytes int) *answers {
	return cache.New(bytes, func(asked Asked, b *body) int {
		n := 350 + len(asked.Words) + len(b.encoded) + 64*len(b.answer.Plans)
		for _, g := range b.answer.Granted {
			n += 64 + 56*len(g.Features)
		}
		for _, c := range b.answer.Capabilities {
			n += 2*(16+len(c)) + 48
		}
		return n
	})
}

// good tells whether an answer still is one; if so it holds at a position that its index had before.
func (b *body) good(now time.Time) bool {
	return b.generation == b.index.generation.Load() && !now.Before(b.since) && (b.answer.ValidUntil.IsZero() || now.Before(b.answer.ValidUntil))
}

// Known is Encoded where it takes no more than memory, and no waiting; else false.
func (x *Entitlements) Known(asked Asked, now time.Time) (Encoded, bool) {
	kept, ok := x.answers.Get(asked)
	if !ok {
		return Encoded{}, false
	}
	position, ok := x.current(kept.index)
	if !ok || !kept.good(now) {
		return Encoded{}, false
	}
	x.metrics.cached.Inc()
	return Encoded{kept.encoded, position}, true
}

// Encoded is Check with the answer encoded. It refuses as Check does.
func (x *Entitlements) Encoded(ctx context.Context, asked Asked, q Question, now time.Time, encode Encode) (Encoded, error) {
	index, err := x.fresh(ctx, q.Ledger)
	if err != nil {
		return Encoded{}, err
	}
	kept, ok := x.answers.Get(asked)
	if ok && index != nil && kept.index == index {
		if position, _ := index.at(); kept.good(now) {
			x.metrics.cached.Inc()
			return Encoded{kept.encoded, position}, nil
		}
	}
	a, index, generation, err := x.check(ctx, q, now)
	if err != nil {
		return Encoded{}, err
	}
	var encoded []byte
	switch {
	case ok && same(a, kept.answer):
		encoded = kept.encoded
	case len(a.Plans) > 0:
		if encoded, err = encode(a); err != nil {
			return Encoded{}, err
		}
	}
	if index != nil {
		x.answers.Add(asked, &body{index, generation, now, a, encoded})
	}
	return Encoded{encoded, a.Position}, nil
}

// same leaves position and validity aside, which no body holds.
func same(a, b Answer) bool {
	return slices.Equal(a.Capabilities, b.Capabilities) && maps.EqualFunc(a.EndDates, b.EndDates, time.Time.Equal) &&
		maps.EqualFunc(a.Plans, b.Plans, time.Time.Equal) && equalGrants(a.Granted, b.Granted)
}
