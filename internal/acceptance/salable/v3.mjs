// Drives v3 of the API with @salable/node-sdk 5.0.0.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import {
  ask, billed, byToken, complete, coupon, demo, featured, flat, issued, key, opens, pem, poll, pricingTable, seats, verifiedList, watch, who, withoutLinks,
} from './contract.mjs';

const sdk = createRequire(import.meta.url)('salable-5');
const salable = sdk.initSalable(key, 'v3');
const watched = watch(salable);
const notFound = (e) => e instanceof sdk.SalableResponseError && e.code === 'S1002';

// Entitlements, which v3 has in place of licences.
assert.equal(await salable.entitlements.check({ productUuid: demo.product, granteeIds: [`${who} flat`] }), undefined); // a plan without features
const entitled = () => salable.entitlements.check({ productUuid: demo.product, granteeIds: [`${who} flat`] });
assert.equal(await salable.entitlements.check({ productUuid: demo.product, granteeIds: ['nobody'] }), undefined);
assert.equal((await ask('GET', '/licenses', { key, headers: { version: 'v3' } })).status, 404);

// Catalog.
const first = await salable.products.getAll({ take: 1, sort: 'asc', archived: false });
assert.deepEqual(first.data.map((p) => p.uuid), [demo.product]);
assert.equal((await salable.products.getAll({ cursor: first.last, archived: false })).data.some((p) => p.uuid === demo.product), false);
assert.equal((await salable.products.getOne(demo.product, { expand: ['organisationPaymentIntegration'] })).uuid, demo.product);
const plans = await salable.plans.getAll({ productUuid: demo.product, sort: 'desc' });
assert.equal(plans.data[0].uuid, featured);
assert.deepEqual((await salable.plans.getOne(featured, { expand: ['features', 'currencies', 'product'] })).features.length, 2);
const features = await salable.features.getAll({ productUuid: demo.product });
assert.deepEqual(features.data.map((f) => [f.variableName, f.featureEnumOptions.map((o) => o.name)]), [['size', ['Small', 'Very large']], ['layers', []]]);

// Subscriptions.
assert.equal((await salable.subscriptions.getOne(seats)).quantity, 5);
const { eventUuid } = await salable.subscriptions.updateSeatCount(seats, { increment: 2 });
const event = await poll(() => salable.events.getOne(eventUuid), (e) => ['success', 'failed'].includes(e.status));
assert.deepEqual([event.type, event.status], ['Create seats', 'success']);
assert.equal((await salable.subscriptions.getOne(seats)).quantity, 7);
billed(await salable.subscriptions.getInvoices(flat));
await assert.rejects(salable.subscriptions.getPaymentMethod(flat), notFound); // there is none
assert.equal(await salable.subscriptions.addCoupon(flat, { couponUuid: coupon }), undefined);
assert.equal(await salable.subscriptions.removeCoupon(flat, { couponUuid: coupon }), undefined);
assert.equal(await salable.subscriptions.changePlan(flat, { planUuid: featured }), undefined);
await poll(() => salable.subscriptions.getOne(flat), (s) => s.planUuid === featured);
assert.deepEqual(verifiedList(await poll(entitled, Boolean), pem).map((f) => f.feature).sort(), ['layers', 'size:very_large']);
assert.equal(await salable.subscriptions.cancel(flat, { when: 'end' }), undefined);
assert.equal(await salable.subscriptions.reactivateSubscription(flat), undefined);
await assert.rejects(salable.subscriptions.getOne(demo.product), notFound);
const started = await salable.subscriptions.create({ planUuid: demo.plans.perSeat, granteeId: `${who}-own`, owner: who, quantity: 2 });
assert.equal((await salable.subscriptions.update(started.uuid, { owner: `${who} owner` })).owner, `${who} owner`);
const owned = await salable.subscriptions.getAll({ owner: `${who} owner`, expand: ['plan', 'product'] });
assert.deepEqual(owned.data.map((s) => [s.uuid, s.plan.uuid]), [[started.uuid, demo.plans.perSeat]]);
assert.equal(await salable.subscriptions.manageSeats(started.uuid, [{ type: 'assign', granteeId: `${who}-x` }]), undefined);
assert.deepEqual(await salable.subscriptions.getSeatCount(started.uuid), { count: 2, assigned: 2, unassigned: 0 });
assert.deepEqual((await salable.subscriptions.getSeats(started.uuid)).data.map((l) => l.granteeId).sort(), [`${who}-own`, `${who}-x`]);

// Links: their pages are there.
const checkout = { granteeId: who, owner: who, successUrl: 'https://example.com/s', cancelUrl: 'https://example.com/c' };
await opens((await salable.plans.getCheckoutLink(demo.plans.flat, checkout)).checkoutUrl);
for (const link of ['getUpdatePaymentLink', 'getPortalLink', 'getCancelSubscriptionLink']) await opens((await salable.subscriptions[link](flat)).url);

// A token for a widget in a browser stands for the key where it reads.
const { sessionToken } = await salable.sessions.create({ scope: 'web-components:invoices', metadata: { subscriptionUuid: flat } });
assert.ok(sessionToken.length > 20 && sessionToken !== key);
const bill = billed(await salable.subscriptions.getInvoices(flat));
assert.deepEqual(withoutLinks(await byToken(sessionToken, `/subscriptions/${flat}/invoices`, 'v3')), withoutLinks(bill));
const part = withoutLinks(await byToken(sessionToken, `/subscriptions/${flat}/invoices?take=1`, 'v3'));
assert.deepEqual(part, { first: bill.first, last: bill.first, hasMore: true, data: [withoutLinks(bill).data[0]] }); // the newest
assert.equal((await ask('GET', `/subscriptions/${flat}`, { token: sessionToken, headers: { version: 'v3' } })).status, 403); // it is for nothing else

// Usage.
const use = { granteeId: `${who}-m`, planUuid: demo.plans.metered };
await salable.subscriptions.create({ ...use, owner: who });
assert.equal(await salable.usage.updateLicenseUsage({ ...use, increment: 4, idempotencyKey: who }), undefined);
await assert.rejects(salable.usage.updateLicenseUsage({ ...use, increment: 5, idempotencyKey: who }), sdk.SalableValidationError);
await assert.rejects(salable.usage.updateLicenseUsage({ ...use, granteeId: 'nobody', increment: 1, idempotencyKey: `${who} b` }), notFound);
assert.equal((await salable.usage.getCurrentUsageRecord(use)).unitCount, 4);
assert.deepEqual((await salable.usage.getAllUsageRecords({ granteeId: use.granteeId })).data.map((r) => [r.unitCount, r.type]), [[4, 'current']]);
await assert.rejects(salable.usage.getCurrentUsageRecord({ ...use, granteeId: 'nobody' }), notFound);

// Pricing tables, which tell an owner what they have.
assert.ok((await salable.products.getPricingTable(demo.product, { owner: who })).plans.find((p) => p.uuid === use.planUuid).isSubscribed);
assert.equal((await salable.pricingTables.getOne(pricingTable, { owner: who })).featuredPlanUuid, featured);

await complete(watched, {});
console.log(JSON.stringify({
  events: {
    'subscription.started.v1': 2, 'customer.created.v1': 1, 'owner.billed.v1': 1, 'usage.recorded.v1': 1, 'subscription.owner_changed.v1': 1, 'subscription.seats_assigned.v1': 1,
    'subscription.seats_added.v1': 1, 'subscription.plan_changed.v1': 1, 'subscription.cancellation_scheduled.v1': 1,
    'subscription.reactivated.v1': 1, 'coupon.redeemed.v1': 1, 'subscription.coupon_applied.v1': 1, 'subscription.coupon_removed.v1': 1,
    'account.accrued.v1': 2, 'invoice.line_reversed.v1': 1, ...issued(2),
  },
}));
