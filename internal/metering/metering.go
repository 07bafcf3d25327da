// Package metering counts what a subscription used of a meter, from the log itself, for bills and for whoever asks what
// will be billed.
//
// Vocabulary: count, part (of a period, in which one definition of the meter holds), definition, level.
//
// Rules:
//
//	C1 A count has a position: all records at or below it are counted, none above it. Counted again up to the same
//	   position it is the same.
//	C2 All licences of the subscription count together, those that were removed and those of an earlier plan too.
//	C3 A record counts by its own instant, and so does the definition of its meter: a change of the aggregation cuts a
//	   period in parts, each is aggregated by its own definition, and they are added up. So a late record and a
//	   correction at the instant of what it corrects are taken as that was; one at an instant after the change is not.
//	C4 What carries over is what came before in the same aggregation; whether it does is settled when a part begins.
//	C5 A result below nothing counts as nothing and says so.
package metering

import (
	"context"
	"math"
	"math/big"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/projections"
)

// Counter counts. Its memory does not grow with the records, but for `unique` with the values.
type Counter struct {
	Store *eventstore.Store
	Reads *projections.Reads // tells which licences have usage, and how far that is known
}

// Count is what was used in a period.
type Count struct {
	Period      period.Period
	Aggregation string   // of the meter; the last one, if it changed in the period
	CarriesOver bool     // what came before the period counts in it
	Quantity    *big.Rat // never below nothing
	Floored     bool     // it would have been
	Records     int64    // that happened in the period, corrections included
}

// Pages of a stream that is read from its end.
const (
	firstPage = 64
	nextPage  = 2048
)

// Count counts a subscription's usage of a meter ("": the default meter) in each of the periods, and tells the ledger's
// position up to which it did. That is how far the read models are: who needs a certain one waits for it first, with
// projections.Reads.At. A meter that there is not, a subscription without usage and an unknown one give nothing.
func (c Counter) Count(ctx context.Context, ledger, subscription uuid.UUID, meter string, in []period.Period) ([]Count, int64, error) {
	position, err := c.Reads.UsagePosition(ctx, ledger)
	if err != nil {
		return nil, 0, err
	}
	counts, err := c.CountUpTo(ctx, ledger, subscription, meter, position, in)
	return counts, position, err
}

// CountUpTo is Count up to a position that the read models have reached.
func (c Counter) CountUpTo(ctx context.Context, ledger, subscription uuid.UUID, meter string, position int64, in []period.Period) ([]Count, error) {
	definitions, err := c.definitions(ctx, ledger, meter, position)
	if err != nil {
		return nil, err
	}
	return c.count(ctx, ledger, subscription, meter, position, newScan(definitions, in))
}

func (c Counter) count(ctx context.Context, ledger, subscription uuid.UUID, meter string, position int64, s *scan) ([]Count, error) {
	for after := (uuid.UUID{}); ; {
		licenses, err := c.Reads.UsageLicenses(ctx, ledger, subscription, meter, s.oldest(), after)
		if err != nil {
			return nil, err
		}
		for _, license := range licenses {
			if err := c.read(ctx, ledger, usage.StreamID(license, meter), position, s); err != nil {
				return nil, err
			}
		}
		if len(licenses) < projections.MaxLimit {
			return s.counts(), nil
		}
		after = licenses[len(licenses)-1]
	}
}

// read takes in a licence's records from the newest to the last that may matter: a record lies no further ahead than
// the clock skew of when it was recorded, and those before it were recorded no later.
func (c Counter) read(ctx context.Context, ledger, stream uuid.UUID, position int64, s *scan) error {
	below, size := int64(math.MaxInt64), firstPage
	for {
		events, err := c.Store.Newest(ctx, ledger, stream, position, below, size)
		if err != nil {
			return err
		}
		for _, e := range events {
			record, ok := e.Event.(usage.Recorded)
			if !ok {
				continue
			}
			latest := e.RecordedAt.Add(usage.ClockSkew)
			if below == math.MaxInt64 {
				s.begin(record.Total)
			}
			below = e.Version
			if !s.wants(latest) {
				return nil
			}
			s.add(rating.Record{At: record.At, Position: e.Position, Quantity: record.Quantity, Value: record.Value})
		}
		if len(events) < size {
			return nil
		}
		size = nextPage
	}
}
