package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

const (
	recordsOfARequest = 100
	metersOfALedger   = 10 // subscriptions that count, in each ledger
	meterKey          = "calls"
)

// usageRecords is POST /ledger/v1/usage with 100 records, ten for each of a ledger's ten subscriptions,
// each record with a key of its own. A record is an event and a row of its key.
func usageRecords(ctx context.Context, r *run) error {
	a := newAPI(r.target)
	r.say("making %d ledgers", r.Ledgers)
	ledgers, err := a.ledgers(ctx, r.target, r.Ledgers)
	if err != nil {
		return err
	}
	shelves, err := a.stock(ctx, ledgers, meterKey)
	if err != nil {
		return err
	}
	subs, err := a.subscribe(ctx, shelves, metersOfALedger, nil)
	if err != nil {
		return err
	}
	templates := make([]*template, len(shelves))
	for i, s := range shelves {
		templates[i] = newTemplate("POST", r.target.Address, "/ledger/v1/usage", s.key, usageBody(subs[i]), "Idempotency-Key", "bench-"+stampMark)
	}
	r.shuffle(templates)
	count, tally := &stamps{}, &tally{}
	for _, clients := range r.Clients {
		mine, err := deal(templates, clients)
		if err != nil {
			return err
		}
		l := &load{address: r.target.Address, rate: r.Rate, units: recordsOfARequest, bad: []byte(`"rejected"`)}
		for _, own := range mine {
			l.scripts = append(l.scripts, usageScript(own, count.client()))
		}
		r.contests = append(r.contests, contest{clients: clients, unit: "records/s", product: tally.of(l.work), open: tally.at(l), target: 3,
			note: fmt.Sprintf("%d records a request; latencies are of requests", recordsOfARequest)})
	}
	r.after = append(r.after, func(ctx context.Context) error { return r.holds(ctx, "usage:u-", recordsOfARequest*tally.acknowledged) })
	return r.insertBaselines(ctx)
}

func usageBody(subscriptions []uuid.UUID) string {
	records := make([]string, recordsOfARequest)
	for i := range records {
		records[i] = fmt.Sprintf(`{"key":"u-%s","quantity":%d,"meter":%q,"subscriptionUuid":%q}`, stampMark, 1+i%7, meterKey, subscriptions[i%len(subscriptions)])
	}
	return `{"records":[` + strings.Join(records, ",") + `]}`
}

func usageScript(templates []*template, stamp func(n int) uint64) script {
	n := 0
	return func() []byte {
		t := templates[n%len(templates)]
		n++
		return t.stamp(stamp(1 + recordsOfARequest))
	}
}
