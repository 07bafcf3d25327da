package projections

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/internal/cache"
)

// Question is a check as it was asked.
type Question struct {
	Ledger, Product uuid.UUID
	Grantees        []string // in the order of the question
	GraceDays       int
	Encoding        string // which encoder's answer: "salable v1"
}

// Signature is over the names of the capabilities, joined by commas.
type Signature struct {
	CapsHashed string // what was signed
	Hex        string
	PublicHash string // hex
}

// Encode makes a dialect's body of an answer; without any capability there is no signature, and it may
// give no body. It is called once for as long as the answer stays the same, so the body must depend
// on nothing else, such as the catalog, and must not hold the answer's position.
type Encode func(Answer, Signature) ([]byte, error)

// Encoded is a check's answer on the wire.
type Encoded struct {
	Body     []byte // shared: never change it; nil when nothing is granted
	Position int64
}

// answers keeps encoded answers until they change or time makes them void.
type answers struct {
	bodies     *cache.Cache[string, body]
	signatures *cache.Cache[string, Signature] // of a ledger's lists of capabilities, which are few
}

type body struct {
	index      *ledgerIndex
	generation uint64
	answer     Answer
	encoded    []byte
}

func newAnswers(bytes int) *answers {
	return &answers{
		bodies: cache.New(bytes*3/4, func(key string, b body) int {
			n := 300 + len(key) + len(b.encoded) + 64*len(b.answer.Plans)
			for _, c := range b.answer.Capabilities {
				n += 2*(16+len(c)) + 48
			}
			return n
		}),
		signatures: cache.New(bytes/4, func(key string, s Signature) int {
			return 64 + len(key) + len(s.CapsHashed) + len(s.Hex) + len(s.PublicHash)
		}),
	}
}

func (q Question) key() string {
	b := make([]byte, 0, 64+len(q.Encoding)+32*len(q.Grantees))
	b = append(append(b, q.Ledger[:]...), q.Product[:]...)
	b = binary.AppendVarint(b, int64(q.GraceDays))
	for _, part := range append([]string{q.Encoding}, q.Grantees...) {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return string(b)
}

// Signed is Check with the answer signed and encoded. It refuses as Check does.
func (x *Entitlements) Signed(ctx context.Context, q Question, now time.Time, encode Encode) (Encoded, error) {
	index, err := x.fresh(ctx, q.Ledger)
	if err != nil {
		return Encoded{}, err
	}
	key := q.key()
	kept, ok := x.answers.bodies.Get(key)
	inTime := kept.answer.ValidUntil.IsZero() || now.Before(kept.answer.ValidUntil)
	if ok && index != nil && kept.index == index && inTime && kept.generation == index.generation.Load() {
		x.metrics.checks.WithLabelValues("cached").Inc()
		index.mu.RLock()
		position := index.position
		index.mu.RUnlock()
		return Encoded{kept.encoded, position}, nil
	}
	a, index, generation, err := x.check(ctx, q.Ledger, q.Product, q.Grantees, q.GraceDays, now)
	if err != nil {
		return Encoded{}, err
	}
	encoded := kept.encoded
	if !ok || !same(a, kept.answer) {
		if encoded, err = x.encode(q.Ledger, a, encode); err != nil {
			return Encoded{}, err
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
		maps.EqualFunc(a.Plans, b.Plans, time.Time.Equal)
}

func (x *Entitlements) encode(ledger uuid.UUID, a Answer, encode Encode) ([]byte, error) {
	switch {
	case len(a.Plans) == 0:
		return nil, nil
	case len(a.Capabilities) == 0:
		return encode(a, Signature{})
	}
	caps := strings.Join(a.Capabilities, ",")
	key := string(ledger[:]) + caps
	s, ok := x.answers.signatures.Get(key)
	if !ok {
		signature, public, err := x.Sign(ledger, caps)
		if err != nil {
			return nil, err
		}
		s = Signature{CapsHashed: caps, Hex: signature, PublicHash: public}
		x.answers.signatures.Add(key, s)
	}
	return encode(a, s)
}
