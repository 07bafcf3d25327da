package ledgertest

import (
	"fmt"
	"iter"
	"strings"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/invoice"
)

// Source is the ledger to explain invoices from. It counts no usage.
func (l *Ledger) Source() explain.Source {
	streams := map[uuid.UUID][]explain.Past{}
	for _, e := range l.log {
		streams[e.Stream] = append(streams[e.Stream], explain.Past{Position: e.Position, At: e.EffectiveAt, Event: e.Event})
	}
	return explain.Source{Stream: func(id uuid.UUID) iter.Seq2[explain.Past, error] {
		return func(yield func(explain.Past, error) bool) {
			for _, e := range streams[id] {
				if !yield(e, nil) {
					return
				}
			}
		}
	}}
}

// CheckInvoices explains every invoice that bills a subscription: what was worked out again is what is recorded.
func (l *Ledger) CheckInvoices() {
	l.t.Helper()
	src := l.Source()
	for _, e := range l.log {
		if d, ok := e.Event.(invoice.Drafted); !ok || d.SubscriptionID == nil {
			continue
		}
		s := l.State(e.Stream).(*invoice.State) //nolint:forcetypeassert // it was drafted
		got, err := explain.Invoice(src, s)
		if err != nil {
			l.t.Fatalf("ledgertest: explain %s: %v", e.Stream, err)
		}
		for _, f := range got.Faults() {
			of := "invoice"
			if f.Line >= 0 {
				of = fmt.Sprintf("line %d, %s %s", f.Line+1, s.Lines[f.Line].Kind, s.Lines[f.Line].Description)
			}
			l.t.Errorf("ledgertest: invoice %s %s, %s, %s: %s\n%s\n%v", s.Number, s.Reason, of, f.Step.Name, strings.Join(f.Step.Notes, "; "), f.Step.Formula, f.Step.Inputs)
		}
	}
}
