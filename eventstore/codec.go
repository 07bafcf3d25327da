package eventstore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/account"
	"github.com/subledger/subledger/domain/catalog"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/domain/license"
	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/domain/rbac"
	"github.com/subledger/subledger/domain/settings"
	"github.com/subledger/subledger/domain/subscription"
	"github.com/subledger/subledger/domain/task"
	"github.com/subledger/subledger/domain/usage"
	"github.com/subledger/subledger/internal/mutant"
)

// Vocabularies is everything that this version of the product writes and reads.
func Vocabularies() []domain.Vocabulary {
	all := []domain.Vocabulary{
		domain.ClockVocabulary(), subscription.Vocabulary(), license.Vocabulary(), organisation.Vocabulary(), customer.Vocabulary(),
		settings.Vocabulary(), account.Vocabulary(), customer.OwnerVocabulary(),
	}
	return slices.Concat(all, usage.Vocabularies(), catalog.Vocabularies(), task.Vocabularies(), rbac.Vocabularies(), invoice.Vocabularies())
}

// codec knows every event by its name.
type codec struct {
	events map[string]domain.EventType
	states map[string]func() domain.State
	latest map[string]bool // kinds whose newest event tells the whole state
	plain  map[string]bool // events without a personal field
	keys   *keyring
}

func newCodec(vocabularies []domain.Vocabulary, keys *keyring) (*codec, error) {
	c := &codec{events: map[string]domain.EventType{}, states: map[string]func() domain.State{}, latest: map[string]bool{}, plain: map[string]bool{}, keys: keys}
	for _, v := range vocabularies {
		if c.states[v.Kind] != nil {
			return nil, fmt.Errorf("the kind %q is named twice", v.Kind)
		}
		c.states[v.Kind], c.latest[v.Kind] = v.New, v.Latest
		for _, e := range v.Events {
			if _, twice := c.events[e.Name]; twice || domain.KindOf(e.Name) != v.Kind {
				return nil, fmt.Errorf("event %q is named twice, or is not of kind %q", e.Name, v.Kind)
			}
			c.events[e.Name], c.plain[e.Name] = e, !holds(reflect.TypeOf(e.Zero), personalType)
		}
	}
	return c, nil
}

var personalType = reflect.TypeFor[domain.Personal]()

// holds tells whether a value of t may hold one of what.
func holds(t, what reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return t == what || holds(t.Elem(), what)
	case reflect.Struct:
		for i := range t.NumField() {
			if holds(t.Field(i).Type, what) {
				return true
			}
		}
	}
	return t == what
}

// UnknownEventError is an event that this version of the product does not know: an older process must
// stop at it, never skip it.
type UnknownEventError struct {
	Ledger   uuid.UUID
	Position int64
	Type     string
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("ledger %s position %d: event type %q is unknown to this version; run the version that wrote it, or a newer one",
		e.Ledger, e.Position, e.Type)
}

// cipherPrefix begins the JSON string of an encrypted field: prefix ‖ base64url(key id ‖ nonce ‖ ciphertext).
const cipherPrefix = "enc1:"

// place is what a ciphertext is bound to besides its field: moved elsewhere, it does not open.
type place struct {
	ledger  uuid.UUID
	stream  uuid.UUID // of an event
	version int64
	answer  string // or the key of an answer
}

func (p place) associated(field jsontext.Pointer) []byte {
	if mutant.Active == mutant.LooseCiphertext {
		return nil
	}
	b := make([]byte, 0, 96)
	b = append(b, p.ledger[:]...)
	if p.answer != "" {
		b = append(b, "answer\x00"...)
		b = append(b, p.answer...)
	} else {
		b = append(b, "event\x00"...)
		b = append(b, p.stream[:]...)
		b = strconv.AppendInt(b, p.version, 10)
	}
	b = append(b, 0)
	return append(b, field...)
}

// sealer encodes values to JSON with their personal fields encrypted. One goroutine uses it at a time.
type sealer struct {
	codec *codec
	at    place
	read  int64         // which reading of the ledger what is encoded was decided on
	made  []*subjectKey // keys whose rows must be written with what was encoded
	used  bool          // the last value had a personal field
	opts  json.Options
}

func (c *codec) newSealer() *sealer {
	s := &sealer{codec: c}
	s.opts = json.JoinOptions(json.Deterministic(true), json.WithMarshalers(json.MarshalToFunc(s.personal)))
	return s
}

func (s *sealer) encode(v any, at place) ([]byte, error) {
	s.at, s.used = at, false
	return json.Marshal(v, s.opts)
}

func (s *sealer) personal(enc *jsontext.Encoder, p domain.Personal) error {
	if p.IsZero() {
		return enc.WriteToken(jsontext.Null)
	}
	if p.Subject == domain.ErasedSubject {
		if s.at.answer == "" {
			return errors.New("an erased value cannot be written again")
		}
		return enc.WriteToken(jsontext.String(p.Text)) // an answer about an erased subject: there is nothing left to hide
	}
	s.used = true
	key, made, err := s.codec.keys.forSubject(s.at.ledger, p.Subject, s.read)
	if err != nil {
		return err
	}
	if made && !slices.Contains(s.made, key) {
		s.made = append(s.made, key)
	}
	plain := append(append([]byte(p.Subject), 0), p.Text...)
	sealed := append(key.id[:len(key.id):len(key.id)], seal(key.aead, plain, s.at.associated(enc.StackPointer()))...)
	return enc.WriteToken(jsontext.String(cipherPrefix + base64.RawURLEncoding.EncodeToString(sealed)))
}

// opener decodes what a sealer encoded. Every key must have been fetched. One goroutine uses it at a time.
type opener struct {
	codec   *codec
	at      place
	opts    json.Options
	scanner domain.Scanner
	scanned func(text []byte, pointer string) (domain.Personal, bool) // openScanned
}

func (c *codec) newOpener() *opener {
	o := &opener{codec: c}
	o.scanned = o.openScanned
	o.opts = json.WithUnmarshalers(json.UnmarshalFromFunc(o.personal))
	return o
}

func (o *opener) personal(dec *jsontext.Decoder, p *domain.Personal) error {
	field := dec.StackPointer()
	token, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if token.Kind() == 'n' {
		*p = domain.Personal{}
		return nil
	}
	text := token.String()
	if token.Kind() != '"' || !strings.HasPrefix(text, cipherPrefix) {
		return errors.New("a personal field is not encrypted")
	}
	*p, err = o.openText(text, field)
	return err
}

// openScanned leaves it to personal to say why a field does not open.
func (o *opener) openScanned(text []byte, pointer string) (domain.Personal, bool) {
	if !bytes.HasPrefix(text, []byte(cipherPrefix)) {
		return domain.Personal{}, false
	}
	p, err := o.openText(string(text), jsontext.Pointer(pointer))
	return p, err == nil
}

func (o *opener) openText(text string, field jsontext.Pointer) (domain.Personal, error) {
	var none domain.Personal
	sealed, err := base64.RawURLEncoding.DecodeString(text[len(cipherPrefix):])
	if err != nil || len(sealed) < 16 {
		return none, errors.New("a personal field is not readable")
	}
	id := uuid.UUID(sealed[:16])
	key, ok := o.codec.keys.byID.Peek(keyName{o.at.ledger, id})
	if !ok {
		return none, fmt.Errorf("key %s of this ledger: %w", id, errForgotten)
	}
	if key.aead == nil {
		return erasedText(id), nil
	}
	plain, err := open(key.aead, sealed[16:], o.at.associated(field))
	if err != nil {
		return none, fmt.Errorf("personal field %s was moved or altered: %w", field, err)
	}
	subject, value, _ := bytes.Cut(plain, []byte{0})
	return domain.Personal{Subject: string(subject), Text: string(value)}, nil
}

// decode fills r.Event from r.Data.
func (o *opener) decode(r *Recorded) error {
	t, ok := o.codec.events[r.Type]
	if !ok {
		return &UnknownEventError{r.Ledger, r.Position, r.Type}
	}
	o.at = place{ledger: r.Ledger, stream: r.Stream, version: r.Version}
	if e := o.scan(t, r.Data); e != nil {
		r.Event = e
		return nil
	}
	return o.decodeAny(t, r)
}

// scan is nil for what only decodeAny can read, or tell what is wrong with it.
func (o *opener) scan(t domain.EventType, data []byte) domain.Event {
	if t.Scan == nil {
		return nil
	}
	o.scanner.Scan(data, o.scanned)
	if e := t.Scan(&o.scanner); o.scanner.Done() {
		return e
	}
	return nil
}

func (o *opener) decodeAny(t domain.EventType, r *Recorded) error {
	e, err := t.Decode(r.Data, func(b []byte, v any) error { return json.Unmarshal(b, v, o.opts) })
	if err != nil {
		return fmt.Errorf("ledger %s position %d: %s does not decode: %w", r.Ledger, r.Position, r.Type, err)
	}
	r.Event = e
	return nil
}

// plainAnswer turns a stored answer into the one that its first caller got. Its keys must have been
// fetched: what has no key in memory is errForgotten or, for the last try, a text that some caller
// chose and that only looks like ciphertext; it stays as it is.
func (o *opener) plainAnswer(ledger uuid.UUID, key string, stored []byte, last bool) ([]byte, error) {
	if !bytes.Contains(stored, []byte(`"`+cipherPrefix)) {
		return stored, nil
	}
	o.at = place{ledger: ledger, answer: key}
	dec := jsontext.NewDecoder(bytes.NewReader(stored))
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out)
	for {
		field := dec.StackPointer()
		token, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return bytes.TrimSpace(out.Bytes()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("a stored answer is not JSON: %w", err)
		}
		if token.Kind() == '"' && strings.HasPrefix(token.String(), cipherPrefix) {
			switch p, err := o.openText(token.String(), field); {
			case err == nil:
				token = jsontext.String(p.Text)
			case errors.Is(err, errForgotten) && !last:
				return nil, err
			}
		}
		if err := enc.WriteToken(token); err != nil {
			return nil, fmt.Errorf("a stored answer is not JSON: %w", err)
		}
	}
}

// cipherKeys lists the keys that data names, without decoding it.
func cipherKeys(data []byte, into []uuid.UUID) []uuid.UUID {
	marker := []byte(`"` + cipherPrefix)
	for {
		i := bytes.Index(data, marker)
		if i < 0 {
			return into
		}
		data = data[i+len(marker):]
		var head [18]byte
		if len(data) < 24 {
			return into
		}
		if _, err := base64.RawURLEncoding.Decode(head[:], data[:24]); err == nil {
			into = append(into, uuid.UUID(head[:16]))
		}
	}
}
