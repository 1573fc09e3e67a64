// RFC 9421 beyond what is the same every time: the signatures that take random numbers are verified, and so are the
// RFC's own over what we would sign.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <fstream>
#include <sstream>

#include "proxy/inject/encoding.hpp"
#include "signer_kit.hpp"
#include "tests/source_dir.hpp"

namespace postern::inject {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string key_file(const std::string& name) {
  std::ifstream file(std::string(POSTERN_SOURCE_DIR "/tests/golden/inject/") + name);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string from_base64(std::string_view text) {
  const auto bytes = decode_key(KeyEncoding::base64, text);
  return bytes ? std::string(bytes->expose()) : std::string();
}

// r and s of 32 bytes each as DER, for OpenSSL.
std::string der_of(std::string_view raw) {
  ECDSA_SIG* signature = ECDSA_SIG_new();
  const auto* bytes = reinterpret_cast<const unsigned char*>(raw.data());
  ECDSA_SIG_set0(signature, BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
  unsigned char* out = nullptr;
  const int size = i2d_ECDSA_SIG(signature, &out);
  std::string der(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size));
  OPENSSL_free(out);
  ECDSA_SIG_free(signature);
  return der;
}

bool verifies(const std::string& pem, std::string_view algorithm, std::string_view base, std::string signature) {
  BIO* from = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(from, nullptr, nullptr, nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* options = nullptr;
  const bool pss = algorithm == "rsa-pss-sha512";
  EVP_DigestVerifyInit(context, &options, pss ? EVP_sha512() : EVP_sha256(), nullptr, key);
  if (pss) {
    EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 64);
  } else if (signature.size() == 64) {
    signature = der_of(signature);
  }
  const int result =
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                       reinterpret_cast<const unsigned char*>(base.data()), base.size());
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(from);
  return result == 1;
}

// The request of appendix B.2; Content-Digest is the caller's there, and ours here.
struct Example {
  std::vector<NameValue> fields{
      {"Date", "Tue, 20 Apr 2021 02:07:55 GMT"}, {"Content-Type", "application/json"}, {"Content-Length", "18"}};
  HeldContent content{R"({"hello": "world"})"};
  Inputs in() const {
    Inputs out;
    out.method = "POST";
    out.authority = "example.com";
    out.path = "/foo";
    out.query = "param=Value&Pet=dog";
    out.fields = fields;
    out.content = &content;
    out.now_ms = 1618884473000;
    out.nonce = "b3k2pp5k7z-50gnwp.yemd";
    return out;
  }
};
constexpr std::string_view kDigest =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

std::string signature_of(const std::string& got, const std::string& label) {
  const std::string mark = "Signature: " + label + "=:";
  const std::size_t from = got.find(mark) + mark.size();
  return from_base64(got.substr(from, got.rfind(':') - from));
}

struct Published {
  std::string label;
  Texts options;
  std::string lines, params, signature;  // what is covered, a line each
};

TEST(HttpSignature, signs_what_appendix_b_2_1_to_b_2_3_signs) {
  const std::string pss = key_file("test_key_rsa_pss.pem");
  const Published all[] = {
      {"sig-b21",
       {{"components", " "}, {"params", "created keyid nonce"}},
       "",
       R"(();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd")",
       "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/"
       "lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52"
       "eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/"
       "Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA"
       "4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/"
       "SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q"
       "=="},
      {"sig-b22",
       {{"components", R"(@authority content-digest @query-param;name="Pet")"},
        {"params", "created keyid tag"},
        {"tag", "header-example"},
        {"digest", "sha-512"}},
       "\"@authority\": example.com\n\"content-digest\": " + std::string(kDigest) +
           "\n\"@query-param\";name=\"Pet\": dog\n",
       R"(("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss")"
       R"(;tag="header-example")",
       "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+"
       "ECxCmT8r"
       "tAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/"
       "2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZ"
       "UJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/"
       "XaVe4bXTugEjHSw"
       "=="},
      {"sig-b23",
       {{"components", "date @method @path @query @authority content-type content-digest content-length"},
        {"digest", "sha-512"}},
       "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@query\": ?param=Value&Pet=dog\n"
       "\"@authority\": example.com\n\"content-type\": application/json\n\"content-digest\": " +
           std::string(kDigest) + "\n\"content-length\": 18\n",
       R"(("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");)"
       R"(created=1618884473;keyid="test-key-rsa-pss")",
       "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/"
       "5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN"
       "0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/"
       "CCoC1xMy7JA1ipw"
       "vKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+"
       "QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA"
       "=="}};
  const Example example;
  for (Published each : all) {
    SCOPED_TRACE(each.label);
    each.options.insert({{"algorithm", "rsa-pss-sha512"}, {"label", each.label}});
    const std::string base = each.lines + "\"@signature-params\": " + each.params;
    const auto signer = make("http-signature", each.options, {{"keyId", "test-key-rsa-pss"}, {"key", pss}});
    ASSERT_TRUE(signer);
    const std::string got = outcome(*signer, example.in());
    EXPECT_THAT(got, HasSubstr("Signature-Input: " + each.label + "=" + each.params + "\n"));
    EXPECT_TRUE(verifies(pss, "rsa-pss-sha512", base, from_base64(each.signature))) << "the RFC's own";
    EXPECT_TRUE(verifies(pss, "rsa-pss-sha512", base, signature_of(got, each.label)));
    EXPECT_FALSE(verifies(pss, "rsa-pss-sha512", base + "x", signature_of(got, each.label)));
  }
}

TEST(HttpSignature, signs_with_an_ec_key_in_64_bytes) {
  const std::string key = key_file("test_key_ecc_p256.pem");
  const auto signer = make("http-signature", {{"algorithm", "ecdsa-p256-sha256"}, {"components", "@path"}},
                           {{"keyId", "k"}, {"key", key}});
  ASSERT_TRUE(signer);
  const Example example;
  const std::string got = outcome(*signer, example.in());
  const std::string signature = signature_of(got, "sig1");
  EXPECT_EQ(signature.size(), 64U);
  const std::string base = "\"@path\": /foo\n\"@signature-params\": (\"@path\");created=1618884473;keyid=\"k\"";
  EXPECT_TRUE(verifies(key, "ecdsa-p256-sha256", base, signature));
}

TEST(HttpSignature, takes_a_key_whose_line_ends_are_written_out) {
  std::string key = key_file("test_key_ecc_p256.pem");
  for (std::size_t at = 0; (at = key.find('\n', at)) != std::string::npos; at += 2) key.replace(at, 1, "\\n");
  EXPECT_EQ(refusal("http-signature", {{"algorithm", "ecdsa-p256-sha256"}}, {{"keyId", "k"}, {"key", key}}), "");
}

TEST(HttpSignature, refuses_a_key_of_another_kind) {
  const std::string rsa = key_file("test_key_rsa.pem"), ec = key_file("test_key_ecc_p256.pem");
  const auto said = [](std::string algorithm, const std::string& key) {
    return refusal("http-signature", {{"algorithm", std::move(algorithm)}}, {{"keyId", "k"}, {"key", key}});
  };
  EXPECT_EQ(said("ecdsa-p256-sha256", rsa), "ecdsa-p256-sha256 needs an EC key on P-256");
  EXPECT_EQ(said("ed25519", rsa), "ed25519 needs an Ed25519 key");
  EXPECT_EQ(said("rsa-pss-sha512", ec), "rsa-pss-sha512 needs an RSA key of 2048 bits or more");
  EXPECT_EQ(said("rsa-v1_5-sha256", ec), "rsa-v1_5-sha256 needs an RSA key of 2048 bits or more");
  EXPECT_EQ(said("ed25519", "nothing"), "the private key is no PEM, or it is encrypted");
  EXPECT_EQ(said("ed25519", std::string(17 * 1024, 'x')), "the private key is empty or longer than 16 KiB");
}

TEST(HttpSignature, refuses_what_it_covers_and_the_request_has_not) {
  const Example example;
  const auto said = [&](std::string components) {
    const auto signer = make("http-signature", {{"components", std::move(components)}}, {{"keyId", "k"}, {"key", "s"}});
    Inputs in = example.in();
    in.query = "a=1&a=2";
    return outcome(*signer, in);
  };
  EXPECT_EQ(said("x-absent"), ": The signature covers the field x-absent: send it once.");
  EXPECT_EQ(said("@query-param;name=\"b\""), ": The signature covers the query parameter b: send it once.");
  EXPECT_EQ(said("@query-param;name=\"a\""), ": The signature covers the query parameter a: send it once.");
  EXPECT_THAT(said("x-absent? @path"), StartsWith("Signature-Input: sig1=(\"@path\");created="));
}

TEST(HttpSignature, refuses_a_covered_value_outside_ascii) {
  const std::vector<NameValue> fields{{"X-Name", "caf\xc3\xa9"}};
  Inputs in;
  in.fields = fields;
  EXPECT_EQ(outcome(*make("http-signature", {{"components", "x-name"}}, {{"keyId", "k"}, {"key", "s"}}), in),
            ": \"x-name\" is signed and holds more than ASCII.");
}

TEST(HttpSignature, refuses_a_body_that_breaks_off) {
  const Pieces cut("half", false);
  Inputs in;
  in.content = &cut;
  EXPECT_EQ(outcome(*make("http-signature", {{"components", "content-digest"}}, {{"keyId", "k"}, {"key", "s"}}), in),
            "/body: The body could not be read to its end; send it again.");
}

TEST(HttpSignature, covers_an_absent_query_and_an_absent_path_as_the_rfc_says) {
  Inputs in;
  in.method = "GET";
  in.authority = "Example.com:8443";
  const auto covering = [&](std::string component, const std::string& value) {
    const std::string name = "\"" + component + "\"",
                      base = name + ": " + value + "\n\"@signature-params\": (" + name + ")";
    const auto signer = make("http-signature", {{"components", std::move(component)}, {"params", " "}}, {{"key", "s"}});
    return outcome(*signer, in) == "Signature-Input: sig1=(" + name + ")\nSignature: sig1=:" +
                                       encode(Encoding::base64, hmac(Algorithm::sha256, "s", base)) + ":\n";
  };
  EXPECT_TRUE(covering("@query", "?"));
  EXPECT_TRUE(covering("@path", "/"));
  EXPECT_TRUE(covering("@target-uri", "https://example.com:8443/"));
  EXPECT_TRUE(covering("host", "Example.com:8443"));
}

TEST(HttpSignature, says_what_is_wrong_with_what_it_is_told) {
  const auto said = [](std::string name, std::string text) {
    return refusal("http-signature", {{std::move(name), std::move(text)}}, {{"keyId", "k"}, {"key", "s"}});
  };
  for (const auto* component : {"@status", "@query?", "Content-Type", "a:b", "@query-param;name=\"\"", "\"date\""})
    EXPECT_EQ(said("components", component),
              "sign.components: '" + std::string(component) + "' is no component of a request");
  EXPECT_EQ(said("params", "created size"), "sign.params: 'size' is no parameter of a signature");
  EXPECT_EQ(said("label", "Sig1"), "sign.label is no name of lower-case letters, digits, '_' and '-'");
  EXPECT_EQ(said("expires_in", "1h"), "sign.expires_in is no number of seconds");
  EXPECT_EQ(said("key_encoding", "hex"), "the key is empty or not what sign.key_encoding says");
  EXPECT_EQ(refusal("http-signature", {}, {{"key", "s"}}), "the credential has no keyId");
  EXPECT_EQ(refusal("http-signature", {}, {{"key", "s"}, {"keyId", "a\"b"}}),
            "keyId holds a quote, a backslash, or more than ASCII");
}

TEST(HttpSignature, writes_the_placeholder_where_its_signature_goes_and_reads_no_key) {
  const auto signer = make("http-signature", {{"algorithm", "ed25519"}, {"components", "@path"}, {"params", "keyid"}},
                           {{"keyId", "***"}, {"key", "***"}}, "***");
  EXPECT_EQ(outcome(*signer, {}), "Signature-Input: sig1=(\"@path\");keyid=\"***\"\nSignature: sig1=:***:\n");
}

}  // namespace
}  // namespace postern::inject
