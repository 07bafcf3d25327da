package pgarray_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgarray"
	"github.com/subledger/subledger/internal/pgtest"
)

// PostgreSQL reads what was added, nulls included, in each way to send a statement that a pooler may ask for.
func TestPostgreSQLReadsTheArrays(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.OpenPool(t.Context(), pgtest.New(t).URL, nil)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	id, moment := uuid.New(), time.Date(1999, time.December, 31, 23, 59, 59, 999999999, time.UTC)
	ids, ints, floats, flags := &pgarray.UUIDs{}, &pgarray.Int8s{}, &pgarray.Float8s{}, &pgarray.Bools{}
	texts, jsons, jsonbs, bytes, times := &pgarray.Texts{}, &pgarray.JSONs{}, &pgarray.JSONBs{}, &pgarray.Byteas{}, &pgarray.Timestamps{}
	for range 2 { // the second time in used buffers
		ids.Reset()
		ids.Add(id)
		ids.Null()
		ints.Reset()
		ints.Add(math.MinInt64)
		ints.Add(7)
		floats.Reset()
		floats.Add(-0.25)
		floats.Null()
		flags.Reset()
		flags.Add(true)
		flags.Add(false)
		texts.Reset()
		texts.Add(`a "quoted" {é}`)
		texts.Add("")
		jsons.Reset()
		jsons.Add([]byte(`{"b": 1,  "a": "é"}`))
		jsons.Null()
		jsonbs.Reset()
		jsonbs.Add([]byte(`{"b": 1,  "a": 2}`))
		jsonbs.Add([]byte(`null`))
		bytes.Reset()
		bytes.Add([]byte{0, 255})
		bytes.Add(nil)
		times.Reset()
		times.Add(moment)
		times.Add(moment.Add(time.Minute).In(time.FixedZone("", 3600)))
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec} {
		var (
			gotIDs                      []*uuid.UUID
			gotInts                     []int64
			gotFloats                   []*float64
			gotFlags                    []bool
			gotTexts, gotJSON, gotJSONB []*string
			gotBytes                    [][]byte
			gotTimes                    []time.Time
			empty                       int
		)
		err := pool.QueryRow(t.Context(), `select $1::uuid[], $2::bigint[], $3::double precision[], $4::boolean[], $5::text[],
				$6::json[]::text[], $7::jsonb[]::text[], $8::bytea[], $9::timestamptz[], cardinality($10::text[])`,
			mode, ids, ints, floats, flags, texts, jsons, jsonbs, bytes, times, &pgarray.Texts{}).
			Scan(&gotIDs, &gotInts, &gotFloats, &gotFlags, &gotTexts, &gotJSON, &gotJSONB, &gotBytes, &gotTimes, &empty)
		require.NoError(t, err, mode)
		require.Equal(t, []*uuid.UUID{&id, nil}, gotIDs)
		require.Equal(t, []int64{math.MinInt64, 7}, gotInts)
		require.Equal(t, []*float64{new(-0.25), nil}, gotFloats)
		require.Equal(t, []bool{true, false}, gotFlags)
		require.Equal(t, []*string{new(`a "quoted" {é}`), new("")}, gotTexts)
		require.Equal(t, []*string{new(`{"b": 1,  "a": "é"}`), nil}, gotJSON, "the bytes stay as they were")
		require.Equal(t, []*string{new(`{"a": 2, "b": 1}`), new(`null`)}, gotJSONB)
		require.Equal(t, [][]byte{{0, 255}, {}}, gotBytes)
		require.Len(t, gotTimes, 2)
		require.True(t, gotTimes[0].Equal(moment.Truncate(time.Microsecond)), "%s", gotTimes[0])
		require.True(t, gotTimes[1].Equal(moment.Add(time.Minute).Truncate(time.Microsecond)), "%s", gotTimes[1])
		require.Zero(t, empty)
	}
}
