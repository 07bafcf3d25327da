-- What the end of a trial brings while its customer has no payment method.

-- +goose Up
alter table subscriptions add column trial_outcome text collate "C" check (trial_outcome in ('pause', 'cancel'));
comment on column subscriptions.trial_outcome is 'What the trial''s end brings as things stand: pause, cancel; null: it goes on, or has come.';

-- +goose Down
alter table subscriptions drop column trial_outcome;
