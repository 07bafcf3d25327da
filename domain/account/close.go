package account

import (
	"math/big"
	"slices"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
)

// Close bills, when the time is over in which usage from before an end is taken, what the parts that were billed come to by
// then beyond that, on a last invoice; less is credited (rule B8). Nothing before it is over, but to show how it stands.
func (k *Book) Close(plans map[uuid.UUID]*catalog.Plan, b Bought, counts []Count, position int64, show bool) error {
	s, err := k.state()
	if err != nil || s.Closing == nil {
		return err
	}
	closing, now := *s.Closing, k.l.Now()
	if !show && !now.After(closing.Until) {
		return nil
	}
	if until := closing.EndedAt.Add(k.policy.LateUsage()); !show && !now.After(until) { // it is taken for longer by now
		closing.Until = until
		k.l.Append(k.stream, closing)
		return nil
	}
	e, err := k.begin(b, closing.Until, position)
	if err != nil {
		return err
	}
	last := &invoice.State{Record: domain.Record{ID: nextID(k.stream, "invoice", e.at, s.Invoices+1), CreatedAt: e.at}, Drafted: invoice.Drafted{Reason: invoice.ForCancel}}
	u := usageLines{entry: e, draft: last, billed: UsageBilled{Position: position}}
	if err := u.count(b, plans, counts); err != nil {
		return err
	}
	if len(u.lines) > 0 {
		u.billed.InvoiceID = last.ID
	}
	e.lines = u.lines
	if err := e.invoice(invoice.ForCancel, false); err != nil {
		return err
	}
	if len(u.billed.Usage) > 0 {
		k.l.AppendAt(k.stream, e.at, u.billed)
	}
	if err := u.giveBack(); err != nil {
		return err
	}
	k.l.AppendAt(k.stream, e.at, Closed{SubscriptionID: b.ID})
	return nil
}

// Forgo notes that a draft is discarded: the parts that it waits for are billed nothing, but for usage that comes later. It
// refuses where something was used by now.
func (k *Book) Forgo(draft *invoice.State, plans map[uuid.UUID]*catalog.Plan, b Bought, counts []Count) error {
	s, err := k.state()
	if err != nil {
		return err
	}
	waiting, waits := s.Counting[draft.ID]
	if !waits {
		return nil
	}
	own := slices.DeleteFunc(slices.Clone(counts), func(c Count) bool { return !slices.Contains(waiting, c.Usage) })
	for _, c := range own {
		if used, ok := new(big.Rat).SetString(c.Quantity); ok && used.Sign() > 0 {
			return &domain.Error{Kind: domain.Conflict, Code: "usage_waits", State: invoice.Draft,
				Detail: "usage of " + c.Meter + " in a period that is over waits on the draft and would not be billed: finalize it, and credit what is not to be paid"}
		}
	}
	e, err := k.begin(b, k.l.Now(), s.Position)
	if err != nil {
		return err
	}
	// The position stays: usage of other parts that came late is billed with the next invoice.
	u := usageLines{entry: e, draft: draft, billed: UsageBilled{InvoiceID: draft.ID, Position: s.Position}}
	if err := u.count(b, plans, own); err != nil {
		return err
	}
	for i := range u.billed.Usage {
		u.billed.Usage[i].Lines = nil
	}
	k.l.Append(k.stream, u.billed)
	return nil
}
