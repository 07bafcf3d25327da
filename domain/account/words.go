package account

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/rating"
)

// suffixes say what a line is, behind what was bought.
var suffixes = map[string]string{invoice.KindCredit: ": unused time", invoice.KindDebit: ": remaining time", invoice.KindMinimum: ": up to the minimum"}

// describe is what people read; the period stands beside it. Note is what else is to be known of the price.
func describe(kind string, b *Bought, p *catalog.Price, note string) string {
	name := b.PlanName
	if len(b.Prices) > 1 {
		name += ", " + p.Key
	}
	name += note
	switch kind {
	case invoice.KindUsage:
		return name + ": usage of " + p.Meter
	case invoice.KindAdjustment:
		return name + ": later usage of " + p.Meter
	}
	return name + suffixes[kind]
}

// count gives a line its quantity, on top of what was there before, and words for what else its amount is made of: with
// them and the unit amount it can be worked out on paper.
func count(l *invoice.Line, b *Bought, p *catalog.Price, quantity, before *big.Rat) {
	l.Quantity = text(quantity)
	var notes []string
	switch p.Kind {
	case catalog.Package:
		notes = append(notes, "per "+p.PackageSize.String())
	case catalog.Percentage:
		notes = append(notes, p.Percentage.String()+" %")
	}
	off := new(big.Rat).Sub(free(p, new(big.Rat).Add(before, quantity)), free(p, before))
	if off.Sign() > 0 {
		notes = append(notes, decimal.NewFromBigRat(off, 12).String()+" "+freeWord(p))
	}
	if len(notes) > 0 {
		l.Description = describe(l.Kind, b, p, " ("+strings.Join(notes, ", ")+")")
	}
}

// free is how many of a quantity cost nothing.
func free(p *catalog.Price, quantity *big.Rat) *big.Rat {
	return new(big.Rat).Sub(quantity, rating.Charge{Price: *p, Quantity: quantity}.Billable())
}

func freeWord(p *catalog.Price) string {
	if p.FreeUnits == nil {
		return "included"
	}
	return "free"
}

// unused says in words what is taken back of a line, of which so many units were paid for. Where only some of those are
// taken back the line's words do not tell what is free any more.
func unused(l *invoice.Line, paid int64, some bool) string {
	name := l.Description
	for _, kind := range []string{invoice.KindDebit, invoice.KindMinimum} {
		name = strings.TrimSuffix(name, suffixes[kind])
	}
	if quantity, err := strconv.ParseInt(l.Quantity, 10, 64); err == nil && some {
		for _, word := range []string{"included", "free"} {
			name = strings.TrimSuffix(name, fmt.Sprintf(" (%d %s)", quantity-paid, word))
		}
	}
	return name + suffixes[invoice.KindCredit]
}
