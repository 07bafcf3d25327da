package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/eventstore"
)

type verifyCommand struct {
	Database
	Output
	Ledger   []uuid.UUID `placeholder:"ID" help:"Only these ledgers. Default: all."`
	Save     string      `placeholder:"FILE" help:"When all is right, write a signed checkpoint of every ledger's end to a new file. Keep it elsewhere."`
	Against  []string    `placeholder:"FILE" help:"Also hold history against these checkpoints: it must be a continuation of each."`
	Verifier string      `placeholder:"KEY" help:"Public key of the checkpoints. Default: that of the installation's master key."`
}

func (c *verifyCommand) Validate() error {
	if c.Save != "" && len(c.Ledger) > 0 {
		return errors.New("--save is for all ledgers: leave out --ledger")
	}
	return c.validate()
}

// Run needs no master key for the chain, which is over what is stored; checkpoints are signed by a key
// that follows from it.
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
	taken, err := c.checkpoint(ctx, in, owner)
	if err != nil {
		return err
	}
	earlier, err := c.earlier(ctx, in, owner)
	if err != nil {
		return err
	}
	bar := p.progress("verify")
	report, err := eventstore.Verify(ctx, owner, c.Ledger, bar.at)
	bar.end()
	if err != nil {
		return err
	}
	for _, e := range earlier {
		found, err := e.Against(ctx, owner)
		if err != nil {
			return err
		}
		report.Findings = append(report.Findings, found...)
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
		if err := c.save(p, taken); err != nil {
			return err
		}
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

// checkpoint takes the ends of all ledgers before the chain is checked, so that what is signed was checked.
func (c *verifyCommand) checkpoint(ctx context.Context, in *installation, owner *pgxpool.Pool) (signed []byte, err error) {
	if c.Save == "" {
		return nil, nil
	}
	key, err := in.masterKey(ctx, owner, false)
	if err != nil {
		return nil, err
	}
	signer, _, err := key.CheckpointSigner()
	if err != nil {
		return nil, err
	}
	taken, err := eventstore.TakeCheckpoint(ctx, owner, time.Now())
	if err != nil {
		return nil, err
	}
	return taken.Sign(signer)
}

// save never overwrites: an older checkpoint proves more.
func (c *verifyCommand) save(p *process, signed []byte) error {
	if c.Save == "" {
		return nil
	}
	f, err := os.OpenFile(c.Save, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return refused("Give another name: an older checkpoint proves more than a newer one.", "%s exists", c.Save)
	}
	if err != nil {
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	_, err = f.Write(signed)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	p.say("A signed checkpoint is in %s. Keep it where nobody who can write to the database can change it.", c.Save)
	return nil
}

func (c *verifyCommand) earlier(ctx context.Context, in *installation, owner *pgxpool.Pool) ([]eventstore.Checkpoint, error) {
	if len(c.Against) == 0 {
		return nil, nil
	}
	verifier := c.Verifier
	if verifier == "" {
		key, err := in.masterKey(ctx, owner, false)
		if err != nil {
			return nil, err
		}
		if _, verifier, err = key.CheckpointSigner(); err != nil {
			return nil, err
		}
	}
	var all []eventstore.Checkpoint
	for _, file := range c.Against {
		signed, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the checkpoint: %w", err)
		}
		one, err := eventstore.OpenCheckpoint(signed, verifier)
		if err != nil {
			return nil, refused("It is of another installation, or was changed since it was signed.", "%s is not to be trusted: %v", file, err)
		}
		all = append(all, one)
	}
	return all, nil
}
