#!/usr/bin/env python3
"""Compares a clone of a project with its source, resource by resource, over HTTP.

Every resource that was to be cloned is there once, under a new id, and is as the source's is when
each id in it is read as what it names: so each reference that led to something cloned leads to its
copy, none leads back, and all others name what they named. Resources are told apart by the tags of
fhir_data.py, those without one by their type and name.

usage: fhir_check.py URL NAME TOKEN SOURCE CLONE      (of a super admin; ids of projects)
"""

import argparse
import hashlib
import json
import multiprocessing
import re
import sys

from fhir_data import TAGS, TYPES, Connection

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
BINARY = re.compile(r"Binary/(%s)" % UUID.pattern)
# What is cloned and can be searched; of Binaries, what refers to them tells.
SEARCHED = [kind for kind in TYPES if kind != "Binary"] + [
    "Project", "ProjectMembership", "ClientApplication"]
PAGE = 1000
FAULTS_MAX = 20


def pages(connection, project, kind):
    """Lists of resources."""
    return pages_of(connection, "/fhir/R4/%s?_project=%s&_count=%d" % (kind, project, PAGE))


def pages_of(connection, path):
    while path:
        bundle = connection.json("GET", path)
        yield [entry["resource"] for entry in bundle.get("entry", [])]
        links = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
        path = links[0][links[0].index("/fhir/R4"):] if links else None


def key_of(resource):
    for tag in resource["meta"].get("tag", ()):
        if tag.get("system") == TAGS:
            return tag["code"]
    kind = resource["resourceType"]
    return kind if kind == "Project" else "%s %s" % (kind, resource.get("name", ""))


class Project:
    """The ids of one, and what each names."""

    def __init__(self):
        self.keys = {}      # id -> key
        self.kinds = {}     # kind -> ids
        self.binaries = set()

    def names(self, kept):
        """id -> what it is read as; of those in `kept`, if it is given."""
        out = {one: "#" + key for one, key in self.keys.items() if kept is None or one in kept}
        out.update((one, "#binary") for one in self.binaries)
        return out


SHARED = {}  # what the processes of a pool inherit


def _ids(job):
    project, kind = job
    connection = Connection(*SHARED["server"])
    out, binaries = [], set()
    for page in pages(connection, project, kind):
        out += [(one["id"], key_of(one)) for one in page]
        binaries.update(BINARY.findall(json.dumps(page)))
    connection.close()
    return kind, out, binaries


def _digests(job):
    project, kind, side = job
    names, forbidden = SHARED["names"][side], SHARED["forbidden"][side]
    connection = Connection(*SHARED["server"])
    out, others, faults = {}, set(), []

    def read_as(found):
        text = found.group()
        name = names.get(text)
        if name is not None:
            return name
        if text in forbidden:
            faults.append("%s: %s of the source" % (key, text))
        others.add(text)
        return text

    for page in pages(connection, project, kind):
        for resource in page:
            key = key_of(resource)
            resource["meta"]["versionId"] = ""
            if kind == "Project":  # written anew, with a name and an owner of its own
                resource["meta"]["lastUpdated"] = ""
                for member in ("name", "owner"):
                    resource.pop(member, None)
            text = UUID.sub(read_as, json.dumps(resource, sort_keys=True))
            if key in out:
                faults.append("%s is there twice" % key)
            out[key] = hashlib.blake2b(text.encode(), digest_size=8).digest()
    connection.close()
    return out, others, faults


def read_ids(pool, project, kinds):
    out = Project()
    for kind, found, binaries in pool.imap_unordered(_ids, [(project, one) for one in kinds]):
        out.kinds[kind] = [one for one, _ in found]
        out.keys.update(found)
        out.binaries |= binaries
    return out


def check(server, source_id, clone_id, kinds=None, excluded=(), processes=2):
    """`server`: URL, name and token of a super admin. `kinds`, `excluded`: what was cloned, as the
    call said it. What was found; fails where something is wrong."""
    context = multiprocessing.get_context("fork")
    SHARED.clear()
    SHARED["server"] = server
    # (The largest first.)
    order = sorted(SEARCHED, key=lambda kind: (kind != "Observation", kind))
    with context.Pool(processes) as pool:
        source = read_ids(pool, source_id, order)
        clone = read_ids(pool, clone_id, order)
    excluded = set(excluded)
    wanted = SEARCHED if kinds is None else list(kinds) + ["Project"]
    kept = {one for kind in wanted for one in source.kinds[kind]} - excluded | {source_id}
    faults = []
    for kind in SEARCHED:
        want = len(kept.intersection(source.kinds[kind]))
        if len(clone.kinds[kind]) != want:
            faults.append("%d of %s, not %d" % (len(clone.kinds[kind]), kind, want))
    same = source.keys.keys() & clone.keys.keys()
    if same:
        faults.append("%d resources have their old ids" % len(same))
    same = source.binaries & clone.binaries
    if same:
        faults.append("%d Binaries have their old ids" % len(same))
    SHARED["names"] = {"source": source.names(kept), "clone": clone.names(None)}
    SHARED["forbidden"] = {"source": frozenset(), "clone": kept | source.binaries}
    found = {}
    with context.Pool(processes) as pool:
        for side, project in (("source", source_id), ("clone", clone_id)):
            digests, others = {}, set()
            jobs = [(project, kind, side) for kind in order if kind in wanted]
            for some, ids, wrong in pool.imap_unordered(_digests, jobs):
                digests.update(some)
                others |= ids
                faults += wrong[:FAULTS_MAX]
            found[side] = digests, others
    left_out = {key for one, key in source.keys.items() if one not in kept}
    digests = {key: digest for key, digest in found["source"][0].items() if key not in left_out}
    if digests.keys() != found["clone"][0].keys():
        faults.append("other resources: %s" % sorted(
            digests.keys() ^ found["clone"][0].keys())[:FAULTS_MAX])
    different = [key for key, digest in digests.items() if found["clone"][0].get(key) != digest]
    if different:
        faults.append("%d resources are different: %s" % (
            len(different), sorted(different)[:FAULTS_MAX]))
    # What leads out of the clone is what leads out of those that were cloned.
    new = found["clone"][1] - found["source"][1]
    if new:
        faults.append("%d references to what the source knows not: %s" % (
            len(new), sorted(new)[:FAULTS_MAX]))
    assert not faults, "\n".join(faults[:FAULTS_MAX])
    return {"resources": len(digests), "binaries": len(clone.binaries),
            "left_out": len(left_out), "lead_out": len(found["clone"][1]),
            "kinds": sum(1 for kind in SEARCHED if clone.kinds[kind])}


def main():
    parser = argparse.ArgumentParser()
    for name in ("url", "name", "token", "source", "clone"):
        parser.add_argument(name)
    parser.add_argument("--types", nargs="+", help="that were cloned")
    parser.add_argument("--exclude", nargs="+", default=[], help="ids that were not")
    options = parser.parse_args()
    try:
        found = check((options.url, options.name, options.token), options.source, options.clone,
                      options.types, options.exclude)
    except AssertionError as wrong:
        sys.exit(str(wrong))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
