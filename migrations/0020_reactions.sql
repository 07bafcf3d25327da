-- Reactions: what events call for outside of the ledger. The watermill_ tables are a message queue of
-- the installation, on the exempt list of the catalog lint; messages hold ids and nothing else.

-- +goose Up
create table watermill_topics (
	topic text collate "C" primary key,
	serial bigint not null default 0 check (serial >= 0)
) with (fillfactor = 50);
comment on table watermill_topics is 'One row a topic. Who publishes moves it first and holds it until the commit: one publishing transaction a topic at a time, so serials are commit order and have no holes.';
comment on column watermill_topics.serial is 'Serial of the topic''s last message.';

create table watermill_messages (
	topic text collate "C" not null references watermill_topics,
	serial bigint not null check (serial > 0),
	uuid uuid not null,
	payload json not null,
	metadata json not null,
	published_at timestamptz not null default now(),
	primary key (topic, serial)
);
comment on table watermill_messages is 'Messages in the order in which they were committed. Acknowledged ones are swept after some days.';
comment on column watermill_messages.uuid is 'Id of the event that caused it; the same message may be published twice.';
comment on column watermill_messages.metadata is 'Ledger, position and correlation id; for a poisoned message, why.';

create table watermill_offsets (
	topic text collate "C" not null references watermill_topics,
	consumer_group text collate "C" not null,
	acked bigint not null default 0,
	primary key (topic, consumer_group)
) with (fillfactor = 50);
comment on table watermill_offsets is 'How far each consumer group has got; its row is locked while a batch of it is handled.';
comment on column watermill_offsets.acked is 'Serial of the last acknowledged message.';

insert into watermill_topics (topic) values ('errands'), ('poisoned');
insert into watermill_offsets (topic, consumer_group) values ('errands', 'reactions'), ('poisoned', 'reactions');

create table provider_calls (
	ledger_id uuid not null references ledgers,
	task_id uuid not null,
	event_id uuid not null,
	provider text collate "C" not null,
	correlation text collate "C" not null,
	attempt integer not null default 1 check (attempt > 0),
	answered integer not null default 0 check (answered >= 0),
	due_at timestamptz not null,
	asked_at timestamptz,
	asked_position bigint,
	lease uuid,
	poisoned boolean not null default false,
	primary key (ledger_id, task_id),
	check ((asked_at is null) = (asked_position is null))
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
create index provider_calls_by_time on provider_calls (ledger_id, due_at, task_id);
comment on table provider_calls is 'Open calls of outside providers, one a task. A row goes when its task has succeeded or failed.';
comment on column provider_calls.event_id is 'Of the task''s task.requested; with answered + 1 the idempotency key towards the provider.';
comment on column provider_calls.attempt is 'Number of the next report to the task.';
comment on column provider_calls.answered is 'Definite answers of the provider so far. What is asked again after a lost answer has the same key.';
comment on column provider_calls.due_at is 'When it is to be taken up. Taking it moves this to the end of the lease, so that a killed worker''s row comes up again by itself.';
comment on column provider_calls.asked_at is 'When the provider was first asked for this answer.';
comment on column provider_calls.asked_position is 'The ledger''s position then; the built-in provider answers as it was configured there.';
comment on column provider_calls.lease is 'Who has it, a new id at each taking; null: nobody.';
comment on column provider_calls.poisoned is 'Its message could not be handled: the task fails without a call.';

-- +goose StatementBegin
do $$
begin
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select on watermill_topics to subledger_app;
		grant update (serial) on watermill_topics to subledger_app;
		grant select, insert, delete on watermill_messages to subledger_app;
		grant select on watermill_offsets to subledger_app;
		grant update (acked) on watermill_offsets to subledger_app;
		grant select, insert, update, delete on provider_calls to subledger_app;
	end if;
end $$;
-- +goose StatementEnd
