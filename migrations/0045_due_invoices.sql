-- What billing adds to what happens by time: starts that had still to come, and drafts that wait.

-- +goose Up
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end', 'start', 'invoice'));
alter table subscriptions add column pending_change jsonb;
comment on column subscriptions.pending_change is 'subscription.PendingChange: what waits for the end of the period; null: nothing.';

-- +goose Down
alter table subscriptions drop column pending_change;
alter table due drop constraint due_kind_check;
alter table due add constraint due_kind_check check (kind in ('trial_end', 'period_end', 'expiry', 'license_end'));
