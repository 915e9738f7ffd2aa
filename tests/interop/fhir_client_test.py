#!/usr/bin/env python3
"""The FHIR face, by the official npm client in two versions and by plain HTTP, over a daemon.

Goal: what the client does, what $clone's own tests ask for, every sentence of its documentation,
and that whatever anybody sends is answered with what it is, never with a 5xx. Method: the modules
in fhir_client/, run by node; the client is installed as its lock file says, once for each build
directory. A server error fails the test that caused it, although the client would try again. The
store is sound afterwards.

usage: fhir_client_test.py RAMET [--folder DIR] [--only NAME] [--client MODULE]
"""

import argparse
import hashlib
import os
import shutil
import subprocess

from raw_s3 import Daemon, end_on_sigterm, new_folder

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fhir_client")
CLIENTS = ("@medplum/core", "medplum-core-5")  # as package.json calls them


def need(command):
    path = shutil.which(command)
    assert path, "%s is not installed; tools/install-deps installs it" % command
    return path


def install(folder):
    """The client's modules, and the tests beside them. What is there of this lock file stays."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(HERE, "package-lock.json"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    for name in os.listdir(HERE):
        shutil.copy(os.path.join(HERE, name), folder)
    stamp = os.path.join(folder, "installed")
    if os.path.exists(stamp) and open(stamp).read() == wanted:
        return
    # (They say that they want a newer node than Debian 12 has, and work with it.)
    command = [need("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund",
               "--engine-strict=false", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, "%s failed:\n%s%s" % (
        " ".join(command), done.stdout, done.stderr)
    with open(stamp, "w") as file:
        file.write(wanted)


def run_tests(options, client, node, folder):
    """Of one version of the client, with a daemon of its own. Whether all of them passed."""
    modules = os.path.join(options.folder or folder, "fhir_clients")
    install(modules)
    daemon = Daemon(options.ramet, folder)
    daemon.command("user", "create", "bob")
    other = daemon.command("token", "create", "bob").split()[-1]
    daemon.start()
    environment = dict(
        os.environ, RAMET_URL="http://127.0.0.1:%d" % daemon.port, RAMET_PRINCIPAL="ada",
        RAMET_TOKEN=daemon.token, RAMET_OTHER_TOKEN=other, RAMET_FHIR_CLIENT=client,
        NODE_NO_WARNINGS="1")
    command = [node, "main.mjs"] + ([options.only] if options.only else [])
    try:
        done = subprocess.run(command, cwd=modules, env=environment, timeout=1500)
        daemon.check_alive()
        daemon.stop()
    except BaseException:
        print(daemon.log_end())
        raise
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    if done.returncode != 0:
        print(daemon.log_end())
        return False
    daemon.check_store()
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--folder", help="where the client is installed, and stays")
    parser.add_argument("--only", help="tests whose name contains this")
    parser.add_argument("--client", choices=CLIENTS, help="this version alone")
    options = parser.parse_args()
    end_on_sigterm()
    node = need("node")
    failed = []
    for client in [options.client] if options.client else CLIENTS:
        with new_folder() as folder:
            if not run_tests(options, client, node, folder):
                failed.append(client)
    assert not failed, "tests failed with %s" % ", ".join(failed)


if __name__ == "__main__":
    main()
