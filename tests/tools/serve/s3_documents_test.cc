// Goal: the documents of S3 (policies, lifecycle rules, CORS, tags, forms) mean what AWS says they
// mean, and what cannot be kept to is refused when it is put. Method: examples, pure.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "tools/serve/s3/cors.h"
#include "tools/serve/s3/form.h"
#include "tools/serve/s3/lifecycle.h"
#include "tools/serve/s3/names.h"
#include "tools/serve/s3/object_lock.h"
#include "tools/serve/s3/object_meta.h"
#include "tools/serve/s3/operations.h"
#include "tools/serve/s3/policy.h"
#include "tools/serve/s3/xml.h"

namespace ramet::serve::s3 {
namespace {

template <typename T>
std::string name_of(const Outcome<T>& outcome) {
  return outcome.ok() ? "ok" : std::string(info_of(outcome.error().s3_code()).name);
}

// --- errors and XML ------------------------------------------------------------------------------

TEST(S3ErrorsTest, EveryErrorHasANameAStatusAndAText) {
  for (size_t i = 0; i <= static_cast<size_t>(Code::kLast); ++i) {
    const CodeInfo& info = info_of(static_cast<Code>(i));
    EXPECT_FALSE(info.name.empty());
    EXPECT_FALSE(info.text.empty());
    EXPECT_GE(info.status, 300);
    EXPECT_LT(info.status, 600);
  }
  for (int i = 1; i <= static_cast<int>(ErrorCode::kWouldWait); ++i) {
    const Fault fault(Error(static_cast<ErrorCode>(i), "segment 7 is torn"));
    EXPECT_FALSE(fault.message().empty());
  }
  EXPECT_EQ(Fault(Error(ErrorCode::kIoError, "segment 7")).message().find("segment"),
            std::string_view::npos);
}

TEST(S3ErrorsTest, TheAnswerIsXmlThatNamesTheResource) {
  const std::string xml = error_xml(Fault(Code::kNoSuchKey).with("Key", "a<b"), "/x/a<b", "42");
  EXPECT_EQ(xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>"
            "The specified key does not exist.</Message><Key>a&lt;b</Key><Resource>/x/a&lt;b"
            "</Resource><RequestId>42</RequestId><HostId>ramet</HostId></Error>");
}

TEST(S3XmlTest, DoctypesDeepTreesAndOtherRootsAreRefused) {
  EXPECT_EQ(name_of(XmlDocument::parse("<Delete><Quiet>true</Quiet></Delete>", "Delete")), "ok");
  EXPECT_EQ(name_of(XmlDocument::parse(
                "<s3:Delete xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>", "Delete")),
            "ok");
  for (const char* wrong :
       {"", "<Delete>", "<Other/>", "not xml",
        "<!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol2 \"&lol;&lol;\">]><Delete/>",
        "<!DOCTYPE Delete SYSTEM \"file:///etc/passwd\"><Delete/>"}) {
    EXPECT_EQ(name_of(XmlDocument::parse(wrong, "Delete")), "MalformedXML") << wrong;
  }
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<Delete>";
  for (int i = 0; i < 100'000; ++i) deep += "</Delete>";
  EXPECT_EQ(name_of(XmlDocument::parse(deep, "Delete")), "MalformedXML");
}

TEST(S3XmlTest, TextKeepsWhatKeysMayHold) {
  auto document = XmlDocument::parse("<A><Key> a&amp;b<![CDATA[<c>]]> </Key></A>", "A");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().child("Key").exact(), " a&b<c> ");
  EXPECT_EQ(document->root().child("Key").text(), "a&b<c>");
  EXPECT_EQ(xml_escape("a\x01\"<&>"), "a&#x1;&quot;&lt;&amp;&gt;");
}

// --- names ---------------------------------------------------------------------------------------

Outcome<Target> target_of(const std::string& path, const std::string& host = "s3.local:9000",
                          const std::string& domain = "s3.local") {
  Request request;
  request.path = path;
  request.fields.add("Host", host);
  return parse_target(request, domain);
}

TEST(S3NamesTest, PathsAndHostsNameBucketsAndKeys) {
  const auto names = [](const std::string& path, const std::string& host = "s3.local:9000") {
    auto target = target_of(path, host);
    return target.ok() ? target->bucket + "|" + target->key : name_of(target);
  };
  EXPECT_EQ(names("/"), "|");
  EXPECT_EQ(names("/b"), "b|");
  EXPECT_EQ(names("/b/"), "b|");
  EXPECT_EQ(names("/b/a%2Fc%20d"), "b|a/c d");
  EXPECT_EQ(names("/b/a+b"), "b|a+b");
  EXPECT_EQ(names("/b//x/../y"), "b|/x/../y");
  EXPECT_EQ(names("/k/ey", "b.s3.local"), "b|k/ey");
  EXPECT_EQ(names("/", "b.c.S3.local:80"), "b.c|");
  EXPECT_EQ(names("/b/k", "other.host"), "b|k");
  EXPECT_EQ(names("/b/%00"), "InvalidURI");
  EXPECT_EQ(names("/b/%zz"), "InvalidURI");
  EXPECT_EQ(names("/b/%c0%ae"), "InvalidURI");  // '.' written too long
  EXPECT_EQ(names("/b/" + std::string(1024, 'k')).size(), 1026u);
  EXPECT_EQ(names("/b/" + std::string(1025, 'k')), "KeyTooLongError");
  EXPECT_EQ(names("//k"), "InvalidURI");
}

TEST(S3NamesTest, BucketNames) {
  for (const char* fine : {"abc", "a-b.c", "0123", "my-bucket.example.com"}) {
    EXPECT_TRUE(check_new_bucket(fine).ok()) << fine;
  }
  for (const char* wrong : {"", "ab", "Abc", "a_b", "-abc", "abc-", "a..b", "192.168.0.1",
                            "xn--abc", "abc-s3alias", ".abc", "a/b"}) {
    EXPECT_FALSE(check_new_bucket(wrong).ok()) << wrong;
  }
  EXPECT_FALSE(check_new_bucket(std::string(64, 'a')).ok());
  EXPECT_FALSE(is_addressable(".uploads"));
  EXPECT_TRUE(is_addressable("With Spaces"));
}

TEST(S3NamesTest, AVersionIsOfItsObject) {
  ObjectInfo info;
  info.id = make_id<ObjectId>(5, {1});
  info.version = 77;
  const std::string text = version_text(info);
  auto parsed = parse_version(text, info.id);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(**parsed, 77u);
  EXPECT_EQ(name_of(parse_version(text, make_id<ObjectId>(6, {1}))), "NoSuchVersion");
  EXPECT_EQ(name_of(parse_version("rubbish", info.id)), "InvalidArgument");
  info.unversioned = true;
  EXPECT_EQ(version_text(info), "null");
}

// --- operations ----------------------------------------------------------------------------------

TEST(S3OperationsTest, EachOneIsFoundByWhatItSays) {
  for (const Operation& operation : operations()) {
    Request request;
    request.method = operation.method;
    if (operation.copy) request.fields.add("x-amz-copy-source", "/a/b");
    Target target;
    if (operation.on != On::kService) target.bucket = "b";
    if (operation.on == On::kObject) target.key = "k";
    QueryParams params;
    if (!operation.query.empty()) params.emplace_back(operation.query, "");
    auto found = find_operation(request, target, params);
    ASSERT_TRUE(found.ok()) << operation.name;
    EXPECT_EQ((*found)->name, operation.name);
  }
  Request request;
  request.method = "PATCH";
  EXPECT_EQ(name_of(find_operation(request, Target{"b", "k"}, {})), "MethodNotAllowed");
}

// --- policies ------------------------------------------------------------------------------------

std::string policy_of(const std::string& statement) {
  return "{\"Version\":\"2012-10-17\",\"Statement\":[" + statement + "]}";
}

Verdict ask_policy(const std::string& json, const std::string& who, const std::string& action,
                   const std::string& resource,
                   const std::map<std::string, std::string>& context = {}) {
  auto policy = Policy::parse(json, "b");
  EXPECT_TRUE(policy.ok()) << (policy.ok() ? "" : std::string(policy.error().message()));
  if (!policy.ok()) return Verdict::kNone;
  return (*policy)->evaluate(
      {who, "id", action, resource,
       [&](std::string_view key) -> std::optional<std::string> {
         const auto found = context.find(std::string(key));
         if (found == context.end()) return std::nullopt;
         return found->second;
       }});
}

TEST(S3PolicyTest, AllowsAndDenies) {
  const std::string json = policy_of(
      R"({"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ada"},
          "Action":["s3:GetObject","s3:Put*"],"Resource":"arn:aws:s3:::b/pub/*"},
         {"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/pub/no*"})");
  EXPECT_EQ(ask_policy(json, "ada", "s3:GetObject", "b/pub/x"), Verdict::kAllow);
  EXPECT_EQ(ask_policy(json, "ada", "s3:PutObjectTagging", "b/pub/x"), Verdict::kAllow);
  EXPECT_EQ(ask_policy(json, "ada", "s3:DeleteObject", "b/pub/x"), Verdict::kNone);
  EXPECT_EQ(ask_policy(json, "ada", "s3:GetObject", "b/priv/x"), Verdict::kNone);
  EXPECT_EQ(ask_policy(json, "bob", "s3:GetObject", "b/pub/x"), Verdict::kNone);
  EXPECT_EQ(ask_policy(json, "ada", "s3:GetObject", "b/pub/nono"), Verdict::kDeny);
  EXPECT_EQ(ask_policy(json, "bob", "s3:GetObject", "b/pub/nono"), Verdict::kDeny);
}

TEST(S3PolicyTest, Conditions) {
  const auto with = [](const std::string& condition) {
    return policy_of(R"({"Effect":"Allow","Principal":"*","Action":"s3:*",
        "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":)" + condition + "}");
  };
  const auto holds = [&](const std::string& condition,
                         const std::map<std::string, std::string>& context) {
    return ask_policy(with(condition), "x", "s3:ListBucket", "b", context) == Verdict::kAllow;
  };
  const std::string net = R"({"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}})";
  EXPECT_TRUE(holds(net, {{"aws:SourceIp", "10.200.1.1"}}));
  EXPECT_TRUE(holds(net, {{"aws:SourceIp", "2001:db8:1::5"}}));
  EXPECT_FALSE(holds(net, {{"aws:SourceIp", "11.0.0.1"}}));
  EXPECT_FALSE(holds(net, {}));
  EXPECT_TRUE(holds(R"({"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}})",
                    {{"aws:SourceIp", "11.0.0.1"}}));
  EXPECT_TRUE(holds(R"({"Bool":{"aws:SecureTransport":true}})",
                    {{"aws:SecureTransport", "true"}}));
  EXPECT_FALSE(holds(R"({"Bool":{"aws:SecureTransport":"true"}})",
                     {{"aws:SecureTransport", "false"}}));
  EXPECT_TRUE(holds(R"({"StringLike":{"s3:prefix":"home/*"}})", {{"s3:prefix", "home/a"}}));
  EXPECT_FALSE(holds(R"({"StringEquals":{"s3:prefix":"home"}})", {{"s3:prefix", "home/"}}));
  EXPECT_TRUE(holds(R"({"NumericLessThanEquals":{"s3:max-keys":10}})", {{"s3:max-keys", "10"}}));
  EXPECT_FALSE(holds(R"({"NumericLessThanEquals":{"s3:max-keys":10}})", {{"s3:max-keys", "11"}}));
  EXPECT_TRUE(holds(R"({"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}})",
                    {{"aws:CurrentTime", "2029-12-31T23:59:59.000Z"}}));
  EXPECT_TRUE(holds(R"({"Null":{"s3:prefix":"true"}})", {}));
  EXPECT_TRUE(holds(R"({"StringEqualsIfExists":{"s3:prefix":"a"}})", {}));
}

TEST(S3PolicyTest, WhatCannotBeKeptToIsRefused) {
  const std::string head = R"({"Effect":"Allow","Principal":"*","Action":"s3:*",)";
  for (const std::string& wrong :
       {std::string("[]"), std::string("{"), std::string("{}"), policy_of("{}"),
        policy_of(head + R"("Resource":"arn:aws:s3:::other/*"})"),
        policy_of(head + R"("Resource":"b/*"})"),
        policy_of(head + R"("Resource":"arn:aws:s3:::b/*","Condition":{"Odd":{"s3:prefix":"a"}}})"),
        policy_of(head +
                  R"("Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:MFA":"true"}}})"),
        policy_of(R"({"Effect":"Perhaps","Principal":"*","Action":"s3:*",
                      "Resource":"arn:aws:s3:::b"})"),
        policy_of(R"({"Effect":"Allow","Principal":"*","Action":"ec2:Run",
                      "Resource":"arn:aws:s3:::b"})"),
        policy_of(R"({"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b"})")}) {
    EXPECT_EQ(name_of(Policy::parse(wrong, "b")), "MalformedPolicy") << wrong;
  }
}

TEST(S3PolicyTest, Wildcards) {
  EXPECT_TRUE(wildcard_match("*", ""));
  EXPECT_TRUE(wildcard_match("a*b*c", "aXXbYYbc"));
  EXPECT_FALSE(wildcard_match("a*b*c", "aXXcYYb"));
  EXPECT_TRUE(wildcard_match("a?c", "abc"));
  EXPECT_FALSE(wildcard_match("a?c", "ac"));
  EXPECT_FALSE(wildcard_match("", "a"));
  std::string stars;
  for (int i = 0; i < 50; ++i) stars += "*a";
  EXPECT_FALSE(wildcard_match(stars + "b", std::string(5000, 'a')));  // and soon
}

// --- lifecycle -----------------------------------------------------------------------------------

constexpr int64_t kDay = 86'400'000'000'000;

std::vector<LifecycleRule> rules_of(const std::string& rule) {
  auto rules = parse_lifecycle("<LifecycleConfiguration>" + rule + "</LifecycleConfiguration>");
  EXPECT_TRUE(rules.ok()) << (rules.ok() ? "" : std::string(rules.error().message()));
  return rules.ok() ? *rules : std::vector<LifecycleRule>();
}

TEST(S3LifecycleTest, CurrentVersionsExpireAtTheMidnightAfterTheirDays) {
  const auto rules = rules_of(
      "<Rule><Status>Enabled</Status><Filter><And><Prefix>log/</Prefix><Tag><Key>k</Key><Value>v"
      "</Value></Tag></And></Filter><Expiration><Days>2</Days></Expiration></Rule>");
  Metadata tagged;
  set_property(tagged, "s3.tag.k", "v");
  const Metadata plain;
  Aging object;
  object.key = "log/a";
  object.metadata = &tagged;
  object.since = 100 * kDay + 1;
  object.current = true;
  EXPECT_EQ(fate_of(rules, object, 102 * kDay + 2), Fate::kKeep);
  EXPECT_EQ(fate_of(rules, object, 103 * kDay - 1), Fate::kKeep);
  EXPECT_EQ(fate_of(rules, object, 103 * kDay), Fate::kExpire);
  object.metadata = &plain;
  EXPECT_EQ(fate_of(rules, object, 200 * kDay), Fate::kKeep);
  object.metadata = &tagged;
  object.key = "other";
  EXPECT_EQ(fate_of(rules, object, 200 * kDay), Fate::kKeep);
}

TEST(S3LifecycleTest, EarlierVersionsMarkersAndUploads) {
  const auto rules = rules_of(
      "<Rule><Status>Enabled</Status><Filter/><Expiration><ExpiredObjectDeleteMarker>true"
      "</ExpiredObjectDeleteMarker></Expiration><NoncurrentVersionExpiration><NoncurrentDays>1"
      "</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions>"
      "</NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7"
      "</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>"
      "<Rule><Status>Disabled</Status><Prefix/><Expiration><Days>1</Days></Expiration></Rule>");
  const Metadata plain;
  Aging version;
  version.key = "a";
  version.metadata = &plain;
  version.newer = 1;
  EXPECT_EQ(fate_of(rules, version, 100 * kDay), Fate::kKeep);
  version.newer = 2;
  EXPECT_EQ(fate_of(rules, version, 100 * kDay), Fate::kRemoveVersion);
  version.since = 100 * kDay;
  EXPECT_EQ(fate_of(rules, version, 100 * kDay + 5), Fate::kKeep);
  Aging marker;
  marker.key = "a";
  marker.current = true;
  marker.deletion = true;
  EXPECT_EQ(fate_of(rules, marker, kDay), Fate::kKeep);
  marker.alone = true;
  EXPECT_EQ(fate_of(rules, marker, kDay), Fate::kRemoveVersion);
  EXPECT_FALSE(aborts_upload(rules, "a", 10 * kDay, 16 * kDay));
  EXPECT_TRUE(aborts_upload(rules, "a", 10 * kDay, 17 * kDay));
  Aging current;
  current.key = "a";
  current.metadata = &plain;
  current.current = true;
  EXPECT_EQ(fate_of(rules, current, 1000 * kDay), Fate::kKeep);  // that rule is disabled
}

TEST(S3LifecycleTest, RulesThatAreNoRulesAreRefused) {
  const auto put = [](const std::string& rule) {
    return name_of(
        parse_lifecycle("<LifecycleConfiguration>" + rule + "</LifecycleConfiguration>"));
  };
  EXPECT_EQ(put(""), "MalformedXML");
  EXPECT_EQ(put("<Rule><Status>Enabled</Status></Rule>"), "MalformedXML");
  EXPECT_EQ(put("<Rule><Status>On</Status><Expiration><Days>1</Days></Expiration></Rule>"),
            "MalformedXML");
  EXPECT_EQ(put("<Rule><Status>Enabled</Status><Expiration><Days>0</Days></Expiration></Rule>"),
            "InvalidArgument");
  EXPECT_EQ(put("<Rule><Status>Enabled</Status><Transition><Days>1</Days><StorageClass>GLACIER"
                "</StorageClass></Transition></Rule>"),
            "NotImplemented");
}

// --- CORS ----------------------------------------------------------------------------------------

TEST(S3CorsTest, TheFirstRuleThatFitsAnswers) {
  auto rules = parse_cors(
      "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example.com</AllowedOrigin>"
      "<AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>"
      "<ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>"
      "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>"
      "</CORSConfiguration>");
  ASSERT_TRUE(rules.ok());
  Fields fields;
  EXPECT_TRUE(apply_cors(*rules, "https://a.example.com", "PUT", "X-Amz-Date, x-amz-acl", true,
                         fields));
  EXPECT_EQ(fields.get("access-control-allow-origin"), "https://a.example.com");
  EXPECT_EQ(fields.get("access-control-allow-headers"), "x-amz-date, x-amz-acl");
  EXPECT_EQ(fields.get("access-control-max-age"), "60");
  EXPECT_FALSE(apply_cors(*rules, "https://a.example.com", "PUT", "cookie", true, fields));
  EXPECT_FALSE(apply_cors(*rules, "https://other", "PUT", "", true, fields));
  Fields any;
  EXPECT_TRUE(apply_cors(*rules, "https://other", "GET", "", false, any));
  EXPECT_EQ(any.get("access-control-allow-origin"), "*");
  EXPECT_FALSE(any.find("access-control-allow-credentials").has_value());
  EXPECT_EQ(name_of(parse_cors("<CORSConfiguration/>")), "MalformedXML");
  EXPECT_EQ(name_of(parse_cors("<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>"
                               "<AllowedMethod>PATCH</AllowedMethod></CORSRule>"
                               "</CORSConfiguration>")),
            "InvalidRequest");
}

// --- tags, parts, locks --------------------------------------------------------------------------

TEST(S3TagsTest, LimitsOfTags) {
  const auto put = [](const std::string& tags) {
    return name_of(parse_tagging("<Tagging><TagSet>" + tags + "</TagSet></Tagging>", 10));
  };
  const auto tag = [](const std::string& key, const std::string& value) {
    return "<Tag><Key>" + key + "</Key><Value>" + value + "</Value></Tag>";
  };
  EXPECT_EQ(put(tag("a", "b")), "ok");
  EXPECT_EQ(put(""), "ok");
  EXPECT_EQ(put(tag("a", "b") + tag("a", "c")), "InvalidTag");
  EXPECT_EQ(put(tag("", "b")), "InvalidTag");
  EXPECT_EQ(put(tag("aws:x", "b")), "InvalidTag");
  EXPECT_EQ(put(tag(std::string(129, 'k'), "")), "InvalidTag");
  EXPECT_EQ(put(tag("k", std::string(257, 'v'))), "InvalidTag");
  std::string eleven;
  for (int i = 0; i < 11; ++i) eleven += tag("k" + std::to_string(i), "v");
  EXPECT_EQ(put(eleven), "InvalidTag");
}

TEST(S3PartsTest, SizesOfPartsThereAndBack) {
  for (const std::vector<uint64_t>& sizes :
       {std::vector<uint64_t>{}, {5}, {5, 5, 5, 7}, {1, 2, 1, 2}}) {
    EXPECT_EQ(parse_parts(parts_text(sizes)), sizes);
  }
  EXPECT_EQ(parts_text({5242880, 5242880, 17}), "5242880x2,17");
  EXPECT_TRUE(parse_parts("1x999999999999").empty());
}

TEST(S3LockTest, Configurations) {
  const auto parse = [](const std::string& rule) {
    return parse_lock_configuration("<ObjectLockConfiguration><ObjectLockEnabled>Enabled"
                                    "</ObjectLockEnabled>" + rule + "</ObjectLockConfiguration>");
  };
  auto plain = parse("");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->mode, RetentionMode::kNone);
  auto days = parse("<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>3</Days>"
                    "</DefaultRetention></Rule>");
  ASSERT_TRUE(days.ok());
  EXPECT_EQ(days->duration, 3 * kDay);
  EXPECT_EQ(name_of(parse("<Rule><DefaultRetention><Mode>COMPLIANCE</Mode></DefaultRetention>"
                          "</Rule>")),
            "MalformedXML");
  EXPECT_EQ(name_of(parse_legal_hold("<LegalHold><Status>on</Status></LegalHold>")),
            "MalformedXML");
  EXPECT_EQ(name_of(parse_retention("<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>"
                                    "2001-01-01T00:00:00Z</RetainUntilDate></Retention>",
                                    1'700'000'000'000'000'000)),
            "InvalidArgument");
}

// --- forms ---------------------------------------------------------------------------------------

TEST(S3FormTest, PoliciesOfForms) {
  const int64_t now = *parse_iso_date("2026-01-01T00:00:00Z");
  const std::string policy =
      R"({"expiration":"2026-01-01T01:00:00Z","conditions":[{"bucket":"b"},
          ["starts-with","$key","user/"],["eq","$acl","private"],
          ["content-length-range",1,100]]})";
  std::map<std::string, std::string> fields = {
      {"bucket", "b"}, {"key", "user/a"}, {"acl", "private"}, {"policy", "x"}};
  auto range = check_post_policy(policy, fields, now);
  ASSERT_TRUE(range.ok()) << range.error().message();
  EXPECT_EQ(range->most, 100u);
  EXPECT_EQ(name_of(check_post_policy(policy, fields, now + 3'601'000'000'000)), "AccessDenied");
  fields["x-amz-meta-extra"] = "1";
  EXPECT_EQ(name_of(check_post_policy(policy, fields, now)), "AccessDenied");
  fields.erase("x-amz-meta-extra");
  fields["key"] = "other/a";
  EXPECT_EQ(name_of(check_post_policy(policy, fields, now)), "AccessDenied");
  EXPECT_EQ(name_of(check_post_policy("{}", fields, now)), "InvalidPolicyDocument");
}

}  // namespace
}  // namespace ramet::serve::s3
