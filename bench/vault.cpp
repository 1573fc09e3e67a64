// Sealing, the store, and the vault over it. The store lies in the folder for temporary files; what is synced there
// costs what that disk costs.
#include <benchmark/benchmark.h>

#include <fmt/format.h>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "vault/digest.hpp"
#include "vault/envelope.hpp"
#include "vault/store.hpp"
#include "vault/vault.hpp"

namespace postern::vault {
namespace {

const SealingKey& key() {
  static const SealingKey made("12345678", random_secret(kKeySize));
  return made;
}
constexpr Binding kBinding{"org_default", "connection", "conn_0123456789abcdefghjk", 1};

void seals_512_bytes(benchmark::State& state) {
  const std::string text(512, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(key().seal(text, kBinding));
}
BENCHMARK(seals_512_bytes);

void opens_512_bytes(benchmark::State& state) {
  const std::string sealed = key().seal(std::string(512, 'x'), kBinding);
  for (auto _ : state) benchmark::DoNotOptimize(key().open(sealed, kBinding));
}
BENCHMARK(opens_512_bytes);

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-bench-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void puts_into_the_store(benchmark::State& state) {
  const Folder folder;
  const auto store = *open_rocksdb_store({.directory = folder.path(), .create = true});
  std::size_t number = 0;
  for (auto _ : state) {
    const Batch batch{{.key = fmt::format("connection/org/proj/{}", number++), .value = std::string(512, 'x')}};
    benchmark::DoNotOptimize(store->commit(batch));
  }
}
BENCHMARK(puts_into_the_store);

void gets_from_the_store(benchmark::State& state) {
  const Folder folder;
  const auto store = *open_rocksdb_store({.directory = folder.path(), .create = true});
  Batch batch;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    batch.push_back({.key = fmt::format("connection/org/proj/{}", i), .value = std::string(512, 'x')});
  }
  if (!store->commit(batch)) return state.SkipWithError("the store cannot be written");
  std::int64_t number = 0;
  for (auto _ : state) {
    number = (number + 7919) % state.range(0);
    benchmark::DoNotOptimize(store->get(fmt::format("connection/org/proj/{}", number)));
  }
}
BENCHMARK(gets_from_the_store)->Arg(1'000)->Arg(100'000);

// A vault with as many connections as the argument says, kept for the benchmarks that only read.
Vault& filled(std::int64_t count) {
  static Folder folder;
  static std::map<std::int64_t, std::unique_ptr<Vault>> made;
  auto& vault = made[count];
  if (vault) return *vault;
  Options options;
  options.state = folder.path() / std::to_string(count);
  options.key_file = folder.path() / "keys" / "master.key";
  static_cast<void>(Vault::make_key_file(options.key_file));
  vault = *Vault::create(options);
  for (std::int64_t i = 0; i < count;) {
    std::vector<NewConnection> batch;
    for (; batch.size() < 1000 && i < count; ++i) {
      NewConnection one;
      one.meta.alias = fmt::format("c-{}", i);
      one.meta.app = i % 50 == 0 ? "github" : "stripe";
      one.meta.type = "API_KEY";
      one.meta.destinations = {{"api.stripe.com", 443, ""}};
      one.credential.values.emplace("apiKey", Secret(std::string_view("sk_live_0123456789abcdef")));
      batch.push_back(std::move(one));
    }
    static_cast<void>(vault->create_connections(std::move(batch)));
  }
  return *vault;
}

void finds_by_alias_and_opens(benchmark::State& state) {
  const Vault& vault = filled(state.range(0));
  std::int64_t number = 0;
  for (auto _ : state) {
    number = (number + 7919) % state.range(0);
    const auto found = vault.find_connection({}, fmt::format("c-{}", number));
    benchmark::DoNotOptimize(vault.open_credential(*found));
  }
}
BENCHMARK(finds_by_alias_and_opens)->Arg(1'000)->Arg(100'000);

void lists_a_page(benchmark::State& state, const ConnectionQuery& query) {
  const Vault& vault = filled(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(vault.list_connections(query));
}
BENCHMARK_CAPTURE(lists_a_page, by_id, {})->Arg(1'000)->Arg(100'000);
BENCHMARK_CAPTURE(lists_a_page, of_a_provider, {.app = "github"})->Arg(1'000)->Arg(100'000);
BENCHMARK_CAPTURE(lists_a_page, newest_first, {.order = ConnectionQuery::Order::created, .descending = true})
    ->Arg(1'000)
    ->Arg(100'000);

}  // namespace
}  // namespace postern::vault
