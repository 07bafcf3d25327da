package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/projections"
)

type projectionsRebuild struct {
	Database
	Output
	Model []string `placeholder:"NAME" help:"Only these read models. Default: all."`
}

func (c *projectionsRebuild) Validate() error { return c.validate() }

type rebuilt struct {
	Models  []string `json:"models"`
	Seconds float64  `json:"seconds"`
}

// Run may be interrupted at any moment and begun again: it goes on where it was.
func (c *projectionsRebuild) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	began := time.Now()
	r, names, done, err := s.rebuild(ctx, p, "rebuild", c.Model)
	if err != nil {
		return err
	}
	defer done()
	if err := r.Swap(ctx); err != nil {
		return err
	}
	out := rebuilt{names, time.Since(began).Seconds()}
	if c.json() {
		return p.writeJSON(out)
	}
	_, err = fmt.Fprintf(p.stdout, "%s made anew in %.1f s\n", count(int64(len(names)), "read model"), out.Seconds)
	return err
}

// rebuild makes the shadow of read models; done closes what it needs.
func (s *session) rebuild(ctx context.Context, p *process, what string, only []string) (r *projections.Rebuild, names []string, done func(), err error) {
	known := map[string]*projections.Model{}
	for _, m := range projections.Models() {
		known[m.Name()] = m
	}
	if len(only) == 0 {
		only = modelNames()
	}
	var models []*projections.Model
	for _, name := range only {
		if known[name] == nil {
			return nil, nil, nil, &status{code: exitUsage, err: fmt.Errorf("--model: there is no read model %q", name),
				next: fmt.Sprintf("One of: %v", modelNames())}
		}
		models = append(models, known[name])
	}
	owner, done, err := s.builder(ctx, p)
	if err != nil {
		return nil, nil, nil, err
	}
	if r, err = shadow(ctx, p, s.store, owner, what, models); err != nil {
		done()
		return nil, nil, nil, err
	}
	return r, only, done, nil
}

// builder makes this process the only one that builds read models, with a pool of the owner's, until done is called: two
// that build the same share a shadow, and fill it twice.
func (in *installation) builder(ctx context.Context, p *process) (owner *pgxpool.Pool, done func(), err error) {
	if owner, err = in.pool(ctx, in.owner); err != nil {
		return nil, nil, err
	}
	conn, err := owner.Acquire(ctx)
	if err != nil {
		owner.Close()
		return nil, nil, err
	}
	done = func() {
		// The session ends some time after it is closed, and a look at who holds locks would see ours.
		closing := context.WithoutCancel(ctx)
		_, _ = conn.Exec(closing, "select pg_advisory_unlock_all()")
		_ = conn.Conn().Close(closing)
		conn.Release()
		owner.Close()
	}
	const key = "hashtext('subledger read models')"
	var alone bool
	if err = conn.QueryRow(ctx, "select pg_try_advisory_lock("+key+")").Scan(&alone); err == nil && !alone {
		p.say("another process builds read models: waiting for it")
		_, err = conn.Exec(ctx, "select pg_advisory_lock("+key+")")
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return owner, done, nil
}

// shadow makes the shadow of read models for a builder.
func shadow(ctx context.Context, p *process, store *eventstore.Store, owner *pgxpool.Pool, what string, models []*projections.Model) (*projections.Rebuild, error) {
	program, err := thisProgram()
	if err != nil {
		return nil, err
	}
	bar := p.progress(what)
	var mu sync.Mutex
	r := projections.NewRebuild(projections.RebuildConfig{Log: store, Owner: owner, Models: models, Program: program, Progress: func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		bar.at(done, total)
	}})
	err = r.Run(ctx)
	bar.end()
	return r, err
}

// buildNew makes the read models that this version has and the one before had not: reads wait for all read models, and
// the projector would take minutes over a long history. It gives their names. What the database's owner has to do is
// left to the projector under another role.
func (in *installation) buildNew(ctx context.Context, p *process, store *eventstore.Store) (names []string, err error) {
	look, err := in.pool(ctx, in.owner)
	if err != nil {
		return nil, err
	}
	defer look.Close()
	if models, err := projections.Unbuilt(ctx, look); len(models) == 0 || err != nil {
		return nil, err // who has nothing to build waits for nobody
	}
	owner, done, err := in.builder(ctx, p)
	if err != nil {
		return nil, err
	}
	defer done()
	models, err := projections.Unbuilt(ctx, owner)
	if len(models) == 0 || err != nil {
		return nil, err // another process was quicker
	}
	for _, m := range models {
		names = append(names, m.Name())
	}
	r, err := shadow(ctx, p, store, owner, "build "+strings.Join(names, ", "), models)
	if code(err) == "42501" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return names, r.Swap(ctx)
}

type projectionsCheck struct {
	Database
	Output
	Model []string `placeholder:"NAME" help:"Only these read models. Default: all."`
}

func (c *projectionsCheck) Validate() error { return c.validate() }

// difference is a row that is live otherwise than the log says.
type difference struct {
	Table  string    `json:"table"`
	Ledger uuid.UUID `json:"ledger"`
	Live   string    `json:"live"`   // JSON; empty: there is no such row
	Should string    `json:"should"` // the same
}

// inColumns tells which row differs, and in what.
func inColumns(d projections.Difference) (row, live, should string) {
	row, live, should = d.Columns()
	switch {
	case d.Live == "":
		return row, "no row", "a row"
	case d.Shadow == "":
		return row, "a row", "no row"
	}
	return row, live, should
}

func (c *projectionsCheck) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	r, names, done, err := s.rebuild(ctx, p, "check", c.Model)
	if err != nil {
		return err
	}
	defer done()
	found, rows := []difference{}, [][]string{}
	err = s.project(ctx, s.store, func(*projections.Applied) error { // the live ones may be behind
		all, err := r.Check(ctx)
		for _, d := range all {
			found = append(found, difference{d.Table, d.Ledger, d.Live, d.Shadow})
			row, live, should := inColumns(d)
			rows = append(rows, []string{d.Table, d.Ledger.String(), shorten(row, 100), shorten(live, 100), shorten(should, 100)})
		}
		return err
	})
	if errors.Is(err, projections.ErrAhead) {
		err = &status{code: exitBad, err: err, next: "Events were lost under it: see subledger verify."}
	}
	if err = errors.Join(err, r.Drop(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if c.json() {
		err = p.writeJSON(struct {
			Models      []string     `json:"models"`
			Differences []difference `json:"differences"`
		}{names, found})
	} else if len(found) > 0 {
		p.writeTable([]string{"table", "ledger", "row", "live", "should be"}, rows)
	} else {
		_, err = fmt.Fprintf(p.stdout, "as the log says, row by row: %s\n", count(int64(len(names)), "read model"))
	}
	if err == nil && len(found) > 0 {
		err = &status{code: exitBad, err: fmt.Errorf("not as the log says: %s", count(int64(len(found)), "row")),
			next: "If `subledger verify` finds the log right: subledger projections rebuild"}
	}
	return err
}

// project runs a projector of this process while f does, whether or not a server runs. What one of
// them applied is applied for the other: each event counts once.
func (in *installation) project(ctx context.Context, store *eventstore.Store, f func(*projections.Applied) error) error {
	pool, err := in.pool(ctx, in.app)
	if err != nil {
		return err
	}
	defer pool.Close()
	applied := projections.NewApplied()
	runner := projections.NewRunner(projections.Config{Log: store, Pool: pool, Projections: models(), Applied: applied})
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = runner.Run(running) // it retries faults itself; how far it came is what counts
	}()
	defer func() { cancel(); <-done }()
	return f(applied)
}

// catchUp makes reads see what a subcommand appended, when it ends.
func (in *installation) catchUp(ctx context.Context, store *eventstore.Store, ledgers ...uuid.UUID) error {
	return in.project(ctx, store, func(applied *projections.Applied) error {
		waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		for _, ledger := range ledgers {
			head, _, err := store.Head(ctx, ledger)
			if err != nil {
				return err
			}
			err = applied.Wait(waiting, ledger, head)
			if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				return nil // others' events come first; a server goes on
			}
			if err != nil {
				return fmt.Errorf("wait for the read models: %w", err)
			}
		}
		return nil
	})
}
