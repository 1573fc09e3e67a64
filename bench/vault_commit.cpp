// Durable creations a second, by the number of concurrent writers: what group commit gains. The store lies where TMPDIR
// says; on a disk that syncs at once (tmpfs) only the processor is measured.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "vault/vault.hpp"

namespace postern::vault {
namespace {

class Disk {
 public:
  Disk() {
    std::string pattern = (std::filesystem::temp_directory_path() / "postern-bench-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    Options options;
    options.state = folder_ / "state";
    options.key_file = folder_ / "master.key";
    if (!Vault::make_key_file(options.key_file)) std::abort();
    auto made = Vault::create(options);
    if (!made) std::abort();
    vault = std::move(*made);
  }
  ~Disk() {
    vault.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  std::unique_ptr<Vault> vault;

 private:
  std::filesystem::path folder_;
};

std::unique_ptr<Disk> disk;

// With an event of the audit beside each, or without.
void create(benchmark::State& state, bool told) {
  if (state.thread_index() == 0) disk = std::make_unique<Disk>();
  Credential credential;
  credential.values.emplace("apiKey", Secret("sk_live_0123456789abcdef0123456789abcdef"));
  for (auto _ : state) {
    Connection meta;
    meta.app = "stripe";
    meta.alias = new_id("a").substr(2);
    Beside beside;
    if (told) {
      Event& event = beside.event.emplace();
      event.actor = "tok_0123456789abcdefghjk";
      event.actor_name = "nightly import";
      event.request = "req_0123456789abcdefghjk";
      event.action = "connection.created";
      event.detail = {{"app", "stripe"}, {"type", "API_KEY"}};
    }
    if (!disk->vault->create_connection(std::move(meta), credential, beside)) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) {
    const double commits = static_cast<double>(disk->vault->status().commit);
    state.counters["writes_a_group"] =
        static_cast<double>(state.iterations()) * static_cast<double>(state.threads()) / commits;
    disk.reset();
  }
}
void creates_a_connection(benchmark::State& state) {
  create(state, false);
}
void creates_a_connection_on_record(benchmark::State& state) {
  create(state, true);
}
BENCHMARK(creates_a_connection)->Threads(1)->Threads(2)->Threads(8)->Threads(32)->UseRealTime();
BENCHMARK(creates_a_connection_on_record)->Threads(1)->Threads(2)->Threads(8)->Threads(32)->UseRealTime();

}  // namespace
}  // namespace postern::vault
