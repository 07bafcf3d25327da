package salable

import (
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/subledger/subledger/handlers"
)

// instant is a time on the wire: ISO 8601 in UTC with exactly three digits and Z.
type instant time.Time

const instantForm = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler. Microseconds are cut, not rounded, so that no time moves ahead.
func (t instant) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat([]byte{'"'}, instantForm+`"`), nil
}

func instantOrNull(t *time.Time) *instant {
	if t == nil {
		return nil
	}
	at := instant(*t)
	return &at
}

// relation is what is on the wire only when it was expanded, and may then be null.
type relation[T any] struct {
	expanded bool
	value    T
}

func expanded[T any](value T) relation[T] { return relation[T]{true, value} }

// IsZero leaves it out, with omitzero.
func (r relation[T]) IsZero() bool { return !r.expanded }

// MarshalJSON implements json.Marshaler.
func (r relation[T]) MarshalJSON() ([]byte, error) { return json.Marshal(r.value) }

// noContent answers 204. The header is written in lower case since net/http removes the canonical one,
// without which SDK 4 and later cannot read the answer.
func noContent(w http.ResponseWriter) error {
	w.Header()["content-length"] = []string{"0"}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Sizes of a streamed list: items read at once, and how long a client may take to read those.
const (
	streamPage = 500
	streamTime = 30 * time.Second
)

// stream answers a whole list as one array, however long, from a cursor over keys: read gives at most
// streamPage items after an id, and the id to go on after. A fault after the first page cuts the answer off.
func stream[T any](w http.ResponseWriter, r *http.Request, read func(after uuid.UUID) (items []T, last uuid.UUID, err error)) error {
	return streamBy(w, r, streamPage, read)
}

// streamBy is stream in pages of another size, or with another cursor, whose zero value is the beginning.
func streamBy[T, C any](w http.ResponseWriter, r *http.Request, page int, read func(after C) (items []T, last C, err error)) error {
	var from C
	items, last, err := read(from)
	if err != nil {
		return err
	}
	if len(items) < page {
		if items == nil {
			items = []T{}
		}
		return handlers.JSON(w, http.StatusOK, items)
	}
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	opening := byte('[')
	for len(items) > 0 {
		var written []byte
		for _, item := range items {
			encoded, err := json.Marshal(item)
			if err != nil {
				return err
			}
			written = append(append(written, opening), encoded...)
			opening = ','
		}
		// Not every writer has deadlines: a test's recorder has none.
		_ = control.SetWriteDeadline(time.Now().Add(streamTime))
		if _, err := w.Write(written); err != nil {
			panic(http.ErrAbortHandler) // the client is gone, or too slow
		}
		if len(items) < page {
			break
		}
		if items, last, err = read(last); err != nil {
			return err
		}
	}
	_, err = w.Write([]byte{']'})
	return err
}

// fold adds a text to a fingerprint.
func fold(fingerprint [sha256.Size]byte, text string) [sha256.Size]byte {
	return sha256.Sum256(append(fingerprint[:], text...))
}
