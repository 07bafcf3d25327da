-- Usage by licence and period, over all meters: what Salable calls usage records.

-- +goose Up
create table usage_records (
	ledger_id uuid not null,
	license_id uuid not null,
	period_start timestamptz not null,
	period_end timestamptz not null,
	id uuid not null,
	subscription_id uuid,
	plan_id uuid not null,
	schedule integer not null,
	total numeric not null check (total <> 'NaN'),
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, license_id, period_start)
) with (fillfactor = 50);
comment on table usage_records is 'Usage of a licence over all meters, by the periods of usage_periods.';
comment on column usage_records.id is 'Follows from the licence and the period; in order of the periods'' beginnings.';
comment on column usage_records.plan_id is 'At the last record.';
comment on column usage_records.schedule is 'Which of the subscription''s schedules the period is of: usage_record_schedules.number when it was recorded; 0 for an ad hoc licence.';

create table usage_record_schedules (
	ledger_id uuid not null,
	subscription_id uuid not null,
	anchor_at timestamptz not null,
	"interval" text collate "C" not null,
	length integer not null,
	time_zone text collate "C" not null,
	number integer not null,
	since timestamptz not null,
	primary key (ledger_id, subscription_id)
);
comment on table usage_record_schedules is 'How to find the period of an instant of a subscription, as in usage_schedules.';
comment on column usage_record_schedules.number is 'Counts the subscription''s schedules; periods of earlier ones are over.';
comment on column usage_record_schedules.since is 'When it took the place of the one before.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['usage_records', 'usage_record_schedules'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy owner on %I to current_user
			using (ledger_id = coalesce(nullif(current_setting(''subledger.ledger_id'', true), '''')::uuid, ledger_id))', t);
		if exists (select from pg_roles where rolname = 'subledger_app') then
			execute format('grant select, insert, update, delete on %I to subledger_app', t);
			execute format('grant select on %I to subledger_reader', t);
			execute format('create policy app on %I to subledger_app using (true) with check (true)', t);
			execute format($p$create policy reader on %I for select to subledger_reader
				using (ledger_id = nullif(current_setting('subledger.ledger_id', true), '')::uuid)$p$, t);
		end if;
	end loop;
end $$;
-- +goose StatementEnd
