#pragma once
// Records as bytes and back, before sealing and after opening.
//
// The encoding is canonical: a record has one encoding, and whatever decodes encodes to the same bytes again, or where
// they were an earlier version's to the one encoding of the current version. Decoders
// take exactly one whole record of their kind; anything else is `corrupt`. A record's `version` is not in its bytes:
// it is the store's, and it is authenticated by the envelope. Pure functions, any thread.
#include <cstdint>
#include <string>
#include <string_view>

#include "vault/audit.hpp"
#include "vault/error.hpp"
#include "vault/imports.hpp"
#include "vault/record.hpp"
#include "vault/upkeep.hpp"

namespace postern::vault {

// The first record of a store, wrapped by the key provider: opening it is the key check.
struct Header {
  std::string vault_id;
  std::int64_t created = 0;
  std::string active_key;  // the data key that seals from now on
  std::string digest_key;  // the data key that subkeys for digests are derived from
};

// A data key, wrapped by the key provider.
struct DataKey {
  std::string id;
  std::int64_t created = 0;
  Secret key;
};

// What an index entry points to; the key that holds it says what it is an index of.
struct Reference {
  std::string organization;
  std::string project;
  std::string id;
};

// How far the indexes of a store reach (index.hpp).
struct IndexState {
  std::uint8_t version = 0;
  bool complete = false;
  std::string after;  // of a build under way: the last key that is in them
};

// How far a rotation of data keys came: what a start after a kill goes on from.
struct RotationRecord {
  Rotation progress;
  std::string cursor;               // the store key behind which the pass goes on
  std::uint64_t pass_resealed = 0;  // in this pass: one that sealed nothing anew has seen that nothing is left
};

// The result holds secrets where the record does (Credential, DataKey, AuthConfig, Link, Previous, AuthorityRecord):
// wipe() it after use.
std::string encode(const Connection& record);
std::string encode(const Credential& record);
std::string encode(const Authorization& record);
std::string encode(const Header& record);
std::string encode(const DataKey& record);
std::string encode(const Organization& record);
std::string encode(const Project& record);
std::string encode(const User& record);
std::string encode(const Spent& record);
std::string encode(const Reference& record);
std::string encode(const IndexState& record);
std::string encode(const RotationRecord& record);
std::string encode(const AuthConfig& record);
std::string encode(const Intent& record);
std::string encode(const Link& record);
std::string encode(const ImportedProvider& record);
std::string encode(const Event& record);
std::string encode(const AuditHead& record);
std::string encode_without_mac(const Event& record);  // what its mac is over
std::string encode(const Previous& record);
std::string encode(const KeptAnswer& record);
std::string encode(const AuthorityRecord& record);

// T is one of the records above. Errors: corrupt, also for a version byte of a later release.
template <class T>
Result<T> decode(std::string_view bytes);

// The version byte of a record, and the one that this release writes for its kind. nullopt: no record of a known kind
// and version.
struct RecordFormat {
  unsigned version = 0;
  unsigned current = 0;
  bool older() const { return version < current; }
};
std::optional<RecordFormat> format_of(std::string_view bytes);
// The same record in the current version; bytes that are current already come back as they are. Errors: corrupt.
Result<Secret> recode(std::string_view bytes);

}  // namespace postern::vault
