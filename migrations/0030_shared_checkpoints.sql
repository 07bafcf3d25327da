-- One checkpoint for the read models of a ledger that are in step: a page moves one row a ledger.
-- Processes of an older version must be stopped first: they do not know the shared row.

-- +goose Up
alter table checkpoints add column covers text[] collate "C",
	add check ((projection = '*') = (covers is not null)),
	add check (covers is null or cardinality(covers) > 0 and parked_at is null);
comment on column checkpoints.covers is 'The projections that the row ''*'' stands for; each other row is its projection''s own.';

create view projection_positions as
	select c.ledger_id, p.projection, c.position, c.updated_at, c.parked_at, c.parked_position, c.parked_reason
	from checkpoints c cross join unnest(coalesce(c.covers, array[c.projection])) p(projection);
comment on view projection_positions is 'How far each projection has read each ledger, whichever checkpoint stands for it.';

-- +goose StatementBegin
do $$
begin
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select on projection_positions to subledger_app, subledger_reader;
	end if;
end $$;
-- +goose StatementEnd
