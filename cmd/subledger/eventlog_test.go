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
	require.Contains(t, c.ok("events", "show", "12", "--mode", "test"), `"ada-1"`)
	require.NotContains(t, c.ok("events", "show", "12", "--mode", "test", "--stored"), "ada-1", "personal values are stored as ciphertext")
	require.Contains(t, c.fails(4, "events", "show", "1000", "--mode", "test").stderr, "the test ledger has no event at position 1000")
	require.Contains(t, c.fails(4, "events", "show", "1").stderr, "--mode test")
	require.Contains(t, c.run("events", "tail").stderr, "the live ledger is empty. For the test one: --mode test")
	c.fails(2, "events", "show", "1", "--ledger", "nonsense")
	require.Len(t, strings.Split(strings.TrimSpace(c.ok("events", "tail", "--mode", "test", "-n", "3", "-o", "json")), "\n"), 3)
}
