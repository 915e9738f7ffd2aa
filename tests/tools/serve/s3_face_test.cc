// Goal: each operation of the S3 face does what S3 says, on a real store. Method: signed requests
// to the face (s3_fixture.h), answers compared; bodies that are cut, wrong or repeated leave
// nothing.
#include "tests/tools/serve/s3_fixture.h"

#include <thread>

#include "engine/object_keys.h"
#include "tools/serve/s3/housekeeping.h"

namespace ramet::serve::s3test {
namespace {

std::string md5(std::string_view bytes) {
  return "\"" + serve::to_hex(serve::digest_of(serve::Algorithm::kMd5, bytes)) + "\"";
}

std::string bytes_of(size_t length, uint32_t seed) {
  std::string bytes(length, '\0');
  for (char& c : bytes) {
    seed = seed * 1664525 + 1013904223;
    c = static_cast<char>(seed >> 24);
  }
  return bytes;
}

using S3BucketTest = S3Test;
using S3ObjectTest = S3Test;
using S3ListTest = S3Test;
using S3VersionsTest = S3Test;
using S3UploadTest = S3Test;

// --- buckets -------------------------------------------------------------------------------------

TEST_F(S3BucketTest, CreateListHeadDelete) {
  EXPECT_EQ(ask("ada", "HEAD", "/one").status, 404);
  make_bucket("one");
  EXPECT_EQ(code(ask("ada", "PUT", "/one")), "BucketAlreadyOwnedByYou");
  EXPECT_EQ(code(ask("root", "PUT", "/Not_A_Name")), "InvalidBucketName");
  EXPECT_EQ(ask("ada", "HEAD", "/one").status, 200);
  EXPECT_EQ(ask("ada", "GET", "/").all("Name"), std::vector<std::string>{"one"});
  EXPECT_EQ(ask("ada", "GET", "/one?location").status, 200);
  EXPECT_TRUE(store_->container("one")->is_flat());
  EXPECT_EQ(ask("ada", "PUT", "/one/k", "x").status, 200);
  EXPECT_EQ(code(ask("ada", "DELETE", "/one")), "BucketNotEmpty");
  EXPECT_EQ(ask("ada", "DELETE", "/one/k").status, 204);
  EXPECT_EQ(ask("ada", "DELETE", "/one").status, 204);
  EXPECT_EQ(code(ask("ada", "GET", "/one")), "NoSuchBucket");
  std::vector<std::string> logged;
  ASSERT_TRUE(access().audit_log(0, [&](const AuditEntry& entry) {
                        if (entry.action.starts_with("container.")) {
                          logged.push_back(entry.principal + " " + entry.action);
                        }
                        return true;
                      }).ok());
  EXPECT_EQ(logged, (std::vector<std::string>{"ada container.create", "ada container.drop"}));
}

TEST_F(S3BucketTest, AnotherRegionIsRefused) {
  const auto put = [&](const std::string& region) {
    return code(ask("ada", "PUT", "/two",
                    "<CreateBucketConfiguration><LocationConstraint>" + region +
                        "</LocationConstraint></CreateBucketConfiguration>"));
  };
  EXPECT_EQ(put("eu-west-1"), "InvalidLocationConstraint");
  EXPECT_EQ(put("us-east-1"), "200");
}

TEST_F(S3BucketTest, ACloneHasEverythingAndIsItsOwn) {
  make_bucket("source");
  ask("ada", "PUT", "/source/k", "old");
  ASSERT_TRUE(store_->create_snapshot(id_of("source"), "before").ok());
  ask("ada", "PUT", "/source/k", "new");
  make_bucket("copy", {{"x-ramet-clone-of", "source"}});
  make_bucket("past", {{"x-ramet-clone-of", "source@before"}});
  EXPECT_EQ(get("/copy/k"), "new");
  EXPECT_EQ(get("/past/k"), "old");
  ask("ada", "PUT", "/copy/k", "changed");
  ask("ada", "DELETE", "/source/k");
  EXPECT_EQ(get("/copy/k"), "changed");
  EXPECT_EQ(ask("ada", "GET", "/source/k").status, 404);
  EXPECT_EQ(code(ask("ada", "PUT", "/none", "", {{"x-ramet-clone-of", "missing"}})),
            "NoSuchBucket");
  // Who cannot read it cannot clone it either.
  add_principal("eve");
  EXPECT_EQ(code(ask("eve", "PUT", "/evil", "", {{"x-ramet-clone-of", "source"}})),
            "AccessDenied");
}

TEST_F(S3BucketTest, ChangesBetweenBucketsAndThePast) {
  make_bucket("now");
  ask("ada", "PUT", "/now/a", "1");
  ask("ada", "PUT", "/now/b", "2");
  ASSERT_TRUE(store_->create_snapshot(id_of("now"), "s1").ok());
  ask("ada", "PUT", "/now/b", "22");
  ask("ada", "DELETE", "/now/a");
  ask("ada", "PUT", "/now/c", "3");
  const Answer changes = ask("ada", "GET", "/now?diff=now@s1");
  EXPECT_EQ(changes.all("Key"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(changes.all("Type"), (std::vector<std::string>{"Removed", "Content", "Added"}));
  const Headers past = {{"x-ramet-as-of", "s1"}};
  EXPECT_EQ(ask("ada", "GET", "/now/b", "", past).body, "2");
  EXPECT_EQ(ask("ada", "GET", "/now", "", past).all("Key"),
            (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(ask("ada", "GET", "/now/b", "", {{"x-ramet-as-of", iso_date(now())}}).body, "2");
  EXPECT_EQ(code(ask("ada", "GET", "/now/b", "", {{"x-ramet-as-of", "2001-01-01T00:00:00Z"}})),
            "NoSuchVersion");
}

TEST_F(S3BucketTest, SettingsComeBackAsTheyWerePut) {
  make_bucket("set");
  const std::string cors =
      "<CORSConfiguration><CORSRule><AllowedOrigin>https://a</AllowedOrigin><AllowedMethod>GET"
      "</AllowedMethod></CORSRule></CORSConfiguration>";
  EXPECT_EQ(code(ask("ada", "GET", "/set?cors")), "NoSuchCORSConfiguration");
  EXPECT_EQ(ask("ada", "PUT", "/set?cors", cors).status, 200);
  EXPECT_EQ(get("/set?cors"), cors);
  ask("ada", "PUT", "/set/k", "x");
  EXPECT_EQ(ask("ada", "GET", "/set/k", "", {{"Origin", "https://a"}})
                .header("access-control-allow-origin"),
            "https://a");
  EXPECT_EQ(ask("ada", "GET", "/set/k", "", {{"Origin", "https://b"}})
                .header("access-control-allow-origin"),
            "");
  Request preflight = make_request("OPTIONS", "/set/k",
                                   {{"Origin", "https://a"},
                                    {"Access-Control-Request-Method", "GET"}});
  FakeBody nothing("");
  EXPECT_EQ(send(preflight, nothing).status, 200);
  preflight.fields.set("Access-Control-Request-Method", "PUT");
  EXPECT_EQ(send(preflight, nothing).status, 403);
  EXPECT_EQ(ask("ada", "DELETE", "/set?cors").status, 204);
  EXPECT_EQ(send(preflight, nothing).status, 403);

  EXPECT_EQ(code(ask("ada", "GET", "/set?tagging")), "NoSuchTagSet");
  EXPECT_EQ(ask("ada", "PUT", "/set?tagging",
                "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")
                .status,
            204);
  EXPECT_EQ(ask("ada", "GET", "/set?tagging").all("Value"), std::vector<std::string>{"b"});
  EXPECT_EQ(code(ask("ada", "GET", "/set?lifecycle")), "NoSuchLifecycleConfiguration");
  EXPECT_EQ(code(ask("ada", "PUT", "/set?lifecycle", "<LifecycleConfiguration/>")),
            "MalformedXML");
  EXPECT_EQ(code(ask("ada", "GET", "/set?encryption")),
            "ServerSideEncryptionConfigurationNotFoundError");
  EXPECT_EQ(code(ask("ada", "PUT", "/set?website", "<x/>")), "NotImplemented");
  EXPECT_EQ(ask("ada", "GET", "/set?requestPayment").xml("Payer"), "BucketOwner");
  EXPECT_EQ(code(ask("ada", "PATCH", "/set")), "MethodNotAllowed");
}

// --- objects -------------------------------------------------------------------------------------

TEST_F(S3ObjectTest, PutGetHeadWithEverythingThatWasSaid) {
  make_bucket("bkt");
  const std::string content = "hello, world";
  const Answer put =
      ask("ada", "PUT", "/bkt/dir/a%20key", content,
          {{"Content-Type", "text/plain"}, {"Cache-Control", "no-store"},
           {"x-amz-meta-Color", "blue"}, {"x-amz-tagging", "k=v&l=w"},
           {"Content-Encoding", "aws-chunked,gzip"}, {"Content-MD5",
            serve::to_base64(serve::digest_of(serve::Algorithm::kMd5, content))}});
  EXPECT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(put.header("etag"), md5(content));
  const Answer got = ask("ada", "GET", "/bkt/dir/a%20key");
  EXPECT_EQ(got.body, content);
  EXPECT_EQ(got.length, content.size());
  EXPECT_EQ(got.header("etag"), md5(content));
  EXPECT_EQ(got.header("content-type"), "text/plain");
  EXPECT_EQ(got.header("cache-control"), "no-store");
  EXPECT_EQ(got.header("content-encoding"), "gzip");
  EXPECT_EQ(got.header("x-amz-meta-color"), "blue");
  EXPECT_EQ(got.header("x-amz-tagging-count"), "2");
  EXPECT_EQ(got.header("x-amz-version-id"), "");
  const Answer head = ask("ada", "HEAD", "/bkt/dir/a%20key");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(head.length, content.size());
  EXPECT_EQ(ask("ada", "GET", "/bkt/dir/a%20key?response-content-type=x/y").header("content-type"),
            "x/y");
  EXPECT_EQ(ask("ada", "GET", "/bkt/dir/a%20key?tagging").all("Key"),
            (std::vector<std::string>{"k", "l"}));
  EXPECT_EQ(code(ask("ada", "GET", "/bkt/none")), "NoSuchKey");
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/none").status, 404);
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/none").body, "");
}

TEST_F(S3ObjectTest, RangesAndConditions) {
  make_bucket("bkt");
  const std::string content = bytes_of(100'000, 1);
  const std::string etag = ask("ada", "PUT", "/bkt/k", content).header("etag");
  const auto range = [&](const std::string& text) {
    return ask("ada", "GET", "/bkt/k", "", {{"Range", text}});
  };
  EXPECT_EQ(range("bytes=10-19").body, content.substr(10, 10));
  EXPECT_EQ(range("bytes=10-19").status, 206);
  EXPECT_EQ(range("bytes=10-19").header("content-range"), "bytes 10-19/100000");
  EXPECT_EQ(range("bytes=-5").body, content.substr(99'995));
  EXPECT_EQ(range("bytes=99990-").body, content.substr(99'990));
  EXPECT_EQ(code(range("bytes=100000-")), "InvalidRange");
  EXPECT_EQ(range("rubbish").body, content);
  const auto on = [&](const std::string& name, const std::string& value) {
    return ask("ada", "GET", "/bkt/k", "", {{name, value}}).status;
  };
  EXPECT_EQ(on("If-Match", etag), 200);
  EXPECT_EQ(on("If-Match", "\"other\""), 412);
  EXPECT_EQ(on("If-None-Match", etag), 304);
  EXPECT_EQ(on("If-None-Match", "\"other\""), 200);
  EXPECT_EQ(on("If-Modified-Since", http_date(now() + 100'000'000'000)), 304);
  EXPECT_EQ(on("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), 412);
}

TEST_F(S3ObjectTest, ConditionalWrites) {
  make_bucket("bkt");
  const auto put = [&](const std::string& name, const std::string& value) {
    return code(ask("ada", "PUT", "/bkt/k", "x", {{name, value}}));
  };
  EXPECT_EQ(put("If-Match", "\"a\""), "NoSuchKey");
  EXPECT_EQ(put("If-None-Match", "*"), "200");
  EXPECT_EQ(put("If-None-Match", "*"), "PreconditionFailed");
  EXPECT_EQ(put("If-Match", "\"a\""), "PreconditionFailed");
  EXPECT_EQ(put("If-Match", md5("x")), "200");
  EXPECT_EQ(put("If-None-Match", "\"a\""), "NotImplemented");
}

TEST_F(S3ObjectTest, OneOfManyConcurrentConditionalWritesWins) {
  make_bucket("bkt");
  std::atomic<int> made{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const Answer answer = ask("ada", "PUT", "/bkt/lock", "owner " + std::to_string(i),
                                {{"If-None-Match", "*"}});
      if (answer.status == 200) ++made;
      if (answer.status == 412) ++failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(failed, 7);
}

TEST_F(S3ObjectTest, ConcurrentPutsOfManyKeysAllArrive) {
  make_bucket("bkt");
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 10; ++j) {
        const std::string name = "/bkt/" + std::to_string(i % 4) + "-" + std::to_string(j);
        if (ask("ada", "PUT", name, "body of " + name).status == 200) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
  EXPECT_EQ(ask("ada", "GET", "/bkt").all("Key").size(), 40u);
  EXPECT_EQ(get("/bkt/3-9"), "body of /bkt/3-9");
}

TEST_F(S3ObjectTest, BodiesAreCheckedBeforeAnythingIsSeen) {
  make_bucket("bkt");
  const auto put = [&](const std::string& body, const Headers& headers) {
    const std::string result = code(ask("ada", "PUT", "/bkt/k", body, headers));
    EXPECT_EQ(ask("ada", "HEAD", "/bkt/k").status, 404) << result;
    return result;
  };
  EXPECT_EQ(put("x", {{"Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="}}), "BadDigest");
  EXPECT_EQ(put("x", {{"Content-MD5", "rubbish"}}), "InvalidDigest");
  EXPECT_EQ(put("x", {{"x-amz-checksum-crc32", "AAAAAA=="}}), "BadDigest");
  EXPECT_EQ(put("x", {{"x-amz-checksum-crc32", "A"}}), "InvalidRequest");
  EXPECT_EQ(put("x", {{"x-amz-acl", "public-read"}}), "AccessControlListNotSupported");
  EXPECT_EQ(put("x", {{"x-amz-server-side-encryption", "AES256"}}), "NotImplemented");
  EXPECT_EQ(put("x", {{"x-amz-storage-class", "ODD"}}), "InvalidStorageClass");
  EXPECT_EQ(put("x", {{"x-amz-meta-big", std::string(2100, 'm')}}), "MetadataTooLarge");
  FakeBody stream("the body");
  EXPECT_EQ(code(ask_with("ada", "PUT", "/bkt/k", stream, 8, std::string(64, '0'), {})),
            "XAmzContentSHA256Mismatch");
  FakeBody shorter("the");
  EXPECT_EQ(code(ask_with("ada", "PUT", "/bkt/k", shorter, 8, "UNSIGNED-PAYLOAD", {})),
            "IncompleteBody");
  FakeBody unknown("the");
  EXPECT_EQ(code(ask_with("ada", "PUT", "/bkt/k", unknown, std::nullopt, "UNSIGNED-PAYLOAD", {})),
            "MissingContentLength");
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/k").status, 404);
}

TEST_F(S3ObjectTest, ChecksumsComeBack) {
  make_bucket("bkt");
  for (const serve::Algorithm algorithm : serve::kChecksums) {
    const std::string field = "x-amz-checksum-" + std::string(serve::algorithm_suffix(algorithm));
    const std::string sum = serve::to_base64(serve::digest_of(algorithm, "content"));
    EXPECT_EQ(ask("ada", "PUT", "/bkt/k", "content", {{field, sum}}).header(field), sum);
    EXPECT_EQ(ask("ada", "GET", "/bkt/k").header(field), "");
    EXPECT_EQ(ask("ada", "GET", "/bkt/k", "", {{"x-amz-checksum-mode", "ENABLED"}}).header(field),
              sum);
    EXPECT_EQ(ask("ada", "GET", "/bkt/k", "", {{"x-amz-checksum-mode", "ENABLED"},
                                              {"Range", "bytes=0-1"}}).header(field),
              "");
    const Answer attributes =
        ask("ada", "GET", "/bkt/k?attributes", "",
            {{"x-amz-object-attributes", "ETag,Checksum,ObjectSize"}});
    EXPECT_EQ(attributes.xml("ObjectSize"), "7");
    EXPECT_NE(attributes.body.find(sum), std::string::npos);
  }
  // In a trailer.
  const std::string sum = serve::to_base64(serve::digest_of(serve::Algorithm::kCrc32, "abcde"));
  const auto put = [&](const std::string& told) {
    FakeBody body("3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:" + told + "\r\n\r\n");
    return ask_with("ada", "PUT", "/bkt/t", body, 60, "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
                    {{"x-amz-trailer", "x-amz-checksum-crc32"},
                     {"x-amz-decoded-content-length", "5"}});
  };
  EXPECT_EQ(code(put("AAAAAA==")), "BadDigest");
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/t").status, 404);
  EXPECT_EQ(put(sum).header("x-amz-checksum-crc32"), sum);
  EXPECT_EQ(get("/bkt/t"), "abcde");
}

TEST_F(S3ObjectTest, LongBodiesGoThroughStagingAndLeaveNothingThere) {
  make_bucket("bkt");
  const std::string content = bytes_of((5u << 20) + 333, 3);
  const Answer put = ask("ada", "PUT", "/bkt/long", content);
  EXPECT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(put.header("etag"), md5(content));
  EXPECT_EQ(get("/bkt/long"), content);
  EXPECT_EQ(ask("ada", "GET", "/bkt/long", "", {{"Range", "bytes=5242000-5242999"}}).body,
            content.substr(5'242'000, 1000));
  // Cut on the way: nothing of it is there.
  FakeBody cut(content);
  cut.cut_at = 3u << 20;
  EXPECT_NE(ask_with("ada", "PUT", "/bkt/cut", cut, content.size(), "UNSIGNED-PAYLOAD", {}).status,
            200);
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/cut").status, 404);
  FakeBody wrong(content);
  EXPECT_EQ(code(ask_with("ada", "PUT", "/bkt/cut", wrong, content.size(), std::string(64, 'a'),
                          {})),
            "XAmzContentSHA256Mismatch");
  const auto view = *store_->view(id_of(".uploads"));
  ASSERT_TRUE(view->list(view->lookup("staging")->folder, "", [](const Entry& entry) {
                    ADD_FAILURE() << entry.name;
                    return true;
                  }).ok());
  EXPECT_EQ(ask("root", "GET", "/").all("Name"), std::vector<std::string>{"bkt"});
  EXPECT_EQ(ask("root", "GET", "/.uploads").status, 404);
}

TEST_F(S3ObjectTest, WhatACrashLeftInStagingIsRemovedAtTheStart) {
  make_bucket("bkt");
  ask("ada", "PUT", "/bkt/long", bytes_of(2u << 20, 4));
  {
    auto transaction = *store_->begin(id_of(".uploads"));
    const auto folder = *transaction->create_folders("staging");
    ASSERT_TRUE(transaction->put_object(folder, "left", Attributes{}, nullptr).ok());
    ASSERT_TRUE(transaction->commit().ok());
  }
  start();
  EXPECT_FALSE((*store_->view(id_of(".uploads")))->lookup("staging/left").ok());
  EXPECT_EQ(ask("ada", "PUT", "/bkt/long", bytes_of(2u << 20, 5)).status, 200);
}

TEST_F(S3ObjectTest, CopiesShareAndKeepWhatWasSaid) {
  make_bucket("bkt");
  make_bucket("ckt");
  const std::string content = bytes_of(300'000, 6);
  ask("ada", "PUT", "/bkt/k", content,
      {{"Content-Type", "a/b"}, {"x-amz-meta-m", "1"}, {"x-amz-tagging", "t=1"}});
  const auto copy = [&](const std::string& target, Headers headers) {
    headers.emplace_back("x-amz-copy-source", "/bkt/k");
    return ask("ada", "PUT", target, "", headers);
  };
  const Answer copied = copy("/ckt/k", {});
  EXPECT_EQ(copied.xml("ETag"), "&quot;" + md5(content).substr(1, 32) + "&quot;") << copied.body;
  const Answer got = ask("ada", "GET", "/ckt/k");
  EXPECT_EQ(got.body, content);
  EXPECT_EQ(got.header("content-type"), "a/b");
  EXPECT_EQ(got.header("x-amz-meta-m"), "1");
  EXPECT_EQ(got.header("x-amz-tagging-count"), "1");
  copy("/ckt/k2", {{"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-n", "2"},
                 {"x-amz-tagging-directive", "REPLACE"}});
  const Answer replaced = ask("ada", "GET", "/ckt/k2");
  EXPECT_EQ(replaced.header("etag"), md5(content));
  EXPECT_EQ(replaced.header("x-amz-meta-m"), "");
  EXPECT_EQ(replaced.header("x-amz-meta-n"), "2");
  EXPECT_EQ(replaced.header("x-amz-tagging-count"), "");
  EXPECT_EQ(code(copy("/bkt/k", {})), "InvalidRequest");
  EXPECT_EQ(copy("/bkt/k", {{"x-amz-metadata-directive", "REPLACE"}}).status, 200);
  EXPECT_EQ(get("/bkt/k"), content);
  EXPECT_EQ(code(copy("/ckt/x", {{"x-amz-copy-source-if-match", "\"no\""}})),
            "PreconditionFailed");
  EXPECT_EQ(code(copy("/ckt/x", {{"x-amz-copy-source-if-none-match", md5(content)}})),
            "PreconditionFailed");
  EXPECT_EQ(code(ask("ada", "PUT", "/ckt/x", "", {{"x-amz-copy-source", "/bkt/none"}})),
            "NoSuchKey");
  EXPECT_EQ(code(ask("ada", "PUT", "/ckt/x", "", {{"x-amz-copy-source", "rubbish"}})),
            "InvalidArgument");
  ContainerAccess restricted;
  restricted.is_restricted = true;
  ASSERT_TRUE(access().set_container_access(id_of("bkt"), restricted).ok());
  EXPECT_EQ(code(copy("/ckt/x", {})), "AccessDenied");
  EXPECT_EQ(copy("/bkt/other", {}).status, 200);
}

TEST_F(S3ObjectTest, ManyAreDeletedAtOnce) {
  make_bucket("bkt");
  for (const char* key : {"a", "b", "c"}) ask("ada", "PUT", std::string("/bkt/") + key, "x");
  const Answer answer = ask("ada", "POST", "/bkt?delete",
                            "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object>"
                            "<Object><Key>c</Key></Object></Delete>");
  EXPECT_EQ(answer.all("Key"), (std::vector<std::string>{"a", "none", "c"}));
  EXPECT_EQ(ask("ada", "GET", "/bkt").all("Key"), std::vector<std::string>{"b"});
  EXPECT_EQ(code(ask("ada", "POST", "/bkt?delete", "<Delete></Delete>")), "MalformedXML");
}

TEST_F(S3ObjectTest, TreesAreServedToo) {
  auto made = store_->create_container("Tree With Folders");
  ASSERT_TRUE(made.ok());
  const std::string b = "/Tree%20With%20Folders";
  EXPECT_EQ(ask("root", "PUT", b + "/a/b/c.txt", "content").status, 200);
  EXPECT_EQ(ask("root", "PUT", b + "/empty/", "").status, 200);
  EXPECT_EQ(ask("root", "GET", b + "/a/b/c.txt").body, "content");
  EXPECT_EQ(ask("root", "GET", b).all("Key"),
            (std::vector<std::string>{"a/b/c.txt", "empty/"}));
  EXPECT_EQ(ask("root", "HEAD", b + "/empty/").status, 200);
  EXPECT_EQ(code(ask("root", "PUT", b + "/a/b/c.txt/d", "x")), "InvalidRequest");
  EXPECT_EQ(code(ask("root", "PUT", b + "/a/../b", "x")), "InvalidArgument");
  EXPECT_EQ(ask("root", "DELETE", b + "/empty/").status, 204);
  EXPECT_EQ(ask("root", "HEAD", b + "/empty/").status, 404);
  // An object that was written by other means has an entity tag all the same.
  auto transaction = *store_->begin(made->id);
  auto writer = *transaction->write_content();
  ASSERT_TRUE(writer->append("by the command line").ok());
  ASSERT_TRUE(transaction->put_object(kRootFolder, "cli", Attributes{}, std::move(writer)).ok());
  ASSERT_TRUE(transaction->commit().ok());
  const std::string etag = ask("root", "HEAD", b + "/cli").header("etag");
  EXPECT_EQ(etag.size(), 36u);
  EXPECT_TRUE(etag.ends_with("-1\"")) << etag;
}

// --- listings ------------------------------------------------------------------------------------

TEST_F(S3ListTest, PagesOfBothVersionsMakeTheWhole) {
  make_bucket("bkt");
  std::vector<std::string> keys;
  for (const char* key : {"a", "a/1", "a/2", "b", "b/x/1", "b/x/2", "c d", "z"}) {
    keys.push_back(key);
    ask("ada", "PUT", "/bkt/" + percent_encode(key), "x");
  }
  EXPECT_EQ(ask("ada", "GET", "/bkt").all("Key"), keys);
  std::vector<std::string> found;
  std::string token;
  do {
    const std::string from =
        token.empty() ? "" : "&continuation-token=" + percent_encode(token, true);
    const Answer page = ask("ada", "GET", "/bkt?list-type=2&max-keys=3" + from);
    for (const std::string& key : page.all("Key")) found.push_back(key);
    EXPECT_LE(page.all("Key").size(), 3u);
    token = page.xml("NextContinuationToken");
    EXPECT_EQ(page.xml("IsTruncated"), token.empty() ? "false" : "true");
  } while (!token.empty());
  EXPECT_EQ(found, keys);
  const Answer grouped = ask("ada", "GET", "/bkt?delimiter=%2F");
  EXPECT_EQ(grouped.all("Key"), (std::vector<std::string>{"a", "b", "c d", "z"}));
  EXPECT_EQ(grouped.body.find("<CommonPrefixes><Prefix>a/</Prefix>") == std::string::npos, false);
  std::vector<std::string> marked;
  std::string marker;
  do {
    const Answer page =
        ask("ada", "GET", "/bkt?delimiter=/&max-keys=1&marker=" + percent_encode(marker, true));
    marker = page.xml("NextMarker");
    marked.push_back(page.xml("Key").empty() ? page.body.substr(
                                                   page.body.find("<CommonPrefixes>"), 36)
                                             : page.xml("Key"));
  } while (!marker.empty());
  EXPECT_EQ(marked.size(), 6u);
  EXPECT_EQ(ask("ada", "GET", "/bkt?prefix=c&encoding-type=url").xml("Key"), "c%20d");
  EXPECT_EQ(ask("ada", "GET", "/bkt?max-keys=0").xml("IsTruncated"), "false");
  EXPECT_EQ(code(ask("ada", "GET", "/bkt?max-keys=-1")), "InvalidArgument");
  EXPECT_EQ(code(ask("ada", "GET", "/bkt?list-type=2&continuation-token=x")), "InvalidArgument");
  EXPECT_EQ(ask("ada", "GET", "/bkt?list-type=2&start-after=b").all("Key").size(), 4u);
}

// --- versions and locks --------------------------------------------------------------------------

TEST_F(S3VersionsTest, EveryVersionStaysUntilItIsRemoved) {
  make_bucket("bkt");
  const std::string enable =
      "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
  ask("ada", "PUT", "/bkt/k", "first");
  EXPECT_EQ(ask("ada", "PUT", "/bkt?versioning", enable).status, 200);
  EXPECT_EQ(ask("ada", "GET", "/bkt?versioning").xml("Status"), "Enabled");
  const std::string second = ask("ada", "PUT", "/bkt/k", "second").header("x-amz-version-id");
  const std::string third = ask("ada", "PUT", "/bkt/k", "third").header("x-amz-version-id");
  ASSERT_FALSE(second.empty());
  EXPECT_NE(second, third);
  EXPECT_EQ(get("/bkt/k"), "third");
  EXPECT_EQ(get("/bkt/k?versionId=" + second), "second");
  EXPECT_EQ(get("/bkt/k?versionId=null"), "first");
  const Answer deleted = ask("ada", "DELETE", "/bkt/k");
  EXPECT_EQ(deleted.header("x-amz-delete-marker"), "true");
  const std::string marker = deleted.header("x-amz-version-id");
  ASSERT_FALSE(marker.empty());
  const Answer gone = ask("ada", "GET", "/bkt/k");
  EXPECT_EQ(code(gone), "NoSuchKey");
  EXPECT_EQ(gone.header("x-amz-delete-marker"), "true");
  EXPECT_EQ(code(ask("ada", "GET", "/bkt/k?versionId=" + marker)), "MethodNotAllowed");
  EXPECT_EQ(get("/bkt/k?versionId=" + third), "third");
  const Answer list = ask("ada", "GET", "/bkt?versions");
  EXPECT_EQ(list.all("VersionId"), (std::vector<std::string>{marker, third, second, "null"}));
  EXPECT_EQ(list.all("IsLatest"), (std::vector<std::string>{"true", "false", "false", "false"}));
  EXPECT_EQ(code(ask("ada", "DELETE", "/bkt")), "BucketNotEmpty");
  // In pages of one.
  std::vector<std::string> paged;
  std::string key_marker;
  std::string version_marker;
  do {
    const Answer page = ask("ada", "GET", "/bkt?versions&max-keys=1&key-marker=" + key_marker +
                                              "&version-id-marker=" + version_marker);
    paged.push_back(page.xml("VersionId"));
    key_marker = page.xml("NextKeyMarker");
    version_marker = page.xml("NextVersionIdMarker");
  } while (!key_marker.empty() && paged.size() < 10);
  EXPECT_EQ(paged, (std::vector<std::string>{marker, third, second, "null"}));
  // Removing the marker brings the object back.
  EXPECT_EQ(ask("ada", "DELETE", "/bkt/k?versionId=" + marker).header("x-amz-delete-marker"),
            "true");
  EXPECT_EQ(get("/bkt/k"), "third");
  EXPECT_EQ(ask("ada", "DELETE", "/bkt/k?versionId=" + second).status, 204);
  EXPECT_EQ(code(ask("ada", "GET", "/bkt/k?versionId=" + second)), "NoSuchVersion");
  EXPECT_EQ(code(ask("ada", "GET", "/bkt/k?versionId=rubbish")), "InvalidArgument");
  // A copy of a version.
  EXPECT_EQ(ask("ada", "PUT", "/bkt/copy", "",
                {{"x-amz-copy-source", "/bkt/k?versionId=null"}}).status,
            200);
  EXPECT_EQ(get("/bkt/copy"), "first");
}

TEST_F(S3VersionsTest, LocksKeepVersions) {
  make_bucket("bkt", {{"x-amz-bucket-object-lock-enabled", "true"}});
  EXPECT_EQ(ask("ada", "GET", "/bkt?object-lock").xml("ObjectLockEnabled"), "Enabled");
  EXPECT_EQ(ask("ada", "GET", "/bkt?versioning").xml("Status"), "Enabled");
  const std::string version = ask("ada", "PUT", "/bkt/k", "x").header("x-amz-version-id");
  const std::string until = iso_date(now() + int64_t{86'400} * 1'000'000'000);
  EXPECT_EQ(code(ask("ada", "GET", "/bkt/k?retention")), "NoSuchObjectLockConfiguration");
  EXPECT_EQ(ask("ada", "PUT", "/bkt/k?retention",
                "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>" + until +
                    "</RetainUntilDate></Retention>")
                .status,
            200);
  EXPECT_EQ(ask("ada", "GET", "/bkt/k?retention").xml("Mode"), "GOVERNANCE");
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/k").header("x-amz-object-lock-mode"), "GOVERNANCE");
  EXPECT_EQ(code(ask("ada", "DELETE", "/bkt/k?versionId=" + version)), "AccessDenied");
  EXPECT_EQ(ask("ada", "PUT", "/bkt/k?legal-hold", "<LegalHold><Status>ON</Status></LegalHold>")
                .status,
            200);
  EXPECT_EQ(ask("ada", "GET", "/bkt/k?legal-hold").xml("Status"), "ON");
  const Headers bypass = {{"x-amz-bypass-governance-retention", "true"}};
  EXPECT_EQ(code(ask("ada", "DELETE", "/bkt/k?versionId=" + version, "", bypass)), "AccessDenied");
  ask("ada", "PUT", "/bkt/k?legal-hold", "<LegalHold><Status>OFF</Status></LegalHold>");
  EXPECT_EQ(ask("ada", "DELETE", "/bkt/k?versionId=" + version, "", bypass).status, 204);
  // What new objects get.
  EXPECT_EQ(ask("ada", "PUT", "/bkt?object-lock",
                "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>"
                "<DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>"
                "</ObjectLockConfiguration>")
                .status,
            200);
  const std::string kept = ask("ada", "PUT", "/bkt/d", "y").header("x-amz-version-id");
  EXPECT_EQ(ask("ada", "GET", "/bkt/d?retention").xml("Mode"), "COMPLIANCE");
  EXPECT_EQ(code(ask("ada", "DELETE", "/bkt/d?versionId=" + kept, "", bypass)), "AccessDenied");
  EXPECT_EQ(code(ask("ada", "PUT", "/bkt?versioning",
                     "<VersioningConfiguration><Status>Suspended</Status>"
                     "</VersioningConfiguration>")),
            "InvalidBucketState");
  make_bucket("plain");
  EXPECT_EQ(code(ask("ada", "PUT", "/plain/k", "x", {{"x-amz-object-lock-legal-hold", "ON"}})),
            "InvalidRequest");
}

TEST_F(S3VersionsTest, LifecycleExpires) {
  make_bucket("bkt");
  ask("ada", "PUT", "/bkt/log/old", "x");
  ask("ada", "PUT", "/bkt/keep", "x");
  const Answer begun = ask("ada", "POST", "/bkt/log/up?uploads");
  ASSERT_EQ(begun.status, 200);
  EXPECT_EQ(ask("ada", "PUT", "/bkt?lifecycle",
                "<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>"
                "log/</Prefix></Filter><Expiration><Days>1</Days></Expiration>"
                "<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation>"
                "</AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>")
                .status,
            200);
  const int64_t day = int64_t{86'400} * 1'000'000'000;
  auto report = s3::run_housekeeping(*services_, now());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->expired, 0u);
  report = s3::run_housekeeping(*services_, now() + 2 * day);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->expired, 1u);
  EXPECT_EQ(report->uploads, 0u);
  EXPECT_EQ(ask("ada", "GET", "/bkt").all("Key"), std::vector<std::string>{"keep"});
  report = s3::run_housekeeping(*services_, now() + 4 * day);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->uploads, 1u);
  EXPECT_EQ(ask("ada", "GET", "/bkt?uploads").all("UploadId").size(), 0u);
}

// --- uploads in parts ----------------------------------------------------------------------------

TEST_F(S3UploadTest, PartsInAnyOrderBecomeOneObject) {
  make_bucket("bkt");
  const Answer begun = ask("ada", "POST", "/bkt/big?uploads", "",
                           {{"Content-Type", "x/y"}, {"x-amz-meta-m", "1"}});
  const std::string id = begun.xml("UploadId");
  ASSERT_EQ(id.size(), 32u) << begun.body;
  const std::string base = "/bkt/big?uploadId=" + id;
  const std::vector<std::string> parts = {bytes_of(5u << 20, 11), bytes_of(6u << 20, 12),
                                          bytes_of(1000, 13)};
  std::vector<std::string> etags(3);
  for (const size_t i : {2u, 0u, 1u}) {
    const Answer put =
        ask("ada", "PUT", base + "&partNumber=" + std::to_string(i + 1), parts[i]);
    ASSERT_EQ(put.status, 200) << put.body;
    etags[i] = put.header("etag");
    EXPECT_EQ(etags[i], md5(parts[i]));
  }
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/big").status, 404);
  EXPECT_EQ(ask("ada", "GET", base).all("PartNumber"),
            (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(ask("ada", "GET", base + "&max-parts=1&part-number-marker=1").all("PartNumber"),
            std::vector<std::string>{"2"});
  EXPECT_EQ(ask("ada", "GET", "/bkt?uploads").all("UploadId"), std::vector<std::string>{id});
  const auto complete = [&](const std::vector<int>& numbers, const std::string& tag = "") {
    std::string xml = "<CompleteMultipartUpload>";
    for (const int n : numbers) {
      xml += "<Part><PartNumber>" + std::to_string(n) + "</PartNumber><ETag>" +
             (tag.empty() ? etags[static_cast<size_t>(n - 1)] : tag) + "</ETag></Part>";
    }
    return ask("ada", "POST", base, xml + "</CompleteMultipartUpload>");
  };
  EXPECT_EQ(code(complete({2, 1})), "InvalidPartOrder");
  EXPECT_EQ(code(complete({1, 2}, "\"beef\"")), "InvalidPart");
  EXPECT_EQ(code(complete({})), "MalformedXML");
  const Answer done = complete({1, 2, 3});
  ASSERT_EQ(done.status, 200) << done.body;
  Bytes digests;
  for (const std::string& part : parts) digests += serve::digest_of(serve::Algorithm::kMd5, part);
  const std::string etag = md5(digests).substr(0, 33) + "-3\"";
  const Answer got = ask("ada", "GET", "/bkt/big");
  EXPECT_EQ(got.header("etag"), etag);
  EXPECT_TRUE(got.body == parts[0] + parts[1] + parts[2]);
  EXPECT_EQ(got.header("content-type"), "x/y");
  EXPECT_EQ(got.header("x-amz-meta-m"), "1");
  const Answer part = ask("ada", "GET", "/bkt/big?partNumber=3");
  EXPECT_EQ(part.status, 206);
  EXPECT_TRUE(part.body == parts[2]);
  EXPECT_EQ(part.header("x-amz-mp-parts-count"), "3");
  EXPECT_EQ(code(ask("ada", "GET", "/bkt/big?partNumber=4")), "InvalidPartNumber");
  EXPECT_EQ(code(complete({1})), "NoSuchUpload");
  EXPECT_EQ(ask("ada", "GET", "/bkt?uploads").all("UploadId").size(), 0u);
}

TEST_F(S3UploadTest, SmallPartsAreRefusedAndAbortedUploadsAreGone) {
  make_bucket("bkt");
  const std::string id = ask("ada", "POST", "/bkt/k?uploads").xml("UploadId");
  const std::string base = "/bkt/k?uploadId=" + id;
  const std::string a = ask("ada", "PUT", base + "&partNumber=1", "aa").header("etag");
  const std::string b = ask("ada", "PUT", base + "&partNumber=2", "bb").header("etag");
  EXPECT_EQ(code(ask("ada", "POST", base,
                     "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + a +
                         "</ETag></Part><Part><PartNumber>2</PartNumber><ETag>" + b +
                         "</ETag></Part></CompleteMultipartUpload>")),
            "EntityTooSmall");
  EXPECT_EQ(code(ask("ada", "PUT", base + "&partNumber=0", "x")), "InvalidArgument");
  EXPECT_EQ(code(ask("ada", "PUT", base + "&partNumber=10001", "x")), "InvalidArgument");
  EXPECT_EQ(ask("ada", "DELETE", base).status, 204);
  EXPECT_EQ(code(ask("ada", "DELETE", base)), "NoSuchUpload");
  EXPECT_EQ(code(ask("ada", "PUT", base + "&partNumber=1", "x")), "NoSuchUpload");
  EXPECT_EQ(code(ask("ada", "PUT", "/bkt/k?uploadId=../../x&partNumber=1", "x")), "NoSuchUpload");
}

TEST_F(S3UploadTest, PartsCanBeCopied) {
  make_bucket("bkt");
  const std::string content = bytes_of(7u << 20, 21);
  ask("ada", "PUT", "/bkt/source", content);
  const std::string id = ask("ada", "POST", "/bkt/k?uploads").xml("UploadId");
  const std::string base = "/bkt/k?uploadId=" + id;
  const auto part = [&](int number, const std::string& range) {
    Headers headers = {{"x-amz-copy-source", "/bkt/source"}};
    if (!range.empty()) headers.emplace_back("x-amz-copy-source-range", range);
    return ask("ada", "PUT", base + "&partNumber=" + std::to_string(number), "", headers);
  };
  EXPECT_EQ(code(part(1, "bytes=0-99999999")), "InvalidRange");
  EXPECT_EQ(code(part(1, "0-1")), "InvalidArgument");
  const auto tag = [](const Answer& answer) {
    return "\"" + answer.xml("ETag").substr(6, 32) + "\"";
  };
  const std::string first = tag(part(1, "bytes=100-6000099"));
  const std::string second = tag(part(2, ""));
  const Answer done =
      ask("ada", "POST", base,
          "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + first +
              "</ETag></Part><Part><PartNumber>2</PartNumber><ETag>" + second +
              "</ETag></Part></CompleteMultipartUpload>");
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_TRUE(get("/bkt/k") == content.substr(100, 6'000'000) + content);
}

}  // namespace
}  // namespace ramet::serve::s3test
