package bench

import (
	"context"
	"fmt"
)

// hot is what commands is, all clients on one subscription. Each client has two quantities that no other
// one has and sends them in turn, so that every command changes something. The baseline is the same
// number of clients over r.Ledgers ledgers.
func hot(ctx context.Context, r *run) error {
	if err := commands(ctx, r); err != nil { // its baselines are not asked for: its products are ours
		return err
	}
	a := newAPI(r.target)
	ledgers, err := a.ledgers(ctx, r.target, 1)
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
	count, spread := &stamps{clients: hotStamps}, r.contests
	r.contests = nil
	for _, s := range spread {
		name := fmt.Sprintf("commands/s, spread over %d ledgers, %d clients", r.Ledgers, s.clients)
		r.baselines[name] = s.product
		l := &load{address: r.target.Address, rate: r.Rate, units: 1}
		for i := range s.clients {
			stamp := count.client()
			pair := [2]*template{}
			for j := range pair {
				pair[j] = newTemplate("POST", r.target.Address, "/ledger/v1/subscriptions/"+subs[0][0].String()+"/quantity", shelves[0].key,
					fmt.Sprintf(`{"quantity":%d}`, 1000+2*i+j), "Idempotency-Key", "bench-"+stampMark)
			}
			n := 0
			l.scripts = append(l.scripts, func() []byte {
				n++
				return pair[n%2].stamp(stamp(1))
			})
		}
		r.contests = append(r.contests, contest{clients: s.clients, unit: "commands/s", product: l.work, open: l.at, baseline: name, target: 0.8,
			note: "one subscription; every command changes it"})
	}
	return nil
}

// hotStamps is more clients than the spread ones are.
const hotStamps = 100_000
