// Searches, pages of them, and several requests in one: batches and transactions.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import {
  UUID, admin, all, assertOutcome, baseUrl, core, count, identifier, into, memberOf, newClient,
  newProject, raw, rawJson, refused, sent, test,
} from './harness.mjs';

// Ten patients, and an observation of each.
async function tenPatients() {
  const project = await newProject();
  const { client, application } = await memberOf(project);
  const patients = [];
  const observations = [];
  for (let i = 0; i < 10; ++i) {
    const patient = await client.createResource({
      resourceType: 'Patient', identifier: identifier(`p${i}`), active: i % 2 === 0,
      gender: i < 3 ? 'male' : 'female', birthDate: `19${50 + i}-0${1 + (i % 9)}-15`,
      name: [{ given: [`Given${i}`], family: i < 5 ? 'M\u00fcller' : 'Smith-Jones' }],
      telecom: [{ system: 'email', value: `p${i}@example.org` }],
    });
    patients.push(patient);
    observations.push(await client.createResource({
      resourceType: 'Observation', status: i < 4 ? 'final' : 'preliminary',
      code: { coding: [{ system: 'http://loinc.org', code: `8867-${i % 3}` }] },
      subject: core.createReference(patient), effectiveDateTime: `2026-03-0${i % 9 + 1}T10:00:00Z`,
      valueQuantity: { value: 60 + i, unit: 'bpm' },
    }));
  }
  return { project, client, application, patients, observations };
}
const ids = (resources) => resources.map((one) => one.id).sort();

test('search, searchOne, searchResources by tokens, texts, references, dates', async () => {
  const { project, client, patients, observations } = await tenPatients();
  const expect = async (type, query, want) => {
    assert.deepEqual(ids(await client.searchResources(type, query)), ids(want), `${type} ${query}`);
    const bundle = await client.search(type, `${query}&_summary=count`);
    assert.equal(bundle.total, want.length, `${type} ${query}`);
  };
  const some = (list, ...at) => at.map((i) => list[i]);
  await expect('Patient', '_id=' + ids(some(patients, 1, 4, 7)).join(','),
    some(patients, 1, 4, 7));
  await expect('Patient', '_id=none', []);
  await expect('Patient', 'identifier=urn:ramet:test|p3', some(patients, 3));
  await expect('Patient', 'identifier=p3', some(patients, 3));
  await expect('Patient', 'identifier=urn:ramet:test|', patients);
  await expect('Patient', 'identifier=urn:other|p3', []);
  await expect('Patient', 'identifier=|p3', []);
  await expect('Patient', 'identifier=p3,p5', some(patients, 3, 5));
  await expect('Patient', 'gender=male', patients.slice(0, 3));
  await expect('Patient', 'gender:not=male', patients.slice(3));
  await expect('Patient', 'active=true&gender=male', some(patients, 0, 2));
  await expect('Patient', 'name=smith', patients.slice(5));
  await expect('Patient', 'name=M\u00fcl', patients.slice(0, 5));
  await expect('Patient', 'family:contains=JONES', patients.slice(5));
  await expect('Patient', 'given:exact=Given4', some(patients, 4));
  await expect('Patient', 'given:exact=given4', []);
  await expect('Patient', 'email=p6@example.org', some(patients, 6));
  await expect('Patient', 'birthdate=1953-04-15', some(patients, 3));
  await expect('Patient', 'birthdate=ge1958', patients.slice(8));
  await expect('Patient', 'birthdate=gt1952&birthdate=lt1955-01-01', some(patients, 3, 4));
  await expect('Patient', 'telecom:missing=true', []);
  await expect('Observation', `subject=Patient/${patients[2].id}`, some(observations, 2));
  await expect('Observation', `subject=${patients[2].id}`, some(observations, 2));
  await expect('Observation', `patient=${patients[2].id}`, some(observations, 2));
  await expect('Observation', `subject=Patient/${randomUUID()}`, []);
  await expect('Observation', 'status=final', observations.slice(0, 4));
  await expect('Observation', 'code=http://loinc.org|8867-1', some(observations, 1, 4, 7));
  await expect('Observation', 'code=8867-1&status=final', some(observations, 1));
  await expect('Observation', 'date=2026-03-02', some(observations, 1));
  await expect('Observation', 'date=ge2026-03-08T00:00:00Z', some(observations, 7, 8));
  await expect('Observation', `_compartment=Patient/${patients[9].id}`, some(observations, 9));
  await expect('ProjectMembership', `project=Project/${project.id}`,
    await all(project, 'ProjectMembership'));
  const middle = patients[5].meta.lastUpdated;
  await expect('Patient', `_lastUpdated=gt${middle}`, patients.slice(6));
  await expect('Patient', `_lastUpdated=le${middle}`, patients.slice(0, 6));
  await expect('Patient', `_lastUpdated=lt${middle}&_lastUpdated=ge${patients[1].meta.lastUpdated}`,
    patients.slice(1, 5));
  const one = await client.searchOne('Patient', 'identifier=p8');
  assert.deepEqual(one, patients[8]);
  assert.equal(await client.searchOne('Patient', 'identifier=p11'), undefined);
  assert.deepEqual(await client.searchOne('Patient', { identifier: 'p8', gender: 'female' }), one);
});

test('of a search: _sort, _count, _offset, _total, _fields, _elements, links', async () => {
  const { client, patients } = await tenPatients();
  const sorted = await client.searchResources('Patient', '_sort=-birthdate&_count=4');
  assert.deepEqual([...sorted], patients.slice(6).reverse());
  const both = await client.searchResources('Patient', '_sort=family,-_lastUpdated&_count=6');
  assert.deepEqual([...both].map((one) => one.id),
    [4, 3, 2, 1, 0, 9].map((i) => patients[i].id));
  const newest = await client.searchResources('Patient', '_sort=-_lastUpdated&_count=3&_offset=2');
  assert.deepEqual([...newest], [patients[7], patients[6], patients[5]]);
  const plain = await client.search('Patient', '_count=3');
  assert.equal(plain.type, 'searchset');
  assert.equal(plain.entry.length, 3);
  assert.equal(plain.total, undefined);
  for (const entry of plain.entry) {
    assert.equal(entry.fullUrl, `${baseUrl}fhir/R4/Patient/${entry.resource.id}`);
    assert.equal(entry.search.mode, 'match');
  }
  const link = (bundle, relation) => bundle.link.find((one) => one.relation === relation)?.url;
  assert.ok(link(plain, 'self').startsWith(`${baseUrl}fhir/R4/Patient?`));
  assert.ok(link(plain, 'next').startsWith('http'));
  const counted = await client.search('Patient', '_count=3&_total=accurate&gender=female');
  assert.equal(counted.total, 7);
  const none = await client.search('Patient', '_count=0&_total=accurate');
  assert.equal(none.total, 10);
  assert.equal(none.entry, undefined);
  for (const parameter of ['_fields', '_elements']) {
    const few = await client.search('Patient', `identifier=p1&${parameter}=gender,birthDate`);
    assert.deepEqual(Object.keys(few.entry[0].resource).sort(),
      ['birthDate', 'gender', 'id', 'meta', 'resourceType']);
  }
  assert.equal((await client.search('Patient', 'identifier=none')).entry, undefined);
  const form = await raw('POST', 'fhir/R4/Patient/_search', {
    as: `Bearer ${client.getAccessToken()}`, body: 'gender=male&_total=accurate',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  assert.equal(form.json.total, 3);
});

test('searchResourcePages follows the next links to every resource, once', async () => {
  const { client, patients, project } = await tenPatients();
  for (const query of ['', '_sort=birthdate', '_sort=-_lastUpdated', 'gender=male,female',
    `_project=${project.id}`]) {
    for (const size of [1, 3, 5, 10]) {
      const pages = [];
      for await (const page of client.searchResourcePages('Patient', `${query}&_count=${size}`)) {
        pages.push(page);
      }
      assert.deepEqual(ids(pages.flat()), ids(patients), `${query} ${size}`);
      assert.ok(pages.slice(0, -1).every((page) => page.length === size), `${query} ${size}`);
    }
  }
});

test('a search says what it cannot do', async () => {
  const { client } = await memberOf(await newProject());
  for (const query of ['nonsense=1', '_sort=nonsense', '_count=x', '_count=-1', '_offset=x',
    'birthdate=tomorrow', '_lastUpdated=x', '_include=Patient:organization',
    'general-practitioner.name=x', '_has:Observation:patient:code=x', '_total=many',
    'gender:nonsense=male', 'name:missing=perhaps', '_cursor=x', '_summary=text']) {
    await refused(client.search('Patient', query), undefined);
  }
  await refused(client.search('Nonsense', ''), 'not-found');
  const most = await client.search('Patient', '_count=100000');
  assert.equal(most.type, 'searchset');
});

// --- batches -------------------------------------------------------------------------------------

const patientEntry = (key, more = {}) => ({
  fullUrl: `urn:uuid:${key}`, request: { method: 'POST', url: 'Patient' },
  resource: { resourceType: 'Patient', ...more },
});

test('executeBatch answers each entry in its place, and resolves urn:uuid', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  const there = await client.createResource(
    { resourceType: 'Patient', identifier: identifier('a') });
  const gone = await client.createResource({ resourceType: 'Patient' });
  const [one, two] = [randomUUID(), randomUUID()];
  const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/active', value: true }]));
  const answer = await client.executeBatch({
    resourceType: 'Bundle', type: 'batch',
    entry: [
      { request: { method: 'GET', url: `Patient/${there.id}` } },
      {
        request: { method: 'POST', url: 'Observation' }, fullUrl: `urn:uuid:${two}`,
        resource: {
          resourceType: 'Observation', status: 'final', code: { text: 'x' },
          subject: { reference: `urn:uuid:${one}` },
        },
      },
      patientEntry(one),
      {
        request: { method: 'PUT', url: `Patient/${there.id}` },
        resource: { ...there, gender: 'other' },
      },
      { request: { method: 'DELETE', url: `Patient/${gone.id}` } },
      { request: { method: 'GET', url: `Patient/${randomUUID()}` } },
      { request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Task' } },
      { request: { method: 'GET', url: '/Patient?identifier=urn:ramet:test|a&_count=1' } },
      {
        request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=urn:ramet:test|a' },
        resource: { resourceType: 'Patient' },
      },
      {
        request: { method: 'PATCH', url: `Patient/${there.id}` },
        resource: {
          resourceType: 'Binary', contentType: 'application/json-patch+json',
          data: patch.toString('base64'),
        },
      },
      { request: { method: 'NONSENSE', url: 'Patient' } },
      {
        request: { method: 'PUT', url: `Patient/${there.id}`, ifMatch: 'W/"stale"' },
        resource: { ...there, gender: 'male' },
      },
    ],
  });
  assert.equal(answer.type, 'batch-response');
  const status = answer.entry.map((one_) => one_.response.status);
  assert.deepEqual(status.slice(0, 9),
    ['200', '201', '201', '200', '200', '404', '400', '200', '200'], JSON.stringify(status));
  assert.equal(status[9], '200');
  assert.ok(status[10].startsWith('4'), status[10]);
  assert.equal(status[11], '412');
  const made = answer.entry[2].resource;
  assert.equal(answer.entry[1].resource.subject.reference, `Patient/${made.id}`);
  assert.match(answer.entry[2].response.location, new RegExp(`Patient/${made.id}`));
  assert.equal(answer.entry[5].response.outcome.id, 'not-found');
  assert.equal(answer.entry[7].resource.entry[0].resource.id, there.id);
  assert.equal(answer.entry[8].resource.id, there.id);
  const now = await client.readResource('Patient', there.id);
  assert.equal(now.active, true);
  assert.equal(now.gender, 'other');
  await refused(client.readResource('Patient', gone.id), 'gone');
});

test('a batch with what is wrong in it does the rest', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  const answer = await client.executeBatch({
    resourceType: 'Bundle', type: 'batch',
    entry: [patientEntry(randomUUID(), { active: true }),
      { request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Patient', id: 5 } },
      patientEntry(randomUUID(), { active: false })],
  });
  assert.deepEqual(answer.entry.map((one) => one.response.status), ['201', '400', '201']);
  assert.equal(await count(project, 'Patient'), 2);
});

test('a transaction is done wholly or not at all', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  const bundle = (entry) => client.executeBatch({
    resourceType: 'Bundle', type: 'transaction', entry });
  const [first, second] = [randomUUID(), randomUUID()];
  const see = (key) => ({ link: [{ type: 'seealso', other: { reference: `urn:uuid:${key}` } }] });
  const answer = await bundle([patientEntry(first, see(second)), patientEntry(second, see(first))]);
  assert.equal(answer.type, 'transaction-response');
  const [one, two] = answer.entry.map((entry) => entry.resource);
  assert.equal(one.link[0].other.reference, `Patient/${two.id}`);
  assert.equal(two.link[0].other.reference, `Patient/${one.id}`);
  for (const wrong of [
    { request: { method: 'POST', url: 'Patient' }, resource: { resourceType: 'Task' } },
    { request: { method: 'PUT', url: `Patient/${one.id}`, ifMatch: 'W/"stale"' }, resource: one },
  ]) {
    await assert.rejects(bundle([
      patientEntry(randomUUID()), { request: { method: 'DELETE', url: `Patient/${two.id}` } },
      wrong]));
    assert.equal(await count(project, 'Patient'), 2);
    assert.equal((await client.readResource('Patient', two.id)).id, two.id);
  }
});

test('what is no bundle is refused', async () => {
  const post = (json) => rawJson('POST', 'fhir/R4', json);
  assertOutcome(await post({ resourceType: 'Patient' }), 400, undefined);
  const unknown = await post({ resourceType: 'Bundle', type: 'nonsense', entry: [] });
  assertOutcome(unknown, 400, undefined);
  assert.equal(unknown.json.issue[0].details.text, 'Unrecognized bundle type: nonsense');
  const empty = await post({ resourceType: 'Bundle', type: 'batch' });
  assertOutcome(empty, 400, undefined);
  assert.equal(empty.json.issue[0].details.text, 'Missing bundle entries');
  for (const entry of [[null], [1], ['x'], [{}], [{ request: 5 }], [[[]]], {}, 'x',
    [{ request: { method: 5, url: [] } }], [{ request: { method: 'GET', url: '' } }],
    [{ request: { method: 'GET', url: '////' } }], [{ request: { method: 'POST', url: '/' } }]]) {
    const answer = await post({ resourceType: 'Bundle', type: 'batch', entry });
    assert.ok(answer.status === 200 || answer.status === 400,
      `${JSON.stringify(entry)}: ${answer.text}`);
    for (const one of answer.json.entry ?? []) {
      assert.match(one.response.status, /^4\d\d$/, `${JSON.stringify(entry)}: ${answer.text}`);
    }
  }
});

test('autoBatch', async () => {
  const project = await newProject();
  const { application, client } = await memberOf(project);
  const made = [];
  for (let i = 0; i < 5; ++i) {
    made.push(await client.createResource({ resourceType: 'Patient', language: `x-${i}` }));
  }
  const batching = newClient({ autoBatchTime: 50, cacheTime: 0 });
  await batching.startClientLogin(application.id, application.secret);
  const before = sent.length;
  const reads = made.map((one) => batching.readResource('Patient', one.id));
  const search = batching.search('Patient', { _count: 2, _total: 'accurate' });
  const missing = refused(batching.readResource('Patient', randomUUID()), 'not-found');
  assert.deepEqual(await Promise.all(reads), made);
  assert.equal((await search).total, 5);
  await missing;
  const requests = sent.slice(before).map((one) => `${one.method} ${new URL(one.url).pathname}`);
  assert.deepEqual([...new Set(requests)], ['POST /fhir/R4'], requests.join('\n'));
  assert.equal(requests.length, 1);
});

test('a super admin searches all projects, or one', async () => {
  const [one, two] = [await newProject(), await newProject()];
  const value = randomUUID();
  const resource = { resourceType: 'Patient', identifier: identifier(value) };
  const first = await into(one, resource);
  const second = await into(two, resource);
  const found = await admin.searchResources('Patient', { identifier: value });
  assert.deepEqual(ids(found), ids([first, second]));
  assert.deepEqual(ids(await all(one, 'Patient', { identifier: value })), [first.id]);
  assert.match(found[0].meta.project, UUID);
  const { client } = await memberOf(one);
  assert.deepEqual(ids(await client.searchResources('Patient', { identifier: value })), [first.id]);
  const other = await client.searchResources('Patient', { identifier: value, _project: two.id });
  assert.equal(other.length, 0);
});
