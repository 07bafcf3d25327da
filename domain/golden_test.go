package domain_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/internal/ledgertest"
)

var update = flag.Bool("update", false, "rewrite the golden files of events")

// Every version of every event ever written has a file here, for ever: what an old log holds is still
// read. Data is as the log stores it but for personal values, which are plain text. A version that got a
// field that may be left out keeps its earlier shape beside it, in a file with ~ and a number.
func TestEventsKeepTheirShape(t *testing.T) {
	known, types := map[string]bool{}, map[string]*domain.EventType{}
	for _, v := range ledgertest.Vocabularies() {
		for _, e := range v.Events {
			known[e.Name+".json"], types[e.Name] = true, &e
			t.Run(e.Name, func(t *testing.T) {
				require.Equal(t, v.Kind, domain.KindOf(e.Name))
				path := filepath.Join("testdata", "events", e.Name+".json")
				if *update {
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
					require.NoError(t, os.WriteFile(path, encode(t, sample(e.Zero)), 0o644))
				}
				golden, err := os.ReadFile(path)
				require.NoError(t, err, "a new event needs its file: go test ./domain -run Shape -update")
				var stored bytes.Buffer
				require.NoError(t, json.Compact(&stored, golden))
				got, err := e.Decode(stored.Bytes(), json.Unmarshal)
				require.NoError(t, err)
				require.Equal(t, string(golden), string(encode(t, got)), "decode then encode loses nothing")
				require.Empty(t, ledgertest.Diff(withoutSubjects(sample(e.Zero)), got))
				state := v.New()
				domain.Evolve(state, got, uuid.Nil, 1, time.Unix(0, 0), time.Unix(0, 0)) // never panics
			})
		}
	}
	files, err := os.ReadDir(filepath.Join("testdata", "events"))
	require.NoError(t, err)
	for _, f := range files {
		name, _, earlier := strings.Cut(f.Name(), "~")
		if !earlier {
			require.True(t, known[f.Name()], "%s is read no more", f.Name())
			continue
		}
		golden, err := os.ReadFile(filepath.Join("testdata", "events", f.Name()))
		require.NoError(t, err)
		require.NotNil(t, types[name], "%s is read no more", f.Name())
		got, err := types[name].Decode(golden, json.Unmarshal)
		require.NoError(t, err, f.Name())
		require.Equal(t, string(golden), string(encode(t, got)), "decode then encode loses nothing of %s", f.Name())
	}
}

func encode(t *testing.T, e domain.Event) []byte {
	data, err := json.Marshal(e)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, data, "", "  "))
	out.WriteByte('\n')
	return out.Bytes()
}

// sample fills every field of an event with a value that is not zero.
func sample(zero domain.Event) domain.Event {
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	fill(v, "text")
	return v.Interface().(domain.Event)
}

func fill(v reflect.Value, name string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2025, time.January, 31, 12, 30, 15, 123456000, time.UTC)))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.MustParse("01941f29-7c00-7aaa-8bbb-0123456789ab")))
		return
	case decimal.Decimal:
		v.Set(reflect.ValueOf(decimal.RequireFromString("12.345")))
		return
	case domain.Personal:
		v.Set(reflect.ValueOf(domain.About("subject:ann", "ann")))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(`{"seats":2,"proration":"none"}`)))
		return
	case []byte:
		v.SetBytes([]byte{1, 2, 3})
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	default:
		panic("no sample of a " + v.Type().String())
	}
}

// withoutSubjects is an event as its plain JSON gives it back: without whom personal values are about.
func withoutSubjects(e domain.Event) domain.Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	forget(v)
	return v.Interface().(domain.Event)
}

func forget(v reflect.Value) {
	if p, ok := v.Interface().(domain.Personal); ok {
		v.Set(reflect.ValueOf(domain.About("", p.Text)))
		return
	}
	switch v.Kind() {
	case reflect.Slice:
		for i := range v.Len() {
			forget(v.Index(i))
		}
	case reflect.Struct:
		if _, ok := v.Interface().(time.Time); ok {
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				forget(v.Field(i))
			}
		}
	}
}
