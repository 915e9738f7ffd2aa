// All that the official client does: each of its calls, and what it makes of the answers.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import {
  FHIR_JSON, UUID, admin, all, assertOutcome, baseUrl, clone, contentOf, core, count, identifier,
  into, isNewClient, memberOf, newBinary, newClient, newProject, only, otherToken, principal,
  principalToken, raw, refused, sent, test, unique,
} from './harness.mjs';

const patient = (more = {}) => ({
  resourceType: 'Patient', name: [{ given: ['Ada'], family: 'Lovelace' }], ...more,
});
const sentSince = (before) => sent.slice(before).map((one) => `${one.method} ${one.url}`);

// --- logging in ----------------------------------------------------------------------------------

function checkToken(client, clientId) {
  const token = client.getAccessToken();
  assert.equal(token.split('.').length, 3, 'the client tells a JWT by its dots');
  const claims = core.parseJWTPayload(token);
  assert.equal(claims.client_id, clientId);
  assert.equal(typeof claims.login_id, 'string');
  // One that ends earlier makes the client ask for the next one without end.
  assert.ok(claims.exp * 1000 > Date.now() + 10 * 60 * 1000, `exp ${claims.exp}`);
}

test('startClientLogin with the credentials in the body', async () => {
  const before = sent.length;
  const client = newClient();
  const profile = await client.startClientLogin(principal, principalToken);
  assert.equal(profile.resourceType, 'Practitioner');
  assert.equal(client.isSuperAdmin(), true);
  assert.equal(client.isProjectAdmin(), true);
  assert.equal(client.getProfile().id, profile.id);
  checkToken(client, principal);
  await client.searchOne('Patient', { _id: '7b0a2bfe-2b1c-4d35-9d0e-1a2b3c4d5e6f' });
  const asked = sentSince(before);
  assert.equal(asked.filter((one) => one.endsWith('/oauth2/token')).length, 1, asked.join('\n'));
  assert.equal(asked.filter((one) => one.endsWith('/auth/me')).length, 1, asked.join('\n'));
});

test('startClientLogin with the credentials in a header', async () => {
  const project = await newProject();
  const { application } = await memberOf(project);
  const client = newClient({ authCredentialsMethod: 'header' });
  const profile = await client.startClientLogin(application.id, application.secret);
  assert.equal(profile.resourceType, 'ClientApplication');
  assert.equal(profile.id, application.id);
  assert.equal(client.isSuperAdmin(), false);
  assert.equal(client.getProject().id, project.id);
  checkToken(client, application.id);
  const made = await client.createResource(patient());
  assert.equal(made.meta.project, project.id);
});

test('startClientLogin with a wrong secret, and with a client that there is not', async () => {
  const { application } = await memberOf(await newProject());
  const form = (values) => raw('POST', 'oauth2/token', {
    as: null, body: new URLSearchParams(values).toString(),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  });
  const grant = { grant_type: 'client_credentials' };
  const wrong = await form({ ...grant, client_id: application.id, client_secret: 'x'.repeat(64) });
  assert.equal(wrong.status, 400);
  assert.deepEqual(wrong.json,
    { error: 'invalid_request', error_description: 'Invalid secret' });
  const nobody = await form({
    ...grant, client_id: '7b0a2bfe-2b1c-4d35-9d0e-1a2b3c4d5e6f', client_secret: 'x'.repeat(64),
  });
  assert.equal(nobody.status, 400);
  assert.deepEqual(nobody.json,
    { error: 'invalid_request', error_description: 'Invalid client' });
  const none = await form({ ...grant });
  assert.equal(none.status, 400);
  assert.equal(none.json.error_description, 'Missing client_id');
  const other = await form({ grant_type: 'password', client_id: application.id });
  assert.equal(other.status, 400);
  await assert.rejects(newClient().startClientLogin(application.id, 'y'.repeat(64)));
});

test('setBasicAuth', async () => {
  const project = await newProject();
  const { application } = await memberOf(project);
  const before = sent.length;
  const client = newClient();
  client.setBasicAuth(application.id, application.secret);
  const made = await client.createResource(patient());
  assert.equal((await client.readResource('Patient', made.id)).id, made.id);
  assert.deepEqual(sentSince(before).filter((one) => /oauth2|auth\/me/.test(one)), []);
  const root = newClient();
  root.setBasicAuth(principal, principalToken);
  assert.equal((await root.readResource('Patient', made.id)).meta.project, project.id);
});

test('setAccessToken with an opaque token, and with one of the server', async () => {
  const project = await newProject();
  const made = await into(project, patient());
  const opaque = newClient();
  const before = sent.length;
  opaque.setAccessToken(principalToken);
  assert.equal(opaque.getProfile(), undefined);
  assert.equal(opaque.isSuperAdmin(), false);
  assert.equal((await opaque.readResource('Patient', made.id)).id, made.id);
  assert.equal(sent.length, before + 1);
  const { client } = await memberOf(project);
  const token = newClient();
  token.setAccessToken(client.getAccessToken());
  assert.equal((await token.readResource('Patient', made.id)).id, made.id);
});

test('isSuperAdmin, getProject, getProfileAsync', async () => {
  assert.equal(admin.isSuperAdmin(), true);
  assert.equal(admin.getProject().superAdmin, true);
  assert.equal((await admin.getProfileAsync()).id, admin.getProfile().id);
  const project = await newProject();
  const { client, application } = await memberOf(project);
  assert.equal(client.isSuperAdmin(), false);
  assert.equal(client.isProjectAdmin(), false);
  assert.equal(client.getProject().id, project.id);
  assert.equal(client.getProject().name, project.name);
  assert.equal((await client.getProfileAsync()).id, application.id);
});

test('lack of rights is 403, never 401; 401 is for tokens that are none', async () => {
  const { client } = await memberOf(await newProject());
  const before = sent.length;
  await refused(client.post('admin/projects/7b0a2bfe-2b1c-4d35-9d0e-1a2b3c4d5e6f/client',
    { name: 'x' }), 'forbidden');
  await refused(client.post(client.fhirUrl('Project', '$init'), { name: 'x' }), 'forbidden');
  await refused(client.createResource({ resourceType: 'AccessPolicy' }), 'forbidden');
  assert.equal(sent.length, before + 3, 'the client asked again');
  assertOutcome(await raw('GET', 'fhir/R4/Patient', { as: null }), 401, 'unauthorized', 'login');
  for (const as of ['Bearer nonsense', 'Bearer a.b.c', 'Basic !!', 'Negotiate x', 'Bearer']) {
    assertOutcome(await raw('GET', 'fhir/R4/Patient', { as }), 401, 'unauthorized', 'login');
  }
  // One who is somebody to the daemon, but no super admin of it.
  assertOutcome(await raw('GET', 'fhir/R4/Patient', { as: `Bearer ${otherToken}` }), 403,
    'forbidden', 'forbidden');
});

// --- resources -----------------------------------------------------------------------------------

test('createResource, readResource, readReference', async () => {
  const project = await newProject();
  const { client, application } = await memberOf(project);
  const made = await client.createResource(patient({ id: 'is ignored' }));
  assert.match(made.id, UUID);
  assert.match(made.meta.versionId, UUID);
  assert.match(made.meta.lastUpdated, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(made.meta.project, project.id);
  assert.equal(made.meta.author.reference, `ClientApplication/${application.id}`);
  assert.deepEqual(made.meta.compartment.map((one) => one.reference).sort(),
    [`Patient/${made.id}`, `Project/${project.id}`]);
  assert.deepEqual(made.name, [{ given: ['Ada'], family: 'Lovelace' }]);
  assert.deepEqual(await client.readResource('Patient', made.id), made);
  const seen = await client.createResource({
    resourceType: 'Observation', status: 'final', code: { text: 'x' },
    subject: core.createReference(made),
  });
  assert.deepEqual(await client.readReference(seen.subject), made);
  await refused(client.readResource('Patient', '7b0a2bfe-2b1c-4d35-9d0e-1a2b3c4d5e6f'),
    'not-found');
  await refused(client.readResource('Patient', 'no-uuid'), 'not-found');
  await refused(client.readResource('Observation', made.id), 'not-found');
  const outcome = await refused(
    client.post(client.fhirUrl('Patient'), { resourceType: 'Task' }), undefined);
  assert.equal(outcome.issue[0].details.text,
    'Incorrect resource type: expected Patient, but found Task');
  // Others do not see it.
  const { client: stranger } = await memberOf(await newProject());
  await refused(stranger.readResource('Patient', made.id), 'not-found');
  await refused(stranger.updateResource({ ...made, active: true }), 'not-found');
  await refused(stranger.deleteResource('Patient', made.id), 'not-found');
  assert.equal((await stranger.search('Patient', { _id: made.id })).entry, undefined);
});

test('without extended mode meta has no project, author, compartment', async () => {
  const { client, application } = await memberOf(await newProject());
  const made = await client.createResource(patient());
  const plain = newClient({ extendedMode: false });
  await plain.startClientLogin(application.id, application.secret);
  const read = await plain.readResource('Patient', made.id);
  assert.deepEqual(Object.keys(read.meta).sort(), ['lastUpdated', 'versionId']);
  const found = await plain.searchOne('Patient', { _id: made.id });
  assert.deepEqual(found, read);
});

test('createResourceIfNoneExist', async () => {
  const { client } = await memberOf(await newProject());
  const one = patient({ identifier: [{ system: 'urn:mrn', value: '1' }] });
  const made = await client.createResourceIfNoneExist(one, 'identifier=urn:mrn|1');
  const again = await client.createResourceIfNoneExist(one, 'identifier=urn:mrn|1');
  assert.equal(again.id, made.id);
  assert.equal(again.meta.versionId, made.meta.versionId);
  await client.createResource(one);
  await refused(client.createResourceIfNoneExist(one, 'identifier=urn:mrn|1'),
    'multiple-matches');
});

test('updateResource', async () => {
  const { client } = await memberOf(await newProject());
  const made = await client.createResource(patient());
  const changed = await client.updateResource({ ...made, active: true });
  assert.equal(changed.active, true);
  assert.equal(changed.id, made.id);
  assert.notEqual(changed.meta.versionId, made.meta.versionId);
  assert.ok(changed.meta.lastUpdated > made.meta.lastUpdated);
  // Nothing is different: no new version.
  const same = await client.updateResource({ ...changed, gender: '', address: [] });
  assert.equal(same.meta.versionId, changed.meta.versionId);
  assert.equal(same.meta.lastUpdated, changed.meta.lastUpdated);
  // With If-Match.
  const match = (version) => ({ headers: { 'If-Match': `W/"${version}"` } });
  await refused(client.updateResource({ ...changed, active: false }, match(made.meta.versionId)),
    'precondition-failed');
  const third = await client.updateResource({ ...changed, active: false },
    match(changed.meta.versionId));
  assert.equal(third.active, false);
  // To an id that there is not: super admins alone.
  const id = '0c9b2f1e-93a4-4c0f-8b7d-3f5f1e2d4c6b';
  await refused(client.updateResource(patient({ id })), 'not-found');
});

test('updateResource creates with a chosen id, for super admins', async () => {
  const project = await newProject();
  const id = randomUUID();
  const made = await admin.updateResource(patient({ id, meta: { project: project.id } }));
  assert.equal(made.id, id);
  assert.equal(made.meta.project, project.id);
  assert.equal((await only(project, 'Patient')).id, id);
});

test('upsertResource', async () => {
  const { client } = await memberOf(await newProject());
  const one = patient({ identifier: identifier('upsert') });
  const query = 'identifier=urn:ramet:test|upsert';
  const made = await client.upsertResource(one, query);
  const changed = await client.upsertResource({ ...one, active: true }, query);
  assert.equal(changed.id, made.id);
  assert.equal(changed.active, true);
  assert.equal((await client.searchResources('Patient')).length, 1);
  const same = await client.upsertResource({ ...one, active: true }, { identifier: 'upsert' });
  assert.equal(same.meta.versionId, changed.meta.versionId);
  await client.createResource(one);
  await refused(client.upsertResource(one, query), 'multiple-matches');
});

test('patchResource', async () => {
  const { client } = await memberOf(await newProject());
  const made = await client.createResource(patient({ gender: 'other' }));
  const patched = await client.patchResource('Patient', made.id, [
    { op: 'test', path: '/meta/versionId', value: made.meta.versionId },
    { op: 'add', path: '/active', value: true },
    { op: 'remove', path: '/gender' },
    { op: 'replace', path: '/name/0/family', value: 'King' },
    { op: 'add', path: '/name/0/given/-', value: 'Augusta' },
    { op: 'copy', from: '/name/0/family', path: '/name/0/text' },
    { op: 'add', path: '/telecom', value: [{ system: 'phone', value: '1' }] },
    { op: 'move', from: '/telecom/0/value', path: '/language' },
  ]);
  const { meta, ...rest } = patched;
  assert.notEqual(meta.versionId, made.meta.versionId);
  assert.deepEqual(rest, {
    resourceType: 'Patient', id: made.id, active: true, language: '1',
    name: [{ given: ['Ada', 'Augusta'], family: 'King', text: 'King' }],
    telecom: [{ system: 'phone' }],
  });
  const stale = [{ op: 'test', path: '/meta/versionId', value: made.meta.versionId },
    { op: 'add', path: '/active', value: false }];
  await assert.rejects(client.patchResource('Patient', made.id, stale));
  await refused(client.patchResource('Patient', made.id, [{ op: 'remove', path: '/none' }]),
    undefined);
  await refused(client.patchResource('Patient', made.id,
    [{ op: 'replace', path: '/id', value: randomUUID() }]), undefined);
  assert.deepEqual(await client.readResource('Patient', made.id), patched);
});

test('deleteResource, twice; what is gone, and comes back', async () => {
  const { client } = await memberOf(await newProject());
  const made = await client.createResource(patient());
  await client.deleteResource('Patient', made.id);
  await client.deleteResource('Patient', made.id);
  const outcome = await refused(client.readResource('Patient', made.id), 'gone');
  assert.equal(outcome.issue[0].code, 'deleted');
  assert.equal((await client.searchResources('Patient')).length, 0);
  const history = await client.readHistory('Patient', made.id);
  assert.equal(history.entry.length, 2);
  assert.equal(history.entry[0].resource, undefined);
  assert.equal(history.entry[0].response.status, '410');
  assert.equal(history.entry[1].resource.id, made.id);
  await refused(client.patchResource('Patient', made.id,
    [{ op: 'add', path: '/active', value: true }]), 'gone');
  const back = await client.updateResource(patient({ id: made.id, active: true }));
  assert.equal(back.active, true);
  assert.equal((await client.readResource('Patient', made.id)).active, true);
  assert.equal((await client.readHistory('Patient', made.id)).entry.length, 3);
  await refused(client.deleteResource('Patient', randomUUID()), 'not-found');
});

test('readHistory, readVersion', async () => {
  const { client } = await memberOf(await newProject());
  const versions = [await client.createResource(patient())];
  for (let i = 0; i < 4; ++i) {
    versions.unshift(await client.updateResource({ ...versions[0], language: `x-${i}` }));
  }
  const { id } = versions[0];
  const history = await client.readHistory('Patient', id);
  assert.equal(history.type, 'history');
  assert.deepEqual(history.entry.map((one) => one.resource), versions);
  assert.equal(new Set(history.entry.map((one) => one.fullUrl)).size, 1);
  const page = await client.readHistory('Patient', id, { count: 2, offset: 1 });
  assert.deepEqual(page.entry.map((one) => one.resource), versions.slice(1, 3));
  for (const version of versions) {
    assert.deepEqual(await client.readVersion('Patient', id, version.meta.versionId), version);
  }
  await refused(client.readVersion('Patient', id, randomUUID()), 'not-found');
  await refused(client.readVersion('Patient', id, 'nonsense'), 'not-found');
  await refused(client.readHistory('Patient', randomUUID()), 'not-found');
});

// --- binaries ------------------------------------------------------------------------------------

test('createBinary of a string, of bytes, of a Blob', async () => {
  const { client } = await memberOf(await newProject());
  const owner = await client.createResource(patient());
  const bytes = new Uint8Array(200_000).map((_, i) => (i * 2654435761) >>> 13);
  const sources = [['a text \u00e4\u{1F600}', 'text/plain'], [bytes, 'application/pdf'],
    [new Blob([bytes]), 'image/png'], [new Uint8Array(0), 'application/x-nothing'],
    ['{"not": "a resource"}', 'application/json']];
  for (const [data, contentType] of sources) {
    const binary = await client.createBinary({
      data, contentType, filename: 'a b.pdf', securityContext: core.createReference(owner),
    });
    assert.equal(binary.resourceType, 'Binary');
    assert.equal(binary.contentType, contentType);
    assert.equal(binary.url, `Binary/${binary.id}`);
    assert.equal(binary.securityContext.reference, `Patient/${owner.id}`);
    const blob = await client.download(`Binary/${binary.id}`);
    assert.equal(blob.type.split(';')[0], contentType);
    const got = Buffer.from(await blob.arrayBuffer());
    const want = data instanceof Blob ? Buffer.from(bytes) : Buffer.from(data);
    assert.ok(got.equals(want), contentType);
    const read = await client.readResource('Binary', binary.id);
    assert.equal(read.contentType, contentType);
    assert.equal(read.data, undefined);
  }
  await refused(client.search('Binary'), undefined);
});

test('createBinary of a stream', async () => {
  if (!isNewClient) {
    return;  // this version sends "{}" instead
  }
  const { client } = await memberOf(await newProject());
  const chunks = Array.from({ length: 40 }, (_, i) => new Uint8Array(50_000).fill(i));
  const data = new ReadableStream({
    pull(controller) {
      const next = chunks.shift();
      if (next) {
        controller.enqueue(next);
      } else {
        controller.close();
      }
    },
  });
  const binary = await client.createBinary({ data, contentType: 'video/mp4' });
  const got = new Uint8Array(await (await client.download(binary.url)).arrayBuffer());
  assert.equal(got.length, 2_000_000);
  assert.ok(got.every((value, i) => value === Math.floor(i / 50_000)));
});

test('createAttachment, createMedia; download', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  const attachment = await client.createAttachment(
    { data: 'a report', contentType: 'text/plain', filename: 'report 1.txt' });
  assert.deepEqual(Object.keys(attachment).sort(), ['contentType', 'title', 'url']);
  assert.equal(attachment.title, 'report 1.txt');
  assert.match(attachment.url, /^Binary\/[0-9a-f-]{36}$/);
  // An URL of this server is written as what it means.
  const absolute = `${baseUrl}fhir/R4/${attachment.url}`;
  const document = await client.createResource({
    resourceType: 'DocumentReference', status: 'current',
    content: [{ attachment }, { attachment: { ...attachment, url: absolute } }],
  });
  assert.deepEqual(document.content.map((one) => one.attachment.url),
    [attachment.url, attachment.url]);
  assert.equal(await (await client.download(document.content[0].attachment.url)).text(),
    'a report');
  assert.equal(await (await client.download(absolute)).text(), 'a report');
  if (client.createMedia) {
    const media = await client.createMedia(
      { data: 'a picture', contentType: 'image/png', filename: 'x.png' });
    assert.equal(media.status, 'completed');
    const binary = await client.readResource('Binary', media.content.url.slice(7));
    assert.equal(binary.securityContext.reference, `Media/${media.id}`);
  }
});

// --- cloning, administering ----------------------------------------------------------------------

test('post to $clone', async () => {
  const project = await newProject();
  const made = await into(project, patient());
  const copy = await admin.post(admin.fhirUrl('Project', project.id, '$clone'), { name: 'Copy' });
  assert.equal(copy.resourceType, 'Project');
  assert.equal(copy.name, 'Copy');
  assert.notEqual((await only(copy, 'Patient')).id, made.id);
  const encoded = await admin.post(`fhir/R4/Project/${project.id}/%24clone`, {});
  assert.equal(encoded.resourceType, 'Project');
  // Also without any body.
  const bare = await admin.post(admin.fhirUrl('Project', project.id, '$clone'));
  assert.equal(bare.name, project.name);
});

test('startAsyncRequest of $clone, polled to its end', async () => {
  const project = await newProject();
  await into(project, patient());
  const url = admin.fhirUrl('Project', project.id, '$clone').toString();
  const before = sent.length;
  const job = await admin.startAsyncRequest(url,
    { body: JSON.stringify({ name: 'Later' }), pollStatusOnAccepted: true, pollStatusPeriod: 100 });
  assert.equal(sent[before].status, 202);
  assert.match(sent[before].answer.get('content-location'), /^http.*\/fhir\/R4\/job\/.*\/status$/);
  assert.equal(job.resourceType, 'AsyncJob');
  assert.equal(job.status, 'completed');
  const made = job.output.parameter.find((one) => one.name === 'return').resource;
  assert.equal(made.name, 'Later');
  assert.equal((await admin.readResource('Project', made.id)).name, 'Later');
  assert.equal(await count(made, 'Patient'), 1);
  // What cannot be done is said at once.
  await refused(admin.startAsyncRequest(
    admin.fhirUrl('Project', randomUUID(), '$clone').toString(), { body: '{}' }),
  'not-found');
});

test('admin/projects/:id/client', async () => {
  const project = await newProject();
  const { application, client } = await memberOf(project);
  assert.equal(application.resourceType, 'ClientApplication');
  assert.ok(application.secret.length >= 32);
  const membership = (await all(project, 'ProjectMembership'))
    .find((one) => one.profile.reference === `ClientApplication/${application.id}`);
  assert.equal(membership.project.reference, `Project/${project.id}`);
  assert.equal(membership.user.reference, `ClientApplication/${application.id}`);
  // The secret is told once.
  const read = await admin.readResource('ClientApplication', application.id);
  assert.equal(read.secret, undefined);
  // A new one; the old one, and tokens made with it, are good for nothing then.
  const rotated = await admin.post(
    admin.fhirUrl('ClientApplication', application.id, '$rotate-secret'), {});
  assert.notEqual(rotated.secret, application.secret);
  await assert.rejects(newClient().startClientLogin(application.id, application.secret));
  await newClient().startClientLogin(application.id, rotated.secret);
  const old = await raw('GET', 'fhir/R4/Patient',
    { as: `Bearer ${client.getAccessToken()}` });
  assertOutcome(old, 401, 'unauthorized', 'login');
});

test('admin/projects/:id/bot', async () => {
  const project = await newProject();
  const bot = await admin.post(`admin/projects/${project.id}/bot`,
    { name: 'A bot', description: 'does it' });
  assert.equal(bot.resourceType, 'Bot');
  assert.equal(bot.name, 'A bot');
  assert.equal((await admin.readResource('Bot', bot.id)).description, 'does it');
  assert.ok((await all(project, 'ProjectMembership'))
    .some((one) => one.profile.reference === `Bot/${bot.id}`));
});

test('admin/projects/:id/invite', async () => {
  const project = await newProject();
  const membership = await admin.invite(project.id, {
    resourceType: 'Practitioner', firstName: 'Grace', lastName: 'Hopper',
    email: `${unique('grace').replace(' ', '')}@example.org`, sendEmail: false,
  });
  assert.equal(membership.resourceType, 'ProjectMembership');
  assert.equal(membership.project.reference, `Project/${project.id}`);
  assert.match(membership.user.reference, /^User\//);
  const profile = await admin.readReference(membership.profile);
  assert.equal(profile.resourceType, 'Practitioner');
  assert.deepEqual(profile.name, [{ given: ['Grace'], family: 'Hopper' }]);
  assert.equal((await admin.get(`admin/projects/${project.id}`)).project.id, project.id);
});

test('Project/$init', async () => {
  const name = unique('Init');
  const project = await admin.post(admin.fhirUrl('Project', '$init'), {
    resourceType: 'Parameters', parameter: [{ name: 'name', valueString: name }],
  });
  assert.equal(project.name, name);
  const client = await only(project, 'ClientApplication');
  assert.equal(client.name, `${name} Default Client`);
  assert.equal(client.description, `Default client for ${name}`);
  const policy = await only(project, 'AccessPolicy');
  assert.equal(policy.name, 'Default Patient Access Policy');
  assert.equal(project.defaultPatientAccessPolicy.reference, `AccessPolicy/${policy.id}`);
  const owned = await admin.post(admin.fhirUrl('Project', '$init'),
    { name: unique('Owned'), ownerEmail: `${unique('owner').replace(' ', '')}@example.org` });
  assert.match(owned.owner.reference, /^User\//);
  await refused(admin.post(admin.fhirUrl('Project', '$init'), {}), undefined);
});

test('createComment', async () => {
  const { client } = await memberOf(await newProject());
  const made = await client.createResource(patient());
  const comment = await client.createComment(made, 'a comment');
  assert.equal(comment.basedOn[0].reference, `Patient/${made.id}`);
  assert.equal(comment.payload[0].contentString, 'a comment');
});

test('content of a Binary goes with a clone', async () => {
  const project = await newProject();
  const binary = await newBinary(project, 'shared bytes');
  await into(project, {
    resourceType: 'DocumentReference', status: 'current',
    content: [{ attachment: { contentType: FHIR_JSON, url: `Binary/${binary.id}` } }],
  });
  const document = await only(await clone(project), 'DocumentReference');
  const { url } = document.content[0].attachment;
  assert.notEqual(url, `Binary/${binary.id}`);
  assert.equal(await contentOf(url), 'shared bytes');
});
