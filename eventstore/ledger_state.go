package eventstore

import (
	"container/list"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// ledgerState is what a lane knows of a ledger: its end and some of its streams, folded.
type ledgerState struct {
	id         uuid.UUID
	head       Head
	recordedAt time.Time
	clock      *time.Time
	test       bool
	streams    map[uuid.UUID]*stream
	bytes      int // of the events behind the streams
	weight     int // as it was counted into the lane's total
	// written has the newest position that this lane saw on each stream since floor: a stream that was
	// read outside the lane counts only if nothing was written to it since.
	written map[uuid.UUID]int64
	floor   int64
	elem    *list.Element
	reading int64 // a number of its own each time that a ledger is read anew
}

const maxWritten = 4096

func newLedgerState(id uuid.UUID, cold *coldLedger) *ledgerState {
	return &ledgerState{id: id, head: cold.head, recordedAt: cold.recordedAt, clock: cold.clock, test: cold.test,
		streams: map[uuid.UUID]*stream{}, written: map[uuid.UUID]int64{}, floor: cold.head.Position, reading: readings.Add(1)}
}

var readings atomic.Int64

// accept takes in a stream that was read outside the lane, unless the lane knows better.
func (ls *ledgerState) accept(cold *coldStream) {
	if _, known := ls.streams[cold.id]; known {
		return
	}
	if cold.position < ls.head.Position && (cold.position < ls.floor || ls.written[cold.id] > cold.position) {
		return // something was, or may have been, written to it since: it is missed again
	}
	ls.streams[cold.id] = cold.stream
	ls.bytes += cold.stream.bytes
}

// wrote notes that an event of the ledger stands on a stream.
func (ls *ledgerState) wrote(id uuid.UUID, position int64) {
	if len(ls.written) >= maxWritten {
		ls.written, ls.floor = map[uuid.UUID]int64{}, position-1
	}
	ls.written[id] = position
}

// forget drops a stream whose state holds what was not committed.
func (ls *ledgerState) forget(id uuid.UUID) {
	if st := ls.streams[id]; st != nil {
		ls.bytes -= st.bytes
		delete(ls.streams, id)
	}
}
