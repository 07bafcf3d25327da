package domain

import (
	"encoding/json"
	"strings"
)

// Event is something that happened. It is a plain struct value, named in the past tense; what it
// holds never changes its meaning, a new shape is a new version of the name.
type Event interface {
	// EventType is the name by hand, with its version: "subscription.seats_added.v1". The part
	// before the first dot is the kind of the stream.
	EventType() string
}

// State is an aggregate's fold: a pointer that one goroutine owns. Apply never fails, since an
// event has happened, whatever today's rules would say of it, and is deterministic. To fold, call
// Evolve, which also tells a state that wants to know when its events were recorded.
type State interface {
	Apply(Event)
}

// Vocabulary is all that the log has to know of an aggregate.
type Vocabulary struct {
	Kind   string       // "subscription"; the first part of each of its event names
	New    func() State // the state before the first event
	Events []EventType
	// Latest: each event tells the whole state, so that applied to a new one the newest gives what all of them do.
	// Streams that grow without end are read and kept by it.
	Latest bool
}

// EventType decodes one version of one event. Decode returns today's shape: for an old version it
// decodes the old struct and upcasts.
type EventType struct {
	Name string
	Zero Event // of today's shape, for golden files
	// Decode reads data with unmarshal, which knows how to decrypt Personal values.
	Decode func(data []byte, unmarshal func([]byte, any) error) (Event, error)
	// Scan reads the same faster, of data that is as our own encoder writes it; nil: there is no such way.
	Scan func(*Scanner) Event
}

// Scanned is t with a Scan.
func (t EventType) Scanned(scan func(*Scanner) Event) EventType {
	t.Scan = scan
	return t
}

// Named registers a current event type T.
func Named[T Event]() EventType {
	var zero T
	return EventType{
		Name: zero.EventType(),
		Zero: zero,
		Decode: func(data []byte, unmarshal func([]byte, any) error) (Event, error) {
			var e T
			err := unmarshal(data, &e)
			return e, err
		},
	}
}

// KindOf is the kind of stream that an event name belongs to.
func KindOf(eventType string) string {
	kind, _, _ := strings.Cut(eventType, ".")
	return kind
}

// Personal is a text about a person: e-mail, name, address, owner, purchaser, member, grantee. The
// log stores it encrypted under a key of its subject, so that destroying the key erases it from
// history (design section 3, rule 9). The zero value means there is none.
type Personal struct {
	Subject string // who it is about: "grantee:<id>", "customer:<uuid>"
	Text    string
}

// About makes a Personal value; an empty text is no value at all.
func About(subject, text string) Personal {
	if text == "" {
		return Personal{}
	}
	return Personal{Subject: subject, Text: text}
}

// Grantee, and Owner below, are identified by the text itself: their own name is their subject.
func Grantee(id string) Personal { return About("grantee:"+id, id) }

// Owner is a purchaser or member: whoever bought.
func Owner(id string) Personal { return About("owner:"+id, id) }

// IsZero tells that there is no value (also for `omitzero`).
func (p Personal) IsZero() bool { return p == Personal{} }

// ErasedSubject is whom a value is about whose key was destroyed: nobody any more.
const ErasedSubject = "erased"

// ErasedPrefix begins the text of a value whose key was destroyed; the rest tells apart different keys.
const ErasedPrefix = "erased-"

// MarshalJSON writes the bare text or null; the log's codec writes ciphertext instead.
func (p Personal) MarshalJSON() ([]byte, error) {
	if p.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(p.Text)
}

// UnmarshalJSON reads what MarshalJSON wrote, for answers that went through the log; the subject is
// lost. The log's codec reads events and keeps it.
func (p *Personal) UnmarshalJSON(b []byte) error {
	*p = Personal{}
	return json.Unmarshal(b, &p.Text)
}
