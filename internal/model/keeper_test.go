package model

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/internal/ledgertest"
)

var start = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// sending is a command on its way, once for its key whatever happens.
type sending struct {
	system  bool // to the system ledger
	key     string
	command domain.Command
	process int // that is asked first
	fault   int // what happens on the way, see faulty
}

// told is the answer as JSON, or the code of the refusal.
type told struct {
	answer []byte
	code   string
	first  int64 // position of the first event; 0: none was written
}

func (s sending) fingerprint() [32]byte { // pointers are told apart: a retry sends the same command
	return sha256.Sum256(fmt.Appendf(nil, "%T %+v", s.command, s.command))
}

// keeper is who holds the truth: the ledger in memory, or the log.
type keeper interface {
	do(t *rapid.T, s sending) told
	// together sends commands at the same time: each happens before, between or after the others.
	together(t *rapid.T, all []sending) []told
	state(t *rapid.T, system bool, stream uuid.UUID) domain.State
	ledger() uuid.UUID
	organisation() uuid.UUID
	newOrganisation(t *rapid.T, id uuid.UUID) domain.Command
	process() time.Time
	pass(d time.Duration)
	// read holds what is read elsewhere than in streams against the reference.
	read(t *rapid.T, r *reference)
}

// memory keeps promises one decision at a time.
type memory struct {
	main, system *ledgertest.Ledger
	org          uuid.UUID
	keys         map[string]kept
}

type kept struct {
	fingerprint [32]byte
	told        told
}

func newMemory(t *rapid.T) *memory {
	m := &memory{main: ledgertest.New(t, start), system: ledgertest.New(t, start), org: uuid.UUID{15: 1}, keys: map[string]kept{}}
	m.main.SetNow(start)
	require.Empty(t, m.do(t, sending{system: true, key: "first", command: m.newOrganisation(t, m.org)}).code)
	return m
}

func (m *memory) of(system bool) *ledgertest.Ledger {
	if system {
		return m.system
	}
	return m.main
}

func (m *memory) do(t *rapid.T, s sending) told {
	name, fingerprint := fmt.Sprint(s.system, s.key), s.fingerprint()
	if known, ok := m.keys[name]; ok && known.fingerprint == fingerprint {
		return known.told
	} else if ok {
		return told{code: "key_reused"}
	}
	answer, events, err := m.of(s.system).Execute(s.command)
	if refusal, ok := domain.AsRefusal(err); ok {
		return told{code: refusal.Code}
	}
	require.NoError(t, err)
	text, err := json.Marshal(answer)
	require.NoError(t, err)
	got := told{answer: text}
	if len(events) > 0 {
		got.first = events[0].Position
	}
	m.keys[name] = kept{fingerprint, got}
	return got
}

func (m *memory) together(t *rapid.T, all []sending) (answers []told) {
	for _, s := range all {
		answers = append(answers, m.do(t, s))
	}
	return answers
}

func (m *memory) state(_ *rapid.T, system bool, stream uuid.UUID) domain.State {
	return m.of(system).State(stream)
}

func (m *memory) ledger() uuid.UUID       { return ledgertest.ID }
func (m *memory) organisation() uuid.UUID { return m.org }
func (m *memory) process() time.Time      { return m.system.Now() }
func (m *memory) pass(d time.Duration)    { m.system.Pass(d) }

func (m *memory) newOrganisation(_ *rapid.T, id uuid.UUID) domain.Command {
	key := func(n byte) organisation.LedgerKey {
		return organisation.LedgerKey{ID: uuid.UUID{0: n, 15: id[15]}, WrappedKey: []byte{n}}
	}
	return organisation.Create{ID: id, Name: "Model", Live: key(1), Test: key(2)}
}

// read asks the folds for access, without grace: that is the read models' affair. The folds are made anew.
func (m *memory) read(t *rapid.T, r *reference) {
	m.main.CheckFolds()
	for product := range r.products {
		for _, user := range r.users() {
			ends := map[string]time.Time{}
			give := func(names []string, end time.Time) {
				for _, name := range names {
					if end.After(ends[name]) {
						ends[name] = end
					}
				}
			}
			for _, p := range r.subs {
				s := m.main.State(p.id).(*subscription.State)
				end, _, ok := s.AccessUntil(r.now)
				for seat := range s.Seats() {
					if ok && s.Terms.ProductID == r.products[product].id && seat.RemovedAt.IsZero() && seat.Grantee.Text == user {
						give(namesOf(s.Terms.Capabilities), end)
					}
				}
			}
			for _, g := range r.grants {
				s := m.main.State(g.id).(*license.State)
				if end, ok := s.AccessUntil(r.now); ok && s.Terms.ProductID == r.products[product].id && s.Grantee.Text == user {
					give(namesOf(s.Terms.Capabilities), end)
				}
			}
			require.Equal(t, r.entitled(product, []string{user}, 0), ends, "what %s may use", user)
		}
	}
}
