package rating_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

func april(day int) time.Time { return time.Date(2025, 4, day, 0, 0, 0, 0, time.UTC) }

func TestAggregations(t *testing.T) {
	month := period.Period{Start: april(1), End: time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)}
	type r = rating.Record
	n := func(s string) decimal.Decimal { return decimal.RequireFromString(s) }
	for name, tt := range map[string]struct {
		how     string
		before  string
		records []r
		want    string
	}{
		"case 68: a sum with a correction":            {"sum", "0", []r{{At: april(2), Quantity: n("10")}, {At: april(3), Quantity: n("-3")}}, "7"},
		"case 68: below nothing":                      {"sum", "0", []r{{At: april(3), Quantity: n("-3")}}, "-3"},
		"case 70: of one instant the later position":  {"last", "0", []r{{At: april(2), Position: 9, Quantity: n("4")}, {At: april(2), Position: 7, Quantity: n("5")}}, "4"},
		"case 70: an older one that comes later":      {"last", "0", []r{{At: april(3), Position: 7, Quantity: n("4")}, {At: april(2), Position: 9, Quantity: n("5")}}, "4"},
		"case 71: the largest of negative ones":       {"max", "0", []r{{At: april(2), Quantity: n("-5")}, {At: april(3), Quantity: n("-2")}}, "-2"},
		"case 73: no sum":                             {"sum", "9", nil, "0"},
		"case 73: no count":                           {"count", "9", nil, "0"},
		"case 73: no value":                           {"unique", "9", nil, "0"},
		"case 73: no largest":                         {"max", "9", nil, "0"},
		"case 73: the last one that carries over":     {"last", "9", nil, "9"},
		"case 74: at the end it is the next period's": {"sum", "0", []r{{At: month.End, Quantity: n("1")}, {At: month.End.Add(-time.Microsecond), Quantity: n("2")}}, "2"},
		"case 74: at the start it is this one's":      {"sum", "0", []r{{At: month.Start, Quantity: n("1")}, {At: month.Start.Add(-time.Microsecond), Quantity: n("2")}}, "1"},
		"count and a correction":                      {"count", "0", []r{{At: april(2), Quantity: n("10")}, {At: april(3), Quantity: n("1")}, {At: april(4), Quantity: n("-1")}}, "1"},
		"unique: a value that comes twice and one that goes": {"unique", "0", []r{{At: april(2), Quantity: n("1"), Value: "a"}, {At: april(3), Quantity: n("1"), Value: "a"},
			{At: april(4), Quantity: n("1"), Value: "b"}, {At: april(5), Quantity: n("-1"), Value: "a"}}, "1"},
		"case 59: the average of 5, 8 and 10":        {"weightedSum", "5", []r{{At: april(11), Quantity: n("3")}, {At: april(21), Quantity: n("2")}}, "23/3"},
		"a level that nothing changes":               {"weightedSum", "5", nil, "5"},
		"a level that is nothing after half of it":   {"weightedSum", "5", []r{{At: april(16), Quantity: n("-5")}}, "5/2"},
		"changes outside of the period do not count": {"weightedSum", "5", []r{{At: april(1).Add(-time.Hour), Quantity: n("9")}, {At: month.End, Quantity: n("9")}}, "5"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 { // in whatever order they come
				rand.Shuffle(len(tt.records), func(i, j int) { tt.records[i], tt.records[j] = tt.records[j], tt.records[i] })
				got := rating.Aggregate(tt.how, month, n(tt.before), tt.records)
				require.Zero(t, rat(tt.want).Cmp(got), "%s", got)
			}
		})
	}
	empty := period.Period{Start: april(1), End: april(1)}
	require.Zero(t, rat("5").Cmp(rating.Aggregate("weightedSum", empty, n("5"), nil)), "nothing is divided by nothing")

	average := rating.Aggregate("weightedSum", month, n("5"), []r{{At: april(11), Quantity: n("3")}, {At: april(21), Quantity: n("2")}})
	require.EqualValues(t, 7667, amount(t, rating.Charge{Price: catalog.Price{Kind: catalog.PerUnit, UnitAmount: dec("1000")}, Quantity: average}), "case 59")
	floor, below := rating.Floor(rat("-2"))
	require.True(t, below)
	require.Zero(t, floor.Sign())
	_, below = rating.Floor(rat("2"))
	require.False(t, below)
}
