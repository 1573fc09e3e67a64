#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/source_dir.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/encoding.hpp"
#include "vault/key_provider.hpp"

namespace postern::vault::test {
namespace {

using testing::HasSubstr;

const std::filesystem::path kGolden = std::filesystem::path(POSTERN_SOURCE_DIR) / "tests" / "golden" / "vault";
const Binding kBinding{.organization = {}, .type = "key", .id = "k", .version = 1};

class KeyFile : public testing::Test {
 protected:
  std::string refusal() const {
    const auto opened = open_key_file(file);
    EXPECT_FALSE(opened);
    if (opened) return "";
    EXPECT_EQ(opened.error().code, Error::Code::wrong_key);
    EXPECT_THAT(opened.error().message, HasSubstr(file.string()));
    return opened.error().message;
  }
  Scratch scratch;
  const std::filesystem::path file = scratch.path() / "master.key";
  const std::string good = "postern-key-1:" + base64(std::string(32, 'k'));
};

TEST_F(KeyFile, is_made_private_and_opens) {
  const auto deep = scratch.path() / "a" / "b" / "master.key";
  ASSERT_TRUE(Vault::make_key_file(deep));
  struct stat about{};
  ASSERT_EQ(::stat(deep.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  ASSERT_EQ(::stat(deep.parent_path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0700U);
  EXPECT_THAT(read_file(deep), testing::MatchesRegex("postern-key-1:[A-Za-z0-9+/]{43}=\n"));
  const auto provider = open_key_file(deep);
  ASSERT_TRUE(provider) << provider.error().message;
  EXPECT_EQ((*provider)->describe(), "file " + deep.string());
}

TEST_F(KeyFile, one_that_is_there_is_kept) {
  write_file(file, good);
  EXPECT_REFUSED(Vault::make_key_file(file), exists);
  EXPECT_EQ(read_file(file), good);
}

TEST_F(KeyFile, one_that_cannot_be_made_says_why) {
  write_file(scratch.path() / "plain", "");
  EXPECT_REFUSED(Vault::make_key_file(scratch.path() / "plain" / "master.key"), io);
}

TEST_F(KeyFile, may_end_with_white_space) {
  for (const char* end : {"", "\n", "\r\n", " \t\n\n"}) {
    write_file(file, good + end);
    EXPECT_TRUE(open_key_file(file));
  }
}

TEST_F(KeyFile, one_that_others_can_access_is_refused_and_says_chmod_600) {
  for (const mode_t mode : {0640U, 0620U, 0610U, 0604U, 0602U, 0601U, 0644U, 0777U}) {
    write_file(file, good, mode);
    EXPECT_THAT(refusal(), HasSubstr("chmod 600"));
  }
  write_file(file, good, 0400);
  EXPECT_TRUE(open_key_file(file));
}

TEST_F(KeyFile, one_that_is_missing_or_no_regular_file_is_refused) {
  EXPECT_THAT(refusal(), HasSubstr("does not exist"));
  std::filesystem::create_directory(file);
  EXPECT_THAT(refusal(), HasSubstr("not a regular file"));
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("not a regular file"));
}

TEST_F(KeyFile, one_that_is_short_long_or_garbage_is_refused) {
  write_file(file, "");
  EXPECT_THAT(refusal(), HasSubstr("empty"));
  const std::string texts[] = {
      "garbage",
      base64(std::string(32, 'k')),
      "postern-key-2:" + base64(std::string(32, 'k')),
      "postern-key-1:",
      "postern-key-1:" + base64(std::string(31, 'k')),
      "postern-key-1:" + base64(std::string(33, 'k')),
      "postern-key-1:" + base64(std::string(16, 'k')),
      good.substr(0, good.size() - 1),
      good + "\n" + good,
      "\n" + good,
      " " + good,
      good + "\nsomething else",
      good + std::string(5000, ' ') + "x",
      std::string(100'000, 'A'),
      std::string(32, '\0'),
  };
  for (const auto& text : texts) {
    write_file(file, text);
    EXPECT_THAT(refusal(), HasSubstr("postern-key-1:"));
  }
}

TEST_F(KeyFile, a_refusal_never_quotes_the_key) {
  write_file(file, good, 0644);
  EXPECT_EQ(refusal().find(good.substr(14, 10)), std::string::npos);
  write_file(file, good.substr(0, good.size() - 2));
  EXPECT_EQ(refusal().find(good.substr(14, 10)), std::string::npos);
}

TEST_F(KeyFile, unwraps_what_it_wrapped_and_tells_a_wrong_key_from_damage) {
  write_file(file, good);
  const auto provider = open_key_file(file);
  ASSERT_TRUE(provider);
  const auto wrapped = (*provider)->wrap("data key", kBinding);
  ASSERT_TRUE(wrapped);
  EXPECT_TRUE((*provider)->unwrap(*wrapped, kBinding)->equals("data key"));
  std::string damaged = *wrapped;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  EXPECT_REFUSED((*provider)->unwrap(damaged, kBinding), corrupt);
  EXPECT_REFUSED((*provider)->unwrap("", kBinding), corrupt);
  EXPECT_REFUSED(make_ephemeral_key()->unwrap(*wrapped, kBinding), wrong_key);
}

TEST_F(KeyFile, the_golden_key_file_unwraps_what_it_wrapped_when_it_was_new) {
  write_file(file, read_file(kGolden / "master.key"));
  const auto provider = open_key_file(file);
  ASSERT_TRUE(provider) << provider.error().message;
  std::string text = read_file(kGolden / "wrapped.hex");
  text.pop_back();
  const auto opened = (*provider)->unwrap(decode_hex(text).value_or(""), kBinding);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(opened->equals("a data key of long ago"));
}

}  // namespace
}  // namespace postern::vault::test
