package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/internal/invoicepdf"
)

type invoiceCommands struct {
	PDF     invoicePDF     `cmd:"" name:"pdf" help:"Write an invoice as pages of A4, as it was issued."`
	Explain invoiceExplain `cmd:"" help:"Show how each amount of an invoice came about, worked out again from the log."`
	Verify  invoiceVerify  `cmd:"" help:"Work invoices out again from the log and compare every line, discount, tax and total."`
}

type invoicePDF struct {
	Database
	Ledger  `embed:""`
	Invoice uuid.UUID `arg:"" help:"Its uuid."`
	File    string    `placeholder:"FILE" help:"Where to. Default: its number and .pdf, here; - is the standard output."`
}

func (c *invoicePDF) Validate() error { return errors.Join(c.contradiction(), c.validate()) }

// Run reads the log alone: the read models may be behind, or not there.
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
	state, _, err := s.store.Fold(ctx, ledger, c.Invoice)
	if err != nil {
		return err
	}
	of, ok := state.(*invoice.State)
	if !ok {
		name, other := c.name()
		return refused(other, "%s has no invoice %s", name, c.Invoice)
	}
	d := invoicepdf.Document{Invoice: of.View(), Zone: time.UTC}
	if err := s.pool.QueryRow(ctx, `select name from organisations where $1 in (live_ledger_id, test_ledger_id)`, ledger).Scan(&d.Seller); err != nil {
		return fmt.Errorf("find whose ledger %s is: %w", ledger, err)
	}
	if of.CustomerID != nil {
		state, _, err := s.store.Fold(ctx, ledger, *of.CustomerID)
		if err != nil {
			return err
		}
		if payer, ok := state.(*customer.Customer); ok {
			if err := d.Bill(payer.Contact.Name.Text, payer.Contact.Address.Plain(), payer.Fields.TimeZone); err != nil {
				return err
			}
		}
	}
	file, err := invoicepdf.Render(d)
	if err != nil {
		return err
	}
	switch c.File {
	case "-":
		_, err := p.stdout.Write(file)
		return err
	case "":
		if c.File = of.Number + ".pdf"; of.Number == "" {
			c.File = "draft.pdf"
		}
	}
	if err := os.WriteFile(c.File, file, 0o600); err != nil {
		return err
	}
	p.say("%s written", c.File)
	return nil
}
