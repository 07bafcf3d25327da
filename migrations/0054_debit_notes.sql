-- Debit notes: invoices that add to another one.

-- +goose Up
alter table invoices add column debit_note_of uuid, add column debit_note_to text;
comment on column invoices.debit_note_of is 'invoices.id of the invoice that a debit note adds to; null: it is no debit note.';
comment on column invoices.debit_note_to is 'The number of that invoice.';

-- +goose Down
alter table invoices drop column debit_note_of, drop column debit_note_to;
