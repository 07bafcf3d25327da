package main

import (
	"context"
	"errors"
	"os"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/invoicepdf"
	"github.com/subledger/subledger/internal/originals"
)

type invoiceCommands struct {
	PDF     invoicePDF     `cmd:"" name:"pdf" help:"Write an invoice as pages of A4: its original, which is kept."`
	Explain invoiceExplain `cmd:"" help:"Show how each amount of an invoice came about, worked out again from the log."`
	Verify  invoiceVerify  `cmd:"" help:"Work invoices out again from the log and compare every line, discount, tax and total."`
}

type invoicePDF struct {
	Database
	Ledger  `embed:""`
	Invoice uuid.UUID `arg:"" help:"Its uuid."`
	Current bool      `help:"Render it anew by today's template, to whom the customer is now. Nothing is kept of it."`
	File    string    `placeholder:"FILE" help:"Where to. Default: its number and .pdf, here; - is the standard output."`
}

func (c *invoicePDF) Validate() error { return errors.Join(c.contradiction(), c.validate()) }

// Run needs no read model: they may be behind, or not there.
func (c *invoicePDF) Run(ctx context.Context, p *process) (err error) {
	s, err := c.session(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	ledger, err := c.find(ctx, s)
	if err != nil {
		return err
	}
	shelf := originals.Shelf{Store: s.store, Template: invoicepdf.Today}
	var file originals.File
	if c.Current {
		file, err = shelf.Current(ctx, ledger, c.Invoice)
	} else {
		file, err = shelf.Original(ctx, ledger, c.Invoice, eventstore.Meta{Actor: "originals"})
	}
	switch refusal, _ := domain.AsRefusal(err); {
	case err == nil:
	case refusal != nil && refusal.Kind == domain.NotFound:
		name, other := c.name()
		return refused(other, "%s has no invoice %s", name, c.Invoice)
	case refusal != nil && refusal.Kind == domain.Gone:
		return refused("To see it by today's template: --current", "%s: %s", refusal.Code, refusal.Detail)
	default:
		return err
	}
	switch c.File {
	case "-":
		_, err := p.stdout.Write(file.Bytes)
		return err
	case "":
		c.File = file.Name
	}
	if err := os.WriteFile(c.File, file.Bytes, 0o600); err != nil {
		return err
	}
	p.say("%s written", c.File)
	return nil
}
