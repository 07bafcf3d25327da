package faults

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Journal is what a client knows for sure: a line of JSON before each command is sent, on the disk before
// the command leaves, and one for its answer. It is the judge of "acknowledged is present once":
// `subledger selftest check --journal` holds a database against it.
type Journal struct {
	file *os.File

	mu      sync.Mutex
	wrote   *sync.Cond
	pending []byte
	asked   int64 // lines handed in, in order
	safe    int64 // lines on the disk
	syncing bool
	failed  error
}

// Sent is a command that is about to leave. The key is its idempotency key, unique in its ledger.
type Sent struct {
	Ledger uuid.UUID `json:"ledger"`
	Key    string    `json:"key"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Body   string    `json:"body,omitempty"`
	Hash   string    `json:"hash"` // SHA-256 of the body, in hex
	At     time.Time `json:"at"`
}

// Answered is what came back: Status 0 for no answer at all. Code is the body's, of a refusal.
type Answered struct {
	Ledger   uuid.UUID `json:"ledger"`
	Key      string    `json:"key"`
	Status   int       `json:"status"`
	Code     string    `json:"code,omitempty"`
	Position int64     `json:"position,omitempty"` // Ledger-Position of a success
	At       time.Time `json:"at"`
}

type line struct {
	Sent     *Sent     `json:"sent,omitempty"`
	Answered *Answered `json:"answered,omitempty"`
}

// OpenJournal goes on with a journal or begins one.
func OpenJournal(path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j := &Journal{file: f}
	j.wrote = sync.NewCond(&j.mu)
	return j, nil
}

// Sent returns when the line is on the disk; callers at the same time share the wait.
func (j *Journal) Sent(s Sent) error {
	sum := sha256.Sum256([]byte(s.Body))
	s.Hash, s.At = hex.EncodeToString(sum[:]), time.Now().UTC()
	return j.write(line{Sent: &s}, true)
}

// Answered notes an answer; what is lost with the machine counts as no answer.
func (j *Journal) Answered(a Answered) error {
	a.At = time.Now().UTC()
	return j.write(line{Answered: &a}, false)
}

func (j *Journal) write(l line, wait bool) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(append(j.pending, text...), '\n')
	j.asked++
	mine := j.asked
	for wait && j.failed == nil && j.safe < mine {
		if j.syncing {
			j.wrote.Wait()
			continue
		}
		j.flush()
	}
	return j.failed
}

// flush writes and syncs what is pending; others may hand in lines meanwhile.
func (j *Journal) flush() {
	j.syncing = true
	text, upTo := j.pending, j.asked
	j.pending = nil
	j.mu.Unlock()
	_, err := j.file.Write(text)
	err = errors.Join(err, j.file.Sync())
	j.mu.Lock()
	j.safe, j.syncing = upTo, false
	j.failed = errors.Join(j.failed, err)
	j.wrote.Broadcast()
}

// Flush writes what is left, the last answers, for who reads the journal while it is open.
func (j *Journal) Flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.syncing {
		j.wrote.Wait()
	}
	j.flush()
	return j.failed
}

// Close writes what is left.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.syncing {
		j.wrote.Wait()
	}
	j.flush()
	return errors.Join(j.failed, j.file.Close())
}

// Entry is a command of a journal with all answers to it, retries with the same key included.
type Entry struct {
	Sent
	Times   int // how often it was sent
	Answers []Answered
}

// ReadJournal gives the entries in the order in which they were first sent. A torn last line, of a client
// that was killed, is left out.
func ReadJournal(path string) ([]*Entry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	defer func() { _ = f.Close() }()
	type key struct {
		ledger uuid.UUID
		key    string
	}
	var all []*Entry
	byKey := map[key]*Entry{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	var torn error
	for n := 1; lines.Scan(); n++ {
		if torn != nil {
			return nil, torn
		}
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || (l.Sent == nil) == (l.Answered == nil) {
			torn = fmt.Errorf("journal %s line %d is neither a sent command nor an answer", path, n)
			continue
		}
		if s := l.Sent; s != nil {
			e := byKey[key{s.Ledger, s.Key}]
			if e == nil {
				e = &Entry{Sent: *s}
				byKey[key{s.Ledger, s.Key}] = e
				all = append(all, e)
			}
			e.Times++
			continue
		}
		if e := byKey[key{l.Answered.Ledger, l.Answered.Key}]; e != nil {
			e.Answers = append(e.Answers, *l.Answered)
			continue
		}
		return nil, fmt.Errorf("journal %s line %d answers a command that was never sent", path, n)
	}
	return all, lines.Err()
}
