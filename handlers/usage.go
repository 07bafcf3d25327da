package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

func (a *API) usageRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/usage", Scope: ScopeUsageWrite, Serve: a.recordUsage},
		{Method: "GET", Path: "/usage", Scope: ScopeUsageRead, Serve: a.readUsage},
		{Method: "GET", Path: "/usage/rejected", Scope: ScopeUsageRead, Serve: a.listRejectedUsage},
	}
}

// UsageResult is what became of one record.
type UsageResult struct {
	Key    string      `json:"key"`
	Status string      `json:"status"` // recorded, duplicate, rejected
	Error  *UsageError `json:"error,omitzero"`
}

// UsageError is why a record was rejected.
type UsageError struct {
	Code   string         `json:"code"`
	Detail string         `json:"detail"`
	Errors []problemField `json:"errors,omitempty"` // pointers into the record
}

func rejected(key string, e *domain.Error) UsageResult {
	out := UsageError{Code: e.Code, Detail: e.Detail}
	for _, f := range e.Fields {
		out.Errors = append(out.Errors, problemField{f.Pointer, f.Code, f.Detail})
	}
	return UsageResult{key, usage.StatusRejected, &out}
}

// recordUsage serves POST /usage.
//
//	in   {records: [{key, quantity, at?, meter?, value?, and one of licenseUuid | subscriptionUuid | granteeId with planUuid}]}
//	out  200 {results: [{key, status: recorded | duplicate | rejected, error?}]}, one a record, in order | 422 too_many
func (a *API) recordUsage(w http.ResponseWriter, r *http.Request) error {
	body, err := Read(r)
	if err != nil {
		return err
	}
	o := body.Object()
	records := o.List("records", Required, MaxItems(usage.MaxItems))
	o.Unknown()
	if err := body.Err(); err != nil {
		return err
	}
	batch, err := a.usageBatch(r.Context(), CallerOf(r).Ledger, TimeIn(r.Context(), a.Now), records)
	if err != nil {
		return err
	}
	if len(batch.items) > 0 {
		outcomes, _, err := write[[]usage.Outcome](a, w, r, body, uuid.Nil, usage.RecordMany{Items: batch.items})
		if err != nil {
			return err
		}
		batch.take(outcomes)
	}
	return JSON(w, http.StatusOK, struct {
		Results []UsageResult `json:"results"`
	}{batch.results})
}

// usageBatch is the records of a request: those that are wrong by themselves have their result, the others are items.
type usageBatch struct {
	results []UsageResult
	items   []usage.Record
	places  []int // of the items in the results
}

func (a *API) usageBatch(ctx context.Context, ledger uuid.UUID, at time.Time, records []Value) (*usageBatch, error) {
	b := &usageBatch{results: make([]UsageResult, len(records))}
	find := a.finder(ctx, ledger, at)
	for i, v := range records {
		item, err := readUsageRecord(v, find)
		if e, ok := domain.AsRefusal(err); ok && e.Kind != domain.Unavailable {
			b.results[i] = rejected(item.Key, e)
			continue
		}
		if err != nil {
			return nil, err
		}
		b.items, b.places = append(b.items, item), append(b.places, i)
	}
	return b, nil
}

// take puts the items' outcomes to the results.
func (b *usageBatch) take(outcomes []usage.Outcome) {
	for n, outcome := range outcomes {
		b.results[b.places[n]] = UsageResult{Key: outcome.Key, Status: outcome.Status}
		if outcome.Err != nil {
			b.results[b.places[n]] = rejected(outcome.Key, inWords(outcome.Err, b.items[n]))
		}
	}
}

// RecordUsage records usage as POST /usage does, for whoever is not a client: body is that of a request.
func (a *API) RecordUsage(ctx context.Context, ledger uuid.UUID, body []byte, meta eventstore.Meta) ([]UsageResult, error) {
	parsed, err := Parse(body)
	if err != nil {
		return nil, err
	}
	o := parsed.Object()
	records := o.List("records", Required, MaxItems(usage.MaxItems))
	o.Unknown()
	if err := parsed.Err(); err != nil {
		return nil, err
	}
	at, _, err := a.Store.Now(ctx, ledger, a.Now(), false)
	if err != nil {
		return nil, err
	}
	batch, err := a.usageBatch(ctx, ledger, at, records)
	if err != nil {
		return nil, err
	}
	if len(batch.items) == 0 {
		return batch.results, nil
	}
	res, err := a.Store.Execute(ctx, eventstore.Request{Ledger: ledger, Command: usage.RecordMany{Items: batch.items}, Meta: meta})
	if err != nil {
		return nil, err
	}
	var outcomes []usage.Outcome
	if err := Answer(res, &outcomes); err != nil {
		return nil, err
	}
	batch.take(outcomes)
	return batch.results, nil
}

// inWords says what was not found as the caller named it, where the core knows only that no id was.
func inWords(e *domain.Error, item usage.Record) *domain.Error {
	switch {
	case e.Code == "no_meter":
		return domain.Refuse(e.Kind, e.Code, "there is no meter %.255q", item.Meter)
	case e.Code == "no_license" && item.Ref.LicenseID == uuid.Nil && item.Ref.SubscriptionID == nil:
		return domain.Refuse(e.Kind, e.Code, "the grantee holds no active licence of the plan")
	}
	return e
}

// readUsageRecord reads one record by itself: what is wrong with it rejects it alone.
func readUsageRecord(v Value, find *finder) (usage.Record, error) {
	alone := &collector{}
	o := Value{c: alone, node: v.node}.Object(Required)
	item := usage.Record{
		Key: o.String("key", Required, MaxBytes(255)), Quantity: o.Decimal("quantity", Required, Amount), At: Opt(o, "at", o.Time),
		Meter: o.String("meter", MaxBytes(255)), Value: o.String("value", MaxBytes(255)),
	}
	license, sub := Opt(o, "licenseUuid", o.UUID), Opt(o, "subscriptionUuid", o.UUID)
	grantee, plan := Opt(o, "granteeId", o.String, MaxBytes(255)), Opt(o, "planUuid", o.UUID)
	o.Unknown()
	ways := 0
	for _, given := range []bool{license != nil, sub != nil, grantee != nil || plan != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 || (grantee == nil) != (plan == nil) {
		o.Get("licenseUuid").Bad(codeRequired, "want one of licenseUuid, subscriptionUuid, or granteeId with planUuid")
	}
	if err := alone.Err(); err != nil {
		return item, err
	}
	var err error
	switch {
	case sub != nil:
		item.Ref.SubscriptionID = sub
	case license != nil:
		item.Ref.LicenseID = *license
		item.Ref.SubscriptionID, err = find.subscriptionOf(*license)
	default:
		item.Asked = plan.String() + " " + *grantee
		item.Ref, err = find.held(*grantee, *plan)
	}
	if err == nil && item.Meter != "" {
		item.MeterID, err = find.meter(item.Meter)
	}
	return item, err
}
