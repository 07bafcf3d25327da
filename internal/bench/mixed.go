package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// Of a hundred requests of the mixed profile; the rest are lists.
const (
	mixedChecks   = 75
	mixedCommands = 12
	mixedUsage    = 5 // of 100 records each
)

// mixed is what an application sends: mostly checks, some lists of subscriptions, some commands, some
// usage, in an order that the seed fixes. The baseline is that of check.
func mixed(ctx context.Context, r *run) error {
	a := newAPI(r.target)
	r.say("making %d ledgers", r.Ledgers)
	ledgers, err := a.ledgers(ctx, r.target, r.Ledgers)
	if err != nil {
		return err
	}
	shelves, err := a.stock(ctx, ledgers, meterKey, "edit", "read")
	if err != nil {
		return err
	}
	grantee := func(shelf, i int) string { return fmt.Sprintf("grantee-%d-%d", shelf, i) }
	subs, err := a.subscribe(ctx, shelves, metersOfALedger, func(shelf, i int) object { return object{"granteeId": grantee(shelf, i)} })
	if err != nil {
		return err
	}
	bare, err := bareHandler(ctx, r)
	if err != nil {
		return err
	}
	kinds := make([][]*template, 4) // checks, commands, usage, lists
	for i, s := range shelves {
		for j, sub := range subs[i] {
			path := "/licenses/check?productUuid=" + s.product.String() + "&granteeIds=" + grantee(i, j)
			kinds[0] = append(kinds[0], newTemplate("GET", r.target.Address, path, s.key, "", "Accept", "application/json"))
			kinds[1] = append(kinds[1], quantityTemplate(r.target.Address, s, sub))
		}
		kinds[2] = append(kinds[2], newTemplate("POST", r.target.Address, "/ledger/v1/usage", s.key, usageBody(subs[i]), "Idempotency-Key", "bench-"+stampMark))
		kinds[3] = append(kinds[3], newTemplate("GET", r.target.Address, "/ledger/v1/subscriptions?limit=25", s.key, ""))
	}
	count := &stamps{}
	for _, clients := range r.Clients {
		mine := make([][][]*template, len(kinds))
		for k, templates := range kinds {
			r.shuffle(templates)
			if mine[k], err = deal(templates, clients); err != nil {
				return err
			}
		}
		product := &load{address: r.target.Address, rate: r.Rate, units: 1, bad: []byte(`"rejected"`)}
		baseline := &load{address: bare, rate: r.Rate, units: 1}
		for i := range clients {
			stamp := count.client()
			random := rand.New(rand.NewPCG(r.Seed, uint64(i)))
			check, list := inTurn(mine[0][i]), inTurn(mine[3][i])
			command, record := quantityScript(mine[1][i], stamp), usageScript(mine[2][i], stamp)
			product.scripts = append(product.scripts, func() []byte {
				switch n := random.IntN(100); {
				case n < mixedChecks:
					return check()
				case n < mixedChecks+mixedCommands:
					return command()
				case n < mixedChecks+mixedCommands+mixedUsage:
					return record()
				}
				return list()
			})
			baseline.scripts = append(baseline.scripts, inTurn(mine[0][i]))
		}
		name := fmt.Sprintf("answers/s, bare handler, %d clients", clients)
		r.baselines[name] = baseline.work
		r.contests = append(r.contests, contest{clients: clients, unit: "requests/s", product: product.work, open: product.at, baseline: name,
			note: fmt.Sprintf("of 100 requests %d check, %d change a quantity, %d record 100 usages each, %d list",
				mixedChecks, mixedCommands, mixedUsage, 100-mixedChecks-mixedCommands-mixedUsage)})
	}
	return nil
}
