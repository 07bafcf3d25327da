package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/bench"
)

type benchCommand struct {
	Output
	Profile    string   `arg:"" enum:"commands,hot,check,usage,rebuild,lag,mixed,noisy,billing,scale" help:"What to measure: commands, hot, check, usage, rebuild, lag, mixed, noisy; scale: what a store full of events changes of these."`
	Clients    []int    `placeholder:"N" help:"Keep-alive clients, one line each. Default: commands 1,32,128; hot 128; others 32."`
	Rate       float64  `placeholder:"N" help:"Requests per second, sent when they are due (open loop). Default: each client sends when it has its answer (closed loop)."`
	Rounds     int      `default:"5" help:"Rounds; in each the product and its baseline work in turn."`
	Seconds    float64  `default:"3" help:"Seconds that each of them works in a round."`
	WarmUp     float64  `default:"2" help:"Seconds that each of them works before the first round."`
	At         float64  `default:"0.5" help:"Part of the highest rate at which latencies are then measured, with requests sent when they are due; 0: at that rate, while it is found."`
	Seed       uint64   `default:"1" help:"Of the order of requests and of generated history."`
	Ledgers    int      `placeholder:"N" help:"Ledgers to spread over. Default: commands, hot and lag 1000; usage, rebuild and mixed 100; noisy 50; check 10; scale, into which events are loaded, 10000."`
	Events     int      `placeholder:"N" help:"Events in the log. Default: rebuild 1000000, scale 10000000."`
	Months     int      `default:"6" help:"How long the subscriptions in rebuild's log have lived: each month brings 22 events, twenty of them usage; the first day brings 17 and is all that scale loads."`
	Only       []string `enum:"commands,hot,check,usage,mixed,lag,noisy" placeholder:"PROFILE" help:"Of scale's profiles, these."`
	Store      string   `type:"path" placeholder:"DIR" help:"Keep the store that scale loads in this directory; a later run that names it measures scale, or any other profile, on what is there."`
	Compare    string   `type:"existingfile" placeholder:"FILE" help:"What an earlier run printed with -o json: say what changed."`
	CPUProfile string   `name:"cpuprofile" type:"path" placeholder:"FILE" help:"Write a CPU profile of the rounds; what is not the product is labelled side."`
	MemProfile string   `name:"memprofile" type:"path" placeholder:"FILE" help:"Write a profile of what was allocated until the end of the rounds."`
	PGBin      string   `name:"pg-bin" hidden:"" env:"SUBLEDGER_PG_BIN"`
	PGCache    string   `name:"pg-cache" hidden:"" env:"SUBLEDGER_PG_CACHE"`
	PGUser     string   `name:"pg-user" hidden:"" env:"SUBLEDGER_PG_USER"`
}

func (c *benchCommand) Validate() error {
	switch {
	case c.At < 0 || c.At >= 1:
		return errors.New("--at is 0 or more and less than 1")
	case c.Rate < 0:
		return errors.New("--rate is 0 or more")
	case c.Rounds < 1:
		return errors.New("--rounds is 1 or more")
	case c.Seconds <= 0 || c.WarmUp < 0:
		return errors.New("--seconds is more than 0, --warm-up 0 or more")
	case c.Months < 0 || c.Months > 1200:
		return errors.New("--months is 0 to 1200")
	case c.Events > 0 && c.Profile != "rebuild" && c.Profile != "scale" && c.Profile != "billing":
		return errors.New("--events is for rebuild and scale, and for billing the number of subscriptions")
	case len(c.Only) > 0 && c.Profile != "scale":
		return errors.New("--only is for scale")
	case c.Store != "" && c.Profile == "rebuild":
		return errors.New("--store is for every profile but rebuild, which loads what it needs")
	case c.Ledgers < 0 || c.Events < 0 || c.Events > 100_000_000:
		return errors.New("--ledgers is 1 or more, --events 1 to 100000000")
	}
	for _, n := range c.Clients {
		if n < 1 || n > 1000 {
			return errors.New("--clients are 1 to 1000")
		}
	}
	return nil
}

// Run measures on a private PostgreSQL of its own, in a temporary directory, fsync on, and removes it.
func (c *benchCommand) Run(ctx context.Context, p *process) (err error) {
	o := bench.Options{Profile: c.Profile, Clients: c.Clients, Rate: c.Rate, Rounds: c.Rounds, Seconds: seconds(c.Seconds), WarmUp: seconds(c.WarmUp),
		At: c.At, Seed: c.Seed, Only: c.Only, Ledgers: c.Ledgers, Events: c.Events, Months: c.Months, Say: p.say}
	switch profile, ok := bench.Find(c.Profile); {
	case ok:
		if len(o.Clients) == 0 {
			o.Clients = profile.Clients
		}
		o.Ledgers, o.Events = cmp.Or(o.Ledgers, profile.Ledgers), cmp.Or(o.Events, profile.Events, 1_000_000)
	default: // scale: each of its profiles has its own clients
		o.Ledgers, o.Events = cmp.Or(o.Ledgers, 10_000), cmp.Or(o.Events, 10_000_000)
	}
	old, err := c.earlier()
	if err != nil {
		return err
	}
	for _, profile := range []struct {
		flag, path string
		to         *io.Writer
	}{{"--cpuprofile", c.CPUProfile, &o.CPUProfile}, {"--memprofile", c.MemProfile, &o.MemProfile}} {
		if profile.path == "" {
			continue
		}
		f, failed := os.Create(profile.path)
		if failed != nil {
			return &status{code: exitUsage, err: fmt.Errorf("%s: %w", profile.flag, failed)}
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		*profile.to = f
	}
	results, err := c.measure(ctx, p, o)
	if errors.Is(err, bench.ErrNoPgbench) {
		return &status{code: exitRefused, err: err}
	}
	if err != nil {
		return err
	}
	if err := c.tell(p, results, old); err != nil {
		return err
	}
	if failures := bench.Failures(results); failures != "" {
		return fmt.Errorf("requests failed: %s", failures)
	}
	return nil
}

// turned makes columns of rows.
func turned(header []string, rows [][]string) (first []string, rest [][]string) {
	for i, name := range header {
		line := []string{name}
		for _, row := range rows {
			line = append(line, row[i])
		}
		rest = append(rest, line)
	}
	return rest[0], rest[1:]
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func (c *benchCommand) earlier() ([]bench.Result, error) {
	if c.Compare == "" {
		return nil, nil
	}
	f, err := os.Open(c.Compare)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	old, err := bench.ReadResults(f)
	if err != nil {
		err = &status{code: exitUsage, err: fmt.Errorf("--compare: %s: %w", c.Compare, err)}
	}
	return old, err
}

func (c *benchCommand) tell(p *process, results, old []bench.Result) error {
	changes := bench.Compare(old, results)
	if c.Compare != "" && len(changes) == 0 {
		changes = []string{"nothing to compare: " + printable(c.Compare) + " has no line of this profile with these clients and this loop"}
	}
	if c.json() {
		for _, line := range changes {
			p.say("%s", line)
		}
		return p.writeJSON(results)
	}
	var rows [][]string
	for _, r := range results {
		rows = append(rows, r.Row())
	}
	header := bench.Header()
	if width := p.width(); width > 0 && text.LongestLineLen(strings.Join(tableLines(header, rows, 0), "\n")) > width {
		header, rows = turned(header, rows) // no figure is cut: a column for each line
	}
	p.writeTable(header, rows)
	for _, r := range results {
		if r.Note != "" {
			fmt.Fprintf(p.stdout, "%s, %s: %s\n", r.Profile, count(int64(r.Clients), "client"), r.Note)
		}
	}
	for _, line := range changes {
		fmt.Fprintln(p.stdout, line)
	}
	return nil
}

// measure works on stores that live as long as the run.
func (c *benchCommand) measure(ctx context.Context, p *process, o bench.Options) (results []bench.Result, err error) {
	dir, err := os.MkdirTemp("", "subledger-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL may run as another user
		return nil, err
	}
	if c.Profile == "scale" {
		return c.scale(ctx, p, dir, o)
	}
	var roles []string
	switch c.Profile {
	case "rebuild":
		roles = []string{"api"} // a projector would begin to apply what is loaded, and a reactor to read it
	case "billing":
		roles = []string{"api", "projector"} // a reactor would bill by itself
	}
	store := cmp.Or(c.Store, filepath.Join(dir, "subledger"))
	if c.Store != "" {
		if _, err := os.Stat(filepath.Join(store, aboutFile)); err != nil {
			return nil, &status{code: exitUsage, err: fmt.Errorf("--store: %s holds no store that scale loaded: %w", printable(store), err)}
		}
	}
	b, err := c.start(ctx, store, roles...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop(ctx)) }()
	return bench.Run(ctx, b.target(nil), o)
}

// scale loads one of two stores and compares them.
func (c *benchCommand) scale(ctx context.Context, p *process, dir string, o bench.Options) (results []bench.Result, err error) {
	store := cmp.Or(c.Store, filepath.Join(dir, "loaded"))
	about, err := c.loaded(ctx, p, store, o)
	if err != nil {
		return nil, err
	}
	loaded, err := c.start(ctx, store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, loaded.stop(ctx)) }()
	bar := p.progress("reactions pass over the loaded events")
	err = bench.CatchUp(ctx, loaded.target(nil), bar.at)
	bar.end()
	if err != nil {
		return nil, err
	}
	empty, err := c.start(ctx, filepath.Join(dir, "empty"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, empty.stop(ctx)) }()
	return bench.Scale(ctx, empty.target(nil), loaded.target(nil), o, about)
}

// aboutFile lies in a store that scale has loaded, and tells what it holds.
const aboutFile = "loaded.txt"

// loaded is what a store holds that was loaded now or by an earlier run.
func (c *benchCommand) loaded(ctx context.Context, p *process, store string, o bench.Options) (string, error) {
	if about, err := os.ReadFile(filepath.Join(store, aboutFile)); err == nil {
		p.say("%s: %s", printable(store), about)
		return string(about), nil
	}
	about, err := c.load(ctx, p, store, o)
	if err == nil {
		err = os.WriteFile(filepath.Join(store, aboutFile), []byte(about), 0o600)
	}
	return about, err
}

// load fills a store and builds its read models, in a process without a projector, which would begin to
// apply what is loaded.
func (c *benchCommand) load(ctx context.Context, p *process, dir string, o bench.Options) (about string, err error) {
	b, err := c.start(ctx, dir, "api")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, b.stop(ctx)) }()
	var mu sync.Mutex
	told := func(what string, work func(at func(done, total int64)) error) (time.Duration, error) {
		bar, start := p.progress(what), time.Now()
		err := work(func(done, total int64) {
			mu.Lock()
			defer mu.Unlock()
			bar.at(done, total)
		})
		bar.end()
		return time.Since(start), err
	}
	var events int64
	loading, err := told("load", func(at func(done, total int64)) (err error) {
		events, err = bench.Load(ctx, b.server.store, bench.Loading{Ledgers: o.Ledgers, Events: o.Events, Seed: o.Seed, Progress: at})
		return err
	})
	if err != nil {
		return "", err
	}
	rate := func(d time.Duration) float64 { return float64(events) / d.Seconds() }
	p.say("loaded %d events into %d ledgers in %s, %.0f/s", events, o.Ledgers, loading.Round(time.Millisecond), rate(loading))
	building, err := told("read models", func(at func(done, total int64)) error { return b.target(at).Rebuild(ctx) })
	if err != nil {
		return "", err
	}
	p.say("built the read models in %s, %.0f/s", building.Round(time.Millisecond), rate(building))
	// As in a store that has been running: or autovacuum would work beside the first profiles.
	// Vacuum offers what is left at the end of each page, too little for the row that came next, to any smaller
	// one. In a store that grew by commands that room was used long ago, but for the last of it; in one that was
	// loaded all of it would be offered at once, and each command would log a whole old page: with another fill
	// factor it is too little for any row.
	for _, statement := range []string{"vacuum (analyze)", "alter table commands set (fillfactor = 90)",
		"alter table events set (fillfactor = 90)", "checkpoint"} {
		if _, err := b.owner.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("%s: %w", statement, err)
		}
	}
	_, err = told("verify", func(at func(done, total int64)) error {
		report, err := eventstore.Verify(ctx, b.owner, nil, at)
		if err == nil && len(report.Findings) > 0 {
			err = fmt.Errorf("what was loaded does not verify: %s", report.Findings[0])
		}
		return err
	})
	return fmt.Sprintf("%d events in %d ledgers; read models rebuilt at %.0f events/s", events, o.Ledgers, rate(building)), err
}
