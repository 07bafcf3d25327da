package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// ScaleProfiles are those that Scale measures on both stores.
func ScaleProfiles() []string { return []string{"commands", "hot", "check", "usage", "mixed"} }

const scaleTarget = 0.9

// Scale measures profiles on a loaded store against the same ones on an empty one, in the same rounds: a
// ratio is loaded over empty. The profile's own ledgers are made anew in both; what differs is everything
// else that the loaded one holds. o.Ledgers bounds those that a profile makes; 0: as many as it has alone.
// Last, the lag and the noisy neighbour of the loaded store, which have targets of their own.
func Scale(ctx context.Context, empty, loaded Target, o Options, about string) ([]Result, error) {
	var all []Result
	for _, name := range ScaleProfiles() {
		if !o.wants(name) {
			continue
		}
		lines, err := scaleOne(ctx, empty, loaded, forProfile(o, name), about)
		if err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, lines...)
	}
	for _, name := range []string{"lag", "noisy"} {
		if !o.wants(name) {
			continue
		}
		lines, err := Run(ctx, loaded, forProfile(o, name))
		for _, l := range lines {
			l.Profile, l.Note = "scale "+name, about+"; "+l.Note
			all = append(all, l)
		}
		if err != nil {
			return all, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all, nil
}

func (o *Options) wants(profile string) bool {
	return len(o.Only) == 0 || slices.Contains(o.Only, profile)
}

func forProfile(o Options, name string) Options {
	p, _ := Find(name)
	o.Profile = name
	if len(o.Clients) == 0 {
		o.Clients = p.Clients[len(p.Clients)-1:]
	}
	if o.Ledgers == 0 || o.Ledgers > p.Ledgers {
		o.Ledgers = p.Ledgers
	}
	return o
}

func scaleOne(ctx context.Context, empty, loaded Target, o Options, about string) ([]Result, error) {
	a, err := prepare(ctx, empty, o, true)
	if err != nil {
		return nil, err
	}
	defer a.end(ctx)
	b, err := prepare(ctx, loaded, o, true)
	if err != nil {
		return nil, err
	}
	defer b.end(ctx)
	r := &run{Options: o}
	r.Profile = "scale " + o.Profile
	var parties []party
	for i, c := range b.contests {
		c.baseline = fmt.Sprintf("%s, empty store, %d clients", c.unit, c.clients)
		c.target, c.note = scaleTarget, about
		r.contests = append(r.contests, c)
		parties = append(parties, party{name: c.baseline, work: a.contests[i].product, in: a},
			party{name: contestName(i), work: c.product, open: c.open, in: b})
	}
	return r.measure(ctx, parties)
}

// CatchUp waits until everything that follows the log of a target, its reactions too, is at the end of it.
func CatchUp(ctx context.Context, t Target, progress func(done, total int64)) error {
	r := &run{target: t}
	conn, err := r.product(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for {
		var done, total int64
		err := conn.QueryRow(ctx, `select coalesce(sum(least(c.position, l.position)), 0)::bigint, coalesce(sum(l.position), 0)::bigint
			from ledgers l left join (select ledger_id, min(position) as position from checkpoints group by ledger_id having count(*) > 1) c
			using (ledger_id)`).Scan(&done, &total)
		if err != nil {
			return fmt.Errorf("look at the checkpoints: %w", err)
		}
		if progress(done, total); done == total {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
