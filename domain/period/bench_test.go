package period_test

import (
	"testing"

	"github.com/subledger/subledger/domain/period"
)

func BenchmarkAt(b *testing.B) {
	s := period.Schedule{Anchor: at(b, "2015-01-31"), Interval: monthly, Zone: zone(b, "America/New_York")}
	t := at(b, "2026-11-20 10:00")
	for b.Loop() {
		s.At(t)
	}
}
