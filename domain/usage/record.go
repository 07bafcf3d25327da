package usage

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/money"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
)

const (
	// ClockSkew is how far in the future a record may lie (rule U3).
	ClockSkew = 5 * time.Minute
	// MaxItems bounds a batch.
	MaxItems = 1000
	// KeyScope is the name space of usage keys (rule U1).
	KeyScope = "usage"
)

// Record counts a quantity on a licence. It answers View; a key that was used for the same record
// before changes nothing.
//
// Ref names a licence, or a subscription alone: then it is that one's oldest seat. Meter is a meter's
// key, empty for the default meter; MeterID, when given, is checked to be that meter. At is now by
// default. Key is 1 to 255 printable ASCII characters.
//
// NotFound: no_license. Invalid: bad_key, key_reused, bad_meter, no_meter, amount_out_of_range,
// bad_value, bad_time. Conflict: meter_archived, no_access_then, usage_too_late.
type Record struct {
	Ref      license.Ref
	Meter    string
	MeterID  *uuid.UUID
	Quantity decimal.Decimal
	At       *time.Time
	Key      string
	Value    string // what is counted once, for the aggregation `unique`
	// Most is what the licence's usage of the meter may come to, all periods together; 0: what fits 64 bits.
	Most int64
	// Asked is how the caller named the licence when not by an id of Ref. The key stands for that, not for
	// whichever licence it led to: it may lead to another one when the record is sent again.
	Asked string
}

// Refusals of records whose licence there is.
const (
	codeNoAccess = "no_access_then"
	codeTooLate  = "usage_too_late"
)

// Status of a record in a batch.
const (
	StatusRecorded  = "recorded"
	StatusDuplicate = "duplicate" // its key was used before, for the same record
	StatusRejected  = "rejected"
)

// Outcome is what became of one record of a batch.
type Outcome struct {
	Key    string        `json:"key"`
	Status string        `json:"status"`
	View   *View         `json:"view,omitzero"` // unless rejected, or a duplicate whose licence is not known any more
	Err    *domain.Error `json:"err,omitzero"`  // if rejected
}

// Decide implements domain.Command.
func (c Record) Decide(l domain.Ledger) (any, error) {
	outcomes, err := recordAll(l, []Record{c}, newBatch())
	if err != nil {
		return nil, err
	}
	if refused := outcomes[0].Err; refused != nil {
		return nil, refused
	}
	if outcomes[0].View == nil { // a duplicate whose licence is not known any more
		return View{}, nil
	}
	return *outcomes[0].View, nil
}

// RecordMany records each of 1 to 1,000 items that it can. It answers []Outcome in their order.
//
// Invalid: bad_item_count.
type RecordMany struct{ Items []Record }

// Decide implements domain.Command.
func (c RecordMany) Decide(l domain.Ledger) (any, error) {
	if len(c.Items) < 1 || len(c.Items) > MaxItems {
		return nil, domain.RefuseField("", "bad_item_count", "a batch has 1 to %d items, not %d", MaxItems, len(c.Items))
	}
	b := newBatch()
	b.rejected = map[uuid.UUID]int64{}
	outcomes, err := recordAll(l, c.Items, b)
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// batch gathers what will be appended, by stream, and the totals that lead there.
type batch struct {
	events   map[uuid.UUID][]domain.Event
	streams  []uuid.UUID
	totals   map[uuid.UUID]decimal.Decimal
	rejected map[uuid.UUID]int64 // of RecordMany alone: a refused command writes nothing
}

func newBatch() batch {
	return batch{events: map[uuid.UUID][]domain.Event{}, totals: map[uuid.UUID]decimal.Decimal{}}
}

func (b *batch) append(stream uuid.UUID, e domain.Event) {
	if b.events[stream] == nil {
		b.streams = append(b.streams, stream)
	}
	b.events[stream] = append(b.events[stream], e)
}

func recordAll(l domain.Ledger, items []Record, b batch) ([]Outcome, error) {
	outcomes := make([]Outcome, len(items))
	for i, item := range items {
		status, total, err := b.add(l, item)
		outcomes[i] = Outcome{Key: item.Key, Status: status}
		e, refused := domain.AsRefusal(err)
		switch {
		case err == nil && total != nil:
			outcomes[i].View = &View{UnitCount: *total}
		case refused:
			outcomes[i].Status, outcomes[i].Err = StatusRejected, e
		case err != nil:
			return nil, err
		}
	}
	for _, stream := range b.streams {
		l.Append(stream, b.events[stream]...)
	}
	return outcomes, nil
}

// add decides one record. Its key is asked for first, since what was counted stays a duplicate whatever
// has become of the licence, and used up last, since a refused record does not consume it.
func (b *batch) add(l domain.Ledger, c Record) (status string, total *decimal.Decimal, err error) {
	if err := c.checkKey(); err != nil {
		return "", nil, err
	}
	fingerprint := c.Fingerprint()
	switch l.Known(KeyScope, c.Key, fingerprint) {
	case domain.KeySame:
		if c.Ref.LicenseID == uuid.Nil {
			return StatusDuplicate, nil, nil
		}
		total, err := b.total(l, StreamID(c.Ref.LicenseID, c.Meter))
		return StatusDuplicate, &total, err
	case domain.KeyOther:
		return "", nil, domain.RefuseField("/key", "key_reused", "this key was used for another record")
	}
	if err := c.check(l); err != nil {
		return "", nil, err
	}
	e, err := c.locate(l)
	if refusal, ok := domain.AsRefusal(err); ok && b.rejected != nil {
		if err := b.keep(l, e, fingerprint, refusal); err != nil {
			return "", nil, err
		}
	}
	if err != nil {
		return "", nil, err
	}
	stream := StreamID(e.LicenseID, c.Meter)
	sum, err := b.total(l, stream)
	if err != nil {
		return "", nil, err
	}
	e.Total = sum.Add(c.Quantity)
	if c.Most > 0 && e.Total.GreaterThan(decimal.NewFromInt(c.Most)) {
		return "", nil, domain.RefuseField("/quantity", "amount_out_of_range", "the licence's usage would come to more than %d", c.Most)
	}
	if !inRange(e.Total) {
		return "", nil, domain.RefuseField("/quantity", "amount_out_of_range", "the sum of the licence's usage leaves 64 bits")
	}
	l.Consume(KeyScope, c.Key, fingerprint)
	b.append(stream, e)
	b.totals[stream] = e.Total
	return StatusRecorded, &e.Total, nil
}

// total is the sum of a stream with what this batch adds so far.
func (b *batch) total(l domain.Ledger, stream uuid.UUID) (decimal.Decimal, error) {
	if total, known := b.totals[stream]; known {
		return total, nil
	}
	state, err := l.Load(stream)
	if s, ok := state.(*State); ok && err == nil {
		return s.Total, nil
	}
	return decimal.Decimal{}, err
}

// Fingerprint is what the record's key stands for: everything but the key, as the caller sent it.
func (c Record) Fingerprint() [32]byte {
	h := sha256.New()
	field := func(b []byte) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(b)))
		h.Write(size[:])
		h.Write(b)
	}
	var license, sub, at []byte
	switch {
	case c.Asked != "":
		license = []byte(c.Asked)
	case c.Ref.SubscriptionID != nil:
		license, sub = c.Ref.LicenseID[:], c.Ref.SubscriptionID[:]
	default:
		license = c.Ref.LicenseID[:]
	}
	field(license)
	if c.At != nil {
		at = []byte(c.At.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
	}
	field(sub)
	field([]byte(c.Meter))
	field([]byte(c.Quantity.Normalize().String()))
	field(at)
	field([]byte(c.Value))
	return [32]byte(h.Sum(nil))
}

func (c Record) checkKey() error {
	if c.Key == "" || len(c.Key) > domain.MaxName || !printable(c.Key) {
		return domain.RefuseField("/key", "bad_key", "a key is 1 to %d printable ASCII characters", domain.MaxName)
	}
	return nil
}

// check looks at what the record says by itself.
func (c Record) check(l domain.Ledger) error {
	var bad domain.Problems
	bad.OptionalLine("/meter", "bad_meter", &c.Meter, domain.MaxName)
	bad.OptionalLine("/value", "bad_value", &c.Value, domain.MaxName)
	if !inRange(c.Quantity) {
		bad.Add("/quantity", "amount_out_of_range", "a quantity fits 64 bits and has at most %d digits after the point", money.MaxFractionDigits)
	}
	if c.At != nil && c.At.After(l.Now().Add(ClockSkew)) {
		bad.Add("/at", "bad_time", "it lies more than %s in the future", ClockSkew) // rule U3
	}
	if err := bad.Refusal(); err != nil {
		return err
	}
	return c.checkMeter(l)
}

func (c Record) checkMeter(l domain.Ledger) error {
	if c.MeterID == nil {
		return nil
	}
	m, err := domain.LoadAs[*catalog.Meter](l, *c.MeterID, "no_meter")
	switch {
	case err != nil:
		return err
	case m.Fields.Key != c.Meter:
		return domain.RefuseField("/meter", "no_meter", "%s is not the meter %q", *c.MeterID, c.Meter)
	case m.Archived:
		return &domain.Error{Kind: domain.Conflict, Code: "meter_archived", State: catalog.Deprecated, Detail: "this meter is archived"}
	case m.Fields.Aggregation == "unique" && c.Value == "":
		return domain.RefuseField("/value", "bad_value", "this meter counts values: the record has none")
	}
	return nil
}

// locate finds the licence and whether it gave access at the record's instant (rules U4, U5).
func (c Record) locate(l domain.Ledger) (Recorded, error) {
	now := l.Now()
	e := Recorded{Key: c.Key, Meter: c.Meter, Quantity: c.Quantity.Normalize(), Value: c.Value, At: now}
	if c.At != nil {
		e.At = c.At.UTC().Truncate(time.Microsecond)
	}
	var access bool
	var ended time.Time
	if c.Ref.SubscriptionID == nil {
		s, err := domain.LoadAs[*license.State](l, c.Ref.LicenseID, "no_license")
		if err != nil {
			return e, err
		}
		ended, access = s.AccessUntil(e.At)
		e.LicenseID, e.PlanID, e.ProductID = c.Ref.LicenseID, s.Terms.PlanID, s.Terms.ProductID
	} else {
		s, err := domain.LoadAs[*subscription.State](l, *c.Ref.SubscriptionID, "no_license")
		if err != nil {
			return e, err
		}
		seat, ok := s.Seat(c.Ref.LicenseID)
		if c.Ref.LicenseID == uuid.Nil {
			seat, ok = s.OwnSeat()
		}
		if !ok {
			return e, domain.Refuse(domain.NotFound, "no_license", "%s has no such licence", *c.Ref.SubscriptionID)
		}
		id := *c.Ref.SubscriptionID
		e.LicenseID, e.SubscriptionID, e.PlanID, e.ProductID = seat.ID, &id, seat.Terms.PlanID, seat.Terms.ProductID
		access = s.AccessAt(e.At) && !e.At.Before(seat.StartTime) && (seat.RemovedAt.IsZero() || e.At.Before(seat.RemovedAt))
		if end, ok := s.EndsAt(); ok {
			ended = end
		}
	}
	if !access {
		return e, &domain.Error{Kind: domain.Conflict, Code: codeNoAccess, State: e.At.Format(time.RFC3339Nano),
			Detail: "the licence gives no access at " + e.At.Format(time.RFC3339)}
	}
	return e, inTime(l, ended, e.SubscriptionID)
}

// inTime refuses usage that comes too long after an end, zero for none (rule U5), and what nobody would bill any more: it may
// be taken for longer than it was when the account was closed.
func inTime(l domain.Ledger, ended time.Time, subscribed *uuid.UUID) error {
	if ended.IsZero() {
		return nil
	}
	s, err := settings.Of(l)
	if err != nil {
		return err
	}
	closed := false
	if subscribed != nil && l.Now().After(ended) {
		state, err := l.Load(account.ID(*subscribed))
		if err != nil {
			return err
		}
		books, ok := state.(*account.State)
		closed = ok && books.Closed
	}
	if !closed && !l.Now().After(ended.Add(s.LateUsage())) {
		return nil
	}
	return &domain.Error{Kind: domain.Conflict, Code: codeTooLate, State: ended.Format(time.RFC3339Nano),
		Detail: fmt.Sprintf("the licence ended at %s, and usage is taken %d hours longer", ended.Format(time.RFC3339), s.LateUsageHours)}
}

var mostUnits = decimal.NewFromInt(1<<63 - 1)

// inRange tells that a quantity fits 64 bits, by its size before anything that costs.
func inRange(d decimal.Decimal) bool {
	return d.Exponent() >= -money.MaxFractionDigits && d.Exponent() <= money.MaxIntegerDigits && d.NumDigits() <= 40 &&
		!d.Abs().GreaterThan(mostUnits)
}

func printable(s string) bool {
	for _, b := range []byte(s) {
		if b < 0x20 || b > 0x7e {
			return false
		}
	}
	return true
}
