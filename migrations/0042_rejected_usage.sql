-- Usage records that were refused though their licence is there: too late, or for an instant without access.

-- +goose Up
create table rejected_usage (
	ledger_id uuid not null,
	position bigint not null,
	key text collate "C" not null,
	license_id uuid not null,
	subscription_id uuid,
	meter text collate "C" not null,
	quantity numeric not null check (quantity <> 'NaN'),
	at timestamptz not null,
	reason text collate "C" not null,
	rejected_at timestamptz not null,
	primary key (ledger_id, position)
);
create index rejected_usage_by_subscription on rejected_usage (ledger_id, subscription_id, position) where subscription_id is not null;
comment on table rejected_usage is 'Usage records that were refused and are kept to be looked at: once a key, 1,000 a licence at most. They count nowhere.';
comment on column rejected_usage.position is 'Of the event that keeps it.';
comment on column rejected_usage.at is 'When it happened, as the record said.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['rejected_usage'] loop
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
