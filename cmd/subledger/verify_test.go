package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type verified struct {
	Ledgers, Events int64
	Findings        []struct {
		Ledger   string
		Position int64
		Problem  string
	}
}

type savedCheckpoint struct{ File, Verifier string }

// Each change leaves a ledger whose first bad position is known. The chain has no key: it is enough to
// read what is stored.
func TestVerifyFindsTheFirstBadPosition(t *testing.T) {
	t.Parallel()
	const test = `(select ledger_id from ledgers where mode = 'test')`
	begin := `create table kept as select * from events where ledger_id = ` + test
	undo := []string{`delete from events where ledger_id = ` + test, `insert into events select * from kept`}
	c := newCLI(t)
	c.ok("demo")
	require.Empty(t, parse[verified](t, c.ok("verify", "-o", "json")).Findings)
	db := c.database()
	db.exec(begin)
	for _, tt := range []struct {
		name, problem string
		position      int64
		statements    []string
	}{
		{"altered data", "hash", 6, []string{`update events set data = replace(data::text, 'Free', 'Fred')::json where position = 6 and ledger_id = ` + test}},
		{"altered time", "hash", 3, []string{`update events set recorded_at = recorded_at + interval '1 microsecond' where position = 3 and ledger_id = ` + test}},
		{"deleted in the middle", "missing", 4, []string{`delete from events where position = 4 and ledger_id = ` + test}},
		{"deleted at the end", "missing", 27, []string{`delete from events where position = 27 and ledger_id = ` + test}},
		{"swapped", "hash", 7, []string{
			`update events set position = 1000 where position = 7 and ledger_id = ` + test,
			`update events set position = 7 where position = 8 and ledger_id = ` + test,
			`update events set position = 8 where position = 1000 and ledger_id = ` + test}},
		{"inserted", "beyond", 28, []string{`insert into events select ledger_id, 28, gen_random_uuid(), 1, gen_random_uuid(), type, data, meta, recorded_at, effective_at, hash
			from events where position = 27 and ledger_id = ` + test}},
	} {
		db.exec(tt.statements...)
		r := c.fails(5, "verify", "-o", "json")
		v := parse[verified](t, r.stdout)
		require.Len(t, v.Findings, 1, "%s: %s", tt.name, r.stdout)
		require.Equal(t, tt.position, v.Findings[0].Position, "%s", tt.name)
		require.Contains(t, v.Findings[0].Problem, tt.problem, "%s", tt.name)
		require.Contains(t, r.stderr, v.Findings[0].Ledger, "%s", tt.name)
		require.Contains(t, c.fails(5, "verify").stdout, "position "+itoa(tt.position), "%s", tt.name)
		db.exec(undo...)
	}
	db.exec(`update ledgers set head = sha256('x') where mode = 'test'`)
	require.Contains(t, c.fails(5, "verify").stdout, "head")
	c.fails(4, "verify", "--ledger", "019b76da-0000-7000-8000-000000000000")
}

// A checkpoint that was kept elsewhere sees what the chain cannot: the newest events are gone, and the
// ledger's end was moved back to fit.
func TestF33_VerifyAgainstACheckpoint(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	kept := filepath.Join(t.TempDir(), "kept.txt")
	saved := c.run("verify", "--save", kept)
	require.Equal(t, 0, saved.code, "%s", saved.stderr)
	_, key, told := strings.Cut(strings.TrimSpace(saved.stderr), "Its public key, for --verifier: ")
	require.True(t, told, "%s", saved.stderr)
	second := filepath.Join(t.TempDir(), "second.txt")
	require.Equal(t, savedCheckpoint{second, key}, parse[struct{ Checkpoint savedCheckpoint }](t, c.ok("verify", "--save", second, "-o", "json")).Checkpoint)
	require.Contains(t, c.fails(4, "verify", "--save", kept).stderr, "exists")
	c.ok("demo", "--seed", "2")
	require.Contains(t, c.ok("verify", "--against", kept), "history continues the checkpoint of 20")
	c.ok("verify", "--against", kept, "--verifier", key)
	require.Contains(t, c.fails(2, "verify", "--against", kept, "--verifier", "nonsense").stderr, "verify --save told")
	require.Contains(t, c.fails(2, "verify", "--against", kept+".not").stderr, "verify --save wrote")

	db := c.database()
	const test = `(select test_ledger_id from organisations order by created_at limit 1)`
	db.exec(`delete from events where position > 10 and ledger_id = `+test,
		`update ledgers l set position = 10, head = e.hash, recorded_at = e.recorded_at from events e where e.position = 10 and e.ledger_id = l.ledger_id and l.ledger_id = `+test)
	c.ok("verify")
	require.Contains(t, c.fails(5, "verify", "--against", kept).stdout, "it is gone")

	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	forged := filepath.Join(t.TempDir(), "forged.txt")
	require.NoError(t, os.WriteFile(forged, bytes.Replace(text, []byte(" 27 "), []byte(" 10 "), 1), 0o600))
	require.Contains(t, c.fails(4, "verify", "--against", forged).stderr, "not to be trusted")
}
