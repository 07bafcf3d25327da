package projections

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/pgtest"
)

// Every type of column, there and null; what no row may hold is an error that names the column.
func TestRowsAreScanned(t *testing.T) {
	t.Parallel()
	pool, err := eventstore.OpenPool(t.Context(), pgtest.New(t).URL, nil)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	type row struct {
		ID      uuid.UUID        `db:"id"`
		IDs     *uuid.UUID       `db:"ids"`
		At      time.Time        `db:"at"`
		Ats     *time.Time       `db:"ats"`
		Text    string           `db:"text"`
		Texts   *string          `db:"texts"`
		N       int              `db:"n"`
		Small   int              `db:"small"`
		Ns      *int64           `db:"ns"`
		Yes     bool             `db:"yes"`
		Total   decimal.Decimal  `db:"total"`
		Totals  *decimal.Decimal `db:"totals"`
		Raw     json.RawMessage  `db:"raw"`
		List    []int64          `db:"list"`
		Changes []OpenChange     `db:"changes"`
	}
	read := func(columns string) ([]row, error) {
		rows, err := pool.Query(t.Context(), "select "+columns)
		require.NoError(t, err)
		return collect[row](rows)
	}
	id := uuid.MustParse("0190a5e0-0000-7000-8000-000000000001")
	at := time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	got, err := read(`'` + id.String() + `'::uuid id, '` + id.String() + `'::uuid ids, '1999-12-31 23:59:59.999999Z'::timestamptz at, '1999-12-31 23:59:59.999999Z'::timestamptz ats,
		'é' as text, '' as texts, -7::bigint n, 7::integer small, 7::bigint ns, true yes, -12.50::numeric total, 0.1::numeric totals,
		'{"a": 1}'::jsonb raw, '[1, 2]'::jsonb list, '[]'::jsonb changes`)
	require.NoError(t, err)
	require.Len(t, got, 1)
	r := got[0]
	require.True(t, r.Total.Equal(decimal.RequireFromString("-12.5")) && r.Totals.Equal(decimal.RequireFromString("0.1")), "%s %s", r.Total, r.Totals)
	r.Total, r.Totals = decimal.Decimal{}, nil
	require.Equal(t, row{ID: id, IDs: &id, At: at, Ats: &at, Text: "é", Texts: new(""), N: -7, Small: 7, Ns: new(int64(7)), Yes: true,
		Raw: json.RawMessage(`{"a": 1}`), List: []int64{1, 2}, Changes: []OpenChange{}}, r)

	got, err = read(`null::uuid ids, null::timestamptz ats, null::text texts, null::bigint ns, null::numeric totals, null::jsonb raw, null::jsonb list`)
	require.NoError(t, err)
	require.Equal(t, []row{{}}, got)

	for _, bad := range []string{"null::bigint n", "null::uuid id", "null::numeric total", "'infinity'::timestamptz at", "'-infinity'::timestamptz ats", `'{"a":1}'::jsonb list`} {
		_, err := read(bad)
		require.ErrorContains(t, err, "column ", bad)
	}
}
