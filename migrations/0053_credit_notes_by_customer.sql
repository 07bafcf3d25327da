-- Credit notes are listed by customer.

-- +goose Up
create index credit_notes_by_customer on credit_notes (ledger_id, customer_id, position);
