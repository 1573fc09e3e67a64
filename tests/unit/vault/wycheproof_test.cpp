// The primitives against the public vectors of Project Wycheproof, where those are present: POSTERN_CORPORA, or
// ../shared/corpora beside the source tree.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tests/source_dir.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/envelope.hpp"

namespace postern::vault::test {
namespace {

std::optional<boost::json::array> groups(const char* name) {
  const char* corpora = std::getenv("POSTERN_CORPORA");
  const std::filesystem::path root = corpora != nullptr
                                         ? std::filesystem::path(corpora)
                                         : std::filesystem::path(POSTERN_SOURCE_DIR) / ".." / "shared" / "corpora";
  const std::string text = read_file(root / "wycheproof" / name);
  if (text.empty()) {
    std::printf("%s is not present: nothing was checked\n", name);
    return std::nullopt;
  }
  return boost::json::parse(text).at("testGroups").as_array();
}

std::string bytes(const boost::json::value& test, const char* field) {
  const auto decoded = decode_hex(std::string_view(test.at(field).as_string()));
  EXPECT_TRUE(decoded);
  return decoded.value_or("");
}

TEST(Wycheproof, aes_256_gcm) {
  const auto all = groups("aes_gcm_test.json");
  if (!all) return;
  int checked = 0;
  for (const auto& group : *all) {
    if (group.at("keySize") != 256 || group.at("ivSize") != 96 || group.at("tagSize") != 128) continue;
    for (const auto& test : group.at("tests").as_array()) {
      const std::string sealed = bytes(test, "ct") + bytes(test, "tag");
      const auto opened = aes_256_gcm_open(bytes(test, "key"), bytes(test, "iv"), sealed, bytes(test, "aad"));
      const bool valid = test.at("result") == "valid";
      ASSERT_EQ(opened.has_value(), valid) << test;
      if (valid) {
        EXPECT_TRUE(opened->equals(bytes(test, "msg"))) << test;
        EXPECT_EQ(aes_256_gcm_seal(bytes(test, "key"), bytes(test, "iv"), bytes(test, "msg"), bytes(test, "aad")),
                  sealed);
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 50);
}

TEST(Wycheproof, hmac_sha256) {
  const auto all = groups("hmac_sha256_test.json");
  if (!all) return;
  int checked = 0;
  for (const auto& group : *all) {
    const auto size = static_cast<std::size_t>(group.at("tagSize").as_int64() / 8);
    for (const auto& test : group.at("tests").as_array()) {
      const std::string digest = hmac_sha256(bytes(test, "key"), bytes(test, "msg")).substr(0, size);
      EXPECT_EQ(equal_in_constant_time(digest, bytes(test, "tag")), test.at("result") == "valid") << test;
      ++checked;
    }
  }
  EXPECT_GT(checked, 50);
}

TEST(Wycheproof, hkdf_sha256) {
  const auto all = groups("hkdf_sha256_test.json");
  if (!all) return;
  int checked = 0;
  for (const auto& group : *all) {
    for (const auto& test : group.at("tests").as_array()) {
      if (test.at("result") != "valid") continue;  // sizes that RFC 5869 forbids; ours are constants
      const auto size = static_cast<std::size_t>(test.at("size").as_int64());
      const Secret derived = hkdf_sha256(bytes(test, "ikm"), bytes(test, "salt"), bytes(test, "info"), size);
      EXPECT_TRUE(derived.equals(bytes(test, "okm"))) << test;
      ++checked;
    }
  }
  EXPECT_GT(checked, 50);
}

}  // namespace
}  // namespace postern::vault::test
