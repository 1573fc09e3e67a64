// A process that is killed in the midst of refreshes: what it had begun is pending or has its outcome, and the tokens
// are those of the generation that the metadata names.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/room/vault/children.hpp"
#include "vault/vault.hpp"

namespace postern::vault::test {
namespace {

constexpr std::string_view kAlias = "mail";

struct Said {     // by the child, once it was acknowledged
  char what = 0;  // 'b'egan, 'f'inished
  std::uint64_t generation = 0;
};

Credential token_of(std::uint64_t generation) {
  Credential credential;
  credential.values.emplace("accessToken", Secret("token " + std::to_string(generation)));
  return credential;
}

int make_connection(const Options& options) {
  if (!Vault::make_key_file(options.key_file)) return 1;
  const auto vault = Vault::create(options);
  if (!vault) return 2;
  Connection meta;
  meta.app = "google";
  meta.alias = kAlias;
  return (*vault)->create_connection(meta, token_of(1)) ? 0 : 3;
}

// Refreshes until it is killed; first what an earlier process has left pending.
int refresh_for_ever(const Options& options, int acknowledged) {
  const auto vault = Vault::open(options);
  if (!vault) return 2;
  TokenBook& tokens = (*vault)->tokens();
  const auto say = [&](char what, std::uint64_t generation) {
    const Said said{what, generation};
    if (::write(acknowledged, &said, sizeof(said)) != static_cast<ssize_t>(sizeof(said))) ::_exit(4);
  };
  const auto left = tokens.pending_intents({}, 10);
  if (!left || left->size() > 1) return 5;
  Result<Intent> intent = fail(Error::Code::not_found, "none");
  if (!left->empty()) intent = tokens.take_over(left->front(), "again");
  for (;; intent = fail(Error::Code::not_found, "none")) {
    if (!intent) {
      const auto meta = (*vault)->find_connection({}, kAlias);
      if (!meta) return 6;
      intent = tokens.begin_refresh(*meta, "holder", nullptr);
    }
    if (!intent) return 7;
    say('b', intent->generation);
    const auto done = tokens.finish_refresh(*intent, token_of(intent->generation + 1), {.expires = 1});
    if (!done) return 8;
    say('f', done->generation);
  }
}

// `last`: what was acknowledged last.
int judge(const Options& options, const Said& last) {
  const auto vault = Vault::open(options);
  if (!vault) return 2;
  const auto meta = (*vault)->find_connection({}, kAlias);
  if (!meta) return 3;
  const auto credential = (*vault)->open_credential(*meta);
  if (!credential || !credential->values.at("accessToken").equals("token " + std::to_string(meta->generation)))
    return 4;
  const auto pending = (*vault)->tokens().pending_intents({}, 10);
  if (!pending || pending->size() > 1) return 5;
  if (!pending->empty() && pending->front().generation != meta->generation) return 6;
  if (meta->generation < last.generation) return 7;
  if (last.what == 'b' && meta->generation == last.generation && pending->empty()) return 8;
  const auto verified = (*vault)->upkeep().verify({}, 1000);
  return verified && verified->bad.empty() ? 0 : 9;
}

TEST(RefreshCrash, what_was_begun_is_pending_or_has_its_outcome) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-refresh-XXXXXX").string();
  const std::filesystem::path scratch = ::mkdtemp(pattern.data());
  Options options;
  options.state = scratch / "state";
  options.key_file = scratch / "master.key";
  ASSERT_EQ(exit_code(in_child([&] { return make_connection(options); })), 0);
  for (std::size_t round = 1; round <= 8; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t writer = in_child([&] { return refresh_for_ever(options, pipe[1]); });
    ::close(pipe[1]);
    // Killed behind a beginning and behind an end by turns, at another place of what follows each time.
    Said last;
    for (std::size_t count = 0; count < round; ++count) {
      ASSERT_EQ(::read(pipe[0], &last, sizeof(last)), static_cast<ssize_t>(sizeof(last)));
    }
    ::kill(writer, SIGKILL);
    EXPECT_EQ(exit_code(writer), -1);
    for (Said more; ::read(pipe[0], &more, sizeof(more)) == static_cast<ssize_t>(sizeof(more));) last = more;
    ::close(pipe[0]);
    ASSERT_EQ(exit_code(in_child([&] { return judge(options, last); })), 0) << "in round " << round;
  }
  std::filesystem::remove_all(scratch);
}

}  // namespace
}  // namespace postern::vault::test
