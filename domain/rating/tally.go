package rating

import (
	"crypto/sha256"
	"math/big"
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/period"
)

// Tally aggregates the records of a period one by one, in whatever order they come. It keeps none of them: of
// `unique` it keeps a few bytes a value. Aggregate says what each aggregation is.
type Tally struct {
	how     string
	period  period.Period
	records int
	latest  place
	// The sum of the quantities, the largest, the latest, or what changes of a level add up to, each for as long as it lasts.
	amount decimal.Decimal
	count  int64
	values map[valueHash]lastUse
}

// place is a record's place in the order of a meter.
type place struct {
	at       time.Time
	position int64
}

func (p place) before(q place) bool {
	if c := p.at.Compare(q.at); c != 0 {
		return c < 0
	}
	return p.position < q.position
}

// valueHash stands for a value of any length.
type valueHash [16]byte

// lastUse is what the latest record of a value did with it. Instants are microseconds.
type lastUse struct {
	at, position int64
	gone         bool
}

// NewTally begins.
func NewTally(how string, p period.Period) *Tally {
	t := &Tally{how: how, period: p}
	if how == "unique" {
		t.values = map[valueHash]lastUse{}
	}
	return t
}

// Add takes a record in, unless it lies outside of the period.
func (t *Tally) Add(r Record) {
	if !t.period.Contains(r.At) {
		return
	}
	t.records++
	switch t.how {
	case "count":
		if r.Quantity.IsNegative() {
			t.count--
		} else {
			t.count++
		}
	case "max":
		if t.records == 1 || r.Quantity.GreaterThan(t.amount) {
			t.amount = r.Quantity
		}
	case "last":
		if here := (place{r.At, r.Position}); t.records == 1 || t.latest.before(here) {
			t.latest, t.amount = here, r.Quantity
		}
	case "unique":
		t.use(r)
	case "weightedSum":
		left := t.period.End.UnixMicro() - r.At.UnixMicro()
		t.amount = t.amount.Add(r.Quantity.Mul(decimal.NewFromInt(left)))
	default:
		t.amount = t.amount.Add(r.Quantity)
	}
}

func (t *Tally) use(r Record) {
	hash := sha256.Sum256([]byte(r.Value))
	key := valueHash(hash[:])
	old, known := t.values[key]
	at := r.At.UnixMicro()
	if !known || old.at < at || old.at == at && old.position < r.Position {
		t.values[key] = lastUse{at, r.Position, r.Quantity.IsNegative()}
	}
}

// Records is how many were taken in.
func (t *Tally) Records() int { return t.records }

// Result is what Aggregate gives of the records that were taken in.
func (t *Tally) Result(before decimal.Decimal) *big.Rat {
	switch {
	case t.how == "count":
		return new(big.Rat).SetInt64(t.count)
	case t.how == "unique":
		n := int64(0)
		for _, v := range t.values {
			if !v.gone {
				n++
			}
		}
		return new(big.Rat).SetInt64(n)
	case t.how == "last" && t.records == 0:
		return before.Rat()
	case t.how == "weightedSum":
		whole := t.period.End.UnixMicro() - t.period.Start.UnixMicro()
		if whole <= 0 {
			return before.Rat()
		}
		average := new(big.Rat).Quo(t.amount.Rat(), new(big.Rat).SetInt64(whole))
		return average.Add(average, before.Rat())
	}
	return t.amount.Rat()
}
