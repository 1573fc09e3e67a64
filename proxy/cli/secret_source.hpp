#pragma once
// Where a secret comes from when it must never stand on a command line: stdin, a file, or a variable.
//
// A JSON object is a connection's whole `value`; anything else is one bare secret, whose trailing line end is not part
// of it, and which needs an entry with exactly one secret field. No error repeats what was read.
#include <boost/json/object.hpp>
#include <string>

#include "proxy/cli/failure.hpp"
#include "proxy/cli/hidden.hpp"
#include "proxy/cli/provider_form.hpp"
#include "proxy/cli/session.hpp"

namespace postern::cli {

struct SecretSource {
  bool from_stdin = false;
  std::string from_file;  // empty: not given
  std::string from_env;   // empty: not given
  bool given() const { return from_stdin || !from_file.empty() || !from_env.empty(); }
};

// Usage error when nothing or more than one source is given; a missing file or variable is `failed`.
Result<Hidden> read_secret(const SecretSource& source, Session& session);

// True if the text is meant as a JSON object and not as a bare secret.
bool is_value_object(const Hidden& text);
Result<json::object> parse_value_object(const Hidden& text);
// A bare secret without its trailing line end.
std::string_view bare_secret(const Hidden& text);
// {"<the one secret field>": text without its trailing line end}.
Result<json::object> value_of_bare_secret(const Hidden& text, const AuthForm& auth);

// The auth entry meant: by name, else the only one of that type, else the only one that takes a secret by hand.
Result<const AuthForm*> choose_auth(const ProviderForm& provider, const std::string& auth, const std::string& type);
// True for the types whose value a person can type in; OAuth and its kin need a flow.
bool takes_value_by_hand(const std::string& type);

// `--set key=value` and `--config-json` as the connection's config. A value that starts like a JSON object or list is
// that; everything else is a string.
Result<json::object> config_from(const std::string& config_json, const std::vector<std::string>& settings);

}  // namespace postern::cli
