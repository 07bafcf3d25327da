package metering_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
)

func TestCases58And155PeaksAndBoundaries(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.meter("max", "max", false)
	s.meter("count", "count", false)
	// Case 58: what was highest counts, and not where it ended.
	peak := period.Period{Start: april(12), End: april(20)}
	s.at(april(20))
	for n, level := range []string{"5", "8", "5"} {
		s.record("max", level, april(13+n))
	}
	s.comes("max", peak, "8")

	// Case 155: a unit is of the period that begins at its instant.
	s.record("count", "1", april(20).Add(-time.Microsecond))
	s.record("count", "1", april(20))
	s.at(april(21))
	s.comes("count", period.Period{Start: april(19), End: april(20)}, "1")
	s.comes("count", period.Period{Start: april(20), End: april(21)}, "1")
}

func TestCountsOfEachAggregation(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, how := range []string{"sum", "count", "max", "unique"} {
		s.meter(how, how, false)
	}
	for _, how := range []string{"last", "weightedSum"} {
		s.meter(how, how, true)
		s.meter(how+" anew", how, false)
	}
	// Case 73: nothing happened.
	for meter := range s.meters {
		got := s.comes(meter, month, "0")
		require.Zero(t, got.Records)
		require.False(t, got.Floored)
	}
	s.comes("nobody made this one", month, "0")

	s.at(april(11))
	s.record("sum", "10", april(2))
	s.record("sum", "-3", april(3))
	require.EqualValues(t, 2, s.comes("sum", month, "7").Records) // case 68
	s.record("", "-2.5", april(3))
	require.True(t, s.comes("", month, "0").Floored, "case 68: below nothing is nothing, and said")

	// Case 70: of one instant the later position wins; an older one that comes later changes nothing.
	s.record("last", "4", april(5))
	s.record("last", "6", april(5))
	s.record("last", "9", april(4))
	s.comes("last", month, "6")
	s.comes("last", may, "6") // case 73: it carries over
	s.record("last anew", "6", april(5))
	s.comes("last anew", may, "0")
	before := period.Period{Start: april(-30), End: april(5)}
	s.comes("last", before, "9")

	// Case 71.
	s.record("max", "-5", april(2))
	s.record("max", "-2", april(3))
	require.True(t, s.comes("max", month, "0").Floored)
	s.record("max", "3", april(4))
	s.comes("max", month, "3")

	s.record("count", "10", april(2))
	s.record("count", "1", april(3))
	s.record("count", "-1", april(4))
	s.comes("count", month, "1")

	for i, v := range []struct{ value, quantity string }{{"a", "1"}, {"b", "1"}, {"a", "1"}, {"c", "1"}, {"b", "-1"}} {
		s.execute(s.item("unique", v.quantity, v.value, april(2).Add(time.Duration(i)*time.Hour)))
	}
	s.execute(s.item("unique", "-1", "c", april(2))) // before it came
	s.comes("unique", month, "2")

	// Case 59: 5 for ten days, 8 for ten, 10 for ten; the next month begins with 10.
	s.at(april(22))
	s.execute(subscription.Advance{ID: s.sub})
	for _, m := range []string{"weightedSum", "weightedSum anew"} {
		s.record(m, "2", april(21))
		s.record(m, "5", april(1))
		s.record(m, "3", april(11))
		s.comes(m, month, "23/3")
	}
	s.comes("weightedSum", may, "10")
	s.comes("weightedSum anew", may, "0")

	// All periods at once are what each is alone.
	all := s.count("weightedSum", may, month, before)
	require.Equal(t, []string{"10", "23/3", "4/7"}, []string{all[0].Quantity.RatString(), all[1].Quantity.RatString(), all[2].Quantity.RatString()})
}

func TestRecordsBelongToThePeriodOfTheirInstant(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.at(may.Start.Add(-usage.ClockSkew))
	s.record("", "1", may.Start.Add(-time.Microsecond)) // case 74
	s.record("", "10", may.Start)                       // case 82: five minutes ahead of the clock, and recorded before its period began
	ahead := s.item("", "1", "", may.Start.Add(25*time.Hour))
	_, err := s.store.Execute(t.Context(), eventstore.Request{Ledger: s.ledger, Command: ahead})
	require.ErrorContains(t, err, "in the future", "case 82")
	s.comes("", month, "1")
	s.comes("", may, "10")

	// Case 77, the count's side: a late one changes what a closed period comes to, and the position tells which count knows it.
	old := s.caughtUp()
	s.at(april(41))
	s.execute(subscription.Advance{ID: s.sub})
	s.record("", "100", april(15))
	s.comes("", month, "101")
	s.comes("", may, "10")
	require.Greater(t, s.caughtUp(), old)

	// Case 83: the same key counts once, forty days later too; with another quantity it is refused.
	first := s.item("", "1000", "", april(16))
	s.execute(first)
	s.execute(first)
	s.at(april(81))
	s.execute(subscription.Advance{ID: s.sub})
	s.execute(first)
	other := first
	other.Quantity = decimal.NewFromInt(7)
	_, err = s.store.Execute(t.Context(), eventstore.Request{Ledger: s.ledger, Command: other})
	require.ErrorContains(t, err, "another record")
	require.EqualValues(t, 3, s.comes("", month, "1101").Records)

	// Case 85: of a batch the bad ones are refused one by one, and sent again it counts nothing twice.
	var batch usage.RecordMany
	for range usage.MaxItems {
		batch.Items = append(batch.Items, s.item("", "1", "", april(20)))
	}
	nobody := uuid.New()
	batch.Items[0].Key, batch.Items[500].Ref = "", license.Ref{LicenseID: nobody}
	later := april(20).AddDate(1, 0, 0)
	batch.Items[999].At = &later
	s.execute(batch)
	s.comes("", month, "2098")
	s.execute(batch)
	s.comes("", month, "2098")
}

func TestRemovedSeatsAndEarlierPlansCount(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.meter("last", "last", true)
	s.execute(subscription.AddSeats{ID: s.sub, Count: 2})
	s.at(april(5))
	seats := s.seats()
	require.Len(t, seats, 3)
	for i, seat := range seats {
		for _, m := range []string{"", "last"} {
			r := s.item(m, fmt.Sprint(i+1), "", april(2+i))
			r.Ref.LicenseID = seat
			s.execute(r)
		}
	}
	s.execute(subscription.RemoveSeats{ID: s.sub, Count: 2})
	s.at(april(6))
	s.execute(subscription.ChangePlan{ID: s.sub, PlanID: s.newPlan("other")})
	s.record("", "10", april(6))
	s.comes("", month, "16")
	s.comes("last", month, "3")
	s.comes("last", may, "3")

	counts, _, err := s.counter.Count(t.Context(), uuid.New(), s.sub, "", []period.Period{month})
	require.NoError(t, err)
	require.Zero(t, counts[0].Records, "another ledger's usage is out of reach")
	counts, _, err = s.counter.Count(t.Context(), s.ledger, uuid.New(), "", []period.Period{month})
	require.NoError(t, err)
	require.Zero(t, counts[0].Records)
}

// Case 89: what happened under an old definition keeps it; what is corrected at its own instant, too.
func TestChangedMeter(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.meter("m", "sum", false)
	s.meter("level", "weightedSum", true)
	s.at(april(16))
	s.record("m", "5", april(2))
	s.record("m", "8", april(3))
	s.record("level", "10", april(1))
	change := func(meter, how string, carries bool) {
		s.execute(catalog.ChangeMeter{ID: s.meters[meter], Patch: catalog.MeterPatch{Aggregation: &how, CarriesOver: &carries}})
	}
	name := "calls"
	s.execute(catalog.ChangeMeter{ID: s.meters["m"], Patch: catalog.MeterPatch{Name: &name}})
	s.comes("m", month, "13")
	change("m", "count", false)
	change("level", "sum", false)
	s.at(april(20))
	s.record("m", "100", april(17))
	s.record("m", "100", april(18))
	require.EqualValues(t, 4, s.comes("m", month, "15").Records, "13 by the sum, two by the count")
	s.record("m", "-3", april(3)) // a correction of what was a sum
	s.comes("m", month, "12")
	s.record("m", "-3", april(19)) // and of what is a count
	s.comes("m", month, "11")
	s.comes("level", month, "5") // half a month of 10, and no sum
	s.record("level", "7", april(18))
	s.comes("level", month, "12")
	s.comes("level", may, "0")

	// A level begins with nothing where quantities meant something else before, and goes on from there.
	change("level", "weightedSum", true)
	s.at(april(40))
	s.execute(subscription.Advance{ID: s.sub})
	s.record("level", "4", april(25))
	s.comes("level", may, "4")
	june := period.Period{Start: may.End, End: april(92)}
	s.comes("level", june, "4")

	// Whether it carries over is settled when a period begins: a change counts from the next one on.
	change("level", "weightedSum", false)
	s.comes("level", may, "4")
	s.comes("level", june, "0")
}

// Whatever was recorded, whenever it was and on whichever seat, a count is what all records come to together.
func TestCountsAreWhatAllRecordsComeTo(t *testing.T) {
	t.Parallel()
	s := open(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	hows := []string{"sum", "count", "max", "last", "unique", "weightedSum"}
	for _, how := range hows {
		s.meter(how, how, true)
	}
	s.execute(subscription.AddSeats{ID: s.sub, Count: 2})
	seats := s.seats()
	now := april(1)
	for range 40 {
		now = now.Add(time.Duration(random.IntN(36*3600)) * time.Second)
		s.at(now)
		s.execute(subscription.Advance{ID: s.sub})
		for _, how := range hows {
			at := now.Add(usage.ClockSkew)
			if random.IntN(3) > 0 {
				at = at.Add(-time.Duration(random.Int64N(int64(at.Sub(april(1)))))) // late
			}
			r := s.item(how, fmt.Sprint(random.IntN(20)-5), fmt.Sprint("v", random.IntN(6)), at.Truncate(time.Hour))
			if r.At.Before(april(1)) {
				continue
			}
			r.Ref.LicenseID = seats[random.IntN(len(seats))]
			s.execute(r)
		}
	}
	periods := []period.Period{month, may, {Start: april(9), End: april(16)}, {Start: april(16), End: april(16)}, {Start: april(20), End: april(50)}}
	records := map[string][]rating.Record{}
	head := s.caughtUp()
	for after := int64(0); after < head; {
		events, err := s.store.Facts(t.Context(), s.ledger, after, 1000)
		require.NoError(t, err)
		for _, e := range events {
			after = e.Position
			if d, ok := e.Event.(usage.Recorded); ok {
				records[d.Meter] = append(records[d.Meter], rating.Record{At: d.At, Position: e.Position, Quantity: d.Quantity, Value: d.Value})
			}
		}
	}
	for _, how := range hows {
		require.NotEmpty(t, records[how])
		for i, got := range s.count(how, periods...) {
			before, at := decimal.Zero, rating.Record{}
			n := int64(0)
			for _, r := range records[how] {
				switch {
				case periods[i].Contains(r.At):
					n++
				case !r.At.Before(periods[i].Start):
				case how == "weightedSum":
					before = before.Add(r.Quantity)
				case r.At.After(at.At) || r.At.Equal(at.At) && r.Position > at.Position:
					at, before = r, r.Quantity
				}
			}
			want, below := rating.Floor(rating.Aggregate(how, periods[i], before, records[how]))
			require.Zero(t, want.Cmp(got.Quantity), "%s in %v: want %s, got %s", how, periods[i], want, got.Quantity)
			require.Equal(t, below, got.Floored)
			require.Equal(t, n, got.Records)
		}
	}
}
