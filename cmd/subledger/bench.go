package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/subledger/subledger/internal/bench"
	"github.com/subledger/subledger/internal/embeddedpg"
	"github.com/subledger/subledger/projections"
)

type benchCommand struct {
	Output
	Profile    string  `arg:"" enum:"commands,hot,check,usage,rebuild,lag,mixed,noisy" help:"What to measure: commands, hot, check, usage, rebuild, lag, mixed, noisy."`
	Clients    []int   `placeholder:"N,…" help:"Keep-alive clients, one line each. Default: commands 1,32,128; hot 128; others 32."`
	Rate       float64 `help:"Requests per second, sent when they are due (open loop). Default: each client sends when it has its answer (closed loop)."`
	Rounds     int     `default:"5" help:"Rounds; in each the product and its baseline work in turn."`
	Seconds    float64 `default:"3" help:"Seconds that each of them works in a round."`
	WarmUp     float64 `default:"2" help:"Seconds that each of them works before the first round."`
	At         float64 `default:"0.5" help:"Part of the highest rate at which latencies are then measured, with requests sent when they are due; 0: at that rate, while it is found."`
	Seed       uint64  `default:"1" help:"Of the order of requests and of generated history."`
	Ledgers    int     `help:"Ledgers to spread over. Default: commands, hot and lag 1000; usage, rebuild and mixed 100; noisy 50; check 10."`
	Events     int     `default:"200000" help:"Events in the log, for rebuild."`
	Compare    string  `type:"existingfile" placeholder:"FILE" help:"What an earlier run printed with -o json: say what changed."`
	CPUProfile string  `name:"cpuprofile" type:"path" placeholder:"FILE" help:"Write a CPU profile of the rounds; what is not the product is labelled side."`
	MemProfile string  `name:"memprofile" type:"path" placeholder:"FILE" help:"Write a profile of what was allocated until the end of the rounds."`
	PGBin      string  `name:"pg-bin" hidden:"" env:"SUBLEDGER_PG_BIN"`
	PGCache    string  `name:"pg-cache" hidden:"" env:"SUBLEDGER_PG_CACHE"`
	PGUser     string  `name:"pg-user" hidden:"" env:"SUBLEDGER_PG_USER"`
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
	case c.Ledgers < 0 || c.Events < 1 || c.Events > 1_000_000:
		return errors.New("--ledgers is 1 or more, --events 1 to 1000000")
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
		At: c.At, Seed: c.Seed, Ledgers: c.Ledgers, Events: c.Events, Say: p.say}
	profile, ok := bench.Find(c.Profile)
	if !ok {
		return fmt.Errorf("there is no profile %q", c.Profile)
	}
	if len(o.Clients) == 0 {
		o.Clients = profile.Clients
	}
	if o.Ledgers == 0 {
		o.Ledgers = profile.Ledgers
	}
	old, err := c.earlier()
	if err != nil {
		return err
	}
	for path, to := range map[string]*io.Writer{c.CPUProfile: &o.CPUProfile, c.MemProfile: &o.MemProfile} {
		if path == "" {
			continue
		}
		f, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		*to = f
	}
	results, err := c.measure(ctx, o)
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
	return bench.ReadResults(f)
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
	p.writeTable(bench.Header(), rows)
	for _, r := range results {
		if r.Note != "" {
			fmt.Fprintf(p.stdout, "%s at %d clients: %s\n", r.Profile, r.Clients, r.Note)
		}
	}
	for _, line := range changes {
		fmt.Fprintln(p.stdout, line)
	}
	return nil
}

// measure starts what `serve` starts, on a database that lives as long as the run.
func (c *benchCommand) measure(ctx context.Context, o bench.Options) (results []bench.Result, err error) {
	dir, err := os.MkdirTemp("", "subledger-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL may run as another user
		return nil, err
	}
	// What the server says is not part of the result; its faults show as errors of requests.
	log := slog.New(slog.DiscardHandler)
	config := &serveCommand{Listen: "127.0.0.1:0", Roles: []string{"api", "projector", "reactor"}, Connections: 48, Drain: 5 * time.Second,
		Database: Database{DataDir: filepath.Join(dir, "subledger"), PGBin: c.PGBin, PGCache: c.PGCache, PGUser: c.PGUser}}
	in := &installation{config: config.Database, embedded: true}
	in.server, err = embeddedpg.Start(ctx, embeddedpg.Config{Dir: config.DataDir, BinDir: c.PGBin, CacheDir: c.PGCache, User: c.PGUser, Logger: log,
		Settings: map[string]string{"max_connections": "120"}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.close(context.WithoutCancel(ctx))) }()
	in.locate(in.server.URL)
	if err := in.server.EnsureDatabase(ctx, databaseName); err != nil {
		return nil, err
	}
	listener, err := config.listen()
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	s := &server{config: config, installation: in, log: log, listener: listener}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	owner, err := in.pool(ctx, in.owner)
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	return bench.Run(ctx, bench.Target{
		Address: s.told.Address[len("http://"):], AdminKey: s.told.Keys.Admin, Product: databaseName, Store: s.store, Postmaster: in.server.Pid,
		Database: func(name string) string { return in.server.URL(embeddedpg.Superuser, name) },
		Rebuild: func(ctx context.Context) error {
			r := projections.NewRebuild(projections.RebuildConfig{Log: s.store, Owner: owner, Models: projections.Models()})
			if err := r.Run(ctx); err != nil {
				return err
			}
			return r.Swap(ctx)
		},
	}, o)
}
