-- Invoices as finance reads them: documents, their lines, credit notes, payments, and what each payer owes.

-- +goose Up
create table invoices (
	ledger_id uuid not null,
	id uuid not null,
	number text collate "C",
	status text collate "C" not null check (status in ('draft', 'open', 'paid', 'void', 'uncollectible')),
	customer_id uuid,
	subscription_id uuid,
	currency text collate "C" not null,
	reason text collate "C" not null,
	period_start timestamptz,
	period_end timestamptz,
	tax_exempt text collate "C",
	issued_at timestamptz,
	due_at timestamptz,
	dated_at timestamptz not null,
	line_count integer not null,
	subtotal bigint not null,
	discount_total bigint not null,
	tax_total bigint not null,
	total bigint not null,
	balance_applied bigint not null,
	amount_paid bigint not null,
	credited bigint not null,
	amount_due bigint not null,
	drafted_position bigint not null,
	version bigint not null,
	position bigint not null,
	created_at timestamptz not null,
	updated_at timestamptz not null,
	primary key (ledger_id, id)
);
create index invoices_by_drafting on invoices (ledger_id, drafted_position);
create index invoices_by_customer on invoices (ledger_id, customer_id, drafted_position) where customer_id is not null;
create index invoices_by_subscription on invoices (ledger_id, subscription_id, drafted_position) where subscription_id is not null;
create index invoices_by_status on invoices (ledger_id, status, drafted_position);
create index invoices_by_date on invoices (ledger_id, dated_at, drafted_position);
comment on table invoices is 'Invoices at their newest event. Amounts are minor units of the currency. A discarded draft stays, void and without a number.';
comment on column invoices.number is 'Given when it was finalised: INV-000001 and so on, without a gap; null for drafts.';
comment on column invoices.status is 'draft; open: something is due; paid: nothing is; void: taken back, its number stays; uncollectible: due, but nobody expects it.';
comment on column invoices.customer_id is 'Who pays: customers.id; null for a subscription without a customer.';
comment on column invoices.subscription_id is 'What it bills: subscriptions.id.';
comment on column invoices.currency is 'ISO 4217.';
comment on column invoices.reason is 'period, proration, cancel, manual.';
comment on column invoices.period_start is 'Of the period that it is for, included; null when it is for none.';
comment on column invoices.period_end is 'Excluded.';
comment on column invoices.tax_exempt is 'Why no tax was charged; null: tax was, as the rates say.';
comment on column invoices.issued_at is 'When it was finalised; null for drafts.';
comment on column invoices.due_at is 'By when it is to be paid; null for drafts.';
comment on column invoices.dated_at is 'issued_at, or when it was drafted while it is not issued.';
comment on column invoices.line_count is 'Rows in invoice_lines.';
comment on column invoices.subtotal is 'Sum of the lines'' amounts.';
comment on column invoices.discount_total is 'Sum of the lines'' discounts; positive: less to pay.';
comment on column invoices.tax_total is 'Sum of the lines'' taxes, those that prices include too.';
comment on column invoices.total is 'subtotal - discount_total + the taxes that prices do not include.';
comment on column invoices.balance_applied is 'What the payer''s balance paid; below 0: the whole of a negative total, by which the balance grew.';
comment on column invoices.amount_paid is 'Sum of payments.amount.';
comment on column invoices.credited is 'Sum of credit_notes.lowers_debt.';
comment on column invoices.amount_due is 'What is still to be paid: total - balance_applied - amount_paid - credited, never below 0; 0 while it is a draft or void.';
comment on column invoices.drafted_position is 'Of the event that made it; lists are in its order.';
comment on column invoices.version is 'Of the stream; the ETag.';

create table invoice_lines (
	ledger_id uuid not null,
	invoice_id uuid not null,
	line_number integer not null,
	id uuid not null,
	kind text collate "C" not null,
	description text collate "C" not null,
	subscription_id uuid not null,
	plan_id uuid not null,
	plan_version integer not null,
	product_id uuid not null,
	price_key text collate "C" not null,
	quantity text collate "C" not null,
	unit_amount numeric check (unit_amount <> 'NaN'),
	amount bigint not null,
	discount_amount bigint not null,
	tax_amount bigint not null,
	net_amount bigint not null,
	gross_amount bigint not null,
	period_start timestamptz not null,
	period_end timestamptz not null,
	share jsonb not null,
	proration_mode text collate "C" not null,
	reverses uuid,
	discounts jsonb not null,
	taxes jsonb not null,
	events jsonb not null,
	primary key (ledger_id, invoice_id, line_number)
);
create index invoice_lines_by_id on invoice_lines (ledger_id, id);
comment on table invoice_lines is 'Lines of invoices. A draft''s are replaced until it is finalised. Amounts are minor units of the invoice''s currency; credits are negative.';
comment on column invoice_lines.invoice_id is 'invoices.id.';
comment on column invoice_lines.line_number is 'Place on the invoice, from 1.';
comment on column invoice_lines.kind is 'period, prorationCredit, prorationDebit, usage, adjustment, minimum.';
comment on column invoice_lines.quantity is 'A decimal or, where it is none, a fraction such as 23/3.';
comment on column invoice_lines.unit_amount is 'Minor units, with as many places as the price has; null: the price has tiers.';
comment on column invoice_lines.amount is 'Before discounts and taxes.';
comment on column invoice_lines.discount_amount is 'Sum of discounts.';
comment on column invoice_lines.tax_amount is 'Sum of taxes.';
comment on column invoice_lines.net_amount is 'What is earned: amount - discounts - the taxes that the price includes.';
comment on column invoice_lines.gross_amount is 'What is asked for: net_amount + tax_amount.';
comment on column invoice_lines.period_start is 'Of the service, included.';
comment on column invoice_lines.period_end is 'Excluded.';
comment on column invoice_lines.share is '{part, whole}: of the price''s own period.';
comment on column invoice_lines.reverses is 'invoice_lines.id of the line that a credit takes back a part of.';
comment on column invoice_lines.discounts is '[{coupon_id, code, amount}].';
comment on column invoice_lines.taxes is '[{tax_rate_id, percentage, inclusive, taxable, amount}].';
comment on column invoice_lines.events is 'Positions of the events that it comes from.';

create table credit_notes (
	ledger_id uuid not null,
	id uuid not null,
	number text collate "C" not null,
	invoice_id uuid not null,
	customer_id uuid,
	currency text collate "C" not null,
	reason text collate "C" not null,
	amount bigint not null,
	tax_total bigint not null,
	lowers_debt bigint not null,
	to_balance bigint not null,
	lines jsonb not null,
	issued_at timestamptz not null,
	position bigint not null,
	primary key (ledger_id, id)
);
create index credit_notes_by_invoice on credit_notes (ledger_id, invoice_id, position);
create index credit_notes_by_position on credit_notes (ledger_id, position);
comment on table credit_notes is 'Credit notes: parts of finalised invoices that are not asked for after all.';
comment on column credit_notes.number is 'CN-000001 and so on, without a gap.';
comment on column credit_notes.invoice_id is 'invoices.id.';
comment on column credit_notes.customer_id is 'The invoice''s.';
comment on column credit_notes.amount is 'Taxes included; lowers_debt + to_balance.';
comment on column credit_notes.tax_total is 'The tax in it.';
comment on column credit_notes.lowers_debt is 'So much less was due.';
comment on column credit_notes.to_balance is 'The rest: it was paid already, and went to the balance.';
comment on column credit_notes.lines is '[{line_id, amount, tax}]: line_id is invoice_lines.id, amount with tax.';
comment on column credit_notes.position is 'Of its event.';

create table payments (
	ledger_id uuid not null,
	id uuid not null,
	invoice_id uuid not null,
	customer_id uuid,
	currency text collate "C" not null,
	amount bigint not null,
	method text collate "C" not null,
	reference text collate "C" not null,
	paid_at timestamptz not null,
	recorded_at timestamptz not null,
	position bigint not null,
	primary key (ledger_id, id)
);
create index payments_by_invoice on payments (ledger_id, invoice_id, position);
create index payments_by_position on payments (ledger_id, position);
comment on table payments is 'Money that came for invoices.';
comment on column payments.invoice_id is 'invoices.id.';
comment on column payments.customer_id is 'The invoice''s.';
comment on column payments.paid_at is 'When it came, as whoever recorded it said.';
comment on column payments.position is 'Of its event.';

create table balances (
	ledger_id uuid not null,
	owner_id uuid not null,
	currency text collate "C" not null,
	amount bigint not null,
	owed bigint not null,
	position bigint not null,
	updated_at timestamptz not null,
	primary key (ledger_id, owner_id, currency)
) with (fillfactor = 70);
comment on table balances is 'What payers have in their favour and what they owe, in each currency.';
comment on column balances.owner_id is 'customers.id; of an invoice without a customer subscriptions.id, or invoices.id without either.';
comment on column balances.amount is 'Credit that pays coming invoices; never below 0.';
comment on column balances.owed is 'Sum of invoices.amount_due.';
comment on column balances.position is 'Of the event that changed it last.';

create table movements (
	ledger_id uuid not null,
	position bigint not null,
	owner_id uuid not null,
	currency text collate "C" not null,
	kind text collate "C" not null,
	document_id uuid not null,
	number text collate "C",
	invoice_id uuid not null,
	amount bigint not null,
	change bigint not null,
	owed bigint not null,
	balance bigint not null,
	at timestamptz not null,
	primary key (ledger_id, position)
);
create index movements_by_owner on movements (ledger_id, owner_id, position);
comment on table movements is 'A payer''s statement: each document and each change of the balance, with what is owed after it.';
comment on column movements.position is 'Of its event; the order of statements.';
comment on column movements.owner_id is 'As in balances.';
comment on column movements.kind is 'invoice, payment, creditNote, void, writeOff, balance.';
comment on column movements.document_id is 'Of the invoice, payment or credit note; of a change of the balance the invoice that caused it.';
comment on column movements.number is 'The invoice''s or the credit note''s.';
comment on column movements.amount is 'The document''s own: an invoice''s total, what was paid, credited, taken back or written off; by how much the balance changed.';
comment on column movements.change is 'By how much that changed what is owed.';
comment on column movements.owed is 'Afterwards, in this currency: the sum of change so far.';
comment on column movements.balance is 'In the payer''s favour afterwards, in this currency.';

-- +goose StatementBegin
do $$
declare t text;
begin
	foreach t in array array['invoices', 'invoice_lines', 'credit_notes', 'payments', 'balances', 'movements'] loop
		execute format('alter table %I enable row level security', t);
		if exists (select from pg_roles where rolname = 'subledger_app') then
			execute format('grant select, insert, update, delete on %I to subledger_app', t);
			execute format('grant select on %I to subledger_reader', t);
			execute format('create policy app on %I to subledger_app using (true) with check (true)', t);
			execute format($p$create policy reader on %I for select to subledger_reader
				using (ledger_id = nullif(current_setting('subledger.ledger_id', true), '')::uuid)$p$, t);
		end if;
		execute format('create policy owner on %I to current_user
			using (ledger_id = coalesce(nullif(current_setting(''subledger.ledger_id'', true), '''')::uuid, ledger_id))', t);
		execute format('alter table %I force row level security', t);
	end loop;
end $$;
-- +goose StatementEnd
