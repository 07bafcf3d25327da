package ledgertest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/subledger/subledger/domain"
)

// mark begins an encoded Personal, like the log's ciphertext: its subject and text follow.
const mark = "personal\x1f"

var (
	encoders = json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, p domain.Personal) error {
		if p.IsZero() {
			return enc.WriteToken(jsontext.Null)
		}
		return enc.WriteToken(jsontext.String(mark + p.Subject + "\x1f" + p.Text))
	}))
	decoders = json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, p *domain.Personal) error {
		token, err := dec.ReadToken()
		if err != nil || token.Kind() == 'n' {
			*p = domain.Personal{}
			return err
		}
		rest, ok := strings.CutPrefix(token.String(), mark)
		if !ok {
			return errors.New("a personal field is not encoded as one")
		}
		p.Subject, p.Text, _ = strings.Cut(rest, "\x1f")
		return nil
	}))
)

// Equal compares events, states and answers by what they mean: decimals by value, times by instant, no
// list like an empty one; unexported fields count.
func Equal() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) }),
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }),
		cmpopts.EquateEmpty(),
		cmp.Exporter(func(reflect.Type) bool { return true }),
	}
}

// instant finds a text that is a time, and what the log could not keep of it.
var (
	instant = regexp.MustCompile(`^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d`)
	kept    = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$`)
)

// roundTrip encodes and decodes an event as the log does, and tells what got lost.
func (l *Ledger) roundTrip(e domain.Event) (domain.Event, error) {
	known, ok := l.types[e.EventType()]
	if !ok {
		return nil, errors.New("it is in no vocabulary")
	}
	data, err := json.Marshal(e, encoders, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if err := checkTimes(data); err != nil {
		return nil, err
	}
	back, err := known.Decode(data, func(b []byte, v any) error { return json.Unmarshal(b, v, decoders) })
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", data, err)
	}
	if !equal(reflect.ValueOf(e), reflect.ValueOf(back)) {
		return nil, fmt.Errorf("the encoding loses something (-event +decoded):\n%s", cmp.Diff(e, back, Equal()))
	}
	return back, nil
}

// equal is Equal for events, whose fields are all exported: cmp takes thirty times as long, and every
// event of every test comes by here.
func equal(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch x := a.Interface().(type) {
	case decimal.Decimal:
		return x.Equal(b.Interface().(decimal.Decimal))
	case time.Time:
		return x.Equal(b.Interface().(time.Time))
	}
	switch a.Kind() {
	case reflect.Struct:
		for i := range a.NumField() {
			if !a.Field(i).CanInterface() || !equal(a.Field(i), b.Field(i)) { // what is unexported gets lost
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		if a.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Equal(a.Bytes(), b.Bytes())
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		for _, k := range a.MapKeys() {
			if v := b.MapIndex(k); !v.IsValid() || !equal(a.MapIndex(k), v) {
				return false
			}
		}
		return a.Len() == b.Len()
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
		return equal(a.Elem(), b.Elem())
	}
	return a.Interface() == b.Interface()
}

// checkTimes refuses instants that are not in UTC and whole microseconds.
func checkTimes(data []byte) error {
	dec := jsontext.NewDecoder(strings.NewReader(string(data)))
	for dec.PeekKind() != 0 {
		at := dec.StackPointer()
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if text := token.String(); token.Kind() == '"' && instant.MatchString(text) && !kept.MatchString(text) {
			return fmt.Errorf("%s is not UTC in whole microseconds: %s", at, text)
		}
	}
	return nil
}

// CheckFolds complains of every stream whose state, as the decisions left it, differs from the fold of
// its decoded events, and of every invoice that they do not bear out.
func (l *Ledger) CheckFolds() {
	l.t.Helper()
	fresh := &Ledger{t: l.t, log: l.log, streams: map[uuid.UUID]*stream{}, kinds: l.kinds, types: l.types}
	for id, have := range l.streams {
		if diff := cmp.Diff(fresh.load(id).state, have.state, Equal()); diff != "" {
			l.t.Errorf("ledgertest: stream %s: fold of the log (-) and of the decisions (+) differ:\n%s", id, diff)
		}
	}
	newest := map[uuid.UUID]domain.State{}
	for _, e := range l.log {
		if kind := l.kinds[domain.KindOf(e.Event.EventType())]; kind.Latest {
			newest[e.Stream] = kind.New()
			domain.Evolve(newest[e.Stream], e.Event, e.Stream, e.Version, e.RecordedAt, e.EffectiveAt)
		}
	}
	for id, state := range newest {
		if diff := cmp.Diff(state, fresh.load(id).state, Equal()); diff != "" {
			l.t.Errorf("ledgertest: stream %s: its newest event (-) does not tell what all of them (+) do:\n%s", id, diff)
		}
	}
	l.CheckInvoices()
}
