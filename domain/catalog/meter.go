package catalog

import (
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
)

// Meter is the fold of a meter's stream.
type Meter struct {
	domain.Record
	Fields   MeterFields
	Archived bool
}

// Apply implements domain.State.
func (m *Meter) Apply(e domain.Event) {
	switch e := e.(type) {
	case MeterCreated:
		m.Fields = e.MeterFields
	case MeterChanged:
		m.Fields = e.MeterFields
	case MeterArchived:
		m.Archived = true
	}
}

// Meters are meters by their key, as whoever sends a command has found them: a decision can't look for them.
type Meters map[string]uuid.UUID

// MeterView is a meter as its commands answer it.
type MeterView struct {
	ID uuid.UUID `json:"id"`
	MeterFields
	Status    string    `json:"status"` // ACTIVE, DEPRECATED
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the meter.
func (m *Meter) View() MeterView {
	return MeterView{ID: m.ID, MeterFields: m.Fields, Status: statusOf(m.Archived),
		Version: m.Version, CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt}
}

// MeterPatch sets some of a meter's fields, like ProductPatch. Prices and usage name a meter by its
// key, so the key of a meter that exists stays.
type MeterPatch struct {
	Key         *string
	Name        *string
	Aggregation *string
	CarriesOver *bool
}

// Apply sets the patch's fields in f.
func (p MeterPatch) Apply(f *MeterFields) {
	set(&f.Key, p.Key)
	set(&f.Name, p.Name)
	set(&f.Aggregation, p.Aggregation)
	set(&f.CarriesOver, p.CarriesOver)
}

// Fields are the fields of a new meter: the defaults, then the patch.
func (p MeterPatch) Fields() MeterFields {
	f := MeterFields{Aggregation: "sum"}
	p.Apply(&f)
	return f
}

func (f *MeterFields) check() (bad domain.Problems) {
	orDefault(&f.Aggregation, "sum")
	orDefault(&f.Name, f.Key)
	bad.Line("/key", "bad_key", f.Key)
	bad.Line("/name", "bad_name", f.Name)
	bad.OneOf("/aggregation", "bad_aggregation", f.Aggregation, "sum", "count", "max", "last", "unique", "weightedSum")
	return bad
}

// CreateMeter answers MeterView. Conflict: meter_key_taken.
type CreateMeter struct{ Fields MeterFields }

// Decide implements domain.Command.
func (c CreateMeter) Decide(l domain.Ledger) (any, error) {
	f := c.Fields
	if err := f.check().Refusal(); err != nil {
		return nil, err
	}
	id := l.NewID()
	l.Claim("meter.key", f.Key, id, &domain.Error{Kind: domain.Conflict, Code: "meter_key_taken", State: f.Key,
		Detail: "another meter has the key " + f.Key})
	l.Append(id, MeterCreated{f})
	return answer[*Meter](l, id)
}

// ChangeMeter answers MeterView. What happened under the old aggregation keeps it, late records and corrections of then too.
type ChangeMeter struct {
	ID    uuid.UUID
	Patch MeterPatch
}

// Decide implements domain.Command.
func (c ChangeMeter) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Meter](l, c.ID, "no_meter")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	bad := f.check()
	if f.Key != old.Fields.Key {
		bad.Add("/key", "key_is_fixed", "prices and usage name a meter by its key")
	}
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("meter")
	}
	l.Append(c.ID, MeterChanged{f})
	return answer[*Meter](l, c.ID)
}

// ArchiveMeter answers MeterView; twice makes no event. Its key stays taken.
type ArchiveMeter struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchiveMeter) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Meter](l, c.ID, "no_meter")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, MeterArchived{})
	}
	return answer[*Meter](l, c.ID)
}
