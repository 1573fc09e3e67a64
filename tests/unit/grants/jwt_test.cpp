#include "proxy/grants/jwt.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <fstream>
#include <sstream>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "proxy/grants/assertion.hpp"
#include "tests/source_dir.hpp"
#include "tests/unit/grants/support.hpp"

namespace postern::grants::test {
namespace {

using config::Algorithm;

const boost::json::object& golden() {
  static const boost::json::value all = [] {
    std::ifstream in(std::string(POSTERN_SOURCE_DIR) + "/tests/golden/grants/jws.json");
    std::stringstream text;
    text << in.rdbuf();
    return boost::json::parse(text.str());
  }();
  return all.as_object();
}
std::string vector(std::string_view algorithm, std::string_view part) {
  return std::string(golden().at(algorithm).at(part).as_string());
}
std::string jwt(Algorithm algorithm, std::string_view key, std::string_view header, std::string_view claims) {
  const auto made = sign_jwt(algorithm, vault::Secret(key), header, claims);
  return made ? std::string(made->expose()) : "error: " + made.error().text;
}

// The signature of a compact JWS holds under this public key.
bool verifies(const std::string& jws, const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  EVP_PKEY* key = PEM_read_bio_PUBKEY(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  const std::size_t dot = jws.rfind('.');
  std::string signature = decode_base64url(jws.substr(dot + 1)).value_or("");
  if (EVP_PKEY_is_a(key, "EC") == 1) {
    const auto* raw = reinterpret_cast<const unsigned char*>(signature.data());
    ECDSA_SIG* parts = ECDSA_SIG_new();
    ECDSA_SIG_set0(parts, BN_bin2bn(raw, 32, nullptr), BN_bin2bn(raw + 32, 32, nullptr));
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(parts, &der);
    signature.assign(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    ECDSA_SIG_free(parts);
  }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(context, nullptr, EVP_PKEY_is_a(key, "ED25519") == 1 ? nullptr : EVP_sha256(), nullptr, key);
  const bool good = EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                                     signature.size(), reinterpret_cast<const unsigned char*>(jws.data()), dot) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return good;
}

TEST(Jwt, signs_the_examples_of_the_rfcs) {
  // RFC 7515 appendix A.2 and RFC 8037 appendix A.4: deterministic, so byte for byte.
  EXPECT_EQ(jwt(Algorithm::rs256, vector("rs256", "key"), R"({"alg":"RS256"})", vector("rs256", "payload")),
            vector("rs256", "jws"));
  EXPECT_EQ(jwt(Algorithm::eddsa, vector("eddsa", "key"), R"({"alg":"EdDSA"})", vector("eddsa", "payload")),
            vector("eddsa", "jws"));
  // RFC 7515 appendix A.3: every signature is another one, so ours is verified, and the verifier by the RFC's.
  EXPECT_TRUE(verifies(vector("es256", "jws"), vector("es256", "public")));
  const std::string ours =
      jwt(Algorithm::es256, vector("es256", "key"), R"({"alg":"ES256"})", vector("es256", "payload"));
  EXPECT_EQ(ours.substr(0, ours.rfind('.')), vector("es256", "jws").substr(0, vector("es256", "jws").rfind('.')));
  EXPECT_EQ(ours.size() - ours.rfind('.'), 87U);
  EXPECT_TRUE(verifies(ours, vector("es256", "public")));
}

TEST(Jwt, reads_private_keys_in_the_forms_people_have) {
  const std::string wanted = vector("rs256", "jws");
  const auto with = [&](std::string key) {
    return jwt(Algorithm::rs256, key, R"({"alg":"RS256"})", vector("rs256", "payload"));
  };
  EXPECT_EQ(with(vector("rs256", "key_pkcs1")), wanted);
  EXPECT_EQ(with(vector("rs256", "key_der")), wanted);
  std::string one_line = vector("rs256", "key");  // as Google's JSON file looks in an environment variable
  for (std::size_t at; (at = one_line.find('\n')) != std::string::npos;) one_line.replace(at, 1, "\\n");
  EXPECT_EQ(with(one_line), wanted);
  EXPECT_TRUE(verifies(jwt(Algorithm::es256, vector("es256", "key_sec1"), "{}", "{}"), vector("es256", "public")));
}

TEST(Jwt, refuses_keys_that_do_not_fit_and_shows_nothing_of_them) {
  EXPECT_EQ(jwt(Algorithm::es256, vector("rs256", "key"), "{}", "{}"), "error: ES256 needs an EC key on P-256");
  EXPECT_EQ(jwt(Algorithm::es256, std::string(golden().at("p384").as_string()), "{}", "{}"),
            "error: ES256 needs an EC key on P-256");
  EXPECT_EQ(jwt(Algorithm::rs256, vector("es256", "key"), "{}", "{}"),
            "error: RS256 needs an RSA key of 2048 bits or more");
  EXPECT_EQ(jwt(Algorithm::rs256, std::string(golden().at("weak_rsa").as_string()), "{}", "{}"),
            "error: RS256 needs an RSA key of 2048 bits or more");
  EXPECT_EQ(jwt(Algorithm::eddsa, vector("es256", "key"), "{}", "{}"), "error: EdDSA needs an Ed25519 key");
  for (const std::string key : {"nonsense", "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"})
    EXPECT_EQ(jwt(Algorithm::rs256, key, "{}", "{}").substr(0, 22), "error: the private key") << key;
  EXPECT_EQ(jwt(Algorithm::rs256, vector("rs256", "public"), "{}", "{}"),
            "error: the private key is neither PEM nor base64 of DER, or it is encrypted");
}

TEST(Jwt, says_beforehand_whether_a_key_would_do) {
  EXPECT_TRUE(check_key(Algorithm::rs256, vault::Secret(vector("rs256", "key"))));
  EXPECT_FALSE(check_key(Algorithm::rs256, vault::Secret(vector("es256", "key"))));
  EXPECT_FALSE(check_key(Algorithm::es256, vault::Secret("nonsense")));
}

TEST(Jwt, never_asks_for_a_passphrase) {
  BIO* out = BIO_new(BIO_s_mem());
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  PEM_write_bio_PKCS8PrivateKey(out, key, EVP_aes_256_cbc(), "x", 1, nullptr, nullptr);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out, &text);
  EXPECT_EQ(jwt(Algorithm::eddsa, {text, static_cast<std::size_t>(size)}, "{}", "{}"),
            "error: the private key is neither PEM nor base64 of DER, or it is encrypted");
  EVP_PKEY_free(key);
  BIO_free(out);
}

TEST(JwtClaims, are_read_only_from_what_is_one) {
  EXPECT_EQ(read_claims(vector("rs256", "jws"))->at("iss").as_string(), "joe");
  for (const char* other : {"", "a", "a.b", "a.b.c", "a.e30.b.c", "x.eyI.y", "x.W10.y"})
    EXPECT_FALSE(read_claims(other)) << other;
  EXPECT_TRUE(read_claims("x.e30.y"));
  EXPECT_TRUE(read_claims("x.e30=.y"));
}

TEST(Assertion, says_who_for_whom_and_how_long) {
  const auto entry = oauth(
      "fields: {email: {secret: false}, privateKey: , keyId: {secret: false, required: false}, subject: {secret: "
      "false, "
      "required: false}}\n    assertion: {issuer: \"${email}\", subject: \"${subject}\", key_id: \"${keyId}\", "
      "claims: {scope: \"a b\"}, lifetime: 1h}",
      "JWT_BEARER");
  Values values;
  values.set_plain("email", "robot@example.com");
  values.set_plain("keyId", "k\"1");
  values.set_plain("subject", "");
  values.set("privateKey", vault::Secret(vector("rs256", "key")));
  const Asking asking{entry, values, 1'000, "n1"};
  const auto made = make_assertion(*entry.assertion, asking);
  ASSERT_TRUE(made) << made.error().text;
  const std::string text(made->expose());
  EXPECT_EQ(decode_base64url(text.substr(0, text.find('.'))), R"({"alg":"RS256","kid":"k\"1","typ":"JWT"})");
  EXPECT_EQ(boost::json::serialize(*read_claims(text)),
            R"({"aud":"https://login.example.com/token","exp":4600,"iat":1000,"iss":"robot@example.com","jti":"n1",)"
            R"("scope":"a b"})");
  EXPECT_TRUE(verifies(text, vector("rs256", "public")));
  values.set_plain("subject", "person@example.com");  // domain-wide delegation
  EXPECT_EQ(read_claims(make_assertion(*entry.assertion, asking)->expose())->at("sub").as_string(),
            "person@example.com");
}

TEST(Assertion, says_which_value_is_missing) {
  const auto entry =
      oauth("fields: {email: {secret: false}, privateKey: }\n    assertion: {issuer: \"${email}\"}", "JWT_BEARER");
  Values values;
  const Asking asking{entry, values, 0, ""};
  EXPECT_EQ(make_assertion(*entry.assertion, asking).error().text, "the value 'email' is missing");
  values.set_plain("email", "x");
  EXPECT_EQ(make_assertion(*entry.assertion, asking).error().text, "the value 'privateKey' is missing");
}

}  // namespace
}  // namespace postern::grants::test
