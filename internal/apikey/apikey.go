// Package apikey makes API keys. A key is a prefix that tells its mode, for people and for secret
// scanners, and 32 random bytes; only the SHA-256 of the whole text is ever kept.
package apikey

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// Prefixes by mode. Clients rely on the one of test keys (Salable contract, section 1).
const (
	LivePrefix  = "live_"
	TestPrefix  = "test_"
	AdminPrefix = "admin_"
)

// MaxBytes bounds a presented key: nothing longer is looked at.
const MaxBytes = 255

// Key is a new key. Secret is shown once and kept nowhere.
type Key struct {
	Secret string
	Hash   [sha256.Size]byte // of Secret, prefix included
	Hint   string            // prefix and last four characters, to tell keys apart
}

// New makes a key of a mode: live, test, or system for an admin key. Random must be cryptographic.
func New(mode string, random io.Reader) (Key, error) {
	var prefix string
	switch mode {
	case "live":
		prefix = LivePrefix
	case "test":
		prefix = TestPrefix
	case "system":
		prefix = AdminPrefix
	default:
		return Key{}, fmt.Errorf("no API key has mode %q: want live, test or system", mode)
	}
	var raw [32]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Key{}, fmt.Errorf("random bytes for an API key: %w", err)
	}
	secret := prefix + base64.RawURLEncoding.EncodeToString(raw[:])
	return Key{Secret: secret, Hash: Hash(secret), Hint: prefix + "…" + secret[len(secret)-4:]}, nil
}

// Hash is what is kept of a secret.
func Hash(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// Plausible tells whether a presented text may be a key at all: 1 to 255 printable ASCII characters.
// It says nothing about whether the key exists.
func Plausible(secret string) bool {
	if secret == "" || len(secret) > MaxBytes {
		return false
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] > '~' {
			return false
		}
	}
	return true
}
