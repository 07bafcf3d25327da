-- Documents that the log has the hash of: an invoice's pages as they were first given out. No read model: a later template
-- would make other bytes of the same events.

-- +goose Up
create table documents (
	ledger_id uuid not null references ledgers,
	stream_id uuid not null,
	sha256 bytea not null check (length(sha256) = 32),
	key_id uuid,
	bytes bytea not null,
	stored_at timestamptz not null default now(),
	primary key (ledger_id, stream_id, sha256)
);
alter table documents alter column bytes set storage external;
comment on table documents is 'Files that an event has the SHA-256 of, such as invoice.documented. They cannot be made again from events: a backup needs them.';
comment on column documents.stream_id is 'Of the event: invoices.id.';
comment on column documents.sha256 is 'Of the file in plain.';
comment on column documents.key_id is 'Of subject_keys, the key that it is encrypted with; null: it is about nobody, and is as it is.';
comment on column documents.bytes is 'The file, encrypted or not. Compressed already.';

alter table invoices add column document jsonb;
comment on column invoices.document is 'sha256, template, size and rendered_at of the PDF file as it was first given out; null: nobody asked for it yet.';

-- +goose StatementBegin
do $$
begin
	alter table documents enable row level security;
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select, insert, update, delete on documents to subledger_app;
		create policy app on documents to subledger_app using (true) with check (true);
	end if;
	create policy owner on documents to current_user
		using (ledger_id = coalesce(nullif(current_setting('subledger.ledger_id', true), '')::uuid, ledger_id));
	alter table documents force row level security;
end $$;
-- +goose StatementEnd

-- +goose Down
alter table invoices drop column document;
drop table documents;
