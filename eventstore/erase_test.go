package eventstore

import (
	"strconv"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

// Rule 9. What is in memory may be forgotten at any time: commands go on, each once, on what is read anew.
func TestForgettingUnderLoad(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	streams := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				name := strconv.Itoa(w*each + n)
				_, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: name, Command: nameIt(streams[n%len(streams)], domain.Grantee("person "+name))})
				assert.NoError(t, err)
				switch n % 10 {
				case w:
					assert.NoError(t, s.Forget(t.Context(), ledger))
				case 9:
					assert.NoError(t, s.Forget(t.Context()))
				}
			}
		})
	}
	wg.Wait()
	events, err := s.Page(t.Context(), ledger, 0, 1000)
	require.NoError(t, err)
	seen := map[domain.Personal]bool{}
	for _, e := range events {
		seen[e.Event.(named).Name] = true
	}
	require.Len(t, seen, writers*each)
	require.Len(t, events, writers*each, "each once")
	mustVerify(t, f, ledger)
}

// Rule 9. What a command decides on names nobody who was erased before it, nor does its answer write them down again.
func TestB90_StatesForgetTheErased(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, stream := f.store(t, Config{}), f.ledger(t, "live"), uuid.New()
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: nameIt(stream, domain.Grantee("ada"))})
	require.NoError(t, err)
	show := decideFunc(func(l domain.Ledger) (any, error) {
		state, err := l.Load(stream)
		if err != nil {
			return nil, err
		}
		return struct {
			Name domain.Personal `json:"name"`
		}{state.(*counter).Name}, nil
	})
	r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: show})
	require.NoError(t, err)
	require.Contains(t, string(r.Answer), `"ada"`)
	_, err = s.EraseSubject(t.Context(), ledger, "grantee:ada")
	require.NoError(t, err)
	r, err = s.Execute(t.Context(), Request{Ledger: ledger, Command: show})
	require.NoError(t, err)
	require.Contains(t, string(r.Answer), domain.ErasedPrefix)
}
