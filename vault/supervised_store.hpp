#pragma once
// A store that may be believed: commits are gathered into groups, each is synced and then marked before anybody is
// answered, and after a write error the store is opened again until it takes writes.
//
//   READY      --a write or its marker failed----------------> READ_ONLY   reads go on, writes answer read_only
//   READ_ONLY  --the directory takes a write and a sync-------> REOPEN      reads wait for the moment it takes
//   REOPEN     --opened; the marker is written----------------> READY       what was unknown is known
//   REOPEN     --not opened-----------------------------------> READ_ONLY   with what can be read; tried again later
//
// The writers whose outcome was unknown wait for the first attempt (at most kPatience): what the reopened store says is
// their answer; what it does not hold is written once more. After that they are told that nobody knows.
// Thread safety: any thread. A thread of its own lives from a failure to the next READY.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>

#include "vault/audit_chain.hpp"
#include "vault/gather.hpp"
#include "vault/marker.hpp"
#include "vault/store.hpp"

namespace postern::vault {

class SupervisedStore final : public Store {
 public:
  enum class State : std::uint8_t { ready, read_only, reopen };
  // How to open the store again; absent for one that lives in memory.
  struct Repair {
    std::function<Result<void>()> probe;
    std::function<Result<std::unique_ptr<Store>>(bool read_only)> open;
    // Called by the supervisor's thread when the store is open again and before it takes writes: what was kept of
    // earlier reads may be older than what is stored. Must not call the store.
    std::function<void()> reopened;
    std::chrono::milliseconds first_pause{100}, longest_pause{5000};  // between attempts; doubled each time
  };
  static constexpr std::chrono::seconds kPatience{5};

  SupervisedStore(std::unique_ptr<Store> store, std::optional<Marker> marker, Repair repair);
  // Where the asides of commits go from now on; it must outlive the commits. Before the first commit with one.
  void keep_audit(AuditChain& chain) { chain_ = &chain; }
  ~SupervisedStore() override;

  std::string_view name() const override { return name_; }
  Result<Entry> get(std::string_view key) const override;
  Result<Page> scan(std::string_view prefix, std::string_view after, std::size_t limit) const override;
  Result<Page> scan_back(std::string_view prefix, std::string_view before, std::size_t limit) const override;
  // Each batch in a group of its own or with others; io only where the outcome stays unknown. No epilogue is taken
  // (`invalid`): the one that is served is that of the audit chain.
  using Store::commit;
  using Store::commit_group;
  Group commit_group(std::span<const Batch* const> batches, const Epilogue& epilogue) override;
  // Together with what goes into the audit, whole or not at all.
  Result<std::uint64_t> commit(const Batch& batch, const Aside& aside);
  std::uint64_t last_commit() const override { return last_; }
  Feed changes(std::uint64_t after) const override;
  Result<std::uint64_t> checkpoint(const std::filesystem::path& directory) const override;

  State state() const { return state_; }
  std::string trouble() const;  // why it is not READY; one line, empty if it is
  Provenance provenance() const;
  Result<void> accept_copy();  // Errors: io, read_only

 private:
  void flush(std::span<Gather::Waiting* const> waiting);
  // What a group holds: batches, and what goes into the audit with each (null: nothing).
  struct Work {
    std::vector<const Batch*> batches;
    std::vector<const Aside*> asides;
  };
  std::optional<Error> unprepared(const Aside* aside);
  Group write(const Work& work);
  void tell_chain(const Group& group);
  Group write_once(const Work& work, bool& store_failed);
  enum class Found : std::uint8_t { unknown, written, not_written };
  Found outlive(std::uint64_t unknown, bool store_failed, const Error& why);
  void repair(const std::stop_token& stop);
  bool attempt();
  bool reopen();
  Result<void> mark(std::uint64_t commit);
  void enter(State state, std::string trouble);
  std::shared_lock<std::shared_mutex> reading() const;
  std::unexpected<Error> closed() const;

  const std::string name_;
  const Repair repair_;
  mutable std::shared_mutex store_mutex_;  // exclusive while the store is replaced
  std::unique_ptr<Store> store_;           // null: closed, and could not be opened even to read
  AuditChain* chain_ = nullptr;
  mutable std::mutex marker_mutex_;
  std::optional<Marker> marker_;

  std::atomic<State> state_ = State::ready;
  std::atomic<std::uint64_t> last_;  // the last commit that is known to be durable and marked
  mutable std::mutex mutex_;         // of what follows
  mutable std::condition_variable_any changed_;
  std::string trouble_;
  std::uint64_t unknown_ = 0;  // the commit of which nobody knows whether it is written
  bool store_failed_ = false;  // otherwise only its marker
  bool found_ = false;         // the last reopened store held it
  std::uint64_t attempts_ = 0;
  bool lost_ = false;  // what came back is not what was acknowledged: never READY again
  std::jthread repairer_;
  Gather gather_;
};

const char* to_string(SupervisedStore::State state);  // "READY" …

}  // namespace postern::vault
