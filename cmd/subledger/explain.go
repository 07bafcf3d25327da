package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/handlers"
	"github.com/subledger/subledger/internal/metering"
	"github.com/subledger/subledger/internal/originals"
	"github.com/subledger/subledger/projections"
)

type invoiceExplain struct {
	Database
	Output
	Ledger  `embed:""`
	Invoice uuid.UUID `arg:"" help:"Its uuid."`
}

func (c *invoiceExplain) Validate() error { return errors.Join(c.contradiction(), c.validate()) }

// Run answers like GET /ledger/v1/invoices/{uuid}/explain.
func (c *invoiceExplain) Run(ctx context.Context, p *process) error {
	return c.explainer(ctx, c.Database, func(s *session, ledger uuid.UUID, counter metering.Counter) error {
		got, _, err := c.explain(ctx, counter, ledger, c.Invoice)
		if err != nil {
			return err
		}
		if c.json() {
			return p.writeJSON(handlers.ExplanationOut(got))
		}
		p.writeExplanation(got)
		return nil
	})
}

// explainer opens what explaining a ledger's invoices needs: its log, and the read models that tell which licences have
// usage.
func (c Ledger) explainer(ctx context.Context, d Database, do func(*session, uuid.UUID, metering.Counter) error) error {
	return c.reading(ctx, d, func(s *session, ledger uuid.UUID, reader *pgxpool.Pool) error {
		return do(s, ledger, metering.Counter{Store: s.store, Reads: projections.NewReads(reader, nil, nil)})
	})
}

// explain explains one invoice.
func (c Ledger) explain(ctx context.Context, counter metering.Counter, ledger, id uuid.UUID) (explain.Explanation, *invoice.State, error) {
	state, _, err := counter.Store.Fold(ctx, ledger, id)
	if err != nil {
		return explain.Explanation{}, nil, err
	}
	of, ok := state.(*invoice.State)
	if !ok {
		name, other := c.name()
		return explain.Explanation{}, nil, refused(other, "%s has no invoice %s", name, id)
	}
	got, err := explain.Invoice(counter.Source(ctx, ledger), of)
	return got, of, err
}

// writeExplanation shows an explanation to people: a row a step, then what does not agree.
func (p *process) writeExplanation(e explain.Explanation) {
	number := or(e.Number, "without a number")
	fmt.Fprintf(p.stdout, "%s  %s  %s  %s\n\n", e.InvoiceID, number, e.Status, e.Currency)
	for i := range e.Lines {
		l := &e.Lines[i]
		fmt.Fprintf(p.stdout, "%s\n", printable(fmt.Sprintf("%d. %s (%s): price %s of version %d, made at %d", i+1, l.Description, l.Kind, l.PriceKey, l.PlanVersion, l.PricedAt)))
		p.writeSteps(slices.Concat([]explain.Step{l.Amount}, l.Discounts, l.Taxes))
	}
	for _, part := range []struct {
		name  string
		steps []explain.Step
	}{{"Coupons", e.Coupons}, {"Tax rates", e.Rates}, {"Totals", e.Totals}} {
		if len(part.steps) > 0 {
			fmt.Fprintln(p.stdout, part.name)
			p.writeSteps(part.steps)
		}
	}
	if e.Agrees {
		fmt.Fprintln(p.stdout, "every amount is what its events come to")
	}
}

// writeSteps shows steps, a record each.
func (p *process) writeSteps(steps []explain.Step) {
	for i := range steps {
		s := &steps[i]
		verdict := "agrees"
		if !s.Agrees {
			verdict = fmt.Sprintf("is recorded as %d", s.Recorded)
		}
		rows := [][]string{{"  " + s.Name, fmt.Sprintf("%d  %s", s.Result, verdict)}, {"    formula", s.Formula}}
		for _, in := range s.Inputs {
			rows = append(rows, []string{"    " + in.Name, in.Value})
		}
		rows = append(rows, []string{"    exact", s.Exact})
		if s.Rounding != "" {
			rows = append(rows, []string{"    rounding", s.Rounding})
		}
		if len(s.Events) > 0 {
			rows = append(rows, []string{"    events", strings.Trim(fmt.Sprint(s.Events), "[]")})
		}
		for _, note := range s.Notes {
			rows = append(rows, []string{"    note", note})
		}
		p.writeTable(nil, rows)
	}
	fmt.Fprintln(p.stdout)
}

type invoiceVerify struct {
	Database
	Output
	Ledger  `embed:""`
	Invoice *uuid.UUID `arg:"" optional:"" help:"Its uuid."`
	All     bool       `help:"All invoices of the ledger."`
}

func (c *invoiceVerify) Help() string {
	return "Every amount is worked out from the events alone, by other code than that which billed it, and the original PDF file, if there is one, is held against\n" +
		"its hash in the log. What differs is listed, and makes the exit status 5.\n" +
		"Drafts and void invoices are verified too. subledger verify looks whether the events themselves were changed."
}

func (c *invoiceVerify) Validate() error {
	if c.All == (c.Invoice != nil) {
		return errors.Join(errors.New("want either the uuid of an invoice or --all"), c.contradiction(), c.validate())
	}
	return errors.Join(c.contradiction(), c.validate())
}

// verified is what verifying came to.
type verified struct {
	Ledger   uuid.UUID    `json:"ledgerUuid"`
	Invoices int64        `json:"invoices"`
	Lines    int64        `json:"lines"`
	Agree    int64        `json:"agree"`     // invoices
	Uncount  int64        `json:"uncounted"` // lines of usage that could not be counted again
	Original int64        `json:"originals"` // PDF files that are what the log says
	Erased   int64        `json:"erased"`    // PDF files that went with their customers
	Seconds  float64      `json:"seconds"`
	Faults   []wrongSteps `json:"faults"`
}

// wrongSteps are the steps of an invoice that do not agree, and what is wrong with its original.
type wrongSteps struct {
	position int64       // of its draft
	Invoice  uuid.UUID   `json:"invoiceUuid"`
	Number   string      `json:"number,omitzero"`
	Steps    []wrongStep `json:"steps"`
	Original string      `json:"original,omitzero"`
}

type wrongStep struct {
	Line     *uuid.UUID `json:"lineUuid"` // nil: the invoice's own
	Name     string     `json:"name"`
	Result   int64      `json:"result"`
	Recorded int64      `json:"recorded"`
	Notes    []string   `json:"notes"`
}

// Run reads the log from its beginning for --all: an invoice that no list knows any more is found too.
func (c *invoiceVerify) Run(ctx context.Context, p *process) error {
	return c.explainer(ctx, c.Database, func(s *session, ledger uuid.UUID, counter metering.Counter) error {
		out := verified{Ledger: ledger, Faults: []wrongSteps{}}
		began := time.Now()
		if c.Invoice != nil {
			got, original, err := c.check(ctx, counter, ledger, *c.Invoice)
			if err != nil {
				return err
			}
			out.take(got, original, 0)
		} else if err := c.every(ctx, p, counter, ledger, &out); err != nil {
			return err
		}
		out.Seconds = time.Since(began).Seconds()
		return c.tell(p, out)
	})
}

// every verifies all invoices of a ledger, several at once.
func (c *invoiceVerify) every(ctx context.Context, p *process, counter metering.Counter, ledger uuid.UUID, out *verified) error {
	head, _, err := counter.Store.Head(ctx, ledger)
	if err != nil {
		return err
	}
	bar := p.progress("verify")
	defer bar.end()
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU() + 1)
	const page = 1000
	for after := int64(0); after < head; {
		events, err := counter.Store.Facts(ctx, ledger, after, page)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			after = e.Position
			if _, ok := e.Event.(invoice.Drafted); !ok {
				continue
			}
			g.Go(func() error { return c.one(ctx, counter, ledger, e, &mu, out) })
		}
		bar.at(min(after, head), head)
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(out.Faults, func(a, b wrongSteps) int { return int(a.position - b.position) })
	return nil
}

func (c *invoiceVerify) one(ctx context.Context, counter metering.Counter, ledger uuid.UUID, drafted *eventstore.Recorded, mu *sync.Mutex, out *verified) error {
	got, original, err := c.check(ctx, counter, ledger, drafted.Stream)
	if err != nil {
		return fmt.Errorf("verify invoice %s: %w", drafted.Stream, err)
	}
	mu.Lock()
	defer mu.Unlock()
	out.take(got, original, drafted.Position)
	return nil
}

// original is what became of an invoice's PDF file.
type original struct {
	there bool
	wrong error // nil: it is what the log says
}

// check explains an invoice and looks at its original.
func (c *invoiceVerify) check(ctx context.Context, counter metering.Counter, ledger, id uuid.UUID) (explain.Explanation, original, error) {
	got, of, err := c.explain(ctx, counter, ledger, id)
	if err != nil {
		return got, original{}, err
	}
	found := original{there: of.Document != nil, wrong: originals.Shelf{Store: counter.Store}.Verify(ctx, ledger, of)}
	if w := found.wrong; w != nil && !errors.Is(w, eventstore.ErrNoDocument) && !errors.Is(w, eventstore.ErrDocumentErased) && !errors.Is(w, eventstore.ErrDocumentDamaged) {
		return got, original{}, w
	}
	return got, found, nil
}

// take counts an explanation.
func (v *verified) take(e explain.Explanation, o original, position int64) {
	v.Invoices, v.Lines = v.Invoices+1, v.Lines+int64(len(e.Lines))
	for i := range e.Lines {
		if slices.Contains(e.Lines[i].Amount.Notes, explain.NotCounted) {
			v.Uncount++
		}
	}
	wrong := wrongSteps{position: position, Invoice: e.InvoiceID, Number: e.Number, Steps: []wrongStep{}}
	switch {
	case !o.there:
	case o.wrong == nil:
		v.Original++
	case errors.Is(o.wrong, eventstore.ErrDocumentErased):
		v.Erased++
	default:
		wrong.Original = o.wrong.Error()
	}
	if e.Agrees {
		v.Agree++
	}
	if e.Agrees && wrong.Original == "" {
		return
	}
	for _, f := range e.Faults() {
		step := wrongStep{Name: f.Step.Name, Result: f.Step.Result, Recorded: f.Step.Recorded, Notes: f.Step.Notes}
		if f.Line >= 0 {
			step.Line = &e.Lines[f.Line].LineID
		}
		wrong.Steps = append(wrong.Steps, step)
	}
	v.Faults = append(v.Faults, wrong)
}

func (c *invoiceVerify) tell(p *process, out verified) error {
	if c.json() {
		if err := p.writeJSON(out); err != nil {
			return err
		}
	} else {
		for _, f := range out.Faults {
			if f.Original != "" {
				fmt.Fprintf(p.stdout, "%s %s, the PDF file: %s\n", f.Invoice, f.Number, f.Original)
			}
			for _, s := range f.Steps {
				of := "the invoice"
				if s.Line != nil {
					of = "line " + s.Line.String()
				}
				fmt.Fprintln(p.stdout, printable(fmt.Sprintf("%s %s, %s, %s: %s", f.Invoice, or(f.Number, "without a number"), of, s.Name, strings.Join(s.Notes, "; "))))
			}
		}
		fmt.Fprintf(p.stdout, "%s with %s verified, %d agree\n", count(out.Invoices, "invoice"), count(out.Lines, "line"), out.Agree)
		if out.Original > 0 {
			fmt.Fprintf(p.stdout, "%s as the log has the hash of\n", count(out.Original, "PDF file"))
		}
		if out.Erased > 0 {
			fmt.Fprintf(p.stdout, "%s went with customers who were erased\n", count(out.Erased, "PDF file"))
		}
		if out.Uncount > 0 {
			fmt.Fprintf(p.stdout, "of %s the usage could not be counted again: the read models are not there yet\n", count(out.Uncount, "line"))
		}
	}
	if len(out.Faults) == 0 {
		return nil
	}
	first := out.Faults[0].Invoice
	return &status{code: exitBad, err: fmt.Errorf("%s wrong: not what the events come to", count(int64(len(out.Faults)), "invoice")),
		next: "See: subledger invoice explain " + first.String() + "\nWhether history was changed: subledger verify"}
}
