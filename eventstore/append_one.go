package eventstore

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/subledger/subledger/internal/mutant"
)

// Most batches of a quiet process are one command of one ledger. Its statement has plain values in place
// of arrays: planning and running the large one costs more than what it writes.

// mostAlone is how many events such a statement has; each number has a statement of its own.
const mostAlone = 4

// alone tells whether a part fits it: something happened, under one key, with no claims.
func (p *part) alone() bool {
	return len(p.events) > 0 && len(p.events) <= mostAlone && len(p.decided) == 1 && len(p.keys) == 1 && len(p.probes) == 0 &&
		len(p.claims) == 0 && len(p.made) == 0
}

// aloneSQL makes the same promise as appendSQL: nothing is written unless the ledger stands where the
// part was decided and its key is free.
var aloneSQL = sync.OnceValue(func() (all [mostAlone + 1]string) {
	for n := 1; n <= mostAlone; n++ {
		at := 12
		next := func() int { at++; return at }
		var events strings.Builder
		for i := range n {
			fmt.Fprintf(&events, `%s($%d::bigint, $%d::uuid, $%d::bigint, $%d::uuid, $%d::text, $%d::json, $%d::json, $5::timestamptz, $%d::timestamptz, $%d::bytea)`,
				sep(i), next(), next(), next(), next(), next(), next(), next(), next(), next())
		}
		all[n] = `with won as (
				update ledgers l set position = $3, head = $4, recorded_at = $5, clock = $6
				where l.ledger_id = $1 and l.position = $2 and l.head = $12 and not exists (select from commands c where c.ledger_id = $1 and c.key = $7)
					and ` + shortWait + `
				returning l.ledger_id),
			ev as (
				insert into events (ledger_id, position, stream_id, version, event_id, type, data, meta, recorded_at, effective_at, hash)
				select won.ledger_id, e.* from won, (values ` + events.String() + `) e),
			cm as (
				insert into commands (ledger_id, key, fingerprint, first_position, last_position, answer, recorded_at)
				select won.ledger_id, $7, $8::bytea, $9::bigint, $10::bigint, $11::json, $5 from won)
			select true from won`
	}
	return all
})

func sep(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// appendAlone runs the statement; false when it wrote nothing, without a reason.
func appendAlone(ctx context.Context, db querier, p *part) (bool, error) {
	k := &p.keys[0]
	args := make([]any, 0, 12+9*len(p.events))
	args = append(args, p.ls.id, p.old.Position, p.head.Position, p.head.Hash[:], p.recordedAt, p.clock,
		k.name, k.fingerprint[:], k.first, k.last, k.answer, p.old.Hash[:])
	for _, e := range p.events {
		args = append(args, e.Position, e.Stream, e.Version, e.ID, e.Type, e.Data, e.Meta, e.EffectiveAt, e.Hash[:])
	}
	rows, err := db.Query(ctx, aloneSQL()[len(p.events)], args...)
	if err != nil {
		return false, err
	}
	won := false
	var yes bool
	_, err = pgx.ForEachRow(rows, []any{&yes}, func() error {
		won = yes
		return nil
	})
	return won && err == nil, err
}

// tryAlone is appendParts for a batch of one; nil when it has to ask the large statement.
func tryAlone(ctx context.Context, db querier, parts []*part) (*appended, error) {
	if len(parts) != 1 || !parts[0].alone() {
		return nil, nil
	}
	switch mutant.Active {
	case mutant.SkippedHeadCheck, mutant.PositionIsHistory, mutant.SkippedKeyProbe:
		return nil, nil
	}
	won, err := appendAlone(ctx, db, parts[0])
	if err != nil || !won {
		return nil, err
	}
	return &appended{won: map[uuid.UUID]bool{parts[0].ls.id: true}}, nil
}
