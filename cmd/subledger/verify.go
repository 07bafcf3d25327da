package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/subledger/subledger/eventstore"
)

type verifyCommand struct {
	Database
	Output
	Ledger []uuid.UUID `placeholder:"ID" help:"Only these ledgers. Default: all."`
}

func (c *verifyCommand) Validate() error { return c.validate() }

// Run needs no master key: the chain is over what is stored.
func (c *verifyCommand) Run(ctx context.Context, p *process) (err error) {
	in, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(ctx)) }()
	owner, err := in.pool(ctx, in.owner)
	if err != nil {
		return err
	}
	defer owner.Close()
	if err := in.check(ctx, owner); err != nil {
		return err
	}
	bar := p.progress("verify")
	report, err := eventstore.Verify(ctx, owner, c.Ledger, bar.at)
	bar.end()
	if err != nil {
		return err
	}
	if want := len(c.Ledger); want > 0 && report.Ledgers < int64(want) {
		return refused("See: subledger keys list -o json", "%d of the %d ledgers do not exist", int64(want)-report.Ledgers, want)
	}
	if c.json() {
		if err := p.writeJSON(report); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.stdout, "%d ledgers, %d events checked\n", report.Ledgers, report.Events)
	}
	if len(report.Findings) == 0 {
		if !c.json() {
			fmt.Fprintln(p.stdout, "every hash, head, position and version is right")
		}
		return nil
	}
	if !c.json() {
		for _, f := range report.Findings {
			fmt.Fprintln(p.stdout, printable(f.String()))
		}
	}
	first := report.Findings[0]
	return &status{code: exitBad, err: fmt.Errorf("history was changed: ledger %s is wrong from position %d on", first.Ledger, first.Position),
		next: "Restore from a backup made before; docs/event-log.md says how to check a copy by hand."}
}
