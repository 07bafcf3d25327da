package money

import (
	"strings"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// Most digits of a decimal on the wire, before and after the point. They bound the cost of all later arithmetic.
const (
	MaxIntegerDigits  = 19
	MaxFractionDigits = 18
)

// ParseDecimal reads a unit price, quantity or percentage as the API writes them: digits, at most one point with
// digits on both sides, at most one minus before. No exponent, plus, space or grouping: bad_decimal. More than
// 19 digits before the point or 18 after it: decimal_out_of_range.
func ParseDecimal(s string) (decimal.Decimal, error) {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !digits(whole) || point != digits(fraction) {
		return decimal.Decimal{}, domain.Refuse(domain.Invalid, "bad_decimal", "%.40q is not a plain decimal such as 15 or 0.0123", s)
	}
	if len(whole) > MaxIntegerDigits || len(fraction) > MaxFractionDigits {
		return decimal.Decimal{}, domain.Refuse(domain.Invalid, "decimal_out_of_range",
			"a decimal has at most %d digits before the point and %d after it", MaxIntegerDigits, MaxFractionDigits)
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return decimal.Decimal{}, domain.Refuse(domain.Invalid, "bad_decimal", "%.40q is not a plain decimal such as 15 or 0.0123", s)
	}
	return d, nil
}

// digits reports whether s is one or more ASCII digits.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
