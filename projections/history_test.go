package projections

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/eventstore"
)

// id makes readable ids: n in the last bytes.
func id(n int) uuid.UUID {
	var u uuid.UUID
	u[6], u[8] = 0x70, 0x80
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

var june = time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)

func day(n int) time.Time { return june.AddDate(0, 0, n-1) }

// history is a log in memory: what the store would hand out.
type history struct {
	mu       sync.Mutex
	events   map[uuid.UUID][]*eventstore.Recorded
	versions map[uuid.UUID]int64
	reads    int // pages that were read from it
}

func newHistory() *history {
	return &history{events: map[uuid.UUID][]*eventstore.Recorded{}, versions: map[uuid.UUID]int64{}}
}

// add records events of one stream at an instant and returns them.
func (h *history) add(ledger, stream uuid.UUID, at time.Time, events ...domain.Event) []*eventstore.Recorded {
	h.mu.Lock()
	defer h.mu.Unlock()
	var added []*eventstore.Recorded
	for _, e := range events {
		h.versions[stream]++
		r := &eventstore.Recorded{Ledger: ledger, Position: int64(len(h.events[ledger]) + 1), Stream: stream,
			Version: h.versions[stream], Type: e.EventType(), Event: e, RecordedAt: at, EffectiveAt: at}
		h.events[ledger] = append(h.events[ledger], r)
		added = append(added, r)
	}
	return added
}

// Page implements Log.
func (h *history) Page(_ context.Context, ledger uuid.UUID, after int64, limit int) ([]*eventstore.Recorded, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	all := h.events[ledger]
	if after >= int64(len(all)) {
		return nil, nil
	}
	return slices.Clone(all[after:min(int64(len(all)), after+int64(limit))]), nil
}

// Facts leaves out what the log leaves out.
func (h *history) Facts(ctx context.Context, ledger uuid.UUID, after int64, limit int) ([]*eventstore.Recorded, error) {
	events, err := h.Page(ctx, ledger, after, limit)
	bare := make([]*eventstore.Recorded, len(events))
	for i, e := range events {
		one := *e
		one.ID, one.Meta, one.Hash = uuid.Nil, nil, [32]byte{}
		bare[i] = &one
	}
	return bare, err
}

func (h *history) pages() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reads
}

func (h *history) head(ledger uuid.UUID) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(len(h.events[ledger]))
}

// publish moves the heads in the database to those of the history, as appends would.
func (h *history) publish(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for ledger, events := range h.events {
		_, err := pool.Exec(t.Context(), `insert into ledgers (ledger_id, organisation_id, mode, position, head, recorded_at, wrapped_key)
			values ($1, $1, 'live', $2, $3, $4, '') on conflict (ledger_id) do update set position = excluded.position`,
			ledger, len(events), make([]byte, 32), june)
		require.NoError(t, err)
	}
}

func terms(plan int, capabilities ...string) catalog.PlanTerms {
	t := catalog.PlanTerms{PlanID: id(plan), PlanVersion: 1, ProductID: id(1), LicenseType: "perSeat", Interval: "month", Length: 1, MaxSeats: -1}
	for _, name := range capabilities {
		t.Capabilities = append(t.Capabilities, catalog.CapabilityRef{ID: uuid.NewSHA1(uuid.Nil, []byte(name)), Name: name})
	}
	return t
}

// started is a monthly subscription of June 2026 with the given seats; "" is an unassigned one.
func started(plan, firstSeat int, grantees ...string) subscription.Started {
	s := subscription.Started{Terms: terms(plan, "read", "write"), Status: subscription.Active, Quantity: len(grantees), Currency: "EUR",
		StartAt: day(1), AnchorAt: day(1), TimeZone: "UTC", Period: subscription.Period{Start: day(1), End: day(31)},
		ProrationMode: "second", Provider: "none", Owner: domain.Owner("acme")}
	for i, g := range grantees {
		s.Seats = append(s.Seats, subscription.Seat{ID: id(firstSeat + i), Grantee: domain.Grantee(g)})
	}
	return s
}

// apply runs models over events in one transaction.
func apply(t testing.TB, pool *pgxpool.Pool, models []*Model, events []*eventstore.Recorded) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		for _, m := range models {
			if err := m.Apply(t.Context(), tx, events); err != nil {
				return err
			}
		}
		return nil
	}))
}
