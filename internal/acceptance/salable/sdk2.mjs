// Drives the API with @salable/node-sdk 2.5.0, which speaks v1 and sends no version header.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { ask, poll, shaped, verified } from './contract.mjs';

const { Salable } = createRequire(import.meta.url)('salable-2');
const demo = JSON.parse(process.env.DEMO);
const bought = process.env.FLAT;
const key = demo.keys.test;
const salable = new Salable(key);

// Known fault of SDK 1 and 2: they parse every answer as JSON, so that an empty success is a SyntaxError
// although the server did the work.
const emptyIsSyntaxError = (promise) => assert.rejects(promise, SyntaxError);

// Products and plans.
const products = await salable.products.getAll();
assert.ok(products.some((p) => p.uuid === demo.product));
for (const p of products) shaped('Product', p);
assert.equal(shaped('Product', await salable.products.getOne(demo.product)).isTest, true);
for (const id of Object.values(demo.plans)) {
  assert.equal(shaped('Plan', await salable.plans.getOne(id)).productUuid, demo.product);
}
const expanded = (await ask('GET', `/plans/${demo.plans.flat}?expand=[currencies.currency,product]`, { key })).json;
shaped('Plan', expanded, 'currencies', 'product');
for (const c of expanded.currencies) {
  shaped('Currency', shaped('PlanCurrency', c, 'currency').currency);
}

// Licences and checks.
const all = await salable.licenses.getAll();
for (const l of all) shaped('License', l);
for (const id of [...demo.licenses, demo.meteredLicense]) assert.ok(all.some((l) => l.uuid === id), `licence ${id}`);
const created = shaped('License', await salable.licenses.create({ planUuid: demo.plans.flat, member: 'sdk-2', granteeId: 'g-sdk-2' }));
assert.deepEqual([created.granteeId, created.purchaser, created.paymentService, created.subscriptionUuid], ['g-sdk-2', 'sdk-2', 'ad-hoc', null]);
const check = verified(await salable.licenses.check(demo.product, ['g-sdk-2', 'nobody']));
assert.deepEqual(check.capabilities, ['edit', 'read']);
assert.equal(check.capabilitiesEndDates.read, created.endTime);
assert.equal((await salable.licenses.check(demo.product, [demo.grantees[0]])).publicHash, check.publicHash);
await emptyIsSyntaxError(salable.licenses.check(demo.product, ['nobody']));

// Subscriptions: the effect is polled for, as the demos do.
shaped('Subscription', await salable.subscriptions.getOne(bought));
await emptyIsSyntaxError(salable.subscriptions.updatePlan(demo.plans.flatUpgrade, bought));
await poll(() => salable.subscriptions.getOne(bought), (s) => s.planUuid === demo.plans.flatUpgrade);
assert.deepEqual((await salable.licenses.check(demo.product, ['buyer'])).capabilities, ['edit', 'export', 'read']);
await emptyIsSyntaxError(salable.subscriptions.cancel(bought, 'end'));
const ending = await poll(() => salable.subscriptions.getOne(bought), (s) => s.cancelAtPeriodEnd);
assert.equal(ending.status, 'ACTIVE');
await emptyIsSyntaxError(salable.subscriptions.cancel(bought, 'now'));
await poll(() => salable.subscriptions.getOne(bought), (s) => s.status === 'CANCELED');
await emptyIsSyntaxError(salable.licenses.check(demo.product, ['buyer']));

// Known fault of SDK 2.5.0: it loses the key where a call has headers of its own, so 401 is the answer.
await assert.rejects(salable.usage.update(demo.meteredLicense, 'calls', { increment: 5 }), /^Error: Unauthorized$/);
assert.deepEqual((await ask('GET', `/licenses/${demo.meteredLicense}/usage`, { key })).json, { unitCount: 0 });

// RBAC: all of its methods.
const { permissions, roles, users } = salable.rbac;
const fields = (value, ...names) => assert.deepEqual(Object.keys(value).sort(), names.sort());
const permissionFields = ['uuid', 'value', 'type', 'description', 'dependencies', 'organisation', 'createdAt', 'updatedAt'];
const read = await permissions.create({ value: 'doc:read', type: 'doc', description: 'Reads', dependencies: [] });
const write = await permissions.create({ value: 'doc:write', type: 'doc', description: 'Writes', dependencies: { 'doc:read': 'doc' }, rbacUsers: [], roles: [] });
fields(read, ...permissionFields);
assert.deepEqual([read.dependencies, write.dependencies], [[], { 'doc:read': 'doc' }]);
assert.equal((await permissions.update(read.uuid, { value: 'doc:see' })).value, 'doc:see');
assert.equal((await permissions.getOne(read.uuid)).value, 'doc:see');
assert.deepEqual((await permissions.getAll()).map((p) => p.uuid), [read.uuid, write.uuid]);
const editor = await roles.create({ name: 'editor', description: 'Edits', permissions: [read.uuid] });
fields(editor, 'uuid', 'name', 'description', 'organisation', 'permissions', 'createdAt', 'updatedAt');
assert.deepEqual(editor.permissions, [{ uuid: read.uuid, value: 'doc:see', type: 'doc' }]);
const changedRole = await roles.update(editor.uuid, { name: 'author', permissions: { add: [write.uuid], remove: [read.uuid] } });
assert.deepEqual(changedRole.permissions.map((p) => p.value), ['doc:write']);
assert.equal((await roles.getOne(editor.uuid)).name, 'author');
assert.deepEqual((await roles.getAll()).map((r) => r.uuid), [editor.uuid]);
const user = await users.create({ id: 'u-sdk-2', name: 'Una', role: editor.uuid, permissions: [read.uuid] });
fields(user, 'id', 'name', 'organisation', 'role', 'permissions', 'createdAt', 'updatedAt');
fields(user.role, 'uuid', 'name', 'description', 'permissions', 'createdAt');
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
const plain = await ask('GET', '/products', { key });
assert.equal(plain.headers.get('content-type'), 'application/json', 'SDK 3.4.1 compares it as a whole');
const none = await ask('GET', `/licenses/check?productUuid=${demo.product}&granteeIds=nobody`, { key });
assert.deepEqual([none.status, none.headers.get('content-type'), none.headers.get('content-length'), none.text], [204, 'text/plain', '0', '']);
const invalid = await ask('POST', '/licenses', { key, body: '{"planUuid":"x","member":"m"}', headers: { 'content-type': 'text/plain;charset=UTF-8' } });
assert.equal(invalid.status, 400);
assert.deepEqual(invalid.json.validationErrors.map((e) => e.property), ['planUuid', 'granteeId']);

console.log(JSON.stringify({ license: created.uuid, check }));
