package handlers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// planWith is a plan's body with members of the test's own.
func (a *attack) planWith(members string) string {
	return `{"productUuid":"` + a.product + `","name":"p","displayName":"P","licenseType":"perSeat","pricingType":"paid","interval":"month","length":1` + members + `}`
}

func (a *attack) priceWith(members string) string {
	return a.planWith(`,"prices":[{"key":"a",` + members + `}]`)
}

func TestB21_AmountsOutOfRange(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	licensed := a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.flat+`"}`).want(201).text("uuid")
	dear := func(kind, more string) string {
		plan := a.planWith(`,"prices":[{"key":"a","kind":"` + kind + `","currency":"EUR","unitAmount":"9007199254740991"}],` + more)
		return a.call(t, a.test, "POST", "/plans", plan).want(201).text("uuid")
	}
	bySeat := dear("perSeat", `"perSeatAmount":1,"maxSeatAmount":-1`)
	byUnit := dear("perUnit", `"maxSeatAmount":-1`)
	twice := a.call(t, a.test, "POST", "/plans", a.planWith(`,"maxSeatAmount":-1,"prices":[{"key":"a","kind":"perSeat","currency":"EUR","unitAmount":"9007199254740991"},
		{"key":"b","kind":"volume","currency":"EUR","tiers":[{"upTo":9,"unitAmount":"1"},{"upTo":null,"unitAmount":"9007199254740991"}]}]`)).want(201).text("uuid")
	costly := a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+bySeat+`","quantity":1024}`).want(201).text("uuid") // 2^63 - 1024
	a.writesNothing(t, func() {
		for _, n := range []string{"-1", "2147483648", "9007199254740992", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1e300", "-9223372036854775809"} {
			for _, path := range []string{"/subscriptions", "/subscriptions/" + a.sub + "/quantity", "/subscriptions/" + licensed + "/quantity", "/subscriptions/" + a.sub + "/change-plan"} {
				body := `{"quantity":` + n + `}`
				if strings.HasSuffix(path, "subscriptions") || strings.HasSuffix(path, "plan") {
					body = `{"planUuid":"` + a.yearly + `","quantity":` + n + `}`
				}
				require.Equal(t, []string{"/quantity"}, a.call(t, a.test, "POST", path, body).code(422, "amount_out_of_range").pointers())
			}
			for _, field := range []string{"increment", "decrement"} {
				a.call(t, a.test, "POST", "/subscriptions/"+a.sub+"/quantity", `{"`+field+`":`+n+`}`).code(422, "amount_out_of_range")
			}
			if n != "2147483648" { // these are prices
				a.call(t, a.test, "POST", "/plans", a.planWith(`,"currencies":[{"currency":"EUR","price":`+n+`}]`)).code(422, "amount_out_of_range")
				for _, quoted := range []string{n, `"` + n + `"`} {
					a.call(t, a.test, "POST", "/plans", a.priceWith(`"kind":"flat","currency":"EUR","unitAmount":`+quoted)).code(422, "amount_out_of_range")
					a.call(t, a.test, "POST", "/plans/"+a.flat+"/versions", `{"prices":[{"key":"a","kind":"flat","currency":"EUR","unitAmount":`+quoted+`}]}`).code(422, "amount_out_of_range")
				}
				a.call(t, a.test, "POST", "/plans", a.priceWith(`"kind":"perSeat","currency":"EUR","unitAmount":1,"minimumAmount":`+n)).code(422, "amount_out_of_range")
				a.call(t, a.test, "POST", "/plans", a.priceWith(`"kind":"perSeat","currency":"EUR","unitAmount":1,"includedSeats":`+n)).want(422)
				a.call(t, a.test, "POST", "/plans", a.priceWith(`"kind":"volume","currency":"EUR","tiers":[{"upTo":`+n+`,"unitAmount":1},{"upTo":null,"unitAmount":1}]`)).want(422)
			}
		}
		for _, half := range []string{"0.5", "1.0000000001", "1e-1"} {
			a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","quantity":`+half+`}`).code(422, "not_an_integer")
		}
		for _, word := range []string{`"many"`, `"0x10"`, `""`, `" 1"`, `"1_000"`, `"Infinity"`, `"NaN"`, `"١"`} {
			a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","quantity":`+word+`}`).want(422)
		}
		a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","quantity":true}`).code(400, "wrong_type")

		// A price by the quantity that is more than 64 bits, whichever command asks for it.
		for plan, n := range map[string]int{bySeat: 1025, byUnit: 1025, twice: 513} {
			a.call(t, a.test, "POST", "/subscriptions", fmt.Sprintf(`{"planUuid":%q,"quantity":%d}`, plan, n)).code(422, "amount_out_of_range")
		}
		a.call(t, a.test, "POST", "/subscriptions/"+costly+"/quantity", `{"increment":1}`).code(422, "amount_out_of_range")
		a.call(t, a.test, "POST", "/subscriptions/"+costly+"/quantity", `{"quantity":1025}`).code(422, "amount_out_of_range")
		a.call(t, a.test, "POST", "/subscriptions/"+costly+"/change-plan", `{"planUuid":"`+twice+`"}`).code(422, "amount_out_of_range")
	})
	for _, n := range []string{"1e99", "-1e99", "9223372036854775808", `"1e19"`, "1e-21", `"many"`} {
		got := a.call(t, a.test, "POST", "/usage", `{"records":[{"key":"u","quantity":`+n+`,"subscriptionUuid":"`+a.sub+`"}]}`).want(200)
		require.Equal(t, "rejected", got.text("results", 0, "status"), "%s: %s", n, got.body)
	}
	none := a.call(t, a.test, "POST", "/plans", a.planWith(`,"perSeatAmount":0,"maxSeatAmount":9`)).want(201).text("uuid")
	require.Equal(t, "0", a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+none+`","quantity":0}`).want(201).text("quantity"), "where the minimum allows it")
}

func TestB23_Currencies(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	a.writesNothing(t, func() {
		for _, code := range []string{"XXX", "XTS", "XAU", "ZZZ", "EU", "EURO", "", "€", " EUR", "EUR ", "ΕUR", "eſr", "978", "DEM"} {
			for path, body := range map[string]string{
				"/products":      `{"name":"x","displayName":"X","currencies":[{"currency":"` + code + `"}]}`,
				"/plans":         a.priceWith(`"kind":"flat","unitAmount":1,"currency":"` + code + `"`),
				"/organisations": `{"name":"x","currency":"` + code + `"}`,
				"/subscriptions": `{"planUuid":"` + a.seats + `","currency":"` + code + `"}`,
			} {
				key := a.test
				if path == "/organisations" {
					key = a.admin
				}
				if code == "" && (path == "/organisations" || path == "/subscriptions") {
					continue // the default one
				}
				a.call(t, key, "POST", path, body).want(422)
			}
		}
		a.call(t, a.test, "POST", "/plans", a.priceWith(`"kind":"flat","unitAmount":1,"currency":"CHF"`)).code(422, "currency_not_offered")
		a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","currency":"USD"}`).code(422, "currency_not_offered")
		for _, price := range []string{"10.5", "0.001", "1e-3"} { // minor units have no digits behind the point, in yen as in dinars
			a.call(t, a.test, "POST", "/plans", a.planWith(`,"currencies":[{"currency":"EUR","price":`+price+`}]`)).code(422, "not_an_integer")
		}
	})
	made := a.call(t, a.test, "POST", "/products", `{"name":"x","displayName":"X","currencies":[{"currency":"jpy","default":true},{"currency":"Kwd"}]}`).want(201)
	require.Equal(t, "JPY KWD", made.text("currencies", 0, "currency")+" "+made.text("currencies", 1, "currency"))
	require.Equal(t, "EUR", a.call(t, a.test, "POST", "/subscriptions", `{"planUuid":"`+a.seats+`","currency":"eUr"}`).want(201).text("currency"))
}

func TestB25_Percentages(t *testing.T) {
	t.Parallel()
	a := newAttack(t)
	plan := func(percentage string) *result {
		return a.call(t, a.test, "POST", "/plans?dryRun=true", a.priceWith(`"kind":"percentage","currency":"EUR","meter":"calls","percentage":`+percentage))
	}
	a.writesNothing(t, func() {
		for _, bad := range []string{"100.0001", "-5", "1e-20", "-0.0001", "100.00001", "0.00001", "1e2000", "101", "1e3"} {
			for _, form := range []string{bad, `"` + bad + `"`} {
				if got := plan(form); form != "1e2000" { // no JSON number that others read
					got.want(422)
				} else {
					got.code(400, "number_out_of_range")
				}
			}
		}
		for _, bad := range []string{`"five"`, `"5%"`, `""`, `"5,5"`, `" 5"`, `"٥"`, `null`} {
			plan(bad).want(422)
		}
		plan(`[5]`).code(400, "wrong_type")
		for _, good := range []string{"0", "100", "100.0000", `"8.875"`, "0.0001", "1e2", "1e-4", `"99.9999"`} {
			plan(good).want(201)
		}
	})
}
