// $clone: what its own tests ask for (the one that is skipped there included), what happens to each
// kind of reference, and that a clone is a project of its own, wholly there or not at all.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import {
  FHIR_JSON, UUID, admin, all, assertOutcome, clone, contentOf, core, count, identifier, into,
  memberOf, newBinary, newProject, only, raw, rawJson, refused, test, unique,
} from './harness.mjs';

const cloneUrl = (id) => `fhir/R4/Project/${id}/$clone`;
const reference = (resource) => ({ reference: `${resource.resourceType}/${resource.id}` });
const observation = (subject) => ({
  resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: reference(subject),
});

// A project whose only client is not called after it.
async function projectWithClient() {
  const project = await newProject(unique('Original'));
  await admin.deleteResource('ClientApplication', (await only(project, 'ClientApplication')).id);
  await admin.deleteResource('ProjectMembership', (await only(project, 'ProjectMembership')).id);
  await admin.post(`admin/projects/${project.id}/client`, { name: 'Some client' });
  return project;
}

// --- the behaviours that $clone's own tests ask for ----------------------------------------------

test('$clone: Forbidden', async () => {
  const { client } = await memberOf(await newProject());
  const url = client.fhirUrl('Project', randomUUID(), '$clone');
  const outcome = await refused(client.post(url, {}), 'forbidden');
  assert.equal(outcome.issue[0].details.text, 'Forbidden');
  // Also where there is such a project, and where one is its admin.
  const own = client.fhirUrl('Project', client.getProject().id, '$clone');
  await refused(client.post(own, {}), 'forbidden');
});

test('$clone: Success', async () => {
  const project = await newProject();
  const patient = await into(project, { resourceType: 'Patient' });
  const seen = await into(project, observation(patient));
  const copy = await clone(project);
  assert.match(copy.id, UUID);
  assert.notEqual(copy.id, project.id);
  assert.equal((await admin.readResource('Project', copy.id)).id, copy.id);
  const newPatient = await only(copy, 'Patient');
  const newSeen = await only(copy, 'Observation');
  assert.notEqual(newPatient.id, patient.id);
  assert.notEqual(newSeen.id, seen.id);
  assert.equal(newSeen.subject.reference, `Patient/${newPatient.id}`);
});

test('$clone: Success with project name in body', async () => {
  const project = await projectWithClient();
  const name = unique('A New Name');
  const copy = await clone(project, { name });
  assert.equal(copy.name, name);
  assert.equal((await admin.readResource('Project', copy.id)).name, name);
  const memberships = await all(copy, 'ProjectMembership');
  assert.ok(memberships.length >= 1);
  assert.ok(memberships.every((one) => one.project.display === name));
  assert.ok(memberships.every((one) => one.project.reference === `Project/${copy.id}`));
  const client = await only(copy, 'ClientApplication');
  assert.ok(!client.name.includes(name), client.name);
});

test('$clone: Success with project name in body and default client', async () => {
  const project = await newProject('Test Project Name');
  const name = unique('A New Name');
  const copy = await clone(project, { name });
  const client = await only(copy, 'ClientApplication');
  assert.equal(client.name, `${name} Default Client`);
  assert.equal(client.description, `Default client for ${name}`);
  assert.equal((await only(project, 'ClientApplication')).name, 'Test Project Name Default Client');
});

test('$clone: Success with resource types in body', async () => {
  const project = await newProject();
  const copy = await clone(project, { resourceTypes: ['ProjectMembership'] });
  assert.ok((await admin.readResource('Project', copy.id)).name);
  assert.ok(await count(copy, 'ProjectMembership') >= 1);
  assert.equal(await count(copy, 'ClientApplication'), 0);
});

test('$clone: Success with includeIds in body (skipped upstream)', async () => {
  const project = await newProject();
  const membership = await only(project, 'ProjectMembership');
  const copy = await clone(project, { includeIds: [membership.id] });
  assert.notEqual(copy.id, project.id);
  assert.ok((await admin.readResource('Project', copy.id)).name);
  assert.ok(await count(copy, 'ProjectMembership') >= 1);
  assert.equal(await count(copy, 'ClientApplication'), 0);
});

test('$clone: Success with excludeIds in body', async () => {
  const project = await newProject();
  const membership = await only(project, 'ProjectMembership');
  const copy = await clone(project, { excludeIds: [membership.id] });
  assert.ok((await admin.readResource('Project', copy.id)).name);
  assert.equal(await count(copy, 'ProjectMembership'), 0);
  assert.equal(await count(copy, 'ClientApplication'), 1);
});

test('$clone: Success with Bot attachments', async () => {
  const project = await newProject();
  const code = 'export async function handler() { return "\u00e4"; }\n';
  const binary = await newBinary(project, code, 'text/javascript');
  const bot = await into(project, {
    resourceType: 'Bot', name: 'A bot',
    sourceCode: { contentType: 'text/javascript', url: `Binary/${binary.id}` },
  });
  const copy = await clone(project);
  const newBot = await only(copy, 'Bot');
  assert.match(newBot.sourceCode.url, /Binary\/[a-z0-9-]+$/);
  assert.notEqual(newBot.sourceCode.url, bot.sourceCode.url);
  assert.equal(await contentOf(newBot.sourceCode.url), code);
});

test('$clone: a photo goes with its patient, and without one there is none', async () => {
  const project = await newProject();
  const binary = await newBinary(project, 'a face', 'image/jpeg');
  await newBinary(project, 'nobody refers to this');
  const seen = await into(project, {
    resourceType: 'Patient', photo: [{ contentType: 'image/jpeg', url: `Binary/${binary.id}` }],
  });
  const plain = await into(project, { resourceType: 'Patient' });
  const copy = await clone(project, { includeIds: [seen.id, plain.id] });
  const copies = await all(copy, 'Patient');
  assert.equal(copies.length, 2);
  const { photo } = copies.find((one) => one.photo !== undefined);
  assert.notEqual(photo[0].url, `Binary/${binary.id}`);
  assert.equal(await contentOf(photo[0].url), 'a face');
});

// --- what is selected ----------------------------------------------------------------------------

test('$clone: the Project comes along, whatever the lists say', async () => {
  const project = await newProject();
  const patient = await into(project, { resourceType: 'Patient' });
  for (const body of [{ includeIds: [patient.id] }, { excludeIds: [project.id] },
    { resourceTypes: ['Patient'], excludeIds: [project.id, patient.id] },
    { includeIds: [randomUUID()] }, { includeIds: ['no-uuid'] }]) {
    const copy = await clone(project, { ...body, name: 'Another' });
    assert.notEqual(copy.id, project.id, JSON.stringify(body));
    assert.equal((await admin.readResource('Project', copy.id)).name, 'Another');
    const patients = await count(copy, 'Patient');
    const wanted = body.includeIds?.[0] === patient.id || body.excludeIds?.length === 1 ? 1 : 0;
    assert.equal(patients, wanted, JSON.stringify(body));
  }
  assert.equal((await admin.readResource('Project', project.id)).name, project.name);
  assert.equal(await count(project, 'Patient'), 1);
});

test('$clone: excludeIds come after includeIds; what is excluded is referred to as it is',
  async () => {
    const project = await newProject();
    const [one, two] = [await into(project, { resourceType: 'Patient' }),
      await into(project, { resourceType: 'Patient' })];
    const [first, second] = [await into(project, observation(one)),
      await into(project, observation(two))];
    const copy = await clone(project, { excludeIds: [one.id] });
    assert.equal(await count(copy, 'Patient'), 1);
    const subjects = (await all(copy, 'Observation')).map((seen) => seen.subject.reference);
    const kept = await only(copy, 'Patient');
    assert.deepEqual(subjects.sort(), [`Patient/${one.id}`, `Patient/${kept.id}`].sort());
    const both = await clone(project,
      { includeIds: [first.id, second.id, one.id], excludeIds: [one.id, second.id] });
    assert.equal((await only(both, 'Observation')).subject.reference, `Patient/${one.id}`);
    assert.equal(await count(both, 'Patient'), 0);
    // In a clone of the clone it is still the source's.
    const again = await clone(both);
    assert.equal((await only(again, 'Observation')).subject.reference, `Patient/${one.id}`);
  });

test('$clone: more than 1,000 of a type, all of them', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  for (let i = 0; i < 3; ++i) {
    const answer = await client.executeBatch({
      resourceType: 'Bundle', type: 'transaction',
      entry: Array.from({ length: 400 }, (_, n) => ({
        request: { method: 'POST', url: 'Basic' },
        resource: { resourceType: 'Basic', code: { text: `${i} ${n}` } },
      })),
    });
    assert.ok(answer.entry.every((one) => one.response.status === '201'));
  }
  const copy = await clone(project);
  assert.equal(await count(copy, 'Basic'), 1200);
  const texts = (resources) => resources.map((one) => one.code.text).sort();
  const copies = await all(copy, 'Basic');
  const sources = await all(project, 'Basic');
  assert.deepEqual(texts(copies), texts(sources));
  const old = new Set(sources.map((one) => one.id));
  assert.ok(copies.every((one) => !old.has(one.id)));
});

// --- references ----------------------------------------------------------------------------------

test('$clone: each kind of reference leads into the clone', async () => {
  const project = await newProject();
  const patient = await into(project, { resourceType: 'Patient' });
  const bot = await into(project, { resourceType: 'Bot', name: 'b' });
  const binary = await newBinary(project, 'x');
  const at = `Patient/${patient.id}`;
  const elsewhere = randomUUID();
  const made = await into(project, {
    resourceType: 'Basic', code: { text: `about ${at}` },
    subject: { reference: at, display: at },
    identifier: [{ system: 'urn:x', value: at }, { system: 'urn:y', value: patient.id }],
    contained: [{ resourceType: 'Group', id: 'g', type: 'person', actual: true,
      member: [{ entity: { reference: at } }] }],
    author: { reference: `Practitioner/${elsewhere}` },
    extension: [
      { url: 'urn:a', valueReference: { reference: at } },
      { url: 'urn:b', valueUrl: `Binary/${binary.id}` },
      { url: 'urn:c', valueString: at },
      { url: 'urn:d', valueReference: { reference: '#g' } },
      { url: 'urn:e', valueReference: { reference: `urn:uuid:${patient.id}` } },
      { url: 'urn:f', valueReference: { reference: `https://example.org/fhir/${at}` } },
      { url: 'urn:g', valueReference: { reference: `${at}/_history/1` } },
      { url: 'urn:h', valueReference: { reference: 'Patient?identifier=urn:mrn|1' } },
      { url: 'urn:i', valueReference: { reference: `Nonsense/${patient.id}` } },
      { url: 'urn:j', valueAttachment: { url: `Binary/${binary.id}` } },
      { url: 'urn:k', valueCanonical: at },
      { url: 'urn:l', valueReference: { reference: `Observation/${patient.id}` } },
    ],
  });
  const subscription = await into(project, {
    resourceType: 'Subscription', status: 'active', reason: 'r',
    criteria: `Observation?subject=${at}`,
    channel: { type: 'rest-hook', endpoint: `Bot/${bot.id}` },
  });
  const policy = await into(project, {
    resourceType: 'AccessPolicy', name: 'p',
    resource: [{ resourceType: 'Observation', criteria: `Observation?subject=${at}` }],
  });
  const inner = randomUUID();
  await into(project, {
    resourceType: 'Bundle', type: 'collection',
    entry: [{ fullUrl: at, resource: { resourceType: 'Patient', id: patient.id } },
      { resource: { ...observation(patient), id: inner } }],
  });
  const membership = await only(project, 'ProjectMembership');
  await admin.updateResource({ ...membership, accessPolicy: reference(policy) });
  await admin.updateResource({ ...project, defaultPatientAccessPolicy: reference(policy) });

  const copy = await clone(project);
  const to = `Patient/${(await only(copy, 'Patient')).id}`;
  const copied = await only(copy, 'Basic');
  const newBinaryUrl = copied.extension[9].valueAttachment.url;
  assert.notEqual(to, at);
  assert.equal(copied.subject.reference, to);
  assert.equal(copied.contained[0].member[0].entity.reference, to);
  assert.equal(copied.extension[0].valueReference.reference, to);
  assert.match(newBinaryUrl, /^Binary\/[0-9a-f-]{36}$/);
  assert.notEqual(newBinaryUrl, `Binary/${binary.id}`);
  assert.equal(await contentOf(newBinaryUrl), 'x');
  assert.equal(copied.extension[1].valueUrl, newBinaryUrl);
  assert.ok(copied.extension[6].valueReference.reference.startsWith(to));
  // No references, whatever they look like.
  assert.equal(copied.code.text, made.code.text);
  assert.equal(copied.subject.display, at);
  assert.deepEqual(copied.identifier, made.identifier);
  assert.equal(copied.author.reference, `Practitioner/${elsewhere}`);
  for (const n of [2, 3, 4, 5, 7, 8, 10]) {
    assert.deepEqual(copied.extension[n], made.extension[n]);
  }
  // Of another type than what has this id: it leads nowhere, and must not lead into the source.
  assert.ok([made.extension[11].valueReference.reference, `Observation/${to.slice(8)}`]
    .includes(copied.extension[11].valueReference.reference));
  const newSubscription = await only(copy, 'Subscription');
  assert.equal(newSubscription.channel.endpoint, `Bot/${(await only(copy, 'Bot')).id}`);
  assert.equal(newSubscription.criteria, `Observation?subject=${to}`);
  assert.equal(subscription.channel.endpoint, `Bot/${bot.id}`);
  const newPolicies = await all(copy, 'AccessPolicy');
  const newPolicy = newPolicies.find((one) => one.name === 'p');
  assert.equal(newPolicy.resource[0].criteria, `Observation?subject=${to}`);
  const bundle = await only(copy, 'Bundle');
  assert.equal(bundle.entry[0].fullUrl, to);
  assert.equal(`Patient/${bundle.entry[0].resource.id}`, to);
  assert.equal(bundle.entry[1].resource.subject.reference, to);
  assert.equal(bundle.entry[1].resource.id, inner);
  const member = await only(copy, 'ProjectMembership');
  const client = await only(copy, 'ClientApplication');
  assert.equal(member.accessPolicy.reference, `AccessPolicy/${newPolicy.id}`);
  assert.equal(member.project.reference, `Project/${copy.id}`);
  assert.equal(member.profile.reference, `ClientApplication/${client.id}`);
  assert.equal(member.user.reference, `ClientApplication/${client.id}`);
  const newProjectResource = await admin.readResource('Project', copy.id);
  assert.equal(newProjectResource.defaultPatientAccessPolicy.reference,
    `AccessPolicy/${newPolicy.id}`);
  for (const resource of [copied, newSubscription, newPolicy, bundle, member, client]) {
    assert.equal(resource.meta.project, copy.id);
    const compartments = (resource.meta.compartment ?? []).map((one) => one.reference);
    assert.ok(compartments.includes(`Project/${copy.id}`), JSON.stringify(resource.meta));
    assert.ok(!JSON.stringify(resource.meta).includes(project.id));
  }
});

test('$clone: meta, versions, history', async () => {
  const project = await newProject();
  const { client, application } = await memberOf(project);
  const patient = await client.createResource({ resourceType: 'Patient' });
  const changed = await client.updateResource({ ...patient, active: true });
  const gone = await client.createResource({ resourceType: 'Patient' });
  await client.deleteResource('Patient', gone.id);
  const copy = await clone(project);
  const copied = await only(copy, 'Patient');
  assert.equal(copied.active, true);
  assert.notEqual(copied.meta.versionId, changed.meta.versionId);
  assert.equal(copied.meta.lastUpdated, changed.meta.lastUpdated);
  const author = (await all(copy, 'ClientApplication'))
    .find((one) => one.name === application.name);
  assert.equal(copied.meta.author.reference, `ClientApplication/${author.id}`);
  const history = await admin.readHistory('Patient', copied.id);
  assert.equal(history.entry.length, 1);
  assert.deepEqual(history.entry[0].resource, copied);
  assert.deepEqual(await admin.readVersion('Patient', copied.id, copied.meta.versionId), copied);
  await refused(admin.readVersion('Patient', copied.id, changed.meta.versionId), 'not-found');
});

test('$clone: searches by references work in the clone', async () => {
  const project = await newProject();
  const patient = await into(project,
    { resourceType: 'Patient', identifier: identifier('searched') });
  await into(project, observation(patient));
  await into(project, observation(await into(project, { resourceType: 'Patient' })));
  const copy = await clone(project);
  const [found] = await all(copy, 'Patient', { identifier: 'searched' });
  assert.notEqual(found.id, patient.id);
  const seen = await all(copy, 'Observation', { subject: `Patient/${found.id}` });
  assert.equal(seen.length, 1);
  assert.equal(seen[0].subject.reference, `Patient/${found.id}`);
  assert.deepEqual(await all(copy, 'Observation', { subject: `Patient/${patient.id}` }), []);
  assert.deepEqual(await all(copy, 'Patient', { _id: patient.id }), []);
  assert.deepEqual(await all(copy, 'Patient', { _id: found.id }), [found]);
  assert.equal((await all(copy, 'Observation',
    { _compartment: `Patient/${found.id}` })).length, 1);
});

// --- a project of its own ------------------------------------------------------------------------

test('$clone: writing to either never shows on the other; clones of clones', async () => {
  const source = await newProject();
  const patient = await into(source, { resourceType: 'Patient', language: 'x-0' });
  await into(source, observation(patient));
  await into(source, { resourceType: 'Practitioner' });
  const projects = [source];
  for (let i = 1; i < 4; ++i) {
    projects.push(await clone(projects[i - 1], { name: `Generation ${i}` }));
  }
  const snapshot = async (project) => Promise.all(
    ['Project', 'Patient', 'Observation', 'Practitioner', 'Task']
      .map((type) => all(project, type)));
  const ids = new Set();
  for (const project of projects) {
    const [[own], [one], [seen]] = await snapshot(project);
    assert.equal(own.id, project.id);
    assert.equal(seen.subject.reference, `Patient/${one.id}`);
    for (const resource of [own, one, seen]) {
      assert.ok(!ids.has(resource.id));
      ids.add(resource.id);
    }
  }
  for (const changed of projects) {
    const before = new Map();
    for (const project of projects) {
      before.set(project, await snapshot(project));
    }
    const [, [one], , [doctor]] = before.get(changed);
    await admin.updateResource({ ...one, language: 'x-1' });
    await admin.deleteResource('Practitioner', doctor.id);
    await into(changed, { resourceType: 'Task', status: 'draft', intent: 'plan',
      for: reference(one) });
    for (const project of projects) {
      const after = await snapshot(project);
      if (project !== changed) {
        assert.deepEqual(after, before.get(project));
        continue;
      }
      assert.equal(after[1][0].language, 'x-1');
      assert.equal(after[3].length, 0);
      assert.equal(after[4][0].for.reference, `Patient/${one.id}`);
    }
  }
  // What was written after it was cloned is cloned, too.
  const last = await clone(projects[3]);
  const [, [one], [seen], none, [task]] = await snapshot(last);
  assert.equal(none.length, 0);
  assert.equal(seen.subject.reference, `Patient/${one.id}`);
  assert.equal(task.for.reference, `Patient/${one.id}`);
  assert.ok(!ids.has(one.id));
});

test('$clone: a source that is removed leaves its clones as they are', async () => {
  const project = await newProject();
  const binary = await newBinary(project, 'stays');
  await into(project, { resourceType: 'DocumentReference', status: 'current',
    content: [{ attachment: { url: `Binary/${binary.id}` } }] });
  const copy = await clone(project);
  await admin.post(`${admin.fhirUrl('Project', project.id, '$expunge')}?everything=true`, {});
  await refused(admin.readResource('Project', project.id), 'not-found');
  const document = await only(copy, 'DocumentReference');
  assert.equal(await contentOf(document.content[0].attachment.url), 'stays');
  await refused(admin.post(admin.fhirUrl('Project', project.id, '$clone'), {}), 'not-found');
});

test('$clone: the answer, as it is sent', async () => {
  const project = await newProject();
  const answer = await rawJson('POST', cloneUrl(project.id), { name: 'As sent' });
  assert.equal(answer.status, 201);
  assert.match(answer.headers.get('content-type'), new RegExp(`^${FHIR_JSON.replace('+', '\\+')}`));
  const { id, meta } = answer.json;
  assert.equal(answer.headers.get('etag'), `W/"${meta.versionId}"`);
  assert.ok(answer.headers.get('last-modified'));
  assert.match(answer.headers.get('location'), new RegExp(`/fhir/R4/Project/${id}$`));
  // (Without the header for extended members these are not shown; the clone is the same.)
  assert.equal(meta.project, undefined);
  assert.equal((await admin.readResource('Project', id)).meta.project, id);
  assertOutcome(await rawJson('POST', cloneUrl(randomUUID()), {}), 404, 'not-found');
  assertOutcome(await rawJson('POST', cloneUrl('no-uuid'), {}), 404, 'not-found');
  const json = { 'Content-Type': 'application/json' };
  assert.equal((await rawJson('POST', cloneUrl(project.id), {}, { headers: json })).status, 201);
  assert.equal((await raw('POST', cloneUrl(project.id))).status, 201);
});

test('$clone: malformed input is refused, and nothing is made', async () => {
  const project = await newProject();
  const before = await admin.search('Project', { _summary: 'count' });
  for (const body of ['[]', '"x"', '1', 'null ', '{"name":5}', '{"name":{}}',
    '{"resourceTypes":"Patient"}', '{"resourceTypes":{}}', '{"resourceTypes":[1]}',
    '{"resourceTypes":["Nonsense"]}', '{"includeIds":"x"}', '{"includeIds":[null]}',
    '{"excludeIds":5}', '{"excludeIds":[{}]}', '{"name":"a","name":"b"}', '{', '{"nam',
    '{"name":"\\u0000"}', '{"name":"\\ud800"}', `{"name":"${'x'.repeat(100_000)}"}`,
    '{"resourceType":"Parameters","parameter":[{"name":"name","valueString":"x"}]}']) {
    const answer = await raw('POST', cloneUrl(project.id), { body });
    if (body === 'null ' && answer.status === 201) {
      continue;  // as good as no body
    }
    assertOutcome(answer, 400, undefined);
  }
  const after = await admin.search('Project', { _summary: 'count' });
  assert.ok(after.total - before.total <= 1);
});

test('$clone: twice is two clones, with an Idempotency-Key it is one', async () => {
  const project = await newProject();
  const [one, two] = [await clone(project, { name: 'n' }), await clone(project, { name: 'n' })];
  assert.notEqual(one.id, two.id);
  const key = { headers: { 'Idempotency-Key': randomUUID() } };
  const name = unique('Once');
  const post = (body, options = key) => rawJson('POST', cloneUrl(project.id), body, options);
  const answers = await Promise.all(Array.from({ length: 8 }, () => post({ name })));
  answers.push(await post({ name }));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [201],
    answers.map((answer) => answer.text).join('\n'));
  assert.equal(new Set(answers.map((answer) => answer.json.id)).size, 1);
  const found = await admin.searchResources('Project', { name });
  assert.equal(found.length, 1);
  // For something else it cannot be used again.
  assertOutcome(await post({ name: 'other' }), 422, 'business-rule');
  const other = { headers: { 'Idempotency-Key': randomUUID() } };
  const next = await post({ name }, other);
  assert.notEqual(next.json.id, answers[0].json.id);
});

test('$clone: many at once, with writes between them', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  const patient = await client.createResource({ resourceType: 'Patient' });
  const pairs = [];
  const write = async () => {
    for (let i = 0; i < 20; ++i) {
      const key = randomUUID();
      const answer = await client.executeBatch({
        resourceType: 'Bundle', type: 'transaction',
        entry: [
          { fullUrl: `urn:uuid:${key}`, request: { method: 'POST', url: 'Encounter' },
            resource: { resourceType: 'Encounter', status: 'planned', class: { code: 'AMB' },
              subject: core.createReference(patient) } },
          { request: { method: 'POST', url: 'Procedure' },
            resource: { resourceType: 'Procedure', status: 'done',
              encounter: { reference: `urn:uuid:${key}` } } }],
      });
      pairs.push(answer);
    }
  };
  const writing = write();
  const copies = await Promise.all(Array.from({ length: 12 }, () => clone(project)));
  await writing;
  assert.equal(new Set(copies.map((one) => one.id)).size, 12);
  for (const copy of copies) {
    // Pairs that were made in one transaction are there both, or neither is.
    const encounters = await all(copy, 'Encounter');
    const procedures = await all(copy, 'Procedure');
    assert.deepEqual(procedures.map((one) => one.encounter.reference).sort(),
      encounters.map((one) => `Encounter/${one.id}`).sort());
    assert.equal(await count(copy, 'Patient'), 1);
  }
  assert.equal(pairs.length, 20);
});
