// A process that is killed while it writes: whatever it acknowledged is there afterwards, and the vault opens.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/room/vault/children.hpp"
#include "vault/vault.hpp"

namespace postern::vault::test {
namespace {

constexpr std::size_t kIdSize = 25;  // conn_ and 20 characters

Credential secret_of(const std::string& id) {
  Credential credential;
  credential.values.emplace("apiKey", Secret("secret of " + id));
  return credential;
}

// Makes connections from several threads until it is killed, and says each id once it is acknowledged.
int write_for_ever(const Options& options, int acknowledged) {
  const auto vault = Vault::open(options);
  if (!vault) return 2;
  const auto write = [&] {
    for (;;) {
      Connection meta;
      meta.id = new_id("conn");
      meta.app = "stripe";
      if (!(*vault)->create_connection(meta, secret_of(meta.id))) ::_exit(3);
      if (::write(acknowledged, meta.id.data(), meta.id.size()) != static_cast<ssize_t>(kIdSize)) ::_exit(4);
    }
  };
  const std::jthread first(write), second(write);
  write();
  return 0;
}

int look_for(const Options& options, const std::vector<std::string>& ids) {
  const auto vault = Vault::open(options);
  if (!vault) {
    std::fprintf(stderr, "%s\n", vault.error().message.c_str());
    return 2;
  }
  for (const auto& id : ids) {
    const auto found = (*vault)->find_connection({}, id);
    if (!found) return 3;
    const auto opened = (*vault)->open_credential(*found);
    if (!opened || !opened->values.at("apiKey").equals("secret of " + id)) return 4;
    if (!(*vault)->find_connection({}, found->alias)) return 5;
  }
  return 0;
}

TEST(Crash, whatever_was_acknowledged_before_a_kill_is_there_after_it) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-crash-XXXXXX").string();
  const std::filesystem::path scratch = ::mkdtemp(pattern.data());
  Options options;
  options.state = scratch / "state";
  options.key_file = scratch / "master.key";
  ASSERT_EQ(exit_code(in_child([&] {
              if (!Vault::make_key_file(options.key_file)) return 1;
              return Vault::create(options) ? 0 : 2;
            })),
            0);

  std::vector<std::string> ids;
  for (std::size_t round = 1; round <= 6; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t writer = in_child([&] { return write_for_ever(options, pipe[1]); });
    ::close(pipe[1]);
    // Killed at another place of the next write each time: right behind an acknowledgement, then later and later.
    std::string id(kIdSize, '\0');
    for (std::size_t count = 0; count < round * 3; ++count) {
      ASSERT_EQ(::read(pipe[0], id.data(), kIdSize), static_cast<ssize_t>(kIdSize));
      ids.push_back(id);
    }
    ::kill(writer, SIGKILL);
    EXPECT_EQ(exit_code(writer), -1);
    while (::read(pipe[0], id.data(), kIdSize) == static_cast<ssize_t>(kIdSize)) ids.push_back(id);
    ::close(pipe[0]);
    ASSERT_EQ(exit_code(in_child([&] { return look_for(options, ids); })), 0) << "in round " << round;
  }
  std::filesystem::remove_all(scratch);
}

}  // namespace
}  // namespace postern::vault::test
