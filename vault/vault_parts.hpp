#pragma once
// What the files of the vault share: where records lie, and the errors and rules that hold for several of them. Pure
// functions, any thread.
#include <cstddef>
#include <string>
#include <string_view>

#include "vault/records.hpp"
#include "vault/vault.hpp"

namespace postern::vault {

inline constexpr std::size_t kLargestRecord = 256 * 1024;
inline constexpr std::size_t kLargestPage = 1000;
inline constexpr int kLooks = 4;  // how often what leads to a record, and a record that was changed meanwhile, are read

inline std::unexpected<Error> invalid(const std::string& why) {
  return fail(Error::Code::invalid, why);
}
inline std::unexpected<Error> astray(const Path& path) {
  return fail(Error::Code::corrupt, path.key() + ": the index does not lead to the record it should");
}
inline bool missing(const Error& error) {
  return error.code == Error::Code::not_found;
}
inline bool outdated(const Error& error) {
  return error.code == Error::Code::conflict;
}

inline Path connection_path(const Connection& of) {
  return {"connection", of.organization, of.project, of.id};
}
inline Path credential_path(const Connection& of) {
  return {"credential", of.organization, of.project, of.id};
}
inline Path intent_path(const Connection& of) {
  return {"intent", of.organization, of.project, of.id};
}
inline Path previous_path(const Connection& of) {
  return {"previous", of.organization, of.project, of.id};
}
inline Path auth_locator_path(std::string_view organization, std::string_view id) {
  return {"auth_locator", organization, {}, id};
}
Path spent_path(std::string_view organization, std::string_view id);  // vault_budgets.cpp

// What a write of this record carries along: its event is in the chain of the record's organization.
template <class Record>
Beside about(const Record& record, Beside beside) {
  if (beside.event) {
    beside.event->organization = record.organization;
    beside.event->project = record.project;
    beside.event->subject = record.id;
  }
  if (beside.answer) {
    beside.answer->project = record.project;
    beside.answer->id = record.id;
  }
  return beside;
}

inline std::unexpected<Error> unknown_connection() {
  return fail(Error::Code::not_found, "no such connection");
}
inline std::unexpected<Error> changed_connection() {
  return fail(Error::Code::conflict, "the connection was changed by someone else meanwhile: read it again");
}

// vault_connections.cpp. The credential of meta.generation; the one before it is there, or none for the first.
Write put_credential(const Records& records, const Connection& meta, const Credential& credential);
// Null: the credential stays as it is. Errors: invalid.
Result<void> check_size(const Connection& meta, const Credential* credential);

}  // namespace postern::vault
