-- Plan sales are folded by a read model of their own, which the projector catches up from the beginning of every
-- ledger by itself; what the read model of subscriptions left of them is made again.

-- +goose Up
create table plan_buyers (
	ledger_id uuid not null,
	subscription_id uuid not null,
	plan_id uuid not null,
	currency text collate "C" not null,
	waits boolean not null,
	primary key (ledger_id, subscription_id)
);
comment on table plan_buyers is 'What each subscription is on; for the fold of plan_sales alone.';
comment on column plan_buyers.waits is 'For its first payment: nothing is sold before.';
delete from plan_sales;

-- +goose StatementBegin
do $$
begin
	alter table plan_buyers enable row level security, force row level security;
	create policy owner on plan_buyers to current_user
		using (ledger_id = coalesce(nullif(current_setting('subledger.ledger_id', true), '')::uuid, ledger_id));
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select, insert, update, delete on plan_buyers to subledger_app;
		grant select on plan_buyers to subledger_reader;
		create policy app on plan_buyers to subledger_app using (true) with check (true);
		create policy reader on plan_buyers for select to subledger_reader
			using (ledger_id = nullif(current_setting('subledger.ledger_id', true), '')::uuid);
	end if;
end $$;
-- +goose StatementEnd
