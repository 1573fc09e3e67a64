#pragma once
// The indexes of connections besides alias and locator: entries written in the batch of the record they lead to, so
// that a list that is filtered or sorted reads what it shows and not everything there is.
//
//   host/ORG/PROJECT/HMAC-ID    one for each host of the destinations
//   provider/ORG//HMAC-ID       by `app`
//   status/ORG//HMAC-ID         while it is not active
//   created/ORG//TIME-ID        and updated/ORG//TIME-ID
//   config/ORG//HMAC-ID         by `auth_config`, where there is one
//   expires///TIME-HMAC         by due_time(), where there is one: of all organizations, the HMAC is of who it is
//   previous_end///TIME-HMAC    by `previous_until`, where a credential before this one is kept; as `expires`
//   index///connections         IndexState: which version of this the store has, and how far a build has come
//
// HMAC: 128 bits under the index subkey, of the kind, its scope and the value, in hex. TIME: 16 hex digits,
// milliseconds behind an offset that only the keys tell; who reads the store sees their order and distances. Values are
// sealed References. What an entry claims is checked against the record it leads to. Names have no index: one that can
// be walked in order would show that order to who reads the store. Thread safety: as Records; what writes, one at a
// time.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vault/records.hpp"
#include "vault/vault.hpp"

namespace postern::vault {

// Appends what the indexes need when a connection appears, changes or goes; `before` and `after` as they are stored.
void index_added(Batch& batch, const Records& records, const Connection& meta);
void index_changed(Batch& batch, const Records& records, const Connection& before, const Connection& after);
void index_removed(Batch& batch, const Records& records, const Connection& meta);

// The store keys of all entries that lead to a connection, for whoever verifies them.
std::vector<std::string> index_keys(const Records& records, const Connection& meta);
// When the background is to look at a connection; absent: never.
std::optional<std::int64_t> due_time(const Connection& meta);
// The last part of an entry in an order by time over all organizations ("expires", and "ends" of links).
std::string moment(const Records& records, std::int64_t time, std::string_view organization, std::string_view id);
// The entries of such an order that are before a time, beyond `after` (the last part of one; empty: from the start), at
// most `limit`. `organization`: whose order it is, where each has its own. Errors: corrupt, io.
Result<std::vector<Records::Referred>> moments_before(const Records& records, std::string_view type,
                                                      std::int64_t before, std::string_view after, std::size_t limit,
                                                      std::string_view organization = {});

// Whether records of this type are entries of these indexes.
bool is_index(std::string_view type);

// The way to the connections of one query: along the index that narrows or orders them most.
class IndexWalk {
 public:
  // Borrows both.
  IndexWalk(const Records& records, const ConnectionQuery& query);

  struct Step {
    std::string entry;  // its place in the index
    std::string project, id;
  };
  struct Steps {
    std::vector<Step> steps;
    bool has_more = false;
  };
  // The next ones, at most `limit`. Errors: corrupt, io.
  Result<Steps> next(std::size_t limit);
  // Whether what the entry says is true of this connection.
  bool fits(const Step& step, const Connection& meta) const;
  // Whether the entry is there still: one that is gone led to a connection that was changed meanwhile. Errors: io.
  Result<bool> stands(const Step& step) const;
  std::string name(const Step& step) const;  // the entry's key, for an error

 private:
  Path path(std::string_view last) const { return {type_, query_.organization, project_, last}; }

  const Records& records_;
  const ConnectionQuery& query_;
  std::string_view type_;
  std::string project_;
  std::string term_;  // what the last part of every entry begins with
  std::string at_;    // the last part of the last one that was given; empty: from the start
};

// What the first batch of a new store says of its indexes: there is nothing to build.
Path index_state_path();
std::string complete_index_state();
// Brings a store of an earlier release up to this one's indexes: once, in batches, going on where an attempt before
// this ended. Errors: io, read_only, corrupt (also for the indexes of a later release).
Result<void> build_indexes(Records& records);

}  // namespace postern::vault
