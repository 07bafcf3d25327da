package apikey_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/apikey"
)

func TestNew(t *testing.T) {
	for mode, prefix := range map[string]string{"live": "live_", "test": "test_", "system": "admin_"} {
		k, err := apikey.New(mode, rand.Reader)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(k.Secret, prefix))
		require.Len(t, strings.TrimPrefix(k.Secret, prefix), 43, "32 bytes in base64url without padding")
		require.Equal(t, sha256.Sum256([]byte(k.Secret)), k.Hash)
		require.Equal(t, prefix+"…"+k.Secret[len(k.Secret)-4:], k.Hint)
		require.True(t, apikey.Plausible(k.Secret))
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := apikey.New("prod", rand.Reader)
	require.ErrorContains(t, err, "prod")
	_, err = apikey.New("test", bytes.NewReader([]byte("short")))
	require.ErrorContains(t, err, "random bytes")
}

// B05: what cannot be a key is not even hashed.
func TestB05_Plausible(t *testing.T) {
	for _, bad := range []string{"", "a b", "a\n", "é", strings.Repeat("k", 256)} {
		require.False(t, apikey.Plausible(bad), "%.20q", bad)
	}
}
