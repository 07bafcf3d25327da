package task

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/subledger/subledger/domain"
)

// BillingRun is the type of a task that does what is due in a ledger, and BillingProvider who works it.
const (
	BillingRun      = "Run billing"
	BillingProvider = "billing"
)

// BillingParams are the params of such a task.
type BillingParams struct {
	At time.Time `json:"at"`
}

// RunBilling asks for all that is due in the ledger by an instant, now by default, to be done: renewals, ends, drafts to
// issue. The scheduler does the same by itself; the task tells when it is done. UTC, cut to microseconds. It answers View.
//
// Invalid: bad_time, an instant that has not come.
type RunBilling struct{ At *time.Time }

// Decide implements domain.Command.
func (c RunBilling) Decide(l domain.Ledger) (any, error) {
	at := l.Now()
	if c.At != nil {
		if at = c.At.UTC().Truncate(time.Microsecond); at.After(l.Now()) || at.Year() < 1970 {
			return nil, domain.RefuseField("/at", "bad_time", "billing runs up to an instant that has come; it is %s", l.Now().Format(time.RFC3339Nano))
		}
	}
	params, err := json.Marshal(BillingParams{at})
	if err != nil {
		return nil, fmt.Errorf("encode the params: %w", err)
	}
	id := l.NewID()
	l.Append(id, Requested{Type: BillingRun, Subject: l.ID(), Provider: BillingProvider, Params: params})
	return view(l, id)
}
