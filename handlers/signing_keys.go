package handlers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
)

// signingKeysJSON are public keys on the wire.
type signingKeysJSON struct {
	Secp256k1 string `json:"secp256k1"` // the uncompressed point in lower-case hex: publicHash of Salable's v1 checks
	P256      string `json:"p256"`      // SubjectPublicKeyInfo as PEM: of v2's and v3's
}

// readSigningKeys serves GET /signing-keys: what those who get answers to checks verify them with. The keys are the
// organisation's, of its live and its test ledger, and never change.
//
//	out  200 {secp256k1, p256}
func (a *API) readSigningKeys(w http.ResponseWriter, r *http.Request) error {
	if err := noQuery(r); err != nil {
		return err
	}
	if _, _, err := a.head(w, r); err != nil {
		return err
	}
	k1, point, err := a.Store.SigningKeys(r.Context(), CallerOf(r).Organisation)
	if err != nil {
		return err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return fmt.Errorf("read the P-256 key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	return JSON(w, http.StatusOK, signingKeysJSON{hex.EncodeToString(k1), string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
}
