-- Tax rates.

-- +goose Up
create table tax_rates (
	ledger_id uuid not null,
	id uuid not null,
	status text collate "C" not null check (status in ('ACTIVE', 'DEPRECATED')),
	fields jsonb not null,
	archived_at timestamptz,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
comment on table tax_rates is 'Tax rates at their newest event; what was billed keeps the percentage it had.';
comment on column tax_rates.fields is 'catalog.TaxRateFields.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['tax_rates'] loop
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
