-- Which plans were sold, and in which currencies: a plan that has been bought is shown so. The read model of
-- subscriptions folds it; what was folded before this migration has it after `subledger projections rebuild`.

-- +goose Up
create table plan_sales (
	ledger_id uuid not null,
	plan_id uuid not null,
	currency text collate "C" not null,
	position bigint not null,
	primary key (ledger_id, plan_id, currency)
);
comment on table plan_sales is 'Plans that a subscription was started on or moved to and that gave access for it, by currency.';
comment on column plan_sales.currency is 'The subscription''s; empty for one that has none.';
comment on column plan_sales.position is 'Of the event that was the first.';

-- +goose StatementBegin
do $$
begin
	alter table plan_sales enable row level security, force row level security;
	create policy owner on plan_sales to current_user
		using (ledger_id = coalesce(nullif(current_setting('subledger.ledger_id', true), '')::uuid, ledger_id));
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select, insert, update, delete on plan_sales to subledger_app;
		grant select on plan_sales to subledger_reader;
		create policy app on plan_sales to subledger_app using (true) with check (true);
		create policy reader on plan_sales for select to subledger_reader
			using (ledger_id = nullif(current_setting('subledger.ledger_id', true), '')::uuid);
	end if;
end $$;
-- +goose StatementEnd
