// The kind "aws-sigv4" against AWS's own published examples: the Signature Version 4 test suite, and "Signature
// calculations" of the Amazon S3 API reference. tests/blackbox/test_aws_sigv4.py compares it with botocore.
#include "proxy/inject/aws_sigv4.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/inject/aws_canonical.hpp"
#include "proxy/inject/aws_scope.hpp"

namespace postern::inject {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// A request and the caller's own signature on it.
struct Request {
  std::string method = "GET", authority, path = "/", query, body;
  std::vector<std::pair<std::string, std::string>> fields;  // that go out
  std::vector<std::pair<std::string, std::string>> sent;    // that are taken out
  std::string sent_query;
  std::int64_t now_ms = 1'440'938'160'000;  // 20150830T123600Z
};

struct Signed {
  Signed() = default;
  Changes changes;
  std::string error;
  std::string header(std::string_view name) const {
    for (const NameValue& field : changes.headers)
      if (wire::iequals(field.name, name)) return std::string(field.value);
    return "";
  }
  std::string parameter(std::string_view name) const {
    for (const NameValue& one : changes.query)
      if (one.name == name) return std::string(one.value);
    return "";
  }
  std::string signature() const {
    const std::string text = header("Authorization");
    const std::size_t at = text.find("Signature=");
    return at == text.npos ? "" : text.substr(at + 10);
  }
};

Recipe suite_keys() {
  Recipe recipe;
  recipe.values.emplace("accessKeyId", vault::Secret(std::string_view("AKIDEXAMPLE")));
  recipe.values.emplace("secretAccessKey", vault::Secret(std::string_view("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")));
  recipe.options = {{"region", "us-east-1"}, {"service", "service"}};
  return recipe;
}

Recipe s3_keys() {
  Recipe recipe;
  recipe.values.emplace("accessKeyId", vault::Secret(std::string_view("AKIAIOSFODNN7EXAMPLE")));
  recipe.values.emplace("secretAccessKey", vault::Secret(std::string_view("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")));
  return recipe;
}

Signed sign(Recipe recipe, const Request& request) {
  Signed out;
  const auto made = make_aws_sigv4(std::move(recipe));
  if (!made) {
    out.error = made.error();
    return out;
  }
  const auto view = [](const auto& pairs) {
    std::vector<NameValue> all;
    for (const auto& [name, value] : pairs) all.push_back({name, value});
    return all;
  };
  const std::vector<NameValue> fields = view(request.fields), sent = view(request.sent);
  const HeldContent content(request.body);
  Inputs in;
  in.method = request.method;
  in.authority = request.authority;
  in.path = request.path;
  in.query = request.query;
  in.fields = fields;
  in.sent = sent;
  in.sent_query = request.sent_query;
  in.content = &content;
  in.now_ms = request.now_ms;
  if (const auto applied = (*made)->apply(in, out.changes); !applied) out.error = applied.error().message;
  // Of the texts that the injection itself holds.
  for (auto* list : {&out.changes.headers, &out.changes.query})
    for (NameValue& one : *list) one.value = out.changes.keep(std::string(one.value));
  return out;
}

Request of_the_suite(std::string method, std::string path, std::string query) {
  Request request;
  request.method = std::move(method);
  request.authority = "example.amazonaws.com";
  request.path = std::move(path);
  request.query = std::move(query);
  return request;
}

TEST(AwsSigV4, signs_as_the_test_suite_of_aws_says) {
  const struct {
    const char *name, *method, *path, *query, *signature;
  } cases[] = {
      {"get-vanilla", "GET", "/", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"post-vanilla", "POST", "/", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"get-unreserved", "GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "",
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-relative", "GET", "/example/..", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
      {"get-slashes", "GET", "//./", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
  };
  for (const auto& each : cases) {
    const Signed made = sign(suite_keys(), of_the_suite(each.method, each.path, each.query));
    EXPECT_EQ(made.signature(), each.signature) << each.name << ": " << made.error;
    EXPECT_THAT(made.header("Authorization"),
                StartsWith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                           "SignedHeaders=host;x-amz-date, Signature="));
    EXPECT_EQ(made.header("X-Amz-Date"), "20150830T123600Z");
    EXPECT_EQ(made.header("X-Amz-Content-Sha256"), "");
  }
}

TEST(AwsSigV4, trims_a_field_and_joins_one_that_is_sent_twice_as_the_test_suite_says) {
  Request request = of_the_suite("GET", "/", "");
  request.sent = {{"Authorization",
                   "AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/service/aws4_request, "
                   "SignedHeaders=host;my-header1;my-header2;x-amz-date, Signature=b"}};
  request.fields = {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}};
  EXPECT_EQ(sign(suite_keys(), request).signature(),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

// --- the examples of the Amazon S3 API reference

Request of_s3(std::string method, std::string path, std::string_view signed_fields) {
  Request request;
  request.method = std::move(method);
  request.authority = "examplebucket.s3.amazonaws.com";
  request.path = std::move(path);
  request.now_ms = 1'369'353'600'000;  // 20130524T000000Z
  request.sent = {
      {"Authorization", "AWS4-HMAC-SHA256 Credential=dummy/20130524/us-east-1/s3/aws4_request, SignedHeaders=" +
                            std::string(signed_fields) + ", Signature=0"}};
  return request;
}

TEST(AwsSigV4, signs_an_s3_get_as_the_reference_shows_it) {
  Request request = of_s3("GET", "/test.txt", "host;range;x-amz-content-sha256;x-amz-date");
  request.fields = {{"Range", "bytes=0-9"}};
  const Signed made = sign(s3_keys(), request);
  EXPECT_EQ(made.signature(), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41") << made.error;
  EXPECT_EQ(made.header("X-Amz-Content-Sha256"), kEmptyHash);
}

TEST(AwsSigV4, signs_an_s3_put_as_the_reference_shows_it) {
  Request request = of_s3("PUT", "/test$file.text", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class");
  request.fields = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  request.body = "Welcome to Amazon S3.";
  EXPECT_EQ(sign(s3_keys(), request).signature(), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(AwsSigV4, signs_an_s3_listing_as_the_reference_shows_it) {
  Request request = of_s3("GET", "/", "host;x-amz-content-sha256;x-amz-date");
  request.query = "max-keys=2&prefix=J";
  EXPECT_EQ(sign(s3_keys(), request).signature(), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  request.query = "lifecycle";
  EXPECT_EQ(sign(s3_keys(), request).signature(), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST(AwsSigV4, makes_a_presigned_url_anew_as_the_reference_shows_it) {
  Request request = of_s3("GET", "/test.txt", "");
  request.sent.clear();
  request.sent_query =
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=dummy%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&"
      "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
  const Signed made = sign(s3_keys(), request);
  EXPECT_EQ(made.parameter("X-Amz-Signature"), "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
  EXPECT_EQ(made.parameter("X-Amz-Credential"), "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request");
  EXPECT_THAT(made.changes.headers, IsEmpty());
}

TEST(AwsSigV4, signs_chunks_anew_as_the_reference_shows_them) {
  Request request = of_s3("PUT", "/examplebucket/chunkObject.txt",
                          "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                          "x-amz-decoded-content-length;x-amz-storage-class");
  request.authority = "s3.amazonaws.com";
  request.fields = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                    {"Content-Encoding", "aws-chunked"},
                    {"x-amz-decoded-content-length", "66560"},
                    {"Content-Length", "66824"}};
  request.sent.push_back({"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"});
  const Signed made = sign(s3_keys(), request);
  EXPECT_EQ(made.signature(), "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9") << made.error;
  ASSERT_NE(made.changes.transform, nullptr);

  const std::string zeros(64, '0');
  const std::string sent = "10000;chunk-signature=" + zeros + "\r\n" + std::string(65536, 'a') +
                           "\r\n400;chunk-signature=" + zeros + "\r\n" + std::string(1024, 'a') +
                           "\r\n0;chunk-signature=" + zeros + "\r\n\r\n";
  std::string out;
  for (std::size_t at = 0; at < sent.size(); at += 1'000)  // however it is cut on its way
    made.changes.transform->feed(std::string_view(sent).substr(at, 1'000), out);
  made.changes.transform->finish(out);
  EXPECT_EQ(made.changes.transform->broken(), nullptr);
  EXPECT_EQ(out.size(), sent.size());
  EXPECT_THAT(out,
              StartsWith("10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"));
  EXPECT_THAT(out,
              HasSubstr("\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"));
  EXPECT_THAT(out, HasSubstr("\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"));
}

TEST(AwsSigV4, signs_trailers_anew_as_the_reference_shows_them) {
  Request request = of_s3("PUT", "/examplebucket/chunkObject.txt",
                          "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
                          "x-amz-storage-class;x-amz-trailer");
  request.authority = "s3.amazonaws.com";
  request.fields = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                    {"Content-Encoding", "aws-chunked"},
                    {"x-amz-decoded-content-length", "66560"},
                    {"x-amz-trailer", "x-amz-checksum-crc32c"}};
  request.sent.push_back({"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"});
  const Signed made = sign(s3_keys(), request);
  EXPECT_EQ(made.signature(), "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e") << made.error;
  ASSERT_NE(made.changes.transform, nullptr);
  const std::string zeros(64, '0');
  for (const std::string end : {"\n\r\n", "\r\n"}) {
    const Signed again = sign(s3_keys(), request);
    const std::string sent = "10000;chunk-signature=" + zeros + "\r\n" + std::string(65536, 'a') +
                             "\r\n400;chunk-signature=" + zeros + "\r\n" + std::string(1024, 'a') +
                             "\r\n0;chunk-signature=" + zeros + "\r\nx-amz-checksum-crc32c:sOO8/Q==" + end +
                             "x-amz-trailer-signature:" + zeros + "\r\n\r\n";
    std::string out;
    again.changes.transform->feed(sent, out);
    again.changes.transform->finish(out);
    EXPECT_EQ(again.changes.transform->broken(), nullptr);
    EXPECT_EQ(out.size(), sent.size());
    EXPECT_THAT(out, HasSubstr("0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"));
    EXPECT_THAT(out,
                HasSubstr("x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"));
  }
}

// --- chunks that are none

std::string why_broken(std::string_view body, bool trailers = false) {
  Request request = of_s3("PUT", "/k", "host");
  request.sent.push_back(
      {"x-amz-content-sha256", std::string("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") + (trailers ? "-TRAILER" : "")});
  const Signed made = sign(s3_keys(), request);
  std::string out;
  made.changes.transform->feed(body, out);
  made.changes.transform->finish(out);
  return made.changes.transform->broken() == nullptr ? "" : made.changes.transform->broken();
}

TEST(AwsChunks, refuses_a_body_that_is_not_made_of_signed_chunks) {
  const std::string signature = ";chunk-signature=" + std::string(64, '0'), end = "0" + signature + "\r\n\r\n";
  EXPECT_EQ(why_broken(end), "");
  EXPECT_EQ(why_broken("3" + signature + "\r\nabc\r\n" + end), "");
  for (const std::string& body :
       {std::string("hello"), std::string("3\r\nabc\r\n"), "3" + signature + "\nabc\n",
        "-3" + signature + "\r\nabc\r\n", "0x3" + signature + "\r\nabc\r\n" + end,
        "3" + signature + "\r\nabcd\r\n" + end, "3;chunk-signature=" + std::string(63, '0') + "\r\nabc\r\n" + end,
        "3;chunk-signature=" + std::string(64, 'g') + "\r\nabc\r\n" + end, end + "x", end + end,
        "fffffffff" + signature + "\r\n", std::string(10'000, '1')})
    EXPECT_NE(why_broken(body), "") << body.substr(0, 100);
}

TEST(AwsChunks, refuses_a_body_that_is_cut_and_a_chunk_that_is_too_large_to_hold) {
  const std::string signature = ";chunk-signature=" + std::string(64, '0');
  EXPECT_THAT(why_broken("3" + signature + "\r\nab"), HasSubstr("ends before its last chunk"));
  EXPECT_THAT(why_broken("3" + signature + "\r\nabc\r\n"), HasSubstr("ends before its last chunk"));
  EXPECT_THAT(why_broken("0" + signature + "\r\n"), HasSubstr("ends before its last chunk"));
  EXPECT_THAT(why_broken(""), HasSubstr("ends before its last chunk"));
  EXPECT_THAT(why_broken("100001" + signature + "\r\n"), HasSubstr("larger than 1 MiB"));
}

TEST(AwsChunks, refuses_trailers_without_their_signature) {
  const std::string last = "0;chunk-signature=" + std::string(64, '0') + "\r\n";
  EXPECT_THAT(why_broken(last + "\r\n", true), HasSubstr("ends before"));
  EXPECT_THAT(why_broken(last + "x-amz-checksum-crc32c:aaaa\r\n\r\n", true), HasSubstr("ends before"));
  EXPECT_NE(why_broken(last + "no colon\r\n", true), "");
  EXPECT_NE(why_broken(last + "x-amz-trailer-signature:00\r\n\r\n", true), "");
}

// --- what is signed, for whom

TEST(AwsSigV4, takes_region_and_service_from_the_callers_signature_before_the_entry_before_the_host) {
  Request request = of_the_suite("GET", "/", "");
  request.authority = "dynamodb.eu-central-1.amazonaws.com";
  const auto scope_of = [&](Recipe recipe) {
    const std::string text = sign(std::move(recipe), request).header("Authorization");
    const std::size_t from = text.find("/20150830/") + 10;
    return text.substr(from, text.find("/aws4_request") - from);
  };
  EXPECT_EQ(scope_of(s3_keys()), "eu-central-1/dynamodb");
  EXPECT_EQ(scope_of(suite_keys()), "us-east-1/service");
  request.sent = {{"Authorization",
                   "AWS4-HMAC-SHA256 Credential=x/20150830/ap-south-1/sqs/aws4_request, "
                   "SignedHeaders=host, Signature=0"}};
  EXPECT_EQ(scope_of(suite_keys()), "ap-south-1/sqs");
}

TEST(AwsSigV4, refuses_a_call_whose_region_nobody_names) {
  Request request = of_the_suite("GET", "/", "");
  request.authority = "minio.example.com";
  const Signed made = sign(s3_keys(), request);
  EXPECT_THAT(made.error, HasSubstr("region and service"));
  EXPECT_THAT(made.changes.headers, IsEmpty());
}

TEST(AwsSigV4, knows_service_and_region_of_the_hosts_of_aws) {
  const struct {
    const char *host, *region, *service;
  } cases[] = {
      {"s3.amazonaws.com", "us-east-1", "s3"},
      {"bucket.with.dots.s3.amazonaws.com", "us-east-1", "s3"},
      {"bucket.s3.eu-west-1.amazonaws.com", "eu-west-1", "s3"},
      {"bucket.s3.dualstack.us-west-2.amazonaws.com", "us-west-2", "s3"},
      {"s3-us-west-2.amazonaws.com", "us-west-2", "s3"},
      {"sts.amazonaws.com", "us-east-1", "sts"},
      {"iam.amazonaws.com", "us-east-1", "iam"},
      {"ec2.us-gov-west-1.amazonaws.com", "us-gov-west-1", "ec2"},
      {"sqs.cn-north-1.amazonaws.com.cn", "cn-north-1", "sqs"},
      {"email.us-east-1.amazonaws.com", "us-east-1", "ses"},
      {"bedrock-runtime.us-east-1.amazonaws.com", "us-east-1", "bedrock"},
      {"a1b2.execute-api.us-east-2.amazonaws.com", "us-east-2", "execute-api"},
      {"search-x-y.us-east-1.es.amazonaws.com", "us-east-1", "es"},
      {"api.ecr.us-east-1.amazonaws.com", "us-east-1", "ecr"},
      {"kms-fips.us-east-1.amazonaws.com:443", "us-east-1", "kms"},
      {"lambda.us-east-1.api.aws", "us-east-1", "lambda"},
      {"x.lambda-url.us-east-1.on.aws", "us-east-1", "lambda"},
      {"amazonaws.com", "", ""},
      {"s3.amazonaws.com.example.com", "", ""},
  };
  for (const auto& each : cases) {
    const AwsScope scope = aws_scope_of_host(each.host);
    EXPECT_EQ(scope.region, each.region) << each.host;
    EXPECT_EQ(scope.service, each.service) << each.host;
  }
}

TEST(AwsSigV4, asks_for_the_body_only_where_its_hash_is_not_known) {
  const auto asks = [](const Inputs& head, const char* payload = "") {
    Recipe recipe = suite_keys();
    if (*payload != '\0') recipe.options["payload"] = payload;
    const auto made = make_aws_sigv4(std::move(recipe));
    return ((*made)->needs_of(head) & needs_body_hash) != 0;
  };
  Inputs head;
  head.method = "POST";
  EXPECT_TRUE(asks(head));
  EXPECT_FALSE(asks(head, "unsigned"));
  for (const char* said :
       {"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", kEmptyHash}) {
    const NameValue sent[] = {{"x-amz-content-sha256", said}};
    head.sent = sent;
    EXPECT_FALSE(asks(head)) << said;
  }
  head.sent = {};
  head.sent_query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20130524/us-east-1/s3/aws4_request";
  EXPECT_FALSE(asks(head));
  head.sent_query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/20130524/us-east-1/sts/aws4_request";
  EXPECT_TRUE(asks(head));
}

TEST(AwsSigV4, sends_and_signs_the_token_of_temporary_keys) {
  Recipe recipe = suite_keys();
  recipe.values.emplace("sessionToken", vault::Secret(std::string_view("AQoDYXdzEPT//////////wEXAMPLE")));
  const Signed made = sign(std::move(recipe), of_the_suite("GET", "/", ""));
  EXPECT_EQ(made.header("X-Amz-Security-Token"), "AQoDYXdzEPT//////////wEXAMPLE");
  EXPECT_THAT(made.header("Authorization"), HasSubstr("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
}

TEST(AwsSigV4, signs_every_x_amz_field_whatever_the_caller_listed) {
  Request request = of_s3("PUT", "/k", "host;x-amz-acl;x-gone");
  request.fields = {{"X-Amz-Acl", "private"}, {"X-Amz-Meta-A", "1"}, {"User-Agent", "x"}};
  EXPECT_THAT(sign(s3_keys(), request).header("Authorization"),
              HasSubstr("SignedHeaders=host;x-amz-acl;x-amz-content-sha256;x-amz-date;x-amz-meta-a,"));
}

TEST(AwsSigV4, refuses_a_payload_and_an_expiry_that_it_cannot_sign) {
  Request request = of_s3("PUT", "/k", "host");
  request.sent.push_back({"X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"});
  EXPECT_THAT(sign(s3_keys(), request).error, HasSubstr("X-Amz-Content-Sha256"));
  for (const char* expires : {"", "0", "604801", "-1", "1x"}) {
    Request url = of_s3("GET", "/k", "");
    url.sent.clear();
    url.sent_query = std::string(
                         "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=d%2F20130524%2Fus-east-1%2Fs3%2F"
                         "aws4_request&X-Amz-SignedHeaders=host&X-Amz-Expires=") +
                     expires;
    EXPECT_THAT(sign(s3_keys(), url).error, HasSubstr("X-Amz-Expires")) << expires;
  }
}

TEST(AwsSigV4, cannot_be_made_of_keys_that_are_none) {
  const auto problem = [](const char* name, std::string_view value) {
    Recipe recipe = suite_keys();
    recipe.values.insert_or_assign(name, vault::Secret(value));
    return sign(std::move(recipe), of_the_suite("GET", "/", "")).error;
  };
  EXPECT_EQ(problem("accessKeyId", ""), "accessKeyId is empty");
  EXPECT_EQ(problem("secretAccessKey", ""), "secretAccessKey is empty");
  EXPECT_NE(problem("accessKeyId", "AK/ID"), "");
  EXPECT_NE(problem("accessKeyId", "AK\r\nX: y"), "");
  EXPECT_NE(problem("sessionToken", "a\nb"), "");
  Recipe recipe = suite_keys();
  recipe.options["region"] = "us east";
  EXPECT_EQ(sign(std::move(recipe), of_the_suite("GET", "/", "")).error, "region is not the name of one");
}

TEST(AwsSigV4, shows_the_shape_of_a_signature_where_there_is_no_key) {
  Recipe recipe;
  recipe.placeholder = "~none~";
  for (const char* name : {"accessKeyId", "secretAccessKey"})
    recipe.values.emplace(name, vault::Secret(recipe.placeholder));
  Request request = of_s3("PUT", "/k", "host");
  request.sent.push_back({"X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"});
  EXPECT_EQ(sign(std::move(recipe), request).header("Authorization"),
            "AWS4-HMAC-SHA256 Credential=~none~/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=~none~");
}

// --- paths and queries

std::string path_of(AwsPath kind, std::string_view path) {
  std::string out;
  append_canonical_path(kind, path, out);
  return out;
}

TEST(AwsCanonical, keeps_the_path_of_a_key_of_s3_and_resolves_and_encodes_that_of_others) {
  EXPECT_EQ(path_of(AwsPath::s3, "/a//./b/../c%20d+e(f)%7e%2f"), "/a//./b/../c%20d%2Be%28f%29~%2F");
  EXPECT_EQ(path_of(AwsPath::resolved, "/a//./b/../c%20d"), "/a/c%2520d");
  EXPECT_EQ(path_of(AwsPath::resolved, "/a/"), "/a/");
  EXPECT_EQ(path_of(AwsPath::resolved, "/.."), "/");
  EXPECT_EQ(path_of(AwsPath::s3, ""), "/");
  EXPECT_EQ(path_of(AwsPath::s3, "/100%"), "/100%25");
}

TEST(AwsCanonical, sorts_parameters_and_encodes_them_one_way) {
  std::string out;
  append_canonical_query("b=2&a=%7e&a=+x&A=&c&&d=%2f=", {}, out);
  EXPECT_EQ(out, "A=&a=%20x&a=~&b=2&c=&d=%2F%3D");
}

}  // namespace
}  // namespace postern::inject
