package eventstore

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// What decodes as an event encodes to something that decodes as the same event; unknown types, and data that
// is none of theirs, are refused and never panic.
func FuzzEventCodec(f *testing.F) {
	c, err := newCodec(Vocabularies(), newKeyring(NewMasterKey(), 1<<20))
	require.NoError(f, err)
	var names []string
	for name := range c.events {
		names = append(names, name)
	}
	slices.Sort(names)
	for i := range names {
		f.Add(i, []byte(`{}`))
	}
	at := func(name string) int { return slices.Index(names, name) }
	f.Add(at("subscription.seats_removed.v1"), []byte(`{"task_id":"01941f29-7c00-7aaa-8bbb-0123456789ab","seats":["01941f29-7c00-7aaa-8bbb-0123456789ab"],"quantity":3,"proration":"none","done":"Remove seats"}`))
	f.Add(at("usage.recorded.v1"), []byte(`{"key":"k","license_id":"01941f29-7c00-7aaa-8bbb-0123456789ab","quantity":"1e-7","total":"-0.50","at":"2026-02-28T23:59:59.999999Z"}`))
	f.Add(at("subscription.ended.v1"), []byte(`{"at":"2026-02-30T00:00:00Z","reason":"\ud800"}`))
	f.Add(-1, []byte(`{}`))
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		r := &Recorded{Ledger: uuid.New(), Position: 1, Stream: uuid.New(), Version: 1, Type: "no.such_event.v9", Data: data}
		if which >= 0 {
			r.Type = names[which%len(names)]
		}
		o := c.newOpener()
		if err := o.decode(r); err != nil {
			return
		}
		require.GreaterOrEqual(t, which, 0, "an unknown type was read")
		if bytes.Contains(data, []byte(cipherPrefix)) {
			return // it is encrypted anew
		}
		s := c.newSealer()
		place := place{ledger: r.Ledger, stream: r.Stream, version: r.Version}
		once, err := s.encode(r.Event, place)
		if err != nil {
			return // JSON that decodes need not encode: text that is no UTF-8
		}
		again := *r
		again.Data = once
		require.NoError(t, o.decode(&again), "%s", once)
		twice, err := s.encode(again.Event, place)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice), "%s", data)
	})
}

// The text that is hashed can be taken apart again into exactly what was put in: two different events, or
// places, never have the same.
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
