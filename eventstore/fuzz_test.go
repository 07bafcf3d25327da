package eventstore

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	stdjson "encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/ledgertest"
)

// What an event's plain JSON says survives encryption, encoding and decoding, at its own place and
// nowhere else; bytes that are no event are an error; a type that nobody knows stops the reader.
func FuzzCodec(f *testing.F) {
	golden, err := filepath.Glob("../domain/testdata/events/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, golden)
	for _, path := range golden {
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "~")
		f.Add(name, data, int64(1))
	}
	f.Add("coupon.changed.v1", []byte(`{"code":"","percent_off":"0","duration":"","products":[]}`), int64(1))
	f.Add("subscription.started.v99", []byte(`{}`), int64(1))
	f.Add("license.granted.v1", []byte(`{"grantee":"enc1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`), int64(2))
	c, err := newCodec(Vocabularies(), newKeyring(NewMasterKey(), 1<<20))
	require.NoError(f, err)
	ledger, stream := uuid.New(), uuid.New()
	raw := make([]byte, 32)
	_, err = rand.Read(raw)
	require.NoError(f, err)
	c.keys.ledgers.Add(ledger, &ledgerKey{raw: [32]byte(raw), aead: newAEAD(raw)})
	f.Fuzz(func(t *testing.T, name string, data []byte, version int64) {
		at := place{ledger: ledger, stream: stream, version: version}
		recorded := func(data []byte, version int64) *Recorded {
			return &Recorded{Ledger: ledger, Position: 7, Stream: stream, Version: version, Type: name, Data: data}
		}
		err := c.newOpener().decode(recorded(data, version)) // any bytes: no panic
		known, ok := c.events[name]
		if !ok {
			var unknown *UnknownEventError
			require.True(t, errors.As(err, &unknown), "%v", err)
			return
		}
		scansAsItDecodes(t, c, recorded(data, version))
		e, err := known.Decode(data, func(b []byte, v any) error { return json.Unmarshal(b, v) })
		if err != nil {
			return
		}
		s := c.newSealer()
		sealed, err := s.encode(e, at)
		if err != nil {
			return // a time beyond the year 9999
		}
		c.keys.saved(&ledgerState{id: ledger}, s.made)
		r := recorded(sealed, version)
		require.NoError(t, c.newOpener().decode(r))
		scansAsItDecodes(t, c, recorded(sealed, version))
		again, err := c.newSealer().encode(r.Event, at)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(e, r.Event, ledgertest.Equal(), plainly()), "%s", sealed)
		if s.used {
			require.NotEqual(t, string(sealed), string(again), "each ciphertext has a nonce of its own")
			require.Error(t, c.newOpener().decode(recorded(sealed, version+1)), "it opened at another place")
		} else {
			require.Equal(t, string(sealed), string(again))
		}
	})
}

// plainly compares what was plain JSON with what was not: it has no subjects, and its raw parts are laid
// out as their writer liked.
func plainly() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b domain.Personal) bool { return a.Text == b.Text }),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() == reflect.TypeFor[stdjson.RawMessage]() }, cmp.Comparer(func(a, b stdjson.RawMessage) bool {
			one, two := jsontext.Value(bytes.Clone(a)), jsontext.Value(bytes.Clone(b))
			return len(a) == 0 && len(b) == 0 || one.Canonicalize() == nil && two.Canonicalize() == nil && bytes.Equal(one, two)
		})),
	}
}

// The text that is hashed can be taken apart again into exactly what was put in: two different events, or
// places, never have the same (B73).
func FuzzChainText(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), int64(1), int64(1), "subscription.started.v1", []byte(`{}`), []byte(`{"actor":"a"}`), int64(0), int64(-1))
	f.Add([]byte{}, int64(-1), int64(1)<<62, "", []byte{}, []byte(nil), int64(1)<<50, int64(0))
	f.Add([]byte("subledger.event.v1"), int64(0), int64(0), "\x00\x00\x00\x01", []byte("\x00\x00\x00\x02ab"), []byte("\xff"), int64(253402300799999999), int64(1))
	f.Fuzz(func(t *testing.T, seed []byte, position, version int64, kind string, data, meta []byte, recorded, effective int64) {
		var previous [32]byte
		copy(previous[:], seed)
		id := func(n int) (u uuid.UUID) {
			for i := range u {
				if at := n*16 + i; at < len(seed) {
					u[i] = seed[at]
				}
			}
			return u
		}
		r := &Recorded{Ledger: id(0), Position: position, Stream: id(1), Version: version, ID: id(2), Type: kind, Data: data, Meta: meta,
			RecordedAt: time.UnixMicro(recorded), EffectiveAt: time.UnixMicro(effective)}
		text := chainText(previous, r)
		require.True(t, bytes.HasPrefix(text, previous[:]))
		rest := text[32:]
		field := func() []byte {
			require.GreaterOrEqual(t, len(rest), 4)
			n := binary.BigEndian.Uint32(rest)
			require.GreaterOrEqual(t, len(rest), 4+int(n))
			value := rest[4 : 4+n]
			rest = rest[4+n:]
			return value
		}
		number := func() int64 {
			value := field()
			require.Len(t, value, 8)
			return int64(binary.BigEndian.Uint64(value))
		}
		require.Equal(t, chainTag, string(field()))
		require.Equal(t, r.Ledger[:], field())
		require.Equal(t, position, number())
		require.Equal(t, r.Stream[:], field())
		require.Equal(t, version, number())
		require.Equal(t, r.ID[:], field())
		require.Equal(t, kind, string(field()))
		require.Equal(t, r.RecordedAt.UnixMicro(), number())
		require.Equal(t, r.EffectiveAt.UnixMicro(), number())
		require.Equal(t, string(data), string(field()))
		require.Equal(t, string(meta), string(field()))
		require.Empty(t, rest)
	})
}
