// Drives the API with @salable/node-sdk 4.2.0, which speaks v2.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { ask, poll, shaped } from './contract.mjs';

const sdk = createRequire(import.meta.url)('salable-4');
const demo = JSON.parse(process.env.DEMO);
const flat = process.env.FLAT;
const key = demo.keys.test;
const salable = new sdk.default(key, 'v2');
const page = (list, shape) => {
  assert.deepEqual(Object.keys(list).sort(), ['data', 'first', 'last']);
  for (const item of list.data) shaped(shape, item);
  assert.deepEqual([list.first, list.last], [list.data.at(0)?.uuid ?? null, list.data.at(-1)?.uuid ?? null]);
  return list.data;
};
const finished = async ({ eventUuid }, type) => {
  const event = await poll(() => salable.events.getOne(eventUuid), (e) => ['success', 'failed'].includes(e.status));
  assert.deepEqual([shaped('Event', event).type, event.status, event.errorCode], [type, 'success', null]);
  return eventUuid;
};

// Seats up and down; each change is an event that the client polls.
const seats = () => salable.licenses.getCount({ subscriptionUuid: demo.subscription, status: 'ACTIVE' });
assert.deepEqual(shaped('LicenseCount', await seats()), { count: 5, assigned: 2, unassigned: 3 });
const events = [await finished(await salable.subscriptions.addSeats(demo.subscription, { increment: 3 }), 'Create seats')];
assert.deepEqual(await seats(), { count: 8, assigned: 2, unassigned: 6 });
events.push(await finished(await salable.subscriptions.removeSeats(demo.subscription, { decrement: 2 }), 'Remove seats'));
assert.deepEqual(await seats(), { count: 6, assigned: 2, unassigned: 4 });
assert.equal((await salable.subscriptions.getOne(demo.subscription)).quantity, 6);
for (const refused of [
  () => salable.subscriptions.addSeats(demo.subscription, { increment: 45 }), // above the plan's maximum
  () => salable.subscriptions.removeSeats(demo.subscription, { decrement: 6 }), // below its minimum
  () => salable.subscriptions.removeSeats(demo.subscription, { decrement: 5 }), // more than are unassigned
  () => salable.subscriptions.addSeats(demo.subscription, { increment: 0 }),
]) {
  await assert.rejects(refused, (e) => e instanceof sdk.SalableValidationError && e.code === 'S1004');
}
assert.deepEqual(await seats(), { count: 6, assigned: 2, unassigned: 4 });

// Licences: assign, unassign, count, list by page.
const free = page(await salable.licenses.getAll({ subscriptionUuid: demo.subscription, status: 'ACTIVE' }), 'License').filter((l) => l.granteeId === null);
assert.equal(free.length, 4);
const assigned = await salable.licenses.update(free[0].uuid, { granteeId: 'g-sdk-4' });
assert.equal(shaped('License', assigned).granteeId, 'g-sdk-4');
assert.deepEqual(await seats(), { count: 6, assigned: 3, unassigned: 3 });
const both = await salable.licenses.updateMany([{ uuid: free[1].uuid, granteeId: 'g-sdk-4b' }, { uuid: free[0].uuid, granteeId: null }]);
assert.deepEqual(both.map((l) => l.granteeId), ['g-sdk-4b', null]);
const partly = await salable.licenses.updateMany([{ uuid: free[0].uuid, granteeId: 'g-sdk-4' }, { uuid: demo.product, granteeId: 'x' }]);
assert.deepEqual(partly.map((l) => l.uuid), [free[0].uuid]); // 206: what could be done
const first = await salable.licenses.getAll({ take: 2 });
assert.equal(page(first, 'License').length, 2);
assert.ok(!page(await salable.licenses.getAll({ take: 2, cursor: first.last }), 'License').some((l) => l.uuid === first.last));
const one = await salable.licenses.getOne(free[0].uuid, { expand: ['plan', 'subscription'] });
shaped('Plan', shaped('License', one, 'plan', 'subscription').plan);
shaped('Subscription', one.subscription);
assert.equal((await salable.licenses.getForGranteeId('g-sdk-4', {}))[0].uuid, free[0].uuid);
const check = await salable.licenses.check({ productUuid: demo.product, granteeIds: ['g-sdk-4'] });
assert.deepEqual(check.capabilities.map((c) => c.capability), ['edit', 'per_seat', 'read']);
assert.equal(await salable.licenses.check({ productUuid: demo.product, granteeIds: ['nobody'] }), undefined);
await assert.rejects(salable.licenses.getOne(demo.product), (e) => e instanceof sdk.SalableResponseError && e.code === 'S1002');
const member = { planUuid: demo.plans.flat, member: 'sdk-4' };
const made = await salable.licenses.createMany([{ ...member, granteeId: null }, { ...member, granteeId: 'g-sdk-4c' }]);
assert.equal(await salable.licenses.cancelMany({ uuids: made.map((l) => l.uuid) }), undefined);
assert.equal((await salable.licenses.getOne(made[0].uuid)).status, 'CANCELED');

// Usage counts once a key.
const use = (increment, idempotencyKey) =>
  salable.usage.updateLicenseUsage({ granteeId: demo.grantees[2], planUuid: demo.plans.metered, increment, idempotencyKey });
for (const [increment, name] of [[4, 'sdk-4 a'], [4, 'sdk-4 a'], [3, 'sdk-4 b']]) assert.equal(await use(increment, name), undefined);
await assert.rejects(use(5, 'sdk-4 a'), sdk.SalableValidationError);
assert.deepEqual((await ask('GET', `/licenses/${demo.meteredLicense}/usage`, { key })).json, { unitCount: 7 });

// Subscriptions: plan change, cancel, reactivate.
assert.equal(await salable.subscriptions.changePlan(flat, { planUuid: demo.plans.flatUpgrade, proration: 'none' }), undefined);
const changed = await poll(() => salable.subscriptions.getOne(flat, { expand: ['plan'] }), (s) => s.planUuid === demo.plans.flatUpgrade);
assert.equal(shaped('Subscription', changed, 'plan').plan.uuid, demo.plans.flatUpgrade);
assert.equal(await salable.subscriptions.cancel(flat, { when: 'end' }), undefined);
await poll(() => salable.subscriptions.getOne(flat), (s) => s.cancelAtPeriodEnd);
assert.equal(await salable.subscriptions.reactivateSubscription(flat), undefined);
await poll(() => salable.subscriptions.getOne(flat), (s) => !s.cancelAtPeriodEnd && s.status === 'ACTIVE');
await assert.rejects(salable.subscriptions.changePlan(flat, { planUuid: demo.product }), (e) => e.code === 'S1002');

console.log(JSON.stringify({ events, assigned: free.slice(0, 2).map((l) => l.uuid) }));
