"""A daemon and a client of it for tests that need every byte in their hands: Signature Version 4
and HTTP/1.1 over plain sockets, of python's standard library alone. For kill_test.py, hostile.py.
"""

import base64
import datetime
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

SKIPPED = 77
MAIN = os.getpid()
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=600, **options)
    assert done.returncode == 0, "%s failed (%d):\n%s%s" % (
        " ".join(map(str, command)), done.returncode, done.stdout, done.stderr)
    return done.stdout


def free_port():
    """A port that is free, below those that the system gives to connections: while no daemon
    listens, a client that tries again and again would otherwise connect to itself some day
    (simultaneous open, RFC 9293 3.5)."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        lowest = int(file.read().split()[0])
    for port in range(max(lowest - 1 - os.getpid() % 8000, 1025), 1024, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


class Daemon:
    """`ramet serve` of a store of its own; it can be killed and started anew on the same port."""

    def __init__(self, ramet, folder, *options, log_level="warning"):
        self.ramet, self.folder = ramet, folder
        self.store = os.path.join(folder, "store")
        self.options = list(options)
        self.log_level = log_level
        self.log = os.path.join(folder, "daemon.log")
        self.port = free_port()
        self.process = None
        run(ramet, "init", self.store)
        run(ramet, "--store", self.store, "user", "create", "ada", "--super-admin")
        self.token = run(ramet, "--store", self.store, "token", "create", "ada").split()[-1]
        key = json.loads(run(ramet, "--store", self.store, "key", "create", "ada", "--json"))
        self.key = Key(key["id"], key["secret"])

    def command(self, *arguments):
        return run(self.ramet, "--store", self.store, *arguments)

    def start(self, wait=True):
        with open(self.log, "ab") as errors:
            self.process = subprocess.Popen(
                [self.ramet, "serve", self.store, "--listen", "127.0.0.1:%d" % self.port,
                 "--log-level", self.log_level, "--no-progress", *self.options],
                stdout=subprocess.PIPE, stderr=errors, text=True)
        if not wait:
            return
        line = self.process.stdout.readline()
        assert "serving" in line, "the daemon did not start:\n%s" % self.log_end()

    def log_end(self):
        with open(self.log, "rb") as file:
            return file.read()[-8000:].decode(errors="replace")

    def check_alive(self):
        code = self.process.poll()
        assert code is None, "the daemon ended by itself, with %d:\n%s" % (code, self.log_end())

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        self.process.stdout.close()

    def stop(self):
        """Ends it as an operator does. A build with sanitizers tells by its code of what leaked."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the daemon did not stop")
        assert code == 0, "the daemon ended with %d:\n%s" % (code, self.log_end())

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def resident_bytes(self):
        with open("/proc/%d/statm" % self.process.pid) as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def check_store(self):
        """After its end: nothing but hints may be wrong with any byte of the store."""
        done = subprocess.run([self.ramet, "fsck", "--data", "--json", "--no-progress", self.store],
                              capture_output=True, text=True, timeout=3600)
        found = json.loads(done.stdout)
        assert done.returncode == 0 and found["lost"] == 0 and found["damage"] == 0, (
            done.returncode, found["findings"][:20], done.stderr)
        return found


def hmac_sha256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def quote(text):
    return urllib.parse.quote(text, safe="/-_.~")


class Key:
    """An access key and its signatures (AWS Signature Version 4)."""

    def __init__(self, key_id, secret, region="us-east-1"):
        self.id, self.secret, self.region = key_id, secret, region
        self.derived = {}

    def signing_key(self, day):
        if day not in self.derived:
            key = hmac_sha256(("AWS4" + self.secret).encode(), day)
            for part in (self.region, "s3", "aws4_request"):
                key = hmac_sha256(key, part)
            self.derived = {day: key}
        return self.derived[day]

    def scope(self, stamp):
        return "%s/%s/s3/aws4_request" % (stamp[:8], self.region)

    def signature(self, stamp, canonical):
        text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (
            stamp, self.scope(stamp), hashlib.sha256(canonical.encode()).hexdigest())
        return hmac.new(self.signing_key(stamp[:8]), text.encode(), hashlib.sha256).hexdigest()

    @staticmethod
    def canonical_query(query):
        pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
        return "&".join("%s=%s" % pair for pair in sorted(
            (urllib.parse.quote(name, safe="-_.~"), urllib.parse.quote(value, safe="-_.~"))
            for name, value in pairs))

    def sign(self, method, target, headers, payload=UNSIGNED, offset=0):
        """The headers and those of the signature. `offset`: seconds that the clock is off."""
        path, _, query = target.partition("?")
        signed = {name.lower(): str(value).strip() for name, value in headers.items()}
        stamp = now_stamp(offset)
        signed["x-amz-date"] = stamp
        signed["x-amz-content-sha256"] = payload
        names = ";".join(sorted(signed))
        canonical = "\n".join([
            method, path, self.canonical_query(query),
            "".join("%s:%s\n" % (name, signed[name]) for name in sorted(signed)), names, payload])
        seal = self.signature(stamp, canonical)
        signed["authorization"] = (
            "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
            % (self.id, self.scope(stamp), names, seal))
        return signed

    def presign(self, method, path, host, expires=600, offset=0):
        stamp = now_stamp(offset)
        query = urllib.parse.urlencode({
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Date": stamp,
            "X-Amz-Credential": "%s/%s" % (self.id, self.scope(stamp)),
            "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": "host"})
        canonical = "\n".join([method, path, self.canonical_query(query), "host:%s\n" % host,
                               "host", UNSIGNED])
        return "%s?%s&X-Amz-Signature=%s" % (path, query, self.signature(stamp, canonical))


def now_stamp(offset=0):
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
    return then.strftime("%Y%m%dT%H%M%SZ")


def head_bytes(method, target, headers):
    lines = ["%s %s HTTP/1.1" % (method, target)]
    lines += ["%s: %s" % pair for pair in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        """S3's name of an error, or the stable code of a REST problem."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        if found:
            return found.group(1).decode()
        try:
            return json.loads(self.body).get("code", "")
        except ValueError:
            return ""

    def __repr__(self):
        return "%d %s %r" % (self.status, self.headers, self.body[:600])


class Cut(Exception):
    """The connection ended, or could not be made, before a whole answer was there."""


class Wire:
    """One connection. Not thread-safe."""

    def __init__(self, port, timeout=120, source=None, receive_bytes=None):
        self.port = port
        self.host = "127.0.0.1:%d" % port
        self.socket = socket.socket()
        try:
            self.socket.settimeout(timeout)
            if receive_bytes:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(("127.0.0.1", port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self.socket.close()
            raise Cut(str(error)) from error
        self.left = b""

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends it with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, *pieces):
        try:
            for piece in pieces:
                self.socket.sendall(piece)
        except TimeoutError:
            raise AssertionError("the daemon reads nothing: it hangs") from None
        except OSError as error:
            raise Cut(str(error)) from error

    def more(self):
        try:
            got = self.socket.recv(1 << 18)
        except TimeoutError:
            raise AssertionError("no answer: the daemon hangs") from None
        except OSError as error:
            raise Cut(str(error)) from error
        if not got:
            raise Cut("the connection ended")
        return got

    def take(self, count):
        pieces, have = [self.left], len(self.left)
        while have < count:
            pieces.append(self.more())
            have += len(pieces[-1])
        whole = b"".join(pieces)
        self.left = whole[count:]
        return whole[:count]

    def line(self, end=b"\r\n"):
        while end not in self.left:
            self.left += self.more()
        line, _, self.left = self.left.partition(end)
        return line

    def answer(self, method="GET"):
        while True:
            head = self.line(b"\r\n\r\n").decode("latin-1").split("\r\n")
            status = int(head[0].split()[1])
            if status != 100:
                break
        headers = {}
        for field in head[1:]:
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        if method == "HEAD" or status in (204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                size = int(self.line(), 16)
                body += self.take(size)
                assert self.take(2) == b"\r\n"
                if size == 0:
                    return Answer(status, headers, body)
        return Answer(status, headers, self.take(int(headers.get("content-length", "0"))))

    def is_closed(self):
        """Waits for the peer's end."""
        try:
            return self.left == b"" and self.more() == b""
        except Cut:
            return True


class Client:
    """Signed requests over one connection that is made anew when it was cut."""

    def __init__(self, port, key, token=None):
        self.port, self.key, self.token = port, key, token
        self.host = "127.0.0.1:%d" % port
        self.wire = None

    def close(self):
        if self.wire:
            self.wire.close()
        self.wire = None

    def connect(self):
        if self.wire is None:
            self.wire = Wire(self.port)

    def exchange(self, method, target, headers, body):
        self.connect()
        try:
            self.wire.send(head_bytes(method, target, headers), body)
            answer = self.wire.answer(method)
        except Cut:
            self.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def s3(self, method, target, body=b"", headers=None, payload=None, offset=0):
        """`target`: encoded, with its query. Signs the body unless `payload` says otherwise."""
        fields = {"host": self.host, **(headers or {})}
        if payload is None:
            payload = hashlib.sha256(body).hexdigest() if len(body) < 1 << 16 else UNSIGNED
        signed = self.key.sign(method, target, fields, payload, offset)
        if body or method in ("PUT", "POST"):
            signed.setdefault("content-length", str(len(body)))
        return self.exchange(method, target, signed, body)

    def rest(self, method, target, body=b"", headers=None):
        fields = {"host": self.host, "authorization": "Bearer " + self.token, **(headers or {})}
        if body or method in ("PUT", "POST", "PATCH"):
            fields.setdefault("content-length", str(len(body)))
        return self.exchange(method, target, fields, body)

    def must(self, status, method, target, body=b"", **more):
        answer = self.s3(method, target, body, **more)
        assert answer.status == status, (method, target, answer)
        return answer

    def listing(self, bucket, prefix="", marks=("Key", "Size")):
        """{key: size}, by ListObjectsV2."""
        found, token = {}, ""
        while True:
            target = "/%s?list-type=2&prefix=%s" % (bucket, urllib.parse.quote(prefix, safe=""))
            target += "&encoding-type=url"
            if token:
                target += "&continuation-token=" + urllib.parse.quote(token, safe="")
            text = self.must(200, "GET", target).body.decode()
            for item in re.findall(r"<Contents>(.*?)</Contents>", text, re.S):
                key, size = (re.search("<%s>([^<]*)</%s>" % (mark, mark), item).group(1)
                             for mark in marks)
                key = urllib.parse.unquote_plus(key)
                assert key not in found, "%r is listed twice" % key
                found[key] = int(size)
            following = re.search(r"<NextContinuationToken>([^<]*)<", text)
            if not following:
                return found
            token = following.group(1)


def healthy(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def md5_base64(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def until(what, condition, seconds=120):
    """Waits for something that must come; how soon is not what is tested."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came: " + what
        time.sleep(0.05)


def end_on_sigterm():
    """So that what was started and mounted is ended then, too."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1) if os.getpid() != MAIN else exit(1))


def new_folder(parent=None):
    return tempfile.TemporaryDirectory(prefix="ramet-", dir=parent)
