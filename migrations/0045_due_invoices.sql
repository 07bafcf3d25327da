-- What billing adds to what happens by time: starts that had still to come, and drafts that wait.

-- +goose Up
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end', 'start', 'invoice'));

-- +goose Down
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end'));
