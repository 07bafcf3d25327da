package projections

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// What a scan saw is older than what the runner did since: it must not make it read the checkpoints of every
// ledger that moved meanwhile, and must not hide one that another program moved, unparked or set back.
func TestAScanTellsOfWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for name, c := range map[string]struct {
		moved   time.Time
		parked  bool
		skipped bool
		head    int64
		listed  bool
		known   bool
	}{
		"moved before the scan":                {moved: began.Add(-time.Second), head: 9, listed: true},
		"moved since":                          {moved: began.Add(time.Second), head: 9, known: true},
		"moved since, more came":               {moved: began.Add(time.Second), head: 10, listed: true, known: true},
		"skipped and not saved":                {moved: began.Add(-time.Second), skipped: true, head: 9, known: true},
		"moved since, and parked until lately": {moved: began.Add(time.Second), parked: true, head: 9, listed: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRunner(Config{Projections: everything()})
			track := r.track(id(900))
			track.known, track.head, track.moved = true, 9, c.moved
			track.at, track.parked = []int64{9}, []bool{c.parked}
			if c.skipped {
				r.skipped[track] = true
			}
			r.believe(&findings{began: began, ledgers: []uuid.UUID{id(900)}, heads: []int64{c.head}})
			require.Equal(t, c.listed, track.listed)
			require.Equal(t, c.known, track.known)
			require.Equal(t, max(9, c.head), track.head)
		})
	}
}

// A scan finds ledgers behind the checkpoint of one projection or of several in step, and no others.
func TestAScanFindsLedgersThatAreBehind(t *testing.T) {
	t.Parallel()
	h, db := twoLedgers(), pgtest.New(t)
	owner := pgtest.Pool(t, db.URL)
	h.publish(t, owner)
	models := NewRunner(Config{Log: h, Pool: owner, Projections: everything()})
	one := NewRunner(Config{Log: h, Pool: owner, Projections: []Projection{Licenses()}})
	found := func(r *Runner) []uuid.UUID {
		f, err := r.scan(t.Context(), time.Now())
		require.NoError(t, err)
		return f.ledgers
	}
	require.Len(t, found(models), 2)
	require.Len(t, found(one), 2)
	applied := NewApplied()
	running(t, Config{Log: h, Pool: pgtest.Pool(t, db.AppURL), Applied: applied}, nil)
	waitFor(t, applied, id(900), 9)
	waitFor(t, applied, id(901), 9)
	require.Empty(t, found(models))
	require.Empty(t, found(one))
	_, err := owner.Exec(t.Context(), "update ledgers set position = position + 1 where ledger_id = $1", id(901))
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{id(901)}, found(models))
	require.Equal(t, []uuid.UUID{id(901)}, found(one))
}
