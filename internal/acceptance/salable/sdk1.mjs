// Drives the API with @salable/node-sdk 1.7.0, which speaks v1 and sends no version header.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { ask, complete, demo, flat, key, poll, verified, watch, who } from './contract.mjs';

const { SalableApi } = createRequire(import.meta.url)('salable-1');
const salable = new SalableApi(key);
const watched = watch(salable);

// Known fault of SDK 1 and 2: they parse every answer as JSON, so that an empty success is a SyntaxError
// although the server did the work.
const emptyIsSyntaxError = (promise) => assert.rejects(promise, SyntaxError);

const created = await salable.licenses.createLicense({ planUuid: demo.plans.metered, member: who, granteeId: who });
assert.deepEqual([created.granteeId, created.purchaser, created.paymentService, created.type], [who, who, 'ad-hoc', 'metered']);
assert.ok((await salable.licenses.getLicenses()).some((l) => l.uuid === created.uuid));
const check = verified(await salable.licenses.checkLicenses(demo.product, [who, 'nobody']));
assert.deepEqual(Object.values(check.capabilitiesEndDates), check.capabilities.map(() => created.endTime));
await emptyIsSyntaxError(salable.licenses.checkLicenses(demo.product, ['nobody']));

await emptyIsSyntaxError(salable.usage.updateUsage(created.uuid, 'calls', { increment: 5 }));
assert.deepEqual((await ask('GET', `/licenses/${created.uuid}/usage`, { key })).json, { unitCount: 5 });

await emptyIsSyntaxError(salable.subscriptions.changePlan(demo.plans.flatUpgrade, flat));
await poll(() => salable.subscriptions.getSubscription(flat), (s) => s.planUuid === demo.plans.flatUpgrade);

await assert.rejects(salable.subscriptions.getSubscription(demo.product), /^Error: Not Found$/);
await assert.rejects(new SalableApi('test_nothing').licenses.getLicenses(), /^Error: Unauthorized$/);

await complete(watched, {});
console.log(JSON.stringify({ events: { 'license.granted.v1': 1, 'usage.recorded.v1': 1, 'subscription.plan_changed.v1': 1, 'account.accrued.v1': 1, 'invoice.line_reversed.v1': 1 } }));
