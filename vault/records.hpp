#pragma once
// Typed records over a store: sealing, opening, and the one way in which anything is written.
//
// A record is read at the path that its reader asked for, opened with that path and the store's version as additional
// data, and decoded as the type that was asked for; whoever can write the store can make a record unreadable, but not
// make it another. Thread safety: any thread.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "vault/audit.hpp"
#include "vault/error.hpp"
#include "vault/keyring.hpp"
#include "vault/record_codec.hpp"
#include "vault/supervised_store.hpp"

namespace postern::vault {

// Where a record lies: its key in the store is type/organization/project/id. The parts are references (is_reference)
// or empty; what is not (an alias, a name) never gets into a key.
struct Path {
  std::string_view type;
  std::string_view organization;
  std::string_view project;
  std::string_view id;

  std::string key() const;
  // The path that a key of the store was made from; it points into `key`. nullopt: not of that form.
  static std::optional<Path> parse(std::string_view key);
};

template <class T>
struct Found {
  T record;
  std::uint64_t version = 0;
};

class Records {
 public:
  // `now_ms` dates the events of the audit; absent: they keep the time they came with.
  Records(std::unique_ptr<SupervisedStore> store, Keyring keyring, std::function<std::int64_t()> now_ms = {});

  SupervisedStore& store() { return *store_; }
  const SupervisedStore& store() const { return *store_; }
  const Keyring& keyring() const { return keyring_; }
  Keyring& keyring() { return keyring_; }

  // Errors: not_found, corrupt, io.
  template <class T>
  Result<Found<T>> read(const Path& path) const {
    const auto opened = open(path);
    if (!opened) return std::unexpected(opened.error());
    auto record = decode<T>(opened->record.expose());
    if (!record) return std::unexpected(record.error());
    return Found<T>{std::move(*record), opened->version};
  }

  // The ids of the records under type/organization/project/ (`path.id` is where to go on behind; empty: the start).
  struct Ids {
    std::vector<std::string> ids;
    bool has_more = false;
  };
  Result<Ids> list(const Path& path, std::size_t limit) const;

  // The references under `path` whose last part begins with path.id, from the last to the first with `back`, beyond
  // the one whose last part is `from` (empty: from the end where it begins). Errors: corrupt, io.
  struct Referred {
    std::string id;  // the last part of the entry's own path
    Reference to;
  };
  struct References {
    std::vector<Referred> entries;
    bool has_more = false;
  };
  Result<References> references(const Path& path, std::string_view from, std::size_t limit, bool back) const;

  // A put of this record; `expected` is its version now, 0 for a new one. Wipes the plaintext.
  Write put(const Path& path, std::string plaintext, std::uint64_t expected) const;
  static Write erase(const Path& path, std::uint64_t expected);
  // What a batch depends on without changing it: the record as it was read, refused where its version is another.
  Write keep(const Path& path, std::string plaintext, std::uint64_t version) const;

  // An entry as the store gave it, opened. Errors: corrupt, also for a key that is no path.
  Result<Secret> open(const Entry& entry) const;
  // The same record, sealed under the active data key, at the same version. nullopt: it is already.
  Result<std::optional<Write>> reseal(const Entry& entry) const;
  // The same record in the current format, at the same version. Errors: corrupt.
  Result<Write> recoded(const Entry& entry, std::string_view plaintext) const;

  // Durable and marked when this returns. What was sealed before the active data key changed is sealed anew here, so
  // that nothing is stored under a key that may go. Errors: conflict, io (the outcome is unknown), read_only.
  Result<void> commit(const Batch& batch, const Beside& beside = {});
  Result<void> commit(const Batch& batch, const Aside& aside);
  AuditChain& chain() { return chain_; }
  // How many answers an organization was kept since this was asked last.
  std::size_t count_answers(const std::string& organization);
  // While this lives no commit() is under way and none begins; write() is what its holder commits with.
  struct Pause {
    std::unique_lock<std::mutex> turn;
    std::unique_lock<std::shared_mutex> gate;
  };
  Pause pause();
  Result<void> write(const Batch& batch, const Beside& beside = {});

 private:
  Result<Found<Secret>> open(const Path& path) const;
  Result<Found<Secret>> open(const Path& path, const Entry& entry) const;
  bool is_stale(const Write& write) const;
  Result<void> write(const Batch& batch, const Aside& aside);

  std::unique_ptr<SupervisedStore> store_;
  Keyring keyring_;
  AuditChain chain_;  // over the keyring; written by the leaders of the store
  std::mutex answers_mutex_;
  std::map<std::string, std::size_t> answers_;
  std::mutex turn_;         // held by a pause that waits for its turn: many writers would never let it have one
  std::shared_mutex gate_;  // shared by commits, exclusive while the active data key changes
};

}  // namespace postern::vault
