package handlers

import (
	"math/big"
	"strconv"
	"strings"
)

// number is a JSON number, exactly: (-1)^neg × digits × 10^exp. Digits has no leading or trailing
// zeros; zero has no digits and no sign.
type number struct {
	neg    bool
	digits string
	exp    int
}

// parseNumber reads what JSON's grammar calls a number. It fails on more digits than we keep or an
// exponent that no int holds, so that 1e999999999 costs nothing.
func parseNumber(s string) (number, bool) {
	var n number
	s, n.neg = strings.CutPrefix(s, "-")
	mantissa := s
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa = s[:i]
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > 1e6 || e < -1e6 {
			return n, false
		}
		n.exp = e
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if len(whole)+len(fraction) > maxDigits {
		return n, false
	}
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return n, false
	}
	n.exp -= len(fraction)
	n.digits = strings.TrimRight(digits, "0")
	n.exp += len(digits) - len(n.digits)
	n.digits = strings.TrimLeft(n.digits, "0")
	if n.digits == "" {
		return number{}, true
	}
	return n, true
}

// String is the same for equal numbers, however they were written: digits, and an exponent if not 0.
func (n number) String() string {
	if n.digits == "" {
		return "0"
	}
	s := n.digits
	if n.exp != 0 {
		s += "e" + strconv.Itoa(n.exp)
	}
	if n.neg {
		s = "-" + s
	}
	return s
}

// integer is the number as an integer; whole is false when it has a fraction, and fits when no int64 holds it.
func (n number) integer() (i int64, whole, fits bool) {
	switch {
	case n.digits == "":
		return 0, true, true
	case n.exp < 0:
		return 0, false, true
	case n.exp+len(n.digits) > 19:
		return 0, true, false
	}
	v, ok := new(big.Int).SetString(n.digits+strings.Repeat("0", n.exp), 10)
	if !ok {
		return 0, true, false
	}
	if n.neg {
		v.Neg(v)
	}
	return v.Int64(), true, v.IsInt64()
}
