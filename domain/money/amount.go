package money

import (
	"math/big"
	"math/bits"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/mutant"
)

// Amount is money in minor units; a credit is negative. The zero value is nothing, in no currency.
type Amount struct {
	Minor    int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Add refuses a sum over two currencies (currency_mismatch) and one that is no int64 (amount_out_of_range).
func (a Amount) Add(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, domain.Refuse(domain.Invalid, "currency_mismatch", "%s and %s do not add up", a.Currency, b.Currency)
	}
	sum, err := Sum(a.Minor, b.Minor)
	if err != nil {
		return Amount{}, err
	}
	return Amount{sum, a.Currency}, nil
}

// Sub refuses like Add.
func (a Amount) Sub(b Amount) (Amount, error) {
	if a.Currency != b.Currency {
		return Amount{}, domain.Refuse(domain.Invalid, "currency_mismatch", "%s and %s do not add up", a.Currency, b.Currency)
	}
	difference := a.Minor - b.Minor
	if (a.Minor < b.Minor) != (difference < 0) {
		return Amount{}, outOfRange()
	}
	return Amount{difference, a.Currency}, nil
}

// Neg refuses the one amount whose opposite is no int64 (amount_out_of_range).
func (a Amount) Neg() (Amount, error) {
	return Amount{Currency: a.Currency}.Sub(a)
}

// String is for people and logs: "19.99 USD", "1999 ???" where the currency is unknown.
func (a Amount) String() string {
	c, ok := Lookup(a.Currency)
	if !ok {
		return c.Format(a.Minor) + " ???"
	}
	return c.Format(a.Minor) + " " + c.Code
}

// Sum adds amounts of one currency. Only the result must be an int64 (else amount_out_of_range), so the order
// of the amounts never decides.
func Sum(minor ...int64) (int64, error) {
	var hi, lo uint64 // two's complement, 128 bits
	for _, m := range minor {
		var carry uint64
		lo, carry = bits.Add64(lo, uint64(m), 0)
		hi, _ = bits.Add64(hi, uint64(m>>63), carry)
	}
	if sum := int64(lo); uint64(sum>>63) == hi {
		return sum, nil
	}
	return 0, outOfRange()
}

// Mul prices a quantity. Exact: the unit price is never rounded first (rule R1).
func Mul(unitPrice, quantity decimal.Decimal) decimal.Decimal {
	return unitPrice.Mul(quantity)
}

// Round brings an exact value in minor units to an amount, half to even (rule R1). What is no int64 then is
// refused with amount_out_of_range.
func Round(d decimal.Decimal) (int64, error) {
	// The size is looked at first: 1e1000000000 is short to write and takes a gigabyte to round.
	switch digits := int64(d.NumDigits()) + int64(d.Exponent()); {
	case d.IsZero() || digits < 0: // below 0.1
		return 0, nil
	case digits > 19:
		return 0, outOfRange()
	}
	r := d.RoundBank(0).BigInt()
	if mutant.Active == mutant.HalfUp {
		r = d.Round(0).BigInt()
	}
	if r.IsInt64() {
		return r.Int64(), nil
	}
	return 0, outOfRange()
}

// RoundRat is Round for a value that is no decimal, such as a share of a price.
func RoundRat(r *big.Rat) (int64, error) {
	// Half to even is the floor of r + 1/2, less one where that sum is an odd integer.
	sum := new(big.Rat).Add(r, big.NewRat(1, 2))
	n := floor(sum.Num(), sum.Denom())
	if sum.IsInt() && n.Bit(0) == 1 {
		n.Sub(n, big.NewInt(1))
	}
	if n.IsInt64() {
		return n.Int64(), nil
	}
	return 0, outOfRange()
}

// floor divides towards minus infinity; by must be positive.
func floor(n, by *big.Int) *big.Int {
	return new(big.Int).Div(n, by) // Euclidean, which is the floor for a positive divisor
}

func outOfRange() error {
	return domain.Refuse(domain.Invalid, "amount_out_of_range", "the amount does not fit 64 bits of minor units")
}
