#!/usr/bin/env python3
"""The REST API against its own OpenAPI description, over a started daemon.

Goal: what the description says is what the daemon does. Method: every request and every answer of a
walk through all resources is looked up in the served description (by method and path, as a client's
generator would) and checked with its schemas; at the end every operation must have been called.

usage: rest_test.py RAMET
"""

import concurrent.futures
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


class Description:
    def __init__(self, text):
        self.document = json.loads(text)
        self.called = set()
        self.check_itself()

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target[part]
            node = target
        return node

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if method != "parameters":
                    yield path, method, item, operation

    def check_itself(self):
        """What OpenAPI 3.1 asks for, as far as a generator stumbles over it."""
        assert self.document["openapi"].startswith("3.1.")
        assert self.document["info"]["title"] and self.document["info"]["version"]
        ids = [operation["operationId"] for _, _, _, operation in self.operations()]
        assert len(ids) == len(set(ids)), "an operationId stands twice"
        for path, method, item, operation in self.operations():
            names = set(re.findall(r"{([^}]*)}", path))
            given = {self.resolve(one)["name"] for one in item.get("parameters", [])}
            assert names == given, (path, names, given)
            assert operation["responses"], (method, path)
            for one in operation.get("parameters", []):
                assert {"name", "in", "schema"} <= set(self.resolve(one)), (method, path)
        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)
        self.check_references(self.document)

    def check_references(self, node):
        if isinstance(node, dict):
            if "$ref" in node:
                self.resolve(node)
            for one in node.values():
                self.check_references(one)
        if isinstance(node, list):
            for one in node:
                self.check_references(one)

    def find(self, method, path):
        best = None
        for pattern, item in self.document["paths"].items():
            # {path} takes slashes; all other parameters are one segment.
            expression = re.sub(r"{path}", "(.*)", pattern)
            expression = re.sub(r"{[^}]*}", "[^/]+", expression)
            if re.fullmatch(expression, path) and method.lower() in item:
                if best is None or pattern.count("{") < best[0].count("{"):
                    best = (pattern, item, item[method.lower()])
        assert best, "the description has no %s %s" % (method, path)
        return best

    def validate(self, value, schema, what):
        whole = dict(schema)
        whole["components"] = self.document["components"]
        checker = jsonschema.Draft202012Validator(whole)
        for error in checker.iter_errors(value):
            raise AssertionError("%s: %s at %s\n%s" % (what, error.message, list(error.path),
                                                       json.dumps(value)[:2000]))

    def check(self, method, target, body, status, headers, answer):
        path, _, query = target.partition("?")
        pattern, item, operation = self.find(method, path)
        what = "%s %s" % (method, target)
        self.called.add(operation["operationId"])
        known = {self.resolve(one)["name"]: self.resolve(one)
                 for one in operation.get("parameters", []) + item.get("parameters", [])}
        if status < 400:
            for name, _ in urllib.parse.parse_qsl(query, keep_blank_values=True):
                assert name in known and known[name]["in"] == "query", (what, name)
            if body is not None:
                content = operation["requestBody"]["content"]
                assert "application/json" in content, what
                self.validate(body, content["application/json"]["schema"], what + " (request)")
        responses = operation["responses"]
        response = self.resolve(responses.get(str(status), responses["default"]))
        if status >= 400:
            assert str(status) not in responses or response is not None
        content = response.get("content", {})
        kind = headers.get("content-type", "").split(";")[0]
        if not answer:
            assert not any("json" in one for one in content) or method == "HEAD", what
            return
        if "*/*" in content:
            return
        assert kind in content, (what, status, kind, list(content))
        if "json" in kind:
            self.validate(json.loads(answer), content[kind]["schema"], what)


class Client:
    def __init__(self, host, token, description=None):
        self.host, self.token, self.description = host, token, description

    def send(self, method, target, json_body=None, data=None, expect=None, **headers):
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            fields["Authorization"] = "Bearer " + self.token
        payload = data
        if json_body is not None:
            payload = json.dumps(json_body).encode()
            fields["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, target, payload, fields)
        response = connection.getresponse()
        answer = response.read()
        got = {name.lower(): value for name, value in response.getheaders()}
        connection.close()
        if expect is not None:
            assert response.status == expect, (method, target, response.status, answer[:1000])
        if self.description:
            self.description.check(method, target, json_body, response.status, got, answer)
        return response.status, got, answer

    def json(self, method, target, json_body=None, expect=200, **headers):
        return json.loads(self.send(method, target, json_body, None, expect, **headers)[2])


def events(host, token, target, count):
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", target, headers={"Authorization": "Bearer " + token})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    lines = []
    while sum(line.startswith("event: mark") for line in lines) < count:
        lines.append(response.readline().decode().rstrip("\n"))
    connection.close()
    return lines


def wait_for(client, url):
    while True:
        job = client.json("GET", url)
        if job["finished"]:
            return job
        time.sleep(0.05)


def walk(client, host, token):
    c = "/v1/containers/box"
    client.json("GET", "/v1")
    client.json("GET", "/v1/openapi.json")
    client.json("GET", "/openapi.json")
    client.json("GET", "/v1/me")
    client.json("POST", "/v1/containers", {"name": "box", "note": "for tests",
                                           "settings": {"versioning": "on"}}, 201)
    client.json("POST", "/v1/containers", {"name": "flat", "flat": True}, 201)
    client.json("POST", "/v1/containers", {"name": "box"}, 409)
    client.json("GET", "/v1/containers?prefix=b&limit=10")
    client.json("GET", c)
    client.json("PATCH", c, {"expires": None, "settings": {"compression": "none"}})
    client.json("GET", c + "/settings")
    client.json("PATCH", c + "/settings", {"compression": None})
    client.json("PUT", c + "/access", {"region": "here"})
    client.json("GET", c + "/access")

    # Folders, objects, content.
    client.json("PUT", c + "/folders/a/b", expect=201)
    client.send("PUT", c + "/content/a/b/o", data=b"one", expect=201, Content_Type="text/plain")
    status, got, _ = client.send("PUT", c + "/content/a/b/o", data=b"second", expect=200)
    first = client.json("GET", c + "/versions/a/b/o")["versions"][1]["version"]
    assert client.send("GET", c + "/content/a/b/o?version=%d" % first)[2] == b"one"
    client.json("PUT", c + "/content/a/b/o", None, 412, If_Match='"no"')
    assert client.send("GET", c + "/content/a/b/o", Range="bytes=1-3", expect=206)[2] == b"eco"
    client.send("GET", c + "/content/a/b/o", If_None_Match=got["etag"], expect=304)
    client.send("HEAD", c + "/content/a/b/o", expect=200)
    client.send("HEAD", c + "/content/none", expect=404)
    client.json("PUT", c + "/objects/a/link", {"target": "b/o"}, 201)
    client.json("PATCH", c + "/objects/a/b/o",
                {"metadata": {"types": ["t"], "tags": ["red"], "properties": {"k": "v"},
                              "details": {"deep": [1, 2]}},
                 "attributes": {"mode": "600", "xattrs": [{"name": "user.a", "value": "YQ=="}]}})
    about = client.json("GET", c + "/objects/a/b/o")
    client.json("GET", c + "/objects/a")
    client.json("GET", c + "/ids/" + about["id"])
    client.send("GET", c + "/ids/" + about["id"] + "/content", expect=200)
    client.send("HEAD", c + "/ids/" + about["id"] + "/content", expect=200)
    client.json("GET", c + "/folders/a?limit=1")
    client.json("GET", c + "/folders/")
    client.send("POST", c + "/move", {"from": "/a/link", "to": "/moved"}, expect=204)
    found = client.json("GET", c + "/search?name=*&tag=red&property=k:v&min-size=1")
    assert len(found["found"]) == 1, found
    big = os.urandom(3 << 20)
    client.send("PUT", c + "/content/big", data=big, expect=201)
    assert client.send("GET", c + "/content/big")[2] == big

    # Paths that mean something else to whoever shortens them.
    for path in ("../x", "%2e%2e/x", "a//x", "a%00", "a%2Fb"):
        client.json("GET", c + "/content/" + path, expect=400)
    client.json("PUT", c + "/content/%c0%ae", expect=400)

    # An upload in pieces, and one that is given up.
    status, got, _ = client.send("POST", c + "/uploads", {"length": 6}, expect=201)
    url = got["location"]
    client.send("PATCH", url, data=b"abc", expect=204, Upload_Offset="0")
    assert client.send("HEAD", url, expect=204)[1]["upload-offset"] == "3"
    client.send("PATCH", url, data=b"x", expect=409, Upload_Offset="1")
    client.send("PATCH", url, data=b"def", expect=204, Upload_Offset="3")
    client.json("GET", url)
    client.json("GET", c + "/uploads")
    client.json("POST", url + "/complete", {"path": "/joined"}, 201)
    assert client.send("GET", c + "/content/joined")[2] == b"abcdef"
    status, got, _ = client.send("POST", c + "/uploads", {}, expect=201)
    client.send("DELETE", got["location"], expect=204)

    # Batches.
    etag = client.send("GET", c)[1]["etag"]
    operations = [{"op": "put", "path": "/batch/o", "parents": True, "content": "eA=="},
                  {"op": "set", "path": "/batch/o", "metadata": {"tags": ["b"]}},
                  {"op": "delete", "path": "/moved"}]
    client.json("POST", c + "/batch", {"operations": operations}, If_Match=etag)
    client.json("POST", c + "/batch", {"operations": operations}, 412, If_Match=etag)

    # Snapshots, clones, differences, the past.
    client.json("POST", c + "/snapshots", {"name": "s1"}, 201)
    client.json("GET", c + "/snapshots")
    client.json("GET", c + "/snapshots/s1")
    client.json("PATCH", c + "/snapshots/s1", {"expires": "2999-01-01T00:00:00Z"})
    client.send("DELETE", c + "/objects/joined", expect=204)
    assert client.send("GET", c + "/content/joined?as-of=s1", expect=200)[2] == b"abcdef"
    client.json("GET", c + "/diff?from=@s1")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        watching = pool.submit(events, host, token, c + "/changes?since=@s1", 2)
        time.sleep(0.5)
        client.send("PUT", c + "/content/watched", data=b"w", expect=201)
        lines = watching.result(60)
    assert any('"/joined"' in line and "removed" in line for line in lines), lines
    assert any('"/watched"' in line and "added" in line for line in lines), lines
    client.description.called.add("watchChanges")
    client.json("POST", "/v1/clone", {"source": "box", "new_container": "copy"}, 201)
    client.json("POST", "/v1/clone", {"source": "copy", "paths": ["/a"], "target": "box",
                                      "target_folder": "/in", "identity": "fresh"})
    client.json("POST", c + "/rollback", {"snapshot": "s1"})
    client.json("POST", c + "/prune", {"policy": "last:1", "dry_run": True})
    client.send("DELETE", c + "/snapshots/s1", expect=204)

    # Usage and jobs.
    client.json("GET", c + "/usage")
    client.json("POST", "/v1/usage", {"targets": [{"container": "box"}], "would_free": True})
    client.json("POST", "/v1/usage", {})
    for body in ({"kind": "verify", "container": "box"}, {"kind": "checkpoint"},
                 {"kind": "reclaim"}, {"kind": "usage"}):
        _, got, _ = client.send("POST", "/v1/jobs", body, expect=202)
        job = wait_for(client, got["location"])
        assert job["state"] == "done", job
    client.json("GET", "/v1/jobs")
    client.json("DELETE", got["location"])

    # Who may do what.
    client.json("POST", "/v1/users", {"name": "ann", "title": "Ann"}, 201)
    client.json("GET", "/v1/users")
    client.json("GET", "/v1/users/ann")
    client.json("PATCH", "/v1/users/ann", {"may_create": False})
    client.json("POST", "/v1/groups", {"name": "team"}, 201)
    client.json("PUT", "/v1/groups/team/members/ann", {"admin": True}, 201)
    client.json("GET", "/v1/groups")
    client.json("GET", "/v1/groups/team")
    client.json("PATCH", "/v1/groups/team", {"title": "The team"})
    client.json("PUT", c + "/grants/team", {"level": "upload"})
    client.json("GET", c + "/grants")
    made = client.json("POST", "/v1/tokens", {"principal": "ann", "name": "laptop"}, 201)
    ann = Client(host, made["secret"], client.description)
    ann.json("GET", "/v1/me")
    ann.json("PUT", c + "/content/a/b/o", None, 403)
    ann.json("GET", "/v1/containers/copy", expect=404)
    ann.json("GET", "/v1/users", expect=403)
    client.json("GET", "/v1/tokens?principal=ann")
    client.send("DELETE", "/v1/tokens/" + made["id"], expect=204)
    ann.json("GET", "/v1/me", expect=401)
    key = client.json("POST", "/v1/keys", {"principal": "ann"}, 201)
    client.json("GET", "/v1/keys?principal=ann")
    client.send("DELETE", "/v1/keys/" + key["id"], expect=204)
    client.send("DELETE", c + "/grants/team", expect=204)
    client.send("DELETE", "/v1/groups/team/members/ann", expect=204)
    client.send("DELETE", "/v1/groups/team", expect=204)
    client.send("DELETE", "/v1/users/ann", expect=204)
    log = client.json("GET", "/v1/audit")
    assert made["secret"] not in json.dumps(log) and key["secret"] not in json.dumps(log)

    client.send("DELETE", c + "/folders/a?recursive", expect=204)
    client.send("DELETE", c, expect=204)
    dropped = client.json("GET", "/v1/dropped")["dropped"]
    number = [one["number"] for one in dropped if "snapshot" not in one][0]
    client.json("POST", "/v1/dropped/%d/undelete" % number, {})


def main():
    ramet = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        store = os.path.join(folder, "store")
        run(ramet, "init", store)
        daemon = subprocess.Popen([ramet, "serve", store, "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            host, said = None, []
            while host is None:
                line = daemon.stdout.readline()
                assert line, "the daemon did not start:\n" + "".join(said)
                said.append(line)
                found = re.search(r"serving .* on http://(\S+)", line)
                host = found and found.group(1)
            drain = concurrent.futures.ThreadPoolExecutor(1)
            drain.submit(lambda: [None for _ in daemon.stdout])
            run(ramet, "--store", store, "user", "create", "root", "--super-admin")
            token = run(ramet, "--store", store, "token", "create", "root").split()[-1]
            plain = Client(host, token)
            _, headers, text = plain.send("GET", "/openapi.json", expect=200)
            description = Description(text)
            status, headers, _ = Client(host, None).send("GET", "/openapi.json")
            assert status == 401 and "www-authenticate" in headers, (status, headers)
            walk(Client(host, token, description), host, token)
            everything = {operation["operationId"]
                          for _, _, _, operation in description.operations()}
            assert description.called == everything, everything - description.called
            print("%d operations agree with their description" % len(everything))
        finally:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                daemon.kill()
                raise
        assert daemon.returncode == 0, daemon.returncode


if __name__ == "__main__":
    main()
