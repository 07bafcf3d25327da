-- Customers: who is billed.

-- +goose Up
create table customers (
	ledger_id uuid not null,
	id uuid not null,
	name text collate "C",
	email text collate "C",
	address jsonb not null,
	external_id text collate "C",
	fields jsonb not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index customers_by_external_id on customers (ledger_id, external_id, id) where external_id is not null;
comment on table customers is 'Customers at their newest event.';
comment on column customers.name is 'Personal; made anew without it once the customer is erased.';
comment on column customers.email is 'Personal, like name, and in no index.';
comment on column customers.address is 'customer.PostalAddress: personal, like name.';
comment on column customers.external_id is 'The caller''s own id of the customer: one customer''s in the ledger.';
comment on column customers.fields is 'customer.Fields: what is not personal.';
comment on column customers.version is 'Of the stream; the ETag.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['customers'] loop
		execute format('alter table %I enable row level security', t);
		if exists (select from pg_roles where rolname = 'subledger_app') then
			execute format('grant select, insert, update, delete on %I to subledger_app', t);
			execute format('grant select on %I to subledger_reader', t);
			execute format('create policy app on %I to subledger_app using (true) with check (true)', t);
			execute format($p$create policy reader on %I for select to subledger_reader
				using (ledger_id = nullif(current_setting('subledger.ledger_id', true), '')::uuid)$p$, t);
		end if;
		execute format('create policy owner on %I to current_user
			using (ledger_id = coalesce(nullif(current_setting(''subledger.ledger_id'', true), '''')::uuid, ledger_id))', t);
		execute format('alter table %I force row level security', t);
	end loop;
end $$;
-- +goose StatementEnd
