// The local authority: what it may speak for, what it refuses to be made or opened of.
#include "vault/authority.hpp"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace postern::vault {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int64_t kNow = 1'800'000'000;

NewAuthority wanted(std::vector<std::string> names) {
  NewAuthority made;
  made.label = "v7k2";
  made.names = std::move(names);
  made.now = kNow;
  return made;
}

std::shared_ptr<const Authority> made_for(std::vector<std::string> names) {
  const auto bytes = Authority::create(wanted(std::move(names)));
  EXPECT_TRUE(bytes.has_value()) << bytes.error().message;
  auto opened = Authority::open(bytes->certificate, bytes->key.expose());
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  return *opened;
}

int criticality(X509* x, int what) {
  int critical = -1;
  void* found = X509_get_ext_d2i(x, what, &critical, nullptr);
  if (what == NID_name_constraints) NAME_CONSTRAINTS_free(static_cast<NAME_CONSTRAINTS*>(found));
  if (what == NID_basic_constraints) BASIC_CONSTRAINTS_free(static_cast<BASIC_CONSTRAINTS*>(found));
  return critical;
}

TEST(Authority, is_what_it_was_made_for) {
  const auto authority = made_for({"api.github.com", "*.slack.com", "192.0.2.7", "2001:db8:0::7", "api.github.com"});
  EXPECT_EQ(authority->subject(), "postern local CA v7k2");
  EXPECT_THAT(authority->names(), ElementsAre("api.github.com", "slack.com", "192.0.2.7", "2001:db8::7"));
  EXPECT_EQ(authority->not_before(), kNow - 3'600);
  EXPECT_EQ(authority->not_after(), kNow + kAuthorityLifetime);
  EXPECT_TRUE(authority->valid_at(kNow));
  EXPECT_FALSE(authority->valid_at(kNow - 3'601));
  EXPECT_FALSE(authority->valid_at(kNow + kAuthorityLifetime));
  EXPECT_THAT(authority->fingerprint(), testing::MatchesRegex("([0-9A-F][0-9A-F]:){31}[0-9A-F][0-9A-F]"));
  EXPECT_THAT(authority->certificate(), testing::StartsWith("-----BEGIN CERTIFICATE-----\n"));
  EXPECT_THAT(authority->certificate(), testing::Not(HasSubstr("PRIVATE")));
}

TEST(Authority, carries_the_extensions_that_confine_it) {
  const auto authority = made_for({"api.github.com"});
  X509* x = authority->x509();
  EXPECT_EQ(criticality(x, NID_basic_constraints), 1);
  EXPECT_EQ(criticality(x, NID_name_constraints), 1);
  EXPECT_EQ(X509_get_pathlen(x), 0);
  EXPECT_EQ(X509_get_key_usage(x), static_cast<unsigned>(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
  EXPECT_EQ(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
  EXPECT_NE(X509_get0_subject_key_id(x), nullptr);
  EXPECT_NE(X509_get0_authority_key_id(x), nullptr);
  EXPECT_EQ(X509_verify(x, authority->key()), 1);
}

TEST(Authority, is_never_the_same_twice) {
  const auto one = made_for({"api.github.com"}), other = made_for({"api.github.com"});
  EXPECT_NE(one->fingerprint(), other->fingerprint());
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(one->x509()), X509_get0_serialNumber(other->x509())), 0);
  EXPECT_EQ(EVP_PKEY_eq(one->key(), other->key()), 0);
}

TEST(Authority, permits_its_names_and_what_is_below_them) {
  const auto authority = made_for({"api.github.com", "*.slack.com", "192.0.2.7"});
  for (const char* host : {"api.github.com", "v3.api.github.com", "slack.com", "a.b.slack.com", "192.0.2.7"})
    EXPECT_TRUE(authority->permits(host)) << host;
  for (const char* host :
       {"github.com", "xapi.github.com", "notslack.com", "slack.com.evil.test", "192.0.2.8", "2001:db8::7", "com", ""})
    EXPECT_FALSE(authority->permits(host)) << host;
}

TEST(Authority, permits_an_address_in_any_spelling_of_it) {
  const auto authority = made_for({"2001:db8::7"});
  EXPECT_TRUE(authority->permits("2001:db8:0:0::7"));
  EXPECT_FALSE(authority->permits("192.0.2.7"));
}

TEST(Authority, is_not_made_for_what_it_cannot_be_confined_to) {
  for (const char* name : {"", "com", "*.com", "*", "a..b", ".a.b", "a.b.", "A.b", "a b.c", "a.b:443", "*.192.0.2.7",
                           "[::1]", "10.0.0.0/8", "a.*.b"}) {
    const auto made = Authority::create(wanted({"api.github.com", name}));
    ASSERT_FALSE(made.has_value()) << name;
    EXPECT_EQ(made.error().code, Error::Code::invalid);
    EXPECT_THAT(made.error().message, HasSubstr("'" + std::string(name) + "'"));
  }
  const auto none = Authority::create(wanted({}));
  ASSERT_FALSE(none.has_value());
  EXPECT_THAT(none.error().message, HasSubstr("intercept.hosts"));
}

TEST(Authority, is_not_made_with_a_label_or_a_life_that_makes_no_sense) {
  for (const std::string& label : {std::string(), std::string("a b"), std::string("a\nb"), std::string(41, 'a')}) {
    NewAuthority bad = wanted({"api.github.com"});
    bad.label = label;
    EXPECT_FALSE(Authority::create(bad).has_value()) << label;
  }
  for (const std::int64_t life : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{400} * 366 * 86'400}) {
    NewAuthority bad = wanted({"api.github.com"});
    bad.lifetime = life;
    EXPECT_FALSE(Authority::create(bad).has_value()) << life;
  }
}

TEST(Authority, opens_only_a_certificate_with_its_own_key) {
  const auto one = Authority::create(wanted({"api.github.com"})), other = Authority::create(wanted({"api.github.com"}));
  EXPECT_TRUE(Authority::open(one->certificate, one->key.expose()).has_value());
  EXPECT_FALSE(Authority::open(one->certificate, other->key.expose()).has_value());
  EXPECT_FALSE(Authority::open(one->certificate, "").has_value());
  EXPECT_FALSE(Authority::open(one->certificate, one->certificate).has_value());
  EXPECT_FALSE(Authority::open("", one->key.expose()).has_value());
  EXPECT_FALSE(Authority::open(one->certificate.substr(0, 200), one->key.expose()).has_value());
}

TEST(Authority, does_not_open_what_is_confined_to_nothing) {
  const auto authority = made_for({"api.github.com"});
  // The same certificate without its name constraints, signed by the same key.
  X509* x = X509_dup(authority->x509());
  X509_EXTENSION_free(X509_delete_ext(x, X509_get_ext_by_NID(x, NID_name_constraints, -1)));
  ASSERT_NE(X509_sign(x, authority->key(), EVP_sha256()), 0);
  BIO* pem = BIO_new(BIO_s_mem());
  ASSERT_EQ(PEM_write_bio_X509(pem, x), 1);
  const char* bytes = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(pem, &bytes));
  unsigned char* der = nullptr;
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(authority->key());
  const int der_size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  const auto opened =
      Authority::open({bytes, size}, {reinterpret_cast<char*>(der), static_cast<std::size_t>(der_size)});
  ASSERT_FALSE(opened.has_value());
  EXPECT_THAT(opened.error().message, HasSubstr("name constraints"));
  OPENSSL_free(der);
  PKCS8_PRIV_KEY_INFO_free(info);
  BIO_free(pem);
  X509_free(x);
}

}  // namespace
}  // namespace postern::vault
