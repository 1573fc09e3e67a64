#include "vault/envelope.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "tests/unit/vault/scratch.hpp"
#include "vault/digest.hpp"
#include "vault/encoding.hpp"

namespace postern::vault::test {
namespace {

constexpr std::string_view kVectorNonce = "ABCDEFGHIJKLMNOPQRSTUVWX";

TEST(Xaes, gives_the_ciphertexts_of_the_specification) {
  const std::string one(32, '\x01');
  const std::string three(32, '\x03');
  const std::string first = xaes_256_gcm_seal(one, kVectorNonce, "XAES-256-GCM", "");
  EXPECT_EQ(hex(first), "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
  const std::string second = xaes_256_gcm_seal(three, kVectorNonce, "XAES-256-GCM", "c2sp.org/XAES-256-GCM");
  EXPECT_EQ(hex(second), "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
  EXPECT_EQ(xaes_256_gcm_open(one, kVectorNonce, first, "")->expose(), "XAES-256-GCM");
  EXPECT_EQ(xaes_256_gcm_open(three, kVectorNonce, second, "c2sp.org/XAES-256-GCM")->expose(), "XAES-256-GCM");
  EXPECT_FALSE(xaes_256_gcm_open(three, kVectorNonce, second, ""));
  EXPECT_FALSE(xaes_256_gcm_open(one, kVectorNonce, second, "c2sp.org/XAES-256-GCM"));
}

std::string shake128(std::string_view input, std::size_t size) {
  std::string out(size, '\0');
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  EXPECT_EQ(EVP_DigestInit_ex(context.get(), EVP_shake128(), nullptr), 1);
  EXPECT_EQ(EVP_DigestUpdate(context.get(), input.data(), input.size()), 1);
  EXPECT_EQ(EVP_DigestFinalXOF(context.get(), reinterpret_cast<unsigned char*>(out.data()), size), 1);
  return out;
}

// Keys, nonces and lengths come from one SHAKE128 stream, all ciphertexts go into another.
TEST(Xaes, agrees_with_the_specification_over_ten_thousand_random_messages) {
  constexpr std::size_t kMessages = 10'000;
  const std::string stream = shake128("", kMessages * (32 + 24 + 2 + 2 * 255));
  std::string_view left = stream;
  const auto take = [&left](std::size_t size) {
    const auto taken = left.substr(0, size);
    left.remove_prefix(size);
    return taken;
  };
  std::string all;
  for (std::size_t i = 0; i < kMessages; ++i) {
    const auto key = take(32);
    const auto nonce = take(24);
    const auto plaintext = take(static_cast<unsigned char>(take(1)[0]));
    const auto additional = take(static_cast<unsigned char>(take(1)[0]));
    const std::string sealed = xaes_256_gcm_seal(key, nonce, plaintext, additional);
    const auto opened = xaes_256_gcm_open(key, nonce, sealed, additional);
    ASSERT_TRUE(opened && opened->equals(plaintext));
    all += sealed;
  }
  EXPECT_EQ(hex(shake128(all, 32)), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
}

class Envelope : public testing::Test {
 protected:
  const SealingKey key{"key-id-1", Secret(std::string(32, 'k'))};
  const Binding binding{.organization = "org_default", .type = "credential", .id = "conn_1", .version = 3};
};

TEST_F(Envelope, opens_what_it_sealed) {
  for (const std::size_t size : {0, 1, 15, 16, 17, 1000, 100'000}) {
    const std::string plaintext(size, 'p');
    const std::string sealed = key.seal(plaintext, binding);
    EXPECT_EQ(sealed.size(), 4 + 1 + 8 + 24 + size + 16);
    EXPECT_EQ(sealed_under(sealed), "key-id-1");
    const auto opened = key.open(sealed, binding);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(opened->equals(plaintext));
  }
}

TEST_F(Envelope, never_seals_to_the_same_bytes_twice) {
  EXPECT_NE(key.seal("same", binding), key.seal("same", binding));
}

TEST_F(Envelope, refuses_every_flipped_bit_and_every_cut) {
  const std::string sealed = key.seal("secret", binding);
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = sealed;
      bad[at] = static_cast<char>(bad[at] ^ 1 << bit);
      EXPECT_REFUSED(key.open(bad, binding), corrupt);
    }
    EXPECT_REFUSED(key.open(sealed.substr(0, at), binding), corrupt);
    EXPECT_REFUSED(key.open(sealed.substr(at + 1), binding), corrupt);
  }
  EXPECT_REFUSED(key.open(sealed + '\0', binding), corrupt);
}

TEST_F(Envelope, refuses_another_place_or_version) {
  const std::string sealed = key.seal("secret", binding);
  const auto refused = [&](auto change) {
    Binding other = binding;
    change(other);
    EXPECT_REFUSED(key.open(sealed, other), corrupt);
  };
  refused([](Binding& b) { b.organization = "org_other"; });
  refused([](Binding& b) { b.type = "connection"; });
  refused([](Binding& b) { b.id = "conn_2"; });
  refused([](Binding& b) { b.version = 2; });
  refused([](Binding& b) { b.version = 3ULL << 32; });
  // The same bytes, cut at another place: what the length prefixes are for.
  refused([](Binding& b) { b.organization = "org_defaultc", b.type = "redential"; });
  refused([](Binding& b) { b.type = "credentialconn_1", b.id = ""; });
}

TEST_F(Envelope, refuses_another_key_even_under_the_same_id) {
  const std::string sealed = key.seal("secret", binding);
  EXPECT_REFUSED(SealingKey("key-id-1", Secret(std::string(32, 'x'))).open(sealed, binding), corrupt);
  EXPECT_REFUSED(SealingKey("key-id-2", Secret(std::string(32, 'k'))).open(sealed, binding), corrupt);
}

TEST_F(Envelope, seals_and_opens_on_many_threads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const std::string plaintext(static_cast<std::size_t>(i) * 50, 'p');
      for (int round = 0; round < 200; ++round) {
        const auto opened = key.open(key.seal(plaintext, binding), binding);
        ASSERT_TRUE(opened && opened->equals(plaintext));
      }
    });
  }
}

}  // namespace
}  // namespace postern::vault::test
