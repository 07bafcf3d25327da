package sealed_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/internal/sealed"
)

type link struct {
	Plan uuid.UUID `json:"plan"`
	URL  string    `json:"url"`
}

const checkout = sealed.Purpose("checkout")

var (
	ledger = uuid.MustParse("01930000-0000-7000-8000-000000000001")
	noon   = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	sent   = link{uuid.MustParse("01930000-0000-7000-8000-0000000000aa"), "https://example.com/thanks?a=ü"}
)

func sealer(fill byte) *sealed.Sealer { return sealed.New(bytes.Repeat([]byte{fill}, 32)) }

func seal(t *testing.T, v any) string {
	token, err := sealer(1).Seal(checkout, ledger, noon.Add(time.Hour), v)
	require.NoError(t, err)
	return token
}

func TestATokenCarriesWhatItWasMadeWith(t *testing.T) {
	token := seal(t, sent)
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, token)
	var got link
	of, err := sealer(1).Open(checkout, token, noon, &got) // another Sealer of the same secret
	require.NoError(t, err)
	require.Equal(t, ledger, of)
	require.Equal(t, sent, got)
	require.NotEqual(t, token, seal(t, sent), "two tokens of the same content look different")
	require.NoError(t, sealer(1).OpenIn(ledger, checkout, token, noon, &got))
}

func TestATokenOpensForNothingElse(t *testing.T) {
	token := seal(t, sent)
	for name, tt := range map[string]struct {
		with    *sealed.Sealer
		purpose sealed.Purpose
		ledger  uuid.UUID
		at      time.Time
		want    error
	}{
		"another purpose":           {sealer(1), "session", ledger, noon, sealed.ErrBad},
		"another installation":      {sealer(2), checkout, ledger, noon, sealed.ErrBad},
		"another ledger":            {sealer(1), checkout, uuid.New(), noon, sealed.ErrBad},
		"at its end":                {sealer(1), checkout, ledger, noon.Add(time.Hour), sealed.ErrExpired},
		"long after its end":        {sealer(1), checkout, ledger, noon.AddDate(9, 0, 0), sealed.ErrExpired},
		"a microsecond before that": {sealer(1), checkout, ledger, noon.Add(time.Hour - time.Microsecond), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got link
			require.ErrorIs(t, tt.with.OpenIn(tt.ledger, tt.purpose, token, tt.at, &got), tt.want)
		})
	}
}

// However little of it is changed, it is no token any more.
func TestAChangedTokenIsNone(t *testing.T) {
	token := seal(t, sent)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(token) {
		at := strings.IndexByte(alphabet, token[i])
		for _, other := range []byte{alphabet[at^1], alphabet[(at+17)%64]} {
			var got link
			_, err := sealer(1).Open(checkout, token[:i]+string(other)+token[i+1:], noon, &got)
			require.ErrorIs(t, err, sealed.ErrBad, "character %d", i)
			require.Zero(t, got)
		}
	}
	for _, bad := range []string{"", "x", token[1:], token[:len(token)-1], token + "A", token + "=", token + "\n", " " + token,
		strings.Repeat("A", 200), strings.Repeat("A", sealed.MaxBytes+1)} {
		_, err := sealer(1).Open(checkout, bad, noon, &link{})
		require.ErrorIs(t, err, sealed.ErrBad, "%.40q", bad)
	}
}

func TestATokenIsBounded(t *testing.T) {
	_, err := sealer(1).Seal(checkout, ledger, noon, strings.Repeat("x", sealed.MaxBytes))
	require.ErrorContains(t, err, "at most")
	_, err = sealer(1).Seal(checkout, ledger, noon, func() {})
	require.ErrorContains(t, err, "seal a checkout token")
}
