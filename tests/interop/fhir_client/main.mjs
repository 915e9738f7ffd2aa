// Runs the tests of all modules, or those whose names contain the argument; for
// fhir_client_test.py.
import { admin, principal, principalToken, runAll } from './harness.mjs';

await admin.startClientLogin(principal, principalToken);
for (const name of ['client', 'search', 'clone', 'sentences', 'hostile']) {
  await import(`./${name}.mjs`);
}
process.exit(await runAll(process.argv[2]) === 0 ? 0 : 1);
