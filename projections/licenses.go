package projections

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// LicenseRow is a licence's own row. A seat's plan, dates and status are its subscription's; License
// is both together.
type LicenseRow struct {
	ItemKey
	SubscriptionID    *uuid.UUID              `db:"subscription_id"` // nil: ad hoc
	ProductID         uuid.UUID               `db:"product_id"`
	Grantee           *string                 `db:"grantee"`
	Status            string                  `db:"status"`
	StartTime         time.Time               `db:"start_time"`
	EndedAt           *time.Time              `db:"ended_at"`
	EndReason         *string                 `db:"end_reason"` // canceled, expired
	Capabilities      []catalog.CapabilityRef `db:"capabilities"`
	CreatedPosition   int64                   `db:"created_position"`
	Terms             *catalog.PlanTerms      `db:"terms"`   // of an ad hoc licence and of a removed seat
	PlanID            *uuid.UUID              `db:"plan_id"` // the terms'
	Purchaser         *string                 `db:"purchaser"`
	Email             *string                 `db:"email"`
	EndTime           *time.Time              `db:"end_time"` // ad hoc only, like the two above
	CancelAtPeriodEnd bool                    `db:"cancel_at_period_end"`
	Touched
}

// capabilities are those that it was made with, unless its subscription changed plan since. A removed
// seat keeps what it had.
func (l *LicenseRow) capabilities(s *Subscription) []catalog.CapabilityRef {
	if s == nil || l.Terms != nil {
		return l.Capabilities
	}
	return l.under(s.Terms, s.TermsPosition)
}

func (l *LicenseRow) under(terms catalog.PlanTerms, since int64) []catalog.CapabilityRef {
	if l.Capabilities == nil || l.CreatedPosition < since {
		return terms.Capabilities
	}
	return l.Capabilities
}

// Licenses is the read model of seats and ad hoc licences.
func Licenses() *Model {
	rows := NewTable[ItemKey, LicenseRow]("licenses")
	seat := func(p *Page, e *eventstore.Recorded, id, product uuid.UUID, grantee domain.Personal, start time.Time, capabilities []catalog.CapabilityRef) {
		stream := e.Stream
		row := LicenseRow{ItemKey: ItemKey{e.Ledger, id}, SubscriptionID: &stream, ProductID: product, Grantee: text(grantee),
			Status: license.Active, StartTime: start, Capabilities: capabilities, CreatedPosition: e.Position}
		row.Touched = row.by(e)
		rows.Put(p, row)
	}
	change := func(p *Page, e *eventstore.Recorded, id uuid.UUID, do func(*LicenseRow)) {
		row := rows.Must(p, ItemKey{e.Ledger, id})
		do(&row)
		row.Touched = row.by(e)
		rows.Put(p, row)
	}
	inForce := NewTable[ItemKey, seatTerms]("seat_terms")
	return newModel("licenses", func(p *Page, e *eventstore.Recorded) {
		switch d := e.Event.(type) {
		case subscription.Started:
			inForce.Put(p, seatTerms{key(e), d.Terms, e.Position})
			for _, s := range d.Seats {
				seat(p, e, s.ID, d.Terms.ProductID, s.Grantee, d.StartAt, nil)
			}
		case subscription.SeatsAdded:
			capabilities := d.Capabilities
			if capabilities == nil {
				capabilities = []catalog.CapabilityRef{} // none, which is not the same as the terms'
			}
			product := inForce.Must(p, key(e)).Terms.ProductID
			for _, id := range d.Seats {
				seat(p, e, id, product, domain.Personal{}, e.EffectiveAt, capabilities)
			}
		case subscription.PlanChanged:
			inForce.Put(p, seatTerms{key(e), d.Terms, e.Position})
			for _, id := range d.Added {
				seat(p, e, id, d.Terms.ProductID, domain.Personal{}, e.EffectiveAt, nil)
			}
		case subscription.SeatsRemoved:
			reason, had := "canceled", inForce.Must(p, key(e))
			for _, id := range d.Seats {
				change(p, e, id, func(l *LicenseRow) {
					l.Capabilities, l.Terms, l.PlanID = l.under(had.Terms, had.Since), &had.Terms, &had.Terms.PlanID
					l.Status, l.EndedAt, l.EndReason = license.Canceled, &e.EffectiveAt, &reason
				})
			}
		case subscription.SeatsAssigned:
			for _, s := range d.Seats {
				change(p, e, s.ID, func(l *LicenseRow) { l.Grantee = text(s.Grantee) })
			}
		case license.Granted:
			row := LicenseRow{ItemKey: key(e), ProductID: d.Terms.ProductID, Grantee: text(d.Grantee), Status: d.Status,
				StartTime: d.StartTime, Capabilities: d.Terms.Capabilities, CreatedPosition: e.Position, Terms: &d.Terms,
				PlanID: &d.Terms.PlanID, Purchaser: text(d.Purchaser), Email: text(d.Email), EndTime: &d.EndTime,
				CancelAtPeriodEnd: d.CancelAtPeriodEnd}
			row.Touched = row.by(e)
			rows.Put(p, row)
		case license.Assigned:
			change(p, e, e.Stream, func(l *LicenseRow) { l.Grantee = text(d.Grantee) })
		case license.Ended:
			change(p, e, e.Stream, func(l *LicenseRow) {
				l.EndedAt, l.EndReason, l.Status = &d.At, &d.Reason, license.Inactive
				if d.Reason == "canceled" {
					l.Status = license.Canceled
				}
			})
		}
	}, rows, inForce)
}

// seatTerms repeats what the fold needs of a subscription: SeatsAdded and SeatsRemoved do not say it.
type seatTerms struct {
	ItemKey
	Terms catalog.PlanTerms `db:"terms"`
	Since int64             `db:"terms_position"`
}
