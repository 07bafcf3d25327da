package eventstore

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"
)

// checkpointName is the signer in every checkpoint's signature, and its first line.
const checkpointName = "subledger-checkpoint"

// Checkpoint is a signed statement of where ledgers stood. Kept elsewhere, it convicts whoever rewrites
// or shortens history later, even with all hashes recomputed.
type Checkpoint struct {
	At    time.Time          `json:"at"` // UTC, whole seconds
	Heads map[uuid.UUID]Head `json:"-"`
}

// CheckpointSigner gives the installation's signer and the public verifier key that auditors keep
// (format of golang.org/x/mod/sumdb/note). Both follow from the master key.
func (m MasterKey) CheckpointSigner() (note.Signer, string, error) {
	private := ed25519.NewKeyFromSeed(m.Derive("checkpoint signer", ed25519.SeedSize))
	verifier, err := note.NewEd25519VerifierKey(checkpointName, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, "", fmt.Errorf("checkpoint key: %w", err)
	}
	hash := strings.Split(verifier, "+")[1]
	const algorithm = 1 // Ed25519, as note numbers it
	secret := append([]byte{algorithm}, private.Seed()...)
	signer, err := note.NewSigner("PRIVATE+KEY+" + checkpointName + "+" + hash + "+" + base64.StdEncoding.EncodeToString(secret))
	if err != nil {
		return nil, "", fmt.Errorf("checkpoint key: %w", err)
	}
	return signer, verifier, nil
}

// Sign writes the checkpoint as a signed note: the name, the time, then a line a ledger with its id,
// position and base64 head.
func (c Checkpoint) Sign(signer note.Signer) ([]byte, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "%s v1\n%s\n", checkpointName, c.At.UTC().Format(time.RFC3339))
	for _, id := range sortedIDs(c.Heads) {
		head := c.Heads[id]
		fmt.Fprintf(&text, "%s %d %s\n", id, head.Position, base64.StdEncoding.EncodeToString(head.Hash[:]))
	}
	signed, err := note.Sign(&note.Note{Text: text.String()}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign the checkpoint: %w", err)
	}
	return signed, nil
}

// OpenCheckpoint checks the signature and reads the text. The error says what is wrong with it.
func OpenCheckpoint(signed []byte, verifierKey string) (Checkpoint, error) {
	c := Checkpoint{Heads: map[uuid.UUID]Head{}}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return c, fmt.Errorf("verifier key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(n.Text, "\n"), "\n")
	if len(lines) < 2 || lines[0] != checkpointName+" v1" {
		return c, fmt.Errorf("checkpoint: it does not begin with %q", checkpointName+" v1")
	}
	if c.At, err = time.Parse(time.RFC3339, lines[1]); err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	for _, line := range lines[2:] {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return c, fmt.Errorf("checkpoint: line %q", line)
		}
		id, idErr := uuid.Parse(fields[0])
		position, posErr := strconv.ParseInt(fields[1], 10, 64)
		hash, hashErr := base64.StdEncoding.DecodeString(fields[2])
		if idErr != nil || posErr != nil || hashErr != nil || len(hash) != 32 || position < 0 {
			return c, fmt.Errorf("checkpoint: line %q", line)
		}
		c.Heads[id] = Head{position, [32]byte(hash)}
	}
	return c, nil
}

// TakeCheckpoint reads the ends of all ledgers, by keyset.
func TakeCheckpoint(ctx context.Context, db querier, at time.Time) (Checkpoint, error) {
	c := Checkpoint{At: at.UTC().Truncate(time.Second), Heads: map[uuid.UUID]Head{}}
	for after := (uuid.UUID{}); ; {
		rows, err := db.Query(ctx, `select ledger_id, position, head from ledgers where ledger_id > $1 order by ledger_id limit 1000`, after)
		if err != nil {
			return c, fmt.Errorf("checkpoint: %w", err)
		}
		n := 0
		for rows.Next() {
			var head Head
			var hash []byte
			if err := rows.Scan(&after, &head.Position, &hash); err != nil {
				rows.Close()
				return c, fmt.Errorf("checkpoint: %w", err)
			}
			copy(head.Hash[:], hash)
			c.Heads[after] = head
			n++
		}
		if err := rows.Err(); err != nil {
			return c, fmt.Errorf("checkpoint: %w", err)
		}
		if n < 1000 {
			return c, nil
		}
	}
}

// Against finds the ledgers that are no continuation of the checkpoint: the event at its position has
// another hash, or is gone.
func (c Checkpoint) Against(ctx context.Context, db querier) ([]Finding, error) {
	var findings []Finding
	for _, id := range sortedIDs(c.Heads) {
		head := c.Heads[id]
		if head.Position == 0 {
			continue
		}
		var hash []byte
		err := db.QueryRow(ctx, `select hash from events where ledger_id = $1 and position = $2`, id, head.Position).Scan(&hash)
		switch {
		case isNoRows(err):
			findings = append(findings, Finding{id, head.Position, "the checkpoint of " + c.At.Format(time.RFC3339) + " saw an event here; it is gone"})
		case err != nil:
			return findings, fmt.Errorf("compare with the checkpoint: %w", err)
		case [32]byte(hash) != head.Hash:
			findings = append(findings, Finding{id, head.Position, "the checkpoint of " + c.At.Format(time.RFC3339) + " saw another hash here: history up to it was rewritten"})
		}
	}
	return findings, nil
}
