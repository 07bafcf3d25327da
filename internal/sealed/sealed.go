// Package sealed makes tokens that carry what they stand for, encrypted: links to a checkout, client secrets,
// session tokens. Whoever holds one learns nothing from it and can change nothing in it, and nothing of it has to be
// stored.
//
// A token is base64url(nonce ‖ AES-256-GCM(ledger ‖ expiry ‖ JSON)). Each purpose has a key of its own, derived
// (HKDF-SHA256) from the secret that the Sealer is made with, so a token made for one purpose opens for no other.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Purpose is what a kind of token is for; it labels the kind's key.
type Purpose string

// Errors of Open.
var (
	ErrBad     = errors.New("it is no token, or none of this purpose")
	ErrExpired = errors.New("the token has expired")
)

// MaxBytes bounds a token's text. A checkout link carries two URLs of 2,048 bytes and fits.
const MaxBytes = 16 << 10

const headBytes = 16 + 8 // the ledger's id and the expiry in microseconds since 1970

// Sealer makes and opens tokens of all purposes. The same secret in another process opens them as well.
type Sealer struct{ secret []byte }

// New takes a secret of 32 bytes: eventstore.MasterKey.Derive("sealed tokens", 32).
func New(secret []byte) *Sealer { return &Sealer{secret} }

// Seal makes a token for a ledger that opens before ends; content is written as JSON.
func (s *Sealer) Seal(p Purpose, ledger uuid.UUID, ends time.Time, content any) (string, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("seal a %s token: %w", p, err)
	}
	plain := make([]byte, headBytes, headBytes+len(text))
	copy(plain, ledger[:])
	binary.BigEndian.PutUint64(plain[16:], uint64(ends.UnixMicro()))
	aead := s.cipher(p)
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+headBytes+len(text)+aead.Overhead())
	rand.Read(nonce) // never fails (Go 1.24 and later)
	token := base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, append(plain, text...), nil))
	if len(token) > MaxBytes {
		return "", fmt.Errorf("seal a %s token: it would have %d bytes, at most %d are allowed", p, len(token), MaxBytes)
	}
	return token, nil
}

// Open reads a token into content and gives the ledger that it belongs to: ErrBad, ErrExpired. Expiry is half-open: at
// its instant the token has expired.
func (s *Sealer) Open(p Purpose, token string, now time.Time, content any) (uuid.UUID, error) {
	if len(token) > MaxBytes || strings.ContainsAny(token, "\r\n") { // the decoder skips line ends
		return uuid.Nil, ErrBad
	}
	// Strict: else a changed last character, whose low bits are padding, would be the same token.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	aead := s.cipher(p)
	if err != nil || len(sealed) < aead.NonceSize() {
		return uuid.Nil, ErrBad
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil || len(plain) < headBytes {
		return uuid.Nil, ErrBad
	}
	ends := time.UnixMicro(int64(binary.BigEndian.Uint64(plain[16:])))
	if !now.Before(ends) {
		return uuid.Nil, ErrExpired
	}
	if err := json.Unmarshal(plain[headBytes:], content); err != nil {
		return uuid.Nil, fmt.Errorf("read a %s token: %w", p, err)
	}
	return uuid.UUID(plain[:16]), nil
}

// OpenIn is Open for whoever has a ledger already: a token of another one is ErrBad.
func (s *Sealer) OpenIn(ledger uuid.UUID, p Purpose, token string, now time.Time, content any) error {
	of, err := s.Open(p, token, now, content)
	if err == nil && of != ledger {
		return ErrBad
	}
	return err
}

func (s *Sealer) cipher(p Purpose) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, s.secret, nil, "subledger sealed "+string(p), 32)
	if err != nil {
		panic(err) // a hash too short for 32 bytes: a programming error
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
