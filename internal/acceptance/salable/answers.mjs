// What each route answers (contract, sections 4 and 8). Whatever a client was answered is compared with it, and
// the test ends at the first answer that differs.
import assert from 'node:assert/strict';
import { check, tree } from './shapes.mjs';

const licenses = { v1: 'License[]', v2: 'License[]' };
const nested = ['features.feature', 'features.enumValue', 'currencies.currency'];
const priced = [...nested.map((name) => 'plans.' + name), 'plans.checkoutUrl'];
const table = ['features.feature.featureEnumOptions', 'product.features', 'product.currencies.currency',
  ...nested.map((name) => 'plans.plan.' + name), 'plans.plan.checkoutUrl'];

// Method and path, the shape by version (a text: of all versions), and what is expanded without being asked for
// (a list: in all versions).
// null: the success has no body.
const routes = [
  ['GET /licenses/check', { v1: 'LicenseCheck', v2: 'SignedCapabilities' }],
  ['GET /licenses/count', 'LicenseCount'],
  ['GET /licenses/purchaser', licenses],
  ['GET /licenses/granteeId/{}', licenses],
  ['GET /licenses', { v1: 'License[]', v2: 'page:License' }],
  ['POST /licenses', 'License|License[]'],
  ['PUT /licenses', 'License[]'],
  ['POST /licenses/cancel', null],
  ['GET /licenses/{}', 'License'],
  ['PUT /licenses/{}', 'License'],
  ['DELETE /licenses/{}', null],
  ['GET /licenses/{}/usage', 'LicenseUsage'],
  ['GET /entitlements/check', 'EntitlementCheck'],
  ['GET /products', { v1: 'Product[]', v2: 'Product[]', v3: 'page:Product' }],
  ['GET /products/{}', 'Product'],
  ['GET /products/{}/plans', 'Plan[]'],
  ['GET /products/{}/pricingtable', 'Product', ['features', 'currencies.currency', 'organisationPaymentIntegration', ...priced]],
  ['GET /products/{}/pricing-table', 'Product', ['features', 'currencies.currency', 'organisationPaymentIntegration', ...priced, 'plans.isSubscribed']],
  ['GET /products/{}/features', 'Feature[]', ['featureEnumOptions']],
  ['GET /products/{}/currencies', 'ProductCurrency[]', ['currency']],
  ['GET /products/{}/capabilities', 'Capability[]'],
  ['GET /features', 'page:Feature', ['featureEnumOptions']],
  ['GET /plans', 'page:Plan', nested],
  ['GET /plans/{}', 'Plan'],
  ['GET /plans/{}/features', 'PlanFeature[]', ['feature', 'enumValue']],
  ['GET /plans/{}/currencies', 'PlanCurrency[]', ['currency']],
  ['GET /plans/{}/capabilities', 'PlanCapability[]', ['capability']],
  ['GET /plans/{}/checkoutlink', 'CheckoutLink'],
  ['GET /plans/{}/checkout-link', 'CheckoutLink'],
  ['GET /pricing-tables/{}', 'PricingTable', { v1: table, v2: table, v3: [...table, 'plans.plan.isSubscribed'] }],
  ['GET /subscriptions', 'page:Subscription'],
  ['POST /subscriptions', 'Subscription'],
  ['PUT /subscriptions', null],
  ['GET /subscriptions/{}', 'Subscription'],
  ['PUT /subscriptions/{}', 'Subscription'],
  ['PUT /subscriptions/{}/change-plan', null],
  ['GET /subscriptions/{}/invoices', 'InvoiceList'],
  ['GET /subscriptions/{}/updateplan/listplans', 'Plan[]', nested],
  ['PUT /subscriptions/{}/updateplan/{}', null],
  ['PUT /subscriptions/{}/cancel', null],
  ['GET /subscriptions/{}/payment-method', 'PaymentMethod'],
  ['PUT /subscriptions/{}/reactivate', null],
  ['GET /subscriptions/{}/seats', 'page:License'],
  ['GET /subscriptions/{}/seats/count', 'LicenseCount'],
  ['POST /subscriptions/{}/seats', 'EventRef'],
  ['PUT /subscriptions/{}/seats', 'EventRef'],
  ['PUT /subscriptions/{}/manage-seats', null],
  ['POST /subscriptions/{}/coupons', null],
  ['PUT /subscriptions/{}/coupons', null],
  ...['updatepaymentlink', 'customer-portal', 'cancelpaymentlink', 'update-payment-link', 'cancel-payment-link']
    .map((link) => [`GET /subscriptions/{}/${link}`, 'Link']),
  ['GET /usage', 'page:UsageRecord'],
  ['PUT /usage', null],
  ['GET /usage/current', 'CurrentUsage'],
  ['GET /events/{}', 'Event'],
  ['POST /sessions', 'Session'],
  ...[['permissions', 'Permission'], ['roles', 'Role'], ['users', 'RbacUser']].flatMap(([kind, shape]) => [
    [`GET /rbac/${kind}`, shape + '[]'],
    [`POST /rbac/${kind}`, shape],
    [`GET /rbac/${kind}/{}`, shape],
    [`PUT /rbac/${kind}/{}`, shape],
    [`DELETE /rbac/${kind}/{}`, null],
  ]),
  ['POST /checkout/create-subscription', 'ClientSecret'],
  ['POST /checkout/create-subscription-intent', 'ClientSecret'],
].map(([route, shape, implied = []]) => ({ pattern: new RegExp(`^${route.replaceAll('{}', '[^/]+')}$`), route, shape, implied }));

/** The answer before: its status and its body. Clients hide them. */
export const last = { status: 0, text: '' };

/** Tells whether the answer before was that of a path which leads nowhere, or in other versions alone. */
export const unknownRoute = () => last.status === 404 && /^{"error":"(not found|.*: send the header version)"}$/.test(last.text);

/** Notes an answer and checks it. */
export function answered(method, url, version, status, headers, text) {
  Object.assign(last, { status, text });
  const what = `${method} ${url.pathname} ${version} ${status}`;
  assert.ok([200, 201, 204, 206, 400, 401, 403, 404].includes(status), what + ': ' + text);
  if (text === '') {
    assert.equal(headers.get('content-length'), '0', what);
    assert.notEqual(headers.get('content-type'), 'application/json', what);
  } else {
    assert.equal(headers.get('content-type'), 'application/json', what + ': SDK 3.4.1 compares it as a whole');
  }
  const body = text === '' ? undefined : JSON.parse(text);
  if (status >= 400) return refused(what, status, body);
  const known = routes.find(({ pattern }) => pattern.test(`${method} ${url.pathname}`));
  assert.ok(known, what + ': no shape is known for it');
  const shape = known.shape && typeof known.shape === 'object' ? known.shape[version] : known.shape;
  if (status === 204) {
    return assert.ok(shape === null || known.route.endsWith('/check'), what + ': an answer without a body');
  }
  if (shape === null) return check('ItemErrors', body, version, {}, what); // 206
  assert.ok(shape, what + ': this version has no shape for it');
  check(shape, body, version, tree([...(known.implied[version] ?? known.implied), ...asked(url)]), what);
}

function refused(what, status, body) {
  if (status !== 400 || !('validationErrors' in body)) {
    assert.deepEqual([Object.keys(body), typeof body.error], [['error'], 'string'], what);
    return;
  }
  assert.deepEqual(Object.keys(body), ['validationErrors'], what);
  assert.ok(body.validationErrors.length > 0, what);
  for (const e of body.validationErrors) {
    assert.deepEqual([Object.keys(e).sort(), typeof e.property, typeof e.error], [['error', 'property'], 'string', 'string'], what);
  }
}

// asked are the relations of a URL; the links to checkouts are fields of plans.
function asked(url) {
  const names = (url.searchParams.get('expand') ?? '').replace(/^\[|\]$/g, '').split(',').filter((name) => name !== '');
  return names.flatMap((name) => {
    if (name === 'generateCheckoutLink') return ['checkoutUrl'];
    if (name === 'generateCheckoutLinks') return names.some((n) => n.split('.')[0] === 'plans') ? ['plans.checkoutUrl'] : [];
    return [name];
  });
}
