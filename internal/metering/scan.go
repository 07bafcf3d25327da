package metering

import (
	"math/big"
	"time"

	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
)

// scan takes in the records of one stream after the other, each from its end.
type scan struct {
	periods []period.Period
	parts   []*part // in order of the periods
}

// part is a period, or what of it a definition holds.
type part struct {
	of      int // its period
	span    period.Period
	since   time.Time // from when its definition holds
	how     string
	carries bool
	tally   *rating.Tally

	level    decimal.Decimal // of weightedSum that carries over: at the beginning
	previous rating.Record   // of last that carries over: the latest record before the beginning
	found    bool
}

func newScan(definitions []definition, in []period.Period) *scan {
	s := &scan{periods: in}
	for i, p := range in {
		for n, d := range definitions {
			span := p
			if n > 0 {
				_, span = span.Split(d.from)
			}
			if n+1 < len(definitions) {
				span, _ = span.Split(definitions[n+1].from)
			}
			if span.Empty() && len(definitions) > 1 {
				continue
			}
			carries := (d.how == "last" || d.how == "weightedSum") && d.carriesOver(span.Start)
			s.parts = append(s.parts, &part{of: i, span: span, since: d.from, how: d.how, carries: carries, tally: rating.NewTally(d.how, span)})
		}
	}
	return s
}

// oldest is the instant before which a record can't matter, whenever it was recorded.
func (s *scan) oldest() time.Time {
	var oldest time.Time
	for i, p := range s.parts {
		from := p.span.Start
		if p.carries {
			from = p.since
		}
		if i == 0 || from.Before(oldest) {
			oldest = from
		}
	}
	return oldest
}

// begin begins a stream whose records add up to total. A level is what they did before a part, and that is what
// is left of all when those since are taken off: nobody has to read the others.
func (s *scan) begin(total decimal.Decimal) {
	for _, p := range s.parts {
		if p.how == "weightedSum" && p.since.IsZero() {
			p.level = p.level.Add(total)
		}
	}
}

// wants tells whether a record that happened at latest or before can matter.
func (s *scan) wants(latest time.Time) bool {
	for _, p := range s.parts {
		if !latest.Before(p.span.Start) || p.wantsBefore(latest) {
			return true
		}
	}
	return false
}

// wantsBefore is wants for the time before the part.
func (p *part) wantsBefore(latest time.Time) bool {
	switch {
	case !p.carries || latest.Before(p.since):
		return false
	case p.how == "weightedSum":
		return !p.since.IsZero()
	}
	return p.tally.Records() == 0 && (!p.found || latest.After(p.previous.At))
}

func (s *scan) add(r rating.Record) {
	for _, p := range s.parts {
		p.add(r)
	}
}

func (p *part) add(r rating.Record) {
	p.tally.Add(r)
	if !p.carries {
		return
	}
	before := r.At.Before(p.span.Start)
	switch {
	case p.how == "weightedSum" && p.since.IsZero() && !before:
		p.level = p.level.Sub(r.Quantity)
	case p.how == "weightedSum" && !p.since.IsZero() && before && !r.At.Before(p.since):
		p.level = p.level.Add(r.Quantity)
	case p.how == "last" && before && !r.At.Before(p.since):
		later := r.At.After(p.previous.At) || r.At.Equal(p.previous.At) && r.Position > p.previous.Position
		if !p.found || later {
			p.previous, p.found = r, true
		}
	}
}

// result is the part's, of the whole period.
func (p *part) result(whole period.Period) *big.Rat {
	var before decimal.Decimal
	switch {
	case p.carries && p.how == "weightedSum":
		before = p.level
	case p.carries:
		before = p.previous.Quantity
	}
	result := p.tally.Result(before)
	if p.how == "weightedSum" && p.span != whole { // an average over the part, which is a share of the period
		share := period.Share{Part: p.span.End.UnixMicro() - p.span.Start.UnixMicro(), Whole: whole.End.UnixMicro() - whole.Start.UnixMicro()}
		result.Mul(result, share.Rat())
	}
	return result
}

func (s *scan) counts() []Count {
	all := make([]Count, len(s.periods))
	for i, p := range s.periods {
		all[i] = Count{Period: p, Quantity: new(big.Rat)}
	}
	for _, p := range s.parts {
		all[p.of].Quantity.Add(all[p.of].Quantity, p.result(s.periods[p.of]))
		all[p.of].Aggregation, all[p.of].CarriesOver = p.how, p.carries
		all[p.of].Records += int64(p.tally.Records())
	}
	for i := range all {
		all[i].Quantity, all[i].Floored = rating.Floor(all[i].Quantity)
	}
	return all
}
