package projections

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// People are told which row differs and in what, however many columns it has.
func TestADifferenceNamesItsRowAndColumns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ live, shadow, key, is, should string }{
		{`{"id": "a", "n": 1, "who": "eve", "terms": {"x": 1}}`, `{"id": "a", "n": 1, "who": null, "terms": {"x": 2}}`,
			`id "a"`, `terms {"x": 1}, who "eve"`, `terms {"x": 2}, who null`},
		{`{"id": "a", "n": 1}`, "", `id "a"`, "", ""},
		{"", `{"id": "b", "n": 1}`, `id "b"`, "", ""},
	} {
		key, live, shadow := Difference{Key: []string{"id"}, Live: tt.live, Shadow: tt.shadow}.Columns()
		require.Equal(t, []string{tt.key, tt.is, tt.should}, []string{key, live, shadow})
	}
}
