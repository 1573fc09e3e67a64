// Tokens and a disk that fails; a vault that is a copy.
#include "proxy/serve/load.hpp"
#include "tests/support/faults.hpp"
#include "tests/unit/serve/token_world.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/vault_impl.hpp"

namespace postern::serve::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using vault::test::Fault;
using vault::test::FaultPlan;

struct Disk {
  vault::test::Scratch scratch{vault::test::in_memory()};
  FaultPlan plan;
  std::unique_ptr<rocksdb::Env> env = vault::test::make_faulty_env(plan);
  vault::Seams seams{
      .env = env.get(), .marker = vault::test::make_faulty_marker(plan), .first_pause = std::chrono::milliseconds(1)};

  vault::Options at(vault::Options options) const {
    options.state = scratch.path() / "state";
    options.key_file = scratch.path() / "keys" / "master.key";
    return options;
  }
  vault::Result<std::unique_ptr<vault::Vault>> make(const vault::Options& options) const {
    EXPECT_TRUE(vault::Vault::make_key_file(at(options).key_file));
    return vault::create_vault(at(options), seams);
  }
  vault::Result<std::unique_ptr<vault::Vault>> restored(const vault::Options& options) const {
    EXPECT_TRUE(make(options));
    EXPECT_TRUE(vault::Vault::mark_restored(at(options)));
    return vault::open_vault(at(options), seams);
  }
};

class TokenDisk : public Disk, public TokenWorld {
 public:
  TokenDisk()
      : TokenWorld([disk = static_cast<Disk*>(this)](const vault::Options& options) { return disk->make(options); }) {}
  ~TokenDisk() override {
    service.reset();
    vault.reset();  // before its disk
  }
  void fill() { plan.arm(Fault::no_space, 1, FaultPlan::kUntilCleared); }
  // What a worker would send: nullopt while the vault cannot be read.
  std::optional<std::string> served(const vault::Connection& meta) const {
    const auto known = load_connection(*rules->source, {}, meta.id);
    if (!known) return std::nullopt;
    const auto prepared = load_injection(*rules->source, *known);
    if (!prepared) return std::nullopt;
    std::string all;
    for (const vault::Secret& secret : prepared->secrets) all.append(secret.expose()).append(" ");
    return all;
  }
};

TEST_F(TokenDisk, that_takes_no_intent_lets_nobody_ask) {
  const auto meta = connect(kHour / 100);
  endpoint.answers(tokens("at-2"));
  start();
  fill();
  EXPECT_EQ(refresh(meta).kind, Kind::vault);
  EXPECT_EQ(requests(), 0U);
  plan.clear();
  Renewed last;
  until([&] {
    last = refresh(meta);
    return last.kind != Kind::vault;
  });
  EXPECT_EQ(last.kind, Kind::renewed) << last.reason << last.text;
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TokenDisk, that_takes_no_tokens_has_them_served_from_memory_and_written_later) {
  const auto meta = connect(-1);
  endpoint.answers(tokens("at-2", "rt-2"));
  endpoint.at_call = [&] { fill(); };
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  until([&] { return served(meta).value_or("").find("at-2") != std::string::npos; });
  until([&] { return refresh(meta).kind == Kind::current; });
  plan.clear();
  until([&] {
    const auto stored = vault->find_connection({}, meta.id);
    return stored && stored->generation == meta.generation + 1;
  });
  until([&] { return !rules->source->unsaved().find(meta.id, meta.generation); });
  EXPECT_EQ(stored(meta, "refreshToken"), "rt-2");
  EXPECT_EQ(pending(), 0U);
  EXPECT_THAT(endpoint.bodies(), ElementsAre(HasSubstr("refresh_token=rt-1")));
}

class TokenCopy : public Disk, public TokenWorld {
 public:
  // A vault that was put back from a backup, with a refresh pending.
  TokenCopy()
      : TokenWorld(
            [disk = static_cast<Disk*>(this)](const vault::Options& options) { return disk->restored(options); }) {}
  ~TokenCopy() override {
    service.reset();
    vault.reset();
  }
};

TEST_F(TokenCopy, spends_no_refresh_token) {
  const auto meta = connect(-1);
  const vault::Secret spent("rt-1");
  ASSERT_TRUE(vault->tokens().begin_refresh(meta, "the original", &spent));
  endpoint.answers(tokens("at-2"));
  start();
  EXPECT_EQ(refresh(meta).kind, Kind::held);
  EXPECT_EQ(requests(), 0U);
  EXPECT_EQ(pending(), 1U);
  ASSERT_TRUE(vault->accept_copy());
  EXPECT_EQ(refresh(meta).kind, Kind::renewed);
  EXPECT_EQ(pending(), 0U);
}

}  // namespace
}  // namespace postern::serve::test
