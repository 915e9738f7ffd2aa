#!/usr/bin/env python3
"""How long /class-xxxx/clone and listProjects take, durable, over HTTP on loopback.

usage: dnanexus.py RAMET [--folder DIR] [--runs N] [--million]

Prints the median and the worst of the runs, each into an empty project: a folder of 100,000 closed
objects; the same where the destination holds every second one already (exactly these must be
reported); "/" of a project of a million objects (with --million); and listProjects of an object
that two of 1,000 projects hold. Beside each, a sync of one small file in the same folder: what the
disk takes at least.
"""

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Api:
    def __init__(self, host, token):
        self.connection = http.client.HTTPConnection(host, timeout=600)
        self.token = token

    def __call__(self, route, data=None):
        self.connection.request("POST", route, json.dumps(data or {}),
                                {"Authorization": "Bearer " + self.token,
                                 "Content-Type": "application/json"})
        answer = self.connection.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200, (route, body)
        return body


def sync_time(folder):
    """One small file, made durable."""
    path = os.path.join(folder, "sync")
    with open(path, "wb") as file:
        began = time.monotonic()
        file.write(b"x" * 512)
        file.flush()
        os.fdatasync(file.fileno())
        return time.monotonic() - began


def report(what, times, folder):
    print("%-62s median %8.1f ms   worst %8.1f ms   (sync %.1f ms)" % (
        what, statistics.median(times) * 1e3, max(times) * 1e3,
        statistics.median(sync_time(folder) for _ in range(5)) * 1e3), flush=True)


def timed(call):
    began = time.monotonic()
    result = call()
    return time.monotonic() - began, result


def ids_below(ramet, store, place, count):
    """Ids as the API writes them of the first objects of a folder."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    out = []
    for entry in json.loads(run(ramet, "--store", store, "ls", "--json", place))[:count]:
        number, text = int(entry["id"].replace("-", ""), 16), ""
        for _ in range(24):
            number, digit = divmod(number, 62)
            text = digits[digit] + text
        out.append("file-" + text)
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--folder")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--million", action="store_true")
    options = parser.parse_args()
    ramet = options.ramet
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        store, tree = os.path.join(folder, "store"), os.path.join(folder, "tree")
        os.mkdir(tree)
        for i in range(100_000):
            with open(os.path.join(tree, "object-%06d" % i), "w") as file:
                file.write("content %d\n" % i)
        run(ramet, "init", store)
        command = lambda *more: run(ramet, "--store", store, *more)
        command("container", "create", "source")
        command("import", tree, "source:/folder")
        if options.million:
            for i in range(1, 10):
                command("clone", "source:/folder", "source:/folder%d" % i)
        command("user", "create", "root", "--super-admin")
        token = command("token", "create", "root").split()[-1]
        half = ids_below(ramet, store, "source:/folder", 100_000)[::2]
        daemon = subprocess.Popen([ramet, "serve", store, "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            host = None
            while host is None:
                found = re.search(r"serving .* on http://(\S+)", daemon.stdout.readline())
                host = found and found.group(1)
            threading.Thread(target=lambda: [None for _ in daemon.stdout], daemon=True).start()
            api = Api(host, token)
            source = api("/system/findProjects", {"name": "source"})["results"][0]["id"]
            new = lambda: api("/project/new", {"name": "target"})["id"]

            def clone(target, **what):
                return api("/%s/clone" % source, dict(what, project=target))

            times = []
            for _ in range(options.runs):
                target = new()
                took, answer = timed(lambda: clone(target, folders=["/folder"]))
                assert answer["exists"] == []
                times.append(took)
                api("/%s/destroy" % target)
            report("a folder of 100,000 objects into an empty project", times, folder)
            times = []
            for _ in range(options.runs):
                target = new()
                api("/%s/newFolder" % target, {"folder": "/had"})
                clone(target, objects=half, destination="/had")
                took, answer = timed(lambda: clone(target, folders=["/folder"]))
                assert sorted(answer["exists"]) == sorted(half), len(answer["exists"])
                times.append(took)
                api("/%s/destroy" % target)
            report("the same; it holds 50,000 of them (exactly these reported)", times, folder)
            if options.million:
                times = []
                for _ in range(options.runs):
                    target = new()
                    took, answer = timed(lambda: clone(target, folders=["/"]))
                    assert answer["exists"] == []
                    times.append(took)
                    api("/%s/destroy" % target)
                report("\"/\" of 1,000,000 objects into an empty project", times, folder)
            object_id, projects = half[0], []
            for i in range(1000):
                projects.append(new())
            clone(projects[500], objects=[object_id])
            times = []
            for _ in range(max(options.runs, 20)):
                took, answer = timed(lambda: api("/%s/listProjects" % object_id))
                assert set(answer) == {source, projects[500]}, answer
                times.append(took)
            report("listProjects, 1,001 projects to be seen", times, folder)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)


if __name__ == "__main__":
    main()
