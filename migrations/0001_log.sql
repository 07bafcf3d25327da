-- The log: what happened, in the order in which it happened. Positions are counted per ledger and
-- have no holes; only the append moves them. Nothing here is ever updated but the end of a ledger.

-- +goose Up
-- +goose StatementBegin
do $$
begin
	-- Roles belong to the whole cluster, so another database of it may have made them already.
	if not exists (select from pg_roles where rolname = 'subledger_app') then
		create role subledger_app login;
	end if;
	if not exists (select from pg_roles where rolname = 'subledger_reader') then
		create role subledger_reader login;
	end if;
exception when duplicate_object or unique_violation then null; -- two databases migrated at the same moment
when insufficient_privilege then
	raise notice 'roles subledger_app and subledger_reader were not created: no CREATEROLE; doctor tells what is not enforced';
end $$;
-- +goose StatementEnd

create table ledgers (
	ledger_id uuid primary key,
	organisation_id uuid not null,
	mode text not null check (mode in ('live', 'test', 'system')),
	position bigint not null default 0 check (position >= 0),
	head bytea not null check (octet_length(head) = 32),
	recorded_at timestamptz not null,
	clock timestamptz check (clock is null or mode = 'test'),
	wrapped_key bytea not null,
	created_at timestamptz not null default now()
) with (fillfactor = 50); -- its rows change with every append: leave room for updates in place
create index ledgers_by_organisation on ledgers (organisation_id, ledger_id);
comment on table ledgers is 'One row a ledger: its end. The only arbiter between writers is `update … where position = $old`.';
comment on column ledgers.position is 'Position of the last event; 0 when there is none.';
comment on column ledgers.head is 'Hash of the last event; 32 zero bytes when there is none.';
comment on column ledgers.recorded_at is 'recorded_at of the last event; it never goes backwards.';
comment on column ledgers.clock is 'A test ledger''s clock as its last clock.moved event set it; null: the system clock.';
comment on column ledgers.wrapped_key is 'The ledger''s data key, encrypted with the installation''s master key.';

create table events (
	ledger_id uuid not null,
	position bigint not null check (position > 0),
	stream_id uuid not null,
	version bigint not null check (version > 0),
	event_id uuid not null,
	type text collate "C" not null,
	data json not null,
	meta json not null,
	recorded_at timestamptz not null,
	effective_at timestamptz not null,
	hash bytea not null check (octet_length(hash) = 32),
	primary key (ledger_id, position),
	unique (ledger_id, stream_id, version)
);
-- No foreign key to ledgers here and below: the append writes only for ledgers whose rows it holds locked, and
-- a look-up for each row would cost it an eighth of its time.
comment on table events is 'What happened. Rows are inserted and never changed; docs/event-log.md gives the hash.';
comment on column events.data is 'json, not jsonb: the bytes stay as they were hashed. Personal fields are ciphertext.';
comment on column events.recorded_at is 'When we knew.';
comment on column events.effective_at is 'From when it counts.';
comment on column events.hash is 'sha256(previous hash, header, data, meta): one chain a ledger.';

create table commands (
	ledger_id uuid not null,
	key text collate "C" not null,
	fingerprint bytea not null,
	first_position bigint not null,
	last_position bigint not null,
	answer json not null,
	recorded_at timestamptz not null,
	primary key (ledger_id, key)
);
comment on table commands is 'Idempotency, kept for ever: a key''s answer commits with its events.';
comment on column commands.fingerprint is 'sha256 of method, path and canonical body.';
comment on column commands.first_position is 'First event of the command; last_position + 1 when it changed nothing.';

create table claims (
	ledger_id uuid not null,
	scope text collate "C" not null,
	value text collate "C" not null check (octet_length(value) <= 255),
	stream_id uuid not null,
	primary key (ledger_id, scope, value)
);
comment on table claims is 'What is unique in a ledger, and the stream that took it first.';

create table subject_keys (
	ledger_id uuid not null,
	key_id uuid not null,
	subject bytea not null,
	wrapped_key bytea,
	created_at timestamptz not null,
	destroyed_at timestamptz,
	primary key (ledger_id, key_id),
	check ((wrapped_key is null) = (destroyed_at is not null))
);
create index subject_keys_by_subject on subject_keys (ledger_id, subject);
comment on table subject_keys is 'Keys of personal fields, one or more a subject. Destroying all of a subject''s keys erases it from history.';
comment on column subject_keys.subject is 'HMAC-SHA256 of the subject''s name under the ledger''s key.';
comment on column subject_keys.wrapped_key is 'Encrypted with the ledger''s key; null once destroyed.';

-- Global look-ups, written in the append of the system ledger's own event. They are on the exempt
-- list of the catalog lint: nobody joins them with a ledger's rows.
create table installation (
	only_row boolean primary key default true check (only_row),
	system_ledger_id uuid not null references ledgers,
	master_key_check bytea not null,
	created_at timestamptz not null default now()
);
comment on table installation is 'One row: which ledger is the system ledger, and a value that only the right master key opens.';

create table organisations (
	organisation_id uuid primary key,
	name text not null,
	currency text not null,
	time_zone text not null,
	live_ledger_id uuid not null references ledgers,
	test_ledger_id uuid not null references ledgers,
	secp256k1_public bytea not null,
	secp256k1_private bytea not null,
	p256_public bytea not null,
	p256_private bytea not null,
	created_at timestamptz not null
);
comment on table organisations is 'Look-up of organisations; private keys are encrypted with the master key.';

create table api_keys (
	hash bytea primary key,
	key_id uuid not null unique,
	organisation_id uuid,
	ledger_id uuid not null references ledgers,
	mode text not null check (mode in ('live', 'test', 'system')),
	name text not null,
	hint text not null,
	scopes text[] not null,
	created_at timestamptz not null,
	expires_at timestamptz,
	ended_at timestamptz,
	end_reason text
);
create index api_keys_by_organisation on api_keys (organisation_id, created_at);
comment on table api_keys is 'Look-up from the SHA-256 of an API key to its ledger.';
comment on column api_keys.ended_at is 'From then on it opens nothing: revoked, or the end of a roll''s overlap. May lie ahead.';

-- +goose StatementBegin
do $$
begin
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant usage on schema public to subledger_app, subledger_reader;
		grant select, insert on events, commands, claims to subledger_app;
		grant select, insert on ledgers to subledger_app;
		grant update (position, head, recorded_at, clock) on ledgers to subledger_app;
		grant select, insert, update on subject_keys to subledger_app;
		grant select on installation to subledger_app;
		grant select, insert, update on organisations, api_keys to subledger_app;
		grant select (ledger_id, position, recorded_at, mode) on ledgers to subledger_reader;
	end if;
end $$;
-- +goose StatementEnd
