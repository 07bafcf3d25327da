-- When a draft is issued by itself, for those who list invoices.

-- +goose Up
alter table invoices add column finalize_at timestamptz;
comment on column invoices.finalize_at is 'When a draft is finalised by itself; null when it is not, and once it is no draft.';

-- +goose Down
alter table invoices drop column finalize_at;
