package account

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/invoice"
)

// State is the fold of an account's stream.
type State struct {
	domain.Record
	Running  []Running // the oldest first
	Pending  []invoice.Line
	Parts    []invoice.Line
	Usage    []Usage               // of the period under way and of those that are not counted yet
	Counting map[uuid.UUID][]Usage // by the draft that waits for it; none of a draft that waits for late usage alone
	Billed   []Metered             // usage, in order
	Counted  map[uuid.UUID]Counted // by coupon
	Since    time.Time             // from when the part under way runs, if later than its period
	Failed   []uuid.UUID           // invoices that the payment method did not pay
	Position int64                 // up to which usage was counted for a bill
	Closing  *Closing              // it ended, and usage from before that is taken; nil: it goes on, or there is none
	Closed   bool
	Lines    int // made so far
	Invoices int // made so far
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	switch e := e.(type) {
	case Accrued:
		s.accrue(e)
	case Invoiced:
		s.invoiced(e)
	case Extended:
		for i := range s.Running {
			r := &s.Running[i]
			r.End, r.Moved = r.End.Add(time.Duration(e.By)*time.Microsecond), r.Moved+e.By
		}
	case Rezoned:
		s.rezone(e)
	case UsageBilled:
		delete(s.Counting, e.InvoiceID)
		s.Position = e.Position
		for _, m := range e.Usage {
			if i := s.billed(m.Usage); i >= 0 {
				s.Billed[i] = m
			} else {
				s.Billed = append(s.Billed, m)
			}
		}
	case Closing:
		s.Closing = &e
	case Closed:
		s.Closing, s.Closed = nil, true
	case ChargeFailed:
		if !slices.Contains(s.Failed, e.InvoiceID) { // it may fail again
			s.Failed = append(s.Failed, e.InvoiceID)
		}
	case Settled:
		s.Failed = slices.DeleteFunc(s.Failed, func(id uuid.UUID) bool { return id == e.InvoiceID })
	}
}

func (s *State) accrue(e Accrued) {
	over := false
	for _, c := range e.Credited {
		i := s.running(c.LineID)
		if i < 0 {
			continue
		}
		r := &s.Running[i]
		r.Credited, r.Units = r.Credited+c.Amount, r.Units-c.Units
		if c.Returned != nil {
			r.Returned = slices.Clone(c.Returned)
		}
		if c.All {
			r.End, over = time.Time{}, true
		}
	}
	if over {
		s.Running = slices.DeleteFunc(s.Running, func(r Running) bool { return r.End.IsZero() })
	}
	s.Running = append(s.Running, e.Debits...)
	s.Pending, s.Parts, s.Usage = append(s.Pending, e.Pending...), append(s.Parts, e.Parts...), append(s.Usage, e.Usage...)
	s.Lines += len(e.Pending) + len(e.Parts)
	if e.Since != nil {
		s.Since = *e.Since
	}
}

func (s *State) rezone(e Rezoned) {
	for i := range s.Running {
		if r := &s.Running[i]; r.End.Equal(e.Was) {
			r.End = e.End
		}
	}
	for id, c := range s.Counted {
		if c.Until != nil && c.Until.Equal(e.Was) {
			c.Until = &e.End
			s.Counted[id] = c
		}
	}
}

func (s *State) invoiced(e Invoiced) {
	s.Invoices, s.Lines = s.Invoices+1, s.Lines+e.Made
	s.Pending = nil
	if e.Ended {
		s.Parts = nil
		if e.Counting {
			if s.Counting == nil {
				s.Counting = map[uuid.UUID][]Usage{}
			}
			s.Counting[e.InvoiceID] = s.Usage
		}
		s.Usage = nil
	}
	// What was pending is on the invoice now, with its discounts; what is over runs no more.
	s.Running = slices.DeleteFunc(s.Running, func(r Running) bool {
		return r.InvoiceID == uuid.Nil || e.Period != nil && !r.End.After(e.Period.Start)
	})
	s.Running = append(s.Running, e.Lines...)
	for _, c := range e.Coupons {
		if s.Counted == nil {
			s.Counted = map[uuid.UUID]Counted{}
		}
		s.Counted[c.CouponID] = c
	}
}

// running is the place of a running line, -1 for another.
func (s *State) running(line uuid.UUID) int {
	for i := len(s.Running) - 1; i >= 0; i-- { // the latest are credited first
		if s.Running[i].LineID == line {
			return i
		}
	}
	return -1
}

// billed is the place of what was billed of a price for a part, -1 when nothing was.
func (s *State) billed(u Usage) int {
	return slices.IndexFunc(s.Billed, func(m Metered) bool {
		return m.PlanID == u.PlanID && m.PlanVersion == u.PlanVersion && m.PriceKey == u.PriceKey && m.Period.Start.Equal(u.Period.Start)
	})
}

// pending is a line that waits for an invoice; nil for another.
func (s *State) pending(line uuid.UUID) *invoice.Line {
	if i := slices.IndexFunc(s.Pending, func(l invoice.Line) bool { return l.ID == line }); i >= 0 {
		return &s.Pending[i]
	}
	return nil
}
