package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// Command is a request to change something. Decide is pure: it reads l, appends what happened to l
// and returns the answer for the caller, or refuses with an *Error. Order matters: load every stream
// first, check, append last; an error after an append costs the lane its cached states.
//
// Errors that are not an *Error, such as those of Ledger.Load, are handed back untouched.
type Command interface {
	Decide(l Ledger) (answer any, err error)
}

// Ledger is what a decision sees: one ledger at one position, with what this decision appended so far.
type Ledger interface {
	// ID is the ledger's own id.
	ID() uuid.UUID
	// Test tells a test ledger from a live one.
	Test() bool
	// Now is the moment of the decision: UTC, microseconds, never before an earlier event's recording
	// in this ledger. In a ledger with a test clock it is that clock's time.
	Now() time.Time
	// Position is the one that the next event which this decision appends gets.
	Position() int64
	// NewID makes the decision's next id: a UUIDv7 of Now, derived from the command's own id, so that
	// a decision taken again makes the same ids.
	NewID() uuid.UUID
	// StreamOf is the stream of somebody who is known by a name of the callers' choice alone: the same for a subject in
	// this ledger, for ever, and for nobody to tell who has not the ledger's key. A claim would hold the name in plain text.
	StreamOf(subject string) (uuid.UUID, error)
	// Load returns a stream's state, nil when it has no events. The state is the lane's: read it,
	// never change it, keep no reference to it in the answer.
	Load(stream uuid.UUID) (State, error)
	// Version is the number of events of a loaded stream, those of this decision included.
	Version(stream uuid.UUID) int64
	// Append records events on a stream, effective now, and applies them to its state. A stream that
	// was not loaded must be new: its first event makes it.
	Append(stream uuid.UUID, events ...Event)
	// AppendAt does the same with the time from which the events count.
	AppendAt(stream uuid.UUID, effective time.Time, events ...Event)
	// Claim takes a value that is unique in the ledger for ever. When another stream holds it, the
	// whole command is refused with otherwise.
	Claim(scope, value string, stream uuid.UUID, otherwise *Error)
	// TryClaim is Claim for who can do with another value: false when another stream holds it.
	TryClaim(scope, value string, stream uuid.UUID) bool
	// Known tells what is known of a further idempotency key without using it up: ask first, since a
	// record that was counted stays a duplicate whatever has become of its licence.
	Known(scope, key string, fingerprint [32]byte) KeyUse
	// Consume uses up a further idempotency key of this command, in a name space of its own (one
	// usage record of a batch, say). The fingerprint is what the key stands for. Unless the key is
	// fresh the caller must leave out what it stands for.
	Consume(scope, key string, fingerprint [32]byte) KeyUse
}

// KeyUse is what is known of an idempotency key.
type KeyUse int

const (
	KeyFresh KeyUse = iota // never seen: it is consumed now
	KeySame                // used before for the same content: a duplicate
	KeyOther               // used before for other content
)

// LoadAs loads a stream as the aggregate S, or refuses with NotFound and the given code when it has
// no events or is of another kind: a foreign id is an unknown one.
func LoadAs[S State](l Ledger, stream uuid.UUID, code string) (S, error) {
	var none S
	state, err := l.Load(stream)
	if err != nil {
		return none, err
	}
	s, ok := state.(S)
	if !ok {
		return none, Refuse(NotFound, code, "%s is not known here", stream)
	}
	return s, nil
}

// DeriveID makes the n-th UUIDv7 of a command: its time is at (milliseconds, UTC), then follow the low
// 12 bits of n and a hash of the command's own id and n. Pure: a decision taken again makes the same ids.
func DeriveID(command uuid.UUID, at time.Time, n int) uuid.UUID {
	id := hashed(command, n)
	return version7(id, at, uint16(n))
}

// OrderedID makes the n-th id, from 1, of what a command creates that is decided when its ledger stands at a position.
// Ids of a ledger sort as they were made, those of one millisecond too (a test clock may stand still for years), since
// lists page by them: what is created after a page was read has to come after all that was on it. Behind the time
// follow 32 bits of the position, 17 of n and a hash. The position starts elsewhere in each ledger, so that an id does
// not tell how much happened there; the order is lost once in 4 billion positions, within one millisecond.
func OrderedID(ledger uuid.UUID, position int64, command uuid.UUID, at time.Time, n int) uuid.UUID {
	id := hashed(command, n)
	place := uint32(position) + binary.BigEndian.Uint32(ledger[12:])
	low := binary.BigEndian.Uint64(id[8:])&(1<<25-1) | uint64(n)&(1<<17-1)<<25 | uint64(place&(1<<20-1))<<42
	binary.BigEndian.PutUint64(id[8:], low)
	return version7(id, at, uint16(place>>20))
}

func hashed(id uuid.UUID, n int) (sum uuid.UUID) {
	var seed [24]byte
	copy(seed[:16], id[:])
	binary.BigEndian.PutUint64(seed[16:], uint64(n))
	all := sha256.Sum256(seed[:])
	copy(sum[:], all[:16])
	return sum
}

// version7 sets the time, the 12 bits after it, and what makes it a version 7.
func version7(id uuid.UUID, at time.Time, next uint16) uuid.UUID {
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	binary.BigEndian.PutUint16(id[6:], 0x7000|next&0x0fff)
	id[8] = id[8]&0x3f | 0x80
	return id
}
