-- Written by make schema; what the migrations add up to.

CREATE TABLE public.api_keys (
    hash bytea NOT NULL,
    key_id uuid NOT NULL,
    organisation_id uuid,
    ledger_id uuid NOT NULL,
    mode text NOT NULL,
    name text NOT NULL,
    hint text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    ended_at timestamp with time zone,
    end_reason text,
    CONSTRAINT api_keys_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text, 'system'::text])))
);

COMMENT ON TABLE public.api_keys IS 'Look-up from the SHA-256 of an API key to its ledger.';

COMMENT ON COLUMN public.api_keys.ended_at IS 'From then on it opens nothing: revoked, or the end of a roll''s overlap. May lie ahead.';

CREATE TABLE public.balances (
    ledger_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    amount bigint NOT NULL,
    owed bigint NOT NULL,
    "position" bigint NOT NULL,
    updated_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.balances FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.balances IS 'What payers have in their favour and what they owe, in each currency.';

COMMENT ON COLUMN public.balances.owner_id IS 'customers.id; of an invoice without a customer subscriptions.id, or invoices.id without either.';

COMMENT ON COLUMN public.balances.amount IS 'Credit that pays coming invoices; never below 0.';

COMMENT ON COLUMN public.balances.owed IS 'Sum of invoices.amount_due.';

COMMENT ON COLUMN public.balances."position" IS 'Of the event that changed it last.';

CREATE TABLE public.capabilities (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT capabilities_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.capabilities FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.capabilities IS 'Capabilities at their newest event; licences keep the names that they were made with.';

COMMENT ON COLUMN public.capabilities.fields IS 'catalog.CapabilityFields.';

CREATE TABLE public.checkpoints (
    ledger_id uuid NOT NULL,
    projection text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    parked_at timestamp with time zone,
    parked_position bigint,
    parked_reason text,
    covers text[] COLLATE pg_catalog."C",
    CONSTRAINT checkpoints_check CHECK (((projection = '*'::text) = (covers IS NOT NULL))),
    CONSTRAINT checkpoints_check1 CHECK (((covers IS NULL) OR ((cardinality(covers) > 0) AND (parked_at IS NULL))))
)
WITH (fillfactor='50');

COMMENT ON TABLE public.checkpoints IS 'A projection''s last applied position in a ledger; moved in the transaction that writes its rows.';

COMMENT ON COLUMN public.checkpoints.parked_at IS 'Set when an event could not be applied: this ledger waits for a repair, the others go on.';

COMMENT ON COLUMN public.checkpoints.covers IS 'The projections that the row ''*'' stands for; each other row is its projection''s own.';

CREATE TABLE public.claims (
    ledger_id uuid NOT NULL,
    scope text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL COLLATE pg_catalog."C",
    stream_id uuid NOT NULL,
    CONSTRAINT claims_value_check CHECK ((octet_length(value) <= 255))
);

COMMENT ON TABLE public.claims IS 'What is unique in a ledger, and the stream that took it first.';

CREATE TABLE public.commands (
    ledger_id uuid NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    fingerprint bytea NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    answer json NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.commands IS 'Idempotency, kept for ever: a key''s answer commits with its events.';

COMMENT ON COLUMN public.commands.fingerprint IS 'sha256 of method, path and canonical body.';

COMMENT ON COLUMN public.commands.first_position IS 'First event of the command; last_position + 1 when it changed nothing.';

CREATE TABLE public.coupons (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    code text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    redemptions integer NOT NULL,
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT coupons_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.coupons FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.coupons IS 'Coupons at their newest event; what was redeemed keeps what it got.';

COMMENT ON COLUMN public.coupons.redemptions IS 'How often it was put on a subscription; taking it off again gives none back.';

COMMENT ON COLUMN public.coupons.fields IS 'catalog.CouponFields.';

CREATE TABLE public.credit_notes (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    number text NOT NULL COLLATE pg_catalog."C",
    invoice_id uuid NOT NULL,
    customer_id uuid,
    currency text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    amount bigint NOT NULL,
    tax_total bigint NOT NULL,
    lowers_debt bigint NOT NULL,
    to_balance bigint NOT NULL,
    lines jsonb NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    "position" bigint NOT NULL
);

ALTER TABLE ONLY public.credit_notes FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.credit_notes IS 'Credit notes: parts of finalised invoices that are not asked for after all.';

COMMENT ON COLUMN public.credit_notes.number IS 'CN-000001 and so on, without a gap.';

COMMENT ON COLUMN public.credit_notes.invoice_id IS 'invoices.id.';

COMMENT ON COLUMN public.credit_notes.customer_id IS 'The invoice''s.';

COMMENT ON COLUMN public.credit_notes.amount IS 'Taxes included; lowers_debt + to_balance.';

COMMENT ON COLUMN public.credit_notes.tax_total IS 'The tax in it.';

COMMENT ON COLUMN public.credit_notes.lowers_debt IS 'So much less was due.';

COMMENT ON COLUMN public.credit_notes.to_balance IS 'The rest: it was paid already, and went to the balance.';

COMMENT ON COLUMN public.credit_notes.lines IS '[{line_id, amount, tax}]: line_id is invoice_lines.id, amount with tax.';

COMMENT ON COLUMN public.credit_notes."position" IS 'Of its event.';

CREATE TABLE public.customers (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    name text COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    address jsonb NOT NULL,
    external_id text COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.customers FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.customers IS 'Customers at their newest event.';

COMMENT ON COLUMN public.customers.name IS 'Personal; made anew without it once the customer is erased.';

COMMENT ON COLUMN public.customers.email IS 'Personal, like name, and in no index.';

COMMENT ON COLUMN public.customers.address IS 'customer.PostalAddress: personal, like name.';

COMMENT ON COLUMN public.customers.external_id IS 'The caller''s own id of the customer: one customer''s in the ledger.';

COMMENT ON COLUMN public.customers.fields IS 'customer.Fields: what is not personal.';

COMMENT ON COLUMN public.customers.version IS 'Of the stream; the ETag.';

CREATE TABLE public.documents (
    ledger_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    key_id uuid,
    bytes bytea NOT NULL,
    stored_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT documents_sha256_check CHECK ((length(sha256) = 32))
);
ALTER TABLE ONLY public.documents ALTER COLUMN bytes SET STORAGE EXTERNAL;

ALTER TABLE ONLY public.documents FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.documents IS 'Files that an event has the SHA-256 of, such as invoice.documented. They cannot be made again from events: a backup needs them.';

COMMENT ON COLUMN public.documents.stream_id IS 'Of the event: invoices.id.';

COMMENT ON COLUMN public.documents.sha256 IS 'Of the file in plain.';

COMMENT ON COLUMN public.documents.key_id IS 'Of subject_keys, the key that it is encrypted with; null: it is about nobody, and is as it is.';

COMMENT ON COLUMN public.documents.bytes IS 'The file, encrypted or not. Compressed already.';

CREATE TABLE public.due (
    ledger_id uuid NOT NULL,
    stream_id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    due_at timestamp with time zone NOT NULL,
    asleep text COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    CONSTRAINT due_asleep_check CHECK ((asleep = ANY (ARRAY['incomplete'::text, 'paused'::text]))),
    CONSTRAINT due_kind_check CHECK ((kind = ANY (ARRAY['trial_end'::text, 'period_end'::text, 'expiry'::text, 'license_end'::text, 'start'::text, 'invoice'::text, 'zone'::text, 'closing'::text])))
)
WITH (fillfactor='80');

ALTER TABLE ONLY public.due FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.due IS 'What happens by time: a scheduler makes a command of each row once its instant has come; the command''s event moves or removes the row.';

COMMENT ON COLUMN public.due.asleep IS 'Why it does not happen although its instant may come; null: it does.';

CREATE TABLE public.events (
    ledger_id uuid NOT NULL,
    "position" bigint NOT NULL,
    stream_id uuid NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    data json NOT NULL,
    meta json NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    effective_at timestamp with time zone NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT events_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT events_position_check CHECK (("position" > 0)),
    CONSTRAINT events_version_check CHECK ((version > 0))
);

COMMENT ON TABLE public.events IS 'What happened. Rows are inserted and never changed; docs/event-log.md gives the hash.';

COMMENT ON COLUMN public.events.data IS 'json, not jsonb: the bytes stay as they were hashed. Personal fields are ciphertext.';

COMMENT ON COLUMN public.events.recorded_at IS 'When we knew.';

COMMENT ON COLUMN public.events.effective_at IS 'From when it counts.';

COMMENT ON COLUMN public.events.hash IS 'sha256(previous hash, header, data, meta): one chain a ledger.';

CREATE TABLE public.features (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.features FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.features IS 'Features at their newest event.';

COMMENT ON COLUMN public.features.fields IS 'catalog.FeatureFields: enum options included.';

CREATE TABLE public.installation (
    only_row boolean DEFAULT true NOT NULL,
    system_ledger_id uuid NOT NULL,
    master_key_check bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT installation_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.installation IS 'One row: which ledger is the system ledger, and a value that only the right master key opens.';

CREATE TABLE public.invoice_lines (
    ledger_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    line_number integer NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL COLLATE pg_catalog."C",
    subscription_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    plan_version integer NOT NULL,
    product_id uuid NOT NULL,
    price_key text NOT NULL COLLATE pg_catalog."C",
    quantity text NOT NULL COLLATE pg_catalog."C",
    unit_amount numeric,
    amount bigint NOT NULL,
    discount_amount bigint NOT NULL,
    tax_amount bigint NOT NULL,
    net_amount bigint NOT NULL,
    gross_amount bigint NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    share jsonb NOT NULL,
    proration_mode text NOT NULL COLLATE pg_catalog."C",
    reverses uuid,
    discounts jsonb NOT NULL,
    taxes jsonb NOT NULL,
    events jsonb NOT NULL,
    CONSTRAINT invoice_lines_unit_amount_check CHECK ((unit_amount <> 'NaN'::numeric))
);

ALTER TABLE ONLY public.invoice_lines FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.invoice_lines IS 'Lines of invoices. A draft''s are replaced until it is finalised. Amounts are minor units of the invoice''s currency; credits are negative.';

COMMENT ON COLUMN public.invoice_lines.invoice_id IS 'invoices.id.';

COMMENT ON COLUMN public.invoice_lines.line_number IS 'Place on the invoice, from 1.';

COMMENT ON COLUMN public.invoice_lines.kind IS 'period, prorationCredit, prorationDebit, usage, adjustment, minimum.';

COMMENT ON COLUMN public.invoice_lines.quantity IS 'A decimal or, where it is none, a fraction such as 23/3.';

COMMENT ON COLUMN public.invoice_lines.unit_amount IS 'Minor units, with as many places as the price has; null: the price has tiers.';

COMMENT ON COLUMN public.invoice_lines.amount IS 'Before discounts and taxes.';

COMMENT ON COLUMN public.invoice_lines.discount_amount IS 'Sum of discounts.';

COMMENT ON COLUMN public.invoice_lines.tax_amount IS 'Sum of taxes.';

COMMENT ON COLUMN public.invoice_lines.net_amount IS 'What is earned: amount - discounts - the taxes that the price includes.';

COMMENT ON COLUMN public.invoice_lines.gross_amount IS 'What is asked for: net_amount + tax_amount.';

COMMENT ON COLUMN public.invoice_lines.period_start IS 'Of the service, included.';

COMMENT ON COLUMN public.invoice_lines.period_end IS 'Excluded.';

COMMENT ON COLUMN public.invoice_lines.share IS '{part, whole}: of the price''s own period.';

COMMENT ON COLUMN public.invoice_lines.reverses IS 'invoice_lines.id of the line that a credit takes back a part of.';

COMMENT ON COLUMN public.invoice_lines.discounts IS '[{coupon_id, code, amount}].';

COMMENT ON COLUMN public.invoice_lines.taxes IS '[{tax_rate_id, percentage, inclusive, taxable, amount}].';

COMMENT ON COLUMN public.invoice_lines.events IS 'Positions of the events that it comes from.';

CREATE TABLE public.invoices (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    number text COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    customer_id uuid,
    subscription_id uuid,
    currency text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL COLLATE pg_catalog."C",
    period_start timestamp with time zone,
    period_end timestamp with time zone,
    tax_exempt text COLLATE pg_catalog."C",
    issued_at timestamp with time zone,
    due_at timestamp with time zone,
    dated_at timestamp with time zone NOT NULL,
    line_count integer NOT NULL,
    subtotal bigint NOT NULL,
    discount_total bigint NOT NULL,
    tax_total bigint NOT NULL,
    total bigint NOT NULL,
    balance_applied bigint NOT NULL,
    amount_paid bigint NOT NULL,
    credited bigint NOT NULL,
    amount_due bigint NOT NULL,
    drafted_position bigint NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    finalize_at timestamp with time zone,
    document jsonb,
    debit_note_of uuid,
    debit_note_to text,
    CONSTRAINT invoices_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'open'::text, 'paid'::text, 'void'::text, 'uncollectible'::text])))
);

ALTER TABLE ONLY public.invoices FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.invoices IS 'Invoices at their newest event. Amounts are minor units of the currency. A discarded draft stays, void and without a number.';

COMMENT ON COLUMN public.invoices.number IS 'Given when it was finalised: INV-000001 and so on, without a gap; null for drafts.';

COMMENT ON COLUMN public.invoices.status IS 'draft; open: something is due; paid: nothing is; void: taken back, its number stays; uncollectible: due, but nobody expects it.';

COMMENT ON COLUMN public.invoices.customer_id IS 'Who pays: customers.id; null for a subscription without a customer.';

COMMENT ON COLUMN public.invoices.subscription_id IS 'What it bills: subscriptions.id.';

COMMENT ON COLUMN public.invoices.currency IS 'ISO 4217.';

COMMENT ON COLUMN public.invoices.reason IS 'period, proration, cancel, manual.';

COMMENT ON COLUMN public.invoices.period_start IS 'Of the period that it is for, included; null when it is for none.';

COMMENT ON COLUMN public.invoices.period_end IS 'Excluded.';

COMMENT ON COLUMN public.invoices.tax_exempt IS 'Why no tax was charged; null: tax was, as the rates say.';

COMMENT ON COLUMN public.invoices.issued_at IS 'When it was finalised; null for drafts.';

COMMENT ON COLUMN public.invoices.due_at IS 'By when it is to be paid; null for drafts.';

COMMENT ON COLUMN public.invoices.dated_at IS 'issued_at, or when it was drafted while it is not issued.';

COMMENT ON COLUMN public.invoices.line_count IS 'Rows in invoice_lines.';

COMMENT ON COLUMN public.invoices.subtotal IS 'Sum of the lines'' amounts.';

COMMENT ON COLUMN public.invoices.discount_total IS 'Sum of the lines'' discounts; positive: less to pay.';

COMMENT ON COLUMN public.invoices.tax_total IS 'Sum of the lines'' taxes, those that prices include too.';

COMMENT ON COLUMN public.invoices.total IS 'subtotal - discount_total + the taxes that prices do not include.';

COMMENT ON COLUMN public.invoices.balance_applied IS 'What the payer''s balance paid; below 0: the whole of a negative total, by which the balance grew.';

COMMENT ON COLUMN public.invoices.amount_paid IS 'Sum of payments.amount.';

COMMENT ON COLUMN public.invoices.credited IS 'Sum of credit_notes.lowers_debt.';

COMMENT ON COLUMN public.invoices.amount_due IS 'What is still to be paid: total - balance_applied - amount_paid - credited, never below 0; 0 while it is a draft or void.';

COMMENT ON COLUMN public.invoices.drafted_position IS 'Of the event that made it; lists are in its order.';

COMMENT ON COLUMN public.invoices.version IS 'Of the stream; the ETag.';

COMMENT ON COLUMN public.invoices.finalize_at IS 'When a draft is finalised by itself; null when it is not, and once it is no draft.';

COMMENT ON COLUMN public.invoices.document IS 'sha256, template, size and rendered_at of the PDF file as it was first given out; null: nobody asked for it yet.';

COMMENT ON COLUMN public.invoices.debit_note_of IS 'invoices.id of the invoice that a debit note adds to; null: it is no debit note.';

COMMENT ON COLUMN public.invoices.debit_note_to IS 'The number of that invoice.';

CREATE TABLE public.ledgers (
    ledger_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    mode text NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    head bytea NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    clock timestamp with time zone,
    wrapped_key bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ledgers_check CHECK (((clock IS NULL) OR (mode = 'test'::text))),
    CONSTRAINT ledgers_head_check CHECK ((octet_length(head) = 32)),
    CONSTRAINT ledgers_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'test'::text, 'system'::text]))),
    CONSTRAINT ledgers_position_check CHECK (("position" >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE public.ledgers IS 'One row a ledger: its end. The only arbiter between writers is `update … where position = $old`.';

COMMENT ON COLUMN public.ledgers."position" IS 'Position of the last event; 0 when there is none.';

COMMENT ON COLUMN public.ledgers.head IS 'Hash of the last event; 32 zero bytes when there is none.';

COMMENT ON COLUMN public.ledgers.recorded_at IS 'recorded_at of the last event; it never goes backwards.';

COMMENT ON COLUMN public.ledgers.clock IS 'A test ledger''s clock as its last clock.moved event set it; null: the system clock.';

COMMENT ON COLUMN public.ledgers.wrapped_key IS 'The ledger''s data key, encrypted with the installation''s master key.';

CREATE TABLE public.licenses (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    subscription_id uuid,
    product_id uuid NOT NULL,
    grantee text COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    start_time timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    end_reason text COLLATE pg_catalog."C",
    capabilities jsonb,
    created_position bigint NOT NULL,
    terms jsonb,
    plan_id uuid,
    purchaser text COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    end_time timestamp with time zone,
    cancel_at_period_end boolean NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT licenses_check CHECK (((subscription_id IS NULL) = (end_time IS NOT NULL))),
    CONSTRAINT licenses_check1 CHECK (((subscription_id IS NOT NULL) OR (terms IS NOT NULL)))
)
WITH (fillfactor='90');

ALTER TABLE ONLY public.licenses FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.licenses IS 'Seats and ad hoc licences. A seat does not repeat its subscription''s plan, status and dates: a change of a large subscription changes one row.';

COMMENT ON COLUMN public.licenses.subscription_id IS 'Null for an ad hoc licence.';

COMMENT ON COLUMN public.licenses.status IS 'As recorded for the licence itself; a seat''s subscription and the instant have their say too.';

COMMENT ON COLUMN public.licenses.capabilities IS 'Frozen at creation; null, or made before subscriptions.terms_position: those of the subscription''s terms.';

COMMENT ON COLUMN public.licenses.terms IS 'catalog.PlanTerms of an ad hoc licence or a removed seat; a live seat has its subscription''s.';

COMMENT ON COLUMN public.licenses.plan_id IS 'Where terms are given: their plan.';

COMMENT ON COLUMN public.licenses.purchaser IS 'Of an ad hoc licence; a seat''s is the owner of its subscription.';

CREATE TABLE public.meters (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT meters_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.meters FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.meters IS 'Meters at their newest event.';

COMMENT ON COLUMN public.meters.fields IS 'catalog.MeterFields.';

CREATE TABLE public.movements (
    ledger_id uuid NOT NULL,
    "position" bigint NOT NULL,
    owner_id uuid NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    document_id uuid NOT NULL,
    number text COLLATE pg_catalog."C",
    invoice_id uuid NOT NULL,
    amount bigint NOT NULL,
    change bigint NOT NULL,
    owed bigint NOT NULL,
    balance bigint NOT NULL,
    at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.movements FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.movements IS 'A payer''s statement: each document and each change of the balance, with what is owed after it.';

COMMENT ON COLUMN public.movements."position" IS 'Of its event; the order of statements.';

COMMENT ON COLUMN public.movements.owner_id IS 'As in balances.';

COMMENT ON COLUMN public.movements.kind IS 'invoice, payment, creditNote, void, writeOff, balance.';

COMMENT ON COLUMN public.movements.document_id IS 'Of the invoice, payment or credit note; of a change of the balance the invoice that caused it.';

COMMENT ON COLUMN public.movements.number IS 'The invoice''s or the credit note''s.';

COMMENT ON COLUMN public.movements.amount IS 'The document''s own: an invoice''s total, what was paid, credited, taken back or written off; by how much the balance changed.';

COMMENT ON COLUMN public.movements.change IS 'By how much that changed what is owed.';

COMMENT ON COLUMN public.movements.owed IS 'Afterwards, in this currency: the sum of change so far.';

COMMENT ON COLUMN public.movements.balance IS 'In the payer''s favour afterwards, in this currency.';

CREATE TABLE public.organisations (
    organisation_id uuid NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    time_zone text NOT NULL,
    live_ledger_id uuid NOT NULL,
    test_ledger_id uuid NOT NULL,
    secp256k1_public bytea NOT NULL,
    secp256k1_private bytea NOT NULL,
    p256_public bytea NOT NULL,
    p256_private bytea NOT NULL,
    created_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.organisations IS 'Look-up of organisations; private keys are encrypted with the master key.';

CREATE TABLE public.payments (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    customer_id uuid,
    currency text NOT NULL COLLATE pg_catalog."C",
    amount bigint NOT NULL,
    method text NOT NULL COLLATE pg_catalog."C",
    reference text NOT NULL COLLATE pg_catalog."C",
    paid_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    "position" bigint NOT NULL
);

ALTER TABLE ONLY public.payments FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.payments IS 'Money that came for invoices.';

COMMENT ON COLUMN public.payments.invoice_id IS 'invoices.id.';

COMMENT ON COLUMN public.payments.customer_id IS 'The invoice''s.';

COMMENT ON COLUMN public.payments.paid_at IS 'When it came, as whoever recorded it said.';

COMMENT ON COLUMN public.payments."position" IS 'Of its event.';

CREATE TABLE public.plan_buyers (
    ledger_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    waits boolean NOT NULL
);

ALTER TABLE ONLY public.plan_buyers FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.plan_buyers IS 'What each subscription is on; for the fold of plan_sales alone.';

COMMENT ON COLUMN public.plan_buyers.waits IS 'For its first payment: nothing is sold before.';

CREATE TABLE public.plan_sales (
    ledger_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL
);

ALTER TABLE ONLY public.plan_sales FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.plan_sales IS 'Plans that a subscription was started on or moved to and that gave access for it, by currency.';

COMMENT ON COLUMN public.plan_sales.currency IS 'The subscription''s; empty for one that has none.';

COMMENT ON COLUMN public.plan_sales."position" IS 'Of the event that was the first.';

CREATE TABLE public.plans (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    slug text NOT NULL COLLATE pg_catalog."C",
    plan_version integer NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT plans_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.plans FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.plans IS 'Plans at their newest event. What was sold keeps the terms it was sold under.';

COMMENT ON COLUMN public.plans.plan_version IS 'Rises with a change of prices only.';

COMMENT ON COLUMN public.plans.fields IS 'catalog.PlanFields: with capabilities, features, currencies and prices.';

CREATE TABLE public.pricing_tables (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT pricing_tables_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.pricing_tables FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.pricing_tables IS 'Pricing tables at their newest event.';

COMMENT ON COLUMN public.pricing_tables.fields IS 'catalog.PricingTableFields: with the plans and features that are shown.';

CREATE TABLE public.products (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    slug text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT products_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.products FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.products IS 'What is sold, at the newest event of each product.';

COMMENT ON COLUMN public.products.fields IS 'catalog.ProductFields: all fields as callers set them, currencies included.';

COMMENT ON COLUMN public.products.version IS 'Of the product''s stream; the ETag.';

COMMENT ON COLUMN public.products."position" IS 'Of the last event that changed the row, in its ledger.';

CREATE VIEW public.projection_positions AS
 SELECT c.ledger_id,
    p.projection,
    c."position",
    c.updated_at,
    c.parked_at,
    c.parked_position,
    c.parked_reason
   FROM (public.checkpoints c
     CROSS JOIN LATERAL unnest(COALESCE(c.covers, ARRAY[c.projection])) p(projection));

COMMENT ON VIEW public.projection_positions IS 'How far each projection has read each ledger, whichever checkpoint stands for it.';

CREATE TABLE public.provider_calls (
    ledger_id uuid NOT NULL,
    task_id uuid NOT NULL,
    event_id uuid NOT NULL,
    provider text NOT NULL COLLATE pg_catalog."C",
    correlation text NOT NULL COLLATE pg_catalog."C",
    attempt integer DEFAULT 1 NOT NULL,
    answered integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL,
    asked_at timestamp with time zone,
    asked_position bigint,
    lease uuid,
    poisoned boolean DEFAULT false NOT NULL,
    CONSTRAINT provider_calls_answered_check CHECK ((answered >= 0)),
    CONSTRAINT provider_calls_attempt_check CHECK ((attempt > 0)),
    CONSTRAINT provider_calls_check CHECK (((asked_at IS NULL) = (asked_position IS NULL)))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000');

COMMENT ON TABLE public.provider_calls IS 'Open calls of outside providers, one a task. A row goes when its task has succeeded or failed.';

COMMENT ON COLUMN public.provider_calls.event_id IS 'Of the task''s task.requested; with answered + 1 the idempotency key towards the provider.';

COMMENT ON COLUMN public.provider_calls.attempt IS 'Number of the next report to the task.';

COMMENT ON COLUMN public.provider_calls.answered IS 'Definite answers of the provider so far. What is asked again after a lost answer has the same key.';

COMMENT ON COLUMN public.provider_calls.due_at IS 'When it is to be taken up. Taking it moves this to the end of the lease, so that a killed worker''s row comes up again by itself.';

COMMENT ON COLUMN public.provider_calls.asked_at IS 'When the provider was first asked for this answer.';

COMMENT ON COLUMN public.provider_calls.asked_position IS 'The ledger''s position then; the built-in provider answers as it was configured there.';

COMMENT ON COLUMN public.provider_calls.lease IS 'Who has it, a new id at each taking; null: nobody.';

COMMENT ON COLUMN public.provider_calls.poisoned IS 'Its message could not be handled: the task fails without a call.';

CREATE TABLE public.rbac_permissions (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    fields jsonb NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.rbac_permissions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.rbac_permissions IS 'Permissions at their newest event; a deleted one has no row.';

COMMENT ON COLUMN public.rbac_permissions.fields IS 'rbac.PermissionFields: value, type, description, dependencies.';

CREATE TABLE public.rbac_roles (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    fields jsonb NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.rbac_roles FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.rbac_roles IS 'Roles at their newest event; a deleted one has no row.';

COMMENT ON COLUMN public.rbac_roles.fields IS 'rbac.RoleFields: name, description and ids of permissions, of which some may be deleted.';

CREATE TABLE public.rbac_users (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    name text COLLATE pg_catalog."C",
    role_id uuid,
    permissions jsonb NOT NULL,
    created_position bigint NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.rbac_users FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.rbac_users IS 'Users at their newest event; a deleted one has no row.';

COMMENT ON COLUMN public.rbac_users.id IS 'The user''s stream.';

COMMENT ON COLUMN public.rbac_users.user_id IS 'What the organisation calls the user; erased-… when that was erased.';

COMMENT ON COLUMN public.rbac_users.role_id IS 'It may be deleted.';

COMMENT ON COLUMN public.rbac_users.permissions IS 'Ids of permissions, of which some may be deleted.';

COMMENT ON COLUMN public.rbac_users.created_position IS 'Of the event that made the user, in its ledger; the order of lists.';

CREATE TABLE public.rejected_usage (
    ledger_id uuid NOT NULL,
    "position" bigint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    license_id uuid NOT NULL,
    subscription_id uuid,
    meter text NOT NULL COLLATE pg_catalog."C",
    quantity numeric NOT NULL,
    at timestamp with time zone NOT NULL,
    reason text NOT NULL COLLATE pg_catalog."C",
    rejected_at timestamp with time zone NOT NULL,
    CONSTRAINT rejected_usage_quantity_check CHECK ((quantity <> 'NaN'::numeric))
);

ALTER TABLE ONLY public.rejected_usage FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.rejected_usage IS 'Usage records that were refused and are kept to be looked at: once a key, 1,000 a licence at most. They count nowhere.';

COMMENT ON COLUMN public.rejected_usage."position" IS 'Of the event that keeps it.';

COMMENT ON COLUMN public.rejected_usage.at IS 'When it happened, as the record said.';

CREATE TABLE public.schema_migrations (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.schema_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.schema_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.seat_terms (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    terms jsonb NOT NULL,
    terms_position bigint NOT NULL
);

ALTER TABLE ONLY public.seat_terms FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.seat_terms IS 'A subscription''s terms in force, as in subscriptions; for the fold of licenses alone.';

CREATE TABLE public.subject_keys (
    ledger_id uuid NOT NULL,
    key_id uuid NOT NULL,
    subject bytea NOT NULL,
    wrapped_key bytea,
    created_at timestamp with time zone NOT NULL,
    destroyed_at timestamp with time zone,
    CONSTRAINT subject_keys_check CHECK (((wrapped_key IS NULL) = (destroyed_at IS NOT NULL)))
);

COMMENT ON TABLE public.subject_keys IS 'Keys of personal fields, one or more a subject. Destroying all of a subject''s keys erases it from history.';

COMMENT ON COLUMN public.subject_keys.subject IS 'HMAC-SHA256 of the subject''s name under the ledger''s key.';

COMMENT ON COLUMN public.subject_keys.wrapped_key IS 'Encrypted with the ledger''s key; null once destroyed.';

CREATE TABLE public.subscriptions (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    product_id uuid NOT NULL,
    plan_id uuid NOT NULL,
    terms jsonb NOT NULL,
    terms_position bigint NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    customer_id uuid,
    quantity integer NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    start_at timestamp with time zone NOT NULL,
    anchor_at timestamp with time zone NOT NULL,
    time_zone text NOT NULL COLLATE pg_catalog."C",
    trial_end timestamp with time zone,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    proration_mode text NOT NULL COLLATE pg_catalog."C",
    provider text NOT NULL COLLATE pg_catalog."C",
    owner text COLLATE pg_catalog."C",
    email text COLLATE pg_catalog."C",
    cancel_at timestamp with time zone,
    canceled_at timestamp with time zone,
    ended_at timestamp with time zone,
    end_reason text COLLATE pg_catalog."C",
    paused_at timestamp with time zone,
    resumes_as text COLLATE pg_catalog."C",
    open_changes jsonb NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    coupons jsonb DEFAULT '[]'::jsonb NOT NULL,
    pending_change jsonb,
    grace_until timestamp with time zone,
    trial_outcome text COLLATE pg_catalog."C",
    CONSTRAINT subscriptions_trial_outcome_check CHECK ((trial_outcome = ANY (ARRAY['pause'::text, 'cancel'::text])))
)
WITH (fillfactor='80');

ALTER TABLE ONLY public.subscriptions FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.subscriptions IS 'Subscriptions as recorded. What counts at an instant is computed from it: ends and trial ends happen whether or not a scheduler recorded them.';

COMMENT ON COLUMN public.subscriptions.terms IS 'catalog.PlanTerms in force: frozen copy of the plan, capabilities included.';

COMMENT ON COLUMN public.subscriptions.terms_position IS 'Position at which these terms came into force; seats made before it have their capabilities.';

COMMENT ON COLUMN public.subscriptions.status IS 'As last recorded; see cancel_at and trial_end for what happens by time.';

COMMENT ON COLUMN public.subscriptions.cancel_at IS 'Scheduled end; null while it renews.';

COMMENT ON COLUMN public.subscriptions.canceled_at IS 'When the cancellation was asked for.';

COMMENT ON COLUMN public.subscriptions.ended_at IS 'The end that was recorded.';

COMMENT ON COLUMN public.subscriptions.end_reason IS 'canceled: at once; expired: at the instant that was scheduled.';

COMMENT ON COLUMN public.subscriptions.resumes_as IS 'While it is paused, and when it ended so: the status it would have had otherwise.';

COMMENT ON COLUMN public.subscriptions.open_changes IS 'Changes that wait for their task: [{task_id, seats, plan_id}].';

COMMENT ON COLUMN public.subscriptions.coupons IS 'The coupons on it, in order of their being applied: [subscription.Coupon].';

COMMENT ON COLUMN public.subscriptions.pending_change IS 'subscription.PendingChange: what waits for the end of the period; null: nothing.';

COMMENT ON COLUMN public.subscriptions.grace_until IS 'A payment is missing: from then on there is no access; null: none is, or there is no end.';

COMMENT ON COLUMN public.subscriptions.trial_outcome IS 'What the trial''s end brings as things stand: pause, cancel; null: it goes on, or has come.';

CREATE TABLE public.tasks (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    subject uuid NOT NULL,
    provider text NOT NULL COLLATE pg_catalog."C",
    params jsonb NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    retries integer NOT NULL,
    error_code text COLLATE pg_catalog."C",
    error_message text,
    next_at timestamp with time zone,
    positions jsonb NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT tasks_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'pending'::text, 'retrying'::text, 'success'::text, 'failed'::text, 'incomplete'::text])))
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.tasks FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.tasks IS 'How far asynchronous commands got. A status never moves backwards: success and failed are for ever.';

COMMENT ON COLUMN public.tasks.retries IS 'Attempts that failed; each attempt counts once.';

COMMENT ON COLUMN public.tasks.next_at IS 'When it is tried again, while it is retrying.';

COMMENT ON COLUMN public.tasks.positions IS 'Positions of the task''s own events and of those that it caused, ascending.';

CREATE TABLE public.tax_rates (
    ledger_id uuid NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    fields jsonb NOT NULL,
    archived_at timestamp with time zone,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT tax_rates_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'DEPRECATED'::text])))
);

ALTER TABLE ONLY public.tax_rates FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.tax_rates IS 'Tax rates at their newest event; what was billed keeps the percentage it had.';

COMMENT ON COLUMN public.tax_rates.fields IS 'catalog.TaxRateFields.';

CREATE TABLE public.usage_periods (
    ledger_id uuid NOT NULL,
    license_id uuid NOT NULL,
    meter text NOT NULL COLLATE pg_catalog."C",
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    subscription_id uuid,
    total numeric NOT NULL,
    highest numeric NOT NULL,
    last numeric NOT NULL,
    records bigint NOT NULL,
    last_at timestamp with time zone NOT NULL,
    "position" bigint NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT usage_periods_highest_check CHECK ((highest <> 'NaN'::numeric)),
    CONSTRAINT usage_periods_last_check CHECK ((last <> 'NaN'::numeric)),
    CONSTRAINT usage_periods_total_check CHECK ((total <> 'NaN'::numeric))
)
WITH (fillfactor='50');

ALTER TABLE ONLY public.usage_periods FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.usage_periods IS 'Usage by the period of its own instant: the subscription''s periods as known when it was recorded; calendar months (UTC) for ad hoc licences.';

COMMENT ON COLUMN public.usage_periods.highest IS 'The largest single quantity.';

COMMENT ON COLUMN public.usage_periods.last IS 'The quantity at last_at; the later recorded of two at one instant.';

CREATE TABLE public.usage_record_schedules (
    ledger_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    anchor_at timestamp with time zone NOT NULL,
    "interval" text NOT NULL COLLATE pg_catalog."C",
    length integer NOT NULL,
    time_zone text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    since timestamp with time zone NOT NULL,
    moved_start timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    moved_end timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.usage_record_schedules FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.usage_record_schedules IS 'How to find the period of an instant of a subscription, as in usage_schedules.';

COMMENT ON COLUMN public.usage_record_schedules.number IS 'Counts the subscription''s schedules; periods of earlier ones are over.';

COMMENT ON COLUMN public.usage_record_schedules.since IS 'When it took the place of the one before.';

COMMENT ON COLUMN public.usage_record_schedules.moved_start IS 'As in usage_schedules.';

COMMENT ON COLUMN public.usage_record_schedules.moved_end IS 'As in usage_schedules.';

CREATE TABLE public.usage_records (
    ledger_id uuid NOT NULL,
    license_id uuid NOT NULL,
    period_start timestamp with time zone NOT NULL,
    period_end timestamp with time zone NOT NULL,
    id uuid NOT NULL,
    subscription_id uuid,
    plan_id uuid NOT NULL,
    schedule integer NOT NULL,
    total numeric NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT usage_records_total_check CHECK ((total <> 'NaN'::numeric))
)
WITH (fillfactor='50');

ALTER TABLE ONLY public.usage_records FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.usage_records IS 'Usage of a licence over all meters, by the periods of usage_periods.';

COMMENT ON COLUMN public.usage_records.id IS 'Follows from the licence and the period; in order of the periods'' beginnings.';

COMMENT ON COLUMN public.usage_records.plan_id IS 'At the last record.';

COMMENT ON COLUMN public.usage_records.schedule IS 'Which of the subscription''s schedules the period is of: usage_record_schedules.number when it was recorded; 0 for an ad hoc licence.';

CREATE TABLE public.usage_schedules (
    ledger_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    anchor_at timestamp with time zone NOT NULL,
    "interval" text NOT NULL COLLATE pg_catalog."C",
    length integer NOT NULL,
    time_zone text NOT NULL COLLATE pg_catalog."C",
    moved_start timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL,
    moved_end timestamp with time zone DEFAULT '1970-01-01 00:00:00+00'::timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.usage_schedules FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.usage_schedules IS 'How to find the period of an instant of a subscription; for the fold of usage_periods alone.';

COMMENT ON COLUMN public.usage_schedules.moved_start IS 'The period that was under way when the calendar became another one keeps its start: it is from here,';

COMMENT ON COLUMN public.usage_schedules.moved_end IS 'to here. Both 1970: there is none.';

CREATE TABLE public.usage_totals (
    ledger_id uuid NOT NULL,
    license_id uuid NOT NULL,
    meter text NOT NULL COLLATE pg_catalog."C",
    subscription_id uuid,
    plan_id uuid NOT NULL,
    product_id uuid NOT NULL,
    total numeric NOT NULL,
    records bigint NOT NULL,
    last_at timestamp with time zone NOT NULL,
    version bigint NOT NULL,
    "position" bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    CONSTRAINT usage_totals_total_check CHECK ((total <> 'NaN'::numeric))
)
WITH (fillfactor='50');

ALTER TABLE ONLY public.usage_totals FORCE ROW LEVEL SECURITY;

COMMENT ON TABLE public.usage_totals IS 'Sum of all usage of a licence on a meter.';

COMMENT ON COLUMN public.usage_totals.meter IS 'A meter''s key; empty for the default meter.';

COMMENT ON COLUMN public.usage_totals.last_at IS 'The latest instant of a record.';

CREATE TABLE public.watermill_messages (
    topic text NOT NULL COLLATE pg_catalog."C",
    serial bigint NOT NULL,
    uuid uuid NOT NULL,
    payload json NOT NULL,
    metadata json NOT NULL,
    published_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT watermill_messages_serial_check CHECK ((serial > 0))
);

COMMENT ON TABLE public.watermill_messages IS 'Messages in the order in which they were committed. Acknowledged ones are swept after some days.';

COMMENT ON COLUMN public.watermill_messages.uuid IS 'Id of the event that caused it; the same message may be published twice.';

COMMENT ON COLUMN public.watermill_messages.metadata IS 'Ledger, position and correlation id; for a poisoned message, why.';

CREATE TABLE public.watermill_offsets (
    topic text NOT NULL COLLATE pg_catalog."C",
    consumer_group text NOT NULL COLLATE pg_catalog."C",
    acked bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE public.watermill_offsets IS 'How far each consumer group has got; its row is locked while a batch of it is handled.';

COMMENT ON COLUMN public.watermill_offsets.acked IS 'Serial of the last acknowledged message.';

CREATE TABLE public.watermill_topics (
    topic text NOT NULL COLLATE pg_catalog."C",
    serial bigint DEFAULT 0 NOT NULL,
    CONSTRAINT watermill_topics_serial_check CHECK ((serial >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE public.watermill_topics IS 'One row a topic. Who publishes moves it first and holds it until the commit: one publishing transaction a topic at a time, so serials are commit order and have no holes.';

COMMENT ON COLUMN public.watermill_topics.serial IS 'Serial of the topic''s last message.';

CREATE TABLE public.zone_release (
    only_row boolean DEFAULT true NOT NULL,
    release text NOT NULL,
    checked_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT zone_release_only_row_check CHECK (only_row)
);

COMMENT ON TABLE public.zone_release IS 'One row: the release of the time zone database by which all periods under way end where they should.';

COMMENT ON COLUMN public.zone_release.release IS 'As IANA names it, such as 2025c.';

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_id_key UNIQUE (key_id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.balances
    ADD CONSTRAINT balances_pkey PRIMARY KEY (ledger_id, owner_id, currency);

ALTER TABLE ONLY public.capabilities
    ADD CONSTRAINT capabilities_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_pkey PRIMARY KEY (ledger_id, projection);

ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_pkey PRIMARY KEY (ledger_id, scope, value);

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (ledger_id, key);

ALTER TABLE ONLY public.coupons
    ADD CONSTRAINT coupons_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.credit_notes
    ADD CONSTRAINT credit_notes_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (ledger_id, stream_id, sha256);

ALTER TABLE ONLY public.due
    ADD CONSTRAINT due_pkey PRIMARY KEY (ledger_id, stream_id, kind);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_ledger_id_stream_id_version_key UNIQUE (ledger_id, stream_id, version);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (ledger_id, "position");

ALTER TABLE ONLY public.features
    ADD CONSTRAINT features_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.invoice_lines
    ADD CONSTRAINT invoice_lines_pkey PRIMARY KEY (ledger_id, invoice_id, line_number);

ALTER TABLE ONLY public.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.ledgers
    ADD CONSTRAINT ledgers_pkey PRIMARY KEY (ledger_id);

ALTER TABLE ONLY public.licenses
    ADD CONSTRAINT licenses_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.meters
    ADD CONSTRAINT meters_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.movements
    ADD CONSTRAINT movements_pkey PRIMARY KEY (ledger_id, "position");

ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (organisation_id);

ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.plan_buyers
    ADD CONSTRAINT plan_buyers_pkey PRIMARY KEY (ledger_id, subscription_id);

ALTER TABLE ONLY public.plan_sales
    ADD CONSTRAINT plan_sales_pkey PRIMARY KEY (ledger_id, plan_id, currency);

ALTER TABLE ONLY public.plans
    ADD CONSTRAINT plans_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.pricing_tables
    ADD CONSTRAINT pricing_tables_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.products
    ADD CONSTRAINT products_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.provider_calls
    ADD CONSTRAINT provider_calls_pkey PRIMARY KEY (ledger_id, task_id);

ALTER TABLE ONLY public.rbac_permissions
    ADD CONSTRAINT rbac_permissions_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.rbac_roles
    ADD CONSTRAINT rbac_roles_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.rbac_users
    ADD CONSTRAINT rbac_users_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.rejected_usage
    ADD CONSTRAINT rejected_usage_pkey PRIMARY KEY (ledger_id, "position");

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.seat_terms
    ADD CONSTRAINT seat_terms_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.subject_keys
    ADD CONSTRAINT subject_keys_pkey PRIMARY KEY (ledger_id, key_id);

ALTER TABLE ONLY public.subscriptions
    ADD CONSTRAINT subscriptions_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.tax_rates
    ADD CONSTRAINT tax_rates_pkey PRIMARY KEY (ledger_id, id);

ALTER TABLE ONLY public.usage_periods
    ADD CONSTRAINT usage_periods_pkey PRIMARY KEY (ledger_id, license_id, meter, period_start);

ALTER TABLE ONLY public.usage_record_schedules
    ADD CONSTRAINT usage_record_schedules_pkey PRIMARY KEY (ledger_id, subscription_id);

ALTER TABLE ONLY public.usage_records
    ADD CONSTRAINT usage_records_pkey PRIMARY KEY (ledger_id, license_id, period_start);

ALTER TABLE ONLY public.usage_schedules
    ADD CONSTRAINT usage_schedules_pkey PRIMARY KEY (ledger_id, subscription_id);

ALTER TABLE ONLY public.usage_totals
    ADD CONSTRAINT usage_totals_pkey PRIMARY KEY (ledger_id, license_id, meter);

ALTER TABLE ONLY public.watermill_messages
    ADD CONSTRAINT watermill_messages_pkey PRIMARY KEY (topic, serial);

ALTER TABLE ONLY public.watermill_offsets
    ADD CONSTRAINT watermill_offsets_pkey PRIMARY KEY (topic, consumer_group);

ALTER TABLE ONLY public.watermill_topics
    ADD CONSTRAINT watermill_topics_pkey PRIMARY KEY (topic);

ALTER TABLE ONLY public.zone_release
    ADD CONSTRAINT zone_release_pkey PRIMARY KEY (only_row);

CREATE INDEX api_keys_by_organisation ON public.api_keys USING btree (organisation_id, created_at);

CREATE INDEX capabilities_by_product ON public.capabilities USING btree (ledger_id, product_id, id);

CREATE INDEX coupons_by_code ON public.coupons USING btree (ledger_id, code);

CREATE INDEX credit_notes_by_customer ON public.credit_notes USING btree (ledger_id, customer_id, "position");

CREATE INDEX credit_notes_by_invoice ON public.credit_notes USING btree (ledger_id, invoice_id, "position");

CREATE INDEX credit_notes_by_position ON public.credit_notes USING btree (ledger_id, "position");

CREATE INDEX customers_by_external_id ON public.customers USING btree (ledger_id, external_id, id) WHERE (external_id IS NOT NULL);

CREATE INDEX due_by_time ON public.due USING btree (ledger_id, due_at, stream_id, kind) WHERE (asleep IS NULL);

CREATE INDEX features_by_product ON public.features USING btree (ledger_id, product_id, id);

CREATE INDEX invoice_lines_by_id ON public.invoice_lines USING btree (ledger_id, id);

CREATE INDEX invoices_by_customer ON public.invoices USING btree (ledger_id, customer_id, drafted_position) WHERE (customer_id IS NOT NULL);

CREATE INDEX invoices_by_date ON public.invoices USING btree (ledger_id, dated_at, drafted_position);

CREATE INDEX invoices_by_drafting ON public.invoices USING btree (ledger_id, drafted_position);

CREATE INDEX invoices_by_status ON public.invoices USING btree (ledger_id, status, drafted_position);

CREATE INDEX invoices_by_subscription ON public.invoices USING btree (ledger_id, subscription_id, drafted_position) WHERE (subscription_id IS NOT NULL);

CREATE INDEX ledgers_by_organisation ON public.ledgers USING btree (organisation_id, ledger_id);

CREATE INDEX licenses_by_grantee ON public.licenses USING btree (ledger_id, grantee, id) WHERE (grantee IS NOT NULL);

CREATE INDEX licenses_by_plan ON public.licenses USING btree (ledger_id, plan_id, id) WHERE (plan_id IS NOT NULL);

CREATE INDEX licenses_by_product ON public.licenses USING btree (ledger_id, product_id, id);

CREATE INDEX licenses_by_purchaser ON public.licenses USING btree (ledger_id, purchaser, id) WHERE (purchaser IS NOT NULL);

CREATE INDEX licenses_by_subscription ON public.licenses USING btree (ledger_id, subscription_id, id) WHERE (subscription_id IS NOT NULL);

CREATE INDEX meters_by_key ON public.meters USING btree (ledger_id, key, id);

CREATE INDEX movements_by_owner ON public.movements USING btree (ledger_id, owner_id, "position");

CREATE INDEX payments_by_invoice ON public.payments USING btree (ledger_id, invoice_id, "position");

CREATE INDEX payments_by_position ON public.payments USING btree (ledger_id, "position");

CREATE INDEX plans_by_product ON public.plans USING btree (ledger_id, product_id, id);

CREATE INDEX pricing_tables_by_product ON public.pricing_tables USING btree (ledger_id, product_id, id);

CREATE INDEX provider_calls_by_time ON public.provider_calls USING btree (ledger_id, due_at, task_id);

CREATE INDEX rbac_users_by_creation ON public.rbac_users USING btree (ledger_id, created_position);

CREATE INDEX rbac_users_by_user_id ON public.rbac_users USING btree (ledger_id, user_id);

CREATE INDEX rejected_usage_by_subscription ON public.rejected_usage USING btree (ledger_id, subscription_id, "position") WHERE (subscription_id IS NOT NULL);

CREATE INDEX subject_keys_by_subject ON public.subject_keys USING btree (ledger_id, subject);

CREATE INDEX subscriptions_by_customer ON public.subscriptions USING btree (ledger_id, customer_id, id) WHERE (customer_id IS NOT NULL);

CREATE INDEX subscriptions_by_email ON public.subscriptions USING btree (ledger_id, email, id) WHERE (email IS NOT NULL);

CREATE INDEX subscriptions_by_owner ON public.subscriptions USING btree (ledger_id, owner, id) WHERE (owner IS NOT NULL);

CREATE INDEX subscriptions_by_plan ON public.subscriptions USING btree (ledger_id, plan_id, id);

CREATE INDEX subscriptions_by_product ON public.subscriptions USING btree (ledger_id, product_id, id);

CREATE INDEX usage_periods_by_subscription ON public.usage_periods USING btree (ledger_id, subscription_id, meter, period_start, license_id) WHERE (subscription_id IS NOT NULL);

CREATE INDEX usage_totals_by_subscription ON public.usage_totals USING btree (ledger_id, subscription_id, meter, license_id) WHERE (subscription_id IS NOT NULL);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.checkpoints
    ADD CONSTRAINT checkpoints_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_system_ledger_id_fkey FOREIGN KEY (system_ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_live_ledger_id_fkey FOREIGN KEY (live_ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_test_ledger_id_fkey FOREIGN KEY (test_ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.provider_calls
    ADD CONSTRAINT provider_calls_ledger_id_fkey FOREIGN KEY (ledger_id) REFERENCES public.ledgers(ledger_id);

ALTER TABLE ONLY public.watermill_messages
    ADD CONSTRAINT watermill_messages_topic_fkey FOREIGN KEY (topic) REFERENCES public.watermill_topics(topic);

ALTER TABLE ONLY public.watermill_offsets
    ADD CONSTRAINT watermill_offsets_topic_fkey FOREIGN KEY (topic) REFERENCES public.watermill_topics(topic);

CREATE POLICY app ON public.balances TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.capabilities TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.coupons TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.credit_notes TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.customers TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.documents TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.due TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.features TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.invoice_lines TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.invoices TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.licenses TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.meters TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.movements TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.payments TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.plan_buyers TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.plan_sales TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.plans TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.pricing_tables TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.products TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.rbac_permissions TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.rbac_roles TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.rbac_users TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.rejected_usage TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.seat_terms TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.subscriptions TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.tasks TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.tax_rates TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.usage_periods TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.usage_record_schedules TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.usage_records TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.usage_schedules TO subledger_app USING (true) WITH CHECK (true);

CREATE POLICY app ON public.usage_totals TO subledger_app USING (true) WITH CHECK (true);

ALTER TABLE public.balances ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.capabilities ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.coupons ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.credit_notes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.customers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.due ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.features ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.invoice_lines ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.invoices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.licenses ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.meters ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.movements ENABLE ROW LEVEL SECURITY;

CREATE POLICY owner ON public.balances TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.capabilities TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.coupons TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.credit_notes TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.customers TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.documents TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.due TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.features TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.invoice_lines TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.invoices TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.licenses TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.meters TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.movements TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.payments TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.plan_buyers TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.plan_sales TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.plans TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.pricing_tables TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.products TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.rbac_permissions TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.rbac_roles TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.rbac_users TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.rejected_usage TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.seat_terms TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.subscriptions TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.tasks TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.tax_rates TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.usage_periods TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.usage_record_schedules TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.usage_records TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.usage_schedules TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

CREATE POLICY owner ON public.usage_totals TO subledger USING ((ledger_id = COALESCE((NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid, ledger_id)));

ALTER TABLE public.payments ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.plan_buyers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.plan_sales ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.plans ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.pricing_tables ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.products ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rbac_permissions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rbac_roles ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.rbac_users ENABLE ROW LEVEL SECURITY;

CREATE POLICY reader ON public.balances FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.capabilities FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.coupons FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.credit_notes FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.customers FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.due FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.features FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.invoice_lines FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.invoices FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.licenses FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.meters FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.movements FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.payments FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.plan_buyers FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.plan_sales FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.plans FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.pricing_tables FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.products FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.rbac_permissions FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.rbac_roles FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.rbac_users FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.rejected_usage FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.seat_terms FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.subscriptions FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.tasks FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.tax_rates FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.usage_periods FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.usage_record_schedules FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.usage_records FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.usage_schedules FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

CREATE POLICY reader ON public.usage_totals FOR SELECT TO subledger_reader USING ((ledger_id = (NULLIF(current_setting('subledger.ledger_id'::text, true), ''::text))::uuid));

ALTER TABLE public.rejected_usage ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.seat_terms ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subscriptions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tasks ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.tax_rates ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_periods ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_record_schedules ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_records ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_schedules ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.usage_totals ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO subledger_app;
GRANT USAGE ON SCHEMA public TO subledger_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_keys TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.balances TO subledger_app;
GRANT SELECT ON TABLE public.balances TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.capabilities TO subledger_app;
GRANT SELECT ON TABLE public.capabilities TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.checkpoints TO subledger_app;
GRANT SELECT ON TABLE public.checkpoints TO subledger_reader;

GRANT SELECT,INSERT ON TABLE public.claims TO subledger_app;

GRANT SELECT,INSERT ON TABLE public.commands TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.coupons TO subledger_app;
GRANT SELECT ON TABLE public.coupons TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.credit_notes TO subledger_app;
GRANT SELECT ON TABLE public.credit_notes TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.customers TO subledger_app;
GRANT SELECT ON TABLE public.customers TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.documents TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.due TO subledger_app;
GRANT SELECT ON TABLE public.due TO subledger_reader;

GRANT SELECT,INSERT ON TABLE public.events TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.features TO subledger_app;
GRANT SELECT ON TABLE public.features TO subledger_reader;

GRANT SELECT ON TABLE public.installation TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invoice_lines TO subledger_app;
GRANT SELECT ON TABLE public.invoice_lines TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.invoices TO subledger_app;
GRANT SELECT ON TABLE public.invoices TO subledger_reader;

GRANT SELECT,INSERT ON TABLE public.ledgers TO subledger_app;

GRANT SELECT(ledger_id) ON TABLE public.ledgers TO subledger_reader;

GRANT SELECT(mode) ON TABLE public.ledgers TO subledger_reader;

GRANT UPDATE("position") ON TABLE public.ledgers TO subledger_app;
GRANT SELECT("position") ON TABLE public.ledgers TO subledger_reader;

GRANT UPDATE(head) ON TABLE public.ledgers TO subledger_app;

GRANT UPDATE(recorded_at) ON TABLE public.ledgers TO subledger_app;
GRANT SELECT(recorded_at) ON TABLE public.ledgers TO subledger_reader;

GRANT UPDATE(clock) ON TABLE public.ledgers TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.licenses TO subledger_app;
GRANT SELECT ON TABLE public.licenses TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.meters TO subledger_app;
GRANT SELECT ON TABLE public.meters TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.movements TO subledger_app;
GRANT SELECT ON TABLE public.movements TO subledger_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.organisations TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payments TO subledger_app;
GRANT SELECT ON TABLE public.payments TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.plan_buyers TO subledger_app;
GRANT SELECT ON TABLE public.plan_buyers TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.plan_sales TO subledger_app;
GRANT SELECT ON TABLE public.plan_sales TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.plans TO subledger_app;
GRANT SELECT ON TABLE public.plans TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.pricing_tables TO subledger_app;
GRANT SELECT ON TABLE public.pricing_tables TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.products TO subledger_app;
GRANT SELECT ON TABLE public.products TO subledger_reader;

GRANT SELECT ON TABLE public.projection_positions TO subledger_app;
GRANT SELECT ON TABLE public.projection_positions TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_calls TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rbac_permissions TO subledger_app;
GRANT SELECT ON TABLE public.rbac_permissions TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rbac_roles TO subledger_app;
GRANT SELECT ON TABLE public.rbac_roles TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rbac_users TO subledger_app;
GRANT SELECT ON TABLE public.rbac_users TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rejected_usage TO subledger_app;
GRANT SELECT ON TABLE public.rejected_usage TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.seat_terms TO subledger_app;
GRANT SELECT ON TABLE public.seat_terms TO subledger_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.subject_keys TO subledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.subscriptions TO subledger_app;
GRANT SELECT ON TABLE public.subscriptions TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tasks TO subledger_app;
GRANT SELECT ON TABLE public.tasks TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.tax_rates TO subledger_app;
GRANT SELECT ON TABLE public.tax_rates TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usage_periods TO subledger_app;
GRANT SELECT ON TABLE public.usage_periods TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usage_record_schedules TO subledger_app;
GRANT SELECT ON TABLE public.usage_record_schedules TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usage_records TO subledger_app;
GRANT SELECT ON TABLE public.usage_records TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usage_schedules TO subledger_app;
GRANT SELECT ON TABLE public.usage_schedules TO subledger_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.usage_totals TO subledger_app;
GRANT SELECT ON TABLE public.usage_totals TO subledger_reader;

GRANT SELECT,INSERT,DELETE ON TABLE public.watermill_messages TO subledger_app;

GRANT SELECT ON TABLE public.watermill_offsets TO subledger_app;

GRANT UPDATE(acked) ON TABLE public.watermill_offsets TO subledger_app;

GRANT SELECT ON TABLE public.watermill_topics TO subledger_app;

GRANT UPDATE(serial) ON TABLE public.watermill_topics TO subledger_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.zone_release TO subledger_app;

