package metering

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
)

// definition is an aggregation and since when it holds.
type definition struct {
	from    time.Time // zero for the first: a record may be older than its meter
	how     string
	carries []carrying // in order; the first holds from the beginning
}

// carrying is whether values carry over, and since when.
type carrying struct {
	from time.Time
	over bool
}

// carriesOver is whether a value from before an instant carries over into what begins there.
func (d definition) carriesOver(at time.Time) bool {
	over := d.carries[0].over
	for _, c := range d.carries[1:] {
		if !c.from.After(at) {
			over = c.over
		}
	}
	return over
}

// carriesEver tells that a value carries over into some part.
func (d definition) carriesEver() bool {
	return (d.how == "last" || d.how == "weightedSum") && slices.ContainsFunc(d.carries, func(c carrying) bool { return c.over })
}

// definitions are those of a meter up to a position, the oldest first. The default meter is a sum.
func (c Counter) definitions(ctx context.Context, ledger uuid.UUID, meter string, position int64) ([]definition, error) {
	sum := []definition{{how: "sum", carries: []carrying{{}}}}
	if meter == "" {
		return sum, nil
	}
	row, err := c.Reads.MeterByKey(ctx, ledger, meter)
	if e, ok := domain.AsRefusal(err); ok && e.Kind == domain.NotFound {
		return sum, nil // then it has no records up to the position either
	}
	if err != nil {
		return nil, err
	}
	var all []definition
	for version := int64(0); ; {
		events, err := c.Store.Stream(ctx, ledger, row.ID, version, nextPage)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			version = e.Version
			if e.Position > position {
				break
			}
			switch d := e.Event.(type) {
			case catalog.MeterCreated:
				all = defined(all, time.Time{}, d.MeterFields)
			case catalog.MeterChanged:
				all = defined(all, e.EffectiveAt, d.MeterFields)
			}
		}
		if len(events) < nextPage {
			break
		}
	}
	if len(all) == 0 {
		return sum, nil
	}
	return all, nil
}

// defined adds what a meter's fields say from an instant on, if they say something else.
func defined(all []definition, from time.Time, f catalog.MeterFields) []definition {
	now := carrying{from, f.CarriesOver}
	if len(all) == 0 || all[len(all)-1].how != f.Aggregation {
		return append(all, definition{from, f.Aggregation, []carrying{now}})
	}
	last := &all[len(all)-1]
	if last.carries[len(last.carries)-1].over != f.CarriesOver {
		last.carries = append(last.carries, now)
	}
	return all
}
