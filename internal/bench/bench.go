// Package bench measures the product against baselines that run beside it, on the same machine and in
// the same minutes: a rate alone says more about the machine than about the product.
//
// Vocabulary: a profile is one thing that is measured; a side works for a while and tells how much it
// did; a contest is a side of the product and the baseline it is compared with, one line of the result;
// a round lets every side work once. The ratio of a contest is taken round by round, product over
// baseline, and reported as median, least and greatest.
//
// The load generator shares the machine with the server, so it is cheap: requests are built before the
// clock runs, one goroutine and one keep-alive connection a client write them and read just as much
// of HTTP/1.1 as a server of ours answers (wire.go). In a closed loop a client sends its next request
// when it has the answer: that finds the highest rate. In an open one, requests have due times and
// latency counts from those: that finds what clients see at a part of that rate.
package bench

import (
	"context"
	"fmt"
	"io"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/eventstore"
)

// Target is the running product.
type Target struct {
	Address    string                                                              // host and port of the API, on the loopback
	AdminKey   string                                                              // makes organisations
	Database   func(name string) string                                            // URL of a database of the same PostgreSQL, as its superuser
	Product    string                                                              // name of the product's own database
	Store      *eventstore.Store                                                   // the server's own
	Postmaster func() int                                                          // its process id
	Rebuild    func(context.Context) error                                         // all read models, as `projections rebuild` does it
	Bill       func(ctx context.Context, ledger uuid.UUID) (peak int64, err error) // what is due by now, by `billing run`; its highest memory, in bytes
}

// Options of a run. All but Say and the profiles have to be set.
type Options struct {
	Profile    string
	Only       []string // of the profiles that Scale measures; none: all
	Clients    []int
	Rate       float64 // requests per second of all clients together; 0: closed loop
	Rounds     int
	Seconds    time.Duration // of one side in one round
	WarmUp     time.Duration // of one side before the first round, not counted
	Seed       uint64        // of the order of requests
	Ledgers    int           // over which commands and usage are spread
	Events     int           // in the log, for rebuild
	Months     int           // that the subscriptions of that log lived: Loading
	At         float64       // of the rate that a closed loop reached: where latencies are then measured, in an open loop; 0: in the closed one
	Say        func(format string, args ...any)
	CPUProfile io.Writer // of the rounds; what is not the product is labelled side=…
	MemProfile io.Writer // what was allocated, at the end of the rounds
}

// Profile is one thing that can be measured.
type Profile struct {
	Name    string
	Help    string
	Clients []int // unless others are asked for
	Ledgers int   // unless others are asked for
	Events  int   // unless others are asked for
	prepare func(context.Context, *run) error
}

// Profiles are all there are; a further one is a function and a line here.
func Profiles() []Profile {
	return []Profile{
		{Name: "commands", Help: "changes of quantity, one subscription a ledger, against single-row inserts", Clients: []int{1, 32, 128}, Ledgers: 1000, prepare: commands},
		{Name: "hot", Help: "changes of quantity of one subscription, against the same spread over 1,000 ledgers", Clients: []int{128}, Ledgers: 1000, prepare: hot},
		{Name: "check", Help: "signed licence checks, against a handler that writes 300 bytes", Clients: []int{32}, Ledgers: 10, prepare: check},
		{Name: "usage", Help: "usage records, 100 a request, against single-row inserts", Clients: []int{32}, Ledgers: 100, prepare: usageRecords},
		{Name: "rebuild", Help: "rebuilding all read models, against a select of the same events", Clients: []int{1}, Ledgers: 100, prepare: rebuild},
		{Name: "billing", Help: "an invoice run over due subscriptions, against single-row inserts", Clients: []int{32}, Ledgers: 1, Events: 50_000, prepare: billing},
		{Name: "lag", Help: "from a command's answer to the read models, at half of the highest write rate", Clients: []int{32}, Ledgers: 1000, prepare: lag},
		{Name: "mixed", Help: "checks, lists, commands and usage as one client sends them, against a handler that writes 300 bytes", Clients: []int{32}, Ledgers: 100, prepare: mixed},
		{Name: "noisy", Help: "99th percentile of 50 ledgers' commands beside one at ten times their rate, against without it", Clients: []int{32}, Ledgers: 50, prepare: noisy},
	}
}

// Find gives a profile by its name.
func Find(name string) (Profile, bool) {
	all := Profiles()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		return Profile{}, false
	}
	return all[i], true
}

// side works for about d and tells what came of it.
type side func(ctx context.Context, d time.Duration) (sample, error)

// sample is one side's part of a round.
type sample struct {
	rate      float64         // units per second, failed ones left out
	units     int             // that succeeded
	latencies []time.Duration // of successful requests, in no order
	errors    map[string]int
	behind    time.Duration // what the read models needed afterwards to catch up
	spent     spent
	open      *sample // the same at a part of the rate, in an open loop; nil: it was not asked for
}

// contest is a line of the result.
type contest struct {
	clients  int
	unit     string
	product  side
	open     func(rate float64) side // the product at so many units per second, when they are due; nil: it has no such way
	baseline string
	value    func(sample) float64 // what is compared; nil: the rate
	target   float64              // the least ratio that design section 9 asks for; 0: none
	most     float64              // the highest ratio; 0: none
	p99      time.Duration        // the highest 99th percentile; 0: none
	note     string
	mode     string // of the loop, where it is not that of Options.Rate
}

// run is a profile at work: what prepare fills in.
type run struct {
	Options
	target    Target
	baselines map[string]side
	contests  []contest
	alone     bool // nobody asks for the baselines
	conn      *pgx.Conn
	after     []func(context.Context) error // once, when all is measured: does the database hold what was acknowledged?
	cleanup   []func()
}

func (r *run) say(format string, args ...any) {
	if r.Say != nil {
		r.Say(format, args...)
	}
}

// Run measures one profile.
func Run(ctx context.Context, t Target, o Options) ([]Result, error) {
	r, err := prepare(ctx, t, o, false)
	if err != nil {
		return nil, err
	}
	defer r.end(ctx)
	var parties []party
	used := map[string]bool{}
	for i, c := range r.contests {
		if !used[c.baseline] {
			used[c.baseline] = true
			parties = append(parties, party{name: c.baseline, work: labelled("baseline", r.baselines[c.baseline]), in: r})
		}
		parties = append(parties, party{name: contestName(i), work: c.product, open: c.open, in: r})
	}
	return r.measure(ctx, parties)
}

// prepare makes what a profile needs; end takes it away.
func prepare(ctx context.Context, t Target, o Options, alone bool) (r *run, err error) {
	p, ok := Find(o.Profile)
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", o.Profile)
	}
	made := &run{Options: o, target: t, baselines: map[string]side{}, alone: alone}
	defer func() {
		if err != nil {
			made.end(ctx)
		}
	}()
	r = made
	if r.conn, err = r.product(ctx); err != nil {
		return nil, err
	}
	if err := p.prepare(ctx, r); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.Name, err)
	}
	_, err = r.settle(ctx)
	return r, err
}

func (r *run) end(ctx context.Context) {
	for _, f := range slices.Backward(r.cleanup) {
		f()
	}
	if r.conn != nil {
		_ = r.conn.Close(context.WithoutCancel(ctx)) // it only looked
	}
}

// party is a side that takes part in the rounds.
type party struct {
	name string
	work side
	open func(rate float64) side
	in   *run
}

func contestName(i int) string { return fmt.Sprintf("contest %d", i) }

// measure lets all parties work in rounds and gives a line for each contest.
func (r *run) measure(ctx context.Context, parties []party) ([]Result, error) {
	r.say("warming up")
	for _, p := range parties {
		if _, err := p.work(ctx, r.WarmUp); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if _, err := p.in.settle(ctx); err != nil {
			return nil, err
		}
	}
	if r.CPUProfile != nil {
		if err := pprof.StartCPUProfile(r.CPUProfile); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	measured := map[string][]sample{}
	for round := range r.Rounds {
		// Each round begins with another party, so that none of them always comes after the same one.
		for i := range parties {
			p := parties[(i+round)%len(parties)]
			got, err := p.in.observe(ctx, p.work, r.Seconds)
			if err == nil && p.open != nil && r.At > 0 && r.Rate == 0 && got.rate > 0 {
				var open sample
				open, err = p.in.observe(ctx, p.open(r.At*got.rate), r.Seconds)
				got.open = &open
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			measured[p.name] = append(measured[p.name], got)
		}
		r.say("round %d of %d: %s", round+1, r.Rounds, r.tell(measured))
	}
	if r.MemProfile != nil {
		if err := pprof.Lookup("allocs").WriteTo(r.MemProfile, 0); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
	}
	checked := map[*run]bool{}
	for _, p := range parties {
		if checked[p.in] {
			continue
		}
		checked[p.in] = true
		for _, check := range p.in.after {
			if err := check(ctx); err != nil {
				return nil, err
			}
		}
	}
	var results []Result
	for i, c := range r.contests {
		results = append(results, newResult(r.Options, c, measured[contestName(i)], measured[c.baseline]))
	}
	return results, nil
}

func (r *run) tell(measured map[string][]sample) string {
	text := ""
	for i, c := range r.contests {
		product, base := measured[contestName(i)], measured[c.baseline]
		n := len(product) - 1
		if i > 0 {
			text += ", "
		}
		a, b := c.valueOf(product[n]), c.valueOf(base[n])
		text += fmt.Sprintf("%d clients %.0f/%.0f = %.2f", c.clients, a, b, a/b)
	}
	return text
}

func (c contest) valueOf(s sample) float64 {
	if c.value != nil {
		return c.value(s)
	}
	return s.rate
}

// labelled marks a side's goroutines, and those they start, in CPU profiles.
func labelled(label string, s side) side {
	return func(ctx context.Context, d time.Duration) (got sample, err error) {
		pprof.Do(ctx, pprof.Labels("side", label), func(ctx context.Context) { got, err = s(ctx, d) })
		return got, err
	}
}
