package projections

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/internal/pgtest"
)

func TestCustomerRows(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	pool, reads := pgtest.Pool(t, db.AppURL), NewReads(pgtest.Pool(t, db.ReaderURL), nil, nil)
	h, ledger, models := newHistory(), id(900), Models()
	do := func(stream, at int, events ...domain.Event) {
		t.Helper()
		apply(t, pool, models, h.add(ledger, id(stream), day(at), events...))
	}
	about := func(of int, text string) domain.Personal { return domain.About(customer.Subject(id(of)), text) }
	fields := customer.Fields{Currency: "EUR", TimeZone: "UTC", TaxRates: []uuid.UUID{id(7)}, ExternalID: "a", Metadata: map[string]string{"k": "v"}}
	do(1, 1, customer.Created{Fields: fields, Contact: customer.Contact{Name: about(1, "Ada"), Address: customer.Address{City: about(1, "Ulm")}}})
	do(2, 1, customer.Created{Fields: customer.Fields{Currency: "USD", TimeZone: "UTC", TaxRates: []uuid.UUID{}}})
	row, err := reads.Customer(t.Context(), ledger, id(1))
	require.NoError(t, err)
	require.Equal(t, fields, row.Fields)
	require.Equal(t, "Ada", *row.Name)
	require.Nil(t, row.Email)
	require.Equal(t, customer.PostalAddress{City: "Ulm"}, row.Address)

	// Each half is changed without the other.
	fields.ExternalID = ""
	do(1, 2, customer.Changed{Fields: fields}, customer.ContactChanged{Contact: customer.Contact{Email: about(1, "ada@example.com")}})
	row, err = reads.Customer(t.Context(), ledger, id(1))
	require.NoError(t, err)
	require.Nil(t, row.ExternalID)
	require.Nil(t, row.Name)
	require.Equal(t, "ada@example.com", *row.Email)
	require.Equal(t, []int64{3, 4}, []int64{row.Version, row.Position})
	require.Equal(t, day(1), row.CreatedAt.UTC())

	// A payment method is no column, and moves the version that If-Match speaks of.
	do(1, 3, customer.PaymentMethodSet{PaymentMethod: customer.PaymentMethod{Provider: "manual", Outcome: "fails"}}, customer.PaymentMethodRemoved{})
	row, err = reads.Customer(t.Context(), ledger, id(1))
	require.NoError(t, err)
	require.Equal(t, []int64{5, 6}, []int64{row.Version, row.Position})
	require.Equal(t, "ada@example.com", *row.Email)

	of := func(ledger uuid.UUID, f CustomerFilter, k Keyset) (ids []uuid.UUID) {
		t.Helper()
		all, err := reads.Customers(t.Context(), ledger, f, k)
		require.NoError(t, err)
		for _, c := range all {
			ids = append(ids, c.ID)
		}
		return ids
	}
	require.Equal(t, []uuid.UUID{id(1), id(2)}, of(ledger, CustomerFilter{}, Keyset{}))
	require.Equal(t, []uuid.UUID{id(2)}, of(ledger, CustomerFilter{}, Keyset{After: id(1)}))
	require.Empty(t, of(ledger, CustomerFilter{ExternalID: "a"}, Keyset{}))
	do(2, 3, customer.Changed{Fields: customer.Fields{Currency: "USD", TimeZone: "UTC", TaxRates: []uuid.UUID{}, ExternalID: "b"}})
	require.Equal(t, []uuid.UUID{id(2)}, of(ledger, CustomerFilter{ExternalID: "b"}, Keyset{}))
	require.Empty(t, of(id(901), CustomerFilter{}, Keyset{}), "another ledger's")
	_, err = reads.Customer(t.Context(), id(901), id(1))
	require.ErrorIs(t, err, &domain.Error{Code: "no_customer"})
}
