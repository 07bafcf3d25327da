// Package explain works invoices out again, from the events that led to them, and says how: for every line, discount, tax
// and total the formula, what went into it, the rounding and the positions of the events behind it. It uses none of the
// code that bills: where both agree, two ways led to one amount.
//
// Vocabulary: explanation, step (one amount), moment (a subscription right before and right after one of its events), take
// (what a credit takes back of a line).
//
// Rules:
//
//	X1 A step agrees when all that the invoice records of it is what was worked out; a note says what is not, or what
//	   could not be looked at.
//	X2 What a line was made from is looked up by the position that it names: the quantity, the plan's version, the period
//	   and the zone of the subscription at that event; the price; the rates that the customer had.
//	X3 A credit is worked out from the line that it reverses as that was really debited, and from what was taken back of it
//	   before. Each of those is a line of an invoice that has an explanation of its own.
//	X4 Usage is counted again up to the position at which it was billed, where the source can count.
package explain

import (
	"iter"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/period"
)

// Past is an event of a stream: where in the ledger it is, and from when it counts.
type Past struct {
	Position int64
	At       time.Time
	Event    domain.Event
}

// Source is a ledger to read from.
type Source struct {
	// Stream is all events of a stream, in order; none of an unknown one.
	Stream func(id uuid.UUID) iter.Seq2[Past, error]
	// Count counts a subscription's usage of a meter in a period up to a position; average tells that it is one over
	// the period. No quantity: it can't tell by now. Nil: usage is not counted again.
	Count func(subscription uuid.UUID, meter string, in period.Period, position int64) (quantity *big.Rat, average bool, err error)
}

// Explanation is how an invoice came about. Amounts are minor units of its currency.
type Explanation struct {
	InvoiceID uuid.UUID
	Number    string // none: it is a draft, or was discarded as one
	Status    string
	Reason    string
	Currency  string
	Agrees    bool // all of it
	Lines     []Line
	Coupons   []Step // those that discount it
	Rates     []Step // each tax rate's sum over the lines that have it
	Totals    []Step
}

// Line is how a line came about.
type Line struct {
	LineID      uuid.UUID
	Kind        string
	Description string
	PlanID      uuid.UUID
	PlanVersion int    // whose prices hold
	PriceKey    string // of that version
	PricedAt    int64  // position of the event that made the version; 0: it was not found
	Amount      Step
	Discounts   []Step
	Taxes       []Step
}

// Step is one amount and how it is worked out.
type Step struct {
	Name     string
	Formula  string
	Inputs   []Input
	Exact    string // before it is rounded: a decimal, or where it is none a fraction
	Rounding string
	Result   int64
	Recorded int64
	Events   []int64
	Agrees   bool
	Notes    []string // what differs, or what was not checked
}

// Input is an exact value that goes into a step.
type Input struct{ Name, Value string }

// Invoice explains an invoice. What its events do not bear out is part of the explanation; an error means that the source
// could not be read.
func Invoice(src Source, of *invoice.State) (Explanation, error) {
	src.Stream = remembered(src.Stream)
	x := explainer{src: src, of: of, lives: map[uuid.UUID]*life{}, plans: map[uuid.UUID]*priced{}, left: map[uuid.UUID]*big.Rat{}}
	out := Explanation{InvoiceID: of.ID, Number: of.Number, Status: of.Status, Reason: of.Reason, Currency: of.Currency}
	if err := x.positions(); err != nil {
		return out, err
	}
	for i := range of.Lines {
		l := &of.Lines[i]
		line := Line{LineID: l.ID, Kind: l.Kind, Description: l.Description, PlanID: l.PlanID, PlanVersion: l.PlanVersion, PriceKey: l.PriceKey}
		plan, err := x.plan(l.PlanID)
		if err != nil {
			return out, err
		}
		line.PricedAt = plan.since[l.PlanVersion]
		if line.Amount, err = x.amount(l); err != nil {
			return out, err
		}
		out.Lines = append(out.Lines, line)
	}
	if err := x.discounts(&out); err != nil {
		return out, err
	}
	if err := x.taxes(&out); err != nil {
		return out, err
	}
	if err := x.totals(&out); err != nil {
		return out, err
	}
	out.Agrees = len(out.Faults()) == 0
	return out, nil
}

// Steps are all steps, each with the line that it is of, 0 for the first; -1: the invoice's own.
func (e *Explanation) Steps() iter.Seq2[int, *Step] {
	return func(yield func(int, *Step) bool) {
		for i := range e.Lines {
			l := &e.Lines[i]
			if !yield(i, &l.Amount) || !each(i, l.Discounts, yield) || !each(i, l.Taxes, yield) {
				return
			}
		}
		_ = each(-1, e.Coupons, yield) && each(-1, e.Rates, yield) && each(-1, e.Totals, yield)
	}
}

func each(line int, steps []Step, yield func(int, *Step) bool) bool {
	for i := range steps {
		if !yield(line, &steps[i]) {
			return false
		}
	}
	return true
}

// Fault is a step that does not agree, and the line that it is of; -1: the invoice's own.
type Fault struct {
	Line int
	Step *Step
}

// Faults are the steps that do not agree.
func (e *Explanation) Faults() (all []Fault) {
	for i, s := range e.Steps() {
		if !s.Agrees {
			all = append(all, Fault{i, s})
		}
	}
	return all
}

// explainer explains one invoice.
type explainer struct {
	src     Source
	of      *invoice.State
	drafted int64 // position of its draft
	lined   int64 // of the event that gave it its lines
	issued  int64 // of its number; 0: none yet
	applied int64 // what the balance paid as it was issued

	appliedLater int64 // and what it paid since
	lives        map[uuid.UUID]*life
	plans        map[uuid.UUID]*priced
	left         map[uuid.UUID]*big.Rat // the share of its line that a credit takes back where a credit note had taken the rest
}

// remembered reads each stream once.
func remembered(stream func(uuid.UUID) iter.Seq2[Past, error]) func(uuid.UUID) iter.Seq2[Past, error] {
	known := map[uuid.UUID][]Past{}
	return func(id uuid.UUID) iter.Seq2[Past, error] {
		return func(yield func(Past, error) bool) {
			all, ok := known[id]
			if !ok {
				for e, err := range stream(id) {
					if err != nil {
						yield(Past{}, err)
						return
					}
					all = append(all, e)
				}
				known[id] = all
			}
			for _, e := range all {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// positions finds the events of the invoice itself.
func (x *explainer) positions() error {
	for e, err := range x.src.Stream(x.of.ID) {
		if err != nil {
			return err
		}
		switch d := e.Event.(type) {
		case invoice.Drafted:
			x.drafted, x.lined = e.Position, e.Position
		case invoice.Redrafted:
			x.lined = e.Position
		case invoice.Finalized:
			x.issued, x.applied = e.Position, d.BalanceApplied
		case invoice.PaidFromBalance:
			x.appliedLater += d.Amount
		}
	}
	return nil
}
