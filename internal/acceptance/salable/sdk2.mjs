// Drives the API with @salable/node-sdk 2.5.0, which speaks v1 and sends no version header.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { ask, billed, complete, demo, featured, flat, issued, key, opens, poll, pricingTable, seats, verified, watch, who } from './contract.mjs';

const { Salable } = createRequire(import.meta.url)('salable-2');
const salable = new Salable(key);
const watched = watch(salable);

// Known fault of SDK 1 and 2: they parse every answer as JSON, so that an empty success is a SyntaxError
// although the server did the work.
const emptyIsSyntaxError = (promise) => assert.rejects(promise, SyntaxError);

// Products and plans.
assert.ok((await salable.products.getAll()).some((p) => p.uuid === demo.product));
assert.equal((await salable.products.getOne(demo.product)).isTest, true);
const plans = await salable.products.getPlans(demo.product);
for (const id of Object.values(demo.plans)) {
  assert.equal((await salable.plans.getOne(id)).productUuid, demo.product);
  assert.ok(plans.some((p) => p.uuid === id), `plan ${id}`);
}
const features = await salable.products.getFeatures(demo.product);
const capabilities = await salable.products.getCapabilities(demo.product);
const currencies = await salable.products.getCurrencies(demo.product);
assert.equal(currencies.filter((c) => c.defaultCurrency).length, 1);
const planFeatures = await salable.plans.getFeatures(featured);
assert.equal(planFeatures.length, 2);
for (const f of planFeatures) assert.ok(features.some((of) => of.uuid === f.featureUuid));
for (const c of await salable.plans.getCapabilities(demo.plans.flat)) assert.ok(capabilities.some((of) => of.uuid === c.capabilityUuid));
for (const c of await salable.plans.getCurrencies(demo.plans.flat)) assert.ok(currencies.some((of) => of.currencyUuid === c.currencyUuid));
// What this client does not ask for, SDK 3.4.1 and the widgets do.
const all = 'plans.capabilities.capability,plans.features.feature,plans.features.enumValue,plans.currencies.currency';
await ask('GET', `/products/${demo.product}?expand=features.featureEnumOptions,capabilities,currencies.currency,organisationPaymentIntegration,${all}`, { key });
const expanded = (await ask('GET', `/plans/${demo.plans.flat}?expand=[currencies.currency,product]`, { key })).json;
assert.equal(expanded.product.uuid, demo.product);

// Links to checkouts: their pages are there.
const checkout = { granteeId: who, member: who, successUrl: 'https://example.com/s', cancelUrl: 'https://example.com/c' };
await opens((await salable.plans.getCheckoutLink(demo.plans.flat, checkout)).checkoutUrl);
await assert.rejects(salable.plans.getCheckoutLink(demo.plans.free, checkout), /^Error: Bad Request$/);
const individualPlanOptions = { [demo.plans.flat]: { granteeId: 'other', successUrl: 'https://example.com/other' } };
const shown = await salable.products.getPricingTable(demo.product, { globalPlanOptions: checkout, individualPlanOptions });
assert.equal(shown.plans.find((p) => p.uuid === demo.plans.free).checkoutUrl, '');
await opens(shown.plans.find((p) => p.uuid === demo.plans.flat).checkoutUrl);
const terms = `globalGranteeId=${who}&globalSuccessUrl=https://example.com/s&globalCancelUrl=https://example.com/c&member=${who}`;
assert.equal((await ask('GET', `/pricing-tables/${pricingTable}?&${terms}`, { key })).json.featuredPlanUuid, featured); // as SDK 3.4.1 asks
for (const path of ['create-subscription', 'create-subscription-intent']) { // as the widgets ask
  const body = JSON.stringify({ planUuid: demo.plans.flat, email: 'ada@example.com', member: who, granteeId: `${who} widget` });
  assert.equal((await ask('POST', `/checkout/${path}`, { key, body })).status, 201);
}

// Licences and checks.
const listed = await salable.licenses.getAll();
for (const id of [...demo.licenses, demo.meteredLicense]) assert.ok(listed.some((l) => l.uuid === id), `licence ${id}`);
const created = await salable.licenses.create({ planUuid: demo.plans.flat, member: who, granteeId: who });
assert.deepEqual([created.granteeId, created.purchaser, created.paymentService, created.subscriptionUuid], [who, who, 'ad-hoc', null]);
const check = verified(await salable.licenses.check(demo.product, [who, 'nobody']));
assert.deepEqual(check.capabilities, ['edit', 'read']);
assert.equal(check.capabilitiesEndDates.read, created.endTime);
assert.equal((await salable.licenses.check(demo.product, [demo.grantees[0]])).publicHash, check.publicHash);
await emptyIsSyntaxError(salable.licenses.check(demo.product, ['nobody']));

// Subscriptions: the effect is polled for, as the demos do.
await emptyIsSyntaxError(salable.subscriptions.updatePlan(demo.plans.flatUpgrade, flat));
await poll(() => salable.subscriptions.getOne(flat), (s) => s.planUuid === demo.plans.flatUpgrade);
assert.deepEqual((await salable.licenses.check(demo.product, [`${who} flat`])).capabilities, ['edit', 'export', 'read']);
await emptyIsSyntaxError(salable.subscriptions.cancel(flat, 'end'));
const ending = await poll(() => salable.subscriptions.getOne(flat), (s) => s.cancelAtPeriodEnd);
assert.equal(ending.status, 'ACTIVE');
await emptyIsSyntaxError(salable.subscriptions.cancel(flat, 'now'));
await poll(() => salable.subscriptions.getOne(flat), (s) => s.status === 'CANCELED');
await emptyIsSyntaxError(salable.licenses.check(demo.product, [`${who} flat`]));

// What v1 has and no client of it that can be installed: SDK 3.4.1 did.
const v1 = (method, path, body) => ask(method, path, { key, body: body && JSON.stringify(body) });
assert.equal(billed((await v1('GET', `/subscriptions/${seats}/invoices`)).json).data[0].lines.data[0].quantity, 5);
assert.equal((await v1('GET', `/subscriptions/${seats}/payment-method`)).status, 404);
for (const p of (await v1('GET', `/subscriptions/${seats}/updateplan/listplans`)).json) assert.equal(p.productUuid, demo.product);
await v1('GET', `/subscriptions/${seats}?expand=product.currencies.currency,plan.currencies.currency`);
await v1('GET', `/licenses/purchaser?purchaser=${who}&productUuid=${demo.product}&expand=plan.features.feature,product`);
await v1('GET', `/licenses/granteeId/${who}?expand=subscription,plan`);
const [seat] = (await v1('GET', '/licenses?status=active')).json.filter((l) => l.subscriptionUuid === seats && l.granteeId === null);
assert.equal((await v1('PUT', `/licenses/${seat.uuid}`, { granteeId: `${who} seat` })).json.granteeId, `${who} seat`);

// Known fault of SDK 2.5.0: it loses the key where a call has headers of its own, so 401 is the answer.
await assert.rejects(salable.usage.update(demo.meteredLicense, 'calls', { increment: 5 }), /^Error: Unauthorized$/);
assert.deepEqual((await ask('GET', `/licenses/${demo.meteredLicense}/usage`, { key })).json, { unitCount: 0 });

// RBAC: all of its methods.
const { permissions, roles, users } = salable.rbac;
const read = await permissions.create({ value: 'doc:read', type: 'doc', description: 'Reads', dependencies: [] });
const write = await permissions.create({ value: 'doc:write', type: 'doc', description: 'Writes', dependencies: { 'doc:read': 'doc' }, rbacUsers: [], roles: [] });
assert.deepEqual([read.dependencies, write.dependencies], [[], { 'doc:read': 'doc' }]);
assert.equal((await permissions.update(read.uuid, { value: 'doc:see' })).value, 'doc:see');
assert.equal((await permissions.getOne(read.uuid)).value, 'doc:see');
assert.deepEqual((await permissions.getAll()).map((p) => p.uuid), [read.uuid, write.uuid]);
const editor = await roles.create({ name: 'editor', description: 'Edits', permissions: [read.uuid] });
assert.deepEqual(editor.permissions, [{ uuid: read.uuid, value: 'doc:see', type: 'doc' }]);
const changedRole = await roles.update(editor.uuid, { name: 'author', permissions: { add: [write.uuid], remove: [read.uuid] } });
assert.deepEqual(changedRole.permissions.map((p) => p.value), ['doc:write']);
assert.equal((await roles.getOne(editor.uuid)).name, 'author');
assert.deepEqual((await roles.getAll()).map((r) => r.uuid), [editor.uuid]);
const user = await users.create({ id: 'u-sdk-2', name: 'Una', role: editor.uuid, permissions: [read.uuid] });
const changedUser = await users.update('u-sdk-2', { name: 'Uma', permissions: { add: [write.uuid], remove: [read.uuid] } });
assert.deepEqual([changedUser.name, changedUser.permissions.map((p) => p.value)], ['Uma', ['doc:write']]);
assert.equal((await users.getOne('u-sdk-2')).role.uuid, editor.uuid);
assert.deepEqual((await users.getAll()).map((u) => u.id), ['u-sdk-2']);
await emptyIsSyntaxError(permissions.delete(write.uuid));
assert.deepEqual((await users.getOne('u-sdk-2')).role.permissions, []);
await emptyIsSyntaxError(roles.delete(editor.uuid));
assert.equal((await users.getOne('u-sdk-2')).role, null);
await emptyIsSyntaxError(users.delete('u-sdk-2'));
await assert.rejects(users.getOne('u-sdk-2'), /^Error: Not Found$/);
await emptyIsSyntaxError(permissions.delete(read.uuid));

// Refusals are their reason phrase to this client.
await assert.rejects(salable.products.getOne(demo.subscription), /^Error: Not Found$/);
await assert.rejects(salable.licenses.create({ planUuid: 'x' }), /^Error: Bad Request$/);
await assert.rejects(new Salable('test_nothing').products.getAll(), /^Error: Unauthorized$/);

// What clients read off the headers.
const none = await ask('GET', `/licenses/check?productUuid=${demo.product}&granteeIds=nobody`, { key });
assert.deepEqual([none.status, none.headers.get('content-type'), none.headers.get('content-length'), none.text], [204, 'text/plain', '0', '']);
const invalid = await ask('POST', '/licenses', { key, body: '{"planUuid":"x","member":"m"}', headers: { 'content-type': 'text/plain;charset=UTF-8' } });
assert.equal(invalid.status, 400);
assert.deepEqual(invalid.json.validationErrors.map((e) => e.property), ['planUuid', 'granteeId']);

await complete(watched, {});
console.log(JSON.stringify({
  license: created.uuid,
  events: {
    'license.granted.v1': 1, 'subscription.plan_changed.v1': 1, 'subscription.cancellation_scheduled.v1': 1, 'subscription.ended.v1': 1,
    'subscription.seats_assigned.v1': 1, 'subscription.started.v1': 2, 'customer.created.v1': 1, 'owner.billed.v1': 1,
    'account.accrued.v1': 2, 'invoice.line_reversed.v1': 1, 'invoice.paid_from_balance.v1': 1, 'balance.changed.v1': 2, ...issued(3),
    'rbac_permission.created.v1': 2, 'rbac_permission.changed.v1': 1, 'rbac_permission.deleted.v1': 2,
    'rbac_role.created.v1': 1, 'rbac_role.changed.v1': 1, 'rbac_role.deleted.v1': 1,
    'rbac_user.created.v1': 1, 'rbac_user.renamed.v1': 1, 'rbac_user.access_changed.v1': 1, 'rbac_user.deleted.v1': 1,
  },
}));
