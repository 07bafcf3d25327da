// The shapes of Salable's objects as its API v1 documents them (contract, section 3), and how its clients
// look at answers. Nothing here comes from the server's own types.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';

// Node 18 has it, but not under the name that the clients' packages use.
globalThis.crypto ??= crypto.webcrypto;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const kinds = {
  text: (v) => typeof v === 'string',
  uuid: (v) => typeof v === 'string' && uuid.test(v),
  time: (v) => typeof v === 'string' && time.test(v),
  int: Number.isInteger,
  number: (v) => typeof v === 'number',
  bool: (v) => typeof v === 'boolean',
};

// A field is 'kind', 'kind?' (may be null), or 'Shape[]'; all of them have to be there.
const shapes = {
  Product: {
    uuid: 'uuid', name: 'text', description: 'text?', logoUrl: 'text?', displayName: 'text', organisation: 'text', status: 'text',
    paid: 'bool', organisationPaymentIntegrationUuid: 'text', paymentIntegrationProductId: 'text?', appType: 'text',
    updatedAt: 'time', isTest: 'bool',
  },
  Plan: {
    uuid: 'uuid', name: 'text', description: 'text?', displayName: 'text', status: 'text', isTest: 'bool', trialDays: 'int?',
    evaluation: 'bool', evalDays: 'int', organisation: 'text', visibility: 'text', licenseType: 'text', perSeatAmount: 'int',
    interval: 'text', length: 'int', active: 'bool', planType: 'text', pricingType: 'text', environment: 'text',
    paddlePlanId: 'text?', productUuid: 'uuid', salablePlan: 'bool', updatedAt: 'time', slug: 'text', maxSeatAmount: 'int',
  },
  Capability: { uuid: 'uuid', name: 'text', status: 'text', description: 'text?', productUuid: 'uuid', updatedAt: 'time' },
  Currency: { uuid: 'uuid', shortName: 'text', longName: 'text', symbol: 'text' },
  PlanCurrency: { planUuid: 'uuid', currencyUuid: 'uuid', price: 'number', paymentIntegrationPlanId: 'text?' },
  Subscription: {
    uuid: 'uuid', productUuid: 'uuid', planUuid: 'uuid', organisation: 'text', paymentIntegrationSubscriptionId: 'text', type: 'text',
    quantity: 'int', email: 'text?', expiryDate: 'time', lineItemIds: 'text?', status: 'text', createdAt: 'time', updatedAt: 'time',
    isTest: 'bool', cancelAtPeriodEnd: 'bool', owner: 'text?',
  },
  License: {
    uuid: 'uuid', productUuid: 'uuid', planUuid: 'uuid', subscriptionUuid: 'uuid?', granteeId: 'text?', purchaser: 'text',
    email: 'text?', name: 'text?', paymentService: 'text', type: 'text', capabilities: 'Capability[]', startTime: 'time',
    endTime: 'time', status: 'text', metadata: 'text?', updatedAt: 'time', isTest: 'bool', cancelAtPeriodEnd: 'bool',
  },
  LicenseCount: { count: 'int', assigned: 'int', unassigned: 'int' },
  Event: {
    uuid: 'uuid', type: 'text', organisation: 'text', status: 'text', isTest: 'bool', retries: 'int', errorMessage: 'text?',
    errorCode: 'text?', createdAt: 'time', updatedAt: 'time',
  },
};

// What is there only when it was expanded.
const relations = ['plan', 'plans', 'product', 'subscription', 'customer', 'features', 'currencies', 'currency', 'capabilities',
  'organisationPaymentIntegration', 'enumValue', 'feature'];

/** Checks a value against a shape; its relations have to be those that were expanded, and no others. */
export function shaped(name, value, ...expanded) {
  assert.ok(value && typeof value === 'object' && !Array.isArray(value), `${name}: ${JSON.stringify(value)}`);
  for (const [field, spec] of Object.entries(shapes[name])) {
    const at = `${name}.${field}: ${JSON.stringify(value[field])}`;
    assert.ok(field in value, `${name} has no ${field}`);
    if (spec.endsWith('[]')) {
      assert.ok(Array.isArray(value[field]), at);
      for (const item of value[field]) shaped(spec.slice(0, -2), item);
      continue;
    }
    if (spec.endsWith('?') && value[field] === null) continue;
    assert.ok(kinds[spec.replace('?', '')](value[field]), `${at} is no ${spec}`);
  }
  for (const relation of relations) {
    if (relation in shapes[name]) continue;
    assert.equal(relation in value, expanded.includes(relation), `${name}.${relation} expanded`);
  }
  return value;
}

/** Verifies a licence check of v1 as its clients do. */
export function verified(check) {
  assert.deepEqual(Object.keys(check).sort(), ['capabilities', 'capabilitiesEndDates', 'capsHashed', 'publicHash', 'signature']);
  assert.equal(check.capsHashed, check.capabilities.join(','));
  const spki = Buffer.from('3056301006072a8648ce3d020106052b8104000a034200' + check.publicHash, 'hex');
  const key = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' });
  assert.ok(crypto.verify('sha256', Buffer.from(check.capsHashed), key, Buffer.from(check.signature, 'hex')), 'the signature');
  assert.deepEqual(Object.keys(check.capabilitiesEndDates), check.capabilities);
  for (const end of Object.values(check.capabilitiesEndDates)) assert.match(end, time);
  return check;
}

/** Asks without any client, as the browser widgets do. */
export async function ask(method, path, { key, headers, body } = {}) {
  const answer = await fetch('https://api.salable.app' + path, { method, headers: { 'x-api-key': key, ...headers }, body });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: text ? JSON.parse(text) : undefined };
}

/** Polls as the demo applications do, twice a second, until done says so; gives up after ten seconds. */
export async function poll(read, done) {
  for (const deadline = Date.now() + 10_000; ;) {
    const value = await read();
    if (done(value)) return value;
    assert.ok(Date.now() < deadline, `nothing came of it: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
