package eventstore

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// A number that is zero is not a number that is absent: omitzero asks what a pointer points at whether it is zero, and
// would leave a free plan's price of 0 out of its event. A pointer that may be nil is omitempty.
func TestZeroIsNotAbsent(t *testing.T) {
	golden, err := filepath.Glob("../domain/testdata/events/*.json")
	require.NoError(t, err)
	c, err := newCodec(Vocabularies(), newKeyring(NewMasterKey(), 1<<20))
	require.NoError(t, err)
	pointers := 0
	for _, path := range golden {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".json"), "~")
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		e, err := c.events[name].Decode(data, func(b []byte, v any) error { return json.Unmarshal(b, v) })
		require.NoError(t, err, name)
		pointers += neverOmitsZero(t, name, reflect.TypeOf(e))
	}
	require.NotZero(t, pointers)
}

func neverOmitsZero(t *testing.T, at string, of reflect.Type) (pointers int) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return neverOmitsZero(t, at, of.Elem())
	case reflect.Struct:
		for f := range of.Fields() {
			at := at + "." + f.Name
			if _, asked := f.Type.MethodByName("IsZero"); asked && f.Type.Kind() == reflect.Pointer {
				pointers++
				require.NotContains(t, f.Tag.Get("json"), ",omitzero", at)
			}
			if f.IsExported() {
				pointers += neverOmitsZero(t, at, f.Type)
			}
		}
	}
	return pointers
}
