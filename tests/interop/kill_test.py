#!/usr/bin/env python3
"""S3 clients work while the daemon is killed with SIGKILL and started anew, again and again.

Goal: what was acknowledged is there with its bytes, whatever was in flight when the daemon died
happened wholly or not at all, nothing of it stays behind, and the store is sound.
Method: every client puts (nothing to 8 MiB, whole, in parts, over REST), replaces, copies, deletes
and reads keys of its own, and replaces keys that all share. It remembers what was acknowledged and,
where the connection broke in the middle of a change, what may have happened. The bytes of a content
follow from who wrote it and which one it was, so a mixture or a beginning of two is neither. At the
end every key is read; the listing, the staging area and `ramet fsck --data` are looked at. A shared
key must hold a content that was whole, and that no acknowledged one followed.

usage: kill_test.py RAMET [--minutes M] [--kills N] [--clients N] [--processes N] [--rest-share N]
    [--folder DIR]
"""

import argparse
import collections
import hashlib
import json
import multiprocessing
import random
import re
import sys
import threading
import time
import traceback

from raw_s3 import Client, Cut, Daemon, end_on_sigterm, md5_base64, new_folder

BUCKET = "kill"
KEYS_MAX = 300       # of a client
SHARED_KEYS = 24
NOISE_BYTES = 24 << 20
PART_BYTES = 5 << 20  # the least that a part but the last may have
NOISE = random.Random(6).randbytes(NOISE_BYTES)
HEAD = "%d:%d:%d\n"  # client, number, size: of every content that has room for it

# A content: who wrote it, its number there, its size. None: there is no object.
Content = collections.namedtuple("Content", "client number size")


def bytes_of(content):
    seal = hashlib.sha256(("%d:%d" % (content.client, content.number)).encode()).digest()
    at = int.from_bytes(seal[:4], "big") % (NOISE_BYTES - content.size)
    head = ((HEAD % content).encode() + seal)[:content.size]
    return head + NOISE[at:at + content.size - len(head)]


class Known:
    """Of a key: the content that was acknowledged last, and what may have come since."""

    def __init__(self):
        self.acknowledged = None
        self.perhaps = []

    def may_be(self):
        return [self.acknowledged] + self.perhaps


class Worker(threading.Thread):
    """One client with one connection at a time."""

    def __init__(self, number, port, key, token, stop, rest_share):
        super().__init__(daemon=True)
        self.number, self.stop_event, self.rest_share = number, stop, rest_share
        self.client = Client(port, key, token)
        self.random = random.Random(number)
        self.known = {}
        self.shared = []  # (key, content, begin, end); end: None where it was not acknowledged
        self.contents = 0
        self.counts = collections.Counter()
        self.faults = []

    # --- bookkeeping -----------------------------------------------------------------------------

    def fault(self, text):
        if len(self.faults) < 20:
            self.faults.append("client %d: %s" % (self.number, text))

    def new_content(self, size):
        self.contents += 1
        return Content(self.number, self.contents, size)

    def some_size(self):
        dice = self.random.random()
        if dice < 0.05:
            return 0
        if dice < 0.45:
            return self.random.randint(1, 4096)
        if dice < 0.80:
            return self.random.randint(4096, 100_000)
        if dice < 0.97:
            return self.random.randint(100_000, 1 << 20)
        return self.random.randint(1 << 20, 8 << 20)

    def some_key(self):
        """A key for a change: often a new one."""
        if self.known and (len(self.known) >= KEYS_MAX or self.random.random() < 0.25):
            return self.random.choice(list(self.known))
        return "c%d/%05d" % (self.number, len(self.known))

    def present(self):
        return [key for key, known in self.known.items() if known.acknowledged]

    def change(self, key, content, ask, what):
        """Runs a change and takes down what is known then. `ask` returns the answer."""
        self.client.connect()  # what was never sent did not happen
        known = self.known.setdefault(key, Known())
        try:
            answer = ask()
        except Cut:
            known.perhaps.append(content)
            self.counts["in flight"] += 1
            raise
        if answer.status in (200, 201, 204):
            known.acknowledged, known.perhaps = content, []
            self.counts[what] += 1
        else:
            self.refused(what, answer)
        return answer

    def refused(self, what, answer):
        # Told to come again: nothing was done.
        if (answer.status, answer.code) in ((503, "SlowDown"), (409, "busy")):
            self.counts["told to slow down"] += 1
            time.sleep(0.05)
        else:
            self.fault("%s: %r" % (what, answer))

    # --- operations ------------------------------------------------------------------------------

    def put(self):
        content = self.new_content(self.some_size())
        body = bytes_of(content)
        headers = {}
        if self.random.random() < 0.3:
            headers["content-md5"] = md5_base64(body)
        key = self.some_key()
        self.change(key, content, lambda: self.client.s3(
            "PUT", "/%s/%s" % (BUCKET, key), body, headers), "puts")

    def put_by_rest(self):
        content = self.new_content(self.some_size())
        key = self.some_key()
        self.change(key, content, lambda: self.client.rest(
            "PUT", "/v1/containers/%s/content/%s" % (BUCKET, key), bytes_of(content)),
            "puts by REST")

    def put_shared(self):
        key = "shared/%02d" % self.random.randrange(SHARED_KEYS)
        content = self.new_content(self.random.randint(100, 300_000))
        body = bytes_of(content)
        self.client.connect()
        begin = time.monotonic()
        try:
            answer = self.client.s3("PUT", "/%s/%s" % (BUCKET, key), body)
        except Cut:
            self.shared.append((key, content, begin, None))
            raise
        if answer.status == 200:
            self.shared.append((key, content, begin, time.monotonic()))
            self.counts["puts of shared keys"] += 1
        else:
            self.refused("put of a shared key", answer)

    def delete(self):
        keys = self.present()
        if not keys:
            return
        key = self.random.choice(keys)
        self.change(key, None, lambda: self.client.s3("DELETE", "/%s/%s" % (BUCKET, key)),
                    "deletes")

    def copy(self):
        sources = [key for key in self.present() if not self.known[key].perhaps]
        if not sources:
            return
        source = self.random.choice(sources)
        key = self.some_key()
        if key == source:
            return
        self.change(key, self.known[source].acknowledged, lambda: self.client.s3(
            "PUT", "/%s/%s" % (BUCKET, key),
            headers={"x-amz-copy-source": "/%s/%s" % (BUCKET, source)}), "copies")

    def put_in_parts(self):
        parts = self.random.choice((1, 2, 2, 3))
        size = (parts - 1) * PART_BYTES + self.random.randint(1, 1 << 20)
        content = self.new_content(size)
        body = bytes_of(content)
        key = self.some_key()
        target = "/%s/%s" % (BUCKET, key)
        answer = self.client.s3("POST", target + "?uploads")
        if answer.status != 200:
            return self.refused("CreateMultipartUpload", answer)
        upload = re.search(rb"<UploadId>([^<]*)<", answer.body).group(1).decode()
        tags = {}
        for number in self.random.sample(range(1, parts + 1), parts):
            at = (number - 1) * PART_BYTES
            answer = self.client.s3(
                "PUT", "%s?partNumber=%d&uploadId=%s" % (target, number, upload),
                body[at:at + PART_BYTES])
            if answer.status != 200:
                return self.refused("UploadPart", answer)
            self.counts["parts"] += 1
            tags[number] = answer.headers["etag"]
        document = "<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % "".join(
            "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % (number, tags[number])
            for number in sorted(tags))

        def complete():
            answer = self.client.s3("POST", "%s?uploadId=%s" % (target, upload), document.encode())
            if answer.status == 200 and b"<Error>" in answer.body:
                answer.status = 500
            return answer
        self.change(key, content, complete, "uploads in parts")

    def get(self):
        if not self.known:
            return
        key = self.random.choice(list(self.known))
        self.look(key)

    def look(self, key):
        """Reads a key of its own, and compares. What was open is known then."""
        known = self.known[key]
        answer = self.client.s3("GET", "/%s/%s" % (BUCKET, key))
        for content in known.may_be():
            if content is None:
                if answer.status == 404 and answer.code == "NoSuchKey":
                    break
            elif answer.status == 200 and answer.body == bytes_of(content):
                break
        else:
            if answer.status == 503:
                return self.refused("get", answer)
            return self.fault("%s is %d, %d bytes that begin with %r; it may be %r" % (
                key, answer.status, len(answer.body), answer.body[:80], known.may_be()))
        if known.perhaps:
            self.counts["happened" if content in known.perhaps else "did not happen"] += 1
        known.acknowledged, known.perhaps = content, []
        self.counts["gets"] += 1

    def get_range(self):
        keys = [key for key in self.present()
                if not self.known[key].perhaps and self.known[key].acknowledged.size > 0]
        if not keys:
            return
        key = self.random.choice(keys)
        content = self.known[key].acknowledged
        first = self.random.randrange(content.size)
        last = self.random.randint(first, content.size - 1)
        answer = self.client.s3("GET", "/%s/%s" % (BUCKET, key),
                                headers={"range": "bytes=%d-%d" % (first, last)})
        if answer.status != 206 or answer.body != bytes_of(content)[first:last + 1]:
            return self.fault("%s, bytes %d to %d of %r: %d, %d bytes" % (
                key, first, last, content, answer.status, len(answer.body)))
        self.counts["gets of ranges"] += 1

    def get_shared(self):
        key = "shared/%02d" % self.random.randrange(SHARED_KEYS)
        answer = self.client.s3("GET", "/%s/%s" % (BUCKET, key))
        if answer.status == 404:
            return
        if answer.status != 200 or whole_content(answer.body) is None:
            self.fault("%s: %d, %d bytes, not those of one put" % (
                key, answer.status, len(answer.body)))
        self.counts["gets of shared keys"] += 1

    def run(self):
        operations = [(self.put, 34), (self.put_by_rest, self.rest_share), (self.put_shared, 6),
                      (self.copy, 8),
                      (self.delete, 6), (self.put_in_parts, 1.5), (self.get, 30),
                      (self.get_range, 6), (self.get_shared, 4)]
        calls, weights = zip(*operations)
        while not self.stop_event.is_set():
            try:
                self.random.choices(calls, weights)[0]()
            except Cut as cut:
                refused = "refused" in str(cut)
                self.counts["connections refused" if refused else "connections that broke"] += 1
                time.sleep(0.1 * self.random.random())
            except Exception:
                self.fault(traceback.format_exc())
                self.client.close()
        self.client.close()

    def verify(self):
        self.counts.pop("checked", None)
        for key in list(self.known):
            for attempt in range(3):
                try:
                    self.look(key)
                    break
                except Cut as cut:
                    self.client.close()
                    if attempt == 2:
                        self.fault("%s: cut: %s" % (key, cut))
            self.counts["checked"] += 1
        self.client.close()


def whole_content(body):
    """Of which put these bytes are, if they are all of one."""
    head = re.match(rb"(\d+):(\d+):(\d+)\n", body[:64])
    if not head:
        return None
    content = Content(*map(int, head.groups()))
    return content if content.size == len(body) and bytes_of(content) == body else None


def work(numbers, port, key, token, rest_share, pipe):
    """A process of some clients; python runs one thread at a time in each."""
    stop = threading.Event()
    workers = [Worker(number, port, key, token, stop, rest_share) for number in numbers]
    for worker in workers:
        worker.start()
    pipe.recv()
    stop.set()
    for worker in workers:
        worker.join()
    pipe.send("stopped")
    pipe.recv()  # the daemon is there for good
    checking = [threading.Thread(target=worker.verify) for worker in workers]
    for thread in checking:
        thread.start()
    for thread in checking:
        thread.join()
    keys = {key: known.acknowledged for worker in workers for key, known in worker.known.items()}
    pipe.send((sum((worker.counts for worker in workers), collections.Counter()),
               [fault for worker in workers for fault in worker.faults], keys,
               [put for worker in workers for put in worker.shared]))


def check_shared(client, shared):
    """What each shared key holds: a content that no acknowledged one followed."""
    keys = {}
    for key in sorted({put[0] for put in shared}):
        puts = [put for put in shared if put[0] == key]
        answer = client.s3("GET", "/%s/%s" % (BUCKET, key))
        if answer.status == 404:
            assert all(end is None for _, _, _, end in puts), "%s was lost" % key
            continue
        assert answer.status == 200, answer
        content = whole_content(answer.body)
        assert content is not None, "%s has not the bytes of one put" % key
        held = [put for put in puts if put[1] == content]
        assert held, "%s holds %r, which nobody put there" % (key, content)
        end = held[0][3]
        if end is not None:
            later = [put for put in puts if put[3] is not None and put[2] > end]
            assert not later, "%s holds %r, and lost %r" % (key, content, later)
        keys[key] = content
    return keys


def check_listing(client, keys):
    listed = client.listing(BUCKET)
    there = {key: content.size for key, content in keys.items() if content is not None}
    assert listed == there, (
        "the listing differs: too many %r, missing %r" % (
            sorted(set(listed.items()) - set(there.items()))[:10],
            sorted(set(there.items()) - set(listed.items()))[:10]))


def check_leftovers(daemon, client):
    """Uploads in parts that broke off are given up; then nothing at all is left of anything."""
    while True:
        text = client.must(200, "GET", "/%s?uploads" % BUCKET).body.decode()
        found = re.findall(r"<Key>([^<]*)</Key>\s*<UploadId>([^<]*)</UploadId>", text)
        for key, upload in found:
            client.must(204, "DELETE", "/%s/%s?uploadId=%s" % (BUCKET, key, upload))
        if not found:
            break
    left = json.loads(daemon.command("ls", "-R", "--json", ".uploads:"))
    objects = [item["path"] for item in left if item["class"] != "folder"]
    assert not objects, "staged objects are left: %r" % objects[:10]


def hurt(daemon, options):
    """Kills and starts at random moments until the time is over. Returns how often."""
    dice = random.Random()
    end = time.monotonic() + options.minutes * 60
    kills = 0
    while kills < options.kills:
        pause = (end - time.monotonic()) / (options.kills - kills + 0.5)
        time.sleep(max(0.1, pause * dice.uniform(0.3, 1.5)))
        daemon.check_alive()
        daemon.kill()
        kills += 1
        # Some die while they still look at what the one before left.
        while kills < options.kills and dice.random() < 0.2:
            daemon.start(wait=False)
            time.sleep(dice.uniform(0, 0.3))
            daemon.kill()
            kills += 1
        begin = time.monotonic()
        daemon.start()
        print("  killed %d times; it answers again after %.1f s" % (
            kills, time.monotonic() - begin), flush=True)
    time.sleep(max(0.0, end - time.monotonic()))
    return kills


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rest-share", type=float, default=4,
                        help="percent of the operations that are puts by REST")
    parser.add_argument("--folder", help="where the store is made, and removed at the end")
    options = parser.parse_args()
    end_on_sigterm()
    with new_folder(options.folder) as folder:
        daemon = Daemon(options.ramet, folder)
        daemon.start()
        pipes, processes = [], []
        try:
            client = Client(daemon.port, daemon.key, daemon.token)
            client.must(200, "PUT", "/" + BUCKET)
            client.close()
            context = multiprocessing.get_context("fork")
            for i in range(min(options.processes, options.clients)):
                here, there = context.Pipe()
                numbers = range(i, options.clients, options.processes)
                processes.append(context.Process(
                    target=work, args=(numbers, daemon.port, daemon.key, daemon.token,
                                       options.rest_share, there),
                    daemon=True))
                processes[-1].start()
                pipes.append(here)
            kills = hurt(daemon, options)
            for pipe in pipes:
                pipe.send("stop")
            for pipe in pipes:
                assert pipe.poll(600), "a client hangs"
                pipe.recv()
            daemon.check_alive()
            # Once more, so that all that is read comes from the disk, and with nobody in flight.
            daemon.kill()
            kills += 1
            daemon.start()
            for pipe in pipes:
                pipe.send("verify")
            counts, faults, keys, shared = collections.Counter(), [], {}, []
            for pipe in pipes:
                assert pipe.poll(3600), "a client hangs"
                some = pipe.recv()
                counts.update(some[0])
                faults += some[1]
                keys.update(some[2])
                shared += some[3]
            for name in sorted(counts):
                print("  %-24s %d" % (name, counts[name]))
            assert not faults, "%d faults:\n%s" % (len(faults), "\n".join(faults[:20]))
            keys.update(check_shared(client, shared))
            check_listing(client, keys)
            check_leftovers(daemon, client)
            client.close()
            daemon.stop()
        except BaseException:
            print(daemon.log_end())
            raise
        finally:
            for process in processes:
                process.kill()
            if daemon.process.poll() is None:
                daemon.kill()
        found = daemon.check_store()
        assert counts["puts"] and counts["gets"], counts
        print("killed %d times; %d clients; %d objects checked; fsck read %d bytes: %d hints" % (
            kills, options.clients, sum(content is not None for content in keys.values()),
            found["bytes_read"], found["hints"]))


if __name__ == "__main__":
    sys.exit(main())
