// Package money holds amounts in minor units and the arithmetic that keeps them exact.
//
// Words: a minor unit is the smallest unit of a currency (a cent, a fils, a whole yen); the exponent is the
// number of digits between it and the major unit; a unit price is a decimal in minor units ("0.0123").
//
// Rules (design, section 6): R1 an amount is an integer in minor units, intermediate values are exact, each line
// is rounded once, half to even; R6 what is spread over lines is spread by the largest remainder.
package money

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// Currency is an entry of ISO 4217 that has a minor unit.
type Currency struct {
	Code     string // three capitals: "USD"
	Exponent int    // digits of the minor unit: 0, 2, 3 or 4
	Name     string // English, as the standard has it: "US Dollar"
	Symbol   string // English and unambiguous: "$", "CA$"; the code where there is none
}

//go:embed iso4217.csv
var iso4217 string

// table is read once, from bytes that are part of the program: a bad row is a bad build.
var table = sync.OnceValue(func() map[string]Currency {
	r := csv.NewReader(strings.NewReader(iso4217))
	r.Comment, r.FieldsPerRecord = '#', 5
	rows, err := r.ReadAll()
	if err != nil {
		panic(fmt.Sprintf("money: read iso4217.csv: %v", err))
	}
	t := make(map[string]Currency, len(rows))
	for _, row := range rows[1:] {
		exponent, err := strconv.Atoi(row[2])
		if err != nil {
			panic(fmt.Sprintf("money: iso4217.csv: exponent of %s: %v", row[0], err))
		}
		t[row[0]] = Currency{Code: row[0], Exponent: exponent, Name: row[3], Symbol: row[4]}
	}
	return t
})

// Lookup finds an active currency by its code in capitals.
func Lookup(code string) (Currency, bool) {
	c, ok := table()[code]
	return c, ok
}

// Parse finds an active currency, whatever the case of its ASCII letters. It refuses with unknown_currency
// what is not in the table: withdrawn codes, XXX, XTS, metals.
func Parse(code string) (Currency, error) {
	// strings.ToUpper alone would turn other alphabets' letters into ours: ſ is an S to it
	if len(code) == 3 && strings.IndexFunc(code, func(r rune) bool { return r > 'z' }) < 0 {
		if c, ok := Lookup(strings.ToUpper(code)); ok {
			return c, nil
		}
	}
	return Currency{}, domain.Refuse(domain.Invalid, "unknown_currency", "%.20q is not an active ISO 4217 currency", code)
}

// All yields the currencies by code.
func All() iter.Seq[Currency] {
	t := table()
	codes := make([]string, 0, len(t))
	for code := range t {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return func(yield func(Currency) bool) {
		for _, code := range codes {
			if !yield(t[code]) {
				return
			}
		}
	}
}

// Major is an amount of minor units in major units: 1999 cents are 19.99. Exact.
func (c Currency) Major(minor int64) decimal.Decimal {
	return decimal.New(minor, -int32(c.Exponent))
}

// Minor is an amount of major units in minor units. It rounds nothing: more digits than the currency has
// are refused with amount_too_precise, a value that is no int64 with amount_out_of_range.
func (c Currency) Minor(major decimal.Decimal) (int64, error) {
	major = major.Normalize()
	switch e := major.Exponent(); {
	case e < -int32(c.Exponent):
		return 0, domain.Refuse(domain.Invalid, "amount_too_precise", "%s has %d decimal places", c.Code, c.Exponent)
	case e > 19: // before Shift, which panics at the end of its range
		return 0, outOfRange()
	}
	return Round(major.Shift(int32(c.Exponent)))
}

// Format writes an amount with all of the currency's digits, a point and no symbol: "-0.05", "1234", "10.000".
func (c Currency) Format(minor int64) string {
	return c.Major(minor).StringFixed(int32(c.Exponent))
}
