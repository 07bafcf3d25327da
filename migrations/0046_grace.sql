-- Until when a subscription that is past due gives access.

-- +goose Up
alter table subscriptions add column grace_until timestamptz;
comment on column subscriptions.grace_until is 'A payment is missing: from then on there is no access; null: none is, or there is no end.';

-- +goose Down
alter table subscriptions drop column grace_until;
