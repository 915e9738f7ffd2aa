#!/usr/bin/env python3
"""The FHIR API, by the official client @medplum/core, over a started daemon.

Goal: everything that the client does and that $clone promises. Method: fhir/client_test.mjs, run by
node with the version of the client that package-lock.json pins; the store is sound afterwards, and
what was acknowledged is there when the daemon starts again.

usage: fhir_test.py RAMET FOLDER     (where the client is kept between runs)
"""

import os
import shutil
import subprocess
import sys
import tempfile

from dnanexus_test import Daemon, run

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fhir")


def install(folder):
    """The client, as npm's registry has it; node_modules beside the test."""
    os.makedirs(folder, exist_ok=True)
    for name in ("package.json", "package-lock.json", "client_test.mjs"):
        shutil.copy(os.path.join(HERE, name), folder)
    if not os.path.exists(os.path.join(folder, "node_modules", "@medplum", "core", "package.json")):
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, timeout=300,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def main():
    ramet, client = sys.argv[1], os.path.abspath(sys.argv[2])
    install(client)
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        run(ramet, "init", store)
        daemon = Daemon(ramet, store)
        try:
            run(ramet, "--store", store, "user", "create", "root", "--super-admin")
            token = run(ramet, "--store", store, "token", "create", "root").split()[-1]
            environment = dict(os.environ, BASE="http://%s/" % daemon.host, TOKEN=token)
            done = subprocess.run(["node", "client_test.mjs"], cwd=client, env=environment,
                                  timeout=600)
            assert done.returncode == 0, "the client's tests failed"
        finally:
            daemon.stop()
        print(run(ramet, "fsck", store).strip().splitlines()[-1])


if __name__ == "__main__":
    main()
