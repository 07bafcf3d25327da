package usage

import (
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// State is the fold of a licence's usage on one meter. A stream may have millions of records: the newest tells it all.
type State struct {
	Total decimal.Decimal // sum of all quantities
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	if e, ok := e.(Recorded); ok {
		s.Total = e.Total
	}
}

// View is what a licence has used on a meter.
type View struct {
	UnitCount decimal.Decimal `json:"unit_count"`
}

// View shows the count.
func (s *State) View() View { return View{UnitCount: s.Total} }
