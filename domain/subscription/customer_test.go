package subscription_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Customer rule K6.
func TestAFirstPurchaseMakesItsCustomer(t *testing.T) {
	s := open(t)
	both := s.Plan(s.product, func(f *catalog.PlanFields) {
		f.Currencies = []catalog.PlanCurrency{{Currency: "USD", Price: 1000}, {Currency: "EUR", Price: 900}}
	})
	buy := func(c subscription.Start) (subscription.View, []string) {
		t.Helper()
		c.PlanID = both
		answer, events, err := s.Execute(c)
		require.NoError(t, err)
		billed := slices.IndexFunc(events, func(e ledgertest.Event) bool { return domain.KindOf(e.Event.EventType()) == "account" })
		return answer.(subscription.View), ledgertest.Names(events[:billed])
	}
	of := func(id uuid.UUID) *customer.Customer { return s.State(id).(*customer.Customer) }

	first, names := buy(subscription.Start{Owner: "acme", Email: "ann@example.com", TimeZone: "Europe/Berlin"})
	require.Equal(t, []string{"customer.created.v1", "owner.billed.v1", "subscription.started.v1"}, names)
	require.Equal(t, customer.Fields{Currency: "USD", TimeZone: "Europe/Berlin", TaxRates: []uuid.UUID{}}, of(*first.CustomerID).Fields)
	require.Equal(t, customer.Contact{Email: domain.About("owner:acme", "ann@example.com")}, of(*first.CustomerID).Contact, "it is erased with the owner")

	again, names := buy(subscription.Start{Owner: "acme", Email: "eve@example.com"})
	require.Equal(t, []string{"subscription.started.v1"}, names)
	require.Equal(t, first.CustomerID, again.CustomerID)
	require.Equal(t, "Europe/Berlin", again.TimeZone, "it goes by the customer's clock")
	require.Equal(t, domain.About("owner:acme", "eve@example.com"), again.Email)
	require.Equal(t, "ann@example.com", of(*first.CustomerID).Contact.Email.Text)

	euros, names := buy(subscription.Start{Owner: "acme", Currency: "EUR"})
	require.Len(t, names, 3)
	require.NotEqual(t, first.CustomerID, euros.CustomerID)
	other, _ := buy(subscription.Start{Owner: "other"})
	require.NotEqual(t, first.CustomerID, other.CustomerID)
	named := s.customer("USD", "")
	theirs, names := buy(subscription.Start{Owner: "acme", CustomerID: &named})
	require.Equal(t, []string{"subscription.started.v1"}, names)
	require.Equal(t, named, *theirs.CustomerID)
	last, _ := buy(subscription.Start{Owner: "acme", Currency: "usd"})
	require.Equal(t, first.CustomerID, last.CustomerID, "as before")
	s.Reload()
	last, _ = buy(subscription.Start{Owner: "acme", Currency: "EUR"})
	require.Equal(t, euros.CustomerID, last.CustomerID)

	nobody, names := buy(subscription.Start{Email: "ann@example.com"})
	require.Equal(t, []string{"customer.created.v1", "subscription.started.v1"}, names)
	require.Equal(t, domain.About("email:ann@example.com", "ann@example.com"), of(*nobody.CustomerID).Contact.Email)
	next, _ := buy(subscription.Start{})
	require.NotEqual(t, nobody.CustomerID, next.CustomerID, "each is somebody else")
	require.Equal(t, customer.Contact{}, of(*next.CustomerID).Contact)
	s.CheckFolds()
}

// What is sold in no currency is billed to nobody, and what is refused makes nobody.
func TestPurchasesWithoutACustomer(t *testing.T) {
	s := open(t)
	bare := s.Product(func(f *catalog.ProductFields) { f.Currencies = nil })
	free := s.Plan(bare, func(f *catalog.PlanFields) { f.PricingType, f.Currencies = "free", nil })
	answer, events, err := s.Execute(subscription.Start{PlanID: free, Owner: "acme"})
	require.NoError(t, err)
	require.Equal(t, []string{"subscription.started.v1"}, ledgertest.Names(events))
	require.Nil(t, answer.(subscription.View).CustomerID)
	for _, c := range []subscription.Start{{PlanID: s.seats, Owner: "acme", Email: "ann"}, {PlanID: s.seats, Owner: "acme", Currency: "EUR"}, {PlanID: s.seats, Owner: "a\nb"}} {
		_, events, err := s.Execute(c)
		require.Error(t, err)
		require.Empty(t, events)
	}
}
