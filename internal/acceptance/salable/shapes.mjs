// The shapes of Salable's objects as its API documents them (contract, section 3). Nothing here comes from the
// server's own types.
import assert from 'node:assert/strict';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const kinds = {
  any: () => true,
  text: (v) => typeof v === 'string',
  uuid: (v) => typeof v === 'string' && uuid.test(v),
  time: (v) => typeof v === 'string' && time.test(v),
  url: (v) => typeof v === 'string' && URL.canParse(v),
  int: Number.isInteger,
  number: (v) => typeof v === 'number',
  bool: (v) => typeof v === 'boolean',
};
for (const [name, values] of Object.entries({
  status: 'ACTIVE DEPRECATED',
  featureStatus: 'ACTIVE DEPRECATED COMING_SOON',
  licenseStatus: 'ACTIVE CANCELED EVALUATION SCHEDULED TRIALING INACTIVE',
  subscriptionStatus: 'ACTIVE CANCELED PAUSED TRIALING DELETED PAST_DUE INCOMPLETE',
  eventType: 'Create seats,Remove seats,Change plan,Update usage,Cancel subscription',
  eventStatus: 'queued retrying pending success failed incomplete',
  visibility: 'public private',
  valueType: 'boolean numerical enum',
  interval: 'day month year',
  planType: 'Standard,Bespoke,Evaluation,Coming soon',
  pricingType: 'free paid',
  environment: 'dev prod',
  licenseType: 'licensed metered perSeat customId user board',
  usageType: 'current recorded final',
})) {
  const all = values.split(values.includes(',') ? ',' : ' ');
  kinds[name] = (v) => all.includes(v);
}

const product = {
  uuid: 'uuid', name: 'text', description: 'text?', logoUrl: 'text?', displayName: 'text', organisation: 'text', status: 'status',
  paid: 'bool', organisationPaymentIntegrationUuid: 'text', paymentIntegrationProductId: 'text?', appType: 'text', updatedAt: 'time',
  isTest: 'bool', slug: 'text', archivedAt: 'time?',
};
const plan = {
  uuid: 'uuid', name: 'text', description: 'text?', displayName: 'text', status: 'status', isTest: 'bool', trialDays: 'int?',
  evaluation: 'bool', evalDays: 'int', organisation: 'text', visibility: 'visibility', licenseType: 'licenseType', perSeatAmount: 'int',
  interval: 'interval', length: 'int', active: 'bool', planType: 'planType', pricingType: 'pricingType', environment: 'environment',
  paddlePlanId: 'text?', productUuid: 'uuid', salablePlan: 'bool', updatedAt: 'time', slug: 'text', maxSeatAmount: 'int',
  hasAcceptedTransaction: 'bool', archivedAt: 'time?',
};
const feature = {
  uuid: 'uuid', name: 'text', description: 'text?', displayName: 'text', variableName: 'text?', status: 'featureStatus',
  visibility: 'visibility', valueType: 'valueType', defaultValue: 'text', showUnlimited: 'bool', productUuid: 'uuid?', updatedAt: 'time',
  sortOrder: 'int',
};
const gone = ['name', 'appType', 'trialDays', 'evaluation', 'active', 'planType', 'environment', 'paddlePlanId', 'salablePlan'];
const v3 = (shape) => Object.fromEntries(Object.entries(shape).filter(([field]) => !gone.includes(field)));
const anything = (names) => Object.fromEntries(names.trim().split(/\s+/).map((name) => [name, 'any']));

// A field is 'kind', 'Shape', either with [] for a list of them and ? where it may be null. All of them have to be
// there, and nothing else. In v3 a shape is the one of the name with V3, where there is one.
const shapes = {
  Product: product,
  ProductV3: v3(product),
  Plan: plan,
  PlanV3: v3(plan),
  Feature: feature,
  FeatureV3: v3(feature),
  FeatureEnumOption: { uuid: 'uuid', name: 'text', featureUuid: 'uuid', updatedAt: 'time' },
  PlanFeature: {
    planUuid: 'uuid', featureUuid: 'uuid', value: 'text', enumValueUuid: 'uuid?', isUnlimited: 'bool', isUsage: 'bool',
    pricePerUnit: 'number?', minUsage: 'int?', maxUsage: 'int?', updatedAt: 'time', sortOrder: 'int',
  },
  Capability: { uuid: 'uuid', name: 'text', status: 'status', description: 'text?', productUuid: 'uuid', updatedAt: 'time' },
  PlanCapability: { planUuid: 'uuid', capabilityUuid: 'uuid', updatedAt: 'time' },
  Currency: { uuid: 'uuid', shortName: 'text', longName: 'text', symbol: 'text' },
  ProductCurrency: { productUuid: 'uuid', currencyUuid: 'uuid', defaultCurrency: 'bool' },
  PlanCurrency: {
    planUuid: 'uuid', currencyUuid: 'uuid', price: 'number', paymentIntegrationPlanId: 'text?', hasAcceptedTransaction: 'bool',
  },
  OrganisationPaymentIntegration: {
    uuid: 'uuid', organisation: 'text', integrationName: 'text', accountName: 'text', accountData: 'any', accountId: 'text?',
    updatedAt: 'time', isTest: 'bool', status: 'text?', newPaymentEnabled: 'bool',
  },
  PricingTable: {
    uuid: 'uuid', name: 'text', status: 'status', title: 'text?', text: 'text?', theme: 'text', featureOrder: 'text', productUuid: 'uuid',
    customTheme: 'text?', featuredPlanUuid: 'uuid?', updatedAt: 'time',
  },
  PricingTableFeature: { pricingTableUuid: 'uuid', featureUuid: 'uuid', sortOrder: 'int', updatedAt: 'time' },
  PricingTablePlan: { pricingTableUuid: 'uuid', planUuid: 'uuid', sortOrder: 'int', updatedAt: 'time' },
  CheckoutLink: { checkoutUrl: 'url' },
  ClientSecret: { clientSecret: 'text' },
  Link: { url: 'url' },
  Session: { sessionToken: 'text' },
  Subscription: {
    uuid: 'uuid', productUuid: 'uuid', planUuid: 'uuid', organisation: 'text', paymentIntegrationSubscriptionId: 'text', type: 'text',
    quantity: 'int', email: 'text?', expiryDate: 'time', lineItemIds: 'text[]?', status: 'subscriptionStatus', createdAt: 'time',
    updatedAt: 'time', isTest: 'bool', cancelAtPeriodEnd: 'bool', owner: 'text?',
  },
  License: {
    uuid: 'uuid', productUuid: 'uuid', planUuid: 'uuid', subscriptionUuid: 'uuid?', granteeId: 'text?', purchaser: 'text',
    email: 'text?', name: 'text?', paymentService: 'text', type: 'licenseType', capabilities: 'Capability[]', startTime: 'time',
    endTime: 'time', status: 'licenseStatus', metadata: 'text?', updatedAt: 'time', isTest: 'bool', cancelAtPeriodEnd: 'bool',
  },
  LicenseCount: { count: 'int', assigned: 'int', unassigned: 'int' },
  LicenseUsage: { unitCount: 'int' },
  LicenseCheck: { capabilities: 'text[]', publicHash: 'text', signature: 'text', capsHashed: 'text', capabilitiesEndDates: 'any' },
  SignedCapabilities: { capabilities: 'CapabilityExpiry[]', signature: 'text' },
  CapabilityExpiry: { capability: 'text', expiry: 'time' },
  EntitlementCheck: { features: 'FeatureExpiry[]', signature: 'text' },
  FeatureExpiry: { feature: 'text', expiry: 'time' },
  Event: {
    uuid: 'uuid', type: 'eventType', organisation: 'text', status: 'eventStatus', isTest: 'bool', retries: 'int', errorMessage: 'text?',
    errorCode: 'text?', createdAt: 'time', updatedAt: 'time',
  },
  EventRef: { eventUuid: 'uuid' },
  InvoiceList: { first: 'text?', last: 'text?', hasMore: 'bool', data: 'Invoice[]' },
  // Stripe's. The demo applications read those that have a kind, and prices of lines.
  Invoice: {
    ...anything(`account_country account_name account_tax_ids amount_shipping application application_fee_amount attempt_count attempted
      auto_advance automatic_tax billing_reason charge collection_method custom_fields customer customer_address customer_email
      customer_name customer_phone customer_shipping customer_tax_exempt customer_tax_ids default_payment_method default_source
      default_tax_rates description discount discounts due_date ending_balance footer from_invoice issuer last_finalization_error
      latest_revision livemode metadata next_payment_attempt number on_behalf_of paid paid_out_of_band payment_intent payment_settings
      post_payment_credit_notes_amount pre_payment_credit_notes_amount quote receipt_number rendering rendering_options shipping_cost
      shipping_details starting_balance statement_descriptor status_transitions subscription subscription_details
      subtotal_excluding_tax tax test_clock total_discount_amounts total_excluding_tax total_pretax_credit_amounts total_tax_amounts
      transfer_data webhooks_delivered_at`),
    id: 'text', object: 'text', amount_due: 'int', amount_paid: 'int', amount_remaining: 'int', currency: 'text', status: 'text',
    created: 'int', effective_at: 'int?', automatically_finalizes_at: 'int?', hosted_invoice_url: 'url', invoice_pdf: 'url',
    period_start: 'int', period_end: 'int', subtotal: 'int', total: 'int', lines: 'InvoiceLines',
  },
  InvoiceLines: { object: 'text', data: 'InvoiceLine[]', has_more: 'bool', total_count: 'int', url: 'text' },
  InvoiceLine: {
    ...anything(`amount_excluding_tax description discount_amounts discountable discounts invoice_item livemode metadata period plan price
      proration proration_details subscription subscription_item tax_amounts tax_rates type unit_amount_excluding_tax`),
    id: 'text', object: 'text', amount: 'int', currency: 'text', quantity: 'int',
  },
  PaymentMethod: {
    id: 'text', object: 'text', billing_details: 'any', card: 'any', created: 'int', customer: 'text?', livemode: 'bool', metadata: 'any',
    type: 'text',
  },
  UsageRecord: {
    uuid: 'uuid', unitCount: 'int', type: 'usageType', recordedAt: 'time?', resetAt: 'time?', planUuid: 'uuid', licenseUuid: 'uuid',
    createdAt: 'time', updatedAt: 'time',
  },
  CurrentUsage: { unitCount: 'int', updatedAt: 'time' },
  Permission: {
    uuid: 'uuid', value: 'text', type: 'text?', description: 'text?', dependencies: 'any', organisation: 'text', createdAt: 'time',
    updatedAt: 'time',
  },
  PermissionRef: { uuid: 'uuid', value: 'text', type: 'text?' },
  Role: {
    uuid: 'uuid', name: 'text', description: 'text?', organisation: 'text', permissions: 'PermissionRef[]', createdAt: 'time',
    updatedAt: 'time',
  },
  RoleRef: { uuid: 'uuid', name: 'text', description: 'text?', permissions: 'PermissionRef[]', createdAt: 'time' },
  RbacUser: {
    id: 'text', name: 'text?', organisation: 'text', role: 'RoleRef?', permissions: 'PermissionRef[]', createdAt: 'time', updatedAt: 'time',
  },
  ItemErrors: { errors: 'ItemError[]' },
  ItemError: { uuid: 'uuid', error: 'text' },
};

// What is there when it was expanded, and only then.
const planRelations = { capabilities: 'PlanCapability[]', features: 'PlanFeature[]', currencies: 'PlanCurrency[]', product: 'Product' };
const relations = {
  Product: {
    features: 'Feature[]', capabilities: 'Capability[]', currencies: 'ProductCurrency[]', plans: 'Plan[]',
    organisationPaymentIntegration: 'OrganisationPaymentIntegration?',
  },
  Plan: { ...planRelations, checkoutUrl: 'text', isSubscribed: 'bool' },
  Feature: { featureEnumOptions: 'FeatureEnumOption[]' },
  PlanFeature: { feature: 'Feature', enumValue: 'FeatureEnumOption?' },
  PlanCapability: { capability: 'Capability' },
  ProductCurrency: { currency: 'Currency' },
  PlanCurrency: { currency: 'Currency' },
  PricingTable: { features: 'PricingTableFeature[]', product: 'Product', plans: 'PricingTablePlan[]' },
  PricingTableFeature: { feature: 'Feature' },
  PricingTablePlan: { plan: 'Plan' },
  Subscription: { product: 'Product', plan: 'Plan', customer: 'any', licenses: 'License[]' },
  License: { subscription: 'Subscription?', plan: 'Plan', product: 'Product', cancelLink: 'any' },
};

/** A tree of relations from dotted names. */
export function tree(names) {
  const root = {};
  for (const name of names) {
    let at = root;
    for (const step of name.split('.')) at = at[step] ??= {};
  }
  return root;
}

/**
 * Fails unless a value is what a spec says: the name of a kind or a shape, `page:` before it for a page of v2 and
 * v3, alternatives with | of which the first is one thing and the second a list. Relations have to be those of
 * the tree that was expanded, and no others.
 */
export function check(spec, value, version = 'v1', expanded = {}, at = spec) {
  if (spec.includes('|')) {
    return check(spec.split('|')[Array.isArray(value) ? 1 : 0], value, version, expanded, at);
  }
  if (spec.startsWith('page:')) {
    assert.deepEqual(Object.keys(value).sort(), ['data', 'first', 'last'], at);
    check(spec.slice(5) + '[]', value.data, version, expanded, at);
    return assert.deepEqual([value.first, value.last], [value.data.at(0)?.uuid ?? null, value.data.at(-1)?.uuid ?? null], at);
  }
  if (spec.endsWith('?')) {
    return value === null || check(spec.slice(0, -1), value, version, expanded, at);
  }
  if (spec.endsWith('[]')) {
    assert.ok(Array.isArray(value), `${at}: ${JSON.stringify(value)}`);
    return value.forEach((item, i) => check(spec.slice(0, -2), item, version, expanded, `${at}[${i}]`));
  }
  if (kinds[spec]) {
    return assert.ok(kinds[spec](value), `${at}: ${JSON.stringify(value)} is no ${spec}`);
  }
  const shape = (version === 'v3' && shapes[spec + 'V3']) || shapes[spec];
  assert.ok(shape, `${at}: there is no shape ${spec}`);
  assert.ok(value && typeof value === 'object' && !Array.isArray(value), `${at}: ${JSON.stringify(value)}`);
  const specs = { ...shape };
  for (const [name, related] of Object.entries(relations[spec] ?? {})) {
    if (expanded[name]) specs[name] = related;
  }
  if (specs.checkoutUrl && spec === 'Plan' && value.pricingType === 'free' && !('checkoutUrl' in value)) delete specs.checkoutUrl;
  assert.deepEqual(Object.keys(value).sort(), Object.keys(specs).sort(), `${at}: its fields`);
  for (const [field, below] of Object.entries(specs)) check(below, value[field], version, expanded[field] ?? {}, `${at}.${field}`);
}
