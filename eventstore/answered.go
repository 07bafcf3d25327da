package eventstore

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Answered gives what a key was answered when it was used for a command; false when it was not used yet. Refused:
// key_reused, bad_key, no_ledger.
func (s *Store) Answered(ctx context.Context, ledger uuid.UUID, key string, fingerprint [32]byte) (Result, bool, error) {
	if !ValidKey(key) {
		return Result{}, false, errKeyShape
	}
	if _, err := s.keys.load(ctx, s.pool, ledger); err != nil {
		if isNoRows(err) {
			return Result{}, false, errNoLedger
		}
		return Result{}, false, err
	}
	c := newCall(ctx, Request{Ledger: ledger, Key: key, Fingerprint: fingerprint})
	row, had := keyRow{name: c.key}, []byte(nil)
	err := s.pool.QueryRow(ctx, `select fingerprint, first_position, last_position, answer from commands where ledger_id = $1 and key = $2`,
		ledger, c.key).Scan(&had, &row.first, &row.last, &row.answer)
	switch {
	case isNoRows(err):
		return Result{}, false, nil
	case err != nil:
		return Result{}, false, fmt.Errorf("look for a key: %w", err)
	}
	if copy(row.fingerprint[:], had); row.fingerprint != fingerprint {
		return Result{}, false, errKeyOther
	}
	res, err := s.finish(ctx, c, outcome{replay: &row})
	return res, err == nil, err
}
