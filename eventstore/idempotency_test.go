package eventstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

func print(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// Rule 5. The same key 50 times in parallel in two processes: one execution, one answer for all.
func TestF22_TheSameKeyInParallelExecutesOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	stores := []*Store{f.store(t, Config{}), f.store(t, Config{})}
	var wg sync.WaitGroup
	results := make([]Result, 50)
	errs := make([]error, 50)
	for i := range results {
		wg.Go(func() {
			results[i], errs[i] = stores[i%2].Execute(context.WithoutCancel(t.Context()),
				Request{Ledger: ledger, Key: "once", Fingerprint: print("a"), Command: add{Stream: stream, N: 5}})
		})
	}
	wg.Wait()
	fresh := 0
	for i, r := range results {
		require.NoError(t, errs[i])
		require.JSONEq(t, `{"total":5,"version":1}`, string(r.Answer))
		require.Equal(t, [2]int64{1, 1}, [2]int64{r.First, r.Last})
		if !r.Replayed {
			fresh++
		}
	}
	require.Equal(t, 1, fresh)
	position, _, err := stores[0].Head(t.Context(), ledger)
	require.NoError(t, err)
	require.Equal(t, int64(1), position)
}

// Rule 5. The same key twice in one batch: the second waits for the first, and no flush fails for it.
func TestTheSameKeyTwiceInABatchWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	began, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var mu sync.Mutex
	var flushes []Flush
	s := f.store(t, Config{Lanes: 1,
		Fault:   func(string) error { once.Do(func() { close(began); <-release }); return nil },
		Observe: func(fl Flush) { mu.Lock(); defer mu.Unlock(); flushes = append(flushes, fl) }})
	ledger, stream := f.ledger(t, "live"), uuid.New()
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: add{Stream: stream, N: 1}})
	})
	<-began // what comes now gathers in one batch
	replayed := make([]bool, 10)
	for i := range replayed {
		wg.Go(func() {
			r, err := s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Key: "k", Command: add{Stream: stream, N: 1}})
			if err != nil {
				t.Error(err)
			}
			replayed[i] = r.Replayed
		})
	}
	close(release)
	wg.Wait()
	first := 0
	for _, r := range replayed {
		if !r {
			first++
		}
	}
	require.Equal(t, 1, first)
	for _, fl := range flushes {
		require.NoError(t, fl.Err)
	}
}

func TestIdempotency(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.store(t, Config{})
	type step struct {
		key, body string
		n, limit  int
		total     int
		replayed  bool
		fails     string
	}
	for name, steps := range map[string][]step{
		"another body under the same key is refused": {
			{key: "k", body: "a", n: 1, total: 1}, {key: "k", body: "b", n: 1, fails: "key_reused"}},
		"a refusal does not consume the key": {
			{key: "k", body: "a", n: 5, limit: 3, fails: "limit_reached"}, {key: "k", body: "b", n: 2, limit: 3, total: 2}},
		"a command that changed nothing consumes the key": {
			{key: "k", body: "a", n: 0, total: 0}, {key: "", n: 7, total: 7}, {key: "k", body: "a", n: 0, total: 0, replayed: true},
			{key: "k", body: "b", n: 1, fails: "key_reused"}},
		"a replay gives the first answer though the command would be refused today": {
			{key: "k", body: "a", n: 3, limit: 3, total: 3}, {key: "k", body: "a", n: 3, limit: 3, total: 3, replayed: true}},
		"without a key everything happens": {
			{n: 1, total: 1}, {n: 1, total: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger, stream := f.ledger(t, "live"), uuid.New()
			for _, st := range steps {
				r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: st.key, Fingerprint: print(st.body),
					Command: add{Stream: stream, N: st.n, Limit: st.limit}})
				if st.fails != "" {
					require.ErrorIs(t, err, &domain.Error{Code: st.fails})
					continue
				}
				require.NoError(t, err)
				require.Equal(t, st.total, answerOf[total](t, r).Total)
				require.Equal(t, st.replayed, r.Replayed)
			}
			mustVerify(t, f, ledger)
		})
	}
}

// Rule 5. Keys are per ledger.
func TestAKeyIsTheLedgersOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, stream := f.store(t, Config{}), uuid.New()
	for range 2 {
		r, err := s.Execute(t.Context(), Request{Ledger: f.ledger(t, "live"), Key: "k", Command: add{Stream: stream, N: 1}})
		require.NoError(t, err)
		require.False(t, r.Replayed)
	}
}

// Rule 6. What Postgres or a projector would choke on is refused before the lane.
func TestKeysAreShortPrintableASCII(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger := f.store(t, Config{}), f.ledger(t, "live")
	for name, key := range map[string]string{"too long": strings.Repeat("k", 256), "not ASCII": "clé", "a control": "a\nb", "a zero": "a\x00b"} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: key, Command: add{Stream: uuid.New(), N: 1}})
			require.ErrorIs(t, err, &domain.Error{Code: "bad_key"})
		})
	}
	_, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: strings.Repeat("k", 255), Command: add{Stream: uuid.New(), N: 1}})
	require.NoError(t, err)
}

// A usage key is consumed by the decision, in a name space of its own; a duplicate is left out.
func TestConsumedKeysCountOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	count := func(records map[string]string) decideFunc {
		return func(l domain.Ledger) (any, error) {
			if _, err := l.Load(stream); err != nil {
				return nil, err
			}
			uses := map[string]domain.KeyUse{}
			for key, content := range records {
				if uses[key] = l.Consume("usage", key, print(content)); uses[key] == domain.KeyFresh {
					l.Append(stream, added{1})
				}
			}
			return uses, nil
		}
	}
	for _, s := range []*Store{f.store(t, Config{}), f.store(t, Config{})} {
		for range 2 {
			_, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: count(map[string]string{"a": "1", "b": "1"})})
			require.NoError(t, err)
		}
	}
	s := f.store(t, Config{})
	r, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: "a", Command: count(map[string]string{"a": "other", "b": "1", "c": "1"})})
	require.NoError(t, err)
	require.Equal(t, map[string]domain.KeyUse{"a": domain.KeyOther, "b": domain.KeySame, "c": domain.KeyFresh}, answerOf[map[string]domain.KeyUse](t, r))
	state, _, err := s.Fold(t.Context(), ledger, stream)
	require.NoError(t, err)
	require.Equal(t, 3, state.(*counter).Total)
	mustVerify(t, f, ledger)
}

// A key that was consumed is known even where the command would be refused now, also to a process that
// never saw it.
func TestAConsumedKeyIsKnownToARefusal(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	count := func(limit int) decideFunc {
		return func(l domain.Ledger) (any, error) {
			state, err := l.Load(stream)
			if err != nil {
				return nil, err
			}
			if l.Known("usage", "a", print("1")) == domain.KeySame {
				return "duplicate", nil
			}
			if s, ok := state.(*counter); ok && s.Total >= limit {
				return nil, domain.Refuse(domain.Conflict, "limit_reached", "")
			}
			l.Consume("usage", "a", print("1"))
			l.Append(stream, added{1})
			return "recorded", nil
		}
	}
	for i, want := range []string{`"recorded"`, `"duplicate"`, `"duplicate"`} {
		s := f.store(t, Config{})
		r, err := s.Execute(t.Context(), Request{Ledger: ledger, Command: count(1)})
		require.NoError(t, err, "%d", i)
		require.Equal(t, want, string(r.Answer))
	}
}

// Rule 5. A value is claimed once, whichever process asks; a refused claim leaves nothing.
func TestClaimsAreUniqueInALedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger := f.ledger(t, "live")
	stores := []*Store{f.store(t, Config{}), f.store(t, Config{})}
	claim := func(stream uuid.UUID) decideFunc {
		return func(l domain.Ledger) (any, error) {
			l.Claim("slug", "gold", stream, domain.Refuse(domain.Conflict, "slug_taken", "gold is taken"))
			l.Append(stream, added{1})
			if state, err := l.Load(stream); err != nil || state == nil { // as a command shows what it made
				return nil, cmp.Or[error](err, domain.Refuse(domain.NotFound, "no_item", "it was not made"))
			}
			return nil, nil
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, 24)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = stores[i%2].Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: claim(uuid.New())})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, &domain.Error{Code: "slug_taken"})
	}
	require.Equal(t, 1, won)
	position, _, err := stores[0].Head(t.Context(), ledger)
	require.NoError(t, err)
	require.Equal(t, int64(1), position)
	_, err = stores[0].Execute(t.Context(), Request{Ledger: f.ledger(t, "live"), Command: claim(uuid.New())})
	require.NoError(t, err, "another ledger has its own gold")
}

// Rule 5. Whoever can do with another value gets one, whether the first is held in the log, by the same process or by another.
func TestAClaimThatFailedMayBeAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger := f.ledger(t, "live")
	stores := []*Store{f.store(t, Config{}), f.store(t, Config{})}
	claim := decideFunc(func(l domain.Ledger) (any, error) {
		id := l.NewID()
		got := "gold"
		if !l.TryClaim("slug", got, id) {
			got = id.String()
			l.Claim("slug", got, id, domain.Refuse(domain.Conflict, "slug_taken", "%s is taken", got))
		}
		l.Append(id, added{1})
		return got, nil
	})
	var wg sync.WaitGroup
	answers, errs := make([]string, 24), make([]error, 24)
	for i := range answers {
		wg.Go(func() {
			var r Result
			r, errs[i] = stores[i%2].Execute(context.WithoutCancel(t.Context()), Request{Ledger: ledger, Command: claim})
			answers[i] = string(r.Answer)
		})
	}
	wg.Wait()
	distinct := map[string]bool{}
	for i, got := range answers {
		require.NoError(t, errs[i])
		distinct[got] = true
	}
	require.Len(t, distinct, 24)
	require.True(t, distinct[`"gold"`])
	position, _, err := stores[0].Head(t.Context(), ledger)
	require.NoError(t, err)
	require.Equal(t, int64(24), position, "what was decided twice happened once")
}

// Rule 5. A command that the database refuses fails alone: its neighbours in the same flush do not
// notice, whether they share its ledger or not.
func TestAPoisonedCommandFailsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	block := make(chan struct{})
	var once sync.Once
	began := make(chan struct{})
	s := f.store(t, Config{Lanes: 1, Fault: func(step string) error {
		once.Do(func() { close(began); <-block })
		return nil
	}})
	ledgers := []uuid.UUID{f.ledger(t, "live"), f.ledger(t, "live"), f.ledger(t, "live")}
	stream := uuid.New()
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Execute(context.WithoutCancel(t.Context()), Request{Ledger: f.ledger(t, "live"), Command: add{Stream: uuid.New(), N: 1}})
	})
	<-began
	errs := make([]error, 30)
	for i := range errs {
		wg.Go(func() {
			req := Request{Ledger: ledgers[i%3], Command: add{Stream: stream, N: 1}}
			if i == 15 {
				// A zero byte passes every check of this test's command, and no Postgres text can hold it.
				req.Key = "poison"
				req.Command = decideFunc(func(l domain.Ledger) (any, error) {
					if _, err := l.Load(stream); err != nil {
						return nil, err
					}
					l.Claim("scope", "zero\x00byte", stream, domain.Refuse(domain.Conflict, "taken", ""))
					l.Append(stream, added{100})
					return nil, nil
				})
			}
			_, errs[i] = s.Execute(context.WithoutCancel(t.Context()), req)
		})
	}
	close(block)
	wg.Wait()
	for i, err := range errs {
		if i == 15 {
			require.ErrorContains(t, err, "the database refuses this command")
		} else {
			require.NoError(t, err, "call %d", i)
		}
	}
	for i, ledger := range ledgers {
		state, _, err := s.Fold(t.Context(), ledger, stream)
		require.NoError(t, err)
		require.Equal(t, []int{9, 10, 10}[i], state.(*counter).Total)
	}
	mustVerify(t, f, ledgers...)
}

// The answer that is kept holds no plain text about a person, and a replay shows the first answer.
func TestAReplayedAnswerIsTheFirstOneAndIsStoredEncrypted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledger, stream := f.ledger(t, "live"), uuid.New()
	type reply struct {
		Name domain.Personal   `json:"name"`
		All  []domain.Personal `json:"all"`
		Text string            `json:"text"`
	}
	cmd := decideFunc(func(l domain.Ledger) (any, error) {
		if _, err := l.Load(stream); err != nil {
			return nil, err
		}
		ada := domain.About("person:1", "Ada <\"Lovelace\">")
		l.Append(stream, named{Name: ada, Also: []domain.Personal{ada, {}, domain.Grantee("grace")}, Plain: cipherPrefix + "just a text"})
		return reply{ada, []domain.Personal{ada, domain.Grantee("grace")}, cipherPrefix + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, nil
	})
	first, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: cmd})
	require.NoError(t, err)
	require.Contains(t, string(first.Answer), "Lovelace")
	again, err := f.store(t, Config{}).Execute(t.Context(), Request{Ledger: ledger, Key: "k", Command: cmd})
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.JSONEq(t, string(first.Answer), string(again.Answer))

	var stored []byte
	require.NoError(t, f.owner.QueryRow(t.Context(), `select answer from commands where ledger_id = $1`, ledger).Scan(&stored))
	require.False(t, bytes.Contains(stored, []byte("Lovelace")), "%s", stored)
	require.False(t, bytes.Contains(stored, []byte("grace")), "%s", stored)
}

// What a key was answered can be asked for without a command; other ledgers' keys are unknown.
func TestAKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, ledger, other := f.store(t, Config{}), f.ledger(t, "live"), f.ledger(t, "test")
	_, used, err := s.Answered(t.Context(), ledger, "once", print("a"))
	require.NoError(t, err)
	require.False(t, used)
	first, err := s.Execute(t.Context(), Request{Ledger: ledger, Key: "once", Fingerprint: print("a"), Command: add{Stream: uuid.New(), N: 5}})
	require.NoError(t, err)
	for _, store := range []*Store{s, f.store(t, Config{})} {
		again, used, err := store.Answered(t.Context(), ledger, "once", print("a"))
		require.NoError(t, err)
		require.True(t, used && again.Replayed)
		require.JSONEq(t, string(first.Answer), string(again.Answer))
		require.Equal(t, []int64{first.First, first.Last}, []int64{again.First, again.Last})
		_, used, err = store.Answered(t.Context(), other, "once", print("a"))
		require.NoError(t, err)
		require.False(t, used)
		for want, ask := range map[string]func() error{
			"key_reused": func() error { _, _, err := store.Answered(t.Context(), ledger, "once", print("b")); return err },
			"bad_key":    func() error { _, _, err := store.Answered(t.Context(), ledger, "", print("a")); return err },
			"no_ledger":  func() error { _, _, err := store.Answered(t.Context(), uuid.New(), "once", print("a")); return err },
		} {
			require.ErrorIs(t, ask(), &domain.Error{Code: want})
		}
	}
}
