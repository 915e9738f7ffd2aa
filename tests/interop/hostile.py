#!/usr/bin/env python3
"""What clients should not do, done to a started daemon over plain sockets.

Goal: every such thing gets the right error, changes nothing, costs next to nothing, and leaves
nothing behind.
Method: one daemon with short time limits; each test below does one kind of harm and checks the
answers. After each the daemon must answer at once and a put and a get must work; at the end the
objects must be exactly those that were put rightly, the daemon must hold as many descriptors as at
the start and end with 0 (which of a build with sanitizers also says that nothing leaked), and
`ramet fsck --data` must find nothing. A disk that fills up is a small file system of its own; the
test is left out, and says so, where none may be mounted.

usage: hostile.py RAMET [--only NAME] [--idle N] [--folder DIR]
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import random
import re
import resource
import subprocess
import sys
import time
import traceback
import zlib

from raw_s3 import (EMPTY_SHA256, UNSIGNED, Client, Cut, Daemon, Key, Wire, end_on_sigterm,
                    head_bytes, healthy, md5_base64, new_folder, quote, until)

BUCKET = "hostile"
TREE = "tree"  # a container with folders
LIMITS = ["--header-timeout", "3s", "--stall-timeout", "4s", "--rate-grace", "6s",
          "--idle-timeout", "10m", "--connections-max", "20000"]
BIG = random.Random(8).randbytes(8 << 20)


class Target:
    """The daemon, and what must be in it."""

    def __init__(self, daemon, options):
        self.daemon, self.options, self.port = daemon, options, daemon.port
        self.key = daemon.key
        self.host = "127.0.0.1:%d" % self.port
        self.client = Client(self.port, daemon.key, daemon.token)
        self.objects = {}  # of the bucket

    def url(self, name):
        return "/%s/%s" % (BUCKET, quote(name))

    def put(self, name, body):
        self.client.must(200, "PUT", self.url(name), body)
        self.objects[name] = body

    def wire(self, **options):
        return Wire(self.port, **options)

    def raw(self, *pieces, method="GET", **options):
        """Sends bytes on a connection of its own. Returns the first answer; whether it ended."""
        wire = self.wire(**options)
        try:
            try:
                wire.send(*pieces)
            except Cut:
                pass  # it may have answered and ended before it had all
            answer = wire.answer(method)
            closed = answer.headers.get("connection", "").lower() == "close"
            if closed:
                assert wire.is_closed(), "there is more behind the last answer"
            return answer, closed
        finally:
            wire.close()

    def signed(self, method, target, headers=None, payload=UNSIGNED, **options):
        fields = self.key.sign(method, target, {"host": self.host, **(headers or {})}, payload,
                               **options)
        return head_bytes(method, target, fields)

    def check(self):
        """That it goes on as ever."""
        self.daemon.check_alive()
        assert healthy(self.port)
        body = os.urandom(1000)
        self.put("still-here", body)
        assert self.client.must(200, "GET", self.url("still-here")).body == body

    def check_objects(self):
        listed = self.client.listing(BUCKET)
        wanted = {name: len(body) for name, body in self.objects.items()}
        assert listed == wanted, (sorted(set(listed.items()) ^ set(wanted.items()))[:20])
        for name, body in self.objects.items():
            assert self.client.must(200, "GET", self.url(name)).body == body, name


def expect(answer, status, code=None):
    assert answer.status == status and code in (None, answer.code), (
        "%d %s was expected: %r" % (status, code or "", answer))


# --- names ----------------------------------------------------------------------------------------

def test_keys(t):
    """In a bucket a key is a name and nothing else, whatever it looks like."""
    names = ["..", "../..", "a/../b", "./x", "//x", "a//b", "a/", "a\\b", "%2e%2e/x", "a b+c?d#e&f",
             "a\nb", "\x7f", "\u202e", "x" * 1024, "\u20ac" * 341 + "x", "-", "etc/passwd"]
    for name in names:
        t.put(name, name.encode()[:50])
    # However it is written: a path is decoded once and never made shorter.
    for written, name in (("%2e%2e", ".."), ("a/%2E%2e/b", "a/../b"), ("%2fx", "/x"),
                          ("%252e%252e/x", "%2e%2e/x")):
        target = "/%s/%s" % (BUCKET, written)
        answer, _ = t.raw(t.signed("GET", target))
        if name in t.objects:
            expect(answer, 200)
            assert answer.body == t.objects[name]
        else:
            expect(answer, 404, "NoSuchKey")
    for written, status, code in (
            ("a%00b", 400, "InvalidURI"), ("%00", 400, "InvalidURI"), ("%c0%ae", 400, "InvalidURI"),
            ("%c0%ae%c0%ae/x", 400, "InvalidURI"), ("%e0%80%af", 400, "InvalidURI"),
            ("%f0%80%80%af", 400, "InvalidURI"), ("%ed%a0%80", 400, "InvalidURI"),
            ("%f4%90%80%80", 400, "InvalidURI"), ("%ff", 400, "InvalidURI"),
            ("a%", 400, "InvalidURI"), ("a%2", 400, "InvalidURI"), ("a%zz", 400, "InvalidURI"),
            ("x" * 1025, 400, "KeyTooLongError"), ("%e2%82%ac" * 342, 400, "KeyTooLongError")):
        for method in ("GET", "PUT", "DELETE"):
            target = "/%s/%s" % (BUCKET, written)
            answer, _ = t.raw(t.signed(method, target, {"content-length": "0"}))
            expect(answer, status, code)
    for bucket in ("..", "%2e%2e", ".", ".uploads", "%2euploads", "a%2f..%2f" + BUCKET, "B" * 300,
                   BUCKET + "%2f..%2f.uploads"):
        answer, _ = t.raw(t.signed("GET", "/%s/x" % bucket))
        assert answer.status == 404, (bucket, answer)
        assert answer.code in ("NoSuchBucket", "NoSuchKey"), (bucket, answer)
    answer, _ = t.raw(t.signed("PUT", "/.uploads", {"content-length": "0"}))
    expect(answer, 400, "InvalidBucketName")
    for target in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
                   "/" + BUCKET + "/../.uploads/"):
        answer, _ = t.raw(("GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target).encode())
        expect(answer, 403, "AccessDenied")  # who shows nothing is told nothing
    # Where a container has folders, no path leads anywhere but down.
    for key in ("..", "a/../b", "./x", "a//b", "/x", "x" * 256):
        answer = t.client.s3("PUT", "/%s/%s" % (TREE, quote(key)), b"x")
        assert answer.status == 400, (key, answer)


def test_rest_paths(t):
    base = "/v1/containers/%s/content/" % TREE
    for path in ("%c0%ae", "%c0%ae%c0%ae/x", "%ed%a0%80"):  # imported names may be no UTF-8
        expect(t.client.rest("GET", base + path), 404, "not_found")
        expect(t.client.rest("PUT", base + path, b"x"), 400)
    for path in ("..", "../x", "a/../x", "%2e%2e/x", "a/%2E%2e/x", "%2e", "a//x", "a%00", "%00",
                 "a%2fb", "%", "a%z1"):
        for method in ("GET", "PUT", "DELETE" if path == ".." else "HEAD"):
            answer = t.client.rest(method, base + path, b"x" if method == "PUT" else b"")
            if method == "DELETE":
                assert answer.status in (400, 405), answer
            else:
                assert answer.status == 400, (method, path, answer)
    for target in ("/v1/../.uploads/x", "/v1/%2e%2e/x", "/v1/containers/..",
                   "/v1/containers/%2e%2e",
                   "/v1/containers/.uploads", "/v1/containers/%2euploads/folders/",
                   "/v1/containers/a%2f..%2f" + TREE):
        answer = t.client.rest("GET", target)
        assert answer.status in (400, 404), (target, answer)
    long = t.client.rest("PUT", base + "x" * 256, b"x")
    assert long.status == 400, long
    assert b'"entries":[]' in t.client.rest("GET", "/v1/containers/%s/folders/" % TREE).body


# --- framing --------------------------------------------------------------------------------------

def test_framing(t):
    """Where two readers could disagree about what a request is, nothing is read into it."""
    host = b"Host: x\r\n"
    for head, status in (
            (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + host * 2 + b"\r\n", 400),
            (b"GET / HTTP/1.1\nHost: x\n\n", 400), (b"GET /\0 HTTP/1.1\r\n" + host + b"\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"A: b\0c\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n c\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"A : b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"A: b\rc\r\n\r\n", 400),
            (b"GET  / HTTP/1.1\r\n" + host + b"\r\n", 400),
            (b"\x16\x03\x01\x02\0\1\0\1\xfc\3", 400),
            (b"GET / HTTP/2.0\r\n" + host + b"\r\n", 505),
            (b"PUT / HTTP/1.1\r\n" + host + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400),
            (b"PUT / HTTP/1.1\r\n" + host + b"Content-Length: 3\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n", 400),
            (b"PUT / HTTP/1.1\r\n" + host + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
            (b"PUT / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 501),
            *[(b"PUT / HTTP/1.1\r\n" + host + b"Content-Length: " + length + b"\r\n\r\n", status)
              for length, status in ((b"-1", 400), (b"+1", 400), (b"1e3", 400), (b"0x10", 400),
                                     (b"1 1", 400), (b"", 400), (b"18446744073709551616", 400),
                                     (b"18446744073709551615", 413))]):
        answer, closed = t.raw(head)
        assert answer.status == status and closed, (head, answer)
    # Chunks of a body that is stored otherwise.
    good = t.signed("PUT", t.url("chunks"), {"transfer-encoding": "chunked"})
    answer, _ = t.raw(good, b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n")
    expect(answer, 200)
    t.objects["chunks"] = b"hello world"
    for body in (b"5\r\nhello!\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"zz\r\n", b"\r\n",
                 b"fffffffffffffffff\r\n", b"5\nhello\n0\n\n", b"5\r\nhello\r\n0\r\n A\r\n\r\n",
                 b"5;" + b"x" * 70000, b"0\r\nA: " + b"x" * 70000):
        answer, closed = t.raw(t.signed("PUT", t.url("broken"), {"transfer-encoding": "chunked"}),
                               body)
        assert 400 <= answer.status < 500 and closed, (body[:40], answer)


def test_huge_headers(t):
    """1 GB of header is refused after a little of it, and no memory goes into it."""
    before = t.daemon.resident_bytes()
    piece = b"x" * (1 << 20)
    # What is one endless line, or many; of a name, of a value, of a target.
    for begin, part, statuses in (
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: ", piece, (431,)),
            (b"GET / HTTP/1.1\r\nHost: x\r\n", piece, (431,)),
            (b"GET / HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n" * 150_000, (431,)),
            (b"GET /", piece, (414, 431)), (b"", piece, (400, 431))):
        wire = t.wire()
        try:
            wire.send(begin)
            for _ in range(1 << 10):
                wire.send(part)
        except Cut:
            pass  # the answer is there for who looks; nobody is waited for very long
        wire.close()
        # As much as it takes to be refused, and so little that the answer is read for sure.
        answer, closed = t.raw(begin + (part * 2)[:70_000])
        assert answer.status in statuses and closed, (begin, answer)
    fields = b"".join(b"A%d: b\r\n" % i for i in range(300))
    answer, _ = t.raw(b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n")
    expect(answer, 431)
    answer, _ = t.raw(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    expect(answer, 414)
    grown = t.daemon.resident_bytes() - before
    assert grown < 128 << 20, "headers took %d bytes of memory" % grown


# --- bodies ---------------------------------------------------------------------------------------

def test_wrong_sizes(t):
    for size in (100, 3 << 20):
        body = BIG[:size]
        # Shorter than said: nothing is stored, whether the rest is missed at once or in the end.
        for ends in (True, False):
            wire = t.wire()
            wire.send(t.signed("PUT", t.url("short"), {"content-length": str(size + 10)}), body)
            if ends:
                wire.socket.shutdown(1)
            try:
                answer = wire.answer()  # it may also just end the connection
                assert 400 <= answer.status < 500, answer
            except Cut:
                pass
            wire.close()
        expect(t.client.s3("GET", t.url("short")), 404, "NoSuchKey")
        # Longer: what is too much is another request, and a broken one.
        name = "long-%d" % size
        wire = t.wire()
        wire.send(t.signed("PUT", t.url(name), {"content-length": str(size)}), body + b"\0\0\0")
        expect(wire.answer(), 200)
        expect(wire.answer(), 400)
        assert wire.is_closed()
        wire.close()
        t.objects[name] = body
    expect(t.raw(t.signed("PUT", t.url("none")))[0], 411, "MissingContentLength")
    expect(t.raw(t.signed("PUT", t.url("huge"), {"content-length": str(6 << 40)}))[0], 413)
    # Who may not store it is told so before he sends it.
    fields = t.key.sign("PUT", t.url("denied"), {"host": t.host, "content-length": str(1 << 40)})
    fields["authorization"] = fields["authorization"][:-4] + "0000"
    fields["expect"] = "100-continue"
    wire = t.wire()
    wire.send(head_bytes("PUT", t.url("denied"), fields))
    assert wire.line(b"\r\n").startswith(b"HTTP/1.1 403"), "it asked for what it does not take"
    wire.close()


def test_wrong_digests(t):
    for size in (1000, 2 << 20):
        body = BIG[:size]
        wrong = body[:-1] + bytes([body[-1] ^ 1])
        for headers, payload, status, code in (
                ({"content-md5": md5_base64(wrong)}, UNSIGNED, 400, "BadDigest"),
                ({"content-md5": "nonsense"}, UNSIGNED, 400, "InvalidDigest"),
                ({"content-md5": base64.b64encode(b"short").decode()}, UNSIGNED, 400,
                 "InvalidDigest"),
                ({}, hashlib.sha256(wrong).hexdigest(), 400, "XAmzContentSHA256Mismatch"),
                ({}, EMPTY_SHA256, 400, "XAmzContentSHA256Mismatch"),
                ({}, "nonsense", 400, "InvalidArgument"),
                ({"x-amz-checksum-crc32": crc32(wrong)}, UNSIGNED, 400, "BadDigest"),
                ({"x-amz-checksum-sha256": "AAAA"}, UNSIGNED, 400, "InvalidRequest"),
                ({"x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(wrong).digest()).decode()},
                 UNSIGNED, 400, "BadDigest"),
                ({"x-amz-checksum-crc32": crc32(body), "x-amz-checksum-crc32c": "AAAAAA=="},
                 UNSIGNED, 400, "InvalidRequest")):
            answer = Client(t.port, t.key).s3("PUT", t.url("digest"), body, headers, payload)
            expect(answer, status, code)
        answer = t.client.s3("PUT", t.url("digest-%d" % size), body,
                             {"content-md5": md5_base64(body), "x-amz-checksum-crc32": crc32(body)},
                             hashlib.sha256(body).hexdigest())
        expect(answer, 200)
        t.objects["digest-%d" % size] = body


def crc32(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


class Chunked:
    """A body in aws-chunked coding, right but for what is asked for."""

    def __init__(self, t, name, body, mode="STREAMING-AWS4-HMAC-SHA256-PAYLOAD", trailer=None,
                 length=None):
        self.key, self.body = t.key, body
        headers = {"host": t.host, "content-encoding": "aws-chunked",
                   "x-amz-decoded-content-length": str(len(body) if length is None else length)}
        if trailer:
            headers["x-amz-trailer"] = trailer[0]
        self.fields = t.key.sign("PUT", t.url(name), headers, mode)
        self.target = t.url(name)
        self.stamp = self.fields["x-amz-date"]
        self.last = self.fields["authorization"].rpartition("=")[2]
        self.signs = mode.startswith("STREAMING-AWS4")
        self.trailer = trailer

    def seal(self, kind, *hashes):
        text = "\n".join([kind, self.stamp, self.key.scope(self.stamp), self.last, *hashes])
        self.last = hmac.new(self.key.signing_key(self.stamp[:8]), text.encode(),
                             hashlib.sha256).hexdigest()
        return self.last

    def chunk(self, piece):
        if not self.signs:
            return b"%x\r\n" % len(piece) + piece + (b"\r\n" if piece else b"")
        seal = self.seal("AWS4-HMAC-SHA256-PAYLOAD", EMPTY_SHA256,
                         hashlib.sha256(piece).hexdigest())
        return (b"%x;chunk-signature=%s\r\n" % (len(piece), seal.encode()) + piece +
                (b"\r\n" if piece or not self.trailer else b""))

    def end(self):
        if not self.trailer:
            return b"" if self.signs else b"\r\n"
        text = "%s:%s\n" % self.trailer
        out = "%s:%s\r\n" % self.trailer
        if self.signs:
            seal = self.seal("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(text.encode()).hexdigest())
            out += "x-amz-trailer-signature:%s\r\n" % seal
        return out.encode() + b"\r\n"

    def pieces(self, size=70_000):
        cuts = [self.body[at:at + size] for at in range(0, len(self.body), size)]
        return [self.chunk(piece) for piece in cuts + [b""]] + [self.end()]

    def send(self, t, pieces):
        whole = b"".join(pieces)
        self.fields["content-length"] = str(len(whole))
        return t.raw(head_bytes("PUT", self.target, self.fields), whole)[0]


def flip(piece, at):
    return piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1:]


def test_chunk_signatures(t):
    signed_trailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    unsigned_trailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    for size in (200_000, 3_000_000):
        body = BIG[:size]
        right = ("x-amz-checksum-crc32", crc32(body))
        wrong = ("x-amz-checksum-crc32", crc32(body[1:]))
        for number, options in enumerate((
                {}, {"mode": signed_trailer, "trailer": right},
                {"mode": unsigned_trailer, "trailer": right})):
            name = "signed-%d-%d" % (size, number)
            coded = Chunked(t, name, body, **options)
            expect(coded.send(t, coded.pieces()), 200)
            t.objects[name] = body
            # Cut between two chunks, and one chunk left out.
            if number != 2:
                coded = Chunked(t, "bad", body, **options)
                pieces = coded.pieces()
                expect(coded.send(t, pieces[:1] + pieces[2:]), 403, "SignatureDoesNotMatch")
            coded = Chunked(t, "bad", body, **options)
            expect(coded.send(t, coded.pieces()[:2]), 400, "IncompleteBody")
            coded = Chunked(t, "bad", body, **options)
            expect(coded.send(t, coded.pieces() + [b"more"]), 400, "IncompleteBody")
            for length in (len(body) - 1, len(body) + 1):
                coded = Chunked(t, "bad", body, length=length, **options)
                expect(coded.send(t, coded.pieces()), 400, "IncompleteBody")
        for spoil in ((0, 90), (0, -10), (1, 30), (1, -10), (-2, 30)):  # seals, data
            coded = Chunked(t, "bad", body)
            pieces = coded.pieces()
            pieces[spoil[0]] = flip(pieces[spoil[0]], spoil[1])
            expect(coded.send(t, pieces), 403, "SignatureDoesNotMatch")
        coded = Chunked(t, "bad", body)
        pieces = [re.sub(rb";chunk-signature=\w+", b"", piece, count=1) for piece in coded.pieces()]
        expect(coded.send(t, pieces), 403, "SignatureDoesNotMatch")
        coded = Chunked(t, "bad", body)
        pieces = coded.pieces()
        expect(coded.send(t, [pieces[1], pieces[0]] + pieces[2:]), 403, "SignatureDoesNotMatch")
        for mode in (signed_trailer, unsigned_trailer):
            coded = Chunked(t, "bad", body, mode=mode, trailer=wrong)
            expect(coded.send(t, coded.pieces()), 400, "BadDigest")
        coded = Chunked(t, "bad", body, mode=signed_trailer, trailer=right)
        pieces = coded.pieces()
        expect(coded.send(t, pieces[:-1] + [flip(pieces[-1], -8)]), 403, "SignatureDoesNotMatch")
        coded = Chunked(t, "bad", body, mode=signed_trailer, trailer=right)
        pieces = coded.pieces()
        pieces[-1] = pieces[-1].replace(crc32(body).encode(), wrong[1].encode())
        expect(coded.send(t, pieces), 403, "SignatureDoesNotMatch")
    for junk in (b"fffffffffffffffffffff;chunk-signature=0\r\n", b"zz\r\n", b"\r\n",
                 b"-1;chunk-signature=0\r\n", b"x" * 20_000):
        answer = Chunked(t, "bad", b"x").send(t, [junk])
        assert answer.status in (400, 403), (junk[:40], answer)


# --- time and signatures --------------------------------------------------------------------------

def test_clocks(t):
    body = b"late"
    for offset in (-16 * 60, 16 * 60, -86_400, 86_400, 3650 * 86_400):
        expect(t.client.s3("PUT", t.url("skewed"), body, offset=offset), 403,
               "RequestTimeTooSkewed")
    for offset in (-14 * 60, 14 * 60):
        expect(t.client.s3("GET", "/" + BUCKET, offset=offset), 200)
    for expires, offset, status, code in ((60, -61, 403, "AccessDenied"), (60, 0, 200, None),
                                          (60, 20 * 60, 403, "AccessDenied"),
                                          (604_800, -604_000, 200, None),
                                          (604_801, 0, 400, "AuthorizationQueryParametersError"),
                                          (-1, 0, 400, "AuthorizationQueryParametersError")):
        target = t.key.presign("GET", t.url("still-here"), t.host, expires, offset)
        answer, _ = t.raw(head_bytes("GET", target, {"host": t.host}))
        expect(answer, status, code)
    # Good for what was signed and for nothing else.
    target = t.key.presign("GET", t.url("still-here"), t.host)
    for other, method in ((target.replace("X-Amz-Expires=600", "X-Amz-Expires=601"), "GET"),
                          (target.replace("still-here", "still-her%65x"), "GET"),
                          (target + "&versionId=null", "GET"), (target, "DELETE")):
        answer, _ = t.raw(head_bytes(method, other, {"host": t.host}), source="127.0.0.2")
        expect(answer, 403, "SignatureDoesNotMatch")


def test_wrong_signatures(t):
    """Who guesses has to wait, and nobody else with him."""
    liar = Key(t.key.id, "not the secret")
    stranger = Key("RMTKNOSUCHKEY0000000", "x")
    seen = set()
    for i in range(40):
        who = liar if i % 2 else stranger
        fields = who.sign("GET", "/" + BUCKET, {"host": t.host})
        answer, _ = t.raw(head_bytes("GET", "/" + BUCKET, fields), source="127.0.0.3")
        seen.add((answer.status, answer.code))
        if answer.code == "SlowDown":
            assert int(answer.headers["retry-after"]) > 0
    assert seen == {(403, "SignatureDoesNotMatch"), (403, "InvalidAccessKeyId"),
                    (503, "SlowDown")}, seen
    expect(t.client.s3("GET", "/" + BUCKET), 200)
    for name, value in (("authorization", "AWS4-HMAC-SHA256 Credential=,"),
                        ("authorization", "AWS4-HMAC-SHA256 " + "," * 5000),
                        ("authorization", "Basic eDp5"), ("authorization", "AWS a:b"),
                        ("x-amz-date", "yesterday")):
        fields = t.key.sign("GET", "/" + BUCKET, {"host": t.host})
        fields[name] = value
        answer, _ = t.raw(head_bytes("GET", "/" + BUCKET, fields), source="127.0.0.4")
        assert answer.status in (400, 403), (name, value[:40], answer)
    # A header that asks for more must be signed, too.
    fields = t.key.sign("PUT", t.url("unsigned"), {"host": t.host, "content-length": "0"})
    fields["x-amz-copy-source"] = "/%s/still-here" % BUCKET
    expect(t.raw(head_bytes("PUT", t.url("unsigned"), fields), source="127.0.0.4")[0], 403)


# --- connections ----------------------------------------------------------------------------------

def test_slow_loris(t):
    """Who sends a byte now and then is cut; meanwhile others are served."""
    starts = [b"GET / HTTP/1.1\r\nHost: x\r\nA: ",
              t.signed("PUT", t.url("slow"), {"content-length": "1000000"}),
              t.signed("PUT", t.url("slow"), {"transfer-encoding": "chunked"}) + b"100000\r\n"]
    t.put("big", b"".join([BIG] * 4))
    t.client.close()
    before = t.daemon.descriptors()
    wires = []
    for i in range(120):
        wires.append(t.wire())
        wires[-1].send(starts[i % len(starts)])
        wires[-1].socket.setblocking(False)
    # And who reads nothing of what he asked for.
    for i in range(8):
        wire = t.wire(receive_bytes=4096)
        wire.send(t.signed("GET", t.url("big")))
        wire.socket.setblocking(False)
        wires.append(wire)
    open_wires = set(wires[:-8])
    deadline = time.monotonic() + 120
    while open_wires:
        assert time.monotonic() < deadline, "%d slow ones are still served" % len(open_wires)
        for wire in list(open_wires):
            try:
                wire.socket.send(b"x")
                got = wire.socket.recv(4096)
                assert not got or b" 408 " in got[:20] or b" 400 " in got[:20], got
                if got:
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            open_wires.remove(wire)
        assert healthy(t.port)
        time.sleep(0.2)
    # (With some room for files of the store that are open now and were not.)
    until("the end of who reads nothing", lambda: t.daemon.descriptors() <= before + 4)
    for wire in wires:
        wire.close()


def test_idle_connections(t):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(t.options.idle, hard - 300)
    before = t.daemon.resident_bytes()
    wires = []
    try:
        for i in range(count):
            wires.append(t.wire())
            if i % 10 == 0:  # some had an answer before they became idle
                wires[-1].send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                expect(wires[-1].answer(), 200)
        until("all of them", lambda: t.daemon.descriptors() >= count)
        t.check()
        grown = t.daemon.resident_bytes() - before
        print("    %d connections cost %d KiB each" % (count, grown // count // 1024))
        for wire in wires[::97]:  # and they are still good
            wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            expect(wire.answer(), 200)
    finally:
        for wire in wires:
            wire.close()


def test_cut_connections(t):
    dice = random.Random(3)
    for i in range(60):
        wire = t.wire()
        size = dice.choice((1000, 200_000, 4 << 20))
        cut = dice.randrange(size)
        wire.send(t.signed("PUT", t.url("cut-%d" % i), {"content-length": str(size)}), BIG[:cut])
        (wire.reset if i % 2 else wire.close)()
        wire = t.wire(receive_bytes=4096)
        wire.send(t.signed("GET", t.url("big")))
        wire.take(dice.randrange(1, 100_000))
        (wire.reset if i % 2 else wire.close)()
        rest = {"host": t.host, "authorization": "Bearer " + t.daemon.token,
                "content-length": str(size)}
        wire = t.wire()
        wire.send(head_bytes("PUT", "/v1/containers/%s/content/cut-%d" % (TREE, i), rest),
                  BIG[:cut])
        (wire.reset if i % 2 else wire.close)()
    # In parts: those that were cut are not there; the upload can be completed with the others.
    answer = t.client.must(200, "POST", t.url("parts") + "?uploads")
    upload = re.search(rb"<UploadId>([^<]*)<", answer.body).group(1).decode()
    part = t.url("parts") + "?partNumber=%d&uploadId=" + upload
    tag = t.client.must(200, "PUT", part % 1, BIG[:6 << 20]).headers["etag"]
    for number in (1, 2, 3):
        wire = t.wire()
        wire.send(t.signed("PUT", part % number, {"content-length": str(5 << 20)}), BIG[:3 << 20])
        wire.reset()
    time.sleep(0.5)
    text = t.client.must(200, "GET", t.url("parts") + "?uploadId=" + upload).body.decode()
    assert re.findall("<PartNumber>([0-9]+)<", text) == ["1"], text
    document = ("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part>"
                "%s</CompleteMultipartUpload>")
    ghost = "<Part><PartNumber>2</PartNumber><ETag>%s</ETag></Part>" % tag
    target = t.url("parts") + "?uploadId=" + upload
    expect(t.client.s3("POST", target, (document % (tag, ghost)).encode()), 400, "InvalidPart")
    half = (document % (tag, "")).encode()
    wire = t.wire()
    wire.send(t.signed("POST", target, {"content-length": str(len(half))}), half[:-20])
    wire.reset()
    expect(t.client.s3("GET", t.url("parts")), 404, "NoSuchKey")
    done = t.client.must(200, "POST", target, half)
    assert b"<Error>" not in done.body, done
    t.objects["parts"] = BIG[:6 << 20]
    assert b'"entries":[]' in t.client.rest("GET", "/v1/containers/%s/folders/" % TREE).body


def test_metadata_sizes(t):
    expect(t.client.s3("PUT", t.url("meta"), b"", {"x-amz-meta-a": "x" * 3000}), 400,
           "MetadataTooLarge")
    for document in (b"<Delete>" * 100_000, b"<?xml", b"\0" * 1000,
                     b'<!DOCTYPE a [<!ENTITY b "cccc">]>'
                     b'<Delete><Object><Key>&b;</Key></Object></Delete>',
                     b"<Delete><Object><Key></Key></Object></Delete>"):
        answer = t.client.s3("POST", "/%s?delete" % BUCKET, document,
                             {"content-md5": md5_base64(document)})
        refused = answer.status == 400 or (answer.status == 200 and b"<Error>" in answer.body)
        assert refused, (document[:40], answer)
    answer = t.client.rest("POST", "/v1/containers", b"[" * 1_000_000,
                           {"content-type": "application/json"})
    assert answer.status == 400, answer


TESTS = [test_keys, test_rest_paths, test_framing, test_huge_headers, test_wrong_sizes,
         test_wrong_digests, test_chunk_signatures, test_clocks, test_wrong_signatures,
         test_metadata_sizes, test_slow_loris, test_idle_connections, test_cut_connections]


# --- a full disk ----------------------------------------------------------------------------------

FULL_LIVES = 5  # of daemons that are killed on a full disk


def test_full_disk(ramet, folder):
    disk = os.path.join(folder, "small")
    os.mkdir(disk)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "ramet-test", disk],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        print("  test_full_disk: skipped: no file system may be mounted here: " +
              mounted.stderr.strip())
        return
    daemon = None
    try:
        daemon = Daemon(ramet, disk)
        daemon.log = os.path.join(folder, "full.log")
        daemon.start()
        client = Client(daemon.port, daemon.key, daemon.token)
        client.must(200, "PUT", "/" + BUCKET)
        bodies, refused = {}, 0
        for i in range(200):
            name, body = "n%d" % i, os.urandom(2 << 20)
            if i % 2:
                answer = client.s3("PUT", "/%s/%s" % (BUCKET, name), body)
                full = (503, "ServiceUnavailable")
            else:
                answer = client.rest("PUT", "/v1/containers/%s/content/%s" % (BUCKET, name), body)
                full = (507, "out_of_space")
            if answer.status in (200, 201):
                assert not refused or i < 190, "the disk does not fill up"
                bodies[name] = body
                continue
            assert (answer.status, answer.code) == full, answer
            refused += 1
            if refused == 10:
                break
        assert refused == 10 and bodies, (refused, len(bodies))
        print("    full with %d objects" % len(bodies))
        listed = client.listing(BUCKET)
        assert listed == {name: len(body) for name, body in bodies.items()}, listed
        for name, body in bodies.items():
            assert client.must(200, "GET", "/%s/%s" % (BUCKET, name)).body == body
        assert healthy(daemon.port)
        # Those who go on trying do not use up what deleting needs, nor do lives that end badly.
        for life in range(FULL_LIVES):
            for i in range(20):
                size = (2 << 20, 4096, 300_000)[i % 3]
                answer = client.s3("PUT", "/%s/more%d" % (BUCKET, i), os.urandom(size))
                if answer.status == 200:  # a short one may still find room
                    assert size < 1 << 20, answer
                    client.must(204, "DELETE", "/%s/more%d" % (BUCKET, i))
                else:
                    assert (answer.status, answer.code) == (503, "ServiceUnavailable"), answer
            client.close()
            daemon.kill()
            daemon.start()
            assert client.listing(BUCKET) == {n: len(b) for n, b in bodies.items()}, life
        # Room is made by deleting, while it serves, whoever else goes on trying to put.
        for name in list(bodies)[::2] + list(bodies)[1::4]:
            client.must(204, "DELETE", "/%s/%s" % (BUCKET, name))
            del bodies[name]
        body = os.urandom(2 << 20)
        until("room", lambda: client.s3("PUT", "/%s/again" % BUCKET, body).status == 200)
        bodies["again"] = body
        client.close()
        daemon.stop()
        daemon.start()
        for name, body in bodies.items():
            assert client.must(200, "GET", "/%s/%s" % (BUCKET, name)).body == body
        client.close()
        daemon.stop()
        daemon.check_store()
    finally:
        if daemon and daemon.process and daemon.process.poll() is None:
            daemon.kill()
        subprocess.run(["umount", disk], check=False)


def attack(options, folder):
    daemon = Daemon(options.ramet, folder, *LIMITS, log_level="error")
    daemon.command("container", "create", TREE)
    daemon.start()
    failed = []
    try:
        t = Target(daemon, options)
        t.client.must(200, "PUT", "/" + BUCKET)
        t.check()
        t.put("big", BIG)
        t.client.close()
        until("an idle daemon", lambda: daemon.descriptors() < 200)
        time.sleep(0.5)
        descriptors = daemon.descriptors()
        for test in TESTS:
            if options.only and options.only not in test.__name__:
                continue
            begin = time.monotonic()
            try:
                test(t)
                t.check()
            except Exception:
                failed.append(test.__name__)
                traceback.print_exc(file=sys.stdout)
                t.client.close()
                daemon.check_alive()
            print("  %s: %s, %.1f s" % (test.__name__,
                                        "FAILED" if test.__name__ in failed else "ok",
                                        time.monotonic() - begin), flush=True)
        t.check_objects()
        t.client.close()
        # A few more stay open for files of the store that were written since.
        until("an end of all descriptors; there are %d instead of %d" % (
            daemon.descriptors(), descriptors), lambda: daemon.descriptors() <= descriptors + 8)
        left = json.loads(daemon.command("ls", "-R", "--json", ".uploads:"))
        assert all(item["class"] == "folder" for item in left), left
        daemon.stop()
    except BaseException:
        print(daemon.log_end())
        raise
    finally:
        if daemon.process.poll() is None:
            daemon.kill()
    daemon.check_store()
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--only", help="tests with this in their name")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--folder", help="where the store is made, and removed at the end")
    options = parser.parse_args()
    end_on_sigterm()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the daemon has it, too
    with new_folder(options.folder) as folder:
        failed = attack(options, folder) if options.only != "full_disk" else []
        if not options.only or options.only in "test_full_disk":
            begin = time.monotonic()
            test_full_disk(options.ramet, folder)
            print("  test_full_disk: %.1f s" % (time.monotonic() - begin))
    assert not failed, "failed: " + ", ".join(failed)
    print("nothing of it did any harm")


if __name__ == "__main__":
    sys.exit(main())
