-- Subscriptions follow their customer into another time zone, and the rules of zones themselves change.

-- +goose Up
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end', 'start', 'invoice', 'zone'));

alter table usage_schedules add column moved_start timestamptz not null default 'epoch';
alter table usage_schedules add column moved_end timestamptz not null default 'epoch';
comment on column usage_schedules.moved_start is 'The period that was under way when the calendar became another one keeps its start: it is from here,';
comment on column usage_schedules.moved_end is 'to here. Both 1970: there is none.';
alter table usage_record_schedules add column moved_start timestamptz not null default 'epoch';
alter table usage_record_schedules add column moved_end timestamptz not null default 'epoch';
comment on column usage_record_schedules.moved_start is 'As in usage_schedules.';
comment on column usage_record_schedules.moved_end is 'As in usage_schedules.';

-- The release of the time zone database by which periods under way were looked over last; one row, of the installation.
create table zone_release (
	only_row boolean primary key default true check (only_row),
	release text not null,
	checked_at timestamptz not null default now()
);
comment on table zone_release is 'One row: the release of the time zone database by which all periods under way end where they should.';
comment on column zone_release.release is 'As IANA names it, such as 2025c.';
-- +goose StatementBegin
do $$
begin
	if exists (select from pg_roles where rolname = 'subledger_app') then
		grant select, insert, update on zone_release to subledger_app;
	end if;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table zone_release;
alter table usage_record_schedules drop column moved_start, drop column moved_end;
alter table usage_schedules drop column moved_start, drop column moved_end;
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end', 'start', 'invoice'));
