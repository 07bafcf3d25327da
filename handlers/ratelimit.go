package handlers

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Requests of nobody's are those without a valid key: guesses, open routes, paths that there are not. They
// are counted per address, apart from the valid ones, so that an attacker behind the same address costs no
// client its share.
const (
	nobodyPerSecond = 20
	nobodyBurst     = 100
	maxLimiters     = 50_000 // of each kind; the least recently used one goes first
)

// limits holds the token buckets of keys and addresses. Only a valid key makes one for itself, so no
// flood of guesses evicts those of clients.
type limits struct {
	perSecond float64 // 0: no limits at all
	now       func() time.Time
	keys      *lru.Cache[uuid.UUID, *rate.Limiter]
	addresses *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newLimits(perSecond float64, now func() time.Time) *limits {
	keys, err := lru.New[uuid.UUID, *rate.Limiter](maxLimiters)
	if err != nil {
		panic(err) // the size is a constant above
	}
	addresses, err := lru.New[netip.Prefix, *rate.Limiter](maxLimiters)
	if err != nil {
		panic(err)
	}
	return &limits{perSecond: perSecond, now: now, keys: keys, addresses: addresses}
}

// ofKey spends one request of a key.
func (l *limits) ofKey(h http.Header, key uuid.UUID) bool {
	return l.perSecond <= 0 || l.take(h, bucket(l.keys, key, l.perSecond, max(1, int(math.Ceil(l.perSecond)))))
}

// ofAddress spends one request of nobody's from an address.
func (l *limits) ofAddress(h http.Header, address string) bool {
	return l.perSecond <= 0 || l.take(h, bucket(l.addresses, networkOf(address), nobodyPerSecond, nobodyBurst))
}

// networkOf is what one client can choose its address from: the address itself, or the /64 of one of
// IPv6. All that is no address, such as a socket's path, is one network.
func networkOf(address string) netip.Prefix {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, _ := a.Prefix(bits) // bits are within the address's
	return network
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

// take spends one request and says in the headers what is left: RateLimit-Limit requests at once,
// RateLimit-Remaining of them now, all of them again in RateLimit-Reset seconds; when none is left,
// the next one in Retry-After seconds.
func (l *limits) take(h http.Header, b *rate.Limiter) bool {
	now := l.now()
	ok := b.AllowN(now, 1)
	left, perSecond := max(0, b.TokensAt(now)), float64(b.Limit())
	seconds := func(tokens float64) string { return strconv.Itoa(int(math.Ceil(tokens / perSecond))) }
	h.Set("RateLimit-Limit", strconv.Itoa(b.Burst()))
	h.Set("RateLimit-Remaining", strconv.Itoa(int(left)))
	h.Set("RateLimit-Reset", seconds(float64(b.Burst())-left))
	if !ok {
		h.Set("Retry-After", seconds(max(math.SmallestNonzeroFloat64, 1-left))) // others may have made it whole meanwhile
	}
	return ok
}
