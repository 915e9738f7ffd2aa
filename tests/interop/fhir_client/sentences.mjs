// The documentation of $clone, sentence by sentence: each test is called as one is, under its
// heading.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

import {
  UUID, admin, all, assertOutcome, clone, contentOf, count, identifier, into, memberOf, newBinary,
  newClient, newProject, only, rawJson, refused, test, unique,
} from './harness.mjs';

const cloneUrl = (id) => `fhir/R4/Project/${id}/$clone`;
const reference = (resource) => ({ reference: `${resource.resourceType}/${resource.id}` });

// A project with something of everything.
async function richProject(name) {
  const project = await newProject(name);
  const organization = await into(project, { resourceType: 'Organization', name: 'Clinic' });
  const practitioner = await into(project, { resourceType: 'Practitioner' });
  const patient = await into(project, {
    resourceType: 'Patient', managingOrganization: reference(organization),
    generalPractitioner: [reference(practitioner)],
  });
  const encounter = await into(project, {
    resourceType: 'Encounter', status: 'finished', class: { code: 'AMB' },
    subject: reference(patient), serviceProvider: reference(organization),
  });
  const observation = await into(project, {
    resourceType: 'Observation', status: 'final', code: { text: 'pulse' },
    subject: reference(patient), encounter: reference(encounter),
  });
  const source = await newBinary(project, 'exports.handler = () => 1;', 'text/javascript');
  const built = await newBinary(project, 'built', 'text/javascript');
  const bot = await into(project, {
    resourceType: 'Bot', name: 'A bot',
    sourceCode: { contentType: 'text/javascript', url: `Binary/${source.id}` },
    executableCode: { contentType: 'text/javascript', url: `Binary/${built.id}` },
  });
  const questionnaire = await into(project,
    { resourceType: 'Questionnaire', status: 'active', item: [{ linkId: '1', type: 'string' }] });
  const scan = await newBinary(project, 'scanned', 'image/png');
  const document = await into(project, {
    resourceType: 'DocumentReference', status: 'current', subject: reference(patient),
    content: [{ attachment: { contentType: 'image/png', url: `Binary/${scan.id}` } }],
  });
  const policy = await into(project, {
    resourceType: 'AccessPolicy', name: 'Readers', resource: [{ resourceType: 'Patient' }],
  });
  const configuration = await into(project,
    { resourceType: 'UserConfiguration', name: 'A configuration' });
  const structure = await into(project, {
    resourceType: 'StructureDefinition', name: 'X', url: 'http://example.org/x', status: 'draft',
    kind: 'resource', abstract: false, type: 'Patient',
  });
  const values = await into(project,
    { resourceType: 'ValueSet', url: 'http://example.org/v', status: 'draft' });
  return {
    project, organization, practitioner, patient, encounter, observation, bot, questionnaire,
    document, policy, configuration, structure, values,
  };
}

const TYPES = ['Organization', 'Practitioner', 'Patient', 'Encounter', 'Observation', 'Bot',
  'Questionnaire', 'DocumentReference', 'AccessPolicy', 'UserConfiguration', 'StructureDefinition',
  'ValueSet', 'ProjectMembership', 'ClientApplication'];

async function counts(project) {
  const found = await Promise.all(TYPES.map((type) => count(project, type)));
  return Object.fromEntries(TYPES.map((type, i) => [type, found[i]]));
}

async function everyId(project) {
  const found = await Promise.all(TYPES.map((type) => all(project, type)));
  return found.flat().map((one) => one.id);
}

test('The `$clone` operation creates a complete copy of a Medplum project, including all its ' +
  'resources.', async () => {
  const { project } = await richProject();
  assert.deepEqual(await counts(await clone(project)), await counts(project));
});

test('This is useful for creating test environments, project templates, or migrating projects.',
  async () => {
    // A copy that is worked in: with its own client, after the credentials were made anew.
    const { project, patient } = await richProject();
    const copy = await clone(project);
    const application = await only(copy, 'ClientApplication');
    const { secret } = await admin.post(
      admin.fhirUrl('ClientApplication', application.id, '$rotate-secret'), {});
    const client = newClient();
    await client.startClientLogin(application.id, secret);
    assert.equal(client.getProject().id, copy.id);
    const [found] = await client.searchResources('Patient');
    assert.notEqual(found.id, patient.id);
    await client.updateResource({ ...found, active: true });
    await refused(client.readResource('Patient', patient.id), 'not-found');
    assert.equal((await admin.readResource('Patient', patient.id)).active, undefined);
  });

test('This operation requires super admin privileges', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  await refused(client.post(client.fhirUrl('Project', project.id, '$clone'), {}), 'forbidden');
  const before = await count(project, 'ProjectMembership');
  assert.equal(before, 2);
});

test('POST [base]/Project/[id]/$clone', async () => {
  const project = await newProject();
  const answer = await rawJson('POST', cloneUrl(project.id), {});
  assert.equal(answer.status, 201);
  const get = await rawJson('PUT', cloneUrl(project.id), {});
  assertOutcome(get, 404, 'not-found');
});

// --- Input Parameters ----------------------------------------------------------------------------

test('Parameters are passed in the request body as a JSON object (not as FHIR Parameters)',
  async () => {
    const project = await newProject();
    assert.equal((await clone(project, { name: 'Plain' })).name, 'Plain');
    assertOutcome(await rawJson('POST', cloneUrl(project.id), {
      resourceType: 'Parameters', parameter: [{ name: 'name', valueString: 'x' }],
    }), 400, undefined);
  });

test('`name`: (Optional) Name for the new project.', async () => {
  const project = await newProject('As it was');
  assert.equal((await clone(project)).name, 'As it was');
  assert.equal((await clone(project, { name: '' })).name, 'As it was');
  assert.equal((await clone(project, { name: 'Another' })).name, 'Another');
});

test('`name`: If provided, updates the project name and related resources.', async () => {
  const { project } = await richProject('Related');
  const copy = await clone(project, { name: 'New related' });
  assert.equal((await admin.readResource('Project', copy.id)).name, 'New related');
  for (const one of await all(copy, 'ProjectMembership')) {
    assert.equal(one.project.display, 'New related');
  }
  assert.equal((await only(copy, 'ClientApplication')).name, 'New related Default Client');
  // The rest is as it was, and so is the source.
  assert.equal((await only(copy, 'Organization')).name, 'Clinic');
  assert.equal((await admin.readResource('Project', project.id)).name, 'Related');
  for (const one of await all(project, 'ProjectMembership')) {
    assert.notEqual(one.project.display, 'New related');
  }
});

test('`resourceTypes`: (Optional) Array of resource types to include.', async () => {
  const { project } = await richProject();
  const found = await counts(await clone(project, { resourceTypes: ['Patient', 'Encounter'] }));
  for (const type of TYPES) {
    assert.equal(found[type], type === 'Patient' || type === 'Encounter' ? 1 : 0, type);
  }
});

test('`resourceTypes`: If empty, all resource types are cloned.', async () => {
  const { project } = await richProject();
  assert.deepEqual(await counts(await clone(project, { resourceTypes: [] })),
    await counts(project));
});

test('`includeIds`: (Optional) Array of specific resource IDs to include.', async () => {
  const { project, patient, observation } = await richProject();
  const found = await counts(await clone(project, { includeIds: [patient.id, observation.id] }));
  for (const type of TYPES) {
    assert.equal(found[type], type === 'Patient' || type === 'Observation' ? 1 : 0, type);
  }
});

test('`includeIds`: If empty, all resources are included.', async () => {
  const { project } = await richProject();
  assert.deepEqual(await counts(await clone(project, { includeIds: [] })), await counts(project));
});

test('`excludeIds`: (Optional) Array of resource IDs to exclude from cloning.', async () => {
  const { project, patient, values } = await richProject();
  const found = await counts(await clone(project, { excludeIds: [patient.id, values.id] }));
  const want = await counts(project);
  assert.deepEqual(found, { ...want, Patient: 0, ValueSet: 0 });
  assert.deepEqual(await counts(await clone(project, { excludeIds: [] })), want);
});

test('Returns the newly created `Project` resource.', async () => {
  const project = await newProject();
  const copy = await clone(project);
  assert.equal(copy.resourceType, 'Project');
  assert.match(copy.id, UUID);
  assert.notEqual(copy.id, project.id);
  assert.deepEqual(copy, await admin.readResource('Project', copy.id));
});

// --- Behavior ------------------------------------------------------------------------------------

test('Resource Discovery: Scans all resource types in the source project', async () => {
  const project = await newProject();
  const types = ['Account', 'Flag', 'Goal', 'List', 'Media', 'Slot', 'Task', 'VisionPrescription',
    'MolecularSequence', 'SubstanceSpecification', 'Linkage', 'Basic', 'Person', 'Contract'];
  for (const resourceType of types) {
    await into(project, { resourceType });
  }
  const copy = await clone(project);
  for (const type of types) {
    assert.equal(await count(copy, type), 1, type);
  }
});

test('Resource Discovery: (up to 1000 resources per type) - here without that limit', async () => {
  const project = await newProject();
  const { client } = await memberOf(project);
  await client.executeBatch({
    resourceType: 'Bundle', type: 'transaction',
    entry: Array.from({ length: 1100 }, () => ({
      request: { method: 'POST', url: 'Flag' },
      resource: { resourceType: 'Flag', status: 'active' },
    })),
  });
  assert.equal(await count(await clone(project), 'Flag'), 1100);
});

test('ID Mapping: Generates new IDs for all resources while maintaining internal references',
  async () => {
    const { project } = await richProject();
    const copy = await clone(project);
    const [old, fresh] = [await everyId(project), await everyId(copy)];
    assert.equal(fresh.length, old.length);
    const both = new Set([...old, ...fresh]);
    assert.equal(both.size, old.length + fresh.length);
    assert.ok(fresh.every((id) => UUID.test(id)));
    const [patient, encounter, seen] = [await only(copy, 'Patient'), await only(copy, 'Encounter'),
      await only(copy, 'Observation')];
    assert.deepEqual(seen.subject, reference(patient));
    assert.deepEqual(seen.encounter, reference(encounter));
  });

test('Reference Rewriting: Updates all internal references to point to new resource IDs',
  async () => {
    const { project } = await richProject();
    const copy = await clone(project);
    const ids = new Set([copy.id, ...await everyId(copy)]);
    const text = JSON.stringify(await Promise.all(TYPES.map((type) => all(copy, type))));
    for (const [, type, id] of text.matchAll(/"reference":"(\w+)\/([0-9a-f-]{36})"/g)) {
      const known = ids.has(id) || type === 'Binary';
      const own = reference(admin.getProfile()).reference;  // who made it
      assert.ok(known || `${type}/${id}` === own, `${type}/${id}`);
    }
    for (const id of [project.id, ...await everyId(project)]) {
      assert.ok(!text.includes(id), id);
    }
  });

test('Binary Copying: Copies Binary resources and their associated storage files', async () => {
  const { project, document } = await richProject();
  const copied = await only(await clone(project), 'DocumentReference');
  const { url } = copied.content[0].attachment;
  assert.notEqual(url, document.content[0].attachment.url);
  assert.equal(await contentOf(url), 'scanned');
  const binary = await admin.readResource('Binary', url.slice('Binary/'.length));
  assert.equal(binary.contentType, 'image/png');
});

test('Project Creation: Creates the new project first, then all dependent resources', async () => {
  // Whoever sees one of its resources sees the project: they come in one commit.
  const { project } = await richProject();
  const name = unique('First');
  let done = false;
  const cloning = clone(project, { name }).finally(() => {
    done = true;
  });
  for (let looked = 0; !done || looked === 0; ++looked) {
    const found = await admin.searchResources('Project', { name });
    for (const one of found) {
      assert.equal(await count(one, 'Observation'), 1);
      assert.equal(await count(one, 'ClientApplication'), 1);
    }
  }
  const copy = await cloning;
  for (const one of await all(copy, 'Observation')) {
    assert.equal((await admin.readResource('Project', one.meta.project)).id, copy.id);
  }
});

test('Name Updates: Project name', async () => {
  assert.equal((await clone(await newProject(), { name: 'A name' })).name, 'A name');
});

test('Name Updates: ProjectMembership display names', async () => {
  const project = await newProject();
  await admin.post(`admin/projects/${project.id}/bot`, { name: 'A bot' });
  const copy = await clone(project, { name: 'A name' });
  const memberships = await all(copy, 'ProjectMembership');
  assert.equal(memberships.length, 2);
  assert.deepEqual(memberships.map((one) => one.project.display), ['A name', 'A name']);
});

test('Name Updates: Default ClientApplication names', async () => {
  const project = await newProject('Old name');
  await admin.post(`admin/projects/${project.id}/client`, { name: 'Default Client of mine' });
  const copy = await clone(project, { name: 'A name' });
  assert.deepEqual((await all(copy, 'ClientApplication')).map((one) => one.name).sort(),
    ['A name Default Client', 'Default Client of mine']);
});

test('Example: Request and Response', async () => {
  const { project } = await richProject();
  const body = {
    name: 'My Cloned Project',
    resourceTypes: ['Patient', 'Practitioner', 'Organization', 'Bot'],
    excludeIds: ['test-data-id-1', 'test-data-id-2'],
  };
  const answer = await rawJson('POST', cloneUrl(project.id), body,
    { headers: { 'Content-Type': 'application/json' } });
  assert.equal(answer.status, 201, answer.text);
  const { resourceType, id, name, owner } = answer.json;
  assert.equal(resourceType, 'Project');
  assert.match(id, UUID);
  assert.equal(name, 'My Cloned Project');
  assert.match(owner.reference, /^User\//);
  const found = await counts(answer.json);
  for (const type of TYPES) {
    assert.equal(found[type], body.resourceTypes.includes(type) ? 1 : 0, type);
  }
});

// --- What Gets Cloned ----------------------------------------------------------------------------

test('What Gets Cloned: All FHIR resources in the project', async () => {
  const { project } = await richProject();
  const copy = await clone(project);
  for (const type of ['Patient', 'Practitioner', 'Organization', 'Encounter', 'Observation',
    'Questionnaire', 'DocumentReference', 'StructureDefinition', 'ValueSet']) {
    assert.equal(await count(copy, type), 1, type);
  }
});

test('What Gets Cloned: ProjectMemberships', async () => {
  const project = await newProject();
  await admin.invite(project.id, {
    resourceType: 'Practitioner', firstName: 'A', lastName: 'B', sendEmail: false,
    email: `${randomUUID()}@example.org`,
  });
  const copy = await clone(project);
  const users = (memberships) => memberships.map((one) => one.user.reference)
    .filter((user) => user.startsWith('User/'));
  // The same people are members of the clone.
  assert.deepEqual(users(await all(copy, 'ProjectMembership')),
    users(await all(project, 'ProjectMembership')));
  assert.equal(await count(copy, 'ProjectMembership'), 2);
});

test('What Gets Cloned: ClientApplications', async () => {
  const { project } = await richProject();
  const [old, fresh] = [await only(project, 'ClientApplication'),
    await only(await clone(project), 'ClientApplication')];
  assert.equal(fresh.name, old.name);
  assert.notEqual(fresh.id, old.id);
});

test('What Gets Cloned: Bots (including code)', async () => {
  const { project, bot } = await richProject();
  for (const body of [{}, { resourceTypes: ['Bot'] }, { includeIds: [bot.id] }]) {
    const copied = await only(await clone(project, body), 'Bot');
    assert.equal(copied.name, 'A bot');
    assert.notEqual(copied.sourceCode.url, bot.sourceCode.url);
    assert.notEqual(copied.executableCode.url, bot.executableCode.url);
    assert.equal(await contentOf(copied.sourceCode.url), 'exports.handler = () => 1;');
    assert.equal(await contentOf(copied.executableCode.url), 'built');
  }
});

test('What Gets Cloned: Binary resources (including stored files)', async () => {
  const project = await newProject();
  const bytes = Array.from({ length: 3000 }, (_, i) => `line ${i}\n`).join('');
  const binary = await newBinary(project, bytes);
  const patient = await into(project, { resourceType: 'Patient',
    photo: [{ url: `Binary/${binary.id}` }] });
  await admin.updateResource({ ...binary, url: undefined, securityContext: reference(patient) });
  const copy = await clone(project);
  const copied = await only(copy, 'Patient');
  assert.equal(await contentOf(copied.photo[0].url), bytes);
  const copiedBinary = await admin.readResource('Binary', copied.photo[0].url.slice(7));
  assert.equal(copiedBinary.securityContext.reference, `Patient/${copied.id}`);
});

test('What Gets Cloned: Access policies', async () => {
  const { project, policy } = await richProject();
  const copied = (await all(await clone(project), 'AccessPolicy'))
    .find((one) => one.name === 'Readers');
  assert.notEqual(copied.id, policy.id);
  assert.deepEqual(copied.resource, policy.resource);
});

test('What Gets Cloned: User configurations', async () => {
  const { project } = await richProject();
  assert.equal((await only(await clone(project), 'UserConfiguration')).name, 'A configuration');
});

// --- What Does NOT Get Cloned --------------------------------------------------------------------

async function isNotCloned(resource) {
  const project = await newProject();
  const made = await into(project, resource);
  assert.equal(await count(project, made.resourceType), 1);
  assert.equal(await count(await clone(project), made.resourceType), 0);
  for (const body of [{ includeIds: [made.id] }, { resourceTypes: [made.resourceType] }]) {
    const copy = await clone(project, body);
    assert.equal(await count(copy, made.resourceType), 0, JSON.stringify(body));
  }
}

test('What Does NOT Get Cloned: Login history', () => isNotCloned({
  resourceType: 'Login', authMethod: 'client', authTime: '2026-01-01T00:00:00Z',
}));

test('What Does NOT Get Cloned: Audit logs', () => isNotCloned({
  resourceType: 'AuditEvent', type: { code: 'rest' }, recorded: '2026-01-01T00:00:00Z',
}));

test('What Does NOT Get Cloned: AsyncJob resources', () => isNotCloned({
  resourceType: 'AsyncJob', status: 'completed', request: 'http://example.org/',
}));

test('What Does NOT Get Cloned: External system connections (must be reconfigured)', async () => {
  const project = await newProject();
  const secret = 'a secret of another system';
  await admin.updateResource({ ...project, secret: [{ name: 'KEY', valueString: secret }] });
  await into(project, {
    resourceType: 'Endpoint', status: 'active', address: 'https://example.org/',
    header: [`Authorization: Bearer ${secret}`],
  });
  await into(project, {
    resourceType: 'Subscription', status: 'active', criteria: 'Patient',
    channel: { type: 'rest-hook', endpoint: 'https://example.org/', header: [`X: ${secret}`] },
  });
  await admin.post(`admin/projects/${project.id}/client`, {
    name: 'With another login', identityProvider: { clientId: 'x', clientSecret: secret },
  });
  const copy = await clone(project);
  const found = await Promise.all(['Project', 'Endpoint', 'Subscription', 'ClientApplication']
    .map((type) => all(copy, type)));
  assert.deepEqual(found.map((one) => one.length), [1, 1, 1, 2]);
  assert.ok(!JSON.stringify(found).includes(secret));
  const history = await admin.readHistory('Project', copy.id);
  assert.ok(!JSON.stringify(history).includes(secret));
  // The source has its own still.
  const own = await admin.readResource('Project', project.id);
  assert.equal(own.secret[0].valueString, secret);
});

// --- Example Configurations ----------------------------------------------------------------------

test('Creating a Test Environment', async () => {
  const { project } = await richProject();
  const sensitive = [await into(project, { resourceType: 'Patient' }),
    await into(project, { resourceType: 'Patient' })];
  const copy = await clone(project, {
    name: 'Production Copy - Testing', excludeIds: sensitive.map((one) => one.id),
  });
  assert.equal(copy.name, 'Production Copy - Testing');
  assert.equal(await count(copy, 'Patient'), 1);
  // As it is written there.
  const literal = await clone(project, {
    name: 'Production Copy - Testing', excludeIds: ['sensitive-patient-1', 'sensitive-patient-2'],
  });
  assert.equal(await count(literal, 'Patient'), 3);
});

test('Creating a Project Template', async () => {
  const { project } = await richProject();
  const body = {
    name: 'New Client Project',
    resourceTypes: ['Bot', 'StructureDefinition', 'ValueSet', 'Questionnaire'],
  };
  const copy = await clone(project, body);
  const found = await counts(copy);
  for (const type of TYPES) {
    assert.equal(found[type], body.resourceTypes.includes(type) ? 1 : 0, type);
  }
  // The bots of a template work.
  assert.equal(await contentOf((await only(copy, 'Bot')).sourceCode.url),
    'exports.handler = () => 1;');
});

test('Cloning Specific Resources', async () => {
  const { project, bot, questionnaire } = await richProject();
  const second = await into(project, { resourceType: 'Bot', name: 'Another' });
  await into(project, { resourceType: 'Bot', name: 'Left out' });
  const copy = await clone(project, { includeIds: [bot.id, second.id, questionnaire.id] });
  const found = await counts(copy);
  for (const type of TYPES) {
    assert.equal(found[type], { Bot: 2, Questionnaire: 1 }[type] ?? 0, type);
  }
  assert.equal(copy.name, project.name);
  // As it is written there: nothing has such ids.
  const literal = await clone(project, { includeIds: ['bot-1', 'bot-2', 'questionnaire-1'] });
  assert.deepEqual([...new Set(Object.values(await counts(literal)))], [0]);
});

// --- Error Responses, Notes ----------------------------------------------------------------------

test('`403 Forbidden`: User is not a super admin', async () => {
  const { client } = await memberOf(await newProject());
  const as = `Bearer ${client.getAccessToken()}`;
  for (const id of [client.getProject().id, randomUUID(), 'no-uuid']) {
    assertOutcome(await rawJson('POST', cloneUrl(id), {}, { as }), 403, 'forbidden', 'forbidden');
  }
});

test('`404 Not Found`: Source project not found', async () => {
  const outcome = await refused(clone({ id: randomUUID() }), 'not-found');
  assert.equal(outcome.issue[0].details.text, 'Not found');
});

test('The operation may take some time for large projects', async () => {
  // So it may be asked to answer at once; and it is polled to its end.
  const project = await newProject();
  const answer = await rawJson('POST', cloneUrl(project.id), { name: 'Asked for' },
    { headers: { Prefer: 'respond-async' } });
  assert.equal(answer.status, 202);
  assert.equal(answer.json.id, 'accepted');
  const url = answer.headers.get('content-location');
  assert.equal(answer.json.issue[0].diagnostics, url);
  let job = await rawJson('GET', url);
  for (; job.status === 202; job = await rawJson('GET', url)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(job.status, 200);
  assert.equal(job.json.status, 'completed');
  const { client } = await memberOf(project);
  const as = `Bearer ${client.getAccessToken()}`;
  assertOutcome(await rawJson('GET', url, undefined, { as }), 404, 'not-found');
});

test('Binary files are copied asynchronously - here they are there with the answer', async () => {
  const project = await newProject();
  const binary = await newBinary(project, 'y'.repeat(300_000));
  await into(project, { resourceType: 'Patient', photo: [{ url: `Binary/${binary.id}` }] });
  const copied = await only(await clone(project), 'Patient');
  assert.equal((await contentOf(copied.photo[0].url)).length, 300_000);
});

test('The new project will have a new owner (the user performing the clone)', async () => {
  const project = await admin.post(admin.fhirUrl('Project', '$init'),
    { name: unique('Owned'), ownerEmail: `${randomUUID()}@example.org` });
  const copy = await clone(project);
  const { user } = (await admin.searchResources('ProjectMembership',
    { profile: reference(admin.getProfile()).reference }))[0];
  assert.match(user.reference, /^User\//);
  assert.notEqual(project.owner.reference, user.reference);
  assert.equal(copy.owner.reference, user.reference);
  const own = await admin.readResource('Project', copy.id);
  assert.equal(own.owner.reference, user.reference);
});

test('Secrets and credentials in Bots are not copied and must be reconfigured', async () => {
  const project = await newProject();
  await admin.updateResource({
    ...project, secret: [{ name: 'API_KEY', valueString: 'very secret' }],
    systemSecret: [{ name: 'SYSTEM', valueString: 'more secret' }],
  });
  const { application, client } = await memberOf(project);
  const copy = await clone(project);
  const own = await admin.readResource('Project', copy.id);
  assert.equal(own.secret, undefined);
  assert.equal(own.systemSecret, undefined);
  const copied = (await all(copy, 'ClientApplication'))
    .find((one) => one.name === application.name);
  assert.equal(copied.secret, undefined);
  await assert.rejects(newClient().startClientLogin(copied.id, application.secret));
  // What was good for the source still is, for nothing else.
  await client.createResource({ resourceType: 'Patient', identifier: identifier('x') });
  assert.equal(await count(copy, 'Patient'), 0);
  const { secret } = await admin.post(
    admin.fhirUrl('ClientApplication', copied.id, '$rotate-secret'), {});
  const fresh = newClient();
  await fresh.startClientLogin(copied.id, secret);
  assert.equal(fresh.getProject().id, copy.id);
  await client.createResource({ resourceType: 'Patient' });
});
