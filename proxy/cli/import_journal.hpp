#pragma once
// What an import has done, in a file beside the one that is imported: a second run skips it, whatever ended the first.
//
//   journal := *(key SP id LF)     key: 32 hex digits of SHA-256; 0600, appended to, a torn last line is not counted
//
// A key is made of the connection without its `value`, so that nobody guesses a secret from it; the same connection
// twice in a file has two keys. It is sent as the Idempotency-Key too: between the daemon's commit and our line nothing
// is made twice. Thread safety: one thread at a time. Ownership: owns its descriptor, with a lock that one import has.
#include <boost/json/object.hpp>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "proxy/cli/failure.hpp"

namespace postern::cli {

class ImportJournal {
 public:
  ImportJournal() = default;  // without a file: nothing is skipped, keys are made all the same
  ImportJournal(ImportJournal&& other) noexcept;
  ImportJournal& operator=(ImportJournal&&) = delete;
  ~ImportJournal();
  // Errors: failed (cannot be opened; another import of this file runs).
  static Result<ImportJournal> open(const std::filesystem::path& file);

  // The key of the next connection in the file.
  std::string key_of(const boost::json::object& body);
  bool has(const std::string& key) const { return done_.contains(key); }
  // Errors: failed (the disk is full).
  Result<void> add(const std::string& key, const std::string& id);

 private:
  int descriptor_ = -1;
  std::string name_;
  std::set<std::string> done_;
  std::map<std::string, std::size_t> seen_;  // how often a connection came up to now
};

}  // namespace postern::cli
