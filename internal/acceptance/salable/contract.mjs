// How clients look at answers beyond their shapes, and that every method of theirs is called.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { unknownRoute } from './answers.mjs';

// Node 18 has it, but not under the name that the clients' packages use.
globalThis.crypto ??= crypto.webcrypto;

/**
 * What the Go side gives a script: what `subledger demo` printed, a flat and a per seat subscription (5 seats, the
 * first one held) of its own, a plan with features, the key that checks of v2 and v3 are verified with, and a text
 * to name things by.
 */
export const { demo, flat, seats, featured, pem, who, coupon, pricingTable } = JSON.parse(process.env.GIVEN);
export const key = demo.keys.test;

/** Verifies the signature of a licence check of v1: secp256k1 over the names (contract, section 6). */
export function verified(check) {
  assert.equal(check.capsHashed, check.capabilities.join(','));
  const spki = Buffer.from('3056301006072a8648ce3d020106052b8104000a034200' + check.publicHash, 'hex');
  const key = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' });
  assert.ok(crypto.verify('sha256', Buffer.from(check.capsHashed), key, Buffer.from(check.signature, 'hex')), 'the signature');
  assert.deepEqual(Object.keys(check.capabilitiesEndDates), check.capabilities);
  for (const end of Object.values(check.capabilitiesEndDates)) assert.match(end, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  return check;
}

/** Verifies the signature of a check of v2 or v3: P-256 over the list's JSON text; gives the list. */
export function verifiedList(check, pem) {
  const list = check.capabilities ?? check.features;
  const key = crypto.createPublicKey(pem);
  assert.equal(key.asymmetricKeyDetails.namedCurve, 'prime256v1');
  assert.ok(crypto.verify('sha256', Buffer.from(JSON.stringify(list)), key, Buffer.from(check.signature, 'hex')), 'the signature');
  return list;
}

/** Asks without any client, as the browser widgets do: with a key, or with the token of a session in its place. */
export async function ask(method, path, { key, token, headers, body } = {}) {
  const who = token ? { authorization: `Bearer ${token}` } : { 'x-api-key': key };
  const answer = await fetch('https://api.salable.app' + path, { method, headers: { ...who, ...headers }, body });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: text ? JSON.parse(text) : undefined };
}

/** Fails unless a link leads to a page, or to something else of a kind. */
export async function opens(url, kind = 'text/html') {
  const page = await fetch(url);
  assert.equal(page.status, 200, url);
  assert.ok(page.headers.get('content-type').startsWith(kind), url);
}

/** What is answered to the token of a session. */
export async function byToken(token, path, version) {
  const { status, json } = await ask('GET', path, { token, headers: { version } });
  assert.equal(status, 200, path);
  return json;
}

/** Fails unless all that the demo applications read of invoices is there. */
export function billed(list) {
  assert.ok(list.data.length > 0);
  assert.deepEqual([list.first, list.last], [list.data[0].id, list.data.at(-1).id]);
  for (const i of list.data) {
    const times = [i.created, i.status === 'draft' ? i.automatically_finalizes_at : i.effective_at];
    assert.ok(times.every((at) => new Date(at * 1000).getUTCFullYear() > 2000), JSON.stringify(i));
    for (const line of i.lines.data) {
      assert.ok([line.amount, line.quantity, line.price.unit_amount].every(Number.isInteger), JSON.stringify(line));
      if (!line.proration) assert.equal(line.quantity * line.price.unit_amount, line.amount);
    }
  }
  return list;
}

/** The events of so many invoices that are issued. */
export const issued = (n) => Object.fromEntries(['account.invoiced.v1', 'invoice.drafted.v1', 'invoice.finalized.v1', 'series.numbered.v1'].map((type) => [type, n]));

/** An answer without its links: each answer has new ones. */
export const withoutLinks = (list) => ({ ...list, data: list.data.map(({ hosted_invoice_url, invoice_pdf, ...rest }) => rest) });

/** Polls as the demo applications do, if more often, until done says so; gives up after ten seconds. */
export async function poll(read, done) {
  for (const deadline = Date.now() + 10_000; ;) {
    const value = await read();
    if (done(value)) return value;
    assert.ok(Date.now() < deadline, `nothing came of it: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Notes which methods of a client are called and lead somewhere. */
export function watch(client) {
  const methods = new Set();
  const called = new Set();
  const walk = (owner, path) => {
    const names = new Set();
    for (let at = owner; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      for (const name of Object.getOwnPropertyNames(at)) names.add(name);
    }
    for (const name of names) {
      const value = owner[name];
      if (name === 'constructor' || name.startsWith('_')) continue;
      if (typeof value === 'function') {
        methods.add(path + name);
        owner[name] = async (...args) => {
          try {
            return await value.apply(owner, args);
          } finally {
            if (!unknownRoute()) called.add(path + name);
          }
        };
      } else if (value && typeof value === 'object') {
        walk(value, path + name + '.');
      }
    }
  };
  walk(client, '');
  return { methods, called };
}

/**
 * Fails unless every method was called. Missing are those whose route is not there yet, each with a call of it;
 * one that leads somewhere has to be taken from the list.
 */
export async function complete({ methods, called }, missing) {
  for (const [name, call] of Object.entries(missing)) {
    assert.ok(methods.has(name), `${name} is no method: take it from the list of what is missing`);
    await call().catch(() => {});
    assert.ok(!called.has(name), `${name} leads somewhere: take it from the list of what is missing, and check what it does`);
  }
  const left = [...methods].filter((name) => !called.has(name) && !missing[name]);
  assert.deepEqual(left, [], 'methods that were not called');
}
