// Package originals gives out invoices as PDF files. The file that is given out first is the invoice's original: it is kept,
// its hash is in the log, and whoever asks later gets the same bytes, whatever invoices look like by then.
//
// Bytes are kept first and recorded after: where there is the event, there were the bytes. Of several who ask first at the
// same time one records; the others find that out and give out what the event names.
package originals

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/subledger/subledger/domain"
	"github.com/subledger/subledger/domain/customer"
	"github.com/subledger/subledger/domain/invoice"
	"github.com/subledger/subledger/eventstore"
	"github.com/subledger/subledger/internal/invoicepdf"
)

// Shelf is where originals are.
type Shelf struct {
	Store    *eventstore.Store
	Template invoicepdf.Template // of what is made anew
}

// File is an invoice's pages.
type File struct {
	Name   string // INV-000001.pdf
	Bytes  []byte
	SHA256 [32]byte
}

// Original gives an invoice's original, and makes it of who asks first. That is an event of the system's own, whoever asks:
// meta says on whose occasion. A draft has none and is shown as it is now. Refuses with no_invoice, original_erased (its
// customer was) and original_lost (it is not stored any more, and today's template does not make the same bytes).
func (s Shelf) Original(ctx context.Context, ledger, id uuid.UUID, meta eventstore.Meta) (File, error) {
	of, err := s.load(ctx, ledger, id)
	if err != nil {
		return File{}, err
	}
	switch {
	case of.Number == "":
		return s.render(ctx, ledger, of)
	case of.Document == nil:
		return s.first(ctx, ledger, of, meta)
	}
	return s.stored(ctx, ledger, of)
}

// Current shows an invoice by today's template, to whom its customer is now. Nothing is kept of it. Refuses with no_invoice.
func (s Shelf) Current(ctx context.Context, ledger, id uuid.UUID) (File, error) {
	of, err := s.load(ctx, ledger, id)
	if err != nil {
		return File{}, err
	}
	return s.render(ctx, ledger, of)
}

// Draft shows a draft, which may have lines that are not recorded yet.
func (s Shelf) Draft(ctx context.Context, ledger uuid.UUID, of *invoice.State) (File, error) {
	return s.render(ctx, ledger, of)
}

// Verify tells what is wrong with an invoice's original: an error of eventstore's documents, nil when it is what the log
// says or nobody asked for it yet. ErrDocumentErased is no fault of it.
func (s Shelf) Verify(ctx context.Context, ledger uuid.UUID, of *invoice.State) error {
	if of.Document == nil {
		return nil
	}
	_, err := s.read(ctx, ledger, of)
	return err
}

// load folds an invoice from the log: read models have what was erased until they are made anew.
func (s Shelf) load(ctx context.Context, ledger, id uuid.UUID) (*invoice.State, error) {
	state, _, err := s.Store.Fold(ctx, ledger, id)
	if err != nil {
		return nil, err
	}
	of, ok := state.(*invoice.State)
	if !ok {
		return nil, domain.Refuse(domain.NotFound, "no_invoice", "%s is not known here", id)
	}
	return of, nil
}

// first makes the original, unless somebody was quicker.
func (s Shelf) first(ctx context.Context, ledger uuid.UUID, of *invoice.State, meta eventstore.Meta) (File, error) {
	if err := s.hearOfErasures(ctx, ledger, of); err != nil {
		return File{}, err
	}
	file, err := s.render(ctx, ledger, of)
	if err != nil {
		return File{}, err
	}
	if err := s.Store.PutDocument(ctx, ledger, of.ID, subject(of), file.Bytes); err != nil {
		return File{}, err
	}
	_, err = s.Store.Execute(ctx, eventstore.Request{Ledger: ledger, Meta: meta, Command: invoice.RecordDocument{ID: of.ID,
		Documented: invoice.Documented{SHA256: hex.EncodeToString(file.SHA256[:]), Template: s.Template.Version, Size: int64(len(file.Bytes))}}})
	if err != nil {
		return File{}, err
	}
	if of, err = s.load(ctx, ledger, of.ID); err != nil {
		return File{}, err
	}
	sum, err := hashOf(of)
	if err != nil {
		return File{}, err
	}
	if err := s.Store.KeepOnlyDocument(ctx, ledger, of.ID, sum); err != nil {
		return File{}, err
	}
	return s.stored(ctx, ledger, of)
}

// hearOfErasures keeps what another process erased, and this one has in memory still, from being written down again.
func (s Shelf) hearOfErasures(ctx context.Context, ledger uuid.UUID, of *invoice.State) error {
	if of.CustomerID == nil {
		return nil
	}
	_, destroyed, err := s.Store.SubjectKeys(ctx, ledger, subject(of))
	if err != nil || destroyed == 0 {
		return err
	}
	return s.Store.Forget(ctx, ledger)
}

// stored gives out what is kept. What is lost, as after the log alone was restored, comes back where it can be made again.
func (s Shelf) stored(ctx context.Context, ledger uuid.UUID, of *invoice.State) (File, error) {
	bytes, err := s.read(ctx, ledger, of)
	switch {
	case err == nil:
		return newFile(of, bytes), nil
	case errors.Is(err, eventstore.ErrDocumentErased):
		return File{}, domain.Refuse(domain.Gone, "original_erased", "the customer was erased, and with them the file with the SHA-256 %s; without them, the invoice by today's template is there with render=current", of.Document.SHA256)
	case !errors.Is(err, eventstore.ErrNoDocument):
		return File{}, fmt.Errorf("read the original of invoice %s: %w", of.ID, err)
	}
	file, err := s.render(ctx, ledger, of)
	if err != nil {
		return File{}, err
	}
	if s.Template.Version != of.Document.Template || hex.EncodeToString(file.SHA256[:]) != of.Document.SHA256 {
		return File{}, domain.Refuse(domain.Gone, "original_lost", "the file with the SHA-256 %s is not stored any more, and cannot be made again; the invoice by today's template is there with render=current", of.Document.SHA256)
	}
	return file, s.Store.PutDocument(ctx, ledger, of.ID, subject(of), file.Bytes)
}

func (s Shelf) read(ctx context.Context, ledger uuid.UUID, of *invoice.State) ([]byte, error) {
	sum, err := hashOf(of)
	if err != nil {
		return nil, err
	}
	return s.Store.Document(ctx, ledger, of.ID, sum)
}

func hashOf(of *invoice.State) ([]byte, error) {
	sum, err := hex.DecodeString(of.Document.SHA256)
	if err != nil {
		return nil, fmt.Errorf("read the hash of the original of invoice %s: %w", of.ID, err)
	}
	return sum, nil
}

func (s Shelf) render(ctx context.Context, ledger uuid.UUID, of *invoice.State) (File, error) {
	seller, err := s.Store.OrganisationOf(ctx, ledger)
	if err != nil {
		return File{}, err
	}
	d := invoicepdf.Document{Seller: seller.Name, Invoice: of.View(), Zone: time.UTC}
	if of.CustomerID != nil {
		state, _, err := s.Store.Fold(ctx, ledger, *of.CustomerID)
		if err != nil {
			return File{}, err
		}
		if payer, ok := state.(*customer.Customer); ok {
			c := payer.Contact.Living()
			if err := d.Bill(c.Name.Text, c.Address.Plain(), payer.Fields.TimeZone); err != nil {
				return File{}, err
			}
		}
	}
	bytes, err := s.Template.Render(d)
	if err != nil {
		return File{}, err
	}
	return newFile(of, bytes), nil
}

// subject is whom the file is about.
func subject(of *invoice.State) string {
	if of.CustomerID == nil {
		return ""
	}
	return customer.Subject(*of.CustomerID)
}

func newFile(of *invoice.State, bytes []byte) File {
	name := of.Number
	if name == "" {
		name = "draft"
	}
	return File{name + ".pdf", bytes, sha256.Sum256(bytes)}
}
