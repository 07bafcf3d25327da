package eventstore

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/subledger/subledger/internal/mutant"
)

// chainTag begins every header, so that a hash of this log is a hash of nothing else.
const chainTag = "subledger.event.v1"

// Head is the end of a ledger: its last position and the hash of the event there, zero before the first.
type Head struct {
	Position int64
	Hash     [32]byte
}

// chainHash is sha256(previous hash ‖ header ‖ data ‖ meta), where each of the header's fields, data
// and meta is preceded by its length (4 bytes, big-endian). The header's fields, in order: the tag
// "subledger.event.v1"; ledger (16 bytes); position (8, big-endian); stream (16); version (8); event
// id (16); type (UTF-8); recorded at and effective at (8 each, microseconds since 1970 UTC, two's
// complement). docs/event-log.md publishes this; a change would be a new tag.
func chainHash(previous [32]byte, r *Recorded) [32]byte {
	return sha256.Sum256(chainText(previous, r))
}

// chainText is what is hashed: no two events have the same.
func chainText(previous [32]byte, r *Recorded) []byte {
	b := make([]byte, 0, 32+160+len(r.Type)+len(r.Data)+len(r.Meta))
	b = append(b, previous[:]...)
	b = appendField(b, []byte(chainTag))
	b = appendField(b, r.Ledger[:])
	b = appendNumber(b, r.Position)
	b = appendField(b, r.Stream[:])
	b = appendNumber(b, r.Version)
	b = appendField(b, r.ID[:])
	b = appendField(b, []byte(r.Type))
	b = appendNumber(b, r.RecordedAt.UnixMicro())
	b = appendNumber(b, r.EffectiveAt.UnixMicro())
	b = appendField(b, r.Data)
	if mutant.Active != mutant.UnhashedMeta {
		b = appendField(b, r.Meta)
	}
	return b
}

func appendField(b, field []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
	return append(b, field...)
}

func appendNumber(b []byte, n int64) []byte {
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(n))
}

// moment is t as the log keeps it: UTC, whole microseconds.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
