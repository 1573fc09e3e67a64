#pragma once
// Builds one call to a token endpoint as a catalog entry describes it: encoding, client authentication, parameters,
// headers (RFC 6749 sections 2.3, 3.2 and 4; RFC 7521). Pure: no clock, no I/O, no random numbers.
//
// Thread safety: pure functions. Ownership: a TokenRequest owns its bytes, all of which may be secret. Errors name what
// is wrong and never a value.
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/oauth.hpp"
#include "proxy/grants/values.hpp"
#include "proxy/net/identity.hpp"
#include "vault/secret.hpp"

namespace postern::grants {

struct BuildError {
  enum class Kind : std::uint8_t {
    missing,  // a value that the call needs is not there
    unfit,    // a value that cannot stand where it should: a line break in a header, a slash in a host
    key       // a private key that cannot be read or does not fit its algorithm
  };
  Kind kind = Kind::missing;
  std::string text;  // one sentence without a value: "the value 'clientId' is missing"
};
template <class T>
using Built = std::expected<T, BuildError>;

struct Parameter {
  std::string name;
  vault::Secret value;
};

struct TokenRequest {
  std::string method;
  std::string host;  // lower case
  std::uint16_t port = 443;
  std::string path;                // absolute, encoded
  vault::Secret query;             // without '?'; empty: none
  std::vector<Parameter> headers;  // no Host, no framing: the transport writes those
  vault::Secret body;
  std::shared_ptr<const net::Identity> identity = {};  // shown where the endpoint asks for a certificate; null: none
  // What signs it on its way (config::Plan::scheme), with what it is told and the credential; empty: it goes as it is.
  std::string scheme = {};
  std::map<std::string, std::string> sign = {};
  std::map<std::string, vault::Secret> values = {};
  std::string describe() const;  // safe to log: "POST https://host/path"
};

// What every grant is given.
struct Asking {
  const config::OAuth& oauth;
  const Values& values;         // clientId, clientSecret and what the entry's templates name
  std::int64_t now_s = 0;       // wall clock, for assertions
  std::string_view nonce = {};  // unique: the `jti` of an assertion
};

// One call: the grant's own parameters, then the client's, then those of the entry, a later one replacing an earlier.
struct Call {
  const config::OAuthCall& call;
  std::vector<Parameter> own = {};
  const config::Template* url = nullptr;  // instead of the call's
  const config::Texts* params = nullptr;  // beside the call's, and winning over them
  const config::Texts* headers = nullptr;
  vault::Secret bearer = {};  // `Authorization: Bearer …` instead of client authentication
};
Built<TokenRequest> build_request(const Asking& asking, Call call);

// A URL whose variables have their values: in a path percent-encoded, in a host one label of letters, digits and '-'.
struct Place {
  std::string host, path;
  std::uint16_t port = 443;
};
Built<Place> expand_url(const config::Template& url, const Values& values);

std::unexpected<BuildError> missing_value(std::string_view name);
std::unexpected<BuildError> unfit_value(std::string text);
// The value of that name, or an error if it is missing or empty.
Built<std::string_view> needed_value(const Values& values, std::string_view name);

}  // namespace postern::grants
