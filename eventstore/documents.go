package eventstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What may have become of a document.
var (
	ErrNoDocument      = errors.New("the document is not there")
	ErrDocumentErased  = errors.New("the document was about somebody who was erased")
	ErrDocumentDamaged = errors.New("the document is not what was stored: its bytes or its key were changed")
)

// PutDocument keeps a file of which an event of a stream has, or is about to have, the SHA-256. What is about a subject is
// encrypted with a key of that subject, a new one for each file: erasing the subject destroys it. Without a subject it is
// about nobody, and stays as it is. The same file again replaces what is stored of it.
func (s *Store) PutDocument(ctx context.Context, ledger, stream uuid.UUID, subject string, file []byte) error {
	lk, err := s.keys.load(ctx, s.pool, ledger)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var id *uuid.UUID
		bytes := file
		if subject != "" {
			key, raw := uuid.New(), make([]byte, 32)
			rand.Read(raw)
			id, bytes = &key, seal(newAEAD(raw), file, documentData(ledger, stream, sum[:]))
			if _, err := tx.Exec(ctx, `insert into subject_keys (ledger_id, key_id, subject, wrapped_key, created_at) values ($1, $2, $3, $4, $5)`,
				ledger, key, lk.subjectHash(subject), seal(lk.aead, raw, key[:]), moment(s.cfg.Now())); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `insert into documents (ledger_id, stream_id, sha256, key_id, bytes) values ($1, $2, $3, $4, $5)
			on conflict (ledger_id, stream_id, sha256) do update set key_id = excluded.key_id, bytes = excluded.bytes`, ledger, stream, sum[:], id, bytes)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a document of %s: %w", stream, err)
	}
	return nil
}

// Document gives a file that PutDocument kept, by its SHA-256, which it has: ErrNoDocument, ErrDocumentErased or
// ErrDocumentDamaged otherwise.
func (s *Store) Document(ctx context.Context, ledger, stream uuid.UUID, sum []byte) ([]byte, error) {
	lk, err := s.keys.load(ctx, s.pool, ledger)
	if err != nil {
		return nil, err
	}
	var key *uuid.UUID
	var erased bool
	var wrapped, file []byte
	err = s.pool.QueryRow(ctx, `select d.bytes, d.key_id, k.destroyed_at is not null, k.wrapped_key
		from documents d left join subject_keys k on k.ledger_id = d.ledger_id and k.key_id = d.key_id
		where d.ledger_id = $1 and d.stream_id = $2 and d.sha256 = $3`, ledger, stream, sum).Scan(&file, &key, &erased, &wrapped)
	switch {
	case isNoRows(err):
		return nil, ErrNoDocument
	case err != nil:
		return nil, fmt.Errorf("read the document of %s: %w", stream, err)
	case erased:
		return nil, ErrDocumentErased
	}
	if key != nil {
		raw, err := open(lk.aead, wrapped, key[:])
		if err == nil {
			file, err = open(newAEAD(raw), file, documentData(ledger, stream, sum))
		}
		if err != nil {
			return nil, ErrDocumentDamaged
		}
	}
	if got := sha256.Sum256(file); string(got[:]) != string(sum) {
		return nil, ErrDocumentDamaged
	}
	return file, nil
}

// KeepOnlyDocument drops a stream's other documents: those of who was about to record one, and came too late.
func (s *Store) KeepOnlyDocument(ctx context.Context, ledger, stream uuid.UUID, sum []byte) error {
	_, err := s.pool.Exec(ctx, `delete from documents where ledger_id = $1 and stream_id = $2 and sha256 <> $3`, ledger, stream, sum)
	if err != nil {
		return fmt.Errorf("drop documents of %s that are no original: %w", stream, err)
	}
	return nil
}

// documentData is what a document's ciphertext is bound to.
func documentData(ledger, stream uuid.UUID, sum []byte) []byte {
	data := append(ledger[:len(ledger):len(ledger)], "document\x00"...)
	return append(append(data, stream[:]...), sum...)
}
