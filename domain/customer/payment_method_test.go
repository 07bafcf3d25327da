package customer_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/internal/ledgertest"
)

// Rule K5.
func TestPaymentMethods(t *testing.T) {
	l := ledgertest.New(t, now)
	v, _ := done(t, l, customer.Create{Patch: customer.Patch{Currency: ptr("EUR")}})
	require.Equal(t, "no_payment_method", refusal(t, l, customer.RemovePaymentMethod{ID: v.ID}).Code)
	has := func() *customer.PaymentMethod { return l.State(v.ID).(*customer.Customer).PaymentMethod }
	require.Nil(t, has())
	set := func(outcome string) customer.SetPaymentMethod {
		return customer.SetPaymentMethod{ID: v.ID, Method: customer.PaymentMethod{Provider: "manual", Outcome: outcome}}
	}
	for version, outcome := range []string{"succeeds", "fails", "requiresAction"} {
		for range 2 { // the same again changes nothing
			want := customer.PaymentMethodView{PaymentMethod: customer.PaymentMethod{Provider: "manual", Outcome: outcome}, Version: int64(version + 2)}
			require.Equal(t, want, ledgertest.Must[customer.PaymentMethodView](l, set(outcome)))
			require.Equal(t, &want.PaymentMethod, has())
		}
	}
	changed, _ := done(t, l, customer.Change{ID: v.ID, Patch: customer.Patch{Name: ptr("Ada")}})
	require.Equal(t, int64(5), changed.Version)
	require.NotNil(t, has(), "other changes leave it")
	removed := ledgertest.Must[customer.PaymentMethodView](l, customer.RemovePaymentMethod{ID: v.ID})
	require.Equal(t, []any{"requiresAction", int64(6)}, []any{removed.Outcome, removed.Version})
	require.Nil(t, has())
	require.Equal(t, "no_payment_method", refusal(t, l, customer.RemovePaymentMethod{ID: v.ID}).Code)
	l.CheckFolds()

	for name, c := range map[string]domain.Command{
		"no_customer":  customer.SetPaymentMethod{ID: uuid.New(), Method: customer.PaymentMethod{Provider: "manual", Outcome: "fails"}},
		"bad_provider": customer.SetPaymentMethod{ID: v.ID, Method: customer.PaymentMethod{Provider: "stripe", Outcome: "fails"}},
		"bad_outcome":  set("failsThenSucceeds"),
	} {
		require.Equal(t, name, refusal(t, l, c).Code)
	}
	require.Equal(t, "no_customer", refusal(t, l, customer.RemovePaymentMethod{ID: l.Product()}).Code)
}
