-- What reads are answered from. Every row can be made again from the events; a row's position is that
-- of the last event that changed it, its version that of its stream.

-- +goose Up
create table products (
	ledger_id uuid not null,
	id uuid not null,
	name text collate "C" not null,
	slug text collate "C" not null,
	status text collate "C" not null check (status in ('ACTIVE', 'DEPRECATED')),
	fields jsonb not null,
	archived_at timestamptz,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
comment on table products is 'What is sold, at the newest event of each product.';
comment on column products.fields is 'catalog.ProductFields: all fields as callers set them, currencies included.';
comment on column products.position is 'Of the last event that changed the row, in its ledger.';
comment on column products.version is 'Of the product''s stream; the ETag.';

create table plans (
	ledger_id uuid not null,
	id uuid not null,
	product_id uuid not null,
	name text collate "C" not null,
	slug text collate "C" not null,
	plan_version integer not null,
	status text collate "C" not null check (status in ('ACTIVE', 'DEPRECATED')),
	fields jsonb not null,
	archived_at timestamptz,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index plans_by_product on plans (ledger_id, product_id, id);
comment on table plans is 'Plans at their newest event. What was sold keeps the terms it was sold under.';
comment on column plans.plan_version is 'Rises with a change of prices only.';
comment on column plans.fields is 'catalog.PlanFields: with capabilities, features, currencies and prices.';

create table features (
	ledger_id uuid not null,
	id uuid not null,
	product_id uuid not null,
	status text collate "C" not null,
	fields jsonb not null,
	archived_at timestamptz,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index features_by_product on features (ledger_id, product_id, id);
comment on table features is 'Features at their newest event.';
comment on column features.fields is 'catalog.FeatureFields: enum options included.';

create table capabilities (
	ledger_id uuid not null,
	id uuid not null,
	product_id uuid not null,
	name text collate "C" not null,
	status text collate "C" not null check (status in ('ACTIVE', 'DEPRECATED')),
	fields jsonb not null,
	archived_at timestamptz,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index capabilities_by_product on capabilities (ledger_id, product_id, id);
comment on table capabilities is 'Capabilities at their newest event; licences keep the names that they were made with.';
comment on column capabilities.fields is 'catalog.CapabilityFields.';

create table meters (
	ledger_id uuid not null,
	id uuid not null,
	key text collate "C" not null,
	status text collate "C" not null check (status in ('ACTIVE', 'DEPRECATED')),
	fields jsonb not null,
	archived_at timestamptz,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index meters_by_key on meters (ledger_id, key, id);
comment on table meters is 'Meters at their newest event.';
comment on column meters.fields is 'catalog.MeterFields.';

create table subscriptions (
	ledger_id uuid not null,
	id uuid not null,
	product_id uuid not null,
	plan_id uuid not null,
	terms jsonb not null,
	terms_position bigint not null,
	status text collate "C" not null,
	customer_id uuid,
	quantity integer not null,
	currency text collate "C" not null,
	start_at timestamptz not null,
	anchor_at timestamptz not null,
	time_zone text collate "C" not null,
	trial_end timestamptz,
	period_start timestamptz not null,
	period_end timestamptz not null,
	proration_mode text collate "C" not null,
	provider text collate "C" not null,
	owner text collate "C",
	email text collate "C",
	cancel_at timestamptz,
	canceled_at timestamptz,
	ended_at timestamptz,
	end_reason text collate "C",
	paused_at timestamptz,
	resumes_as text collate "C",
	open_changes jsonb not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
) with (fillfactor = 80);
create index subscriptions_by_plan on subscriptions (ledger_id, plan_id, id);
create index subscriptions_by_product on subscriptions (ledger_id, product_id, id);
create index subscriptions_by_customer on subscriptions (ledger_id, customer_id, id) where customer_id is not null;
create index subscriptions_by_owner on subscriptions (ledger_id, owner, id) where owner is not null;
create index subscriptions_by_email on subscriptions (ledger_id, email, id) where email is not null;
comment on table subscriptions is 'Subscriptions as recorded. What counts at an instant is computed from it: ends and trial ends happen whether or not a scheduler recorded them.';
comment on column subscriptions.terms is 'catalog.PlanTerms in force: frozen copy of the plan, capabilities included.';
comment on column subscriptions.terms_position is 'Position at which these terms came into force; seats made before it have their capabilities.';
comment on column subscriptions.status is 'As last recorded; see cancel_at and trial_end for what happens by time.';
comment on column subscriptions.cancel_at is 'Scheduled end; null while it renews.';
comment on column subscriptions.canceled_at is 'When the cancellation was asked for.';
comment on column subscriptions.ended_at is 'The end that was recorded.';
comment on column subscriptions.end_reason is 'canceled: at once; expired: at the instant that was scheduled.';
comment on column subscriptions.resumes_as is 'While it is paused, and when it ended so: the status it would have had otherwise.';
comment on column subscriptions.open_changes is 'Changes that wait for their task: [{task_id, seats, plan_id}].';

create table licenses (
	ledger_id uuid not null,
	id uuid not null,
	subscription_id uuid,
	product_id uuid not null,
	grantee text collate "C",
	status text collate "C" not null,
	start_time timestamptz not null,
	ended_at timestamptz,
	end_reason text collate "C",
	capabilities jsonb,
	created_position bigint not null,
	terms jsonb,
	plan_id uuid,
	purchaser text collate "C",
	email text collate "C",
	end_time timestamptz,
	cancel_at_period_end boolean not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id),
	check ((subscription_id is null) = (end_time is not null)),
	check (subscription_id is not null or terms is not null)
) with (fillfactor = 90);
create index licenses_by_subscription on licenses (ledger_id, subscription_id, id) where subscription_id is not null;
create index licenses_by_product on licenses (ledger_id, product_id, id);
create index licenses_by_grantee on licenses (ledger_id, grantee, id) where grantee is not null;
create index licenses_by_plan on licenses (ledger_id, plan_id, id) where plan_id is not null;
create index licenses_by_purchaser on licenses (ledger_id, purchaser, id) where purchaser is not null;
comment on table licenses is 'Seats and ad hoc licences. A seat does not repeat its subscription''s plan, status and dates: a change of a large subscription changes one row.';
comment on column licenses.subscription_id is 'Null for an ad hoc licence.';
comment on column licenses.status is 'As recorded for the licence itself; a seat''s subscription and the instant have their say too.';
comment on column licenses.capabilities is 'Frozen at creation; null, or made before subscriptions.terms_position: those of the subscription''s terms.';
comment on column licenses.terms is 'catalog.PlanTerms of an ad hoc licence or a removed seat; a live seat has its subscription''s.';
comment on column licenses.plan_id is 'Where terms are given: their plan.';
comment on column licenses.purchaser is 'Of an ad hoc licence; a seat''s is the owner of its subscription.';

create table seat_terms (
	ledger_id uuid not null,
	id uuid not null,
	terms jsonb not null,
	terms_position bigint not null,
	primary key (ledger_id, id)
);
comment on table seat_terms is 'A subscription''s terms in force, as in subscriptions; for the fold of licenses alone.';

create table usage_totals (
	ledger_id uuid not null,
	license_id uuid not null,
	meter text collate "C" not null,
	subscription_id uuid,
	plan_id uuid not null,
	product_id uuid not null,
	total numeric not null check (total <> 'NaN'),
	records bigint not null,
	last_at timestamptz not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, license_id, meter)
) with (fillfactor = 50);
create index usage_totals_by_subscription on usage_totals (ledger_id, subscription_id, meter, license_id) where subscription_id is not null;
comment on table usage_totals is 'Sum of all usage of a licence on a meter.';
comment on column usage_totals.meter is 'A meter''s key; empty for the default meter.';
comment on column usage_totals.last_at is 'The latest instant of a record.';

create table usage_periods (
	ledger_id uuid not null,
	license_id uuid not null,
	meter text collate "C" not null,
	period_start timestamptz not null,
	period_end timestamptz not null,
	subscription_id uuid,
	total numeric not null check (total <> 'NaN'),
	highest numeric not null check (highest <> 'NaN'),
	last numeric not null check (last <> 'NaN'),
	records bigint not null,
	last_at timestamptz not null,
	position bigint not null,
	updated_at timestamptz not null,
	primary key (ledger_id, license_id, meter, period_start)
) with (fillfactor = 50);
create index usage_periods_by_subscription on usage_periods (ledger_id, subscription_id, meter, period_start, license_id) where subscription_id is not null;
comment on table usage_periods is 'Usage by the period of its own instant: the subscription''s periods as known when it was recorded; calendar months (UTC) for ad hoc licences.';
comment on column usage_periods.highest is 'The largest single quantity.';
comment on column usage_periods.last is 'The quantity at last_at; the later recorded of two at one instant.';

create table usage_schedules (
	ledger_id uuid not null,
	subscription_id uuid not null,
	anchor_at timestamptz not null,
	"interval" text collate "C" not null,
	length integer not null,
	time_zone text collate "C" not null,
	primary key (ledger_id, subscription_id)
);
comment on table usage_schedules is 'How to find the period of an instant of a subscription; for the fold of usage_periods alone.';

create table tasks (
	ledger_id uuid not null,
	id uuid not null,
	type text collate "C" not null,
	subject uuid not null,
	provider text collate "C" not null,
	params jsonb not null,
	status text collate "C" not null check (status in ('queued', 'pending', 'retrying', 'success', 'failed', 'incomplete')),
	retries integer not null,
	error_code text collate "C",
	error_message text,
	next_at timestamptz,
	positions jsonb not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
) with (fillfactor = 70);
comment on table tasks is 'How far asynchronous commands got. A status never moves backwards: success and failed are for ever.';
comment on column tasks.retries is 'Attempts that failed; each attempt counts once.';
comment on column tasks.next_at is 'When it is tried again, while it is retrying.';
comment on column tasks.positions is 'Positions of the task''s own events and of those that it caused, ascending.';

create table due (
	ledger_id uuid not null,
	stream_id uuid not null,
	kind text collate "C" not null check (kind in ('trial_end', 'period_end', 'expiry', 'license_end')),
	due_at timestamptz not null,
	asleep text collate "C" check (asleep in ('incomplete', 'paused')),
	position bigint not null,
	primary key (ledger_id, stream_id, kind)
) with (fillfactor = 80);
create index due_by_time on due (ledger_id, due_at, stream_id, kind) where asleep is null;
comment on table due is 'What happens by time: a scheduler makes a command of each row once its instant has come; the command''s event moves or removes the row.';
comment on column due.asleep is 'Why it does not happen although its instant may come; null: it does.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['products', 'plans', 'features', 'capabilities', 'meters', 'subscriptions', 'licenses', 'seat_terms',
			'usage_totals', 'usage_periods', 'usage_schedules', 'tasks', 'due'] loop
		execute format('alter table %I enable row level security', t);
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
