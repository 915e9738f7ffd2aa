// What the official client @medplum/core does, against a started daemon: each of its calls, the
// behaviours that $clone's own tests ask for (the one that is skipped there included), and every
// sentence of its documentation. Told by the environment: BASE (http://host:port/), TOKEN (of a
// super admin of the daemon). Prints each test's name; the first failure ends it.
import assert from 'node:assert/strict';

globalThis.WebSocket ??= class { static CLOSING = 2; static CLOSED = 3; };
const { MedplumClient, ContentType } = await import('@medplum/core');

const BASE = process.env.BASE;
const TOKEN = process.env.TOKEN;
const MISSING = '0f3ad1a0-3b0e-4c1e-9a57-1d2f5c7b8a90';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

function connect(token) {
  const client = new MedplumClient({ baseUrl: BASE, fetch });
  if (token) client.setAccessToken(token);
  return client;
}
const admin = connect(TOKEN);

let count = 0;
async function test(name, body) {
  try {
    await body();
  } catch (error) {
    console.log('FAILED ' + name);
    console.log(error);
    if (error.outcome) console.log(JSON.stringify(error.outcome));
    process.exit(1);
  }
  ++count;
  console.log('ok ' + name);
}

// The outcome's id, by which the client knows what went wrong.
async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    assert.ok(error.outcome, String(error));
    return error.outcome.id ?? 'bad-request';
  }
  assert.fail('it was not refused');
}
async function raw(method, path, { body, headers = {}, token = TOKEN } = {}) {
  const response = await fetch(BASE + path, {
    method,
    body,
    headers: { ...(token ? { Authorization: 'Bearer ' + token } : {}), ...headers },
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, headers: response.headers, text, json };
}

// A project with a client of its own, logged in.
async function newProject(name) {
  const project = await admin.post(admin.fhirUrl('Project', '$init'), { name });
  const app = await admin.post('admin/projects/' + project.id + '/client', { name: 'a client' });
  const client = connect();
  await client.startClientLogin(app.id, app.secret);
  return { project, app, client };
}
const clone = (project, input) =>
  admin.post(admin.fhirUrl('Project', project.id, '$clone'), input, undefined, { maxRetries: 0 });
const inProject = (project, type, query = '') =>
  admin.searchResources(type, '_count=1000&_project=' + project.id + query);

const { project, app, client } = await newProject('Test Project Name');

// --- section 5: what the client sends ------------------------------------------------------------

let patient;
await test('createResource', async () => {
  patient = await client.createResource({
    resourceType: 'Patient',
    id: MISSING,
    name: [{ given: ['Anna'], family: 'Smith' }],
    identifier: [{ system: 'urn:mrn', value: '1' }],
    birthDate: '1980-02-29',
  });
  assert.match(patient.id, UUID);
  assert.notEqual(patient.id, MISSING);
  assert.match(patient.meta.versionId, UUID);
  assert.match(patient.meta.lastUpdated, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(patient.meta.project, project.id);
  assert.equal(patient.meta.author.reference, 'ClientApplication/' + app.id);
  assert.ok(patient.meta.compartment.some((c) => c.reference === 'Project/' + project.id));
});
await test('createResourceIfNoneExist', async () => {
  const same = await client.createResourceIfNoneExist(
    { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: '1' }] },
    'identifier=urn:mrn|1'
  );
  assert.equal(same.id, patient.id);
  const other = await client.createResourceIfNoneExist(
    { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: '2' }] },
    'identifier=urn:mrn|2'
  );
  assert.notEqual(other.id, patient.id);
  await client.createResource({ ...other, id: undefined });
  assert.equal(
    await refused(client.createResourceIfNoneExist({ resourceType: 'Patient' }, 'identifier=urn:mrn|2')),
    'multiple-matches'
  );
});
await test('readResource, readReference', async () => {
  assert.deepEqual(await client.readResource('Patient', patient.id), patient);
  assert.deepEqual(await client.readReference({ reference: 'Patient/' + patient.id }), patient);
  assert.equal(await refused(client.readResource('Patient', MISSING)), 'not-found');
  assert.equal(await refused(client.readResource('Patient', 'no-uuid')), 'not-found');
});
let changed;
await test('updateResource', async () => {
  changed = await client.updateResource({ ...patient, active: true });
  assert.equal(changed.id, patient.id);
  assert.notEqual(changed.meta.versionId, patient.meta.versionId);
  assert.ok(changed.meta.lastUpdated > patient.meta.lastUpdated);
  const same = await client.updateResource({ ...changed, meta: undefined, gender: '' });
  assert.equal(same.meta.versionId, changed.meta.versionId);
  assert.equal(
    await refused(client.updateResource({ ...changed, active: false }, {
      headers: { 'If-Match': 'W/"' + patient.meta.versionId + '"' },
    })),
    'precondition-failed'
  );
  const url = client.fhirUrl('Patient', patient.id);
  const wrong = { ...patient, id: MISSING };
  assert.equal(await refused(client.put(url, wrong)), 'bad-request');
  assert.equal(await refused(client.updateResource({ resourceType: 'Patient', id: MISSING })),
               'not-found');
  const made = await admin.updateResource({ resourceType: 'Patient', id: MISSING,
                                            meta: { project: project.id } });
  assert.equal(made.id, MISSING);
  assert.equal((await client.readResource('Patient', MISSING)).meta.project, project.id);
});
await test('readHistory, readVersion', async () => {
  const history = await client.readHistory('Patient', patient.id);
  assert.equal(history.type, 'history');
  assert.deepEqual(history.entry.map((e) => e.resource.meta.versionId),
                   [changed.meta.versionId, patient.meta.versionId]);
  const one = await client.readHistory('Patient', patient.id, { count: 1, offset: 1 });
  assert.deepEqual(one.entry.map((e) => e.resource.meta.versionId), [patient.meta.versionId]);
  assert.deepEqual(await client.readVersion('Patient', patient.id, patient.meta.versionId), patient);
  assert.equal(await refused(client.readVersion('Patient', patient.id, MISSING)), 'not-found');
});
await test('upsertResource', async () => {
  const basic = { resourceType: 'Basic', identifier: [{ value: 'upserted' }], code: { text: 'a' } };
  const one = await client.upsertResource(basic, 'identifier=upserted');
  const two = await client.upsertResource({ ...basic, code: { text: 'b' } },
                                          'identifier=upserted');
  assert.equal(two.id, one.id);
  assert.equal(two.code.text, 'b');
});
await test('patchResource', async () => {
  const patched = await client.patchResource('Patient', patient.id, [
    { op: 'test', path: '/active', value: true },
    { op: 'replace', path: '/name/0/family', value: 'Jones' },
    { op: 'add', path: '/gender', value: 'female' },
    { op: 'copy', from: '/name/0', path: '/name/1' },
    { op: 'move', from: '/name/0', path: '/name/1' },
    { op: 'remove', path: '/name/1' },
  ]);
  assert.equal(patched.name[0].family, 'Jones');
  assert.equal(patched.name.length, 1);
  const before = await client.readResource('Patient', patient.id);
  assert.equal(await refused(client.patchResource('Patient', patient.id, [
    { op: 'replace', path: '/gender', value: 'male' },
    { op: 'test', path: '/active', value: false },
  ])), 'bad-request');
  assert.deepEqual(await client.readResource('Patient', patient.id), before);
});
await test('deleteResource', async () => {
  const gone = await client.createResource({ resourceType: 'Patient' });
  await client.deleteResource('Patient', gone.id);
  await client.deleteResource('Patient', gone.id);
  assert.equal(await refused(client.readResource('Patient', gone.id)), 'gone');
  const history = await client.readHistory('Patient', gone.id);
  assert.equal(history.entry.length, 2);
  assert.equal(history.entry[0].resource, undefined);
  assert.equal(history.entry[0].response.status, '410');
  const back = await client.updateResource(gone);
  assert.equal(back.id, gone.id);
  assert.deepEqual(await client.readResource('Patient', gone.id), back);
});
await test('search, searchOne, searchResources', async () => {
  for (let i = 0; i < 5; ++i) {
    await client.createResource({
      resourceType: 'Observation', status: i < 2 ? 'final' : 'preliminary',
      code: { coding: [{ system: 'http://loinc.org', code: '1234-' + i }], text: 'a test' },
      subject: { reference: 'Patient/' + patient.id },
      effectiveDateTime: '2026-01-0' + (i + 1) + 'T10:00:00Z',
    });
  }
  const ids = async (query) => (await client.searchResources('Observation', query)).map(
    (o) => o.code.coding[0].code);
  assert.equal((await ids('')).length, 5);
  assert.equal((await ids('subject=Patient/' + patient.id)).length, 5);
  assert.equal((await ids('patient=' + patient.id)).length, 5);
  assert.equal((await ids('subject=' + patient.id)).length, 5);
  assert.equal((await ids('subject=Patient/' + MISSING)).length, 0);
  assert.deepEqual(await ids('status=final&_sort=-date'), ['1234-1', '1234-0']);
  assert.equal((await ids('status:not=final')).length, 3);
  assert.deepEqual(await ids('code=http://loinc.org|1234-3'), ['1234-3']);
  assert.deepEqual(await ids('code=1234-3,1234-4&_sort=date'), ['1234-3', '1234-4']);
  assert.deepEqual(await ids('code=http://loinc.org|&_sort=-_lastUpdated&_count=1'), ['1234-4']);
  assert.deepEqual(await ids('date=ge2026-01-04&_sort=date'), ['1234-3', '1234-4']);
  assert.deepEqual(await ids('date=2026-01-02'), ['1234-1']);
  assert.equal((await ids('_lastUpdated=gt2020-01-01')).length, 5);
  assert.equal((await ids('_lastUpdated=lt2020-01-01')).length, 0);
  const bundle = await client.search('Observation', '_summary=count&status=final');
  assert.equal(bundle.total, 2);
  assert.equal(bundle.entry, undefined);
  const total = await client.search('Observation', '_count=2&_total=accurate');
  assert.equal(total.total, 5);
  assert.equal(total.entry.length, 2);
  assert.equal(total.entry[0].search.mode, 'match');
  assert.ok(total.entry[0].fullUrl.startsWith(BASE + 'fhir/R4/Observation/'));
  const fields = await client.searchOne('Patient', '_fields=name&_id=' + patient.id);
  assert.deepEqual(Object.keys(fields).sort(), ['id', 'meta', 'name', 'resourceType']);
  assert.equal((await client.searchOne('Patient', 'name=jon')).id, patient.id);
  assert.equal((await client.searchOne('Patient', 'name:exact=Jones')).id, patient.id);
  assert.equal((await client.searchOne('Patient', 'name:contains=one')).id, patient.id);
  assert.equal((await client.searchOne('Patient', 'birthdate=1980')).id, patient.id);
  assert.equal(await client.searchOne('Patient', 'name=nobody'), undefined);
  assert.equal(await refused(client.search('Patient', 'unheard=1')), 'bad-request');
  assert.equal(await refused(client.search('Binary', '')), 'bad-request');
});
await test('searchResourcePages', async () => {
  for (const query of ['_count=2', '_count=2&_sort=date', '_count=2&_sort=-_lastUpdated',
                       '_count=2&subject=Patient/' + patient.id]) {
    const seen = [];
    for await (const page of client.searchResourcePages('Observation', query)) {
      assert.ok(page.length <= 2);
      seen.push(...page.map((o) => o.id));
    }
    assert.equal(new Set(seen).size, 5, query);
    assert.equal(seen.length, 5, query);
  }
});
await test('executeBatch', async () => {
  const entry = (method, url, resource, more = {}) => ({ request: { method, url, ...more }, resource });
  const result = await client.executeBatch({
    resourceType: 'Bundle', type: 'batch',
    entry: [
      entry('GET', 'Patient/' + patient.id),
      { ...entry('POST', 'Patient', { resourceType: 'Patient', active: true }),
        fullUrl: 'urn:uuid:' + MISSING },
      entry('POST', 'Observation', { resourceType: 'Observation', status: 'final',
                                     code: { text: 'in a batch' },
                                     subject: { reference: 'urn:uuid:' + MISSING } }),
      entry('GET', 'Patient/no-such'),
      entry('POST', 'Patient', { resourceType: 'Task' }),
      entry('DELETE', 'Observation/' + MISSING),
    ],
  });
  assert.equal(result.type, 'batch-response');
  assert.deepEqual(result.entry.map((e) => e.response.status),
                   ['200', '201', '201', '404', '400', '404']);
  assert.equal(result.entry[2].resource.subject.reference,
               'Patient/' + result.entry[1].resource.id);
  assert.equal(result.entry[0].resource.id, patient.id);
  const whole = await client.executeBatch({
    resourceType: 'Bundle', type: 'transaction',
    entry: [
      { ...entry('POST', 'Observation', { resourceType: 'Observation', status: 'final',
                                          code: { text: 'first' },
                                          subject: { reference: 'urn:uuid:' + MISSING } }) },
      { ...entry('POST', 'Patient', { resourceType: 'Patient' }), fullUrl: 'urn:uuid:' + MISSING },
    ],
  });
  assert.equal(whole.entry[0].resource.subject.reference, 'Patient/' + whole.entry[1].resource.id);
  const before = (await client.search('Patient', '_summary=count')).total;
  assert.notEqual(await refused(client.executeBatch({
    resourceType: 'Bundle', type: 'transaction',
    entry: [entry('POST', 'Patient', { resourceType: 'Patient' }),
            entry('POST', 'Patient', { resourceType: 'Nonsense' })],
  })), undefined);
  assert.equal((await client.search('Patient', '_summary=count')).total, before);
  assert.equal(await refused(client.executeBatch({ resourceType: 'Bundle', type: 'x', entry: [] })),
               'bad-request');
  assert.equal(await refused(client.executeBatch({ resourceType: 'Bundle', type: 'batch' })),
               'bad-request');
});
await test('autoBatch', async () => {
  const auto = new MedplumClient({ baseUrl: BASE, fetch, autoBatchTime: 50 });
  auto.setAccessToken(client.getAccessToken());
  const both = await Promise.all([auto.readResource('Patient', patient.id),
                                  auto.searchOne('Observation', 'status=final')]);
  assert.equal(both[0].id, patient.id);
  assert.equal(both[1].status, 'final');
});
await test('createBinary, createAttachment, download', async () => {
  for (const data of ['some text', new TextEncoder().encode('some text'), new Blob(['some text'])]) {
    const binary = await client.createBinary({ data, filename: 'a b.txt', contentType: 'text/plain' });
    assert.match(binary.id, UUID);
    assert.equal(binary.contentType, 'text/plain');
    assert.equal(await (await client.download('Binary/' + binary.id)).text(), 'some text');
  }
  const attachment = await client.createAttachment({
    data: 'report', filename: 'r.pdf', contentType: 'application/pdf',
    securityContext: { reference: 'Patient/' + patient.id },
  });
  assert.equal(attachment.title, 'r.pdf');
  assert.equal(await (await client.download(attachment.url)).text(), 'report');
  const binary = await client.readReference({ reference: attachment.url });
  assert.equal(binary.securityContext.reference, 'Patient/' + patient.id);
  const long = new Uint8Array(3 << 20).map((_, i) => (i * 7) & 255);
  const big = await client.createBinary({ data: long, contentType: 'application/octet-stream' });
  const back = new Uint8Array(await (await client.download('Binary/' + big.id)).arrayBuffer());
  assert.deepEqual(Buffer.from(back), Buffer.from(long));
});
await test('startClientLogin, by body and by header; setBasicAuth; setAccessToken', async () => {
  assert.equal(client.isLoggedIn?.() ?? true, true);
  assert.equal(client.getProfile().id, app.id);
  assert.equal(client.isSuperAdmin(), false);
  const header = new MedplumClient({ baseUrl: BASE, fetch, authCredentialsMethod: 'header' });
  await header.startClientLogin(app.id, app.secret);
  assert.equal((await header.readResource('Patient', patient.id)).id, patient.id);
  const basic = connect();
  basic.setBasicAuth(app.id, app.secret);
  assert.equal((await basic.readResource('Patient', patient.id)).id, patient.id);
  const plain = connect(client.getAccessToken());
  assert.equal((await plain.readResource('Patient', patient.id)).id, patient.id);
  const wrong = new MedplumClient({ baseUrl: BASE, fetch });
  await assert.rejects(wrong.startClientLogin(app.id, 'wrong'));
  await assert.rejects(wrong.startClientLogin(MISSING, app.secret));
  assert.equal(await refused(connect('a.b.c').readResource('Patient', patient.id)), 'unauthorized');
  const superAdmin = new MedplumClient({ baseUrl: BASE, fetch });
  await superAdmin.startClientLogin('root', TOKEN);
  assert.equal(superAdmin.isSuperAdmin(), true);
});
await test('admin: client, bot, invite', async () => {
  const bot = await admin.post('admin/projects/' + project.id + '/bot', { name: 'a bot' });
  assert.equal(bot.resourceType, 'Bot');
  const membership = await admin.post('admin/projects/' + project.id + '/invite', {
    resourceType: 'Practitioner', firstName: 'Ada', lastName: 'Lovelace',
    email: 'ada@example.org', sendEmail: false,
  });
  assert.equal(membership.resourceType, 'ProjectMembership');
  assert.match(membership.profile.reference, /^Practitioner\//);
  assert.equal(await refused(client.post('admin/projects/' + project.id + '/client', { name: 'x' })),
               'forbidden');
});

// --- section 2: the tests of $clone --------------------------------------------------------------

await test('Forbidden', async () => {
  assert.equal(await refused(client.post(client.fhirUrl('Project', MISSING, '$clone'), {})),
               'forbidden');
});
await test('Not found', async () => {
  assert.equal(await refused(clone({ id: MISSING }, {})), 'not-found');
  assert.equal(await refused(clone({ id: 'no-uuid' }, {})), 'not-found');
});
await test('Success', async () => {
  const { project, client } = await newProject('Success');
  const patient = await client.createResource({ resourceType: 'Patient' });
  const observation = await client.createResource({
    resourceType: 'Observation', status: 'final', code: { text: 'x' },
    subject: { reference: 'Patient/' + patient.id } });
  const made = await clone(project, {});
  assert.match(made.id, UUID);
  assert.notEqual(made.id, project.id);
  assert.deepEqual(await admin.readResource('Project', made.id), made);
  const patients = await inProject(made, 'Patient');
  const observations = await inProject(made, 'Observation');
  assert.equal(patients.length, 1);
  assert.equal(observations.length, 1);
  assert.notEqual(patients[0].id, patient.id);
  assert.notEqual(observations[0].id, observation.id);
  assert.equal(observations[0].subject.reference, 'Patient/' + patients[0].id);
  assert.equal(observations[0].meta.lastUpdated, observation.meta.lastUpdated);
  assert.notEqual(observations[0].meta.versionId, observation.meta.versionId);
});
await test('With a name', async () => {
  const { project } = await newProject('Named');
  const [first] = await inProject(project, 'ClientApplication', '&name=Named Default Client');
  await admin.deleteResource('ClientApplication', first.id);
  const made = await clone(project, { name: 'A New Name' });
  assert.equal(made.name, 'A New Name');
  const memberships = await inProject(made, 'ProjectMembership');
  assert.ok(memberships.length >= 1);
  assert.ok(memberships.every((m) => m.project.display === 'A New Name'));
  const clients = await inProject(made, 'ClientApplication');
  assert.equal(clients.length, 1);
  assert.ok(!clients[0].name.includes('A New Name'));
});
await test('With a name and a default client', async () => {
  const project = await admin.post(admin.fhirUrl('Project', '$init'), { name: 'Test Project Name' });
  const made = await clone(project, { name: 'A New Name' });
  const clients = await inProject(made, 'ClientApplication');
  assert.equal(clients.length, 1);
  assert.ok(clients[0].name.includes('A New Name'));
  assert.ok(clients[0].description.includes('A New Name'));
});
await test('With resourceTypes', async () => {
  const { project } = await newProject('Types');
  const made = await clone(project, { resourceTypes: ['ProjectMembership'] });
  assert.ok((await admin.readResource('Project', made.id)).name);
  assert.ok((await inProject(made, 'ProjectMembership')).length >= 1);
  assert.equal((await inProject(made, 'ClientApplication')).length, 0);
});
await test('With includeIds (which is skipped there)', async () => {
  const { project } = await newProject('Include');
  const [membership] = await inProject(project, 'ProjectMembership');
  const made = await clone(project, { includeIds: [membership.id] });
  assert.notEqual(made.id, project.id);
  assert.ok((await admin.readResource('Project', made.id)).name);
  assert.equal((await inProject(made, 'ProjectMembership')).length, 1);
  assert.equal((await inProject(made, 'ClientApplication')).length, 0);
});
await test('With excludeIds', async () => {
  const project = await admin.post(admin.fhirUrl('Project', '$init'), { name: 'Exclude' });
  const memberships = await inProject(project, 'ProjectMembership');
  const made = await clone(project, { excludeIds: memberships.map((m) => m.id) });
  assert.ok((await admin.readResource('Project', made.id)).name);
  assert.equal((await inProject(made, 'ProjectMembership')).length, 0);
  assert.equal((await inProject(made, 'ClientApplication')).length, 1);
});
await test('With Bot attachments', async () => {
  const { project, client } = await newProject('Bots');
  const code = 'exports.handler = async () => true;';
  const binary = await client.createBinary({ data: code, contentType: 'text/javascript' });
  const admins = await admin.createResource({
    resourceType: 'Bot', name: 'a bot', meta: { project: project.id },
    sourceCode: { contentType: 'text/javascript', url: 'Binary/' + binary.id } });
  const made = await clone(project, {});
  const bots = await inProject(made, 'Bot');
  assert.equal(bots.length, 1);
  assert.match(bots[0].sourceCode.url, /Binary\/[a-z0-9-]+$/);
  assert.notEqual(bots[0].sourceCode.url, admins.sourceCode.url);
  assert.equal(await (await admin.download(bots[0].sourceCode.url)).text(), code);
});

// --- the sentences of the documentation ----------------------------------------------------------

const whole = await newProject('Documented');
const subjects = [];
await test('(the project of what follows)', async () => {
  for (let i = 0; i < 3; ++i) {
    subjects.push(await whole.client.createResource({ resourceType: 'Patient', active: true }));
    await whole.client.createResource({
      resourceType: 'Observation', status: 'final', code: { text: 'x' },
      subject: { reference: 'Patient/' + subjects[i].id } });
  }
  const source = await whole.client.createBinary({ data: 'code', contentType: 'text/javascript' });
  const photo = await whole.client.createBinary({ data: 'photo', contentType: 'image/png' });
  await whole.client.updateResource({ ...subjects[0], photo: [{ url: 'Binary/' + photo.id }] });
  const bot = await admin.createResource({
    resourceType: 'Bot', name: 'b', meta: { project: whole.project.id },
    sourceCode: { url: 'Binary/' + source.id } });
  await admin.createResource({
    resourceType: 'Subscription', status: 'active', reason: 'r', criteria: 'Patient',
    meta: { project: whole.project.id }, channel: { type: 'rest-hook', endpoint: 'Bot/' + bot.id } });
  for (const more of [
    { resourceType: 'AuditEvent', type: { code: 'x' }, recorded: '2026-01-01T00:00:00Z', agent: [],
      source: { observer: { display: 'x' } } },
    { resourceType: 'AsyncJob', status: 'completed', requestTime: '2026-01-01T00:00:00Z',
      request: 'x' },
    { resourceType: 'Login', authTime: '2026-01-01T00:00:00Z', authMethod: 'client' },
    { resourceType: 'AccessPolicy', name: 'p' },
    { resourceType: 'UserConfiguration', name: 'u' },
    { resourceType: 'Questionnaire', status: 'active', url: 'http://example.org/q' },
  ]) {
    await admin.createResource({ ...more, meta: { project: whole.project.id } });
  }
});
let copy;
await test('creates a complete copy of a Medplum project, including all its resources', async () => {
  copy = await clone(whole.project, { name: 'My Cloned Project' });
  for (const type of ['Patient', 'Observation', 'Bot', 'AccessPolicy', 'UserConfiguration',
                      'ProjectMembership', 'ClientApplication', 'Questionnaire']) {
    assert.equal((await inProject(copy, type)).length,
                 (await inProject(whole.project, type)).length, type);
  }
});
await test('Returns the newly created Project resource', async () => {
  assert.equal(copy.resourceType, 'Project');
  assert.equal(copy.name, 'My Cloned Project');
  assert.match(copy.owner.reference, /^User\//);
});
await test('This operation requires super admin privileges', async () => {
  assert.equal(await refused(whole.client.post(
    whole.client.fhirUrl('Project', whole.project.id, '$clone'), {})), 'forbidden');
});
await test('Parameters are passed in the request body as a JSON object', async () => {
  for (const wrong of [[], 'x', { name: 1 }, { resourceTypes: 'Patient' }, { includeIds: [1] },
                       { excludeIds: {} }, { resourceTypes: ['Nonsense'] }]) {
    assert.equal(await refused(clone(whole.project, wrong)), 'bad-request');
  }
  const none = await admin.post(admin.fhirUrl('Project', whole.project.id, '$clone'));
  assert.equal(none.name, 'Documented');
});
await test('If empty, all resource types are cloned', async () => {
  const made = await clone(whole.project, { resourceTypes: [], includeIds: [], excludeIds: [] });
  assert.equal((await inProject(made, 'Patient')).length, 3);
});
await test('Generates new IDs for all resources while maintaining internal references', async () => {
  const patients = await inProject(copy, 'Patient');
  assert.ok(patients.every((p) => !subjects.some((s) => s.id === p.id)));
  for (const observation of await inProject(copy, 'Observation')) {
    assert.ok(patients.some((p) => 'Patient/' + p.id === observation.subject.reference));
  }
});
await test('Updates all internal references to point to new resource IDs', async () => {
  const [subscription] = await inProject(copy, 'Subscription');
  const [bot] = await inProject(copy, 'Bot');
  assert.equal(subscription.channel.endpoint, 'Bot/' + bot.id);
});
await test('Copies Binary resources and their associated storage files', async () => {
  const [bot] = await inProject(copy, 'Bot');
  assert.equal(await (await admin.download(bot.sourceCode.url)).text(), 'code');
  const withPhoto = (await inProject(copy, 'Patient')).find((p) => p.photo);
  assert.equal(await (await admin.download(withPhoto.photo[0].url)).text(), 'photo');
});
await test('updates: Project name, ProjectMembership display names, Default ClientApplication names',
  async () => {
    assert.ok((await inProject(copy, 'ProjectMembership')).every(
      (m) => m.project.display === 'My Cloned Project'));
    assert.ok((await inProject(copy, 'ClientApplication')).some(
      (c) => c.name === 'My Cloned Project Default Client'));
  });
await test('Login history, Audit logs, AsyncJob resources are not cloned', async () => {
  for (const type of ['AuditEvent', 'AsyncJob', 'Login']) {
    assert.equal((await inProject(copy, type)).length, 0, type);
  }
  const history = await admin.readHistory('Patient', (await inProject(copy, 'Patient'))[0].id);
  assert.equal(history.entry.length, 1);
});
await test('The new project will have a new owner (the user performing the clone)', async () => {
  const me = await admin.get('auth/me');
  assert.equal(copy.owner.reference, me.membership?.user?.reference ?? copy.owner.reference);
});
await test('Secrets and credentials are not copied and must be reconfigured', async () => {
  for (const cloned of await inProject(copy, 'ClientApplication')) {
    assert.equal(cloned.secret, undefined);
    const basic = Buffer.from(cloned.id + ':' + whole.app.secret).toString('base64');
    const answer = await raw('GET', 'fhir/R4/Patient', { token: null,
                                                         headers: { Authorization: 'Basic ' + basic } });
    assert.equal(answer.status, 401);
    assert.equal(answer.json.id, 'unauthorized');
  }
  const [one] = await inProject(copy, 'ClientApplication', '&name=a client');
  const renewed = await admin.post(
    admin.fhirUrl('ClientApplication', one.id, '$rotate-secret'), {});
  const inside = connect();
  await inside.startClientLogin(one.id, renewed.secret);
  assert.equal((await inside.searchResources('Patient', '')).length, 3);
});
await test('Creating a Test Environment: excludeIds', async () => {
  const made = await clone(whole.project, {
    name: 'Production Copy - Testing', excludeIds: [subjects[0].id, 'sensitive-patient-2'] });
  const patients = await inProject(made, 'Patient');
  assert.equal(patients.length, 2);
  assert.ok(patients.every((p) => !p.photo));
  const references = (await inProject(made, 'Observation')).map((o) => o.subject.reference);
  assert.equal(references.filter((r) => r === 'Patient/' + subjects[0].id).length, 1);
  assert.equal(references.filter((r) => patients.some((p) => 'Patient/' + p.id === r)).length, 2);
});
await test('Creating a Project Template: resourceTypes, without patient data', async () => {
  const made = await clone(whole.project, {
    name: 'New Client Project',
    resourceTypes: ['Bot', 'StructureDefinition', 'ValueSet', 'Questionnaire'] });
  assert.equal((await inProject(made, 'Patient')).length, 0);
  assert.equal((await inProject(made, 'Questionnaire')).length, 1);
  const [bot] = await inProject(made, 'Bot');
  assert.equal(await (await admin.download(bot.sourceCode.url)).text(), 'code');
});
await test('Cloning Specific Resources: includeIds', async () => {
  const [bot] = await inProject(whole.project, 'Bot');
  const made = await clone(whole.project, { includeIds: [bot.id, 'questionnaire-1'] });
  assert.equal((await inProject(made, 'Bot')).length, 1);
  assert.equal((await inProject(made, 'Questionnaire')).length, 0);
  const nothing = await clone(whole.project, { includeIds: ['bot-1'] });
  assert.equal((await inProject(nothing, 'Bot')).length, 0);
});
await test('writing to either never shows on the other', async () => {
  const [one] = await inProject(copy, 'Patient');
  await admin.updateResource({ ...one, gender: 'other' });
  assert.ok((await inProject(whole.project, 'Patient')).every((p) => p.gender !== 'other'));
  await whole.client.updateResource({ ...subjects[1], gender: 'female' });
  assert.ok((await inProject(copy, 'Patient')).every((p) => p.gender !== 'female'));
});
await test('a clone of a clone of a clone', async () => {
  let last = whole.project;
  for (let i = 0; i < 4; ++i) last = await clone(last, {});
  const patients = await inProject(last, 'Patient');
  assert.equal(patients.length, 3);
  for (const observation of await inProject(last, 'Observation')) {
    assert.ok(patients.some((p) => 'Patient/' + p.id === observation.subject.reference));
  }
});

// --- what the client cannot say ------------------------------------------------------------------

const CLONE = 'fhir/R4/Project/' + whole.project.id + '/$clone';
const JSON_TYPE = { 'Content-Type': 'application/json' };
await test('201 with Location, ETag and Last-Modified', async () => {
  const answer = await raw('POST', CLONE, { body: '{}', headers: JSON_TYPE });
  assert.equal(answer.status, 201);
  assert.equal(answer.headers.get('location'), BASE + 'fhir/R4/Project/' + answer.json.id);
  assert.match(answer.headers.get('etag'), /^W\/"[0-9a-f-]{36}"$/);
  assert.ok(answer.headers.get('last-modified'));
});
await test('Idempotency-Key: twice is once; with another body it is refused', async () => {
  const headers = { ...JSON_TYPE, 'Idempotency-Key': 'k1' };
  const one = await raw('POST', CLONE, { body: '{"name":"once"}', headers });
  const two = await raw('POST', CLONE, { body: '{"name":"once"}', headers });
  assert.equal(one.json.id, two.json.id);
  assert.equal(two.status, 201);
  assert.equal((await raw('POST', CLONE, { body: '{"name":"other"}', headers })).status, 422);
});
await test('Prefer: respond-async, polled by the client', async () => {
  const done = await admin.startAsyncRequest(BASE + CLONE, {
    method: 'POST', body: '{}', pollStatusOnAccepted: true, pollStatusPeriod: 50 });
  assert.ok(done);
  const answer = await raw('POST', CLONE,
                           { body: '{}', headers: { ...JSON_TYPE, Prefer: 'respond-async' } });
  assert.equal(answer.status, 202);
  assert.ok(answer.headers.get('content-location').startsWith(BASE));
});
await test('extended members are for extended readers', async () => {
  const answer = await raw('GET', 'fhir/R4/Patient/' + patient.id);
  assert.deepEqual(Object.keys(answer.json.meta), ['versionId', 'lastUpdated']);
});
await test('Prefer: return=minimal', async () => {
  const answer = await raw('POST', 'fhir/R4/Patient', {
    body: '{"resourceType":"Patient"}', headers: { ...JSON_TYPE, Prefer: 'return=minimal' } });
  assert.equal(answer.status, 201);
  assert.equal(answer.text, '');
});
await test('bad JSON is 400, never a crash', async () => {
  const deep = (n) => '['.repeat(n) + ']'.repeat(n);
  for (const body of [
    '', '{', 'null', '[]', '1', '"x"', '{"resourceType":1}', '{"resourceType":"Patient",}',
    '{"resourceType":"Patient","resourceType":"Patient"}',
    '{"resourceType":"Patient","x":' + deep(100000) + '}',
    '{"resourceType":"Patient","x":"\\ud800"}', '{"resourceType":"Patient","x":"a\\u0000b"}',
    '{"resourceType":"Patient","x":1e99999}', '{"resourceType":"Patient","meta":[]}',
    '{"resourceType":"Patient","id":7}', '{"resourceType":"Nonsense"}', '\u0000',
    '{"resourceType":"Patient","\\u0000":1}',
  ]) {
    for (const [method, path] of [['POST', 'fhir/R4/Patient'], ['PUT', 'fhir/R4/Patient/' + patient.id],
                                  ['PATCH', 'fhir/R4/Patient/' + patient.id], ['POST', 'fhir/R4'],
                                  ['POST', CLONE]]) {
      if (path === CLONE && ['', 'null'].includes(body)) continue;
      if (method === 'PATCH' && body === '[]') continue;
      const answer = await raw(method, path, { body, headers: JSON_TYPE });
      assert.equal(answer.status, 400, method + ' ' + path + ' ' + body.slice(0, 60) + answer.text);
      assert.equal(answer.json.resourceType, 'OperationOutcome');
    }
  }
  const long = await raw('POST', 'fhir/R4/Patient', {
    body: '{"resourceType":"Patient","x":"' + 'y'.repeat(17 << 20) + '"}', headers: JSON_TYPE });
  assert.equal(long.status, 413);
  const big = await raw('POST', 'fhir/R4/Patient', {
    body: '{"resourceType":"Patient","x":"' + 'y'.repeat(1 << 20) + '"}', headers: JSON_TYPE });
  assert.equal(big.status, 201);
  const read = await raw('GET', 'fhir/R4/Patient/' + big.json.id);
  assert.equal(read.json.x.length, 1 << 20);
});
await test('CapabilityStatement', async () => {
  const answer = await raw('GET', 'fhir/R4/metadata', { token: null });
  assert.equal(answer.json.resourceType, 'CapabilityStatement');
  assert.equal(answer.json.fhirVersion, '4.0.1');
});

console.log(count + ' tests of the client passed');
