package explain_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/explain"
	"github.com/subledger/subledger/domain/invoice"
)

// However a subscription lives, each of its invoices is what its events come to, worked out another way; and whatever is
// changed of one by one is found.
func TestEveryInvoiceExplainsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		id := w.begin()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			w.step(id)
		}
		w.CheckFolds()
		src, all := w.source(), w.invoices()
		for _, id := range all {
			of := w.State(id).(*invoice.State)
			got, err := explain.Invoice(src, of)
			require.NoError(t, err)
			for _, f := range got.Faults() {
				t.Errorf("invoice %s: line %d: %s: %q\n%v", of.Number, f.Line+1, f.Step.Name, f.Step.Notes, f.Step.Inputs)
			}
			with := rapid.SampledFrom(tamperings(of)).Draw(t, "tampering")
			got, err = explain.Invoice(src, tampered(of, with))
			require.NoError(t, err)
			require.False(t, got.Agrees, "nobody noticed: %s", with.name)
		}
	})
}
