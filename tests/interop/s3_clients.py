#!/usr/bin/env python3
"""Real S3 clients against `ramet serve`: boto3, awscli, s3cmd, rclone, s3fs, restic.

Goal: what people have installed works unchanged, and every byte comes back. Method: one daemon on a
port of the system's choice, a user with a key, then each client in turn; it is ended by its
pid at the end. A client that is not installed is skipped by name.

usage: s3_clients.py RAMET [--keys N] [--big MIB] [--only NAME]
"""

import argparse
import concurrent.futures
import filecmp
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

SKIPPED = 77


def run(*command, env=None, **options):
    done = subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True,
                          timeout=600, **options)
    if done.returncode != 0:
        raise AssertionError("%s failed (%d):\n%s%s" % (" ".join(map(str, command)),
                                                        done.returncode, done.stdout, done.stderr))
    return done.stdout


class Daemon:
    def __init__(self, ramet, folder):
        self.ramet = ramet
        self.store = os.path.join(folder, "store")
        run(ramet, "init", self.store)
        self.process = subprocess.Popen(
            [ramet, "serve", self.store, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.url = None
        deadline = time.monotonic() + 60
        while self.url is None:
            line = self.process.stdout.readline()
            if not line or time.monotonic() > deadline:
                raise AssertionError("the daemon did not start:\n" + "".join(self.lines))
            self.lines.append(line)
            found = re.search(r"serving .* on (http://[0-9.]+:[0-9]+)", line)
            if found:
                self.url = found.group(1)
        self.host = self.url[len("http://"):]
        # What it says from now on is not let pile up.
        self.drain = concurrent.futures.ThreadPoolExecutor(1)
        self.drain.submit(lambda: [None for _ in self.process.stdout])
        self.command("user", "create", "ada")
        key = json.loads(self.command("key", "create", "ada", "--json"))
        self.key, self.secret = key["id"], key["secret"]
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
        self.env.update(AWS_ACCESS_KEY_ID=self.key, AWS_SECRET_ACCESS_KEY=self.secret,
                        AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true",
                        HOME=folder)

    def command(self, *arguments):
        return run(self.ramet, *arguments, env=dict(os.environ, RAMET_STORE=self.store))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the daemon did not stop")
        assert code == 0, "the daemon ended with %d" % code


def content(length, seed):
    return random.Random(seed).randbytes(length)


def expect(error, call, *arguments, **named):
    import botocore.exceptions
    try:
        call(*arguments, **named)
    except botocore.exceptions.ClientError as failed:
        assert failed.response["Error"]["Code"] == error, failed
        return
    raise AssertionError("%s was expected" % error)


def client_of(daemon, **config):
    import boto3
    from botocore.config import Config
    os.environ.pop("AWS_CA_BUNDLE", None)
    return boto3.client(
        "s3", endpoint_url=daemon.url, region_name="us-east-1", aws_access_key_id=daemon.key,
        aws_secret_access_key=daemon.secret,
        # Without it botocore presigns with Signature Version 2 in us-east-1.
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"},
                      retries={"max_attempts": 3}, max_pool_connections=32, proxies={}, **config))


def test_boto3(daemon, folder, options):
    import boto3
    import botocore
    s3 = client_of(daemon)
    print("  boto3 %s, botocore %s" % (boto3.__version__, botocore.__version__))
    s3.create_bucket(Bucket="boto")
    expect("BucketAlreadyOwnedByYou", s3.create_bucket, Bucket="boto")
    body = content(100_000, 1)
    put = s3.put_object(Bucket="boto", Key="a key/ä+%?", Body=body, ContentType="x/y",
                        Metadata={"color": "blue"}, Tagging="t=1")
    assert put["ETag"] == '"%s"' % hashlib.md5(body).hexdigest()
    got = s3.get_object(Bucket="boto", Key="a key/ä+%?")
    assert got["Body"].read() == body
    assert got["ContentType"] == "x/y" and got["Metadata"] == {"color": "blue"}
    part = s3.get_object(Bucket="boto", Key="a key/ä+%?", Range="bytes=10-109")
    assert part["Body"].read() == body[10:110]
    s3.copy_object(Bucket="boto", Key="copy", CopySource={"Bucket": "boto", "Key": "a key/ä+%?"})
    assert s3.get_object(Bucket="boto", Key="copy")["Body"].read() == body
    for algorithm in ("SHA256", "SHA1", "CRC32"):
        s3.put_object(Bucket="boto", Key="sum", Body=body, ChecksumAlgorithm=algorithm)
        head = s3.head_object(Bucket="boto", Key="sum", ChecksumMode="ENABLED")
        assert head["Checksum" + algorithm]
    expect("NoSuchKey", s3.get_object, Bucket="boto", Key="none")

    # Presigned, by a program that knows nothing of S3.
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "boto", "Key": "copy"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(url).read() == body
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "boto", "Key": "signed"})
    opener.open(urllib.request.Request(url, data=b"signed", method="PUT",
                                       headers={"Content-Type": ""}))
    assert s3.get_object(Bucket="boto", Key="signed")["Body"].read() == b"signed"
    form = s3.generate_presigned_post("boto", "form/${filename}",
                                      Conditions=[["content-length-range", 1, 1000]])
    edge = "edge-of-the-form"
    text = "".join('--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
                   % (edge, name, value) for name, value in form["fields"].items())
    text += ('--%s\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nposted\r\n'
             '--%s--\r\n' % (edge, edge))
    opener.open(urllib.request.Request(
        form["url"], data=text.encode(),
        headers={"Content-Type": "multipart/form-data; boundary=" + edge}))
    assert s3.get_object(Bucket="boto", Key="form/f")["Body"].read() == b"posted"

    # Listings of many keys.
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: s3.put_object(Bucket="boto", Key="many/%d/%05d" % (i % 10, i),
                                              Body=b""), range(options.keys)))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="boto", Prefix="many/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    assert len(keys) == options.keys and keys == sorted(keys)
    for paginator in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(paginator).paginate(Bucket="boto", Prefix="many/", Delimiter="/",
                                                     PaginationConfig={"PageSize": 3})
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        assert found == ["many/%d/" % i for i in range(10)], found

    # Uploads in parts.
    big = content(options.big << 20, 2)
    path = os.path.join(folder, "big")
    with open(path, "wb") as file:
        file.write(big)
    s3.upload_file(path, "boto", "big")
    s3.download_file("boto", "big", path + ".back")
    assert filecmp.cmp(path, path + ".back", shallow=False)
    upload = s3.create_multipart_upload(Bucket="boto", Key="parts")["UploadId"]
    expect("NoSuchUpload", s3.list_parts, Bucket="boto", Key="parts", UploadId="0" * 32)
    tags = {}
    for number in (2, 1):
        tags[number] = s3.upload_part(Bucket="boto", Key="parts", UploadId=upload,
                                      PartNumber=number, Body=big[:6 << 20])["ETag"]
    tags[3] = s3.upload_part_copy(Bucket="boto", Key="parts", UploadId=upload, PartNumber=3,
                                  CopySource="boto/big", CopySourceRange="bytes=5-1004"
                                  )["CopyPartResult"]["ETag"]
    assert len(s3.list_parts(Bucket="boto", Key="parts", UploadId=upload)["Parts"]) == 3
    s3.complete_multipart_upload(
        Bucket="boto", Key="parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tags[n]} for n in (1, 2, 3)]})
    assert s3.get_object(Bucket="boto", Key="parts")["Body"].read() == \
        big[:6 << 20] * 2 + big[5:1005]

    # Versions and locks.
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    first = s3.put_object(Bucket="locked", Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket="locked", Key="k", Body=b"2")
    s3.delete_object(Bucket="locked", Key="k")
    expect("NoSuchKey", s3.get_object, Bucket="locked", Key="k")
    assert s3.get_object(Bucket="locked", Key="k", VersionId=first)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket="locked")
    assert len(listed["Versions"]) == 2 and len(listed["DeleteMarkers"]) == 1
    s3.put_object_legal_hold(Bucket="locked", Key="k", VersionId=first,
                             LegalHold={"Status": "ON"})
    expect("AccessDenied", s3.delete_object, Bucket="locked", Key="k", VersionId=first)
    s3.put_object_legal_hold(Bucket="locked", Key="k", VersionId=first,
                             LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket="locked", Key="k", VersionId=first)

    # Tags, settings, deletion.
    s3.put_object_tagging(Bucket="boto", Key="copy", Tagging={"TagSet": [
        {"Key": "a", "Value": "b c"}]})
    assert s3.get_object_tagging(Bucket="boto", Key="copy")["TagSet"] == [
        {"Key": "a", "Value": "b c"}]
    s3.put_bucket_lifecycle_configuration(Bucket="boto", LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]})
    assert s3.get_bucket_lifecycle_configuration(Bucket="boto")["Rules"][0]["ID"] == "r"
    s3.put_bucket_cors(Bucket="boto", CORSConfiguration={"CORSRules": [
        {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    assert s3.get_bucket_cors(Bucket="boto")["CORSRules"]
    removed = s3.delete_objects(Bucket="boto", Delete={"Objects": [
        {"Key": key} for key in keys[:1000]]})
    assert len(removed["Deleted"]) == min(1000, len(keys))

    # A clone of it all.
    s3.meta.events.register_first(
        "before-sign.s3.CreateBucket",
        lambda request, **_: request.headers.add_header("x-ramet-clone-of", "boto"))
    begin = time.monotonic()
    s3.create_bucket(Bucket="clone")
    print("  a clone of a bucket: %.1f ms at the client" % ((time.monotonic() - begin) * 1000))
    assert s3.get_object(Bucket="clone", Key="copy")["Body"].read() == body


def test_awscli(daemon, folder, options):
    aws = ["aws", "--endpoint-url", daemon.url]
    print("  " + run("aws", "--version", env=daemon.env).strip())
    source = make_tree(os.path.join(folder, "aws-tree"), options)
    run(*aws, "s3", "mb", "s3://aws", env=daemon.env)
    run(*aws, "s3", "sync", source, "s3://aws/tree", env=daemon.env)
    back = os.path.join(folder, "aws-back")
    run(*aws, "s3", "sync", "s3://aws/tree", back, env=daemon.env)
    same_trees(source, back)
    run(*aws, "s3", "cp", "s3://aws/tree/big", "s3://aws/copied", env=daemon.env)
    run(*aws, "s3", "mv", "s3://aws/copied", "s3://aws/moved", env=daemon.env)
    run(*aws, "s3api", "put-object-tagging", "--bucket", "aws", "--key", "moved", "--tagging",
        "TagSet=[{Key=a,Value=b}]", env=daemon.env)
    tags = json.loads(run(*aws, "s3api", "get-object-tagging", "--bucket", "aws", "--key", "moved",
                          env=daemon.env))
    assert tags["TagSet"] == [{"Key": "a", "Value": "b"}]
    failed = subprocess.run([*aws, "s3api", "get-object", "--bucket", "aws", "--key", "none",
                             os.path.join(folder, "none")], env=daemon.env, capture_output=True,
                            text=True, timeout=60)
    assert "NoSuchKey" in failed.stderr, failed.stderr
    run(*aws, "s3", "rb", "--force", "s3://aws", env=daemon.env)


def test_s3cmd(daemon, folder, options):
    s3cmd = ["s3cmd", "-c", "/dev/null", "--host", daemon.host, "--host-bucket", daemon.host,
             "--no-ssl", "--access_key", daemon.key, "--secret_key", daemon.secret]
    print("  " + run("s3cmd", "--version").strip())
    source = make_tree(os.path.join(folder, "s3cmd-tree"), options)
    run(*s3cmd, "mb", "s3://s3cmd", env=daemon.env)
    run(*s3cmd, "sync", source + "/", "s3://s3cmd/tree/", env=daemon.env)
    back = os.path.join(folder, "s3cmd-back")
    os.mkdir(back)
    run(*s3cmd, "sync", "s3://s3cmd/tree/", back + "/", env=daemon.env)
    same_trees(source, back)
    run(*s3cmd, "cp", "s3://s3cmd/tree/big", "s3://s3cmd/copy", env=daemon.env)
    assert "s3://s3cmd/copy" in run(*s3cmd, "ls", "s3://s3cmd", env=daemon.env)
    assert "MD5" in run(*s3cmd, "info", "s3://s3cmd/copy", env=daemon.env)
    run(*s3cmd, "rb", "--recursive", "--force", "s3://s3cmd", env=daemon.env)


def test_rclone(daemon, folder, options):
    print("  " + run("rclone", "version").splitlines()[0])
    config = os.path.join(folder, "rclone.conf")
    with open(config, "w") as file:
        file.write("[ramet]\ntype = s3\nprovider = Other\nforce_path_style = true\n"
                   "endpoint = %s\naccess_key_id = %s\nsecret_access_key = %s\n"
                   % (daemon.url, daemon.key, daemon.secret))
    rclone = ["rclone", "--config", config]
    source = make_tree(os.path.join(folder, "rclone-tree"), options)
    run(*rclone, "mkdir", "ramet:rclone", env=daemon.env)
    run(*rclone, "sync", source, "ramet:rclone/tree", env=daemon.env)
    run(*rclone, "check", "--download", source, "ramet:rclone/tree", env=daemon.env)
    back = os.path.join(folder, "rclone-back")
    run(*rclone, "sync", "ramet:rclone/tree", back, env=daemon.env)
    same_trees(source, back)
    os.remove(os.path.join(source, "big"))
    run(*rclone, "sync", source, "ramet:rclone/tree", env=daemon.env)
    run(*rclone, "check", source, "ramet:rclone/tree", env=daemon.env)
    run(*rclone, "purge", "ramet:rclone", env=daemon.env)


def test_s3fs(daemon, folder, options):
    if not os.path.exists("/dev/fuse"):
        print("  skipped: there is no /dev/fuse")
        return
    print("  " + run("s3fs", "--version").splitlines()[0])
    client_of(daemon).create_bucket(Bucket="s3fs")
    passwd = os.path.join(folder, "passwd-s3fs")
    with open(passwd, "w") as file:
        file.write("%s:%s\n" % (daemon.key, daemon.secret))
    os.chmod(passwd, 0o600)
    mount = os.path.join(folder, "mount")
    os.mkdir(mount)
    mounted = subprocess.run(["s3fs", "s3fs", mount, "-o", "passwd_file=" + passwd, "-o",
                              "url=" + daemon.url, "-o", "use_path_request_style,sigv4"],
                             env=daemon.env, capture_output=True, text=True, timeout=60)
    if mounted.returncode != 0 and "fuse" in mounted.stderr and "permitted" in mounted.stderr:
        print("  skipped: " + mounted.stderr.strip())
        return
    assert mounted.returncode == 0, mounted.stderr
    try:
        source = make_tree(os.path.join(folder, "s3fs-tree"), options)
        shutil.copytree(source, os.path.join(mount, "tree"))
        same_trees(source, os.path.join(mount, "tree"))
        os.rename(os.path.join(mount, "tree", "big"), os.path.join(mount, "renamed"))
        assert filecmp.cmp(os.path.join(source, "big"), os.path.join(mount, "renamed"),
                           shallow=False)
        os.remove(os.path.join(mount, "renamed"))
    finally:
        run("fusermount", "-u", mount)


def test_restic(daemon, folder, options):
    print("  " + run("restic", "version").strip())
    env = dict(daemon.env, RESTIC_PASSWORD="test",
               RESTIC_REPOSITORY="s3:%s/restic" % daemon.url,
               RESTIC_CACHE_DIR=os.path.join(folder, "restic-cache"))
    source = make_tree(os.path.join(folder, "restic-tree"), options)
    run("restic", "init", env=env)
    run("restic", "backup", source, env=env)
    run("restic", "check", "--read-data", env=env)
    back = os.path.join(folder, "restic-back")
    run("restic", "restore", "latest", "--target", back, env=env)
    same_trees(source, back + source)


def make_tree(path, options):
    """Names that trouble clients, empty and long files."""
    random_names = ["a b", "ä", "plus+sign", "per%cent", "q?mark", "am&p", "deep/er/est", "empty"]
    for i, name in enumerate(random_names):
        file_name = os.path.join(path, name)
        os.makedirs(os.path.dirname(file_name), exist_ok=True)
        with open(file_name, "wb") as file:
            file.write(b"" if name == "empty" else content(1000 * i * i, i))
    with open(os.path.join(path, "big"), "wb") as file:
        file.write(content(20 << 20, 99))
    return path


def same_trees(left, right):
    def files(top):
        return {os.path.relpath(os.path.join(folder, name), top)
                for folder, _, names in os.walk(top) for name in names}
    assert files(left) == files(right), files(left) ^ files(right)
    for name in files(left):
        assert filecmp.cmp(os.path.join(left, name), os.path.join(right, name), shallow=False), name


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ramet")
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--big", type=int, default=200, help="MiB of the long object")
    parser.add_argument("--only")
    options = parser.parse_args()
    tests = [("boto3", test_boto3, lambda: __import__("boto3")),
             ("awscli", test_awscli, "aws"), ("s3cmd", test_s3cmd, "s3cmd"),
             ("rclone", test_rclone, "rclone"), ("s3fs", test_s3fs, "s3fs"),
             ("restic", test_restic, "restic")]
    ran = 0
    with tempfile.TemporaryDirectory(prefix="ramet-interop-") as folder:
        daemon = Daemon(os.path.abspath(options.ramet), folder)
        try:
            for name, test, needs in tests:
                if options.only and name not in options.only.split(","):
                    continue
                try:
                    there = shutil.which(needs) if isinstance(needs, str) else needs()
                except ImportError:
                    there = None
                if not there:
                    print("%s: skipped, not installed" % name, flush=True)
                    continue
                print("%s:" % name, flush=True)
                begin = time.monotonic()
                test(daemon, folder, options)
                print("  fine after %.1f s" % (time.monotonic() - begin), flush=True)
                ran += 1
        finally:
            daemon.stop()
    return 0 if ran else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
