package selftest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/faults"
	"github.com/subledger/subledger/internal/pgtest"
	"github.com/subledger/subledger/internal/selftest"
	"github.com/subledger/subledger/projections"
)

// shop is a ledger with something in it for every invariant.
type shop struct {
	owner   *pgxpool.Pool
	store   *eventstore.Store
	ledger  uuid.UUID
	journal *faults.Journal
	path    string
	plan    uuid.UUID
	sub     uuid.UUID
	seats   []uuid.UUID
}

func openShop(t *testing.T) *shop {
	t.Helper()
	db := pgtest.New(t)
	owner, err := eventstore.OpenPool(t.Context(), db.URL, func(c *pgxpool.Config) { c.MaxConns = 4 })
	require.NoError(t, err)
	t.Cleanup(owner.Close)
	app, err := eventstore.OpenPool(t.Context(), db.AppURL, func(c *pgxpool.Config) { c.MaxConns = 6 })
	require.NoError(t, err)
	t.Cleanup(app.Close)
	master := eventstore.NewMasterKey()
	require.NoError(t, eventstore.Bootstrap(t.Context(), owner, master))
	s := &shop{owner: owner, ledger: uuid.New(), path: filepath.Join(t.TempDir(), "journal")}
	s.journal, err = faults.OpenJournal(s.path)
	require.NoError(t, err)
	s.store, err = eventstore.Open(t.Context(), app, master, eventstore.Vocabularies(), eventstore.Config{})
	require.NoError(t, err)
	t.Cleanup(s.store.Close)
	create, err := s.store.NewOrganisation(uuid.New(), uuid.New(), s.ledger, "Shop", "USD", "UTC")
	require.NoError(t, err)
	_, err = s.store.Execute(t.Context(), eventstore.Request{Ledger: s.store.SystemLedger(), Command: create})
	require.NoError(t, err)

	var product, plan, sub struct {
		ID uuid.UUID `json:"id"`
	}
	s.do(t, catalog.CreateProduct{Fields: catalog.ProductFields{Name: "p", DisplayName: "P"}}, &product)
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType = product.ID, "seats", "Seats", catalog.PerSeat, "free"
	f.Interval, f.Length, f.MaxSeatAmount = "month", 1, 5
	s.do(t, catalog.CreatePlan{Fields: f}, &plan)
	three := 3
	res := s.do(t, subscription.Start{PlanID: plan.ID, Quantity: &three, Owner: "ada", Provider: subscription.ManualProvider}, &sub)
	s.plan, s.sub = plan.ID, sub.ID
	started, err := s.store.Event(t.Context(), s.ledger, res.First)
	require.NoError(t, err)
	for _, seat := range started.Event.(subscription.Started).Seats {
		s.seats = append(s.seats, seat.ID)
	}
	grantee := "bob"
	s.do(t, license.Assign{Ref: license.Ref{LicenseID: s.seats[0], SubscriptionID: &s.sub}, Grantee: &grantee}, nil)
	for i := range 3 {
		s.do(t, usage.Record{Ref: license.Ref{LicenseID: s.seats[0], SubscriptionID: &s.sub}, Key: fmt.Sprint("u", i), Quantity: decimal.NewFromInt(7)}, nil)
	}
	s.do(t, subscription.AddSeats{ID: s.sub, Count: 1}, nil) // asked of the provider, whom nobody calls
	s.bill(t, product.ID)
	runner := projections.NewRunner(projections.Config{Log: s.store, Pool: app, Projections: models(), Applied: projections.NewApplied()})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = runner.Run(ctx) }()
	s.catchUp(t)
	cancel()
	<-ended
	return s
}

// bill leaves an invoice that is partly paid, partly credited, and a credit for what was left of its month.
func (s *shop) bill(t *testing.T, product uuid.UUID) {
	t.Helper()
	f := catalog.DefaultPlan()
	f.ProductID, f.Name, f.DisplayName, f.LicenseType, f.PricingType = product, "paid", "Paid", catalog.Licensed, "paid"
	f.Interval, f.Length = "month", 1
	f.Currencies = []catalog.PlanCurrency{{Currency: "USD", Price: 1000}}
	var plan, sub struct {
		ID uuid.UUID `json:"id"`
	}
	s.do(t, catalog.CreatePlan{Fields: f}, &plan)
	s.do(t, subscription.Start{PlanID: plan.ID, Owner: "eve"}, &sub)
	var of uuid.UUID
	require.NoError(t, s.owner.QueryRow(t.Context(), `select stream_id from events where ledger_id = $1 and type = 'invoice.drafted.v1'`, s.ledger).Scan(&of))
	s.do(t, subscription.PayInvoice{RecordPayment: invoice.RecordPayment{ID: of, Amount: 950}}, nil)
	s.do(t, subscription.CreditInvoice{IssueCreditNote: invoice.IssueCreditNote{ID: of, Amount: 100}}, nil)
	s.do(t, subscription.Cancel{ID: sub.ID, Now: true, Credit: account.Prorate}, nil)
}

func models() (all []projections.Projection) {
	for _, m := range projections.Models() {
		all = append(all, m)
	}
	return all
}

func (s *shop) catchUp(t *testing.T) {
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, s.owner.QueryRow(t.Context(), `select count(*) from ledgers l where position > 0 and not exists (select from checkpoints c
			where c.ledger_id = l.ledger_id and c.position = l.position)`).Scan(&n))
		return n == 0
	}, patience, tick)
}

// do is a client's command, journaled.
func (s *shop) do(t *testing.T, c domain.Command, out any) eventstore.Result {
	t.Helper()
	key := uuid.NewString()
	require.NoError(t, s.journal.Sent(faults.Sent{Ledger: s.ledger, Key: key, Method: "TEST", Path: fmt.Sprintf("%T", c)}))
	res, err := s.store.Execute(t.Context(), eventstore.Request{Ledger: s.ledger, Command: c, Key: key})
	require.NoError(t, err)
	require.NoError(t, s.journal.Answered(faults.Answered{Ledger: s.ledger, Key: key, Status: 200, Position: res.Position}))
	if out != nil {
		require.NoError(t, json.Unmarshal(res.Answer, out))
	}
	return res
}

func (s *shop) check(t *testing.T) []selftest.Finding {
	t.Helper()
	require.NoError(t, s.journal.Flush())
	entries, err := faults.ReadJournal(s.path)
	require.NoError(t, err)
	all, err := selftest.Check(t.Context(), s.owner, selftest.Options{Ledgers: []uuid.UUID{s.ledger}, Journal: entries,
		Projections: func(ctx context.Context) ([]selftest.Breach, int64, error) {
			r := projections.NewRebuild(projections.RebuildConfig{Log: s.store, Owner: s.owner, Models: projections.Models()})
			if err := r.Run(ctx); err != nil {
				return []selftest.Breach{{Problem: err.Error()}}, 0, r.Drop(ctx)
			}
			different, err := r.Check(ctx)
			var found []selftest.Breach
			for _, d := range different {
				found = append(found, selftest.Breach{Ledger: d.Ledger, Problem: d.Table})
			}
			if err != nil {
				return nil, 0, err
			}
			return found, 6, r.Drop(ctx)
		}})
	require.NoError(t, err)
	return all
}

func (s *shop) sabotage(t *testing.T, sql string, args ...any) {
	t.Helper()
	tag, err := s.owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
	if word := strings.Fields(sql)[0]; word == "update" || word == "delete" || word == "insert" {
		require.NotZero(t, tag.RowsAffected(), sql)
	}
}

// A database that nobody touched keeps every invariant, each of them looked at something, and what is not
// checked is not counted as passed.
func TestASoundDatabase(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	numbers := map[int]bool{}
	for _, f := range s.check(t) {
		numbers[f.Number] = true
		require.Empty(t, f.Breaches, "%d %s", f.Number, f.Name)
		if f.Skipped == "" && f.Number != 10 {
			require.NotZero(t, f.Checked, "%d %s", f.Number, f.Name)
		}
	}
	for _, n := range []int{1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} {
		require.True(t, numbers[n], "invariant %d", n)
	}
}

// Each invariant is broken by hand, and the check says which and where.
func TestEachBreachIsTold(t *testing.T) {
	t.Parallel()
	const quantity = `update events set data = regexp_replace(data::text, '"quantity":3', '"quantity":4')::json where ledger_id = $1 and type = 'subscription.started.v1'`
	for name, tt := range map[string]struct {
		number int
		do     func(t *testing.T, s *shop)
		want   string
	}{
		"1 an acknowledged command is gone": {1, func(t *testing.T, s *shop) {
			s.sabotage(t, `delete from commands where ctid in (select ctid from commands where ledger_id = $1 and key like 'key:%' limit 1)`, s.ledger)
		}, "the log does not have it"},
		"1 a refused command is there": {1, func(t *testing.T, s *shop) {
			key := uuid.NewString()
			require.NoError(t, s.journal.Sent(faults.Sent{Ledger: s.ledger, Key: key}))
			require.NoError(t, s.journal.Answered(faults.Answered{Ledger: s.ledger, Key: key, Status: 409}))
			require.NoError(t, s.journal.Sent(faults.Sent{Ledger: s.ledger, Key: key + "x"}))
			s.sabotage(t, `insert into commands (ledger_id, key, fingerprint, first_position, last_position, answer, recorded_at)
				select ledger_id, 'key:' || $2::text, fingerprint, 2, 1, answer, recorded_at from commands where ledger_id = $1 limit 1`, s.ledger, key)
		}, "every answer was a refusal"},
		"2 a command that nobody sent": {2, func(t *testing.T, s *shop) {
			_, err := s.store.Execute(t.Context(), eventstore.Request{Ledger: s.ledger, Key: "foreign", Command: subscription.ChangeOwner{ID: s.sub, Owner: "ada"}})
			require.NoError(t, err)
		}, `"foreign" is not in the journal`},
		"3 an event was changed": {3, func(t *testing.T, s *shop) { s.sabotage(t, quantity, s.ledger) }, "position 3"},
		"3 the last event is gone": {3, func(t *testing.T, s *shop) {
			s.sabotage(t, `delete from events where ledger_id = $1 and position = (select max(position) from events where ledger_id = $1)`, s.ledger)
		}, "position"},
		"4 half of a command": {4, func(t *testing.T, s *shop) {
			s.sabotage(t, `update commands set last_position = last_position - 1 where ledger_id = $1 and last_position > first_position`, s.ledger)
		}, "belongs to no command"},
		"4 two commands for an event": {4, func(t *testing.T, s *shop) {
			s.sabotage(t, `update commands set first_position = first_position - 1 where ledger_id = $1 and first_position = 3`, s.ledger)
		}, "two commands claim the event"},
		"4 a command beyond the end": {4, func(t *testing.T, s *shop) {
			s.sabotage(t, `update commands set last_position = last_position + 100 where ledger_id = $1 and first_position = 3`, s.ledger)
		}, "claims events up to there"},
		"6 a row that is not what the log says": {6, func(t *testing.T, s *shop) {
			s.sabotage(t, `update subscriptions set quantity = quantity + 1 where ledger_id = $1`, s.ledger)
		}, "subscriptions"},
		"7 a total that is not its lines'": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"subtotal":1000', '"subtotal":1001')::json where ledger_id = $1 and type = 'invoice.drafted.v1'`, s.ledger)
		}, `subtotal: the lines add up to 1000, the invoice says 1001`},
		"7 a payment above what is due": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"amount":950', '"amount":951')::json where ledger_id = $1 and type = 'invoice.payment_recorded.v1'`, s.ledger)
		}, `invoices has it as paid`},
		"7 a number that is missing": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"number":2', '"number":3')::json where ledger_id = $1 and type = 'series.numbered.v1'`, s.ledger)
		}, `number 3 of the series invoice follows 1`},
		"7 a number that nobody gave": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, 'INV-000002', 'INV-000009')::json where ledger_id = $1 and type = 'invoice.finalized.v1'`, s.ledger)
		}, `nothing gave it the number INV-000009`},
		"7 a credit note that is not its parts": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"lowers_debt":50', '"lowers_debt":60')::json where ledger_id = $1 and type = 'invoice.credited.v1'`, s.ledger)
		}, `lowers the debt by 60`},
		"7 a balance out of nothing": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"change":50', '"change":70')::json where ledger_id = $1 and type = 'balance.changed.v1'`, s.ledger)
		}, `its changes add up to 70`},
		"7 a credit above its source": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"amount":-9([0-9]+)', '"amount":-9\19')::json where ledger_id = $1 and type = 'invoice.drafted.v1'`, s.ledger)
		}, `credits take`},
		"7 credits and credit notes together above their source": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(regexp_replace(data::text, '"amount":100([,}])', '"amount":500\1', 'g'), '"to_balance":50', '"to_balance":450')::json
				where ledger_id = $1 and type = 'invoice.credited.v1'`, s.ledger)
		}, "and credit notes 500 of the 1000"},
		"7 a credit of what is void": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set type = 'invoice.voided.v1', data = '{}' where ledger_id = $1 and type = 'invoice.credited.v1'`, s.ledger)
		}, "which is not asked for any more"},
		"7 a row of finance that was changed": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update invoices set amount_paid = amount_paid + 1 where ledger_id = $1 and amount_paid > 0`, s.ledger)
		}, "its events say"},
		"7 what is owed is not what the invoices say": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `update balances set owed = owed + 1 where ledger_id = $1`, s.ledger)
		}, "USD as owed; the invoices say"},
		"7 a line that is gone": {7, func(t *testing.T, s *shop) {
			s.sabotage(t, `delete from invoice_lines where ledger_id = $1 and amount = 1000`, s.ledger)
		}, "invoice_lines has lines that come to 0; the total is 1000"},
		"8 a quantity that is not the seats": {8, func(t *testing.T, s *shop) { s.sabotage(t, quantity, s.ledger) }, "the quantity is 4 and there are 3 seats"},
		"8 more seats than the plan has": {8, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"max_seats":5', '"max_seats":2')::json where ledger_id = $1 and type = 'subscription.started.v1'`, s.ledger)
		}, "at most 2"},
		"8 a usage record twice": {8, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = regexp_replace(data::text, '"key":"u2"', '"key":"u1"')::json where ledger_id = $1 and type = 'usage.recorded.v1'`, s.ledger)
		}, `"u1" counts a second time`},
		"8 a usage total that the log does not have": {8, func(t *testing.T, s *shop) {
			s.sabotage(t, `update usage_totals set total = 22 where ledger_id = $1`, s.ledger)
		}, "usage_totals counts 22 in 3 records"},
		"8 a usage record that may count again": {8, func(t *testing.T, s *shop) {
			s.sabotage(t, `delete from commands where ledger_id = $1 and key = 'usage:u1'`, s.ledger)
		}, `nothing keeps the usage record "u1" from counting again`},
		"8 an event that is not of its type": {8, func(t *testing.T, s *shop) {
			s.sabotage(t, `update events set data = '[]' where ledger_id = $1 and type = 'subscription.started.v1'`, s.ledger)
		}, "its data is not that of subscription.started.v1"},
		"9 a ledger of another organisation": {9, func(t *testing.T, s *shop) {
			s.sabotage(t, `update ledgers set organisation_id = gen_random_uuid() where ledger_id = $1`, s.ledger)
		}, "which does not exist"},
		"9 a ledger that calls itself live": {9, func(t *testing.T, s *shop) {
			s.sabotage(t, `update organisations set live_ledger_id = test_ledger_id, test_ledger_id = live_ledger_id where $1 in (live_ledger_id, test_ledger_id)`, s.ledger)
		}, "the ledger calls itself the test one of organisation"},
		"9 a key that opens another ledger": {9, func(t *testing.T, s *shop) {
			s.sabotage(t, `insert into api_keys (hash, key_id, organisation_id, ledger_id, mode, name, hint, scopes, created_at)
				values ('\x01', gen_random_uuid(), gen_random_uuid(), $1, 'test', 'k', 'h', '{}', now())`, s.ledger)
		}, "opens this ledger, and is a test key of organisation"},
		"9 a table without its wall": {9, func(t *testing.T, s *shop) { s.sabotage(t, `alter table licenses no force row level security`) }, "licenses: row-level security is not forced"},
		"9 a policy that looks away": {9, func(t *testing.T, s *shop) {
			s.sabotage(t, `drop policy reader on plans`)
			s.sabotage(t, `drop policy owner on plans`)
		}, "plans has no policy"},
		"10 an open task that nobody calls": {10, func(t *testing.T, s *shop) {
			s.sabotage(t, `insert into checkpoints (ledger_id, projection, position) select ledger_id, 'relay', position from ledgers where ledger_id = $1`, s.ledger)
		}, "nobody will call its provider"},
		"14 a lock that is held": {14, func(t *testing.T, s *shop) {
			conn, err := s.owner.Acquire(t.Context())
			require.NoError(t, err)
			t.Cleanup(conn.Release)
			_, err = conn.Exec(t.Context(), "select pg_advisory_lock(1)")
			require.NoError(t, err)
		}, "holds an advisory lock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			tt.do(t, s)
			for _, f := range s.check(t) {
				if f.Number != tt.number {
					continue
				}
				require.NotEmpty(t, f.Breaches)
				require.NotEmpty(t, f.Advice)
				var told []string
				for _, b := range f.Breaches {
					told = append(told, b.String())
				}
				require.Contains(t, strings.Join(told, "\n"), tt.want)
				return
			}
			t.Fatal("the invariant was not checked")
		})
	}
}

func TestJournal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "journal")
	j, err := faults.OpenJournal(path)
	require.NoError(t, err)
	ledger := uuid.New()
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			key := fmt.Sprint("k", i)
			assert.NoError(t, j.Sent(faults.Sent{Ledger: ledger, Key: key, Body: "{}"}))
			if i%2 == 0 {
				assert.NoError(t, j.Answered(faults.Answered{Ledger: ledger, Key: key, Status: 503, Code: "outcome_unknown"}))
				assert.NoError(t, j.Sent(faults.Sent{Ledger: ledger, Key: key, Body: "{}"}))
				assert.NoError(t, j.Answered(faults.Answered{Ledger: ledger, Key: key, Status: 200, Position: 7}))
			}
		})
	}
	wg.Wait()
	require.NoError(t, j.Close())
	entries, err := faults.ReadJournal(path)
	require.NoError(t, err)
	require.Len(t, entries, 50)
	answers := 0
	for _, e := range entries {
		answers += len(e.Answers)
		require.Equal(t, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", e.Hash)
	}
	require.Equal(t, 50, answers)
	appendText(t, path, `{"sent":{"ledger":`)
	_, err = faults.ReadJournal(path)
	require.NoError(t, err, "a torn last line is what a killed client leaves")
	appendText(t, path, "\n"+`{"answered":{"ledger":"`+ledger.String()+`","key":"k1","status":200}}`+"\n")
	_, err = faults.ReadJournal(path)
	require.ErrorContains(t, err, "line 126 is neither")
}

const (
	patience = 20 * time.Second
	tick     = 5 * time.Millisecond
)

func appendText(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, errors.Join(err, f.Close()))
}
