#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "tests/support/faults.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/vault_impl.hpp"

namespace postern::vault::test {
namespace {

std::uintmax_t permissions_of(const std::filesystem::path& path) {
  return static_cast<std::uintmax_t>(std::filesystem::status(path).permissions()) & 0777U;
}

// What the vault asked a person to do is part of the promise.
std::string message_of(const Options& options) {
  const auto opened = Vault::open(options);
  return opened ? "" : opened.error().message;
}

TEST(VaultLifecycle, a_made_vault_is_ready_and_says_so) {
  World world;
  const auto vault = world.create();
  const VaultStatus status = vault->status();
  EXPECT_EQ(status.vault_id, vault->id());
  EXPECT_EQ(vault->id().size(), 12U);
  EXPECT_EQ(status.store, "rocksdb");
  EXPECT_EQ(status.state, "READY");
  EXPECT_EQ(status.key_provider, "file " + world.options.key_file.string());
  EXPECT_EQ(status.active_key_id.size(), 16U);
  EXPECT_EQ(status.data_keys, 1U);
  EXPECT_EQ(status.commit, 1U);
}

TEST(VaultLifecycle, says_that_the_disk_is_full_instead_of_opening_into_it) {
  World world;
  world.create().reset();
  // A process that may not write more than 64 KiB into a file stands for a disk without room.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{64 * 1024, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto full = Vault::open(world.options);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, Error::Code::io);
  EXPECT_NE(full.error().message.find("no room"), std::string::npos);
  EXPECT_TRUE(world.open());
}

TEST(VaultLifecycle, keeps_everything_over_a_restart) {
  World world;
  auto vault = world.create();
  const std::string id = vault->id();
  const std::string key = vault->status().active_key_id;
  const auto made = vault->create_connection(stripe(), api_key("sk_live_1"));
  const auto token = vault->create_authorization(step());
  const std::string digest = vault->keyed_digest("p", "b");
  ASSERT_TRUE(made && token);
  for (int restart = 0; restart < 3; ++restart) {
    vault.reset();
    vault = world.open();
    ASSERT_TRUE(vault);
    EXPECT_EQ(vault->id(), id);
    EXPECT_EQ(vault->status().active_key_id, key);
    EXPECT_EQ(vault->status().commit, 3U);
    const auto found = vault->find_connection({}, "stripe");
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->id, made->id);
    EXPECT_TRUE(vault->open_credential(*found)->values.at("apiKey").equals("sk_live_1"));
    EXPECT_EQ(vault->authenticate(token->token.expose())->id, token->authorization.id);
    EXPECT_EQ(vault->keyed_digest("p", "b"), digest);
  }
}

TEST(VaultLifecycle, the_memory_store_is_always_new) {
  World world(StoreKind::memory);
  world.options.key_file.clear();
  const auto first = world.open();
  ASSERT_TRUE(first->create_connection(stripe(), api_key("k")));
  EXPECT_EQ(first->status().key_provider, "ephemeral");
  const auto second = world.open();
  EXPECT_NE(first->id(), second->id());
  EXPECT_TRUE(second->list_connections({})->data.empty());
  EXPECT_FALSE(std::filesystem::exists(world.options.state));
}

TEST(VaultLifecycle, the_state_is_private_to_its_owner) {
  World world;
  std::filesystem::create_directories(world.options.state);
  std::filesystem::permissions(world.options.state, static_cast<std::filesystem::perms>(0755));
  world.create();
  EXPECT_EQ(permissions_of(world.options.state), 0700U);
  EXPECT_EQ(permissions_of(world.options.state / "vault"), 0700U);
  EXPECT_EQ(permissions_of(world.options.state / "marker"), 0600U);
}

TEST(VaultLifecycle, a_directory_without_a_vault_is_not_found) {
  World world;
  EXPECT_EQ(world.refusal(), Error::Code::not_found);
  EXPECT_THAT(message_of(world.options), testing::HasSubstr("run postern init"));
  EXPECT_FALSE(std::filesystem::exists(world.options.state));
  std::filesystem::create_directories(world.options.state / "vault");
  EXPECT_EQ(world.refusal(), Error::Code::not_found);
  EXPECT_TRUE(std::filesystem::is_empty(world.options.state / "vault"));
}

TEST(VaultLifecycle, a_vault_is_not_made_over_another) {
  World world;
  world.create();
  const auto before = contents(world.options.state);
  EXPECT_REFUSED(Vault::create(world.options), exists);
  EXPECT_EQ(contents(world.options.state), before);
}

TEST(VaultLifecycle, a_creation_that_never_got_its_header_can_be_repeated) {
  World world;
  std::filesystem::create_directories(world.options.state / "vault");
  ASSERT_TRUE(open_rocksdb_store({.directory = world.options.state / "vault", .create = true}));
  EXPECT_EQ(world.refusal(), Error::Code::not_found);
  world.create().reset();
  EXPECT_TRUE(world.open());
}

TEST(VaultLifecycle, a_wrong_key_is_refused_and_leaves_the_directory_as_it_is) {
  World world;
  world.create()->create_connection(stripe(), api_key("k"));
  const auto before = contents(world.options.state);
  Options other = world.options;
  other.key_file = world.scratch.path() / "other.key";
  ASSERT_TRUE(Vault::make_key_file(other.key_file));
  EXPECT_REFUSED(Vault::open(other), wrong_key);
  other.accept_rollback = true;
  EXPECT_REFUSED(Vault::open(other), wrong_key);
  EXPECT_EQ(contents(world.options.state), before);
  EXPECT_TRUE(world.open());
}

TEST(VaultLifecycle, a_missing_key_is_refused_and_leaves_the_directory_as_it_is) {
  World world;
  world.create();
  const auto before = contents(world.options.state);
  Options other = world.options;
  other.key_file = world.scratch.path() / "none.key";
  EXPECT_REFUSED(Vault::open(other), wrong_key);
  EXPECT_EQ(contents(world.options.state), before);
}

TEST(VaultLifecycle, a_key_inside_the_state_directory_is_refused_unless_allowed) {
  World world;
  world.options.key_file = world.options.state / "sub" / ".." / "master.key";
  std::filesystem::create_directories(world.options.state / "sub");
  ASSERT_TRUE(Vault::make_key_file(world.options.key_file));
  EXPECT_REFUSED(Vault::create(world.options), wrong_key);
  const auto link = world.scratch.path() / "link";
  std::filesystem::create_directory_symlink(world.options.state, link);
  Options through = world.options;
  through.key_file = link / "master.key";
  EXPECT_REFUSED(Vault::create(through), wrong_key);
  world.options.allow_key_in_state = true;
  EXPECT_TRUE(world.create());
  world.options.allow_key_in_state = false;
  EXPECT_EQ(world.refusal(), Error::Code::wrong_key);
}

TEST(VaultLifecycle, a_key_beside_the_state_directory_is_no_key_inside_it) {
  World world;
  world.options.key_file = world.options.state.string() + ".key";
  ASSERT_TRUE(Vault::make_key_file(world.options.key_file));
  EXPECT_TRUE(world.create());
}

TEST(VaultLifecycle, a_second_opening_is_locked_out) {
  World world;
  const auto vault = world.create();
  EXPECT_EQ(world.refusal(), Error::Code::locked);
  EXPECT_REFUSED(Vault::create(world.options), locked);
  EXPECT_THAT(message_of(world.options), testing::HasSubstr("another process"));
  EXPECT_TRUE(vault->create_connection(stripe(), api_key("k")));
}

TEST(VaultLifecycle, another_process_is_locked_out_too) {
  World world;
  world.create();
  int ready[2];
  int stop[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(stop), 0);
  const std::string lock = (world.options.state / "vault" / "LOCK").string();
  const pid_t child = ::fork();
  if (child == 0) {  // holds the lock as a running postern would, until it is told to end
    const int file = ::open(lock.c_str(), O_RDWR);
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    char byte = ::fcntl(file, F_SETLK, &whole) == 0 ? 'y' : 'n';
    ::close(stop[1]);
    static_cast<void>(!::write(ready[1], &byte, 1));
    static_cast<void>(!::read(stop[0], &byte, 1));
    ::_exit(0);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(world.refusal(), Error::Code::locked);
  ::close(stop[1]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  ::close(stop[0]);
  EXPECT_TRUE(world.open());
}

TEST(VaultLifecycle, nothing_readable_reaches_the_state_directory) {
  World world;
  auto vault = world.create();
  Connection meta = stripe();
  meta.name = "canary-name";
  meta.alias = "canary-alias";
  meta.owner = "canary-owner";
  meta.config = R"({"account": "canary-config"})";
  meta.end_user = "canary-end-user";
  meta.tags = {"canary-tag"};
  meta.destinations = {{"canary-host.example", 443, "/canary-path"}};
  const auto made = vault->create_connection(meta, api_key("canary-secret"));
  ASSERT_TRUE(made);
  ASSERT_TRUE(vault->rotate_credential(*made, api_key("canary-second-secret")));
  Authorization wanted = step();
  wanted.name = "canary-authorization";
  const auto token = vault->create_authorization(wanted);
  ASSERT_TRUE(token);
  const std::string key = read_file(world.options.key_file);
  const auto scan = [&] {
    for (const auto& [file, bytes] : contents(world.options.state)) {
      EXPECT_EQ(bytes.find("canary"), std::string::npos) << file;
      EXPECT_EQ(bytes.find(token->token.expose().substr(16, 20)), std::string::npos) << file;
      EXPECT_EQ(bytes.find(key.substr(14, 20)), std::string::npos) << file;
    }
  };
  scan();
  vault.reset();
  scan();
  vault = world.open();  // recovery writes tables
  scan();
}

// A vault on a disk that fails when it is told to.
class Failing : public testing::Test {
 protected:
  Failing() {
    world.create().reset();
    vault =
        World::checked(open_vault(world.options, {env.get(), make_faulty_marker(plan), std::chrono::milliseconds(1)}));
    made = *vault->create_connection(stripe(), api_key("k"));
  }
  void until_ready() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (vault->status().state != "READY" && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_EQ(vault->status().state, "READY");
  }
  World world;
  FaultPlan plan;
  std::unique_ptr<rocksdb::Env> env = make_faulty_env(plan);
  std::unique_ptr<Vault> vault;
  Connection made;
};

TEST_F(Failing, reads_on_and_writes_no_more_until_the_disk_is_well) {
  plan.arm(Fault::no_space, 1, FaultPlan::kUntilCleared);
  EXPECT_REFUSED(vault->rotate_credential(made, api_key("lost")), io);
  EXPECT_EQ(vault->status().state, "READ_ONLY");
  EXPECT_FALSE(vault->status().trouble.empty());
  EXPECT_REFUSED(vault->update_connection(made), read_only);
  EXPECT_REFUSED(vault->create_connection(stripe(), {}), read_only);
  EXPECT_REFUSED(vault->erase_connection({}, made.id, 0), read_only);
  EXPECT_REFUSED(vault->create_authorization(step()), read_only);
  EXPECT_REFUSED(vault->accept_copy(), read_only);
  const auto found = vault->find_connection({}, "stripe");
  ASSERT_TRUE(found);
  EXPECT_TRUE(vault->open_credential(*found)->values.at("apiKey").equals("k"));
  plan.clear();
  until_ready();
  EXPECT_TRUE(vault->rotate_credential(*found, api_key("new")));
  EXPECT_EQ(vault->create_connection(stripe(), {})->alias, "stripe-2") << "a failed creation holds no alias back";
}

TEST_F(Failing, tells_the_writer_the_truth_where_the_fault_passes) {
  for (int step = 1; step <= 4; ++step) {
    plan.arm(Fault::io_error, static_cast<std::uint64_t>(step));
    const auto rotated = vault->rotate_credential(*vault->find_connection({}, "stripe"), api_key("new"));
    EXPECT_TRUE(plan.struck());
    ASSERT_TRUE(rotated) << rotated.error().message;
    EXPECT_EQ(rotated->generation, static_cast<std::uint64_t>(step) + 1);
  }
}

class Rollback : public testing::Test {
 protected:
  void SetUp() override {
    auto vault = world.create();
    ASSERT_TRUE(vault->create_connection(stripe(), api_key("1")));
    vault.reset();
    older = world.scratch.path() / "older";
    std::filesystem::copy(world.options.state, older, std::filesystem::copy_options::recursive);
    vault = world.open();
    const auto found = vault->find_connection({}, "stripe");
    ASSERT_TRUE(found);
    ASSERT_TRUE(vault->rotate_credential(*found, api_key("2")));
    vault.reset();
    newer = world.scratch.path() / "newer";
    std::filesystem::copy(world.options.state, newer, std::filesystem::copy_options::recursive);
  }
  std::string secret() {
    const auto vault = world.open();
    const auto found = vault ? vault->find_connection({}, "stripe") : fail(Error::Code::io, "");
    return found ? std::string(vault->open_credential(*found)->values.at("apiKey").expose()) : "";
  }
  World world;
  std::filesystem::path older;  // the state directory as it was before the rotation
  std::filesystem::path newer;  // and after it
  const std::filesystem::path marker = world.options.state / "marker";
};

TEST_F(Rollback, an_older_database_under_a_newer_marker_is_refused_unless_accepted) {
  std::filesystem::remove_all(world.options.state / "vault");
  std::filesystem::copy(older / "vault", world.options.state / "vault", std::filesystem::copy_options::recursive);
  EXPECT_EQ(world.refusal(), Error::Code::rolled_back);
  EXPECT_THAT(message_of(world.options), testing::HasSubstr("--accept-rollback"));
  world.options.accept_rollback = true;
  EXPECT_EQ(secret(), "1");
  world.options.accept_rollback = false;  // the marker was repaired
  EXPECT_EQ(secret(), "1");
}

TEST_F(Rollback, a_deleted_log_is_refused_unless_accepted) {
  for (const auto& entry : std::filesystem::directory_iterator(world.options.state / "vault")) {
    if (entry.path().extension() == ".log") std::filesystem::remove(entry.path());
  }
  EXPECT_EQ(world.refusal(), Error::Code::rolled_back);
  world.options.accept_rollback = true;
  EXPECT_EQ(secret(), "1");
}

TEST_F(Rollback, a_cut_log_is_refused_unless_accepted) {
  for (const auto& entry : std::filesystem::directory_iterator(world.options.state / "vault")) {
    if (entry.path().extension() == ".log" && entry.file_size() > 10) {
      std::filesystem::resize_file(entry.path(), entry.file_size() - 10);
    }
  }
  EXPECT_EQ(world.refusal(), Error::Code::rolled_back);
  world.options.accept_rollback = true;
  EXPECT_EQ(secret(), "1");
}

TEST_F(Rollback, a_flipped_bit_in_the_log_is_noticed) {
  bool tried = false;
  for (const auto& entry : std::filesystem::directory_iterator(world.options.state / "vault")) {
    if (entry.path().extension() != ".log" || entry.file_size() == 0) continue;
    const std::string good = read_file(entry.path());
    for (const std::size_t at : {std::size_t{0}, std::size_t{6}, good.size() / 2, good.size() - 1}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 4);
      write_file(entry.path(), bad);
      const auto code = world.refusal();
      EXPECT_TRUE(code == Error::Code::rolled_back || code == Error::Code::corrupt) << at;
      // The refused opening may have tidied the database: go on from the directory as it was.
      std::filesystem::remove_all(world.options.state);
      std::filesystem::copy(newer, world.options.state, std::filesystem::copy_options::recursive);
    }
    tried = true;
    break;
  }
  EXPECT_TRUE(tried);
}

TEST_F(Rollback, a_missing_marker_is_refused_unless_accepted) {
  std::filesystem::remove(marker);
  EXPECT_EQ(world.refusal(), Error::Code::rolled_back);
  EXPECT_FALSE(std::filesystem::exists(marker));
  world.options.accept_rollback = true;
  EXPECT_EQ(secret(), "2");
  world.options.accept_rollback = false;
  EXPECT_EQ(secret(), "2");
}

TEST_F(Rollback, a_marker_with_both_halves_changed_is_refused_and_cannot_be_waved_through) {
  const std::string good = read_file(marker);
  world.options.accept_rollback = true;
  for (const std::size_t at : {0UL, 20UL, 100UL, 4000UL, 4095UL}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    bad[at + 4096] = static_cast<char>(bad[at + 4096] ^ 1);
    write_file(marker, bad);
    ASSERT_EQ(world.refusal(), Error::Code::corrupt) << at;
  }
  write_file(marker, "");
  EXPECT_EQ(world.refusal(), Error::Code::corrupt);
  write_file(marker, good);
  EXPECT_EQ(secret(), "2");
}

class Copied : public Rollback {
 protected:
  Provenance provenance() {
    const auto vault = world.open();
    return vault ? vault->status().provenance : Provenance{};
  }
};

TEST_F(Copied, a_copied_directory_opens_and_stays_marked_until_it_is_accepted) {
  EXPECT_FALSE(provenance().marked());
  world.options.state = newer;
  const Provenance mark{Provenance::Kind::copied, world.now, "file"};
  EXPECT_EQ(provenance(), mark);
  EXPECT_EQ(secret(), "2");
  world.now += 1000;
  EXPECT_EQ(provenance(), mark);
  {
    const auto vault = world.open();
    ASSERT_TRUE(vault->create_connection(stripe(), {}));
    EXPECT_EQ(vault->status().provenance, mark);
    ASSERT_TRUE(vault->accept_copy());
    EXPECT_FALSE(vault->status().provenance.marked());
    ASSERT_TRUE(vault->create_connection(stripe(), {}));
  }
  EXPECT_FALSE(provenance().marked());
}

TEST_F(Copied, the_mark_is_lifted_at_the_start_too) {
  world.options.state = older;
  EXPECT_TRUE(provenance().marked());
  world.options.accept_copy = true;
  EXPECT_FALSE(provenance().marked());
  world.options.accept_copy = false;
  EXPECT_FALSE(provenance().marked());
}

TEST_F(Copied, an_accepted_roll_back_is_marked) {
  std::filesystem::remove(marker);
  world.options.accept_rollback = true;
  EXPECT_EQ(provenance().kind, Provenance::Kind::rolled_back);
}

TEST_F(Copied, a_restored_backup_is_marked_whatever_its_marker_says) {
  std::filesystem::remove_all(world.options.state / "vault");
  std::filesystem::copy(older / "vault", world.options.state / "vault", std::filesystem::copy_options::recursive);
  ASSERT_TRUE(Vault::mark_restored(world.options));
  EXPECT_EQ(provenance(), (Provenance{Provenance::Kind::restored, world.now, "backup"}));
  EXPECT_EQ(secret(), "1");
  std::filesystem::remove(marker);
  ASSERT_TRUE(Vault::mark_restored(world.options));
  EXPECT_EQ(provenance().kind, Provenance::Kind::restored);
}

TEST_F(Copied, a_place_without_a_vault_or_with_another_key_is_not_marked) {
  world.options.key_file = world.scratch.path() / "other.key";
  ASSERT_TRUE(Vault::make_key_file(world.options.key_file));
  EXPECT_REFUSED(Vault::mark_restored(world.options), wrong_key);
  world.options.state = world.scratch.path() / "nothing";
  EXPECT_REFUSED(Vault::mark_restored(world.options), not_found);
}

TEST_F(Rollback, the_marker_of_another_vault_is_refused) {
  World other;
  other.create();
  write_file(marker, read_file(other.options.state / "marker"));
  EXPECT_EQ(world.refusal(), Error::Code::corrupt);
}

TEST_F(Rollback, a_marker_that_is_far_behind_is_refused) {
  auto vault = world.open();
  ASSERT_TRUE(vault->create_connection(stripe(), {}));
  vault.reset();
  std::filesystem::copy_file(older / "marker", marker, std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(world.refusal(), Error::Code::rolled_back);
}

TEST_F(Rollback, a_store_that_is_gone_beside_its_marker_is_not_taken_for_a_new_one) {
  std::filesystem::remove_all(world.options.state / "vault");
  EXPECT_EQ(world.refusal(), Error::Code::rolled_back);
  EXPECT_REFUSED(Vault::create(world.options), exists);
}

}  // namespace
}  // namespace postern::vault::test
