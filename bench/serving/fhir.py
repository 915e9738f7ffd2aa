#!/usr/bin/env python3
"""How long Project/$clone takes, durable, over HTTP on loopback; what it adds to the disk; what
reading a clone costs; and an eager copy of the same project beside it.

usage: fhir.py RAMET [--folder DIR] [--count N ...] [--runs N] [--seed N] [--connections N]
           [--eager N] [--no-check] [--keep] [--json FILE]

For each count a store of its own, with a project of so many linked resources of 40 types
(tests/interop/fhir_data.py). Prints the median and the worst of the runs: of a clone of everything,
of 3 of the 40 types, of everything without 1,000 ids; beside each a sync of one small file in the
same folder, what the disk takes at least. Then the bytes of disk of a clone, at rest; reads of the
clone beside reads of the source, in turns; a copy that reads all resources (--eager: so many) and
writes them again, one request each and in transactions. A clone of each kind that was measured is
compared with its source, resource by resource (tests/interop/fhir_check.py).
"""

import argparse
import contextlib
import json
import os
import random
import re
import statistics
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "..", "tests", "interop"))

import fhir_check
import fhir_data
from raw_s3 import Daemon, end_on_sigterm, free_port, new_folder

SOME_TYPES = ["Patient", "Practitioner", "Organization"]
EXCLUDED = 1000
PAIRS = 300       # resources that are read, again and again
READS = 3000      # of each side
ONE_BY_ONE = 500  # resources that the eager copy writes with a request each
REFERENCE = re.compile(r'"([A-Za-z]+)/(%s)"' % fhir_check.UUID.pattern)


def sync_time(folder):
    """One small file, made durable."""
    path = os.path.join(folder, "sync")
    with open(path, "wb") as file:
        began = time.monotonic()
        file.write(b"x" * 512)
        file.flush()
        os.fdatasync(file.fileno())
        return time.monotonic() - began


def allocated_bytes(folder):
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def timed(call):
    began = time.monotonic()
    result = call()
    return time.monotonic() - began, result


class KeptDaemon(Daemon):
    """Of a store that an earlier run has left."""

    def __init__(self, ramet, folder, kept):
        self.ramet, self.folder = ramet, folder
        self.store = os.path.join(folder, "store")
        self.options, self.log_level = [], "warning"
        self.log = os.path.join(folder, "daemon.log")
        self.port, self.process = free_port(), None
        self.token = kept["token"]


class Bench:
    def __init__(self, options, folder, count):
        self.options, self.folder, self.count = options, folder, count
        self.results = {"count": count}
        self.root, self.source = None, None
        self.kept = os.path.join(folder, "kept.json")  # there once everything is loaded
        kept = None
        if os.path.exists(self.kept):
            with open(self.kept) as file:
                kept = json.load(file)
            assert (kept["count"], kept["seed"]) == (count, options.seed), kept
            self.source = kept["source"]
        self.daemon = KeptDaemon(options.ramet, folder, kept) if kept else Daemon(
            options.ramet, folder)
        self.daemon.start()
        self.connect()

    def server(self):
        return "http://127.0.0.1:%d" % self.daemon.port, "ada", self.daemon.token

    def connect(self):
        self.root = fhir_data.Connection(*self.server())

    def restart(self):
        self.daemon.stop()
        self.daemon.start()
        self.connect()

    def note(self, what, value, text):
        self.results[what] = value
        print("%-58s %s" % (what, text), flush=True)

    def note_times(self, what, times):
        sync = statistics.median(sync_time(self.folder) for _ in range(9))
        median, worst = statistics.median(times), max(times)
        self.note(what, {"median_ms": round(median * 1e3, 2), "worst_ms": round(worst * 1e3, 2),
                         "runs": len(times), "sync_ms": round(sync * 1e3, 2)},
                  "median %8.1f ms   worst %8.1f ms   (sync %.1f ms)" % (
                      median * 1e3, worst * 1e3, sync * 1e3))

    def client(self, project):
        """A connection as the project's own client."""
        return fhir_data.Connection(self.server()[0], *fhir_data.default_client(self.root, project))

    def clone(self, **body):
        path = "/fhir/R4/Project/%s/$clone" % self.source
        return self.root.json("POST", path, body, expect=(201,))["id"]

    # --- what is measured ------------------------------------------------------------------------

    def load(self):
        self.source = self.root.json("POST", "/fhir/R4/Project/$init", {"name": "Source"})["id"]
        client_id, secret = fhir_data.default_client(self.root, self.source)
        loader = fhir_data.Loader(self.server()[0], client_id, secret, self.count,
                                  self.options.seed)
        seconds, counts = timed(lambda: loader.load(self.options.connections, lambda done: print(
            "\r  %d loaded" % done, end="", file=sys.stderr, flush=True)))
        print("\r", end="", file=sys.stderr)
        assert len(counts) == 40, counts
        self.note("loading, resources/s", round(self.count / seconds),
                  "%8.0f/s   in %.0f s" % (self.count / seconds, seconds))
        self.note("disk of the store, bytes", allocated_bytes(self.daemon.store),
                  "%8.1f MB" % (allocated_bytes(self.daemon.store) / 1e6))

    def times_of(self, what, **body):
        """The last of the clones."""
        times = []
        for _ in range(self.options.runs):
            seconds, clone = timed(lambda: self.clone(**body))
            times.append(seconds)
        self.note_times(what, times)
        return clone

    def check(self, clone, what, kinds=None, excluded=()):
        if self.options.no_check:
            return
        seconds, found = timed(lambda: fhir_check.check(
            self.server(), self.source, clone, kinds, excluded, os.cpu_count() or 2))
        self.note("check of " + what, found, "%d resources, %d left out: all as they should be "
                  "(%.0f s)" % (found["resources"], found["left_out"], seconds))

    def some_ids(self, number):
        """Of all types, at random."""
        ids = []
        for kind in fhir_check.SEARCHED:
            if kind in ("Project", "ProjectMembership", "ClientApplication"):
                continue
            path = "/fhir/R4/%s?_project=%s&_count=1000" % (kind, self.source)
            bundle = self.root.json("GET", path)
            ids += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
        random.Random(self.options.seed).shuffle(ids)
        assert len(ids) >= number, len(ids)
        return ids[:number]

    def weigh(self):
        """Bytes that a clone adds, at rest: with the daemon stopped before and after."""
        self.daemon.stop()
        before = allocated_bytes(self.daemon.store)
        self.daemon.start()
        self.connect()
        for _ in range(self.options.runs):
            self.clone()
        self.daemon.stop()
        added = (allocated_bytes(self.daemon.store) - before) / self.options.runs
        self.daemon.start()
        self.connect()
        self.note("disk that a clone adds, bytes", round(added), "%8.0f bytes" % added)

    def reads(self, clone):
        """By each project's own client, the same resources in turns."""
        sides = [self.client(self.source), self.client(clone)]
        path = "/fhir/R4/Observation?_count=1000"
        found = {}
        for entry in sides[0].json("GET", path)["entry"]:
            found[fhir_check.key_of(entry["resource"])] = entry["resource"]["id"]
        dice = random.Random(self.options.seed)
        pairs = []
        for key in dice.sample(sorted(found), min(PAIRS, len(found))):
            copy = sides[1].json("GET", "/fhir/R4/Observation?_tag=%s|%s" % (fhir_data.TAGS, key))
            pairs.append((found[key], copy["entry"][0]["resource"]["id"]))
        for side in (0, 1):
            for pair in pairs:
                sides[side].json("GET", "/fhir/R4/Observation/" + pair[side])
        self.in_turns("read of one resource", READS, lambda side, pair: sides[side].ask(
            "GET", "/fhir/R4/Observation/" + pair[side]), pairs, dice)
        for size in (100, 1000):
            self.in_turns("search page of %d" % size, 40, lambda side, _: sides[side].ask(
                "GET", "/fhir/R4/Observation?_count=%d" % size), pairs, dice)

    def in_turns(self, what, rounds, read, pairs, dice):
        times = ([], [])
        for n in range(rounds):
            pair = dice.choice(pairs)
            for side in ((0, 1) if n % 2 else (1, 0)):
                seconds, answer = timed(lambda: read(side, pair))
                assert answer[0] == 200, answer
                times[side].append(seconds)
        source, clone = (statistics.median(one) for one in times)
        self.note("%s, clone / source" % what,
                  {"ratio": round(clone / source, 3), "source_us": round(source * 1e6, 1),
                   "clone_us": round(clone * 1e6, 1)},
                  "%8.2f   (median %.0f and %.0f us)" % (clone / source, source * 1e6,
                                                          clone * 1e6))

    # --- the eager copy --------------------------------------------------------------------------

    def eager(self):
        """What a copy without the operation takes: everything is read, gets new ids, is written."""
        seconds_read, resources = timed(lambda: self.read_some(self.options.eager))
        # (As they were made: each refers to earlier ones.)
        resources.sort(key=lambda one: int(fhir_check.key_of(one)))
        whole = self.count / len(resources)
        how = "whole" if whole < 1.05 else "from %d resources" % len(resources)
        alone = min(ONE_BY_ONE, len(resources))
        seconds, _ = timed(lambda: self.write_alone(resources[:alone]))
        seconds = (seconds_read + seconds / alone * len(resources)) * whole
        self.note("eager copy, one request each, s", round(seconds, 2), "%8.1f s   (%s)" % (
            seconds, how))
        seconds, _ = timed(lambda: self.write_bundles(resources))
        seconds = (seconds_read + seconds) * whole
        self.note("eager copy, transactions of %d, s" % fhir_data.BUNDLE_ENTRIES,
                  round(seconds, 2), "%8.1f s   (%s)" % (seconds, how))

    def write_alone(self, resources):
        """With ids that were chosen before."""
        target = self.root.json("POST", "/fhir/R4/Project/$init", {"name": "Eager"})["id"]
        fresh = {one["id"]: str(uuid.uuid4()) for one in resources}
        fresh[self.source] = target
        for resource in resources:
            text = fhir_check.UUID.sub(lambda found: fresh.get(found.group(), found.group()),
                                       json.dumps(resource))
            path = "/fhir/R4/%s/%s" % (resource["resourceType"], fresh[resource["id"]])
            status, _, answer = self.root.ask("PUT", path, text)
            assert status == 201, (status, answer)

    def write_bundles(self, resources):
        """With ids that the server chooses, which later ones refer to."""
        target = self.root.json("POST", "/fhir/R4/Project/$init", {"name": "Eager"})["id"]
        connection = self.client(target)
        loader = fhir_data.Loader(self.server()[0], None, None, self.count)
        fresh = {self.source: target}
        for at in range(0, len(resources), fhir_data.BUNDLE_ENTRIES):
            some = resources[at:at + fhir_data.BUNDLE_ENTRIES]
            here = {one["id"] for one in some}

            def rewritten(found):
                text = found.group(2)
                if text in here:
                    return '"urn:uuid:%s"' % text
                return '"%s/%s"' % (found.group(1), fresh.get(text, text))

            made = []
            for one in some:
                plain = dict(one, meta={"tag": one["meta"]["tag"]})
                made.append((one["resourceType"], one["id"],
                             json.loads(REFERENCE.sub(rewritten, json.dumps(plain)))))
            for old, new in zip(some, loader.write(connection, made)):
                fresh[old["id"]] = new.split("/")[1]

    def read_some(self, most):
        out = []
        for kind in fhir_data.TYPES:
            if kind == "Binary":
                continue
            for page in fhir_check.pages(self.root, self.source, kind):
                out += [one for one in page if fhir_check.key_of(one).isdigit()]
                if len(out) >= most:
                    return out[:most]
        return out

    def run(self):
        if self.source is None:
            self.load()
            with open(self.kept, "w") as file:
                json.dump({"count": self.count, "seed": self.options.seed, "source": self.source,
                           "token": self.daemon.token}, file)
        self.restart()
        clone = self.times_of("$clone of everything")
        self.check(clone, "a clone of everything")
        some = self.times_of("$clone of 3 of 40 types", resourceTypes=SOME_TYPES)
        self.check(some, "a clone of 3 types", SOME_TYPES)
        excluded = self.some_ids(EXCLUDED)
        without = self.times_of("$clone without 1,000 ids", excludeIds=excluded)
        self.check(without, "a clone without 1,000 ids", None, excluded)
        self.weigh()
        self.reads(clone)
        if self.options.eager:
            self.eager()


def place_of(options, count):
    if not options.keep:
        return new_folder(options.folder)
    folder = os.path.join(options.folder or ".", "fhir-%d" % count)
    os.makedirs(folder, exist_ok=True)
    return contextlib.nullcontext(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--folder")
    parser.add_argument("--count", type=int, nargs="+", default=[10_000])
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--eager", type=int, default=10_000)
    parser.add_argument("--no-check", action="store_true")
    parser.add_argument("--keep", action="store_true",
                        help="the loaded stores stay in the folder, and are used again")
    parser.add_argument("--json", help="where the results are written, too")
    options = parser.parse_args()
    end_on_sigterm()
    results = []
    for count in options.count:
        print("%d resources" % count, flush=True)
        with place_of(options, count) as folder:
            bench = Bench(options, folder, count)
            try:
                bench.run()
                bench.daemon.stop()
            except BaseException:
                print(bench.daemon.log_end(), file=sys.stderr)
                raise
            finally:
                if bench.daemon.process.poll() is None:
                    bench.daemon.kill()
            results.append(bench.results)
    text = json.dumps(results, indent=1)
    print(text)
    if options.json:
        with open(options.json, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
