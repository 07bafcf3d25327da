package projections

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/internal/cache"
)

// Question is a check as it was asked.
type Question struct {
	Ledger, Product uuid.UUID
	Grantees        []string // in the order of the question
	GraceDays       int      // of 24 hours
	Catalog         bool     // Answer.Granted is asked for
	Encoding        string   // which encoder's answer: "salable v1"
}

func (q Question) grace() time.Duration { return time.Duration(q.GraceDays) * 24 * time.Hour }

// Encode makes a dialect's body of an answer, signed where it is; nil: there is nothing to say. It is called
// once for as long as the answer stays the same, so the body must depend on nothing else and must not hold the
// answer's position.
type Encode func(Answer) ([]byte, error)

// Encoded is a check's answer on the wire.
type Encoded struct {
	Body     []byte // shared: never change it; nil when nothing is granted
	Position int64
}

// answers keeps encoded answers until they change or time makes them void.
type answers struct {
	bodies *cache.Cache[string, body]
}

type body struct {
	index      *ledgerIndex
	generation uint64
	answer     Answer
	encoded    []byte
}

func newAnswers(bytes int) *answers {
	return &answers{
		bodies: cache.New(bytes, func(key string, b body) int {
			n := 300 + len(key) + len(b.encoded) + 64*len(b.answer.Plans)
			for _, g := range b.answer.Granted {
				n += 64 + 56*len(g.Features)
			}
			for _, c := range b.answer.Capabilities {
				n += 2*(16+len(c)) + 48
			}
			return n
		}),
	}
}

func (q Question) key() string {
	b := make([]byte, 0, 64+len(q.Encoding)+32*len(q.Grantees))
	b = append(append(b, q.Ledger[:]...), q.Product[:]...)
	b = binary.AppendVarint(b, int64(q.GraceDays))
	b = append(binary.AppendUvarint(b, uint64(len(q.Encoding))), q.Encoding...)
	for _, grantee := range q.Grantees {
		b = append(binary.AppendUvarint(b, uint64(len(grantee))), grantee...)
	}
	return string(b)
}

// Encoded is Check with the answer encoded. It refuses as Check does.
func (x *Entitlements) Encoded(ctx context.Context, q Question, now time.Time, encode Encode) (Encoded, error) {
	index, err := x.fresh(ctx, q.Ledger)
	if err != nil {
		return Encoded{}, err
	}
	key := q.key()
	kept, ok := x.answers.bodies.Get(key)
	inTime := kept.answer.ValidUntil.IsZero() || now.Before(kept.answer.ValidUntil)
	if ok && index != nil && kept.index == index && inTime && kept.generation == index.generation.Load() {
		x.metrics.cached.Inc()
		index.mu.RLock()
		position := index.position
		index.mu.RUnlock()
		return Encoded{kept.encoded, position}, nil
	}
	a, index, generation, err := x.check(ctx, q, now)
	if err != nil {
		return Encoded{}, err
	}
	encoded := kept.encoded
	if !ok || !same(a, kept.answer) {
		encoded = nil
		if len(a.Plans) > 0 {
			if encoded, err = encode(a); err != nil {
				return Encoded{}, err
			}
		}
	}
	if index != nil {
		x.answers.bodies.Add(key, body{index, generation, a, encoded})
	}
	return Encoded{encoded, a.Position}, nil
}

// same leaves position and validity aside, which no body holds.
func same(a, b Answer) bool {
	return slices.Equal(a.Capabilities, b.Capabilities) && maps.EqualFunc(a.EndDates, b.EndDates, time.Time.Equal) &&
		maps.EqualFunc(a.Plans, b.Plans, time.Time.Equal) && equalGrants(a.Granted, b.Granted)
}
