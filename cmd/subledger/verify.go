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
	"golang.org/x/mod/sumdb/note"

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

// verification is the answer for scripts.
type verification struct {
	eventstore.Report
	Checkpoint *savedCheckpoint `json:"checkpoint,omitzero"` // with --save, when all is right
}

type savedCheckpoint struct {
	File     string `json:"file"`
	Verifier string `json:"verifier"` // its public key, for --verifier
	signed   []byte
}

// Run needs no master key for the chain, which is over what is stored; checkpoints are signed by a key
// that follows from it.
func (c *verifyCommand) Run(ctx context.Context, p *process) (err error) {
	files, err := c.files()
	if err != nil {
		return err
	}
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
	if err := known(ctx, owner, c.Ledger); err != nil {
		return err
	}
	taken, err := c.checkpoint(ctx, in, owner)
	if err != nil {
		return err
	}
	earlier, err := c.earlier(ctx, in, owner, files)
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
	out := verification{Report: report}
	if len(report.Findings) == 0 && taken != nil {
		if err := taken.save(p); err != nil {
			return err
		}
		out.Checkpoint = taken
	}
	if c.json() {
		err = p.writeJSON(out)
	} else {
		c.tell(p, report, earlier)
	}
	if err != nil || len(report.Findings) == 0 {
		return err
	}
	first := report.Findings[0]
	return &status{code: exitBad, err: fmt.Errorf("history was changed: ledger %s is wrong from position %d on", first.Ledger, first.Position),
		next: "Restore from a backup made before; docs/event-log.md says how to check a copy by hand."}
}

func (c *verifyCommand) tell(p *process, report eventstore.Report, earlier []eventstore.Checkpoint) {
	fmt.Fprintf(p.stdout, "%s, %s checked\n", count(report.Ledgers, "ledger"), count(report.Events, "event"))
	for _, f := range report.Findings {
		fmt.Fprintln(p.stdout, printable(f.String()))
	}
	if len(report.Findings) > 0 {
		return
	}
	fmt.Fprintln(p.stdout, "every hash, head, position and version is right")
	for _, e := range earlier {
		fmt.Fprintf(p.stdout, "history continues the checkpoint of %s\n", e.At.Format(time.RFC3339))
	}
}

// files looks at what the command line names, before the log is read: that may take long.
func (c *verifyCommand) files() (signed [][]byte, err error) {
	if c.Save != "" {
		if _, err := os.Lstat(c.Save); err == nil {
			return nil, fileExists(c.Save)
		}
	}
	if c.Verifier != "" {
		if _, err := note.NewVerifier(c.Verifier); err != nil {
			return nil, &status{code: exitUsage, err: fmt.Errorf("--verifier: %w", err), next: "It is the public key that verify --save told: subledger-checkpoint+…"}
		}
	}
	for _, file := range c.Against {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, &status{code: exitUsage, err: fmt.Errorf("--against: %w", err), next: "Name a file that verify --save wrote."}
		}
		signed = append(signed, text)
	}
	return signed, nil
}

// fileExists refuses to overwrite.
func fileExists(file string) error {
	return refused("Give another name: an older checkpoint proves more than a newer one.", "%s exists", file)
}

// checkpoint takes the ends of all ledgers before the chain is checked, so that what is signed was checked.
func (c *verifyCommand) checkpoint(ctx context.Context, in *installation, owner *pgxpool.Pool) (*savedCheckpoint, error) {
	if c.Save == "" {
		return nil, nil
	}
	key, err := in.masterKey(ctx, owner, false)
	if err != nil {
		return nil, err
	}
	signer, verifier, err := key.CheckpointSigner()
	if err != nil {
		return nil, err
	}
	taken, err := eventstore.TakeCheckpoint(ctx, owner, time.Now())
	if err != nil {
		return nil, err
	}
	signed, err := taken.Sign(signer)
	if err != nil {
		return nil, err
	}
	return &savedCheckpoint{c.Save, verifier, signed}, nil
}

func (s *savedCheckpoint) save(p *process) error {
	f, err := os.OpenFile(s.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) { // since files looked
		return fileExists(s.File)
	}
	if err != nil {
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	_, err = f.Write(s.signed)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("save the checkpoint: %w", err)
	}
	p.say("A signed checkpoint is in %s. Keep it where nobody who can write to the database can change it.", s.File)
	p.say("Its public key, for --verifier: %s", s.Verifier)
	return nil
}

// earlier opens the checkpoints of --against.
func (c *verifyCommand) earlier(ctx context.Context, in *installation, owner *pgxpool.Pool, files [][]byte) ([]eventstore.Checkpoint, error) {
	if len(files) == 0 {
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
	for i, signed := range files {
		one, err := eventstore.OpenCheckpoint(signed, verifier)
		if err != nil {
			return nil, refused("It is of another installation, or was changed since it was signed.", "%s is not to be trusted: %v", c.Against[i], err)
		}
		all = append(all, one)
	}
	return all, nil
}
