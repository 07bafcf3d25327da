// Drives v2 of the API with @salable/node-sdk 4.2.0 or, with SDK=5, 5.0.0, which has some methods more.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import {
  ask, billed, byToken, complete, coupon, demo, featured, flat, issued, key, opens, pem, poll, pricingTable, seats, verifiedList, watch, who, withoutLinks,
} from './contract.mjs';

const newest = process.env.SDK === '5';
const sdk = createRequire(import.meta.url)(newest ? 'salable-5' : 'salable-4');
const salable = newest ? sdk.initSalable(key, 'v2') : new sdk.default(key, 'v2');
const watched = watch(salable);
const notFound = (e) => e instanceof sdk.SalableResponseError && e.code === 'S1002';
const finished = async ({ eventUuid }, type) => {
  const event = await poll(() => salable.events.getOne(eventUuid), (e) => ['success', 'failed'].includes(e.status));
  assert.deepEqual([event.type, event.status, event.errorCode], [type, 'success', null]);
  return eventUuid;
};

// Seats up and down; each change is an event that the client polls.
const counted = () => salable.licenses.getCount({ subscriptionUuid: seats, status: 'ACTIVE' });
assert.deepEqual(await counted(), { count: 5, assigned: 1, unassigned: 4 });
const events = [await finished(await salable.subscriptions.addSeats(seats, { increment: 3 }), 'Create seats')];
assert.deepEqual(await counted(), { count: 8, assigned: 1, unassigned: 7 });
events.push(await finished(await salable.subscriptions.removeSeats(seats, { decrement: 2 }), 'Remove seats'));
assert.deepEqual(await counted(), { count: 6, assigned: 1, unassigned: 5 });
assert.equal((await salable.subscriptions.getOne(seats)).quantity, 6);
for (const refused of [
  () => salable.subscriptions.addSeats(seats, { increment: 45 }), // above the plan's maximum
  () => salable.subscriptions.removeSeats(seats, { decrement: 6 }), // below its minimum, and more than are unassigned
  () => salable.subscriptions.addSeats(seats, { increment: 0 }),
]) {
  await assert.rejects(refused, (e) => e instanceof sdk.SalableValidationError && e.code === 'S1004');
}
assert.deepEqual(await counted(), { count: 6, assigned: 1, unassigned: 5 });

// Licences: assign, unassign, count, list by page.
const free = (await salable.licenses.getAll({ subscriptionUuid: seats, status: 'ACTIVE' })).data.filter((l) => l.granteeId === null);
assert.equal(free.length, 5);
assert.equal((await salable.licenses.update(free[0].uuid, { granteeId: `${who}-a` })).granteeId, `${who}-a`);
assert.deepEqual(await counted(), { count: 6, assigned: 2, unassigned: 4 });
const both = await salable.licenses.updateMany([{ uuid: free[1].uuid, granteeId: `${who}-b` }, { uuid: free[0].uuid, granteeId: null }]);
assert.deepEqual(both.map((l) => l.granteeId), [`${who}-b`, null]);
const partly = await salable.licenses.updateMany([{ uuid: free[0].uuid, granteeId: `${who}-a` }, { uuid: demo.product, granteeId: 'x' }]);
assert.deepEqual(partly.map((l) => l.uuid), [free[0].uuid]); // 206: what could be done
const first = await salable.licenses.getAll({ take: 2 });
assert.equal(first.data.length, 2);
assert.ok(!(await salable.licenses.getAll({ take: 2, cursor: first.last })).data.some((l) => l.uuid === first.last));
const one = await salable.licenses.getOne(free[0].uuid, { expand: ['plan', 'subscription'] });
assert.deepEqual([one.plan.uuid, one.subscription.uuid], [demo.plans.perSeat, seats]);
assert.equal((await salable.licenses.getForGranteeId(`${who}-a`, { expand: ['plan'] }))[0].uuid, free[0].uuid);
const check = await salable.licenses.check({ productUuid: demo.product, granteeIds: [`${who}-a`] });
assert.deepEqual(verifiedList(check, pem).map((c) => c.capability), ['edit', 'per_seat', 'read']);
assert.equal(await salable.licenses.check({ productUuid: demo.product, granteeIds: ['nobody'] }), undefined);
await assert.rejects(salable.licenses.getOne(demo.product), notFound);
const member = { planUuid: demo.plans.flat, member: who };
const alone = await salable.licenses.create({ ...member, granteeId: `${who}-c`, status: 'TRIALING', endTime: '2040-01-01T00:00:00.000Z' });
assert.deepEqual([alone.status, alone.endTime], ['TRIALING', '2040-01-01T00:00:00.000Z']);
assert.deepEqual((await salable.licenses.getForPurchaser({ purchaser: who, productUuid: demo.product })).map((l) => l.uuid), [alone.uuid]);
assert.equal(await salable.licenses.cancel(alone.uuid), undefined);
const made = await salable.licenses.createMany([{ ...member, granteeId: null }, { ...member, granteeId: `${who}-d` }]);
assert.equal(await salable.licenses.cancelMany({ uuids: made.map((l) => l.uuid) }), undefined);
assert.equal((await salable.licenses.getOne(made[0].uuid)).status, 'CANCELED');

// Usage counts once a key.
const metered = await salable.licenses.create({ planUuid: demo.plans.metered, member: who, granteeId: `${who}-m` });
const use = (increment, idempotencyKey) =>
  salable.usage.updateLicenseUsage({ granteeId: `${who}-m`, planUuid: demo.plans.metered, increment, idempotencyKey });
for (const [increment, name] of [[4, 'a'], [4, 'a'], [3, 'b']]) assert.equal(await use(increment, `${who} ${name}`), undefined);
await assert.rejects(use(5, `${who} a`), sdk.SalableValidationError);
assert.deepEqual((await ask('GET', `/licenses/${metered.uuid}/usage`, { key, headers: { version: 'v2' } })).json, { unitCount: 7 });
assert.equal((await salable.usage.getCurrentUsageRecord({ granteeId: `${who}-m`, planUuid: demo.plans.metered })).unitCount, 7);
const records = await salable.usage.getAllUsageRecords({ granteeId: `${who}-m`, type: 'current' });
assert.deepEqual(records.data.map((r) => [r.unitCount, r.type, r.licenseUuid]), [[7, 'current', metered.uuid]]);

// Products and plans.
assert.ok((await salable.products.getAll()).some((p) => p.uuid === demo.product));
const product = await salable.products.getOne(demo.product, { expand: ['plans.features.feature', 'currencies.currency'] });
assert.deepEqual((await salable.products.getPlans(demo.product)).map((p) => p.uuid), product.plans.map((p) => p.uuid));
await salable.products.getFeatures(demo.product);
await salable.products.getCapabilities(demo.product);
assert.deepEqual(await salable.products.getCurrencies(demo.product), product.currencies);
assert.equal((await salable.plans.getOne(demo.plans.flat)).uuid, demo.plans.flat);
assert.deepEqual((await salable.plans.getFeatures(featured)).map((f) => f.enumValue?.name ?? f.value), ['true', 'Very large']);
await salable.plans.getCapabilities(demo.plans.flat);
await salable.plans.getCurrencies(demo.plans.flat);

// Pricing tables and links: their pages are there.
const checkout = { granteeId: who, member: who, successUrl: 'https://example.com/s', cancelUrl: 'https://example.com/c' };
await opens((await salable.plans.getCheckoutLink(demo.plans.perSeat, { ...checkout, quantity: '2' })).checkoutUrl);
assert.ok((await salable.products.getPricingTable(demo.product, { granteeId: who })).plans.some((p) => p.uuid === demo.plans.free));
assert.equal((await salable.pricingTables.getOne(pricingTable, { granteeId: who })).plans.length, 2);
for (const link of ['getUpdatePaymentLink', 'getPortalLink', 'getCancelSubscriptionLink']) await opens((await salable.subscriptions[link](flat)).url);

// A token for a widget in a browser stands for the key where it reads.
const { sessionToken } = await salable.sessions.create({ scope: 'web-components:invoices', metadata: { subscriptionUuid: flat } });
assert.ok(sessionToken.length > 20 && sessionToken !== key);

// Subscriptions: plan change, cancel, reactivate.
for (const p of await salable.subscriptions.getSwitchablePlans(flat)) assert.equal(p.productUuid, demo.product);
const bill = billed(await salable.subscriptions.getInvoices(flat));
assert.deepEqual(bill.data.map((i) => [i.billing_reason, i.status]), [['subscription_create', 'open']]);
await opens(bill.data[0].hosted_invoice_url);
await opens(bill.data[0].invoice_pdf, 'application/pdf');
assert.deepEqual(withoutLinks(await byToken(sessionToken, `/subscriptions/${flat}/invoices`, 'v2')), withoutLinks(bill));
assert.equal((await ask('GET', `/subscriptions/${flat}`, { token: sessionToken, headers: { version: 'v2' } })).status, 403); // it is for nothing else
await assert.rejects(salable.subscriptions.getPaymentMethod(flat), notFound); // there is none
assert.equal(await salable.subscriptions.changePlan(flat, { planUuid: demo.plans.flatUpgrade, proration: 'none' }), undefined);
const changed = await poll(() => salable.subscriptions.getOne(flat, { expand: ['plan'] }), (s) => s.planUuid === demo.plans.flatUpgrade);
assert.equal(changed.plan.uuid, demo.plans.flatUpgrade);
assert.equal(await salable.subscriptions.cancel(flat, { when: 'end' }), undefined);
await poll(() => salable.subscriptions.getOne(flat), (s) => s.cancelAtPeriodEnd);
assert.equal(await salable.subscriptions.reactivateSubscription(flat), undefined);
await poll(() => salable.subscriptions.getOne(flat), (s) => !s.cancelAtPeriodEnd && s.status === 'ACTIVE');
await assert.rejects(salable.subscriptions.changePlan(flat, { planUuid: demo.product }), notFound);
assert.equal((await salable.subscriptions.update(flat, { owner: `${who} owner` })).owner, `${who} owner`);
const owned = await salable.subscriptions.getAll({ owner: `${who} owner`, expand: ['plan'], sort: 'desc', take: 2 });
assert.deepEqual(owned.data.map((s) => [s.uuid, s.plan.uuid]), [[flat, demo.plans.flatUpgrade]]);
if (newest) {
  const started = await salable.subscriptions.create({ planUuid: demo.plans.perSeat, granteeId: `${who}-own`, owner: `${who} owner`, quantity: 3 });
  assert.deepEqual([started.owner, started.quantity, started.status], [`${who} owner`, 3, 'ACTIVE']);
  assert.deepEqual(await salable.subscriptions.getSeatCount(started.uuid), { count: 3, assigned: 1, unassigned: 2 });
  assert.equal(await salable.subscriptions.manageSeats(started.uuid, [
    { type: 'assign', granteeId: `${who}-x` }, { type: 'replace', granteeId: `${who}-x`, newGranteeId: `${who}-y` }, { type: 'unassign', granteeId: `${who}-own` },
  ]), undefined);
  const page = await salable.subscriptions.getSeats(started.uuid, { take: 2 });
  const rest = await salable.subscriptions.getSeats(started.uuid, { take: 2, cursor: page.last });
  assert.deepEqual([page.data.length, rest.data.length], [2, 1]);
  assert.deepEqual([...page.data, ...rest.data].map((l) => l.granteeId).filter(Boolean), [`${who}-y`]);
  assert.equal(await salable.subscriptions.addCoupon(flat, { couponUuid: coupon }), undefined);
  assert.equal(await salable.subscriptions.removeCoupon(flat, { couponUuid: coupon }), undefined);
}

await complete(watched, {
});
console.log(JSON.stringify({
  tasks: events,
  assigned: free[0].uuid,
  events: {
    'license.granted.v1': 4, 'license.ended.v1': 3, 'usage.recorded.v1': 2,
    'subscription.seats_added.v1': 1, 'subscription.seats_removed.v1': 1, 'subscription.seats_assigned.v1': newest ? 4 : 3,
    'subscription.plan_changed.v1': 1, 'subscription.cancellation_scheduled.v1': 1, 'subscription.reactivated.v1': 1,
    'subscription.owner_changed.v1': 1, 'account.accrued.v1': 2,
    ...(newest ? { 'subscription.started.v1': 1, 'customer.created.v1': 1, 'owner.billed.v1': 1, 'coupon.redeemed.v1': 1, 'subscription.coupon_applied.v1': 1, 'subscription.coupon_removed.v1': 1, ...issued(1) } : {}),
  },
}));
