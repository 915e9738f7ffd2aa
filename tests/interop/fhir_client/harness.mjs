// What the tests of the FHIR face share: the official client, the daemon that fhir_test.py started,
// projects to work in, and a list of tests that run one after the other.
import assert from 'node:assert/strict';

// (The client's module looks at it when it is loaded; node has one from version 22 on.)
globalThis.WebSocket ??= class {
  static CLOSING = 2;
  static CLOSED = 3;
};

export const clientModule = process.env.RAMET_FHIR_CLIENT ?? '@medplum/core';
export const core = await import(clientModule);
export const isNewClient = clientModule !== '@medplum/core';
export const baseUrl = process.env.RAMET_URL.replace(/\/*$/, '/');
export const principal = process.env.RAMET_PRINCIPAL;  // a super admin of the daemon
export const principalToken = process.env.RAMET_TOKEN;
export const otherToken = process.env.RAMET_OTHER_TOKEN;  // of one who is none

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
export const FHIR_JSON = 'application/fhir+json';
const TEST_SECONDS = 240;

// --- requests ------------------------------------------------------------------------------------

// Every request that a client or a test sent, and what answered. Clients send 5xx again without
// telling anybody: none may be among them.
export const sent = [];

export async function countingFetch(url, options = {}) {
  const entry = { method: options.method ?? 'GET', url: String(url), status: 0 };
  sent.push(entry);
  const response = await fetch(url, options);
  entry.status = response.status;
  entry.answer = response.headers;
  return response;
}

export function newClient(options = {}) {
  const storage = new core.ClientStorage(new core.MemoryStorage());
  return new core.MedplumClient({ baseUrl, fetch: countingFetch, storage, ...options });
}

// A request as it is, with the body as text or bytes. `as`: what Authorization says; null: nothing.
export async function raw(method, path, options = {}) {
  const { headers = {}, body, as = `Bearer ${principalToken}` } = options;
  const all = { Accept: FHIR_JSON, ...headers };
  if (as !== null) {
    all.Authorization = as;
  }
  const names = Object.keys(all).map((name) => name.toLowerCase());
  if (body !== undefined && !names.includes('content-type')) {
    all['Content-Type'] = FHIR_JSON;
  }
  const response = await countingFetch(new URL(path, baseUrl), { method, headers: all, body });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

export const rawJson = (method, path, json, options = {}) =>
  raw(method, path, { body: JSON.stringify(json), ...options });

// What was refused, must be refused so: by the status and by what the client reads.
export function assertOutcome(answer, status, id, code) {
  const what = `${answer.status} ${answer.text.slice(0, 300)}`;
  assert.equal(answer.status, status, what);
  assert.match(answer.headers.get('content-type') ?? '', /json/, what);
  assert.equal(answer.json?.resourceType, 'OperationOutcome', what);
  assert.equal(answer.json.id, id, what);
  assert.equal(answer.json.issue[0].severity, 'error', what);
  assert.ok(answer.json.issue[0].details.text, what);
  if (code !== undefined) {
    assert.equal(answer.json.issue[0].code, code, what);
  }
}

// The client's promise must fail, with this id of the outcome; undefined: it has none, a 400.
export async function refused(promise, id) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    assert.ok(error.outcome, `no outcome: ${error.stack}`);
    assert.equal(error.outcome.id, id, JSON.stringify(error.outcome));
    return error.outcome;
  }
  assert.fail(`it went well: ${JSON.stringify(value)?.slice(0, 300)}`);
}

// --- projects ------------------------------------------------------------------------------------

export const admin = newClient();
let numbers = 0;
export const unique = (what) => `${what} ${process.pid}-${++numbers}`;
export const identifier = (value) => [{ system: 'urn:ramet:test', value }];

export async function newProject(name = unique('Project')) {
  const project = await admin.post(admin.fhirUrl('Project', '$init'), { name });
  assert.equal(project.resourceType, 'Project');
  return project;
}

export const into = (project, resource) =>
  admin.createResource({ ...resource, meta: { ...resource.meta, project: project.id } });

export const clone = (project, body = {}, options = {}) =>
  admin.post(admin.fhirUrl('Project', project.id, '$clone'), body, undefined, options);

// All of a type in a project, however many.
export async function all(project, type, query = {}) {
  const out = [];
  const pages = admin.searchResourcePages(type, { _project: project.id, _count: '1000', ...query });
  for await (const page of pages) {
    out.push(...page);
  }
  return out;
}

export async function only(project, type) {
  const found = await all(project, type);
  assert.equal(found.length, 1, `${found.length} of ${type}`);
  return found[0];
}

export async function count(project, type) {
  const bundle = await admin.search(type, { _project: project.id, _summary: 'count' });
  assert.equal(bundle.entry, undefined);
  return bundle.total;
}

// A client application that is a member of the project, logged in.
export async function memberOf(project, more = {}) {
  const application = await admin.post(`admin/projects/${project.id}/client`,
    { name: unique('A client'), ...more });
  const client = newClient();
  await client.startClientLogin(application.id, application.secret);
  return { application, client };
}

export async function newBinary(project, text, contentType = 'text/plain') {
  const data = Buffer.from(text).toString('base64');
  const answer = await rawJson('POST', 'fhir/R4/Binary',
    { resourceType: 'Binary', contentType, data, meta: { project: project.id } },
    { headers: { 'X-Medplum': 'extended' } });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

export async function contentOf(url) {
  return (await admin.download(url)).text();
}

// --- tests ---------------------------------------------------------------------------------------

const tests = [];
export function test(name, run) {
  tests.push({ name, run });
}

function withTimeLimit(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${TEST_SECONDS} s`)),
      TEST_SECONDS * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// How many failed.
export async function runAll(only) {
  let failed = 0;
  for (const { name, run } of tests) {
    if (only !== undefined && !name.includes(only)) {
      continue;
    }
    const before = sent.length;
    const began = Date.now();
    try {
      await withTimeLimit(run());
      const broken = sent.slice(before).filter((one) => one.status >= 500);
      assert.deepEqual(broken.map((one) => `${one.method} ${one.url}: ${one.status}`), []);
      console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      ++failed;
      console.log(`FAILED  ${name}\n${String(error?.stack ?? error).replace(/^/gm, '          ')}`);
    }
  }
  console.log(`${tests.length} tests with ${clientModule}, ${failed} failed`);
  return failed;
}
