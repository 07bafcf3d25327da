package license

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/period"
)

// MaxItems bounds a batch.
const MaxItems = 1000

// Outcome is what became of one item of a batch: one of the two.
type Outcome struct {
	View *View         `json:"view,omitzero"`
	Err  *domain.Error `json:"err,omitzero"`
}

// Grant makes an ad hoc licence from now on. It answers View.
//
// Status is ACTIVE by default, EVALUATION on an evaluation plan; EndTime one interval of the plan or
// its evaluation days later.
//
// NotFound: no_plan. Conflict: plan_archived. Invalid: bad_grantee, bad_purchaser, bad_email,
// bad_status, bad_end_time.
type Grant struct {
	PlanID            uuid.UUID
	Grantee           *string // nil: unassigned
	Purchaser         string  // Salable's member
	Email             string
	Status            *string // ACTIVE, EVALUATION, TRIALING
	EndTime           *time.Time
	CancelAtPeriodEnd bool // CANCELED at its end, not INACTIVE
}

// Decide implements domain.Command.
func (c Grant) Decide(l domain.Ledger) (any, error) {
	e, err := c.granted(l)
	if err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Append(id, e)
	return show(l, Ref{LicenseID: id})
}

func (c Grant) granted(l domain.Ledger) (Granted, error) {
	offer, err := catalog.Offered(l, c.PlanID)
	if err != nil {
		return Granted{}, err
	}
	bad := c.Problems()
	now, plan := l.Now(), &offer.Plan.Fields
	e := Granted{Terms: offer.Terms, Status: Active, Purchaser: domain.Owner(c.Purchaser),
		Email: domain.About("owner:"+c.Purchaser, c.Email), StartTime: now, CancelAtPeriodEnd: c.CancelAtPeriodEnd}
	e.Grantee, _ = domain.ParseGrantee("/granteeId", c.Grantee)
	length := period.Interval{Unit: period.Unit(plan.Interval), Count: plan.Length}
	if (plan.Evaluation || plan.PlanType == "Evaluation") && plan.EvalDays > 0 {
		e.Status, length = Evaluation, period.Interval{Unit: period.Day, Count: plan.EvalDays}
	}
	e.EndTime = length.After(now, time.UTC)
	if c.Status != nil {
		e.Status = *c.Status
	}
	if c.EndTime != nil {
		e.EndTime = c.EndTime.UTC().Truncate(time.Microsecond)
		if !e.EndTime.After(now) || e.EndTime.After(period.Max) {
			bad.Add("/endTime", "bad_end_time", "a licence ends after its start, in the year 9999 at the latest")
		}
	}
	return e, bad.Refusal()
}

// Problems are the bad fields that need no ledger to be seen.
func (c Grant) Problems() (bad domain.Problems) {
	_, err := domain.ParseGrantee("/granteeId", c.Grantee)
	bad.AddError("/granteeId", err)
	bad.Line("/purchaser", "bad_purchaser", c.Purchaser)
	bad.Email("/email", c.Email)
	if c.Status != nil {
		bad.OneOf("/status", "bad_status", *c.Status, Active, Evaluation, Trialing)
	}
	return bad
}

// GrantMany grants each of 1 to 1,000 items that it can. It answers []Outcome in their order,
// and refuses when it can do none.
//
// Invalid: bad_item_count, invalid_items. NotFound: the code of the first item.
type GrantMany struct{ Items []Grant }

// Decide implements domain.Command.
func (c GrantMany) Decide(l domain.Ledger) (any, error) {
	if err := checkItems(len(c.Items)); err != nil {
		return nil, err
	}
	events := make([]Granted, len(c.Items))
	outcomes := make([]Outcome, len(c.Items))
	for i, item := range c.Items {
		e, err := item.granted(l)
		if outcomes[i].Err, err = refusal(err); err != nil {
			return nil, err
		}
		events[i] = e
	}
	for i, e := range events {
		if outcomes[i].Err != nil {
			continue
		}
		id := l.NewID()
		l.Append(id, e)
		v, err := show(l, Ref{LicenseID: id})
		if err != nil {
			return nil, err
		}
		outcomes[i].View = &v
	}
	return settle(outcomes)
}

// settle gives the outcomes of a batch. Of which nothing could be done it is refused as a whole, so that its
// key can be used again: NotFound when all that it names is unknown, else Invalid with invalid_items. Why is
// said of each item, below /0, /1 and so on.
func settle(outcomes []Outcome) (any, error) {
	e := &domain.Error{Kind: domain.NotFound}
	for i, o := range outcomes {
		if o.Err == nil {
			return outcomes, nil
		}
		if o.Err.Kind != domain.NotFound {
			e.Kind = domain.Invalid
		}
		at := fmt.Sprintf("/%d", i)
		if len(o.Err.Fields) == 0 {
			e.Fields = append(e.Fields, domain.Field{Pointer: at, Code: o.Err.Code, Detail: o.Err.Detail})
		}
		for _, f := range o.Err.Fields {
			e.Fields = append(e.Fields, domain.Field{Pointer: at + f.Pointer, Code: f.Code, Detail: f.Detail})
		}
	}
	if e.Code = outcomes[0].Err.Code; e.Kind == domain.Invalid {
		e.Code = "invalid_items"
	}
	return nil, e
}

func checkItems(n int) error {
	if n < 1 || n > MaxItems {
		return domain.RefuseField("", "bad_item_count", "a batch has 1 to %d items, not %d", MaxItems, n)
	}
	return nil
}

// refusal parts an item's refusal from a fault, which fails the whole batch.
func refusal(err error) (*domain.Error, error) {
	if e, ok := domain.AsRefusal(err); ok {
		return e, nil
	}
	return nil, err
}
