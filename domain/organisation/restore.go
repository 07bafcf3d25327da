package organisation

import "github.com/subledger/subledger/domain"

// AcknowledgeRestore records that history was taken back and that an operator goes on from there (rule O5).
type AcknowledgeRestore struct{ Ledgers []TakenBack }

// Decide implements domain.Command. It answers nothing.
func (c AcknowledgeRestore) Decide(l domain.Ledger) (any, error) {
	if _, err := l.Load(AdminKeys); err != nil {
		return nil, err
	}
	l.Append(AdminKeys, RestoreAcknowledged(c))
	return struct{}{}, nil
}
