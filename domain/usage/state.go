package usage

import (
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// State is the fold of a licence's usage on one meter.
type State struct {
	domain.Record
	Total  decimal.Decimal // sum of all quantities
	LastAt time.Time       // the latest instant of a record, UTC
}

// Apply implements domain.State.
func (s *State) Apply(e domain.Event) {
	if e, ok := e.(Recorded); ok {
		s.Total = e.Total
		if e.At.After(s.LastAt) {
			s.LastAt = e.At
		}
	}
}

// View is what a licence has used on a meter.
type View struct {
	UnitCount decimal.Decimal `json:"unit_count"`
}

// View shows the count.
func (s *State) View() View { return View{UnitCount: s.Total} }
