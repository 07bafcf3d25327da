// Sends what published clients ask of the hosted API to BASE_URL, and checks what they are answered. Their
// address is part of their bundles, but all of them look fetch up when they call. Preload it:
// node --import ./redirect.mjs script.mjs
import { answered } from './answers.mjs';

const hosted = 'https://api.salable.app';
const base = process.env.BASE_URL;
if (!base) throw new Error('BASE_URL is not set');

const real = globalThis.fetch;
globalThis.fetch = async (resource, options) => {
  const request = new Request(resource, options);
  if (!request.url.startsWith(hosted)) return real(resource, options);
  const { method, headers } = request;
  const there = base + request.url.slice(hosted.length);
  const answer = await real(there, { method, headers, body: options?.body });
  try {
    answered(method, new URL(there), headers.get('version') ?? 'v1', answer.status, answer.headers, await answer.clone().text());
  } catch (e) {
    console.error(e); // thrown, it would be taken for a failed request by the clients
    process.exit(1);
  }
  return answer;
};
