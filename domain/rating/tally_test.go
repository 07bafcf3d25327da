package rating_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

// byTheBook keeps all records and puts them in order before it looks at them.
func byTheBook(how string, p period.Period, before decimal.Decimal, records []rating.Record) *big.Rat {
	var in []rating.Record
	for _, r := range records {
		if p.Contains(r.At) {
			in = append(in, r)
		}
	}
	slices.SortFunc(in, func(a, b rating.Record) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(a.Position - b.Position)
	})
	sum, most, last, level := new(big.Rat), new(big.Rat), before.Rat(), before.Rat()
	count, present := int64(0), map[string]bool{}
	weighed, since := new(big.Rat), p.Start
	lasted := func(until time.Time) *big.Rat {
		return new(big.Rat).Mul(level, new(big.Rat).SetInt64(until.Sub(since).Microseconds()))
	}
	for i, r := range in {
		q := r.Quantity.Rat()
		sum.Add(sum, q)
		if i == 0 || q.Cmp(most) > 0 {
			most = q
		}
		last = q
		present[r.Value] = q.Sign() >= 0
		if q.Sign() < 0 {
			delete(present, r.Value)
			count--
		} else {
			count++
		}
		weighed.Add(weighed, lasted(r.At))
		level, since = new(big.Rat).Add(level, q), r.At
	}
	weighed.Add(weighed, lasted(p.End))
	switch how {
	case "count":
		return new(big.Rat).SetInt64(count)
	case "max":
		return most
	case "last":
		return last
	case "unique":
		return new(big.Rat).SetInt64(int64(len(present)))
	case "weightedSum":
		return weighed.Quo(weighed, new(big.Rat).SetInt64(p.End.Sub(p.Start).Microseconds()))
	}
	return sum
}

func TestTallyIsWhatTheRecordsInTheirOrderComeTo(t *testing.T) {
	p := period.Period{Start: april(2), End: april(4)}
	rapid.Check(t, func(rt *rapid.T) {
		how := rapid.SampledFrom([]string{"sum", "count", "max", "last", "unique", "weightedSum"}).Draw(rt, "how")
		before := decimal.New(rapid.Int64Range(-50, 50).Draw(rt, "before"), -1)
		records := make([]rating.Record, rapid.IntRange(0, 12).Draw(rt, "records"))
		for i := range records {
			records[i] = rating.Record{
				At:       april(1).Add(time.Duration(rapid.IntRange(0, 16).Draw(rt, "quarter days")) * 6 * time.Hour),
				Position: int64(i + 1),
				Quantity: decimal.New(rapid.Int64Range(-90, 90).Draw(rt, "tenths"), -1),
				Value:    rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "value"),
			}
		}
		want := byTheBook(how, p, before, records)
		tally, in := rating.NewTally(how, p), 0
		for _, r := range rapid.Permutation(records).Draw(rt, "order") {
			tally.Add(r)
			if p.Contains(r.At) {
				in++
			}
		}
		require.Zero(rt, want.Cmp(tally.Result(before)), "%s: want %s, got %s", how, want, tally.Result(before))
		require.Equal(rt, in, tally.Records())
	})
}
