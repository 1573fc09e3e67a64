// Random damage to the state directory, one flipped byte or one removed file at a time: what opens holds everything,
// and what does not is refused. POSTERN_DAMAGES says how often (scripts/damage-test: 2,000).
#include <gtest/gtest.h>

#include <random>

#include "tests/room/vault/children.hpp"
#include "tests/unit/vault/scratch.hpp"

namespace postern::vault::test {
namespace {

constexpr int kConnections = 40;
enum Outcome : int { identical = 0, refused = 1, lost = 2, failed = 3 };

std::string name_of(int number) {
  return "c" + std::to_string(number);
}

// 40 connections, a few of them changed and erased again, an authorization; some of it in a table, the rest in the log.
int make(const Options& options) {
  if (!Vault::make_key_file(options.key_file)) return failed;
  for (int half = 0; half < 2; ++half) {
    auto vault = half == 0 ? Vault::create(options) : Vault::open(options);
    if (!vault) return failed;
    for (int i = half * kConnections / 2; i < (half + 1) * kConnections / 2; ++i) {
      Connection meta = stripe();
      meta.alias = name_of(i);
      const auto made = (*vault)->create_connection(meta, api_key("old"));
      if (!made || !(*vault)->rotate_credential(*made, api_key("secret of " + name_of(i)))) return failed;
      meta.alias = "gone";
      const auto gone = (*vault)->create_connection(meta, api_key("gone"));
      if (!gone || !(*vault)->erase_connection({}, gone->id, 0)) return failed;
    }
    if (!(*vault)->create_authorization(step())) return failed;
  }
  return identical;
}

int look(const Options& options) {
  const auto vault = Vault::open(options);
  if (!vault) {
    return vault.error().code == Error::Code::not_found || vault.error().message.empty() ? lost : refused;
  }
  for (int i = 0; i < kConnections; ++i) {
    const auto found = (*vault)->find_connection({}, name_of(i));
    if (!found) return found.error().code == Error::Code::not_found ? lost : refused;
    const auto opened = (*vault)->open_credential(*found);
    if (!opened) return opened.error().code == Error::Code::not_found ? lost : refused;
    if (!opened->values.at("apiKey").equals("secret of " + name_of(i)) || found->version != 2) return lost;
  }
  const auto gone = (*vault)->find_connection({}, "gone");
  if (gone || gone.error().code != Error::Code::not_found) return gone ? lost : refused;
  const auto all = (*vault)->list_connections({});
  if (!all) return refused;
  const auto tokens = (*vault)->list_authorizations(std::string(kDefaultOrganization), "", 100);
  if (!tokens) return refused;
  return all->data.size() == kConnections && tokens->size() == 2 ? identical : lost;
}

// What was done, in words.
std::string damage(const std::filesystem::path& file, std::mt19937_64& random) {
  const std::string name = file.filename().string();
  std::string bytes = read_file(file);
  if (bytes.empty() || random() % 8 == 0) {
    std::filesystem::remove(file);
    return name + " removed";
  }
  const std::size_t at = random() % bytes.size();
  const auto flipped = static_cast<char>(1U << random() % 8);
  bytes[at] = static_cast<char>(bytes[at] ^ flipped);
  write_file(file, bytes);
  return name + " at " + std::to_string(at) + " of " + std::to_string(bytes.size());
}

TEST(Damage, leaves_everything_as_it_was_or_is_refused) {
  const char* wanted = std::getenv("POSTERN_DAMAGES");
  const int times = wanted != nullptr ? std::atoi(wanted) : 100;
  const char* seed = std::getenv("POSTERN_SEED");
  std::mt19937_64 random(seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()());
  const Scratch scratch(in_memory());
  Options options;
  options.key_file = scratch.path() / "master.key";
  options.state = scratch.path() / "made";
  ASSERT_EQ(exit_code(in_child([&] { return make(options); })), identical);

  std::map<int, int> outcomes;
  for (int time = 0; time < times; ++time) {
    options.state = scratch.path() / "state";
    std::filesystem::remove_all(options.state);
    std::filesystem::copy(scratch.path() / "made", options.state, std::filesystem::copy_options::recursive);
    std::vector<std::filesystem::path> files;
    for (const auto& [file, bytes] : contents(options.state)) files.emplace_back(file);
    const std::string done = damage(files[random() % files.size()], random);
    const int outcome = exit_code(in_child([&] { return look(options); }));
    ++outcomes[outcome];
    EXPECT_TRUE(outcome == identical || outcome == refused) << done << ": " << outcome;
  }
  std::printf("%d damages: %d identical, %d refused, %d lost in silence, %d processes ended by a signal\n", times,
              outcomes[identical], outcomes[refused], outcomes[lost], outcomes[-1]);
}

}  // namespace
}  // namespace postern::vault::test
