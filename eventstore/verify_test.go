package eventstore

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Rule 8. Verify names the first bad position, whatever was done to history.
func TestF34_VerifyNamesTheFirstBadPosition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.store(t, Config{})
	for name, tt := range map[string]struct {
		sql     string
		at      int64
		problem string
	}{
		"an altered event": {`update events set data = '{"n":7}' where ledger_id = $1 and position = 5`, 5, "does not follow"},
		"altered meta":     {`update events set meta = '{"actor":"x"}' where ledger_id = $1 and position = 5`, 5, "does not follow"},
		"an altered time":  {`update events set effective_at = effective_at - interval '1 day' where ledger_id = $1 and position = 4`, 4, "does not follow"},
		"white space in the data, which no json comparison would see": {
			`update events set data = '{ "n":1}' where ledger_id = $1 and position = 6`, 6, "does not follow"},
		"a deleted event":      {`delete from events where ledger_id = $1 and position = 3`, 3, "missing"},
		"the last one deleted": {`delete from events where ledger_id = $1 and position = 9`, 9, "missing"},
		"two events swapped": {`update events set position = 1004 where ledger_id = $1 and position = 4;
			update events set position = 4 where ledger_id = $1 and position = 5;
			update events set position = 5 where ledger_id = $1 and position = 1004`, 4, "does not follow"},
		"an inserted event": {`update events set position = position + 1000 where ledger_id = $1 and position >= 6;
			update events set position = position - 999 where ledger_id = $1 and position >= 1000;
			update ledgers set position = 10 where ledger_id = $1;
			insert into events select ledger_id, 6, gen_random_uuid(), 1, gen_random_uuid(), type, data, meta, recorded_at, effective_at, hash
			from events where ledger_id = $1 and position = 5`, 6, "does not follow"},
		"an event beyond the end": {`insert into events select ledger_id, 12, gen_random_uuid(), 1, gen_random_uuid(), type, data, meta, recorded_at, effective_at, hash
			from events where ledger_id = $1 and position = 9`, 12, "beyond"},
		"an infinite time":                {`update events set recorded_at = 'infinity' where ledger_id = $1 and position = 7`, 7, "never writes"},
		"an infinite effective time":      {`update events set effective_at = '-infinity' where ledger_id = $1 and position = 2`, 2, "never writes"},
		"a ledger that is a day ahead":    {`update ledgers set recorded_at = recorded_at + interval '1 day' where ledger_id = $1`, 9, "last recorded"},
		"a ledger that is ahead for ever": {`update ledgers set recorded_at = 'infinity' where ledger_id = $1`, 9, "last recorded"},
		"a clock that no event set": {`update ledgers set mode = 'test' where ledger_id = $1;
			update ledgers set clock = '2020-01-01' where ledger_id = $1`, 9, "clock"},
		"another head": {`update ledgers set head = sha256('x') where ledger_id = $1`, 9, "head"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := f.ledger(t, "live")
			streams := []uuid.UUID{uuid.New(), uuid.New()}
			for i := range 9 {
				_, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: fmt.Sprint(i), Command: add{Stream: streams[i%2], N: i + 1}})
				require.NoError(t, err)
			}
			mustVerify(t, f, ledger)
			for sql := range strings.SplitSeq(tt.sql, ";") {
				_, err := f.owner.Exec(t.Context(), sql, ledger)
				require.NoError(t, err)
			}
			report, err := Verify(t.Context(), f.owner, []uuid.UUID{ledger}, nil)
			require.NoError(t, err)
			require.Len(t, report.Findings, 1)
			require.Equal(t, tt.at, report.Findings[0].Position, report.Findings[0].Problem)
			require.Contains(t, report.Findings[0].Problem, tt.problem)
		})
	}
}

// Verify looks at every ledger, and says how far it is.
func TestVerifyWalksAllLedgers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.store(t, Config{})
	var bad uuid.UUID
	for i := range 7 {
		bad = f.ledger(t, "live")
		for range i {
			_, err := s.Execute(t.Context(), Request{Ledger: bad, Command: add{Stream: uuid.New(), N: 1}})
			require.NoError(t, err)
		}
	}
	_, err := f.owner.Exec(t.Context(), `update events set version = 2 where ledger_id = $1 and position = 2`, bad)
	require.NoError(t, err)
	var last, all int64
	report, err := Verify(t.Context(), f.owner, nil, func(done, total int64) { last, all = done, total })
	require.NoError(t, err)
	require.Equal(t, int64(8), report.Ledgers, "seven and the system ledger")
	require.Equal(t, int64(21), all)
	require.Equal(t, int64(15), last)
	require.Equal(t, []int64{2}, []int64{report.Findings[0].Position})
	require.Equal(t, bad, report.Findings[0].Ledger)

	_, err = f.owner.Exec(t.Context(), `delete from ledgers where ledger_id = $1`, bad)
	require.NoError(t, err)
	report, err = Verify(t.Context(), f.owner, nil, nil)
	require.NoError(t, err)
	require.Equal(t, []Finding{{bad, 1, "there are events, and their ledger is missing"}}, report.Findings)
}
