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
// when it has the answer; in an open one, requests have due times and latency counts from those.
package bench

import (
	"context"
	"fmt"
	"io"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/subledger/subledger/eventstore"
)

// Target is the running product.
type Target struct {
	Address    string                      // host and port of the API, on the loopback
	AdminKey   string                      // makes organisations
	Database   func(name string) string    // URL of a database of the same PostgreSQL, as its superuser
	Product    string                      // name of the product's own database
	Store      *eventstore.Store           // the server's own
	Postmaster func() int                  // its process id
	Rebuild    func(context.Context) error // all read models, as `projections rebuild` does it
}

// Options of a run. All but Say and CPUProfile have to be set.
type Options struct {
	Profile    string
	Clients    []int
	Rate       float64 // requests per second of all clients together; 0: closed loop
	Rounds     int
	Seconds    time.Duration // of one side in one round
	WarmUp     time.Duration // of one side before the first round, not counted
	Seed       uint64        // of the order of requests
	Ledgers    int           // over which commands and usage are spread
	Events     int           // in the log, for rebuild
	Say        func(format string, args ...any)
	CPUProfile io.Writer // of the rounds; what is not the product is labelled side=…
}

// Profile is one thing that can be measured.
type Profile struct {
	Name    string
	Help    string
	Clients []int // unless others are asked for
	Ledgers int   // unless others are asked for
	prepare func(context.Context, *run) error
}

// Profiles are all there are; a further one is a function and a line here.
func Profiles() []Profile {
	return []Profile{
		{Name: "commands", Help: "changes of quantity, one subscription a ledger, against single-row inserts", Clients: []int{1, 32, 128}, Ledgers: 1000, prepare: commands},
		{Name: "check", Help: "signed licence checks, against a handler that writes 300 bytes", Clients: []int{32}, Ledgers: 10, prepare: check},
		{Name: "usage", Help: "usage records, 100 a request, against single-row inserts", Clients: []int{32}, Ledgers: 100, prepare: usageRecords},
		{Name: "rebuild", Help: "rebuilding all read models, against a select of the same events", Clients: []int{1}, Ledgers: 100, prepare: rebuild},
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
	cpu       time.Duration // of all processes of the run, catching up included; 0: not known
}

// contest is a line of the result.
type contest struct {
	clients  int
	unit     string
	product  side
	baseline string
	target   float64 // the ratio that design section 9 asks for; 0: none
	note     string
}

// run is a profile at work: what prepare fills in.
type run struct {
	Options
	target    Target
	baselines map[string]side
	contests  []contest
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
	p, ok := Find(o.Profile)
	if !ok {
		return nil, fmt.Errorf("there is no profile %q", o.Profile)
	}
	r := &run{Options: o, target: t, baselines: map[string]side{}}
	defer func() {
		for _, f := range slices.Backward(r.cleanup) {
			f()
		}
	}()
	if err := p.prepare(ctx, r); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.Name, err)
	}
	if _, err := r.settle(ctx); err != nil {
		return nil, err
	}
	sides := r.sides()
	r.say("warming up")
	for _, s := range sides {
		if _, err := s.work(ctx, o.WarmUp); err != nil {
			return nil, err
		}
		if _, err := r.settle(ctx); err != nil {
			return nil, err
		}
	}
	if o.CPUProfile != nil {
		if err := pprof.StartCPUProfile(o.CPUProfile); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	measured := map[string][]sample{}
	for round := range o.Rounds {
		// Each round begins with another side, so that none of them always comes after the same one.
		for i := range sides {
			s := sides[(i+round)%len(sides)]
			before := cpuTime(t.Postmaster())
			got, err := s.work(ctx, o.Seconds)
			if err == nil { // or the next one would share the machine with the projector
				got.behind, err = r.settle(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if before > 0 {
				got.cpu = cpuTime(t.Postmaster()) - before
			}
			measured[s.name] = append(measured[s.name], got)
		}
		r.say("round %d of %d: %s", round+1, o.Rounds, r.tell(measured))
	}
	for _, check := range r.after {
		if err := check(ctx); err != nil {
			return nil, err
		}
	}
	var results []Result
	for i, c := range r.contests {
		results = append(results, newResult(o, c, measured[contestName(i)], measured[c.baseline]))
	}
	return results, nil
}

type namedSide struct {
	name string
	work side
}

func contestName(i int) string { return fmt.Sprintf("contest %d", i) }

// sides are all that work in a round: every baseline once, whoever is compared with it.
func (r *run) sides() []namedSide {
	var all []namedSide
	used := map[string]bool{}
	for i, c := range r.contests {
		if !used[c.baseline] {
			used[c.baseline] = true
			all = append(all, namedSide{c.baseline, labelled("baseline", r.baselines[c.baseline])})
		}
		all = append(all, namedSide{contestName(i), c.product})
	}
	return all
}

func (r *run) tell(measured map[string][]sample) string {
	text := ""
	for i, c := range r.contests {
		product, base := measured[contestName(i)], measured[c.baseline]
		n := len(product) - 1
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d clients %.0f/%.0f = %.2f", c.clients, product[n].rate, base[n].rate, product[n].rate/base[n].rate)
	}
	return text
}

// labelled marks a side's goroutines, and those they start, in CPU profiles.
func labelled(label string, s side) side {
	return func(ctx context.Context, d time.Duration) (got sample, err error) {
		pprof.Do(ctx, pprof.Labels("side", label), func(ctx context.Context) { got, err = s(ctx, d) })
		return got, err
	}
}
