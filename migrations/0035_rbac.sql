-- Permissions, roles and users of organisations' own applications. A role's and a user's permissions are in its
-- row, in their order; those that are deleted have no row and are left out by whoever reads.

-- +goose Up
create table rbac_permissions (
	ledger_id uuid not null,
	id uuid not null,
	fields jsonb not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
comment on table rbac_permissions is 'Permissions at their newest event; a deleted one has no row.';
comment on column rbac_permissions.fields is 'rbac.PermissionFields: value, type, description, dependencies.';

create table rbac_roles (
	ledger_id uuid not null,
	id uuid not null,
	fields jsonb not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
comment on table rbac_roles is 'Roles at their newest event; a deleted one has no row.';
comment on column rbac_roles.fields is 'rbac.RoleFields: name, description and ids of permissions, of which some may be deleted.';

create table rbac_users (
	ledger_id uuid not null,
	id uuid not null,
	user_id text collate "C" not null,
	name text collate "C",
	role_id uuid,
	permissions jsonb not null,
	created_position bigint not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index rbac_users_by_user_id on rbac_users (ledger_id, user_id);
create index rbac_users_by_creation on rbac_users (ledger_id, created_position);
comment on table rbac_users is 'Users at their newest event; a deleted one has no row.';
comment on column rbac_users.id is 'The user''s stream.';
comment on column rbac_users.user_id is 'What the organisation calls the user; erased-… when that was erased.';
comment on column rbac_users.role_id is 'It may be deleted.';
comment on column rbac_users.permissions is 'Ids of permissions, of which some may be deleted.';
comment on column rbac_users.created_position is 'Of the event that made the user, in its ledger; the order of lists.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['rbac_permissions', 'rbac_roles', 'rbac_users'] loop
		execute format('alter table %I enable row level security', t);
		execute format('alter table %I force row level security', t);
		execute format('create policy owner on %I to current_user
			using (ledger_id = coalesce(nullif(current_setting(''subledger.ledger_id'', true), '''')::uuid, ledger_id))', t);
		if exists (select from pg_roles where rolname = 'subledger_app') then
			execute format('grant select, insert, update, delete on %I to subledger_app', t);
			execute format('grant select on %I to subledger_reader', t);
			execute format('create policy app on %I to subledger_app using (true) with check (true)', t);
			execute format($p$create policy reader on %I for select to subledger_reader
				using (ledger_id = nullif(current_setting('subledger.ledger_id', true), '')::uuid)$p$, t);
		end if;
	end loop;
end $$;
-- +goose StatementEnd
