package subscription

import (
	"strconv"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// The events that most subscriptions have, in the fields' order of their structs.

func scanStarted(s *domain.Scanner) domain.Event {
	var e Started
	s.Is(`{"terms":`)
	e.Terms = scanTerms(s)
	s.Is(`,"status":`)
	e.Status = s.Word(Active, Trialing, Incomplete)
	if s.Has(`,"customer_id":`) {
		id := s.ID()
		e.CustomerID = &id
	}
	s.Is(`,"quantity":`)
	e.Quantity = s.Int()
	if s.Has(`,"currency":`) {
		e.Currency = s.Word("USD", "EUR")
	}
	s.Is(`,"start_at":`)
	e.StartAt = s.Time()
	s.Is(`,"anchor_at":`)
	e.AnchorAt = s.Time()
	s.Is(`,"time_zone":`)
	e.TimeZone = s.Word("UTC")
	if s.Has(`,"trial_end":`) {
		at := s.Time()
		e.TrialEnd = &at
	}
	s.Is(`,"period":`)
	e.Period = scanPeriod(s)
	s.Is(`,"proration_mode":`)
	e.ProrationMode = s.Word("second", "day", "fixed30")
	s.Is(`,"provider":`)
	e.Provider = s.Word(NoProvider)
	e.Later = s.Has(`,"later":true`)
	if s.Has(`,"trial_outcome":`) {
		e.TrialOutcome = s.Word("pause", "cancel")
	}
	if s.Has(`,"owner":`) {
		e.Owner = s.Personal("/owner")
	}
	if s.Has(`,"email":`) {
		e.Email = s.Personal("/email")
	}
	s.Is(`,"seats":`)
	e.Seats = scanSeats(s)
	s.Is(`}`)
	return e
}

func scanTerms(s *domain.Scanner) (t catalog.PlanTerms) {
	s.Is(`{"plan_id":`)
	t.PlanID = s.ID()
	s.Is(`,"plan_version":`)
	t.PlanVersion = s.Int()
	s.Is(`,"product_id":`)
	t.ProductID = s.ID()
	s.Is(`,"license_type":`)
	t.LicenseType = s.Word(catalog.PerSeat)
	s.Is(`,"interval":`)
	t.Interval = s.Word("month", "year")
	s.Is(`,"length":`)
	t.Length = s.Int()
	s.Is(`,"min_seats":`)
	t.MinSeats = s.Int()
	s.Is(`,"max_seats":`)
	t.MaxSeats = s.Int()
	if s.Has(`,"paid":true`) {
		t.Paid = true
	}
	s.Is(`,"capabilities":`)
	t.Capabilities = scanCapabilities(s)
	s.Is(`}`)
	return t
}

func scanCapabilities(s *domain.Scanner) []catalog.CapabilityRef {
	s.Is(`[`)
	all := []catalog.CapabilityRef{}
	for !s.Has(`]`) {
		if len(all) > 0 {
			s.Is(`,`)
		}
		var c catalog.CapabilityRef
		s.Is(`{"id":`)
		c.ID = s.ID()
		s.Is(`,"name":`)
		c.Name = s.Text()
		s.Is(`}`)
		if s.Failed() {
			return nil
		}
		all = append(all, c)
	}
	return all
}

func scanPeriod(s *domain.Scanner) (p Period) {
	s.Is(`{"start":`)
	p.Start = s.Time()
	s.Is(`,"end":`)
	p.End = s.Time()
	s.Is(`}`)
	return p
}

func scanSeats(s *domain.Scanner) []Seat {
	s.Is(`[`)
	all := []Seat{}
	for !s.Has(`]`) {
		if len(all) > 0 {
			s.Is(`,`)
		}
		var seat Seat
		s.Is(`{"id":`)
		seat.ID = s.ID()
		if s.Has(`,"grantee":`) {
			seat.Grantee = s.Personal("/seats/" + strconv.Itoa(len(all)) + "/grantee")
		}
		s.Is(`}`)
		if s.Failed() {
			return nil
		}
		all = append(all, seat)
	}
	return all
}

func scanIDs(s *domain.Scanner) []uuid.UUID {
	s.Is(`[`)
	all := []uuid.UUID{}
	for !s.Has(`]`) {
		if len(all) > 0 {
			s.Is(`,`)
		}
		id := s.ID()
		if s.Failed() {
			return nil
		}
		all = append(all, id)
	}
	return all
}

func scanSeatsAssigned(s *domain.Scanner) domain.Event {
	s.Is(`{"seats":`)
	e := SeatsAssigned{Seats: scanSeats(s)}
	s.Is(`}`)
	return e
}

func scanSeatsAdded(s *domain.Scanner) domain.Event {
	var e SeatsAdded
	s.Is(`{"task_id":`)
	e.TaskID = s.ID()
	s.Is(`,"seats":`)
	e.Seats = scanIDs(s)
	s.Is(`,"capabilities":`)
	e.Capabilities = scanCapabilities(s)
	e.Quantity, e.Proration, e.Done = scanChange(s)
	return e
}

func scanSeatsRemoved(s *domain.Scanner) domain.Event {
	var e SeatsRemoved
	s.Is(`{"task_id":`)
	e.TaskID = s.ID()
	s.Is(`,"seats":`)
	e.Seats = scanIDs(s)
	e.Quantity, e.Proration, e.Done = scanChange(s)
	return e
}

func scanQuantityChanged(s *domain.Scanner) domain.Event {
	var e QuantityChanged
	s.Is(`{"task_id":`)
	e.TaskID = s.ID()
	e.Quantity, e.Proration, e.Done = scanChange(s)
	return e
}

// scanChange is how changes of a quantity end.
func scanChange(s *domain.Scanner) (quantity int, proration, done string) {
	s.Is(`,"quantity":`)
	quantity = s.Int()
	s.Is(`,"proration":`)
	proration = s.Word("create_prorations", "none")
	if s.Has(`,"done":`) {
		done = s.Word("Create seats", "Remove seats", "Update usage")
	}
	s.Is(`}`)
	return quantity, proration, done
}

func scanRenewed(s *domain.Scanner) domain.Event {
	s.Is(`{"period":`)
	e := Renewed{Period: scanPeriod(s)}
	s.Is(`}`)
	return e
}
