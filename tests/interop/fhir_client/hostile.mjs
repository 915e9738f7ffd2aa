// Plain HTTP: headers and statuses that the client does not show, and JSON that nobody should send.
// Whatever comes is answered with an OperationOutcome that says what is wrong with it; never with a
// 5xx (harness.mjs looks after each test), and the daemon goes on.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import {
  FHIR_JSON, admin, assertOutcome, baseUrl, core, count, identifier, into, memberOf, newClient,
  newProject, raw, rawJson, test,
} from './harness.mjs';

const MIB = 1 << 20;
const post = (resource, headers = {}) => rawJson('POST', `fhir/R4/${resource.resourceType}`,
  resource, { headers });
const put = (resource, headers = {}) =>
  rawJson('PUT', `fhir/R4/${resource.resourceType}/${resource.id}`, resource, { headers });
const isAlive = async () =>
  assert.equal((await raw('GET', 'fhir/R4/metadata', { as: null })).status, 200);

// --- headers and statuses ------------------------------------------------------------------------

test('headers of resources: ETag, Last-Modified, Location, If-None-Match', async () => {
  const made = await post({ resourceType: 'Patient' });
  assert.equal(made.status, 201);
  const { id, meta } = made.json;
  const etag = `W/"${meta.versionId}"`;
  assert.match(made.headers.get('location'), new RegExp(`^${baseUrl}fhir/R4/Patient/${id}$`));
  const read = await raw('GET', `fhir/R4/Patient/${id}`);
  for (const answer of [made, read]) {
    assert.equal(answer.headers.get('etag'), etag);
    const modified = Date.parse(answer.headers.get('last-modified'));
    assert.equal(modified, Math.floor(Date.parse(meta.lastUpdated) / 1000) * 1000);
    assert.match(answer.headers.get('content-type'), /^application\/fhir\+json/);
  }
  const same = await raw('GET', `fhir/R4/Patient/${id}`, { headers: { 'If-None-Match': etag } });
  assert.equal(same.status, 304);
  assert.equal(same.text, '');
  const head = await raw('HEAD', `fhir/R4/Patient/${id}`);
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('etag'), etag);
});

test('Prefer: return=minimal, representation, OperationOutcome', async () => {
  const resource = { resourceType: 'Patient' };
  const minimal = await post(resource, { Prefer: 'return=minimal' });
  assert.equal(minimal.status, 201);
  assert.equal(minimal.text, '');
  const location = minimal.headers.get('location');
  const whole = await post(resource, { Prefer: 'return=representation' });
  assert.equal(whole.json.resourceType, 'Patient');
  const outcome = await post(resource, { Prefer: 'handling=strict, return=OperationOutcome' });
  assert.equal(outcome.status, 201);
  assert.equal(outcome.json.id, 'created');
  const there = await raw('GET', location);
  const changed = await put({ ...there.json, active: true }, { Prefer: 'return=minimal' });
  assert.equal(changed.status, 200);
  assert.equal(changed.text, '');
  assert.equal((await raw('GET', location)).json.active, true);
});

test('404: no such type, no such resource, no UUID, no such path', async () => {
  for (const path of ['Nonsense', `Nonsense/${randomUUID()}`, `Patient/${randomUUID()}`,
    'Patient/1', `Patient/${randomUUID()}/_history`, 'Patient/%2e%2e%2f', 'a/b/c/d/e/f',
    `Patient/${randomUUID()}/$nonsense`, '$nonsense', `Patient/${'x'.repeat(3000)}`,
    `Patient/${randomUUID().toUpperCase()}`, 'Patient/%00', 'patient', 'Patient//']) {
    const answer = await raw('GET', `fhir/R4/${path}`);
    if (path === 'Patient//') {
      assert.ok(answer.status < 500);
      continue;
    }
    assertOutcome(answer, 404, 'not-found');
  }
  for (const path of ['auth/nonsense', 'oauth2/nonsense', 'admin/projects/x/nonsense']) {
    const answer = await raw('GET', path);
    assert.equal(answer.status, 404, path);
    assert.match(answer.headers.get('content-type'), /json/);
  }
});

test('methods that there are not', async () => {
  for (const [method, path] of [['DELETE', 'fhir/R4/Patient'], ['PATCH', 'fhir/R4/Patient'],
    ['PUT', 'fhir/R4'], ['GET', 'fhir/R4'], ['POST', `fhir/R4/Patient/${randomUUID()}`],
    ['OPTIONS', 'fhir/R4/Patient'], ['GET', 'oauth2/token'], ['NONSENSE', 'fhir/R4/Patient']]) {
    const answer = await raw(method, path);
    assert.ok(answer.status >= 200 && answer.status < 500, `${method} ${path}: ${answer.status}`);
    if (answer.status >= 400) {
      assert.match(answer.headers.get('content-type') ?? '', /json/, `${method} ${path}`);
    }
  }
});

test('410: what was deleted; 412: a stale If-Match, several that match', async () => {
  const value = randomUUID();
  const query = `fhir/R4/Patient?identifier=${value}`;
  const one = (await post({ resourceType: 'Patient', identifier: identifier(value) })).json;
  const stale = await put({ ...one, active: true }, { 'If-Match': `W/"${randomUUID()}"` });
  assertOutcome(stale, 412, 'precondition-failed', 'processing');
  const changed = await put({ ...one, active: true }, { 'If-Match': `W/"${one.meta.versionId}"` });
  assert.equal(changed.status, 200);
  const deleting = await raw('DELETE', `fhir/R4/Patient/${one.id}`,
    { headers: { 'If-Match': `W/"${one.meta.versionId}"` } });
  assertOutcome(deleting, 412, 'precondition-failed', 'processing');
  const two = (await post({ resourceType: 'Patient', identifier: identifier(value) })).json;
  const both = await rawJson('PUT', query, { resourceType: 'Patient' });
  assertOutcome(both, 412, 'multiple-matches', 'multiple-matches');
  const created = await post({ resourceType: 'Patient' },
    { 'If-None-Exist': `identifier=${value}` });
  assertOutcome(created, 412, 'multiple-matches');
  assert.equal((await raw('DELETE', `fhir/R4/Patient/${two.id}`)).status, 200);
  assert.equal((await raw('DELETE', `fhir/R4/Patient/${two.id}`)).status, 200);
  assertOutcome(await raw('GET', `fhir/R4/Patient/${two.id}`), 410, 'gone', 'deleted');
});

test('of many changes with one If-Match exactly one is done', async () => {
  const one = (await post({ resourceType: 'Patient' })).json;
  for (let round = 0; round < 5; ++round) {
    const { json } = await raw('GET', `fhir/R4/Patient/${one.id}`);
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) =>
      put({ ...json, language: `x-${round}-${i}` }, { 'If-Match': `W/"${json.meta.versionId}"` })));
    const refused = answers.filter((answer) => answer.status !== 200);
    assert.equal(refused.length, 9);
    for (const answer of refused) {
      assert.ok(answer.status === 412 || answer.status === 409, answer.text);
    }
  }
  const history = await raw('GET', `fhir/R4/Patient/${one.id}/_history`);
  assert.equal(history.json.entry.length, 6);
});

test('of many conditional creates exactly one is done', async () => {
  const value = randomUUID();
  const answers = await Promise.all(Array.from({ length: 10 }, () =>
    post({ resourceType: 'Patient', identifier: identifier(value) },
      { 'If-None-Exist': `identifier=${value}` })));
  assert.deepEqual(answers.map((answer) => answer.status).sort(), [...Array(9).fill(200), 201]);
  assert.equal(new Set(answers.map((answer) => answer.json.id)).size, 1);
});

test('406: what only XML would please; 415: what is no JSON', async () => {
  const xml = { headers: { Accept: 'application/fhir+xml' } };
  assertOutcome(await raw('GET', 'fhir/R4/Patient', xml), 406, undefined);
  for (const Accept of ['*/*', 'application/json', 'application/fhir+json, */*; q=0.1',
    'text/html,application/xhtml+xml,*/*;q=0.8', 'application/*']) {
    assert.equal((await raw('GET', 'fhir/R4/Patient?_count=1', { headers: { Accept } })).status,
      200, Accept);
  }
  const answer = await raw('POST', 'fhir/R4/Patient',
    { body: '<Patient/>', headers: { 'Content-Type': 'application/fhir+xml' } });
  assert.ok(answer.status === 415 || answer.status === 400, answer.text);
  assert.equal(answer.json.resourceType, 'OperationOutcome');
});

test('400: another type, another id, no type', async () => {
  const one = (await post({ resourceType: 'Patient' })).json;
  const text = (answer) => answer.json.issue[0].details.text;
  const type = await rawJson('POST', 'fhir/R4/Patient', { resourceType: 'Task' });
  assertOutcome(type, 400, undefined);
  assert.equal(text(type), 'Incorrect resource type: expected Patient, but found Task');
  const id = await rawJson('PUT', `fhir/R4/Patient/${one.id}`, { ...one, id: randomUUID() });
  assertOutcome(id, 400, undefined);
  assert.equal(text(id), 'Incorrect resource ID');
  assertOutcome(await rawJson('PUT', `fhir/R4/Patient/${one.id}`, { resourceType: 'Patient' }),
    400, undefined);
  assertOutcome(await rawJson('POST', 'fhir/R4/Patient', { id: 'x' }), 400, undefined);
  assertOutcome(await rawJson('POST', 'fhir/R4/Patient', { resourceType: 'Nonsense' }), 400,
    undefined);
});

test('CapabilityStatement', async () => {
  const { json, status } = await raw('GET', 'fhir/R4/metadata', { as: null });
  assert.equal(status, 200);
  assert.equal(json.resourceType, 'CapabilityStatement');
  assert.equal(json.fhirVersion, '4.0.1');
  const patient = json.rest[0].resource.find((one) => one.type === 'Patient');
  const codes = patient.interaction.map((one) => one.code);
  for (const code of ['create', 'read', 'vread', 'update', 'patch', 'delete', 'search-type',
    'history-instance']) {
    assert.ok(codes.includes(code), code);
  }
});

test('Binary: ranges, types, JSON', async () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
  const made = await raw('POST', 'fhir/R4/Binary',
    { body: bytes, headers: { 'Content-Type': 'image/png' } });
  assert.equal(made.status, 201);
  const path = `fhir/R4/${made.json.url}`;
  const whole = await fetch(new URL(path, baseUrl),
    { headers: { Accept: '*/*', Authorization: `Bearer ${process.env.RAMET_TOKEN}` } });
  assert.equal(whole.headers.get('content-type'), 'image/png');
  assert.ok(Buffer.from(await whole.arrayBuffer()).equals(bytes));
  const part = await fetch(new URL(path, baseUrl), { headers: { Accept: '*/*',
    Range: 'bytes=100-199', Authorization: `Bearer ${process.env.RAMET_TOKEN}` } });
  assert.equal(part.status, 206);
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100, 200)));
  const json = await raw('GET', path);
  assert.equal(json.json.resourceType, 'Binary');
  assert.equal(json.json.contentType, 'image/png');
  const replaced = await raw('PUT', path,
    { body: 'other', headers: { 'Content-Type': 'text/plain; charset=utf-8' } });
  assert.equal(replaced.status, 200);
  assert.equal((await raw('GET', path, { headers: { Accept: '*/*' } })).text, 'other');
  // With a charset it is content, whatever it looks like.
  const content = await raw('POST', 'fhir/R4/Binary', { body: '{"a":1}',
    headers: { 'Content-Type': `${FHIR_JSON}; charset=utf-8` } });
  assert.equal(content.status, 201);
  for (const body of ['{', '{}', '{"resourceType":"Patient"}', '[]',
    '{"resourceType":"Binary","data":"!!"}', '{"resourceType":"Binary","data":5}']) {
    assertOutcome(await raw('POST', 'fhir/R4/Binary', { body }), 400, undefined);
  }
  assertOutcome(await raw('POST', 'fhir/R4/Binary', { body: 'x',
    headers: { 'Content-Type': 'text/plain', 'X-Security-Context': 'nonsense' } }), 400, undefined);
});

// --- JSON that nobody should send ----------------------------------------------------------------

const nested = (depth, inner) => '{"extension":['.repeat(depth) + inner + ']}'.repeat(depth);
const withText = (json) => `{"resourceType":"Patient","text":{"div":${json}}}`;
const bytesOf = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

const MALFORMED = {
  'nothing but space': '  \n ',
  'a beginning': '{"resourceType":"Patient"',
  'a text that does not end': '{"resourceType":"Pat',
  'something behind it': '{"resourceType":"Patient"} {}',
  'a comma too many': '{"resourceType":"Patient",}',
  'a comment': '{"resourceType":"Patient"/* x */}',
  'single quotes': "{'resourceType':'Patient'}",
  'NaN': '{"resourceType":"Patient","x":NaN}',
  'Infinity': '{"resourceType":"Patient","x":-Infinity}',
  'a hexadecimal number': '{"resourceType":"Patient","x":0x10}',
  'a leading zero': '{"resourceType":"Patient","x":01}',
  'an array': '[{"resourceType":"Patient"}]',
  'null': 'null',
  'a number': '5',
  'a text': '"Patient"',
  'a member that stands twice': '{"resourceType":"Patient","active":true,"active":false}',
  'the type twice': '{"resourceType":"Patient","resourceType":"Task"}',
  'the type twice, once with an escape': '{"resourceType":"Patient","resource\\u0054ype":"Task"}',
  'a member twice, deep': '{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}',
  'a lone high surrogate': withText('"\\ud800"'),
  'a lone low surrogate': withText('"\\udc00x"'),
  'surrogates in the wrong order': withText('"\\udc00\\ud800"'),
  'a high surrogate before a letter': withText('"\\ud83dx"'),
  'a lone surrogate in a name': '{"resourceType":"Patient","\\ud800":1}',
  'a wrong escape': withText('"\\x41"'),
  'NUL in a text': withText('"a\\u0000b"'),
  'NUL in a name': '{"resourceType":"Patient","a\\u0000":1}',
  'NUL in the type': '{"resourceType":"Patient\\u0000"}',
  'a raw NUL': bytesOf('{"resourceType":"Patient","x":"', [0], '"}'),
  'a raw line end in a text': withText('"a\nb"'),
  'bytes that are not UTF-8': bytesOf('{"resourceType":"Patient","x":"', [0xff, 0xfe], '"}'),
  'UTF-8 that is too long': bytesOf('{"resourceType":"Patient","x":"', [0xc0, 0x80], '"}'),
  'a surrogate in UTF-8': bytesOf('{"resourceType":"Patient","x":"', [0xed, 0xa0, 0x80], '"}'),
  'UTF-16': Buffer.from('{"resourceType":"Patient"}', 'utf16le'),
  'a number beyond all': '{"resourceType":"Patient","x":1e400}',
  'a negative number beyond all': '{"resourceType":"Patient","x":-1e999999999}',
  'a number of a thousand digits': `{"resourceType":"Patient","x":${'9'.repeat(1000)}}`,
  'deep objects': `{"resourceType":"Patient","x":${nested(100, '{}')}}`,
  'very deep arrays': '['.repeat(500_000),
  'very deep objects': '{"a":'.repeat(200_000),
  'very deep, and whole': `{"resourceType":"Patient","x":${'['.repeat(1e5)}${']'.repeat(1e5)}}`,
  'more members than anybody needs': JSON.stringify({ resourceType: 'Patient',
    ...Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`m${i}`, 1])) }),
  'a type that is no text': '{"resourceType":{"a":1}}',
  'an id that is no text': '{"resourceType":"Patient","id":[1]}',
  'meta that is no object': '{"resourceType":"Patient","meta":"x"}',
};

const entryOf = (body) => bytesOf(
  '{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"POST",' +
  '"url":"Patient"},"resource":', body, '}]}');

test('malformed JSON is 400, wherever it is sent', async () => {
  const project = await newProject();
  const patient = await into(project, { resourceType: 'Patient' });
  const places = [['POST', 'fhir/R4/Patient'], ['PUT', `fhir/R4/Patient/${patient.id}`],
    ['PUT', 'fhir/R4/Patient?identifier=x'], ['PATCH', `fhir/R4/Patient/${patient.id}`],
    ['POST', 'fhir/R4'], ['POST', `fhir/R4/Project/${project.id}/$clone`],
    ['POST', 'fhir/R4/Project/$init'], ['POST', `admin/projects/${project.id}/client`],
    ['POST', `admin/projects/${project.id}/invite`], ['POST', 'fhir/R4/Binary']];
  for (const [name, body] of Object.entries(MALFORMED)) {
    for (const [method, path] of places) {
      if (name === 'null' && path.endsWith('$clone')) {
        continue;  // as good as no body
      }
      const answer = await raw(method, path, { body });
      const what = `${name} to ${method} ${path}: ${answer.status} ${answer.text.slice(0, 200)}`;
      // (What is long is looked into nowhere but where it may be.)
      const isLong = path.endsWith('Binary') && body.length > 100_000 && answer.status === 413;
      assert.ok(answer.status === 400 || isLong, what);
      assert.equal(answer.json?.resourceType, 'OperationOutcome', what);
      assert.equal(answer.json.id, isLong ? 'content-too-large' : undefined, what);
    }
    // In a bundle it spoils the bundle, or its entry alone.
    const answer = await raw('POST', 'fhir/R4', { body: entryOf(body) });
    const one = answer.json?.entry?.[0].response.status;
    assert.ok(answer.status === 400 || (answer.status === 200 && one === '400'),
      `${name} in a bundle: ${answer.status} ${answer.text.slice(0, 200)}`);
  }
  assert.deepEqual(await admin.readResource('Patient', patient.id), patient);
  assert.equal(await count(project, 'Patient'), 1);
  await isAlive();
});

test('what is unusual but right is taken, and comes back as it was', async () => {
  for (const [name, resource] of Object.entries({
    'other scripts': { text: { div: '\u{1F600}\u{10FFFF}\u00e4\u4e2d\u202e\ufffd\u0001\u007f' } },
    'escapes': { text: { div: '"\\/\b\f\n\r\t' } },
    'depth': JSON.parse(nested(12, '{"url":"x","valueBoolean":true}')),
    'numbers': { x: [0, -1, 1.5, 1e300, -1e-300, 9007199254740991, 1e21] },
    'names': { 'a b': 1, '': 2, __proto__2: 3, constructor: 4, '\u00e4': 5, 'a.b': 6, '/': 7 },
    'many elements': { x: Array.from({ length: 50_000 }, (_, i) => i) },
    'a long text': { x: 'y'.repeat(2 * MIB) },
  })) {
    const made = await post({ resourceType: 'Patient', ...resource });
    assert.equal(made.status, 201, `${name}: ${made.text.slice(0, 200)}`);
    const { json } = await raw('GET', `fhir/R4/Patient/${made.json.id}`);
    for (const [member, value] of Object.entries(resource)) {
      assert.deepEqual(json[member], value, `${name}: ${member}`);
    }
  }
  const bom = await raw('POST', 'fhir/R4/Patient', { body: '\ufeff{"resourceType":"Patient"}' });
  assert.ok(bom.status === 201 || bom.status === 400, bom.text);
  const proto = await raw('POST', 'fhir/R4/Patient',
    { body: '{"resourceType":"Patient","__proto__":{"a":1}}' });
  assert.equal(proto.status, 201);
  const stored = await raw('GET', `fhir/R4/Patient/${proto.json.id}`);
  assert.match(stored.text, /"__proto__":\{"a":1\}/);
});

test('413: what is too long', async () => {
  const sized = (bytes) => JSON.stringify({ resourceType: 'Patient', x: 'y'.repeat(bytes) });
  const fits = await raw('POST', 'fhir/R4/Patient', { body: sized(7 * MIB) });
  assert.equal(fits.status, 201);
  assertOutcome(await raw('POST', 'fhir/R4/Patient', { body: sized(9 * MIB) }), 413,
    'content-too-large', 'too-long');
  // (A body beyond all may be cut off before it was sent.)
  try {
    assertOutcome(await raw('POST', 'fhir/R4/Patient', { body: sized(40 * MIB) }), 413,
      'content-too-large', 'too-long');
  } catch (error) {
    if (!/fetch failed/.test(String(error))) {
      throw error;
    }
  }
  await isAlive();
});

test('members of the wrong kind are stored or refused, and found or not', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  const values = [null, true, 0, -1, 1.5, 1e300, '', 'x', [], {}, [[]], [null], [{}], [[['x']]],
    { reference: 5 }, { reference: {} }, [{ reference: null }], { coding: 'x' },
    [{ coding: [null, 5, { system: 5, code: {} }] }], { start: 5, end: [] }, '2026-99-99',
    { url: 5 }, [{ url: [] }], { resourceType: 5, id: {} }, { resourceType: 'Patient', id: 'x' },
    { system: null, value: {} }, { reference: 'Patient/' }, { reference: '/' }];
  const members = {
    Patient: ['identifier', 'name', 'birthDate', 'telecom', 'active', 'managingOrganization',
      'contained', 'photo', 'link', 'extension', 'id2'],
    Observation: ['code', 'status', 'subject', 'effectiveDateTime', 'valueQuantity', 'performer'],
    Encounter: ['period', 'class', 'participant', 'location'],
    Bundle: ['type', 'entry', 'timestamp'],
    Subscription: ['criteria', 'channel', 'status'],
    ProjectMembership: ['user', 'profile', 'access'],
    AccessPolicy: ['resource', 'name'],
    ClientApplication: ['secret', 'identityProvider', 'status'],
    Bot: ['sourceCode', 'category'],
  };
  const entry = [];
  for (const [resourceType, names] of Object.entries(members)) {
    for (const name of names) {
      for (const value of values) {
        const resource = { resourceType, [name]: value, meta: { project: project.id } };
        entry.push({ request: { method: 'POST', url: resourceType }, resource });
      }
    }
  }
  for (let at = 0; at < entry.length; at += 100) {
    const some = entry.slice(at, at + 100);
    const answer = await rawJson('POST', 'fhir/R4',
      { resourceType: 'Bundle', type: 'batch', entry: some });
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    answer.json.entry.forEach((one, i) => assert.match(one.response.status, /^(201|4\d\d)$/,
      `${JSON.stringify(some[i].resource)}: ${JSON.stringify(one)}`));
  }
  // Members of meta, one by one.
  for (const name of ['versionId', 'lastUpdated', 'profile', 'tag', 'security', 'source', 'author',
    'account', 'accounts', 'compartment', 'project']) {
    for (const value of values) {
      const answer = await post({ resourceType: 'Patient', meta: { [name]: value } });
      assert.ok(answer.status === 201 || answer.status === 400,
        `${name} ${JSON.stringify(value)}: ${answer.text}`);
    }
  }
  for (const query of ['name=x', 'identifier=x', 'birthdate=2026', 'telecom=x', 'active=true',
    'organization=x', '_sort=name,-birthdate', '_count=1000']) {
    assert.equal((await client.search('Patient', query)).type, 'searchset', query);
  }
  const copy = await admin.post(admin.fhirUrl('Project', project.id, '$clone'), {});
  for (const type of Object.keys(members)) {
    assert.equal(await count(copy, type), await count(project, type), type);
  }
});

test('patches that nobody should send', async () => {
  const { json } = await post({ resourceType: 'Patient', name: [{ family: 'x' }] });
  const path = `fhir/R4/Patient/${json.id}`;
  for (const patch of [{}, [{}], [null], ['x'], [{ op: 'add' }], [{ op: 'nonsense', path: '/x' }],
    [{ op: 'add', path: 'x', value: 1 }], [{ op: 'add', path: 5, value: 1 }],
    [{ op: 'add', path: '', value: [] }], [{ op: 'replace', path: '', value: { a: 1 } }],
    [{ op: 'remove', path: '' }], [{ op: 'remove', path: '/resourceType' }],
    [{ op: 'add', path: '/name/7', value: {} }], [{ op: 'add', path: '/name/-1', value: {} }],
    [{ op: 'add', path: '/name/99999999999999999999', value: {} }],
    [{ op: 'add', path: '/~2', value: 1 }], [{ op: 'move', from: '/name', path: '/name/0/x' }],
    [{ op: 'copy', from: '/none', path: '/x' }], [{ op: 'move', from: 5, path: '/x' }],
    [{ op: 'test', path: '/name', value: 5 }], [{ op: 'add', path: '/meta', value: 'x' }],
    [{ op: 'add', path: '/id', value: 5 }],
    [{ op: 'replace', path: '/resourceType', value: 'Task' }]]) {
    const answer = await rawJson('PATCH', path, patch,
      { headers: { 'Content-Type': 'application/json-patch+json' } });
    assert.ok(answer.status >= 400 && answer.status < 500,
      `${JSON.stringify(patch)}: ${answer.status} ${answer.text}`);
  }
  // (One that doubles what is there, again and again.)
  const doubling = [{ op: 'add', path: '/x', value: ['y'.repeat(1000)] },
    ...Array.from({ length: 16 }, () => ({ op: 'copy', from: '/x', path: '/x/0' }))];
  const answer = await rawJson('PATCH', path, doubling);
  assert.ok(answer.status === 400 || answer.status === 413, `${answer.status}`);
  await isAlive();
});

// A generator that gives the same on every machine (splitmix64's constants, in 32 bits).
function dice(seed) {
  let state = seed >>> 0;
  return (most) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % most;
  };
}

test('resources with broken bytes in them are taken or refused', async () => {
  const roll = dice(8);
  const whole = JSON.stringify({
    resourceType: 'Patient', id: randomUUID(), meta: { tag: [{ code: 'x' }] }, active: true,
    name: [{ given: ['\u00e4\u{1F600}', 'B'], family: 'C' }], birthDate: '1950-01-01',
    managingOrganization: { reference: `Organization/${randomUUID()}` }, multipleBirthInteger: 2,
  });
  const tokens = ['{', '}', '[', ']', '"', '\\', ',', ':', '\\u0000', '\\ud800', 'null', '1e999',
    '-', '\u0000', '\u00ff', 'resourceType', '""', '{}', '[[', '/*'];
  const answers = {};
  for (let round = 0; round < 1500; ++round) {
    let bytes = Buffer.from(whole);
    for (let change = 1 + roll(3); change > 0; --change) {
      const at = roll(bytes.length);
      const kind = roll(4);
      if (kind === 0) {
        bytes[at] = roll(256);
      } else if (kind === 1) {
        bytes = bytesOf(bytes.subarray(0, at), bytes.subarray(Math.min(at + 1 + roll(9),
          bytes.length)));
      } else if (kind === 2) {
        bytes = bytesOf(bytes.subarray(0, at), tokens[roll(tokens.length)], bytes.subarray(at));
      } else {
        bytes = bytesOf(bytes.subarray(0, at), bytes.subarray(roll(bytes.length)));
      }
    }
    const answer = await raw('POST', 'fhir/R4/Patient', { body: bytes });
    answers[answer.status] = (answers[answer.status] ?? 0) + 1;
    assert.ok(answer.status === 201 || answer.status === 400,
      `${bytes.toString('base64')}: ${answer.status} ${answer.text}`);
    if (answer.status === 201) {
      JSON.parse(answer.text);
    }
  }
  assert.ok(answers[201] > 20 && answers[400] > 500, JSON.stringify(answers));
  await isAlive();
});

test('queries and forms that nobody should send', async () => {
  for (const query of ['%', '%zz', '_count=99999999999999999999', '_offset=99999999999', '_id=%00',
    'name=%ff', 'name=', '=', '&&&', 'identifier=|', 'identifier=||', 'subject=/', '_sort=',
    '_sort=-', '_fields=', '_lastUpdated=', 'birthdate=ge', 'birthdate=2026-02-31',
    `_id=${Array.from({ length: 2000 }, () => 'x').join(',')}`, 'name:exact=', 'name:=x',
    '_project=', '_project=x', '_cursor=', `name=${'x'.repeat(5000)}`]) {
    const answer = await raw('GET', `fhir/R4/Patient?${query}`);
    assert.ok(answer.status === 200 || (answer.status >= 400 && answer.status < 500),
      `${query.slice(0, 100)}: ${answer.status}`);
    assert.match(answer.headers.get('content-type') ?? '', /json/, query.slice(0, 100));
  }
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  for (const body of ['', '%', 'grant_type', 'grant_type=client_credentials', 'grant_type=%00',
    '{"grant_type":"client_credentials"}', 'x'.repeat(100_000),
    'grant_type=client_credentials&client_id=%00&client_secret=']) {
    const answer = await raw('POST', 'oauth2/token', { as: null, body, headers: form });
    assert.equal(answer.status, 400, body.slice(0, 100));
    assert.ok(answer.json.error, body.slice(0, 100));
  }
});

test('everything works still', async () => {
  const client = newClient();
  await client.startClientLogin(process.env.RAMET_PRINCIPAL, process.env.RAMET_TOKEN);
  const project = await newProject();
  const made = await into(project, { resourceType: 'Patient' });
  assert.equal(core.getReferenceString(made), `Patient/${made.id}`);
  assert.equal((await client.readResource('Patient', made.id)).id, made.id);
});
