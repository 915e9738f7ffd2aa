#!/usr/bin/env python3
"""Project/$clone while the daemon is killed with SIGKILL, and started anew, again and again.

Goal: a clone is there wholly or not at all, whenever the daemon dies; one that was acknowledged is
there; and whoever asks again with the same Idempotency-Key gets the one that was made, or makes it.
Method: clones of a project with linked resources of 40 types are asked for on several connections,
with everything or a part of it, while others write to the source; the daemon dies at a random
moment around them, or just behind an acknowledgement. Then every project that there is is known:
one of the clones that were asked for, with as many resources of each type as the source had, none
under an id of the source, and each reference leads to something. In the end the store is sound, and
no container is left that is no project.

usage: fhir_kill.py RAMET [--rounds N] [--count N] [--clients N] [--seed N] [--folder DIR]
"""

import argparse
import collections
import http.client
import json
import random
import re
import sys
import threading
import time
import uuid

import fhir_check
import fhir_data
from raw_s3 import Daemon, end_on_sigterm, new_folder

PART = ["Patient", "Observation", "Encounter"]
SYSTEM_CONTAINER = ".fhir"
REFERENCE = re.compile(r'"reference": "([A-Za-z]+)/(%s)"' % fhir_check.UUID.pattern)


class Asked:
    """A clone that was asked for: what it was, and what came of it."""

    def __init__(self, name, key, types):
        self.name, self.key, self.types = name, key, types
        self.project = None  # once it was acknowledged

    def body(self):
        out = {"name": self.name}
        if self.types:
            out["resourceTypes"] = self.types
        return out


class Test:
    def __init__(self, options, folder):
        self.options = options
        self.dice = random.Random(options.seed)
        self.daemon = Daemon(options.ramet, folder)
        self.daemon.start()
        self.counts = collections.Counter()
        root = self.connect()
        made = root.json("POST", "/fhir/R4/Project/$init", {"name": "Source"})
        self.source = made["id"]
        self.client = fhir_data.default_client(root, self.source)
        fhir_data.Loader(self.url(), *self.client, options.count, options.seed).load(2)
        self.wanted = self.counts_of(root, self.source)
        self.source_ids = self.ids_of(root, self.source)[0]
        self.known = {}  # projects that were looked at: id -> name
        for project in self.projects(root):
            self.known[project["id"]] = project["name"]
        root.close()

    def url(self):
        return "http://127.0.0.1:%d" % self.daemon.port

    def connect(self):
        return fhir_data.Connection(self.url(), "ada", self.daemon.token)

    def projects(self, root):
        return [one for page in fhir_check.pages_of(root, "/fhir/R4/Project?_count=1000")
                for one in page]

    def counts_of(self, root, project):
        out = {}
        for kind in fhir_check.SEARCHED:
            path = "/fhir/R4/%s?_project=%s&_summary=count" % (kind, project)
            out[kind] = root.json("GET", path)["total"]
        return out

    def ids_of(self, root, project):
        """Ids of all that can be searched, and what is referred to."""
        ids, references = set(), set()
        for kind in fhir_check.SEARCHED:
            for page in fhir_check.pages(root, project, kind):
                ids.update(one["id"] for one in page)
                references.update(REFERENCE.findall(json.dumps(page)))
        return ids, references

    # --- rounds ----------------------------------------------------------------------------------

    def ask(self, asked, started):
        """On a connection of its own; the daemon may die at any moment."""
        headers = {"Prefer": "return=representation"}
        if asked.key:
            headers["Idempotency-Key"] = asked.key
        try:
            root = self.connect()
            started.release()
            answer = root.json("POST", "/fhir/R4/Project/%s/$clone" % self.source, asked.body(),
                               expect=(201,), **headers)
            asked.project = answer["id"]
        except (OSError, http.client.HTTPException):
            pass

    def write(self, stop):
        """To the source, what changes no count."""
        try:
            connection = fhir_data.Connection(self.url(), *self.client)
            found = connection.json("GET", "/fhir/R4/Patient?_count=5")["entry"]
            for number in range(1 << 30):
                if stop.is_set():
                    break
                patient = found[number % len(found)]["resource"]
                patient["multipleBirthInteger"] = number
                connection.json("PUT", "/fhir/R4/Patient/" + patient["id"], patient)
        except (OSError, http.client.HTTPException):
            pass

    def round(self, number):
        asked = []
        for i in range(self.options.clients):
            key = str(uuid.UUID(int=self.dice.getrandbits(128))) if self.dice.random() < 0.6 else ""
            asked.append(Asked("clone %d of round %d" % (i, number), key,
                               PART if self.dice.random() < 0.4 else None))
        stop, started = threading.Event(), threading.Semaphore(0)
        threads = [threading.Thread(target=self.ask, args=(one, started)) for one in asked]
        threads.append(threading.Thread(target=self.write, args=(stop,)))
        for thread in threads:
            thread.start()
        for _ in asked:
            assert started.acquire(timeout=60), "a client did not begin"
        if number % 4 == 0:  # just behind an acknowledgement
            end = time.monotonic() + 60
            while not any(one.project for one in asked) and time.monotonic() < end:
                time.sleep(0.0002)
        else:
            time.sleep(self.dice.uniform(0, 0.04 if number % 4 < 3 else 0.004))
        self.daemon.check_alive()
        self.daemon.kill()
        stop.set()
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"
        self.daemon.start()
        self.look(asked)

    def look(self, asked):
        root = self.connect()
        there = {project["id"]: project["name"] for project in self.projects(root)}
        lost = self.known.keys() - there.keys()
        assert not lost, "projects are gone: %s" % sorted(lost)
        by_name = {}
        for project, name in there.items():
            if project in self.known:
                assert name == self.known[project]
            else:
                assert name not in by_name, "%s is there twice" % name
                by_name[name] = project
        for one in asked:
            made = by_name.pop(one.name, None)
            assert one.project is None or one.project == made, (
                "%s was acknowledged, and is %s" % (one.name, made))
            self.counts["acknowledged" if one.project else "made" if made else "not made"] += 1
            if one.key:
                answer = root.json("POST", "/fhir/R4/Project/%s/$clone" % self.source, one.body(),
                                   expect=(201,), **{"Idempotency-Key": one.key})["id"]
                assert made is None or answer == made, "%s was made again" % one.name
                self.counts["asked again"] += 1
                made = answer
            if made:
                self.known[made] = one.name
                self.check_whole(root, made, one.types)
        assert not by_name, "nobody asked for %s" % by_name
        root.close()

    def check_whole(self, root, project, types):
        wanted = self.wanted
        if types:
            wanted = {kind: count if kind in types or kind == "Project" else 0
                      for kind, count in self.wanted.items()}
        found = self.counts_of(root, project)
        assert found == wanted, "a part of it is there: %r, not %r" % (
            {kind: count for kind, count in found.items() if count != wanted[kind]}, wanted)
        ids, references = self.ids_of(root, project)
        assert not ids & self.source_ids, "ids of the source are in the clone"
        assert len(ids) == sum(wanted.values())
        if not types:
            back = {one for _, one in references} & self.source_ids
            assert not back, "references lead back: %s" % sorted(back)[:5]
        self.counts["clones checked"] += 1

    def check_containers(self):
        """Each holds a project, or is the system's own."""
        names = {one["id"]: one["name"]
                 for one in json.loads(self.daemon.command("container", "list", "--json"))}
        odd = {name for project, name in names.items()
               if project not in self.known and name != SYSTEM_CONTAINER}
        assert not odd, "containers that are no projects: %s" % sorted(odd)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--count", type=int, default=1500, help="resources of the source")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--folder", help="where the store is made, and removed at the end")
    options = parser.parse_args()
    print("seed %d" % options.seed, flush=True)
    end_on_sigterm()
    with new_folder(options.folder) as folder:
        test = Test(options, folder)
        try:
            for number in range(options.rounds):
                test.round(number)
            test.check_containers()
            test.daemon.stop()
        except BaseException:
            print(test.daemon.log_end())
            raise
        finally:
            if test.daemon.process.poll() is None:
                test.daemon.kill()
        test.daemon.check_store()
    for name in sorted(test.counts):
        print("  %-20s %d" % (name, test.counts[name]))
    assert test.counts["clones checked"], test.counts
    print("killed %d times" % options.rounds)


if __name__ == "__main__":
    sys.exit(main())
