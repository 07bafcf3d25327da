-- Usage that comes after the end of a subscription is billed when the time is over in which it is taken.

-- +goose Up
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end', 'start', 'invoice', 'zone', 'closing'));

-- +goose Down
delete from due where kind = 'closing';
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end', 'start', 'invoice', 'zone'));
