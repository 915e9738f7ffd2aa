// Goal: the S3 face does for each caller what his level, the bucket's policy and access list, and
// the form he signed allow, and tells others nothing. Method: signed requests to the face
// (s3_fixture.h), answers compared.
#include "tests/tools/serve/s3_fixture.h"

namespace ramet::serve::s3test {
namespace {

using S3AccessTest = S3Test;

TEST_F(S3AccessTest, NothingIsAnsweredWithoutACredential) {
  make_bucket("bkt");
  ask("ada", "PUT", "/bkt/k", "x");
  for (const char* target : {"/", "/bkt", "/bkt/k", "/none"}) {
    Request request = make_request("GET", target, {});
    FakeBody nothing("");
    EXPECT_EQ(code(send(request, nothing)), "AccessDenied") << target;
  }
  Request request = make_request("GET", "/bkt/k", {});
  sign(request, "nobody", "UNSIGNED-PAYLOAD");
  FakeBody nothing("");
  EXPECT_EQ(code(send(request, nothing)), "InvalidAccessKeyId");
  request = make_request("GET", "/bkt/k", {});
  sign(request, "ada", "UNSIGNED-PAYLOAD");
  request.path = "/bkt/other";
  EXPECT_EQ(code(send(request, nothing)), "SignatureDoesNotMatch");
}

TEST_F(S3AccessTest, WhoIsWrongTooOftenMustWait) {
  make_bucket("bkt");
  std::string last;
  for (int i = 0; i < 30 && last != "SlowDown"; ++i) {
    Request request = make_request("GET", "/bkt", {});
    request.peer = "198.51.100.9";
    sign(request, "nobody", "UNSIGNED-PAYLOAD");
    FakeBody nothing("");
    const Answer answer = send(request, nothing);
    last = code(answer);
    EXPECT_EQ(last == "SlowDown", !answer.header("retry-after").empty());
  }
  EXPECT_EQ(last, "SlowDown");
  EXPECT_EQ(ask("ada", "GET", "/bkt").status, 200);  // from elsewhere
}

// Every operation on a bucket, by someone at each level: refused below its own, and not refused
// (but for what the request lacks) from it on. Buckets that are not there tell those apart who may
// make some.
TEST_F(S3AccessTest, EachOperationAtEachLevel) {
  make_bucket("bkt");
  ask("ada", "PUT", "/bkt/k", "x");
  const PrincipalId bob = access().principal("bob")->id;
  for (const s3::Operation& operation : s3::operations()) {
    if (operation.on == s3::On::kService || operation.op == s3::Op::kPreflight) continue;
    if (operation.op == s3::Op::kPostObject || operation.op == s3::Op::kDeleteBucket) continue;
    const auto send_as = [&](const std::string& who, const std::string& bucket) {
      std::string target = "/" + bucket;
      if (operation.on == s3::On::kObject) target += "/some-new-key";
      if (!operation.query.empty()) target += "?" + std::string(operation.query);
      if (operation.op == s3::Op::kListChanges) target += "=bkt";
      Headers headers;
      if (operation.copy) headers.emplace_back("x-amz-copy-source", "/bkt/k");
      return ask(who, std::string(operation.method), target, "", headers);
    };
    const auto level_needed = operation.op == s3::Op::kCreateBucket ? 9
                              : static_cast<int>(operation.level);
    for (int level = 0; level <= 4; ++level) {
      ASSERT_TRUE(access().set_grant(id_of("bkt"), bob, static_cast<AccessLevel>(level)).ok());
      ASSERT_EQ(ask("root", "DELETE", "/bkt/some-new-key").status, 204);  // that it is new
      const Answer answer = send_as("bob", "bkt");
      if (level < level_needed) {
        EXPECT_EQ(answer.status, 403) << operation.name << " at " << level << answer.body;
      } else {
        EXPECT_NE(answer.status, 403) << operation.name << " at " << level << answer.body;
      }
      // Bob may not make buckets: what is not there is as what he may not see.
      EXPECT_EQ(send_as("bob", "not-there").status, 403) << operation.name;
    }
    if (operation.op != s3::Op::kCreateBucket) {
      EXPECT_EQ(send_as("ada", "not-there").status, 404) << operation.name;
    }
  }
}

TEST_F(S3AccessTest, UploadersAddButReplaceAndRemoveNothing) {
  make_bucket("bkt");
  const PrincipalId bob = access().principal("bob")->id;
  ASSERT_TRUE(access().set_grant(id_of("bkt"), bob, AccessLevel::kUpload).ok());
  EXPECT_EQ(ask("bob", "PUT", "/bkt/k", "1").status, 200);
  EXPECT_EQ(code(ask("bob", "PUT", "/bkt/k", "2")), "AccessDenied");
  EXPECT_EQ(code(ask("bob", "DELETE", "/bkt/k")), "AccessDenied");
  EXPECT_EQ(get("/bkt/k"), "1");
  ASSERT_TRUE(access().set_grant(id_of("bkt"), bob, AccessLevel::kContribute).ok());
  EXPECT_EQ(ask("bob", "PUT", "/bkt/k", "2").status, 200);
  ContainerAccess kept;
  kept.is_protected = true;
  ASSERT_TRUE(access().set_container_access(id_of("bkt"), kept).ok());
  EXPECT_EQ(code(ask("bob", "DELETE", "/bkt/k")), "AccessDenied");
  EXPECT_EQ(ask("ada", "DELETE", "/bkt/k").status, 204);
}

TEST_F(S3AccessTest, PoliciesAllowAndDeny) {
  make_bucket("bkt");
  ask("ada", "PUT", "/bkt/pub/k", "x");
  ask("ada", "PUT", "/bkt/priv/k", "x");
  EXPECT_EQ(code(ask("bob", "GET", "/bkt/pub/k")), "AccessDenied");
  const std::string policy =
      R"({"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:user/bob"},
         "Action":["s3:GetObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::bkt/pub/*"},
        {"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",
         "Resource":"arn:aws:s3:::bkt/priv/*"}]})";
  EXPECT_EQ(code(ask("ada", "PUT", "/bkt?policy", "{")), "MalformedPolicy");
  EXPECT_EQ(ask("ada", "PUT", "/bkt?policy", policy).status, 204);
  EXPECT_EQ(get("/bkt?policy"), policy);
  EXPECT_EQ(ask("ada", "GET", "/bkt?policyStatus").xml("IsPublic"), "FALSE");
  EXPECT_EQ(ask("bob", "GET", "/bkt/pub/k").status, 200);
  EXPECT_EQ(code(ask("bob", "GET", "/bkt/priv/k")), "AccessDenied");
  EXPECT_EQ(code(ask("bob", "PUT", "/bkt/pub/k", "y")), "AccessDenied");
  EXPECT_EQ(code(ask("ada", "DELETE", "/bkt/priv/k")), "AccessDenied");
  const Answer many = ask("ada", "POST", "/bkt?delete",
                          "<Delete><Object><Key>priv/k</Key></Object><Object><Key>pub/k</Key>"
                          "</Object></Delete>");
  EXPECT_EQ(many.all("Code"), std::vector<std::string>{"AccessDenied"});
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/pub/k").status, 404);
  EXPECT_EQ(ask("ada", "DELETE", "/bkt?policy").status, 204);
  EXPECT_EQ(ask("ada", "DELETE", "/bkt/priv/k").status, 204);
}

// Answers that are kept are those of now, and the caller's own.
TEST_F(S3AccessTest, WhatWasAnsweredBeforeIsAnsweredNoMoreOnceItChanged) {
  make_bucket("bkt");
  ask("ada", "PUT", "/bkt/k", "one", {{"x-amz-checksum-algorithm", "CRC32"}});
  const PrincipalId bob = access().principal("bob")->id;
  const auto set = [&](AccessLevel level) {
    ASSERT_TRUE(access().set_grant(id_of("bkt"), bob, level).ok());
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(get("/bkt/k"), "one");
    EXPECT_EQ(code(ask("bob", "GET", "/bkt/k")), "AccessDenied");
    set(AccessLevel::kView);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask("bob", "GET", "/bkt/k").body, "one");
    EXPECT_EQ(ask("bob", "HEAD", "/bkt/k").length, 3u);
    EXPECT_EQ(ask("bob", "GET", "/bkt/k", "", {{"Range", "bytes=1-1"}}).body, "n");
    EXPECT_EQ(ask("bob", "GET", "/bkt/k").header("x-amz-checksum-crc32"), "");
    EXPECT_NE(ask("bob", "GET", "/bkt/k", "", {{"x-amz-checksum-mode", "ENABLED"}})
                  .header("x-amz-checksum-crc32"), "");
    set(AccessLevel::kNone);
  }
  set(AccessLevel::kView);
  EXPECT_EQ(ask("bob", "GET", "/bkt/k").body, "one");
  const std::string policy =
      R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*",
         "Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/*",
         "Condition":{"StringEquals":{"aws:UserAgent":"robot"}}}]})";
  EXPECT_EQ(ask("ada", "PUT", "/bkt?policy", policy).status, 204);
  EXPECT_EQ(ask("bob", "GET", "/bkt/k").body, "one");
  EXPECT_EQ(code(ask("bob", "GET", "/bkt/k", "", {{"User-Agent", "robot"}})), "AccessDenied");
  EXPECT_EQ(ask("ada", "DELETE", "/bkt?policy").status, 204);
  EXPECT_EQ(ask("bob", "GET", "/bkt/k", "", {{"User-Agent", "robot"}}).body, "one");
  ask("ada", "PUT", "/bkt/k", "two");
  EXPECT_EQ(ask("bob", "GET", "/bkt/k").body, "two");
  EXPECT_EQ(ask("ada", "DELETE", "/bkt/k").status, 204);
  EXPECT_EQ(code(ask("bob", "GET", "/bkt/k")), "NoSuchKey");
}

TEST_F(S3AccessTest, AccessListsAsFarAsTheyMap) {
  make_bucket("bkt");
  EXPECT_EQ(ask("ada", "GET", "/bkt?acl").all("Permission"),
            std::vector<std::string>{"FULL_CONTROL"});
  EXPECT_EQ(code(ask("ada", "PUT", "/bkt?acl", "", {{"x-amz-acl", "public-read"}})),
            "AccessControlListNotSupported");
  EXPECT_EQ(ask("ada", "PUT", "/bkt?acl", "", {{"x-amz-acl", "authenticated-read"}}).status, 200);
  EXPECT_EQ(ask("bob", "GET", "/bkt").status, 200);
  EXPECT_EQ(ask("ada", "PUT", "/bkt?acl", "", {{"x-amz-acl", "private"}}).status, 200);
  EXPECT_EQ(ask("bob", "GET", "/bkt").status, 403);
  const std::string bob = serve::to_hex(access().principal("bob")->id.view());
  EXPECT_EQ(ask("ada", "PUT", "/bkt?acl",
                "<AccessControlPolicy><AccessControlList><Grant><Grantee><ID>" + bob +
                    "</ID></Grantee><Permission>READ</Permission></Grant></AccessControlList>"
                    "</AccessControlPolicy>")
                .status,
            200);
  EXPECT_EQ(ask("bob", "GET", "/bkt").status, 200);
  EXPECT_EQ(ask("bob", "PUT", "/bkt/k", "x").status, 403);
}

TEST_F(S3AccessTest, FormsAreSignedByTheirPolicy) {
  make_bucket("bkt");
  const auto post = [&](const std::string& key, const std::string& content,
                        const std::string& prefix, bool sound = true) {
    std::string stamp = iso_date(now());
    std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
    stamp = stamp.substr(0, 15) + "Z";
    const std::string credential =
        keys_["ada"].id + "/" + stamp.substr(0, 8) + "/us-east-1/s3/aws4_request";
    const std::string policy = serve::to_base64(
        R"({"expiration":")" + iso_date(now() + 60'000'000'000) +
        R"(","conditions":[{"bucket":"bkt"},["starts-with","$key",")" + prefix +
        R"("],{"x-amz-credential":")" + credential + R"("},{"x-amz-date":")" + stamp +
        R"("},{"x-amz-algorithm":"AWS4-HMAC-SHA256"},["starts-with","$success_action_status",""],
            ["content-length-range",2,50]]})");
    std::string signature = serve::to_hex(serve::hmac_sha256(
        s3::make_signing_key(keys_["ada"].secret, stamp.substr(0, 8), "us-east-1"), policy));
    if (!sound) signature[3] = signature[3] == 'a' ? 'b' : 'a';
    std::string body;
    const auto field = [&](const std::string& name, const std::string& value) {
      body += "--edge\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value +
              "\r\n";
    };
    field("key", key);
    field("x-amz-credential", credential);
    field("x-amz-algorithm", "AWS4-HMAC-SHA256");
    field("x-amz-date", stamp);
    field("success_action_status", "201");
    field("policy", policy);
    field("x-amz-signature", signature);
    body += "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.txt\"\r\n"
            "Content-Type: text/plain\r\n\r\n" + content + "\r\n--edge--\r\n";
    Request request =
        make_request("POST", "/bkt", {{"Content-Type", "multipart/form-data; boundary=edge"}});
    request.content_length = body.size();
    FakeBody stream(body);
    stream.piece = 17;
    return send(request, stream);
  };
  const Answer done = post("up/${filename}", "contents\r\n--edg", "up/");
  EXPECT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(get("/bkt/up/f.txt"), "contents\r\n--edg");
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/up/f.txt").header("content-type"), "text/plain");
  EXPECT_EQ(code(post("up/x", "contents", "other/")), "AccessDenied");
  EXPECT_EQ(code(post("up/x", "contents", "up/", false)), "SignatureDoesNotMatch");
  EXPECT_EQ(code(post("up/x", std::string(51, 'c'), "up/")), "EntityTooLarge");
  EXPECT_EQ(code(post("up/x", "c", "up/")), "EntityTooSmall");
  EXPECT_EQ(ask("ada", "HEAD", "/bkt/up/x").status, 404);
}

}  // namespace
}  // namespace ramet::serve::s3test
