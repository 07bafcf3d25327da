package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/subledger/subledger/domain/organisation"
	"github.com/subledger/subledger/eventstore"
)

// witness remembers outside of the database what was acknowledged last, so that one that has gone back is noticed: a
// backup that was restored, or an old primary. It lies in the data directory and is written every few seconds, so it
// may be behind, and never ahead.
type witness struct {
	file string
	log  *slog.Logger

	mu      sync.Mutex
	known   testimony
	changed bool
}

// testimony is the file.
type testimony struct {
	Installation uuid.UUID              `json:"installation"` // the system ledger: another one's is of no use
	Place        eventstore.Place       `json:"place"`
	Heads        map[uuid.UUID]lastHead `json:"heads"` // of the ledgers that were written to last
}

type lastHead struct {
	Position int64     `json:"position"`
	Hash     string    `json:"hash"` // of the event there
	At       time.Time `json:"at"`
}

const (
	witnessEvery   = 2 * time.Second
	witnessLedgers = 1000 // a database goes back as a whole: these are enough to see it
)

// openWitness reads what is known of an installation; nothing, if the file is another one's or not there.
func openWitness(dir string, installation uuid.UUID, log *slog.Logger) (*witness, error) {
	w := &witness{file: filepath.Join(dir, "witness.json"), log: log}
	text, err := os.ReadFile(w.file)
	if err == nil {
		err = json.Unmarshal(text, &w.known)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &status{code: exitRefused, err: fmt.Errorf("read what was acknowledged last: %w", err),
			next: "The database alone does not show whether it went back. Remove " + w.file + " to go on without it."}
	}
	if w.known.Installation != installation {
		w.known = testimony{Installation: installation}
	}
	if w.known.Heads == nil {
		w.known.Heads = map[uuid.UUID]lastHead{}
	}
	return w, nil
}

// goneBack lists the ledgers whose history is not what was acknowledged.
func (w *witness) goneBack(ctx context.Context, db *pgxpool.Pool) ([]organisation.TakenBack, error) {
	var back []organisation.TakenBack
	for _, ledger := range slices.SortedFunc(maps.Keys(w.known.Heads), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		head := w.known.Heads[ledger]
		var found int64
		var hash *string
		err := db.QueryRow(ctx, `select coalesce(max(l.position), 0), max(encode(e.hash, 'hex'))
			from ledgers l left join events e on e.ledger_id = l.ledger_id and e.position = $2 where l.ledger_id = $1`, ledger, head.Position).Scan(&found, &hash)
		if err != nil {
			return nil, fmt.Errorf("compare with what was acknowledged: %w", err)
		}
		if found < head.Position || hash == nil || *hash != head.Hash {
			known, err := hex.DecodeString(head.Hash)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", w.file, err)
			}
			back = append(back, organisation.TakenBack{LedgerID: ledger, Position: head.Position, Hash: known, Found: found})
		}
	}
	return back, nil
}

// accept forgets what is gone.
func (w *witness) accept(back []organisation.TakenBack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range back {
		delete(w.known.Heads, b.LedgerID)
	}
	w.changed = len(back) > 0
}

// committed is for the store's Subscribe.
func (w *witness) committed(events []*eventstore.Recorded) {
	last := events[len(events)-1]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known.Heads[last.Ledger] = lastHead{last.Position, hex.EncodeToString(last.Hash[:]), last.RecordedAt}
	w.changed = true
	if len(w.known.Heads) > 2*witnessLedgers {
		w.shrink()
	}
}

func (w *witness) shrink() {
	oldest := slices.SortedFunc(maps.Keys(w.known.Heads), func(a, b uuid.UUID) int { return w.known.Heads[a].At.Compare(w.known.Heads[b].At) })
	for _, ledger := range oldest[:max(len(oldest)-witnessLedgers, 0)] {
		delete(w.known.Heads, ledger)
	}
}

// run writes until the context ends, and once more then.
func (w *witness) run(ctx context.Context, fence *eventstore.Fence) error {
	ticker := time.NewTicker(witnessEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
		if err := w.write(fence); err != nil {
			w.log.Warn("what was acknowledged last could not be written down", "err", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (w *witness) write(fence *eventstore.Fence) error {
	w.mu.Lock()
	place := fence.Last()
	if !w.changed && place == w.known.Place {
		w.mu.Unlock()
		return nil
	}
	w.known.Place = place
	w.shrink()
	text, err := json.Marshal(w.known)
	w.changed = false
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(w.file), 0o700); err != nil {
		return err
	}
	// First whole and on the disk, then in its place.
	f, err := os.CreateTemp(filepath.Dir(w.file), "witness.json.")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), w.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
