-- Row-level security binds the tables' owner too: where one role does everything, a read that named its
-- ledger sees that ledger alone. The projector, of the same role then, names none and sees all.

-- +goose Up
-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['capabilities', 'due', 'features', 'licenses', 'meters', 'plans', 'products', 'seat_terms',
		'subscriptions', 'tasks', 'usage_periods', 'usage_schedules', 'usage_totals'] loop
		execute format('create policy owner on %I to current_user
			using (ledger_id = coalesce(nullif(current_setting(''subledger.ledger_id'', true), '''')::uuid, ledger_id))', t);
		execute format('alter table %I force row level security', t);
	end loop;
end $$;
-- +goose StatementEnd
