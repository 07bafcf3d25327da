package handlers

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Guesses are requests without a valid key. They are counted per address, apart from the valid ones, so
// that an attacker behind the same address costs no client its share.
const (
	guessesPerSecond = 20
	guessBurst       = 100
	maxLimiters      = 50_000 // of each kind; the least recently used one goes first
)

// limits holds the token buckets of keys and addresses.
type limits struct {
	perSecond float64 // 0: no limits at all
	now       func() time.Time
	keys      *lru.Cache[uuid.UUID, *rate.Limiter]
	addresses *lru.Cache[string, *rate.Limiter]
}

func newLimits(perSecond float64, now func() time.Time) *limits {
	keys, err := lru.New[uuid.UUID, *rate.Limiter](maxLimiters)
	if err != nil {
		panic(err) // the size is a constant above
	}
	addresses, err := lru.New[string, *rate.Limiter](maxLimiters)
	if err != nil {
		panic(err)
	}
	return &limits{perSecond: perSecond, now: now, keys: keys, addresses: addresses}
}

// bucket finds or makes a limiter. Two that are made at once cost one of them its first token.
func bucket[K comparable](in *lru.Cache[K, *rate.Limiter], key K, perSecond float64, burst int) *rate.Limiter {
	if l, ok := in.Get(key); ok {
		return l
	}
	l := rate.NewLimiter(rate.Limit(perSecond), burst)
	if before, ok, _ := in.PeekOrAdd(key, l); ok {
		return before
	}
	return l
}

// take spends one request of a key and says in the headers what is left: RateLimit-Limit requests at
// once, RateLimit-Remaining of them now, all of them again in RateLimit-Reset seconds.
func (l *limits) take(h http.Header, key uuid.UUID) bool {
	if l.perSecond <= 0 {
		return true
	}
	burst := max(1, int(math.Ceil(l.perSecond)))
	b, now := bucket(l.keys, key, l.perSecond, burst), l.now()
	ok := b.AllowN(now, 1)
	left := max(0, b.TokensAt(now))
	h.Set("RateLimit-Limit", strconv.Itoa(burst))
	h.Set("RateLimit-Remaining", strconv.Itoa(int(left)))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil((float64(burst)-left)/l.perSecond))))
	if !ok {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil((1-left)/l.perSecond))))
	}
	return ok
}

// guess spends one failed attempt of an address.
func (l *limits) guess(address string) bool {
	return l.perSecond <= 0 || bucket(l.addresses, address, guessesPerSecond, guessBurst).AllowN(l.now(), 1)
}
