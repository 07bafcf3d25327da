package eventstore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// MasterKey wraps every other key of an installation. It lives outside the database: in
// SUBLEDGER_MASTER_KEY, or in a file of mode 0600 beside the data.
type MasterKey [32]byte

// ErrMasterKeyShape tells that a text is no master key.
var ErrMasterKeyShape = errors.New("a master key is 32 bytes in base64 (make one with: openssl rand -base64 32)")

// ParseMasterKey reads 32 bytes in base64 (standard or URL alphabet, padded or not).
func ParseMasterKey(text string) (MasterKey, error) {
	var key MasterKey
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != len(key) {
		return key, ErrMasterKeyShape
	}
	copy(key[:], b)
	return key, nil
}

// NewMasterKey makes a random key.
func NewMasterKey() MasterKey {
	var key MasterKey
	rand.Read(key[:]) // never fails (Go 1.24 and later)
	return key
}

// ReadMasterKeyFile reads the key in a file. A missing file is fs.ErrNotExist; it is never made here,
// since a new key beside old data would look like a start and be a loss.
func ReadMasterKeyFile(path string) (MasterKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return MasterKey{}, fmt.Errorf("master key: %w", err)
	}
	key, err := ParseMasterKey(string(b))
	if err != nil {
		return key, fmt.Errorf("master key in %s: %w", path, err)
	}
	return key, nil
}

// WriteMasterKeyFile stores a new key with mode 0600; an existing file is an error. The file is
// on disk before it returns.
func WriteMasterKeyFile(path string, key MasterKey) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	_, err = fmt.Fprintln(f, base64.StdEncoding.EncodeToString(key[:]))
	err = errors.Join(err, f.Sync(), f.Close())
	if dir, openErr := os.Open(filepath.Dir(path)); openErr == nil {
		err = errors.Join(err, dir.Sync(), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("master key in %s: %w", path, err)
	}
	return nil
}

// Derive makes n bytes that only this key and label give: the demo's API keys, for example.
func (m MasterKey) Derive(label string, n int) []byte {
	b, err := hkdf.Key(sha256.New, m[:], nil, "subledger "+label, n)
	if err != nil {
		panic(err) // n beyond 8,160 bytes: a programming error
	}
	return b
}

// Wrap encrypts a key; purpose is bound to it, so that it opens nowhere else.
func (m MasterKey) Wrap(plain []byte, purpose string) []byte {
	return seal(newAEAD(m[:]), plain, []byte(purpose))
}

// Unwrap opens what Wrap made under the same key and purpose.
func (m MasterKey) Unwrap(wrapped []byte, purpose string) ([]byte, error) {
	plain, err := open(newAEAD(m[:]), wrapped, []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("unwrap %s: the master key does not fit: %w", purpose, err)
	}
	return plain, nil
}

func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // a key of another length: a programming error
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// seal gives nonce ‖ ciphertext.
func seal(aead cipher.AEAD, plain, data []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, data)
}

func open(aead cipher.AEAD, sealed, data []byte) ([]byte, error) {
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("ciphertext is too short")
	}
	n := aead.NonceSize()
	return aead.Open(nil, sealed[:n], sealed[n:], data)
}
