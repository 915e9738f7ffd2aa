#!/usr/bin/env python3
"""The DNAnexus API over plain HTTP, as its official client sends it, over a started daemon.

Goal: each command of the client finds what it asks for, field by field; copies, moves and removals
of the same folders from many connections come out as if one went after the other; the store is
sound afterwards. Method: the requests that the commands send, in their order and form (headers and
body in separate segments, unknown keys in them), and every answer compared; short histories of
concurrent calls are searched for a serial order that explains all answers.

usage: dnanexus_test.py RAMET
"""

import hashlib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

PART = 5 << 20  # bytes: the least that a part has which is not the last


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class ApiError(Exception):
    def __init__(self, status, error):
        super().__init__("%d %s" % (status, error))
        self.status, self.type, self.message = status, error["type"], error["message"]
        self.details = error.get("details")


STATUS = {"MalformedJSON": 400, "InvalidAuthentication": 401, "PermissionDenied": 401,
          "SpendingLimitExceeded": 403, "OrgExpired": 403, "ResourceNotFound": 404,
          "InvalidInput": 422, "InvalidState": 422, "InvalidType": 422}


class Client:
    """One connection that is kept, as the client's pool has it."""

    def __init__(self, host, token):
        self.host, self.token = host, token
        self.connection = None

    def request(self, method, path, body, headers):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, timeout=120)
        self.connection.request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        return answer, answer.read()

    def raw(self, route, text):
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity",
                   "DNAnexus-API": "1.0.0", "User-Agent": "dxpy/0.413.0 (Linux) Python/3.11.2"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        answer, body = self.request("POST", route, text, headers)
        assert answer.getheader("Content-Type") == "application/json", (route, answer.headers)
        assert int(answer.getheader("Content-Length")) == len(body)
        assert re.fullmatch(r"\d{13}-\d{1,6}", answer.getheader("X-Request-ID"))
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        return answer.status, json.loads(body)

    def __call__(self, route, data=None):
        status, answer = self.raw(route, json.dumps({} if data is None else data))
        if 200 <= status < 300:
            return answer
        assert status == STATUS[answer["error"]["type"]], answer
        raise ApiError(status, answer["error"])

    def fails(self, kind, route, data=None):
        try:
            answer = self(route, data)
        except ApiError as error:
            assert error.type == kind, (route, data, error)
            return error
        raise AssertionError("%s %s: %s instead of %s" % (route, data, answer, kind))

    def transfer(self, method, url, body=None, headers=None):
        """By what a URL itself says: no credentials, its own connection."""
        parts = urllib.parse.urlsplit(url)
        assert parts.scheme == "http" and parts.netloc == self.host, url
        connection = http.client.HTTPConnection(parts.netloc, timeout=120)
        try:
            connection.request(method, parts.path, body=body, headers=headers or {})
            answer = connection.getresponse()
            fields = dict((name.lower(), value) for name, value in answer.getheaders())
            return answer.status, fields, answer.read()
        finally:
            connection.close()


def md5(data):
    return hashlib.md5(data).hexdigest()


def same(got, want, what):
    assert got == want, "%s:\n got %r\nwant %r" % (what, got, want)


def upload_part(api, file, index, data):
    answer = api("/%s/upload" % file, {"index": index, "md5": md5(data), "size": len(data)})
    same(sorted(answer), ["expires", "headers", "url"], "upload")
    assert answer["expires"] > time.time() * 1000
    status, _, body = api.transfer("PUT", answer["url"], data, answer["headers"])
    same((status, body), (200, b""), "PUT of a part")


def upload(api, project, name, data, folder="/", **more):
    """As `dx upload`: new, parameters, parts, wait, close, describe."""
    inputs = {"name": name, "hidden": False, "project": project, "folder": folder,
              "parents": False, "nonce": str(random.random())}
    inputs.update(more)
    file = api("/file/new", inputs)["id"]
    assert re.fullmatch(r"file-[0-9A-Za-z]{24}", file), file
    limits = api("/%s/describe" % project, {"fields": {"fileUploadParameters": True}})
    same(sorted(limits), ["fileUploadParameters", "id"], "describe with one field")
    same(sorted(limits["fileUploadParameters"]),
         ["emptyLastPartAllowed", "maximumFileSize", "maximumNumParts", "maximumPartSize",
          "minimumPartSize"], "upload parameters")
    parts = [data[at:at + PART] for at in range(0, len(data), PART)] or [b""]
    order = list(range(len(parts)))
    random.shuffle(order)
    for index in order:
        upload_part(api, file, index + 1, parts[index])
    said = api("/%s/describe" % file, {"fields": {"parts": True, "state": True},
                                       "project": project})
    same(said["state"], "open", "state before closing")
    same(said["parts"], {str(i + 1): {"size": len(part), "md5": md5(part), "state": "complete"}
                         for i, part in enumerate(parts)}, "parts before closing")
    same(api("/%s/close" % file), {"id": file}, "close")
    same(api("/%s/close" % file), {"id": file}, "close again")
    return file


def download(api, file, project):
    """As `dx download`: every part in ranges that never straddle it, and its MD5."""
    said = api("/%s/describe" % file, {"project": project, "fields": {
        "parts": True, "size": True, "drive": True, "md5": True, "checksumType": True}})
    assert "drive" not in said
    answer = api("/%s/download" % file, {"preauthenticated": False, "project": project})
    whole, at = b"", 0
    for index in sorted(said["parts"], key=int):
        part = said["parts"][index]
        data = b""
        for start in range(at, at + part["size"], 3 << 20):
            end = min(start + (3 << 20), at + part["size"]) - 1
            status, headers, body = api.transfer("GET", answer["url"], None, dict(
                answer["headers"], Range="bytes=%d-%d" % (start, end)))
            same(status, 206, "a range")
            same(headers["content-range"], "bytes %d-%d/%d" % (start, end, said["size"]), "range")
            data += body
        same(md5(data), part["md5"], "part %s" % index)
        at += part["size"]
        whole += data
    same(at, said["size"], "size")
    return whole


def whoami(api):
    same(api("/system/whoami"), {"id": "user-alice"}, "whoami")
    user = api("/user-alice/describe")
    same((user["handle"], user["class"], user["id"]), ("alice", "user", "user-alice"), "user")
    same((user["first"], user["last"], user["email"]), ("Alice A.", "Clark", "a@example.org"),
         "names")
    same(api("/system/getUserInfo")["username"], "alice", "getUserInfo")
    same(Client(api.host, None).raw("/system/whoami", "{}")[0], 401, "without a token")
    same(Client(api.host, "PUBLIC").raw("/system/whoami", "{}")[1]["error"]["type"],
         "InvalidAuthentication", "a wrong token")
    for name in ("findApps", "findGlobalWorkflows"):
        same(api("/system/" + name, {"name": "x", "limit": 1}), {"results": [], "next": None}, name)
    same(api.raw("/system/whoami", "{no")[1]["error"]["type"], "MalformedJSON", "no JSON")
    same(api.raw("/system/nonsense", "{}")[0], 404, "no route")


def login(api):
    """As `dx login` and `dx logout`: the password is a token."""
    nobody = Client(api.host, None)
    wrong = nobody.raw("/system/newAuthToken", json.dumps(
        {"username": "alice", "password": "wrong", "expires": int(time.time() * 1000) + 10 ** 7}))
    same((wrong[0], wrong[1]["error"]["type"]), (401, "UsernameOrPasswordError"), "wrong password")
    made = nobody("/system/newAuthToken", {"username": "alice", "password": api.token,
                                           "expires": int(time.time() * 1000) + 10 ** 7,
                                           "otp": None})
    same(made["token_type"], "Bearer", "token type")
    fresh = Client(api.host, made["access_token"])
    same(fresh("/system/whoami"), {"id": "user-alice"}, "with the new token")
    fresh("/system/destroyAuthToken", {
        "tokenSignature": hashlib.sha256(made["access_token"].encode()).hexdigest()})
    same(fresh.raw("/system/whoami", "{}")[0], 401, "after logout")


def projects(api, bob):
    name = "A project / with: odd @ signs"
    project = api("/project/new", {"name": name, "summary": "s", "description": "d",
                                   "tags": ["t"], "properties": {"k": "v"}, "protected": True,
                                   "downloadRestricted": True})["id"]
    said = api("/%s/describe" % project)
    want = {"id": project, "class": "project", "name": name, "summary": "s", "description": "d",
            "region": "aws:us-east-1", "protected": True, "restricted": False,
            "downloadRestricted": True, "externalUploadRestricted": False, "containsPHI": False,
            "databaseUIViewOnly": False, "databaseResultsRestricted": None,
            "previewViewerRestricted": True, "allowedExecutables": None, "billTo": "user-alice",
            "level": "ADMINISTER", "createdBy": {"user": "user-alice"}, "tags": ["t"],
            "dataUsage": 0.0, "sponsoredDataUsage": 0.0, "storageCost": 0.0,
            "pendingTransfer": None, "atSpendingLimit": False, "totalSponsoredEgressBytes": 0,
            "consumedSponsoredEgressBytes": 0}
    for key, value in want.items():
        same(said.get(key, "(missing)"), value, key)
    for key in ("created", "modified"):
        assert abs(said[key] - time.time() * 1000) < 60000, (key, said[key])
    assert "properties" not in said and "folders" not in said and "permissions" not in said
    more = api("/%s/describe" % project, {"properties": True, "permissions": True,
                                          "appCaches": True, "folders": True})
    same((more["properties"], more["permissions"], more["folders"]),
         ({"k": "v"}, {"user-alice": "ADMINISTER"}, ["/"]), "on request")
    # A second one of the same name.
    twin = api("/project/new", {"name": name})["id"]
    found = api("/system/findProjects", {"name": name, "level": "VIEW", "describe": True,
                                         "limit": 100})
    same({one["id"] for one in found["results"]}, {project, twin}, "projects of one name")
    same(found["next"], None, "next")
    same({one["describe"]["name"] for one in found["results"]}, {name}, "their names")
    first = [one for one in found["results"] if one["id"] == project][0]
    same((first["level"], first["public"], first["permissionSources"]),
         ("ADMINISTER", False, ["user-alice"]), "how it is found")
    page = api("/system/findProjects", {"name": {"glob": "A project*"}, "limit": 1})
    next_page = api("/system/findProjects", {"name": {"glob": "A project*"}, "limit": 1,
                                             "starting": page["next"]})
    same({page["results"][0]["id"], next_page["results"][0]["id"]}, {project, twin}, "pages")
    same(next_page["next"], None, "the last page")
    # update, tags, properties
    api("/%s/update" % project, {"name": "plain", "summary": "new", "protected": False,
                                 "previewViewerRestricted": False,
                                 "downloadRestricted": False})
    api("/%s/addTags" % project, {"tags": ["u"]})
    api("/%s/removeTags" % project, {"tags": ["t"]})
    api("/%s/setProperties" % project, {"properties": {"k": None, "l": "m"}})
    said = api("/%s/describe" % project, {"defaultFields": True, "fields": {"properties": True}})
    same((said["name"], said["summary"], said["protected"], said["tags"], said["properties"],
          said["previewViewerRestricted"]),
         ("plain", "new", False, ["u"], {"l": "m"}, False), "after updates")
    # who may
    bob.fails("ResourceNotFound", "/%s/describe" % project)
    bob.fails("ResourceNotFound", "/%s/destroy" % project)
    same(api("/%s/invite" % project, {"invitee": "user-bob", "level": "VIEW",
                                      "suppressEmailNotification": True}),
         {"id": project, "state": "accepted"}, "invite")
    api.fails("ResourceNotFound", "/%s/invite" % project, {"invitee": "user-no", "level": "VIEW"})
    same(bob("/%s/describe" % project)["level"], "VIEW", "bob's level")
    bob.fails("PermissionDenied", "/%s/destroy" % project)
    bob.fails("PermissionDenied", "/%s/newFolder" % project, {"folder": "/x"})
    bob.fails("PermissionDenied", "/%s/update" % project, {"name": "bobs"})
    api("/%s/invite" % project, {"invitee": "b@example.org", "level": "CONTRIBUTE"})
    same(bob("/%s/describe" % project)["level"], "CONTRIBUTE", "by e-mail address")
    api("/%s/decreasePermissions" % project, {"user-bob": "UPLOAD"})
    same(api("/%s/describe" % project, {"permissions": True})["permissions"],
         {"user-alice": "ADMINISTER", "user-bob": "UPLOAD"}, "permissions")
    api.fails("InvalidInput", "/%s/decreasePermissions" % project, {"user-bob": "CONTRIBUTE"})
    api.fails("InvalidState", "/%s/decreasePermissions" % project, {"user-alice": None})
    bob("/%s/decreasePermissions" % project, {"user-bob": None})
    bob.fails("ResourceNotFound", "/%s/describe" % project)
    api("/%s/invite" % project, {"invitee": "PUBLIC", "level": "VIEW"})
    same(bob("/%s/describe" % project)["level"], "VIEW", "public")
    same(bob("/system/findProjects", {"explicitPermission": True})["results"], [], "explicit ones")
    same([one["id"] for one in bob("/system/findProjects", {"public": True})["results"]],
         [project], "public ones")
    # rmproject
    api("/%s/describe" % twin)
    same(api("/%s/destroy" % twin, {"terminateJobs": False}), {"id": twin}, "destroy")
    api.fails("ResourceNotFound", "/%s/describe" % twin)
    return project


def folders(api, project):
    route = "/%s/" % project
    same(api(route + "newFolder", {"folder": "/a/b/c", "parents": True}), {"id": project}, "mkdir")
    api(route + "newFolder", {"folder": "/a/b/c", "parents": True})
    api.fails("InvalidState", route + "newFolder", {"folder": "/a", "parents": False})
    api.fails("ResourceNotFound", route + "newFolder", {"folder": "/no/such", "parents": False})
    for wrong in ("x", "", 3, "/a/../b", "/a\nb"):
        api.fails("InvalidInput", route + "newFolder", {"folder": wrong})
    same(api(route + "listFolder", {"folder": "/a", "only": "folders"}), {"folders": ["/a/b"]},
         "only folders")
    same(api(route + "listFolder", {"folder": "//a/", "only": "objects"}), {"objects": []},
         "only objects")
    same(api(route + "listFolder", {}), {"objects": [], "folders": ["/a"]}, "the root folder")
    error = api.fails("ResourceNotFound", route + "listFolder", {"folder": "/x"})
    assert re.search('Folder "/x" does not exist in project "%s"' % project, error.message), error
    same(api("/%s/describe" % project, {"folders": True})["folders"],
         ["/", "/a", "/a/b", "/a/b/c"], "all folders")
    # dx mv FOLDER, both forms
    api(route + "renameFolder", {"folder": "/a/b", "newpath": "/a/x"})
    api(route + "renameFolder", {"folder": "/a/x/c", "name": "d"})
    same(api("/%s/describe" % project, {"folders": True})["folders"],
         ["/", "/a", "/a/x", "/a/x/d"], "renamed")
    api(route + "newFolder", {"folder": "/to", "parents": False})
    api(route + "move", {"objects": [], "folders": ["/a/x/d"], "destination": "/to",
                         "targetFileRelocation": False})
    same(api("/%s/describe" % project, {"folders": True})["folders"],
         ["/", "/a", "/a/x", "/to", "/to/d"], "moved")
    api.fails("InvalidState", route + "move", {"folders": ["/to"], "destination": "/to/d"})
    api(route + "newFolder", {"folder": "/d"})
    api.fails("InvalidState", route + "move", {"folders": ["/d"], "destination": "/to"})
    # rmdir, rm -r
    api.fails("InvalidState", route + "removeFolder", {"folder": "/to", "partial": True})
    same(api(route + "removeFolder", {"folder": "/to/d", "partial": True}),
         {"id": project, "completed": True}, "rmdir")
    api(route + "removeFolder", {"folder": "/a", "recurse": True, "force": True, "partial": True})
    api(route + "removeFolder", {"folder": "/a", "recurse": True, "force": True, "partial": True})
    api.fails("ResourceNotFound", route + "removeFolder", {"folder": "/a", "recurse": True})
    api(route + "removeFolder", {"folder": "/", "recurse": True, "force": True, "partial": True})
    same(api("/%s/describe" % project, {"folders": True})["folders"], ["/"], "rm -r /")


def files(api, project, other):
    rng = random.Random(7)
    small, empty = b"small content", b""
    big = rng.randbytes(2 * PART + 1234567)
    small_id = upload(api, project, "small.txt", small)
    empty_id = upload(api, project, "empty", empty)
    big_id = upload(api, project, "big", big)
    said = api("/%s/describe" % small_id, {"project": project})
    want = {"id": small_id, "project": project, "class": "file", "sponsored": False,
            "name": "small.txt", "types": [], "state": "closed", "hidden": False, "links": [],
            "folder": "/", "tags": [], "createdBy": {"user": "user-alice"},
            "media": "application/octet-stream", "archivalState": "live", "size": len(small)}
    for key, value in want.items():
        same(said.get(key, "(missing)"), value, key)
    same(sorted(said), sorted(list(want) + ["created", "modified"]), "the default fields")
    same(api("/%s/describe" % small_id, {"fields": {"name": True, "size": True, "nonsense": True}}),
         {"id": small_id, "name": "small.txt", "size": len(small)}, "exactly these fields")
    said = api("/%s/describe" % big_id, {"properties": True, "details": True, "parts": True})
    same((said["properties"], said["details"]), ({}, {}), "on request")
    same({index: part["size"] for index, part in said["parts"].items()},
         {"1": PART, "2": PART, "3": 1234567}, "the table of parts")
    for file, data in ((small_id, small), (empty_id, empty), (big_id, big)):
        same(md5(download(api, file, project)), md5(data), "downloaded")
    # `describe` takes a project for a hint, `download` does not.
    same(api("/%s/describe" % small_id, {"project": other})["project"], project, "the real one")
    api.fails("ResourceNotFound", "/%s/download" % small_id, {"project": other})
    api.fails("ResourceNotFound", "/%s/download" % small_id,
              {"project": "project-000000000000000000000000"})
    urls = [api("/%s/download" % small_id, {"preauthenticated": True, "duration": seconds,
                                            "filename": "a b"})["url"] for seconds in (60, 60)]
    assert urls[0] != urls[1] and urls[0].endswith("/a%20b"), urls
    same(api.transfer("GET", urls[0])[2], small, "by a URL alone")
    same(api.transfer("GET", urls[0], headers={"Range": "bytes=100-"})[0], 416, "no such range")
    same(api.transfer("HEAD", urls[0])[1]["content-length"], str(len(small)), "HEAD")
    same(api.transfer("PUT", urls[0], b"x")[0], 405, "a PUT to it")
    broken = urls[0].replace("transfers/", "transfers/0")
    same(api.transfer("GET", broken)[0], 403, "a broken URL")
    # Errors of uploads.
    api.fails("InvalidState", "/%s/upload" % small_id, {"index": 1, "size": 1, "md5": md5(b"x")})
    file = api("/file/new", {"project": project})["id"]
    same(api("/%s/describe" % file)["name"], file, "the default name")
    assert "size" not in api("/%s/describe" % file)
    error = api.fails("InvalidState", "/%s/close" % file)
    same(api("/%s/describe" % file, {"fields": {"parts": True}}), {"id": file, "parts": {}},
         "no parts")
    to = api("/%s/upload" % file, {"index": 2, "size": 3, "md5": md5(b"abc")})
    same(api("/%s/describe" % file, {"fields": {"parts": True}})["parts"],
         {"2": {"state": "pending"}}, "a part that is awaited")
    api.fails("InvalidState", "/%s/close" % file)
    for data in (b"abd", b"ab", b"abcd"):
        status, headers, body = api.transfer("PUT", to["url"], data, to["headers"])
        assert status == 400 and not headers["content-type"].startswith("application/json"), status
    same(api.transfer("PUT", to["url"], b"abc")[0], 200, "the right bytes")
    api.fails("InvalidInput", "/%s/upload" % file, {"index": 0, "size": 1, "md5": md5(b"x")})
    api.fails("InvalidInput", "/%s/upload" % file, {"index": 1, "size": 1, "md5": "x"})
    upload_part(api, file, 1, b"first")  # too short for one that is not the last
    api.fails("InvalidState", "/%s/close" % file)
    upload_part(api, file, 1, bytes(PART))
    upload_part(api, file, 2, b"last one wins")
    api.fails("InvalidState", "/%s/download" % file, {})
    api("/%s/close" % file)
    same(download(api, file, project), bytes(PART) + b"last one wins", "parts again")
    # A URL for a part is of no use once the file is closed.
    same(api.transfer("PUT", to["url"], b"abc")[0], 409, "closed")
    return small_id, empty_id, big_id


def resumed(api, project, restart):
    """An upload goes on after the daemon was started anew."""
    file = api("/file/new", {"project": project, "name": "resumed"})["id"]
    upload_part(api, file, 2, b"tail")
    restart()
    same(api("/%s/describe" % file, {"fields": {"parts": True}})["parts"],
         {"2": {"size": 4, "md5": md5(b"tail"), "state": "complete"}}, "parts after a restart")
    upload_part(api, file, 1, b"h" * PART)
    api("/%s/close" % file)
    same(download(api, file, project), b"h" * PART + b"tail", "resumed")
    api("/%s/removeObjects" % project, {"objects": [file], "force": True})


def records(api, project):
    asked = {"project": project, "folder": "/recs", "parents": True, "name": "r",
             "types": ["T"], "tags": ["a", "b"], "properties": {"p": "1"},
             "details": {"x": [1, 2.5, None, True]}, "nonce": "n1"}
    record = api("/record/new", asked)["id"]
    same(api("/record/new", asked)["id"], record, "the same nonce")
    api.fails("InvalidInput", "/record/new", dict(asked, name="s"))
    api.fails("InvalidInput", "/record/new", dict(asked, nonce="n" * 129))
    api.fails("ResourceNotFound", "/record/new", {"project": project, "folder": "/none"})
    for key, value in (("tags", "a"), ("tags", [1]), ("properties", {"p": 1}), ("details", "x"),
                       ("hidden", "no"), ("name", ""), ("types", {})):
        api.fails("InvalidInput", "/record/new", {"project": project, key: value})
    route = "/%s/" % record
    same(api(route + "getDetails"), {"x": [1, 2.5, None, True]}, "details")
    long_details = {"text": "d" * 100000, "list": list(range(1000))}
    api(route + "setDetails", long_details)
    same(api(route + "getDetails"), long_details, "long details")
    api(route + "setDetails", [1, {"$dnanexus_link": record}])
    same(api(route + "describe")["links"], [record], "links")
    api.fails("InvalidInput", route + "setDetails", {"$dnanexus_link": record, "more": 1})
    api(route + "addTypes", {"types": ["U"]})
    api(route + "removeTypes", {"types": ["T"]})
    api(route + "setVisibility", {"hidden": True})
    same((lambda d: (d["types"], d["hidden"], d["state"]))(api(route + "describe")),
         (["U"], True, "open"), "while it is open")
    api(route + "setVisibility", {"hidden": False})
    same(api(route + "close"), {"id": record}, "close")
    for method, data in (("setDetails", {}), ("addTypes", {"types": ["V"]}),
                         ("setVisibility", {"hidden": True})):
        api.fails("InvalidState", route + method, data)
    api(route + "addTags", {"project": project, "tags": ["c", "a"]})
    api(route + "removeTags", {"project": project, "tags": ["b"]})
    api(route + "setProperties", {"project": project, "properties": {"p": None, "q": "2"}})
    api(route + "rename", {"project": project, "name": "a / new \u00e9 name"})
    said = api(route + "describe", {"properties": True})
    same((said["tags"], said["properties"], said["name"]),
         (["a", "c"], {"q": "2"}, "a / new \u00e9 name"), "after it was closed")
    api.fails("InvalidInput", route + "rename", {"name": "x"})
    # initializeFrom: what is given wins.
    copy = api("/record/new", {"project": project, "initializeFrom": {"id": record,
                                                                      "project": project},
                               "tags": ["mine"]})["id"]
    said = api("/%s/describe" % copy, {"properties": True, "details": True})
    same((said["name"], said["tags"], said["properties"], said["details"], said["types"]),
         ("a / new \u00e9 name", ["mine"], {"q": "2"}, [1, {"$dnanexus_link": record}], ["U"]),
         "initializeFrom")
    return record, copy


def find(api, project, other, files_made, records_made):
    small, empty, big = files_made
    record, copy = records_made

    def hits(**query):
        query.setdefault("scope", {"project": project, "folder": "/", "recurse": True})
        answer = api("/system/findDataObjects", query)
        for one in answer["results"]:
            assert set(one) <= {"id", "project", "describe"}, one
        return [one["id"] for one in answer["results"]]
    same(set(hits(name={"glob": "sm*"})), {small}, "by glob")
    same(set(hits(name={"glob": "SM*"})), set(), "globs tell cases apart")
    same(set(hits(name={"regexp": "^SMALL", "flags": "i"})), {small}, "by regular expression")
    api.fails("InvalidInput", "/system/findDataObjects", {"name": {"regexp": "("}})
    api.fails("InvalidInput", "/system/findDataObjects",
              {"name": {"regexp": "(a+)+$"}, "scope": {"project": project}, "limit": 0})
    same(set(hits(name="a / new \u00e9 name")), {record, copy}, "by an exact name")
    same(hits(**{"class": "record", "state": "open"}), [copy], "by class and state")
    same(set(hits(tags="a")), {record}, "by a tag")
    same(set(hits(tags={"$and": ["a", "c"]})), {record}, "by tags")
    same(set(hits(tags={"$or": ["c", "mine"]})), {record, copy}, "by one of some tags")
    same(set(hits(properties={"q": True})), {record, copy}, "by a property")
    same(set(hits(properties={"q": "3"})), set(), "by another value")
    same(set(hits(type="U")), {record, copy}, "by type")
    same(set(hits(link=record)), {record, copy}, "by link")
    same(set(hits(id=[small, big])), {small, big}, "by id")
    same(hits(created={"after": int(time.time() * 1000) + 10 ** 6}), [], "made later")
    same(hits(modified={"before": -10 ** 6}), [], "modified earlier")
    same(set(hits(name={"glob": "*"}, scope={"project": project, "folder": "/",
                                             "recurse": False}, visibility="either"))
         >= {small, empty, big, copy}, True, "of one folder")
    api.fails("ResourceNotFound", "/system/findDataObjects",
              {"scope": {"project": project, "folder": "/none", "recurse": False}, "name": "x"})
    everything = hits()
    paged, starting = [], None
    while True:
        query = {"scope": {"project": project}, "limit": 2}
        if starting:
            query["starting"] = starting
        answer = api("/system/findDataObjects", query)
        paged += [one["id"] for one in answer["results"]]
        starting = answer["next"]
        if not starting:
            break
    same(paged, everything, "in pages")
    modified = [api("/%s/describe" % one)["modified"] for one in everything]
    same(modified, sorted(modified, reverse=True), "the newest first")
    answer = api("/system/findDataObjects", {
        "id": [small], "describe": {"fields": {"name": True, "size": True}}})
    same(answer, {"results": [{"project": project, "id": small, "describe": {
        "id": small, "name": "small.txt", "size": 13}}], "next": None}, "with descriptions")
    same(api("/system/resolveDataObjects", {"objects": [
        {"name": "small.txt"}, {"name": "none"}, {"name": "big", "folder": "/none"}],
        "project": project}),
        {"results": [[{"project": project, "id": small}], [], []]}, "resolve")
    said = api("/system/describeDataObjects", {"objects": [
        {"id": small, "describe": {"fields": {"name": True}}}, "file-" + "0" * 24]})
    same(said["results"][0], {"describe": {"id": small, "name": "small.txt"}}, "describe many")
    same(said["results"][1]["error"]["type"], "ResourceNotFound", "one that is not there")
    # ls -l
    said = api("/%s/listFolder" % project, {"folder": "/", "includeHidden": False, "describe": {
        "fields": {"id": True, "class": True, "name": True, "folder": True, "length": True,
                   "modified": True, "project": True, "size": True, "state": True}}})
    row = [one for one in said["objects"] if one["id"] == small][0]["describe"]
    same({key: row[key] for key in row if key != "modified"},
         {"id": small, "class": "file", "name": "small.txt", "folder": "/", "project": project,
          "size": 13, "state": "closed"}, "ls -l")


def copies(api, bob, project, other, files_made):
    """As `dx cp`, `dx mv` and `dx rm`."""
    small, empty, big = files_made
    clone = lambda source, **data: api("/%s/clone" % source, dict(
        {"objects": [], "folders": [], "targetFileRelocation": False}, **data))
    same(clone(project, objects=[small], project=other, destination="/"),
         {"id": project, "project": other, "exists": []}, "cp OBJECT")
    same(clone(project, objects=[small], project=other, destination="/")["exists"], [small],
         "cp again")
    # cp and rename
    api.fails("ResourceNotFound", "/%s/listFolder" % other,
              {"folder": "/renamed", "only": "folders"})
    clone(project, objects=[big], project=other, destination="/")
    api("/%s/rename" % big, {"project": other, "name": "renamed"})
    same(api("/%s/describe" % big, {"project": other})["name"], "renamed", "cp and rename")
    same(api("/%s/describe" % big, {"project": project})["name"], "big", "the source")
    same(md5(download(api, big, other)), md5(download(api, big, project)), "its content")
    # a folder, and again; "copy and rename" of one
    api("/%s/newFolder" % project, {"folder": "/tree/deep", "parents": True})
    deep = upload(api, project, "deep file", b"deep", folder="/tree/deep")
    clone(project, folders=["/tree"], project=other, destination="/")
    error = api.fails("InvalidState", "/%s/clone" % project, {
        "objects": [], "folders": ["/tree"], "project": other, "destination": "/"})
    assert "If cloned, a folder would conflict" in error.message, error
    api("/%s/newFolder" % other, {"folder": "/again", "parents": False})
    same(clone(project, folders=["/tree/deep"], objects=[], project=other,
               destination="/again")["exists"], [deep], "the folder's content is there already")
    same(api("/%s/listFolder" % other, {"folder": "/again"}),
         {"objects": [], "folders": ["/again/deep"]}, "its folders are made all the same")
    # root into a new project
    third = api("/project/new", {"name": "third"})["id"]
    open_ones = [one["id"] for one in api("/system/findDataObjects", {
        "scope": {"project": project}, "state": "open"})["results"]]
    api.fails("InvalidState", "/%s/clone" % project, {
        "folders": ["/"], "project": third, "destination": "/"})
    same(api("/%s/listFolder" % third, {}), {"objects": [], "folders": []}, "nothing was made")
    for one in open_ones:
        api("/%s/close" % one)
    clone(project, folders=["/"], project=third, destination="/")
    names = lambda where: sorted((one["describe"]["folder"], one["describe"]["name"], one["id"])
                                 for one in api("/system/findDataObjects", {
                                     "scope": {"project": where}, "visibility": "either",
                                     "describe": {"fields": {"folder": True, "name": True}}}
                                 )["results"])
    same(names(third), names(project), "cp /")
    same(api("/%s/listProjects" % small),
         {project: "ADMINISTER", other: "ADMINISTER", third: "ADMINISTER"}, "listProjects")
    bob.fails("ResourceNotFound", "/%s/listProjects" % small)
    # mv, rm
    api("/%s/move" % third, {"objects": [small], "folders": ["/tree/deep"], "destination": "/recs"})
    same([one[0] for one in names(third) if one[2] in (small, deep)], ["/recs", "/recs/deep"], "mv")
    api.fails("ResourceNotFound", "/%s/move" % third, {"objects": [small], "destination": "/none"})
    same(api("/%s/removeObjects" % third, {"objects": [], "force": True}), {"id": third},
         "rm of none")
    api("/%s/removeObjects" % third, {"objects": [small, small], "force": True})
    api("/%s/removeObjects" % third, {"objects": [small], "force": True})
    api.fails("ResourceNotFound", "/%s/removeObjects" % third, {"objects": [small]})
    same(api("/%s/listProjects" % small), {project: "ADMINISTER", other: "ADMINISTER"}, "after rm")
    same(download(api, small, project), b"small content", "other copies stay")
    # Hidden ones go with what led to them.
    hidden = api("/record/new", {"project": third, "name": "h", "hidden": True,
                                 "close": True})["id"]
    tops = [api("/record/new", {"project": third, "name": "top", "close": True,
                                "details": {"$dnanexus_link": hidden}})["id"] for _ in range(2)]
    api("/%s/removeObjects" % third, {"objects": tops[:1]})
    same(api("/%s/describe" % hidden)["hidden"], True, "one still leads to it")
    api("/%s/removeObjects" % third, {"objects": tops[1:]})
    api.fails("ResourceNotFound", "/%s/describe" % hidden)
    api("/%s/destroy" % third, {"terminateJobs": True})


def archived(api, project, other, file):
    api.fails("InvalidInput", "/%s/archive" % project, {"files": ["file-" + "0" * 24]})
    api.fails("InvalidInput", "/%s/archive" % project, {"files": [file], "folder": "/"})
    same(api("/%s/archive" % project, {"files": [file], "allCopies": False}),
         {"id": project, "count": 1}, "archive")
    state = lambda where: api("/%s/describe" % file, {"project": where})["archivalState"]
    same((state(project), state(other)), ("archival", "live"), "one copy of two")
    api.fails("InvalidState", "/%s/download" % file, {"project": project})
    api("/%s/archive" % other, {"files": [file]})
    same((state(project), state(other)), ("archived", "archived"), "both copies")
    same([one["id"] for one in api("/system/findDataObjects", {
        "scope": {"project": project}, "archivalState": "archived"})["results"]], [file], "found")
    said = api("/%s/unarchive" % project, {"files": [file], "rate": "Standard", "dryRun": True})
    same((said["id"], said["files"], said["cost"]), (project, 1, 0), "a dry run")
    same(state(project), "archived", "after a dry run")
    api("/%s/unarchive" % project, {"files": [file], "rate": "Standard"})
    same((state(project), state(other)), ("live", "archival"), "unarchived")
    api("/%s/unarchive" % other, {"folder": "/", "recurse": True, "rate": "Standard"})
    same(state(other), "live", "all live again")


# --- calls from many connections ------------------------------------------------------------------


class Model:
    """What may be seen of folder /f and what it is renamed to, in a target of two objects."""

    START = (None, frozenset())  # where the objects are (a folder), and which folders there are

    @staticmethod
    def after(state, call, answer):
        """The state after a call with this answer; None: no serial order gives that answer here."""
        where, there = state
        kind = call[0]
        if kind == "clone":
            if "/f" in there:
                return state if answer == "InvalidState" else None
            if answer not in ("made", "exists"):
                return None
            if where is None:
                return ("/f", there | {"/f"}) if answer == "made" else None
            return (where, there | {"/f"}) if answer == "exists" else None
        if kind == "remove":
            if call[1] not in there:
                return state if answer == "ResourceNotFound" else None
            if answer != "ok":
                return None
            return (None if where == call[1] else where, there - {call[1]})
        if call[1] not in there:
            return state if answer == "ResourceNotFound" else None
        if call[2] in there:
            return state if answer == "InvalidState" else None
        if answer != "ok":
            return None
        return (call[2] if where == call[1] else where, (there - {call[1]}) | {call[2]})


def explains(history, end):
    """Whether some serial order that keeps who was before whom gives all answers and this end."""
    everything, seen = (1 << len(history)) - 1, set()

    def candidates(done):
        left = [i for i in range(len(history)) if not done >> i & 1]
        horizon = min((history[i][3] for i in left), default=0)  # the first that ended
        return [i for i in left if history[i][0] <= horizon]

    def search(done, state):
        # What is answered rightly here and changes nothing can only come here or where it is in
        # nobody's way: it need not be tried elsewhere.
        moved = True
        while moved:
            moved = False
            for i in candidates(done):
                if Model.after(state, history[i][1], history[i][2]) == state:
                    done, moved = done | 1 << i, True
        if done == everything:
            return state == end
        if (done, state) in seen:
            return False
        seen.add((done, state))
        for i in candidates(done):
            state_after = Model.after(state, history[i][1], history[i][2])
            if state_after is not None and search(done | 1 << i, state_after):
                return True
        return False
    return search(0, Model.START)


def concurrent(api, host, token, rounds, connections, calls):
    source = api("/project/new", {"name": "shared source"})["id"]
    for i in range(2):
        api("/record/new", {"project": source, "folder": "/f", "parents": True, "name": str(i),
                            "close": True})
    clients = [Client(host, token) for _ in range(connections)]
    rng = random.Random(1)
    choices = [("clone",), ("clone",), ("remove", "/f"), ("remove", "/g"), ("move", "/f", "/g"),
               ("move", "/g", "/f")]

    def perform(client, target, call):
        try:
            if call[0] == "clone":
                answer = client("/%s/clone" % source, {"objects": [], "folders": ["/f"],
                                                       "project": target, "destination": "/"})
                return "exists" if len(answer["exists"]) == 2 else \
                    "made" if not answer["exists"] else "some: %s" % answer
            if call[0] == "remove":
                client("/%s/removeFolder" % target, {"folder": call[1], "recurse": True,
                                                     "partial": True})
            else:
                client("/%s/renameFolder" % target, {"folder": call[1], "newpath": call[2]})
            return "ok"
        except ApiError as error:
            return error.type

    for number in range(rounds):
        target = api("/project/new", {"name": "shared target %d" % number})["id"]
        plans = [[rng.choice(choices) for _ in range(calls)] for _ in clients]
        histories, gate = [[] for _ in clients], threading.Barrier(len(clients))

        def work(at):
            gate.wait()
            for call in plans[at]:
                begin = time.monotonic_ns()
                answer = perform(clients[at], target, call)
                histories[at].append((begin, call, answer, time.monotonic_ns()))
        threads = [threading.Thread(target=work, args=(at,)) for at in range(len(clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        history = sorted(sum(histories, []))
        answers = {answer for _, _, answer, _ in history}
        assert answers <= {"made", "exists", "ok", "InvalidState", "ResourceNotFound"}, answers
        there = frozenset(api("/%s/describe" % target, {"folders": True})["folders"]) - {"/"}
        found = api("/system/findDataObjects", {"scope": {"project": target}, "describe": {
            "fields": {"folder": True}}})["results"]
        places = {one["describe"]["folder"] for one in found}
        assert len(found) in (0, 2) and len(places) <= 1, found
        end = (places.pop() if places else None, there)
        sys.setrecursionlimit(10000)
        assert explains(history, end), "no serial order explains round %d: %s -> %s" % (
            number, [(call, answer) for _, call, answer, _ in history], end)
        api("/%s/destroy" % target)


class Daemon:
    def __init__(self, ramet, store):
        self.ramet, self.store = ramet, store
        self.listen = "127.0.0.1:0"
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.ramet, "serve", self.store, "--listen", self.listen],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = []
        while True:
            line = self.process.stdout.readline()
            assert line, "the daemon did not start:\n" + "".join(said)
            said.append(line)
            found = re.search(r"serving .* on http://(\S+)", line)
            if found:
                break
        self.host = self.listen = found.group(1)
        threading.Thread(target=lambda out: [None for _ in out], args=(self.process.stdout,),
                         daemon=True).start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert self.process.returncode == 0, self.process.returncode


def main():
    ramet = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        run(ramet, "init", store)
        daemon = Daemon(ramet, store)
        try:
            command = lambda *more: run(ramet, "--store", store, *more)
            command("user", "create", "alice", "--title", "Alice A. Clark", "--email",
                    "a@example.org")
            command("user", "create", "bob", "--email", "b@example.org")
            tokens = {who: command("token", "create", who).split()[-1] for who in ("alice", "bob")}
            api, bob = (Client(daemon.host, tokens[who]) for who in ("alice", "bob"))

            def restart():
                daemon.stop()
                daemon.start()
                api.connection = bob.connection = None
            whoami(api)
            login(api)
            project = projects(api, bob)
            api("/%s/decreasePermissions" % project, {"PUBLIC": None})
            other = api("/project/new", {"name": "other"})["id"]
            folders(api, project)
            made = files(api, project, other)
            resumed(api, project, restart)
            written = records(api, project)
            find(api, project, other, made, written)
            copies(api, bob, project, other, made)
            archived(api, project, other, made[0])
            # What arrived here is everybody's.
            listed = command("ls", "plain:/")
            assert "small.txt" in listed and "big" in listed, listed
            same(command("cat", "plain:/small.txt"), "small content", "by the command line")
            concurrent(api, daemon.host, tokens["alice"], 6, 6, 3)
            concurrent(api, daemon.host, tokens["alice"], 4, 32, 3)
            print("the API's commands, and %d connections, as they should be" % 32)
        finally:
            daemon.stop()
        run(ramet, "fsck", store)


if __name__ == "__main__":
    main()
