package customer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/internal/ledgertest"
)

var now = time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func rate(l *ledgertest.Ledger, name string) uuid.UUID {
	return ledgertest.Must[catalog.TaxRateView](l, catalog.CreateTaxRate{Fields: catalog.TaxRateFields{Name: name, Percentage: decimal.NewFromInt(19)}}).ID
}

// done executes a command and gives its answer and the events by name.
func done(t *testing.T, l *ledgertest.Ledger, c domain.Command) (customer.View, []string) {
	t.Helper()
	v, events, err := l.Execute(c)
	require.NoError(t, err)
	var types []string
	for _, e := range events {
		types = append(types, e.Event.EventType())
	}
	return v.(customer.View), types
}

func refusal(t *testing.T, l *ledgertest.Ledger, c domain.Command) *domain.Error {
	t.Helper()
	_, events, err := l.Execute(c)
	e, ok := domain.AsRefusal(err)
	require.True(t, ok, "%v", err)
	require.Empty(t, events)
	return e
}

func TestACustomerIsCreatedAndChanged(t *testing.T) {
	l := ledgertest.New(t, now)
	vat := rate(l, "VAT")
	v, _ := done(t, l, customer.Create{Patch: customer.Patch{Currency: ptr("eur")}})
	require.Empty(t, ledgertest.Diff(customer.Fields{Currency: "EUR", TimeZone: "UTC", TaxRates: []uuid.UUID{}}, v.Fields), "the rest has its defaults")
	require.Equal(t, customer.Contact{}, v.Contact)

	v, types := done(t, l, customer.Create{Patch: customer.Patch{Name: ptr("Ada"), Email: ptr("ada@example.com"), Address: &customer.PostalAddress{City: "Ulm", Country: "de"},
		Currency: ptr("EUR"), TimeZone: ptr("Europe/Berlin"), TaxRates: &[]uuid.UUID{vat}, TaxExempt: ptr(&customer.Exemption{Reason: "export"}),
		ExternalID: ptr("ada-1"), Metadata: &map[string]string{"tier": "gold"}}})
	require.Equal(t, []string{"customer.created.v1"}, types)
	subject := customer.Subject(v.ID)
	require.Equal(t, customer.Contact{Name: domain.About(subject, "Ada"), Email: domain.About(subject, "ada@example.com"),
		Address: customer.Address{City: domain.About(subject, "Ulm"), Country: domain.About(subject, "DE")}}, v.Contact)

	change := func(p customer.Patch) customer.Change { return customer.Change{ID: v.ID, Patch: p} }
	for _, tt := range []struct { // one after the other
		name  string
		patch customer.Patch
		want  []string
	}{
		{"nothing", customer.Patch{}, nil},
		{"the same", customer.Patch{Name: ptr("Ada"), Currency: ptr("eur"), TaxRates: &[]uuid.UUID{vat}, TaxExempt: ptr(&customer.Exemption{Reason: "export"}),
			Address: &customer.PostalAddress{City: "Ulm", Country: "DE"}, Metadata: &map[string]string{"tier": "gold"}, ExternalID: ptr("ada-1")}, nil},
		{"a name", customer.Patch{Name: ptr("Ada L.")}, []string{"customer.contact_changed.v1"}},
		{"a zone", customer.Patch{TimeZone: ptr("UTC")}, []string{"customer.changed.v1"}},
		{"of both", customer.Patch{Email: ptr("al@example.com"), TaxExempt: ptr[*customer.Exemption](nil)}, []string{"customer.changed.v1", "customer.contact_changed.v1"}},
		{"no tax any more", customer.Patch{TaxRates: &[]uuid.UUID{}}, []string{"customer.changed.v1"}},
		{"another address", customer.Patch{Address: &customer.PostalAddress{Line1: "1 Elm St"}}, []string{"customer.contact_changed.v1"}},
		{"a new outside id", customer.Patch{ExternalID: ptr("ada-2")}, []string{"customer.changed.v1"}},
		{"no metadata", customer.Patch{Metadata: &map[string]string{}}, []string{"customer.changed.v1"}},
	} {
		_, types := done(t, l, change(tt.patch))
		require.Equal(t, tt.want, types, tt.name)
	}
	last := l.State(v.ID).(*customer.Customer).View()
	require.Equal(t, []string{"Ada L.", "al@example.com", "1 Elm St", ""}, []string{last.Name.Text, last.Email.Text, last.Address.Line1.Text, last.Address.City.Text})
	require.Empty(t, ledgertest.Diff(customer.Fields{Currency: "EUR", TimeZone: "UTC", TaxRates: []uuid.UUID{}, ExternalID: "ada-2"}, last.Fields))
	_, types = done(t, l, change(customer.Patch{Name: ptr(""), Email: ptr(""), Address: &customer.PostalAddress{}, ExternalID: ptr("")}))
	require.Equal(t, []string{"customer.changed.v1", "customer.contact_changed.v1"}, types)
	require.Equal(t, customer.Contact{}, l.State(v.ID).(*customer.Customer).Contact)

	e := refusal(t, l, change(customer.Patch{Currency: ptr("USD")}))
	require.Equal(t, []any{domain.Conflict, "currency_is_fixed", "EUR"}, []any{e.Kind, e.Code, e.State}, "K2")
	require.Equal(t, "no_customer", refusal(t, l, customer.Change{ID: vat}).Code)
}

// Rule K4.
func TestAnExternalIDIsOneCustomersForEver(t *testing.T) {
	l := ledgertest.New(t, now)
	create := func(id string) customer.Create {
		return customer.Create{Patch: customer.Patch{Currency: ptr("EUR"), ExternalID: &id}}
	}
	v, _ := done(t, l, create("a"))
	other, _ := done(t, l, create(""))
	require.Equal(t, "external_id_taken", refusal(t, l, create("a")).Code)
	take := func(of uuid.UUID, id string) customer.Change {
		return customer.Change{ID: of, Patch: customer.Patch{ExternalID: &id}}
	}
	require.Equal(t, "external_id_taken", refusal(t, l, take(other.ID, "a")).Code)
	done(t, l, take(v.ID, "b"))
	require.Equal(t, "external_id_taken", refusal(t, l, take(other.ID, "a")).Code, "it was given up, and stays taken")
	_, types := done(t, l, take(v.ID, "a"))
	require.Equal(t, []string{"customer.changed.v1"}, types, "whose it was may have it again")
}

// Rule K3.
func TestAnArchivedTaxRateStaysWithWhoHasIt(t *testing.T) {
	l := ledgertest.New(t, now)
	vat, gst := rate(l, "VAT"), rate(l, "GST")
	v, _ := done(t, l, customer.Create{Patch: customer.Patch{Currency: ptr("EUR"), TaxRates: &[]uuid.UUID{vat}}})
	ledgertest.Must[catalog.TaxRateView](l, catalog.ArchiveTaxRate{ID: vat})
	changed, _ := done(t, l, customer.Change{ID: v.ID, Patch: customer.Patch{TaxRates: &[]uuid.UUID{gst, vat}}})
	require.Equal(t, []uuid.UUID{gst, vat}, changed.TaxRates)
	require.Equal(t, "tax_rate_archived", refusal(t, l, customer.Create{Patch: customer.Patch{Currency: ptr("EUR"), TaxRates: &[]uuid.UUID{vat}}}).Code)
}

// Rule K1: what was erased is a mark that cannot be written again; the rest of the customer goes on.
func TestAnErasedCustomer(t *testing.T) {
	l := ledgertest.New(t, now)
	id := uuid.New()
	erased := domain.Personal{Subject: "erased", Text: domain.ErasedPrefix + "1"}
	l.Given(id, customer.Created{Fields: customer.Fields{Currency: "EUR", TimeZone: "UTC", TaxRates: []uuid.UUID{}},
		Contact: customer.Contact{Name: erased, Email: erased, Address: customer.Address{City: erased}}})
	v, types := done(t, l, customer.Change{ID: id, Patch: customer.Patch{TimeZone: ptr("Asia/Tokyo")}})
	require.Equal(t, []string{"customer.changed.v1"}, types, "it does not repeat the contact")
	require.Equal(t, erased, v.Name)
	v, _ = done(t, l, customer.Change{ID: id, Patch: customer.Patch{Email: ptr("new@example.com")}})
	require.Equal(t, customer.Contact{Email: domain.About(customer.Subject(id), "new@example.com")}, v.Contact, "the marks are gone")
}

// Each field is checked, and all bad ones are named at once.
func TestCustomerFieldsAreChecked(t *testing.T) {
	l := ledgertest.New(t, now)
	vat, archived, product := rate(l, "VAT"), rate(l, "old"), l.Product()
	ledgertest.Must[catalog.TaxRateView](l, catalog.ArchiveTaxRate{ID: archived})
	many := map[string]string{}
	for i := range customer.MaxMetadata + 1 {
		many[fmt.Sprint(i)] = ""
	}
	long := strings.Repeat("x", 256)
	for name, tt := range map[string]struct {
		patch customer.Patch
		want  []string
	}{
		"no currency":       {customer.Patch{Currency: ptr("")}, []string{"/currency unknown_currency"}},
		"B23 XXX":           {customer.Patch{Currency: ptr("XXX")}, []string{"/currency unknown_currency"}},
		"a zone of nowhere": {customer.Patch{TimeZone: ptr("Local")}, []string{"/timeZone unknown_time_zone"}},
		"a long name":       {customer.Patch{Name: &long}, []string{"/name bad_name"}},
		"no address at all": {customer.Patch{Email: ptr("ada")}, []string{"/email bad_email"}},
		"an address": {customer.Patch{Address: &customer.PostalAddress{Line1: "a\nb", Line2: long, City: "\t", State: long, PostalCode: long, Country: "XX"}},
			[]string{"/address/line1 bad_line1", "/address/line2 bad_line2", "/address/city bad_city", "/address/state bad_state", "/address/postalCode bad_postal_code", "/address/country unknown_country"}},
		"a country's name":     {customer.Patch{Address: &customer.PostalAddress{Country: "DEU"}}, []string{"/address/country unknown_country"}},
		"half of two":          {customer.Patch{Address: &customer.PostalAddress{Country: "D "}}, []string{"/address/country unknown_country"}},
		"tax rates":            {customer.Patch{TaxRates: &[]uuid.UUID{vat, vat, archived, product, uuid.New()}}, []string{"/taxRates/1 duplicate_tax_rate", "/taxRates/2 tax_rate_archived", "/taxRates/3 no_tax_rate", "/taxRates/4 no_tax_rate"}},
		"too many of them":     {customer.Patch{TaxRates: ptr(make([]uuid.UUID, 21))}, []string{"/taxRates too_many_items"}},
		"exempt for no reason": {customer.Patch{TaxExempt: ptr(&customer.Exemption{})}, []string{"/taxExempt/reason bad_reason"}},
		"an outside id":        {customer.Patch{ExternalID: &long}, []string{"/externalId bad_external_id"}},
		"51 entries":           {customer.Patch{Metadata: &many}, []string{"/metadata bad_metadata"}},
		"a key of none":        {customer.Patch{Metadata: &map[string]string{"": "x"}}, []string{"/metadata bad_metadata"}},
		"a long key":           {customer.Patch{Metadata: &map[string]string{long[:41]: "x"}}, []string{"/metadata bad_metadata"}},
		"a key of two lines":   {customer.Patch{Metadata: &map[string]string{"a\nb": "x"}}, []string{"/metadata bad_metadata"}},
		"a long text":          {customer.Patch{Metadata: &map[string]string{"k": strings.Repeat("x", 501)}}, []string{"/metadata bad_metadata"}},
		"several":              {customer.Patch{Currency: ptr("XXX"), Name: &long}, []string{"/currency unknown_currency", "/name bad_name"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := tt.patch
			if p.Currency == nil {
				p.Currency = ptr("EUR")
			}
			var got []string
			for _, f := range refusal(t, l, customer.Create{Patch: p}).Fields {
				got = append(got, f.Pointer+" "+f.Code)
			}
			require.Equal(t, tt.want, got)
		})
	}
	most := map[string]string{}
	for i := range customer.MaxMetadata {
		most[fmt.Sprintf("%040d", i)] = strings.Repeat("x", 500)
	}
	done(t, l, customer.Create{Patch: customer.Patch{Currency: ptr("EUR"), Metadata: &most}})
}
