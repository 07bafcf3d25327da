package domain_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
)

func TestGranteeIsKeptByteForByteOrRefused(t *testing.T) {
	for text, ok := range map[string]bool{
		"ann": true, "a b": true, "[a": true, "a]": true, "[]a": true, "e\u0301": true, "\u00e9": true, "\u202eabc": true, "a\u200bb": true, "🙂": true,
		strings.Repeat("x", 255): true,
		"":                       false, "a\nb": false, "a\tb": false, "a\x00": false, "a\x7f": false, "a\u0085": false, "\xff": false,
		" ": false, "a b ": false, " a": false, "\u00a0a": false, "a\u2028": false, "a,b": false, ",": false, "[a]": false, "[]": false, "[[a]]": false,
		strings.Repeat("x", 256): false, strings.Repeat("é", 128): false,
	} {
		p, err := domain.ParseGrantee("/granteeId", &text)
		if ok {
			require.NoError(t, err, "%q", text)
			require.Equal(t, text, p.Text)
		} else {
			require.ErrorIs(t, err, &domain.Error{Code: "bad_grantee"}, "%q", text)
		}
	}
	p, err := domain.ParseGrantee("/granteeId", nil)
	require.NoError(t, err)
	require.True(t, p.IsZero())
}

func TestProblemsNameAllBadFields(t *testing.T) {
	var bad domain.Problems
	require.NoError(t, bad.Refusal())
	bad.Line("/name", "bad_name", "")
	require.ErrorIs(t, bad.Refusal(), &domain.Error{Code: "bad_name"})
	text := strings.Repeat("x", domain.MaxText+1)
	bad.OptionalText("/description", "bad_description", &text)
	bad.Email("/email", "nobody")
	bad.OneOf("/kind", "bad_kind", "c", "a", "b")
	e, ok := domain.AsRefusal(bad.Refusal())
	require.True(t, ok)
	require.Equal(t, "invalid_fields", e.Code)
	require.Equal(t, domain.Invalid, e.Kind)
	require.Len(t, e.Fields, 4)

	var fine domain.Problems
	text = "two lines,\r\n\tone indented"
	fine.OptionalText("/description", "bad_description", &text)
	fine.OptionalText("/description", "bad_description", nil)
	fine.Email("/email", "ann@example.com")
	fine.Email("/email", "")
	require.NoError(t, fine.Refusal())
}

// An answer goes through the log as JSON: the text of a personal value comes back, its subject does not.
func TestPersonalInAnswers(t *testing.T) {
	for _, p := range []domain.Personal{{}, domain.Grantee("ann")} {
		data, err := json.Marshal(p)
		require.NoError(t, err)
		var back domain.Personal
		require.NoError(t, json.Unmarshal(data, &back))
		require.Equal(t, p.Text, back.Text)
		require.Equal(t, p.IsZero(), back.IsZero())
	}
}
