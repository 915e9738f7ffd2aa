// Goal: signatures, signed chunks and digests are just those of AWS's documentation, and anything
// else is refused with its own error. Method: the published examples ("Authenticating Requests:
// Using the Authorization Header", "... Query Parameters", "... Transferring Payload in Multiple
// Chunks"), and changes to them.
#include <gtest/gtest.h>

#include <string>

#include "tools/serve/s3/aws_chunked.h"
#include "tools/serve/digest.h"
#include "tools/serve/s3/sigv4.h"

namespace ramet::serve::s3 {
namespace {

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kCredential =
    "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
constexpr std::string_view kEmpty =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr int64_t kSecond = 1'000'000'000;
const int64_t kTime = *parse_amz_date("20130524T000000Z");

Request request_of(std::string method, std::string path, std::string query, Fields fields) {
  Request request;
  request.method = std::move(method);
  request.path = std::move(path);
  request.query = std::move(query);
  request.fields = std::move(fields);
  return request;
}

Fields fields_of(std::initializer_list<std::pair<const char*, std::string>> list) {
  Fields fields;
  for (const auto& [name, value] : list) fields.add(name, value);
  return fields;
}

std::string authorization(std::string_view names, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=" + std::string(kCredential) + ",SignedHeaders=" +
         std::string(names) + ",Signature=" + std::string(signature);
}

// "ok", or the S3 name of the error.
template <typename T>
std::string name_of(const Outcome<T>& outcome) {
  return outcome.ok() ? "ok" : std::string(info_of(outcome.error().s3_code()).name);
}

std::string check(const Request& request, int64_t now = kTime,
                  std::string_view secret = kSecret) {
  const auto params = parse_query(request.query);
  if (!params.ok()) return "query";
  auto claim = read_claim(request, *params);
  if (!claim.ok()) return name_of(claim);
  if (!*claim) return "none";
  const auto time = check_time(**claim, {now, 900 * kSecond, "us-east-1"});
  if (!time.ok()) return name_of(time);
  return name_of(check_signature(
      request, *params, **claim,
      make_signing_key(secret, (*claim)->date, (*claim)->region)));
}

Request get_object() {
  return request_of(
      "GET", "/test.txt", "",
      fields_of({{"Host", "examplebucket.s3.amazonaws.com"},
                 {"Range", "bytes=0-9"},
                 {"x-amz-content-sha256", std::string(kEmpty)},
                 {"x-amz-date", "20130524T000000Z"},
                 {"Authorization",
                  authorization("host;range;x-amz-content-sha256;x-amz-date",
                                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb4"
                                "1")}}));
}

TEST(S3SignatureTest, GetObjectOfTheDocumentation) {
  EXPECT_EQ(check(get_object()), "ok");
  EXPECT_EQ(check(get_object(), kTime, "another"), "SignatureDoesNotMatch");
}

TEST(S3SignatureTest, PutObjectOfTheDocumentation) {
  Request request = request_of(
      "PUT", "/test%24file.text", "",
      fields_of({{"Host", "examplebucket.s3.amazonaws.com"},
                 {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-date", "20130524T000000Z"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                 {"x-amz-content-sha256",
                  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
                 {"Authorization",
                  authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108b"
                                "d")}}));
  EXPECT_EQ(check(request), "ok");
  request.path = "/test$file.text";  // the same path, written another way
  EXPECT_EQ(check(request), "ok");
  request.path = "/test%24file.texT";
  EXPECT_EQ(check(request), "SignatureDoesNotMatch");
}

TEST(S3SignatureTest, QueriesOfTheDocumentation) {
  const auto fields = [](std::string_view signature) {
    return fields_of({{"Host", "examplebucket.s3.amazonaws.com"},
                      {"x-amz-date", "20130524T000000Z"},
                      {"x-amz-content-sha256", std::string(kEmpty)},
                      {"Authorization",
                       authorization("host;x-amz-content-sha256;x-amz-date", signature)}});
  };
  const char* lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
  const char* list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
  EXPECT_EQ(check(request_of("GET", "/", "lifecycle", fields(lifecycle))), "ok");
  EXPECT_EQ(check(request_of("GET", "/", "max-keys=2&prefix=J", fields(list))), "ok");
  EXPECT_EQ(check(request_of("GET", "/", "prefix=J&max-keys=2", fields(list))), "ok");
  EXPECT_EQ(check(request_of("GET", "/", "prefix=J&max-keys=3", fields(list))),
            "SignatureDoesNotMatch");
}

Request presigned() {
  return request_of("GET", "/test.txt",
                    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE"
                    "%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
                    "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
                    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
                    fields_of({{"Host", "examplebucket.s3.amazonaws.com"}}));
}

TEST(S3SignatureTest, PresignedOfTheDocumentationUntilItExpires) {
  EXPECT_EQ(check(presigned()), "ok");
  EXPECT_EQ(check(presigned(), kTime + 86'400 * kSecond), "ok");
  EXPECT_EQ(check(presigned(), kTime + 86'401 * kSecond), "AccessDenied");
  EXPECT_EQ(check(presigned(), kTime - 3600 * kSecond), "AccessDenied");  // not valid yet
  Request request = presigned();
  request.query += "&response-content-type=text/html";
  EXPECT_EQ(check(request), "SignatureDoesNotMatch");
}

TEST(S3SignatureTest, PresignedWithOneParameterLessIsRefused) {
  for (const char* name : {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
                           "X-Amz-SignedHeaders"}) {
    Request request = presigned();
    const size_t at = request.query.find(name);
    request.query[at] = 'Y';
    EXPECT_EQ(check(request), "AuthorizationQueryParametersError") << name;
  }
  Request request = presigned();
  const size_t at = request.query.find("86400");
  request.query.replace(at, 5, "604801");
  EXPECT_EQ(check(request), "AuthorizationQueryParametersError");
}

TEST(S3SignatureTest, ClocksMayDifferByFifteenMinutes) {
  EXPECT_EQ(check(get_object(), kTime + 900 * kSecond), "ok");
  EXPECT_EQ(check(get_object(), kTime - 900 * kSecond), "ok");
  EXPECT_EQ(check(get_object(), kTime + 901 * kSecond), "RequestTimeTooSkewed");
  EXPECT_EQ(check(get_object(), kTime - 901 * kSecond), "RequestTimeTooSkewed");
}

TEST(S3SignatureTest, FieldsThatMatterMustBeSigned) {
  Request request = get_object();
  request.fields.add("x-amz-acl", "private");
  EXPECT_EQ(check(request), "AccessDenied");
  request = get_object();
  request.fields.set("Host", "other.example.com");
  EXPECT_EQ(check(request), "SignatureDoesNotMatch");
  request = get_object();
  request.fields.set("Range", "bytes=0-10");
  EXPECT_EQ(check(request), "SignatureDoesNotMatch");
  request = get_object();
  request.fields.add("User-Agent", "anything");
  EXPECT_EQ(check(request), "ok");
}

TEST(S3SignatureTest, OtherMechanismsAreRefusedByName) {
  Request request = get_object();
  request.fields.erase("Authorization");
  EXPECT_EQ(check(request), "none");
  request.fields.set("Authorization", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=");
  EXPECT_EQ(check(request), "InvalidRequest");  // Signature Version 2
  request.fields.set("Authorization", "Bearer rmt_x");
  EXPECT_EQ(check(request), "InvalidArgument");
  request = presigned();
  request.fields.add("Authorization", "AWS4-HMAC-SHA256 x");
  EXPECT_EQ(check(request), "InvalidArgument");
  EXPECT_EQ(check(request_of("GET", "/a", "AWSAccessKeyId=A&Signature=B&Expires=1", {})),
            "InvalidRequest");
}

TEST(S3SignatureTest, MalformedAuthorizationIsRefused) {
  for (const char* text :
       {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 nonsense",
        "AWS4-HMAC-SHA256 Credential=A/20130524/us-east-1/ec2/aws4_request,SignedHeaders=host,"
        "Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/20130524/eu-west-1/s3/aws4_request,SignedHeaders=host,"
        "Signature=00",
        "AWS4-HMAC-SHA256 Credential=A/20130525/us-east-1/s3/aws4_request,SignedHeaders=host,"
        "Signature=00"}) {
    Request request = get_object();
    request.fields.set("Authorization", text);
    EXPECT_EQ(check(request), "AuthorizationHeaderMalformed") << text;
  }
  Request request = get_object();
  request.fields.set("x-amz-content-sha256", "beef");
  EXPECT_EQ(check(request), "InvalidArgument");
  request = get_object();
  request.fields.set("x-amz-date", "2013-05-24");
  EXPECT_EQ(check(request), "AccessDenied");
}

TEST(S3SignatureTest, TheSecretIsNotInWhatIsTold) {
  Request request = get_object();
  request.fields.set("Range", "bytes=1-2");
  const auto claim = read_claim(request, {});
  ASSERT_TRUE(claim.ok());
  auto copy = read_claim(request, {});
  const auto outcome = check_signature(request, {}, **copy,
                                       make_signing_key(kSecret, "20130524", "us-east-1"));
  ASSERT_FALSE(outcome.ok());
  const std::string xml = error_xml(outcome.error(), "/", "1");
  EXPECT_EQ(xml.find(kSecret), std::string::npos);
  EXPECT_NE(xml.find("StringToSign"), std::string::npos);
}

// --- chunks --------------------------------------------------------------------------------------

Claim chunk_claim(std::string signature) {
  Claim claim;
  claim.date = "20130524";
  claim.region = "us-east-1";
  claim.timestamp = "20130524T000000Z";
  claim.signature = std::move(signature);
  return claim;
}

ChunkDecoder signed_decoder() {
  return ChunkDecoder(
      ChunkChain(make_signing_key(kSecret, "20130524", "us-east-1"),
                 chunk_claim("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")),
      false);
}

std::string signed_body() {
  return "10000;chunk-signature="
         "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
         std::string(65536, 'a') +
         "\r\n400;chunk-signature="
         "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
         std::string(1024, 'a') +
         "\r\n0;chunk-signature="
         "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
}

// "ok", "open" if something is missing, or the error.
std::string decode(ChunkDecoder& decoder, std::string_view body, size_t piece,
                   std::string& out) {
  while (!body.empty()) {
    std::string_view part = body.substr(0, piece);
    body.remove_prefix(part.size());
    const auto outcome = decoder.decode(part, out);
    if (!outcome.ok()) return name_of(outcome);
    if (!part.empty()) return "behind";
  }
  return decoder.done() ? "ok" : "open";
}

TEST(S3ChunksTest, BodyOfTheDocumentationInPiecesOfAnySize) {
  for (const size_t piece : {1u, 2u, 7u, 85u, 4096u, 65536u, 1u << 20}) {
    ChunkDecoder decoder = signed_decoder();
    std::string out;
    EXPECT_EQ(decode(decoder, signed_body(), piece, out), "ok") << piece;
    EXPECT_EQ(out, std::string(66560, 'a'));
    EXPECT_EQ(decoder.decoded(), 66560u);
  }
}

TEST(S3ChunksTest, AnyChangedByteIsSeen) {
  const std::string body = signed_body();
  for (size_t at = 0; at < body.size(); at += at < 200 || at > body.size() - 1300 ? 1 : 997) {
    std::string changed = body;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    ChunkDecoder decoder = signed_decoder();
    std::string out;
    EXPECT_NE(decode(decoder, changed, 4096, out), "ok") << at;
  }
}

TEST(S3ChunksTest, AnyCutIsSeen) {
  const std::string body = signed_body();
  for (size_t length = 0; length < body.size(); length += length < 200 ? 1 : 613) {
    ChunkDecoder decoder = signed_decoder();
    std::string out;
    EXPECT_EQ(decode(decoder, body.substr(0, length), 4096, out), "open") << length;
  }
}

TEST(S3ChunksTest, SignedTrailerOfTheDocumentation) {
  const auto decoder_of = [] {
    return ChunkDecoder(
        ChunkChain(
            make_signing_key(kSecret, "20130524", "us-east-1"),
            chunk_claim("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")),
        true);
  };
  const std::string body =
      "10000;chunk-signature="
      "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
      std::string(65536, 'a') +
      "\r\n400;chunk-signature="
      "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
      std::string(1024, 'a') +
      "\r\n0;chunk-signature="
      "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
      "x-amz-checksum-crc32c:sOO8/Q==\r\n"
      "x-amz-trailer-signature:"
      "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
  ChunkDecoder decoder = decoder_of();
  std::string out;
  EXPECT_EQ(decode(decoder, body, 1000, out), "ok");
  EXPECT_EQ(decoder.trailers().get("x-amz-checksum-crc32c"), "sOO8/Q==");
  EXPECT_EQ(to_base64(digest_of(Algorithm::kCrc32c, out)), "sOO8/Q==");
  std::string changed = body;
  changed[changed.find("sOO8") + 1] = 'P';
  ChunkDecoder other = decoder_of();
  out.clear();
  EXPECT_EQ(decode(other, changed, 1000, out), "SignatureDoesNotMatch");
}

TEST(S3ChunksTest, UnsignedTrailer) {
  const auto run = [](const std::string& body) {
    ChunkDecoder decoder(std::nullopt, true);
    std::string out;
    const std::string result = decode(decoder, body, 3, out);
    return result + " " + out + " " + std::string(decoder.trailers().get("x-amz-checksum-sha1"));
  };
  EXPECT_EQ(run("3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-sha1: q83v \r\n\r\n"),
            "ok abcde q83v");
  EXPECT_EQ(run("0\r\n\r\n"), "ok  ");
  EXPECT_EQ(run("3\r\nabcd\r\n0\r\n\r\n"), "IncompleteBody abc ");
  EXPECT_EQ(run("zz\r\n").substr(0, 14), "IncompleteBody");
  EXPECT_EQ(run("\r\n").substr(0, 14), "IncompleteBody");
  EXPECT_EQ(run("ffffffffffffffffff\r\n").substr(0, 14), "IncompleteBody");
  EXPECT_EQ(run("3\nabc").substr(0, 14), "IncompleteBody");
  EXPECT_EQ(run(std::string(20'000, '1')).substr(0, 14), "IncompleteBody");
}

// --- digests -------------------------------------------------------------------------------------

TEST(S3DigestTest, KnownAnswers) {
  const std::string check = "123456789";
  EXPECT_EQ(to_hex(digest_of(Algorithm::kCrc32, check)), "cbf43926");
  EXPECT_EQ(to_hex(digest_of(Algorithm::kCrc32c, check)), "e3069283");
  EXPECT_EQ(to_hex(digest_of(Algorithm::kMd5, "")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(digest_of(Algorithm::kSha1, "abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(digest_of(Algorithm::kSha256, "")), kEmpty);
}

TEST(S3DigestTest, PiecesMakeTheSameAsTheWhole) {
  std::string bytes;
  for (int i = 0; i < 5000; ++i) bytes += static_cast<char>(i * 31 + i / 7);
  for (const Algorithm algorithm : {Algorithm::kMd5, Algorithm::kSha1, Algorithm::kSha256,
                                    Algorithm::kCrc32, Algorithm::kCrc32c}) {
    const Bytes whole = digest_of(algorithm, bytes);
    for (const size_t piece : {1u, 3u, 8u, 13u, 1000u}) {
      Digest digest(algorithm);
      for (size_t at = 0; at < bytes.size(); at += piece) {
        digest.update(std::string_view(bytes).substr(at, piece));
      }
      EXPECT_EQ(to_hex(digest.finish()), to_hex(whole)) << algorithm_name(algorithm) << piece;
    }
  }
}

TEST(S3DigestTest, Base64IsStrict) {
  EXPECT_EQ(from_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(from_base64(""), "");
  for (const char* wrong : {"Zm9vYg", "Zm9v Yg=", "Zm=vYg==", "Z===", "????"}) {
    EXPECT_FALSE(from_base64(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(from_base64(to_base64(std::string("\0\xFF\x10", 3))), std::string("\0\xFF\x10", 3));
}

}  // namespace
}  // namespace ramet::serve::s3
