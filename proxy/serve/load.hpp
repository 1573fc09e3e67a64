#pragma once
// What the directory loads on an offload thread: records and catalog become callers, connections and injections.
// Blocking; pure but for the vault. Thread safety: any thread.
#include <string>
#include <vector>

#include "proxy/serve/directory.hpp"

namespace postern::serve {

// Errors: also not_found for an authorization that stands on nothing any more (vault::standing_of()). Its own expiry
// and revocation are not judged here.
vault::Result<Caller> load_caller(const Source& source, const vault::Secret& token);
// The same of a record, without its token and its turns: for who looks and does not call.
vault::Result<Caller> caller_of(const Source& source, vault::Authorization authorization);
vault::Result<Known> load_connection(const Source& source, vault::Space space, const std::string& reference);
// The same for a caller of that project; one that roams finds those of the organization's other projects by id.
vault::Result<Known> load_callable(const Source& source, vault::Space home, bool roams, const std::string& reference);
struct Prepared {
  std::shared_ptr<const inject::Injection> injection;  // null: there is no token yet
  std::shared_ptr<const net::Identity> identity;       // of type CERTIFICATE alone
  TokenAge age;
  std::vector<vault::Secret> secrets;  // each value of the credential
};
vault::Result<Prepared> load_injection(const Source& source, const Known& known);
// Why nothing could be signed with this credential, one sentence without a value; nullopt: it could be, nothing is to
// be signed, or a grant brings the keys later.
std::optional<std::string> why_unsignable(const config::Plan& plan, const vault::Credential& credential);
// What a request is shown with instead of every value of a credential. Fits every place as it is.
inline constexpr std::string_view kPlaceholder = "~postern.redacted~";
// An injection into the same places, whose values are placeholders behind a scheme at most. Nothing is opened.
vault::Result<std::shared_ptr<const inject::Injection>> placeholder_injection(const Known& known);
// Roughly what they occupy, in bytes: for a bound, not for accounting.
std::size_t weight(const Known& known);
std::size_t weight_of_injection(const Known& known);
std::size_t weight(const Caller& caller);
// `ids`: the caller's list; null: every connection of the project that `user` may use.
std::vector<std::string> load_choices(const Source& source, vault::Space space, const std::vector<std::string>* ids,
                                      const std::string& user, const std::string& host);

}  // namespace postern::serve
