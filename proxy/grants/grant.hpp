#pragma once
// The grants: how a usable token is obtained and renewed, one file each, as pure builders over token_request.hpp. The
// answer of each is read by read_answer (token_answer.hpp). A new one is a file, a row in registry.cpp, a catalog entry
// and a test.
//
// Thread safety: pure functions. Ownership: a TokenRequest owns its bytes. Errors: BuildError, without a value.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/grants/token_request.hpp"

namespace postern::grants {

struct Renewal {
  const Asking& asking;
  std::vector<std::string> scopes = {};          // asked for; empty: the parameter is left out
  const vault::Secret* refresh_token = nullptr;  // of the connection
  const vault::Secret* access_token = nullptr;   // where an entry renews with it
};
using Build = Built<TokenRequest> (*)(const Renewal&);

// RFC 6749 section 6.
Built<TokenRequest> refresh_token(const Renewal& renewal);
// RFC 6749 section 4.4.
Built<TokenRequest> client_credentials(const Renewal& renewal);
// RFC 7523 section 2.1: a signed assertion for an account (Google service accounts, Salesforce, DocuSign, Box).
Built<TokenRequest> jwt_bearer(const Renewal& renewal);
// A login that is not OAuth: the entry's own parameters and nothing else.
Built<TokenRequest> two_step(const Renewal& renewal);
// An installation token of a GitHub App: the app's JWT as Bearer, no client.
Built<TokenRequest> github_app(const Renewal& renewal);
// RFC 8693.
Built<TokenRequest> token_exchange(const Renewal& renewal);

struct Grant {
  std::string_view name;  // "refresh_token"
  Build build;
  bool spends_refresh_token;  // a lost answer may cost the connection (DESIGN section 7 point 3)
};
std::span<const Grant> grants();
const Grant* find_grant(std::string_view name);  // nullptr: no such grant
// What renews a connection of this type; nullptr: the type has no token to renew.
const Grant* grant_of(std::string_view connection_type, const config::OAuth& oauth);

// The scopes as one text, as the entry separates them.
std::string join_scopes(const config::OAuth& oauth, const std::vector<std::string>& scopes);

}  // namespace postern::grants
