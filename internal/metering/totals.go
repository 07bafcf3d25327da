package metering

import (
	"context"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain/period"
	"github.com/subledger/subledger/domain/rating"
	"github.com/subledger/subledger/projections"
)

// Totals counts a subscription's usage of one meter in the periods of its rows, and in those of more. Where the rows
// tell it already, as they do of a sum and of the largest quantity, the log is not read.
func (c Counter) Totals(ctx context.Context, ledger, subscription uuid.UUID, meter string, rows []projections.PeriodTotal, more ...period.Period) ([]Count, error) {
	position, err := c.Reads.UsagePosition(ctx, ledger)
	if err != nil {
		return nil, err
	}
	definitions, err := c.definitions(ctx, ledger, meter, position)
	if err != nil {
		return nil, err
	}
	how := definitions[0].how
	if len(definitions) == 1 && (how == "sum" || how == "max") {
		all := make([]Count, len(rows), len(rows)+len(more))
		for i, row := range rows {
			result := row.Total
			if how == "max" {
				result = row.Highest
			}
			n, floored := rating.Floor(result.Rat())
			all[i] = Count{Period: period.Period{Start: row.PeriodStart, End: row.PeriodEnd}, Aggregation: how, Quantity: n, Floored: floored, Records: row.Records}
		}
		return append(all, newScan(definitions, more).counts()...), nil
	}
	periods := make([]period.Period, len(rows), len(rows)+len(more))
	for i, row := range rows {
		periods[i] = period.Period{Start: row.PeriodStart, End: row.PeriodEnd}
	}
	return c.count(ctx, ledger, subscription, meter, position, newScan(definitions, append(periods, more...)))
}
