package eventstore

import (
	"context"

	"github.com/google/uuid"
)

// StreamOf is the stream of somebody who is known by a name of the caller's choice alone: the same for a subject
// in its ledger, for ever. A claim on the name would do for finding the stream, but holds for ever, and
// would keep the name from whoever takes it after its owner was deleted; nor could it be erased, since claims are plain
// text. A plain hash would tell whoever reads the log, where ids of streams stand open, which of the names that he
// can think of are in it. So it is a keyed hash, as of the subjects of keys, under the ledger's key; apart from those,
// so that a stream does not lead to the row of its subject's key.
func (s *Store) StreamOf(ctx context.Context, ledger uuid.UUID, subject string) (uuid.UUID, error) {
	lk, err := s.keys.load(ctx, s.pool, ledger)
	if err != nil {
		return uuid.Nil, err
	}
	return lk.streamOf(subject), nil
}

// StreamOf implements domain.Ledger.
func (d *decision) StreamOf(subject string) (uuid.UUID, error) {
	lk, ok := d.batch.lane.s.keys.ledgers.Get(d.part.ls.id)
	if !ok {
		return uuid.Nil, &miss{ledger: true} // it was evicted
	}
	return lk.streamOf(subject), nil
}

func (lk *ledgerKey) streamOf(subject string) (id uuid.UUID) {
	copy(id[:], lk.subjectHash("stream\x00"+subject))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: whatever its maker says
	return id
}
