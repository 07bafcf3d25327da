package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/money"
)

// Unlimited is a numerical feature's value without an end.
const Unlimited = "unlimited"

// Feature is the fold of a feature's stream.
type Feature struct {
	domain.Record
	Fields   FeatureFields
	Archived bool
}

// Apply implements domain.State.
func (f *Feature) Apply(e domain.Event) {
	switch e := e.(type) {
	case FeatureCreated:
		f.Fields = e.FeatureFields
	case FeatureChanged:
		f.Fields = e.FeatureFields
	case FeatureArchived:
		f.Archived = true
	}
}

// FeatureView is a feature as its commands answer it; an archived one has the status DEPRECATED.
type FeatureView struct {
	ID uuid.UUID `json:"id"`
	FeatureFields
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// View shows the feature.
func (f *Feature) View() FeatureView {
	v := FeatureView{ID: f.ID, FeatureFields: f.Fields, Version: f.Version, CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt}
	v.EnumOptions = slices.Clone(f.Fields.EnumOptions)
	if f.Archived {
		v.Status = Deprecated
	}
	return v
}

// FeaturePatch sets some of a feature's fields, like ProductPatch. An enum option with a zero ID keeps
// the ID of the option of that name, or gets a new one.
type FeaturePatch struct {
	ProductID     *uuid.UUID
	Name          *string
	DisplayName   *string
	Description   *string
	VariableName  *string
	Status        *string
	Visibility    *string
	ValueType     *string
	DefaultValue  *string
	ShowUnlimited *bool
	SortOrder     *int
	EnumOptions   *[]EnumOption
}

// Apply sets the patch's fields in f.
func (p FeaturePatch) Apply(f *FeatureFields) {
	set(&f.ProductID, p.ProductID)
	set(&f.Name, p.Name)
	set(&f.DisplayName, p.DisplayName)
	setText(&f.Description, p.Description)
	setText(&f.VariableName, p.VariableName)
	set(&f.Status, p.Status)
	set(&f.Visibility, p.Visibility)
	set(&f.ValueType, p.ValueType)
	set(&f.DefaultValue, p.DefaultValue)
	set(&f.ShowUnlimited, p.ShowUnlimited)
	set(&f.SortOrder, p.SortOrder)
	set(&f.EnumOptions, p.EnumOptions)
}

// Fields are the fields of a new feature: the defaults, then the patch.
func (p FeaturePatch) Fields() FeatureFields {
	var f FeatureFields
	p.Apply(&f)
	return f
}

// check normalises f and lists what is wrong with it; known are the options that keep their ids.
func (f *FeatureFields) check(known []EnumOption) (bad domain.Problems) {
	orDefault(&f.Status, Active)
	orDefault(&f.Visibility, "public")
	orDefault(&f.ValueType, "numerical")
	bad.Line("/name", "bad_name", f.Name)
	bad.Line("/displayName", "bad_display_name", f.DisplayName)
	bad.OptionalText("/description", "bad_description", f.Description)
	bad.OptionalLine("/variableName", "bad_variable_name", f.VariableName, domain.MaxName)
	bad.OneOf("/status", "bad_status", f.Status, Active, Deprecated, ComingSoon)
	bad.OneOf("/visibility", "bad_visibility", f.Visibility, "public", "private")
	bad.OneOf("/valueType", "bad_value_type", f.ValueType, "boolean", "numerical", "enum")
	f.EnumOptions = append([]EnumOption{}, f.EnumOptions...)
	if f.ValueType == "enum" && len(f.EnumOptions) == 0 {
		bad.Add("/enumOptions", "no_enum_options", "an enum feature has one option or more")
	}
	if f.ValueType != "enum" && len(f.EnumOptions) > 0 {
		bad.Add("/enumOptions", "not_an_enum", "only an enum feature has options")
	}
	seen := map[string]bool{}
	for i := range f.EnumOptions {
		o := &f.EnumOptions[i]
		pointer := fmt.Sprintf("/enumOptions/%d", i)
		bad.Line(pointer, "bad_enum_option", o.Name)
		if seen[o.Name] {
			bad.Add(pointer, "duplicate_enum_option", "%q comes twice", o.Name)
		}
		seen[o.Name] = true
		if at := slices.IndexFunc(known, func(k EnumOption) bool { return k.Name == o.Name }); at >= 0 && o.ID == uuid.Nil {
			o.ID = known[at].ID
		}
	}
	if f.DefaultValue == "" {
		switch f.ValueType {
		case "boolean":
			f.DefaultValue = "false"
		case "numerical":
			f.DefaultValue = "0"
		case "enum":
			if len(f.EnumOptions) > 0 {
				f.DefaultValue = f.EnumOptions[0].Name
			}
		}
	}
	if len(bad) == 0 {
		if err := f.allows(f.DefaultValue); err != nil {
			bad.Add("/defaultValue", "bad_default_value", "%s", err)
		}
	}
	return bad
}

// allows tells why a value is none of the feature's.
func (f *FeatureFields) allows(value string) error {
	switch f.ValueType {
	case "boolean":
		if value != "true" && value != "false" {
			return fmt.Errorf("%.40q is not true or false", value)
		}
	case "numerical":
		if value == Unlimited {
			return nil
		}
		if _, err := money.ParseDecimal(value); err != nil {
			return fmt.Errorf("%.40q is not a number or unlimited", value)
		}
	case "enum":
		if f.option(value) == nil {
			return fmt.Errorf("%.40q is not one of the options %s", value, strings.Join(f.optionNames(), ", "))
		}
	}
	return nil
}

func (f *FeatureFields) option(name string) *EnumOption {
	for i := range f.EnumOptions {
		if f.EnumOptions[i].Name == name {
			return &f.EnumOptions[i]
		}
	}
	return nil
}

func (f *FeatureFields) optionNames() []string {
	names := make([]string, len(f.EnumOptions))
	for i, o := range f.EnumOptions {
		names[i] = o.Name
	}
	return names
}

// nameOptions gives new options their ids.
func (f *FeatureFields) nameOptions(l domain.Ledger) {
	for i := range f.EnumOptions {
		if f.EnumOptions[i].ID == uuid.Nil {
			f.EnumOptions[i].ID = l.NewID()
		}
	}
}

// CreateFeature answers FeatureView.
type CreateFeature struct{ Fields FeatureFields }

// Decide implements domain.Command.
func (c CreateFeature) Decide(l domain.Ledger) (any, error) {
	f := c.Fields
	if err := f.check(nil).Refusal(); err != nil {
		return nil, err
	}
	if _, err := ofProduct(l, f.ProductID); err != nil {
		return nil, err
	}
	id := l.NewID()
	f.nameOptions(l)
	l.Append(id, FeatureCreated{f})
	return answer[*Feature](l, id)
}

// ChangeFeature answers FeatureView.
type ChangeFeature struct {
	ID    uuid.UUID
	Patch FeaturePatch
}

// Decide implements domain.Command.
func (c ChangeFeature) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Feature](l, c.ID, "no_feature")
	if err != nil {
		return nil, err
	}
	f := old.Fields
	c.Patch.Apply(&f)
	bad := f.check(old.Fields.EnumOptions)
	fixedProduct(&bad, f.ProductID, old.Fields.ProductID)
	if err := bad.Refusal(); err != nil {
		return nil, err
	}
	if same(f, old.Fields) {
		return old.View(), nil
	}
	if old.Archived {
		return nil, refuseArchived("feature")
	}
	f.nameOptions(l)
	l.Append(c.ID, FeatureChanged{f})
	return answer[*Feature](l, c.ID)
}

// ArchiveFeature answers FeatureView; twice makes no event. Plans that have the feature keep it.
type ArchiveFeature struct{ ID uuid.UUID }

// Decide implements domain.Command.
func (c ArchiveFeature) Decide(l domain.Ledger) (any, error) {
	old, err := domain.LoadAs[*Feature](l, c.ID, "no_feature")
	if err != nil {
		return nil, err
	}
	if !old.Archived {
		l.Append(c.ID, FeatureArchived{})
	}
	return answer[*Feature](l, c.ID)
}
