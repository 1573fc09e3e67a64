#include "vault/encoding.hpp"

#include <gmock/gmock.h>

#include <set>

#include "vault/token.hpp"
#include "vault/vault.hpp"

namespace postern::vault::test {
namespace {

TEST(Encoding, base64_is_that_of_rfc_4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64(bytes), text);
    const auto decoded = decode_base64(text);
    ASSERT_TRUE(decoded) << text;
    EXPECT_EQ(decoded->expose(), bytes);
  }
  EXPECT_EQ(base64("\xfb\xff\xfe"), "+//+");
  EXPECT_EQ(base64url("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(base64url("f"), "Zg");
}

TEST(Encoding, base64_that_nobody_would_write_is_refused) {
  for (const char* text :
       {"Zg", "Zg=", "Zh==", "Zm9=", "Zg==Zg==", "====", "Zm9v\n", "Zm 9", "Zm9-", "=Zm9", "Z===", "=", "=="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

TEST(Encoding, hex_goes_both_ways_in_lower_case) {
  EXPECT_EQ(hex(std::string_view("\x00\xaf\xff", 3)), "00afff");
  EXPECT_EQ(decode_hex("00afff"), std::string("\x00\xaf\xff", 3));
  EXPECT_FALSE(decode_hex("0"));
  EXPECT_FALSE(decode_hex("0G"));
  EXPECT_FALSE(decode_hex("AF"));
}

TEST(Encoding, crc32_and_base62_have_their_known_values) {
  EXPECT_EQ(crc32("123456789"), 0xcbf43926U);
  EXPECT_EQ(crc32(""), 0U);
  EXPECT_EQ(base62(0, 6), "000000");
  EXPECT_EQ(base62(61, 6), "00000z");
  EXPECT_EQ(base62(62, 6), "000010");
  EXPECT_EQ(base62(0xffffffffU, 6), "4gfFC3");
}

TEST(Names, a_new_id_is_a_prefix_and_twenty_characters) {
  EXPECT_THAT(new_id("conn"), testing::MatchesRegex("conn_[0-9a-hjkmnp-tv-z]{20}"));
  EXPECT_TRUE(looks_like_id(new_id("conn")));
  EXPECT_TRUE(is_reference(new_id("conn")));
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(new_id("x"));
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(Names, what_looks_like_an_id) {
  EXPECT_TRUE(looks_like_id("conn_0123456789abcdefghjk"));
  for (const char* text :
       {"", "conn", "conn_", "_0123456789abcdefghjk", "conn_0123456789abcdefghj", "conn_0123456789abcdefghjkm",
        "conn_0123456789abcdefghji", "conn_0123456789ABCDEFGHJK", "conn-0123456789abcdefghjk",
        "Conn_0123456789abcdefghjk", "org_default", "abcdefghijklmnopq_0123456789abcdefghjk"}) {
    EXPECT_FALSE(looks_like_id(text)) << text;
  }
}

TEST(Names, what_is_a_reference) {
  EXPECT_TRUE(is_reference("a"));
  EXPECT_TRUE(is_reference("Az09_-"));
  EXPECT_TRUE(is_reference(std::string(64, 'a')));
  for (const auto& text : {std::string(), std::string(65, 'a'), std::string("a b"), std::string("a.b"),
                           std::string("a/b"), std::string("\xc3\xa9"), std::string("a\0", 2)}) {
    EXPECT_FALSE(is_reference(text)) << text;
  }
}

TEST(Names, enumerations_have_their_words) {
  EXPECT_STREQ(to_string(Scope::personal), "PERSONAL");
  EXPECT_STREQ(to_string(Scope::project), "PROJECT");
  EXPECT_STREQ(to_string(Scope::organization), "ORGANIZATION");
  EXPECT_STREQ(to_string(Status::active), "ACTIVE");
  EXPECT_STREQ(to_string(Status::expired), "EXPIRED");
  EXPECT_STREQ(to_string(Status::error), "ERROR");
  EXPECT_STREQ(to_string(Status::revoked), "REVOKED");
}

TEST(Token, carries_its_public_id_and_a_checksum) {
  const FreshToken made = make_token();
  EXPECT_EQ(made.text.size(), 65U);
  EXPECT_EQ(public_id_of(made.text.expose()), made.public_id);
  EXPECT_NE(make_token().public_id, made.public_id);
}

// A token that was given out must be told from garbage for ever.
TEST(Token, one_of_today_is_read_for_ever) {
  EXPECT_EQ(public_id_of("pst_0123456789abAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA0V01tq"), "0123456789ab");
}

TEST(Token, any_changed_character_is_refused) {
  const FreshToken made = make_token();
  const std::string token(made.text.expose());
  for (std::size_t at = 0; at < token.size(); ++at) {
    std::string changed = token;
    changed[at] = changed[at] == '7' ? '8' : '7';
    EXPECT_FALSE(public_id_of(changed)) << at;
    EXPECT_FALSE(public_id_of(token.substr(0, at)));
  }
  EXPECT_FALSE(public_id_of(token + "7"));
}

}  // namespace
}  // namespace postern::vault::test
