package license

import (
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Cancel ends an ad hoc licence now and for ever (rule L3); one that has ended makes no event. It
// answers View. With SubscriptionID it is a seat, which only its subscription ends.
//
// NotFound: no_license. Conflict: not_ad_hoc.
type Cancel struct {
	LicenseID      uuid.UUID
	SubscriptionID *uuid.UUID
}

// Decide implements domain.Command.
func (c Cancel) Decide(l domain.Ledger) (any, error) {
	ref := Ref(c)
	end, err := cancels(l, ref)
	if err != nil {
		return nil, err
	}
	if end {
		l.Append(ref.LicenseID, Ended{At: l.Now(), Reason: "canceled"})
	}
	return show(l, ref)
}

// cancels tells whether a cancellation makes an event.
func cancels(l domain.Ledger, r Ref) (bool, error) {
	f, err := r.find(l)
	switch {
	case err != nil:
		return false, err
	case f.adHoc == nil:
		return false, &domain.Error{Kind: domain.Conflict, Code: "not_ad_hoc", State: f.view(l.Now()).Status,
			Detail: "this licence is a subscription's seat: remove seats, or cancel the subscription"}
	}
	return f.adHoc.EndedAt == nil && l.Now().Before(f.adHoc.EndTime), nil
}

// CancelMany cancels each of 1 to 1,000 licences that it can. It answers []Outcome in their order,
// and refuses when it can do none.
//
// Invalid: bad_item_count, invalid_items. NotFound: the code of the first item.
type CancelMany struct{ Refs []Ref }

// Decide implements domain.Command.
func (c CancelMany) Decide(l domain.Ledger) (any, error) {
	if err := checkItems(len(c.Refs)); err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(c.Refs))
	var ending []uuid.UUID
	named := map[uuid.UUID]bool{}
	for i, ref := range c.Refs {
		end, err := cancels(l, ref)
		if outcomes[i].Err, err = refusal(err); err != nil {
			return nil, err
		}
		if end && !named[ref.LicenseID] {
			named[ref.LicenseID] = true
			ending = append(ending, ref.LicenseID)
		}
	}
	for _, id := range ending {
		l.Append(id, Ended{At: l.Now(), Reason: "canceled"})
	}
	for i, ref := range c.Refs {
		if outcomes[i].Err != nil {
			continue
		}
		v, err := show(l, ref)
		if err != nil {
			return nil, err
		}
		outcomes[i].View = &v
	}
	return settle(outcomes)
}

// Expire records the end of an ad hoc licence that has come by time, dated to it (rule L2); before, and
// when it has ended already, it makes no event. It answers View.
//
// NotFound: no_license.
type Expire struct{ LicenseID uuid.UUID }

// Decide implements domain.Command.
func (c Expire) Decide(l domain.Ledger) (any, error) {
	s, err := domain.LoadAs[*State](l, c.LicenseID, "no_license")
	if err != nil {
		return nil, err
	}
	if s.EndedAt == nil && !l.Now().Before(s.EndTime) {
		l.AppendAt(c.LicenseID, s.EndTime, Ended{At: s.EndTime, Reason: "expired"})
	}
	return show(l, Ref{LicenseID: c.LicenseID})
}
