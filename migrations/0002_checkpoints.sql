-- How far each projection has read each ledger.

-- +goose Up
create table checkpoints (
	ledger_id uuid not null references ledgers,
	projection text collate "C" not null,
	position bigint not null,
	updated_at timestamptz not null default now(),
	parked_at timestamptz,
	parked_position bigint,
	parked_reason text,
	primary key (ledger_id, projection)
) with (fillfactor = 50);
comment on table checkpoints is 'A projection''s last applied position in a ledger; moved in the transaction that writes its rows.';
comment on column checkpoints.parked_at is 'Set when an event could not be applied: this ledger waits for a repair, the others go on.';

-- +goose StatementBegin
do $$
begin
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select, insert, update, delete on checkpoints to subledger_app;
		grant select on checkpoints to subledger_reader;
	end if;
end $$;
-- +goose StatementEnd
