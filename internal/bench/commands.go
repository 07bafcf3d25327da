package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// commands is POST /ledger/v1/subscriptions/{uuid}/quantity with an idempotency key each time, one
// subscription a ledger. Each changes something: three events (the change, its task, the task's
// success) in two streams, and a stored answer.
//
// Every client has subscriptions of its own and sets their quantity to 2, 3, 2, 3…
func commands(ctx context.Context, r *run) error {
	a := newAPI(r.target)
	r.say("making %d ledgers", r.Ledgers)
	ledgers, err := a.ledgers(ctx, r.target, r.Ledgers)
	if err != nil {
		return err
	}
	shelves, err := a.stock(ctx, ledgers, "")
	if err != nil {
		return err
	}
	subs, err := a.subscribe(ctx, shelves, 1, nil)
	if err != nil {
		return err
	}
	templates := make([]*template, len(shelves))
	for i, s := range shelves {
		templates[i] = quantityTemplate(r.target.Address, s, subs[i][0])
	}
	r.shuffle(templates)
	count, tally := &stamps{}, &tally{}
	for _, clients := range r.Clients {
		mine, err := deal(templates, clients)
		if err != nil {
			return err
		}
		l := &load{address: r.target.Address, rate: r.Rate, units: 1}
		for _, own := range mine {
			l.scripts = append(l.scripts, quantityScript(own, count.client()))
		}
		r.contests = append(r.contests, contest{clients: clients, unit: "commands/s", product: tally.of(l.work), open: tally.at(l),
			target: map[int]float64{1: 0.35, 32: 0.55, 128: 0.9}[clients], note: "1 event a command"})
	}
	r.after = append(r.after, func(ctx context.Context) error { return r.holds(ctx, "key:bench-", tally.acknowledged-tally.failed) })
	if r.Profile == "hot" {
		return nil
	}
	return r.insertBaselines(ctx)
}

func (r *run) shuffle(templates []*template) {
	random := rand.New(rand.NewPCG(r.Seed, 0))
	random.Shuffle(len(templates), func(i, j int) { templates[i], templates[j] = templates[j], templates[i] })
}

// deal gives each client templates of its own. The contests share them, since they never work at once.
func deal(templates []*template, clients int) ([][]*template, error) {
	if clients > len(templates) {
		return nil, fmt.Errorf("%d clients have only %d different requests: raise --ledgers", clients, len(templates))
	}
	mine := make([][]*template, clients)
	for i, t := range templates {
		mine[i%clients] = append(mine[i%clients], t)
	}
	return mine, nil
}

func quantityTemplate(address string, s shelf, subscription uuid.UUID) *template {
	return newTemplate("POST", address, "/ledger/v1/subscriptions/"+subscription.String()+"/quantity", s.key, `{"quantity":2}`,
		"Idempotency-Key", "bench-"+stampMark)
}

// quantityScript goes round a client's subscriptions; the quantity is the body's last digit.
func quantityScript(templates []*template, stamp func(n int) uint64) script {
	n := 0
	return func() []byte {
		t := templates[n%len(templates)]
		n++
		text := t.stamp(stamp(1))
		if digit := &text[len(text)-2]; *digit == '2' {
			*digit = '3'
		} else {
			*digit = '2'
		}
		return text
	}
}

// stamps gives each client numbers that no other one has.
type stamps struct{ clients uint64 }

const stampsOfAClient = 1_000_000_000

func (s *stamps) client() func(n int) uint64 {
	next := s.clients * stampsOfAClient
	s.clients++
	return func(n int) uint64 {
		first := next
		next += uint64(n)
		return first
	}
}

// tally adds up what sides of the product did, warm-up included. A failed request may make the next one
// of its subscription change nothing.
type tally struct{ acknowledged, failed int }

func (t *tally) at(l *load) func(rate float64) side {
	return func(rate float64) side { return t.of(l.at(rate)) }
}

func (t *tally) of(s side) side {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		got, err := s(ctx, d)
		t.acknowledged += len(got.latencies)
		for _, n := range got.errors {
			t.failed += n
		}
		return got, err
	}
}
