package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/internal/reactions"
	"github.com/subledger/subledger/projections"
)

type billingCommands struct {
	Run billingRun `cmd:"" help:"Do what is due by now: renewals, ends, invoices to issue."`
}

type billingRun struct {
	Database
	Output
	Ledger `embed:""`
	At     string `placeholder:"TIME" help:"Up to this instant and no further, such as 2026-05-01T00:00:00Z. Default: the ledger's now."`
}

func (c *billingRun) Help() string {
	return "Each period is billed once, in order and dated to its own instant, whoever does it and however late: a running server does the same by\n" +
		"itself, and both at once do nothing twice. What was interrupted goes on where it was."
}

func (c *billingRun) Validate() error { return errors.Join(c.contradiction(), c.validate()) }

// runMemory is what the collector keeps a run to; what it really needs is some 100 MB, however many are due.
const runMemory = 320 << 20

// billed is what a run did.
type billed struct {
	Ledger  uuid.UUID `json:"ledgerUuid"`
	At      time.Time `json:"at"`
	Done    int64     `json:"done"` // subscriptions and drafts that something was due of, each time
	Seconds float64   `json:"seconds"`
}

// Run may be interrupted at any moment and begun again.
func (c *billingRun) Run(ctx context.Context, p *process) (err error) {
	var at time.Time
	if c.At != "" {
		if at, err = time.Parse(time.RFC3339Nano, c.At); err != nil {
			return &status{code: exitUsage, err: fmt.Errorf("--at: %q is not an instant such as 2026-05-01T00:00:00Z", c.At)}
		}
	}
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	ledger, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	now, _, err := s.store.Now(ctx, ledger, time.Now().UTC(), true)
	if err != nil {
		return err
	}
	switch {
	case c.At == "":
		at = now
	case at.After(now):
		return refused("A test ledger's clock is moved by POST /ledger/v1/clock/advance.", "%s has not come: it is %s in this ledger", c.At, now.Format(time.RFC3339))
	}
	debug.SetMemoryLimit(runMemory)
	bar, began := p.progress("billing"), time.Now()
	out := billed{Ledger: ledger, At: at.UTC()}
	err = s.project(ctx, s.store, func(applied *projections.Applied) error {
		// Where a server runs, its projector does the work and not this one's: how far it is is seen in the database.
		watching, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			_ = projections.NewWatcher(s.pool, applied, projections.Models(), nil, slog.New(slog.DiscardHandler)).Run(watching)
		}()
		cfg := reactions.Config{Store: s.store, Pool: s.pool, Applied: applied, Reads: projections.NewReads(s.pool, applied, s.store.Acknowledged)}
		out.Done, err = reactions.RunBilling(ctx, cfg, ledger, at, bar.at)
		return err
	})
	bar.end()
	if err != nil {
		return err
	}
	if out.Seconds = time.Since(began).Seconds(); c.json() {
		return p.writeJSON(out)
	}
	_, err = fmt.Fprintf(p.stdout, "%s done, up to %s\n", count(out.Done, "due item"), out.At.Format(time.RFC3339))
	return err
}
