package main_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// storedEvent is what `events show --stored -o json` prints.
type storedEvent struct {
	Ledger, Stream, ID                              uuid.UUID
	Position, Version                               int64
	Type, Data, Meta, PreviousHash, Hash            string
	RecordedAtMicroseconds, EffectiveAtMicroseconds int64
}

// hashed is what is hashed, written from docs/event-log.md alone and not from the code.
func (e storedEvent) hashed(t *testing.T) []byte {
	t.Helper()
	b, err := hex.DecodeString(e.PreviousHash)
	require.NoError(t, err)
	require.Len(t, b, 32)
	number := func(n int64) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	for _, field := range []string{"subledger.event.v1", string(e.Ledger[:]), number(e.Position), string(e.Stream[:]), number(e.Version),
		string(e.ID[:]), e.Type, number(e.RecordedAtMicroseconds), number(e.EffectiveAtMicroseconds), e.Data, e.Meta} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
	}
	return b
}

func (e storedEvent) requireHash(t *testing.T) {
	t.Helper()
	sum := sha256.Sum256(e.hashed(t))
	require.Equal(t, hex.EncodeToString(sum[:]), e.Hash, "position %d", e.Position)
}

func TestTheWorkedExampleOfTheEventLog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/event-log.md")
	require.NoError(t, err)
	var examples []storedEvent
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		examples = append(examples, parse[storedEvent](t, m[1]))
	}
	require.Len(t, examples, 2)
	for _, e := range examples {
		e.requireHash(t)
	}
	require.Equal(t, examples[0].Hash, examples[1].PreviousHash)
	dump := regexp.MustCompile("(?s)```hex\n(.*?)```").FindStringSubmatch(string(text))
	require.Equal(t, hex.EncodeToString(examples[0].hashed(t)), strings.ReplaceAll(dump[1], "\n", ""))
}

// What the page says is what the log does.
func TestStoredEventsHashAsPublished(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	for _, ledger := range [][]string{{"--mode", "test"}, {"--ledger", "system"}} {
		previous := strings.Repeat("0", 64)
		for position := 1; position <= 4; position++ {
			e := parse[storedEvent](t, c.ok(append([]string{"events", "show", strconv.Itoa(position), "--stored", "-o", "json"}, ledger...)...))
			require.EqualValues(t, position, e.Position)
			require.Equal(t, previous, e.PreviousHash)
			e.requireHash(t)
			previous = e.Hash
		}
	}
	require.Contains(t, c.ok("events", "show", "18", "--mode", "test"), `"ada-1"`)
	require.NotContains(t, c.ok("events", "show", "18", "--mode", "test", "--stored"), "ada-1", "personal values are stored as ciphertext")
	require.Contains(t, c.fails(4, "events", "show", "1000", "--mode", "test").stderr, "the test ledger has no event at position 1000")
	require.Contains(t, c.fails(4, "events", "show", "1").stderr, "--mode test")
	require.Contains(t, c.run("events", "tail").stderr, "the live ledger is empty. For the test one: --mode test")
	c.fails(2, "events", "show", "1", "--ledger", "nonsense")
	require.Len(t, strings.Split(strings.TrimSpace(c.ok("events", "tail", "--mode", "test", "-n", "3", "-o", "json")), "\n"), 3)
}

func TestEventsTail(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.ok("demo")
	positions := func(args ...string) (all []int64) {
		for line := range strings.Lines(c.ok(append([]string{"events", "tail", "--mode", "test", "-o", "json"}, args...)...)) {
			all = append(all, parse[struct{ Position int64 }](t, line).Position)
		}
		return all
	}
	all := positions("--after", "0")
	require.Greater(t, len(all), 10)
	require.Equal(t, all[max(0, len(all)-20):], positions())
	require.Equal(t, all[len(all)-2:], positions("-n", "2"))
	require.Empty(t, positions("-n", "0"))
	require.Equal(t, all[5:], positions("--after", "5"))
	require.Equal(t, all[5:7], positions("--after", "5", "-n", "2"))
	require.Equal(t, all, positions("--after", "0", "-n", "100000"))

	for _, args := range [][]string{{"-n", "-1"}, {"--lines=-1"}, {"-n-1"}, {"-n", "ten"}, {"--after", "-1"}} {
		require.Contains(t, c.fails(2, append([]string{"events", "tail"}, args...)...).stderr, "want a number, 0 or more, not ", "%s", args)
	}
	require.Contains(t, c.fails(2, "events", "tail", "--after", "3", "-n", "2", "--follow").stderr, "--follow")
	for _, args := range [][]string{{"--organisation", uuid.NewString()}, {"--mode", "test"}} {
		require.Contains(t, c.fails(2, append([]string{"events", "tail", "--ledger", "system"}, args...)...).stderr, "--ledger names a ledger by itself")
		require.Contains(t, c.fails(2, append([]string{"events", "show", "1", "--ledger", "system"}, args...)...).stderr, "--ledger names a ledger by itself")
	}

	// A table: each column begins where its header does, however long the others are.
	lines := strings.Split(strings.TrimRight(c.ok("events", "tail", "--mode", "test", "--after", "0"), "\n"), "\n")
	require.Len(t, lines, len(all)+1)
	for _, column := range []string{"recorded at", "type", "stream", "data"} {
		at := strings.Index(lines[0], column)
		require.Positive(t, at, column)
		for _, line := range lines[1:] {
			require.Equal(t, "  ", line[at-2:at], line)
			require.NotEqual(t, byte(' '), line[at], line)
		}
	}
}
