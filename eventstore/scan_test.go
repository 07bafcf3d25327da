package eventstore

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain/catalog"
)

// scansAsItDecodes tells whether the event was scanned. If it was, the general decoder makes the same of it.
func scansAsItDecodes(t testing.TB, c *codec, r *Recorded) bool {
	t.Helper()
	o := c.newOpener()
	o.at = place{ledger: r.Ledger, stream: r.Stream, version: r.Version}
	scanned := o.scan(c.events[r.Type], r.Data)
	if scanned == nil {
		return false
	}
	require.NoError(t, o.decodeAny(c.events[r.Type], r), "%s", r.Data)
	require.Equal(t, r.Event, scanned, "%s", r.Data)
	return true
}

// What the encoder writes of an event that has a Scan is read by it, personal fields too: it would be of
// no use otherwise, and nobody would notice.
func TestWhatIsEncodedIsScanned(t *testing.T) {
	c, err := newCodec(Vocabularies(), newKeyring(NewMasterKey(), 1<<20))
	require.NoError(t, err)
	ledger, stream := uuid.New(), uuid.New()
	raw := make([]byte, 32)
	rand.Read(raw)
	c.keys.ledgers.Add(ledger, &ledgerKey{raw: [32]byte(raw), aead: newAEAD(raw)})
	files, err := filepath.Glob("../domain/testdata/events/*.json")
	require.NoError(t, err)
	scanned := 0
	for _, path := range files {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "~")
		known := c.events[name]
		if known.Scan == nil {
			continue
		}
		golden, err := os.ReadFile(path)
		require.NoError(t, err)
		e, err := known.Decode(golden, json.Unmarshal)
		require.NoError(t, err)
		s := c.newSealer()
		data, err := s.encode(e, place{ledger: ledger, stream: stream, version: 3})
		require.NoError(t, err)
		c.keys.saved(&ledgerState{id: ledger}, s.made)
		r := &Recorded{Ledger: ledger, Position: 7, Stream: stream, Version: 3, Type: name, Data: data}
		require.True(t, scansAsItDecodes(t, c, r), "%s", data)
		require.Equal(t, !s.used, c.plain[name], "%s: whether it has personal fields", name)
		scanned++
		for _, other := range []string{" " + string(data), string(data) + " ", strings.Replace(string(data), ",", ", ", 1), string(data[:len(data)-1]), "{}", ""} {
			o := c.newOpener()
			o.at = place{ledger: ledger, stream: stream, version: 3}
			require.Nil(t, o.scan(known, []byte(other)), "%s: left to the general decoder", other)
		}
	}
	require.GreaterOrEqual(t, scanned, 7)
}

// Numbers, times and texts that only the general decoder understands, or refuses, are left to it.
func TestWhatAScannerLeavesAlone(t *testing.T) {
	c, err := newCodec(Vocabularies(), newKeyring(NewMasterKey(), 1<<20))
	require.NoError(t, err)
	const id = "01941f29-7c00-7aaa-8bbb-0123456789ab"
	usual := `{"key":"k","license_id":"` + id + `","plan_id":"` + id + `","product_id":"` + id + `","quantity":"1","at":"2026-02-28T01:02:03.04Z","total":"1.50"}`
	scan := func(data string) bool {
		return scansAsItDecodes(t, c, &Recorded{Ledger: uuid.New(), Position: 1, Type: "usage.recorded.v1", Data: []byte(data)})
	}
	require.True(t, scan(usual))
	for _, as := range [][2]string{{`"1"`, `"-0.00000000000000001"`}, {`"1"`, `"123456789012345678"`}, {`"1"`, `"007"`}, {`"1"`, `"-0"`},
		{`28T`, `01T`}, {`.04Z`, `Z`}, {`.04Z`, `.123456789Z`}, {`2026-02-28`, `2024-02-29`}, {`2026`, `0000`}, {`"k"`, `"~ !"`}} {
		require.True(t, scan(strings.Replace(usual, as[0], as[1], 1)), "%v", as)
	}
	for _, as := range [][2]string{{`"1"`, `1`}, {`"1"`, `"1e3"`}, {`"1"`, `"1234567890123456789"`}, {`"1"`, `"0.000000000000000001"`}, {`"1"`, `"+1"`}, {`"1"`, `".5"`}, {`"1"`, `"5."`}, {`"1"`, `""`}, {`"1"`, `"-"`},
		{`02-28`, `02-29`}, {`02-28`, `02-30`}, {`02-28`, `13-01`}, {`02-28`, `00-01`}, {`02-28`, `01-00`}, {`01:02`, `24:00`}, {`:03`, `:60`}, {`.04Z`, `.Z`}, {`.04Z`, `.1234567890Z`}, {`.04Z`, `,04Z`},
		{`Z`, `+01:00`}, {`"k"`, `"\u0041"`}, {`"k"`, `"é"`}, {`"k"`, "\"\x01\""}, {`"k"`, `null`}, {id, strings.ToUpper(id)}, {id, "01941f29+7c00-7aaa-8bbb-0123456789ab"}, {id, id + "a"}, {`"key"`, `"Key"`}} {
		require.False(t, scan(strings.Replace(usual, as[0], as[1], 1)), "%v", as)
	}
}

// Facts are events without what no fold needs.
func TestFacts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: catalog.CreateProduct{Fields: catalog.ProductFields{Name: "p", DisplayName: "Ü"}}, Meta: Meta{Actor: "test"}})
	require.NoError(t, err)
	want, err := s.Page(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	require.NotEmpty(t, want)
	bare, err := s.Facts(t.Context(), ledger, 0, 10)
	require.NoError(t, err)
	for _, e := range want {
		e.ID, e.Meta, e.Hash = uuid.Nil, nil, [32]byte{}
	}
	require.Equal(t, want, bare)

	texts, err := pgx.Connect(t.Context(), f.db.AppURL+"&default_query_exec_mode=simple_protocol")
	require.NoError(t, err)
	defer texts.Close(t.Context())
	_, err = s.page(t.Context(), texts, ledger, 0, 1<<62, 10)
	require.ErrorContains(t, err, "texts")
}
