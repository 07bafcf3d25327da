package eventstore

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// Columns of an event as collect reads them: what folds need, what else there is, and then, where it is
// asked for, the position of the ledger, with nulls before it where there is no event.
const (
	factColumns  = `e.position, e.stream_id, e.version, e.type, e.data, e.recorded_at, e.effective_at`
	eventColumns = factColumns + `, e.event_id, e.meta, e.hash`
)

var columnTypes = []uint32{pgtype.Int8OID, pgtype.UUIDOID, pgtype.Int8OID, pgtype.TextOID, pgtype.JSONOID, pgtype.TimestamptzOID, pgtype.TimestamptzOID,
	pgtype.UUIDOID, pgtype.JSONOID, pgtype.ByteaOID, pgtype.Int8OID}

const ofFacts, ofEvent = 7, 10

// collect reads rows of factColumns or more where they lie: the driver's way took half of the time of reading
// and decoding. They are in the binary format, since OpenPool refuses the modes in which they would not be.
func (s *Store) collect(rows pgx.Rows, ledger uuid.UUID, position *int64) ([]*Recorded, error) {
	defer rows.Close()
	var events []*Recorded
	var c collector
	for rows.Next() {
		if len(events) == 0 && !inBinary(rows.FieldDescriptions()) {
			return nil, errors.New("events come as texts: this connection is not one of OpenPool's")
		}
		e := c.next()
		if s.read(rows.RawValues(), e, &c, position) {
			e.Ledger = ledger
			c.keep()
			events = append(events, e)
		}
	}
	return events, rows.Err()
}

func inBinary(fields []pgconn.FieldDescription) bool {
	for i, f := range fields {
		text := f.DataTypeOID == pgtype.TextOID || f.DataTypeOID == pgtype.JSONOID // the same bytes in both formats
		if i == len(columnTypes) || f.DataTypeOID != columnTypes[i] || f.Format != pgtype.BinaryFormatCode && !text {
			return false
		}
	}
	return true
}

// read is false for a row without an event.
func (s *Store) read(raw [][]byte, e *Recorded, c *collector, position *int64) bool {
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(raw[i])) }
	if len(raw) > ofEvent {
		*position = number(ofEvent)
	}
	if raw[0] == nil {
		return false
	}
	e.Position, e.Version = number(0), number(2)
	copy(e.Stream[:], raw[1])
	if t, known := s.codec.events[string(raw[3])]; known {
		e.Type = t.Name
	} else {
		e.Type = string(raw[3])
	}
	e.Data = c.copied(raw[4])
	e.RecordedAt, e.EffectiveAt = fromEpoch(number(5)), fromEpoch(number(6))
	if len(raw) > ofFacts {
		copy(e.ID[:], raw[7])
		e.Meta = c.copied(raw[8])
		copy(e.Hash[:], raw[9])
	}
	return true
}

// fromEpoch turns PostgreSQL's microseconds since 2000 into a time.
func fromEpoch(micros int64) time.Time { return time.UnixMicro(micros + 946_684_800_000_000).UTC() }

// collector allocates the events of a page, and their bytes, some at once.
type collector struct {
	made   int
	events []Recorded
	bytes  []byte
}

// next is the place of the next event, until keep makes it so.
func (c *collector) next() *Recorded {
	if len(c.events) == 0 {
		c.events = make([]Recorded, min(max(8, c.made), 128))
	}
	return &c.events[0]
}

func (c *collector) keep() { c.made, c.events = c.made+1, c.events[1:] }

func (c *collector) copied(b []byte) []byte {
	if cap(c.bytes)-len(c.bytes) < len(b) {
		c.bytes = make([]byte, 0, max(len(b), min(max(4, c.made), 64)*512))
	}
	from := len(c.bytes)
	c.bytes = append(c.bytes, b...)
	return c.bytes[from:len(c.bytes):len(c.bytes)]
}
