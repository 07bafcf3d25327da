package projections

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/pgtest"
)

// A run that was killed is gone on with by those alone who would have made the same rows: another program may fold
// otherwise, who was erased since is named there, and what was lost since never happened.
func TestAnOutdatedShadowIsMadeAnew(t *testing.T) {
	t.Parallel()
	const erase = `insert into subject_keys (ledger_id, key_id, subject, wrapped_key, created_at, destroyed_at)
		select ledger_id, ledger_id, '', null, now(), now() from ledgers`
	for name, now := range map[string]struct {
		program, sql string
		kept         bool
	}{
		"nothing happened": {program: "one", sql: "select", kept: true},
		"another program":  {program: "two", sql: "select"},
		"an erasure":       {program: "one", sql: erase},
		"a lost history":   {program: "one", sql: "update ledgers set position = position - 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, db := newHistory(), pgtest.New(t)
			owner, ledger := productPool(t, db.URL), id(900)
			h.add(ledger, id(1), day(1), started(2, 10, "dora"))
			h.add(ledger, id(3), day(2), started(2, 20, "ben"))
			h.publish(t, owner)
			config := RebuildConfig{Log: h, Owner: owner, Models: Models(), Program: "one"}
			killed := NewRebuild(config)
			require.NoError(t, killed.prepare(t.Context()))
			require.NoError(t, killed.foldAll(t.Context()))
			_, err := owner.Exec(t.Context(), "update "+killed.schema+".licenses set grantee = 'kept'")
			require.NoError(t, err)

			_, err = owner.Exec(t.Context(), now.sql)
			require.NoError(t, err)
			config.Program = now.program
			r := NewRebuild(config)
			require.NoError(t, r.Run(t.Context()))
			var kept bool
			require.NoError(t, owner.QueryRow(t.Context(), "select exists (select from "+r.schema+".licenses where grantee = 'kept')").Scan(&kept))
			require.Equal(t, now.kept, kept)

			// Nor is it swapped in when that happens meanwhile.
			_, err = owner.Exec(t.Context(), "insert into subject_keys (ledger_id, key_id, subject, wrapped_key, created_at, destroyed_at) values ($1, $2, '', null, now(), now())", ledger, uuid.New())
			require.NoError(t, err)
			require.ErrorIs(t, r.Swap(t.Context()), errOutdated)
			require.NoError(t, r.Run(t.Context()))
			require.NoError(t, r.Swap(t.Context()))
			require.NoError(t, owner.QueryRow(t.Context(), "select exists (select from licenses where grantee = 'kept')").Scan(&kept))
			require.False(t, kept)
		})
	}
}
