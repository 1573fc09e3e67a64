#pragma once
// HTTP Digest (RFC 7616; RFC 2617 and 2069 where a server knows no more): challenges read, and answered.
//
// Pure: the injection answers the challenge that it is given and writes nothing where there is none, because the first
// request of a connection goes out without anything secret and is answered with a challenge. Who remembers challenges,
// counts and sends again is serve/challenged.cpp. Thread safety: functions of their arguments.
// Deliberately not: checking rspauth (TLS has verified who answers), and a choice among realms.
#include <optional>
#include <string>
#include <string_view>

#include "proxy/inject/injection.hpp"

namespace postern::inject {

struct DigestChallenge {
  std::string realm, nonce;  // unquoted
  std::optional<std::string> opaque;
  std::string algorithm;                // as the server wrote it; empty: it did not, which means MD5
  std::string domain;                   // URIs, separated by spaces; empty: the whole server
  bool auth = false, auth_int = false;  // qop offered; neither: RFC 2069
  bool stale = false, userhash = false;
  bool utf8 = false;  // charset
  // The body is part of the answer, so it has to be known before the head is written.
  bool covers_body() const noexcept { return auth_int && !auth; }
};

// The strongest Digest challenge in values of WWW-Authenticate (several are joined with a comma), the first among
// equals: SHA-512-256, then SHA-256, then MD5. nullopt: there is none, or none that is understood.
std::optional<DigestChallenge> strongest_digest(std::string_view www_authenticate);
// One challenge as text: what Inputs::challenge is. strongest_digest() reads it back.
std::string to_text(const DigestChallenge& challenge);
// The nonce for the next request in a value of Authentication-Info; nullopt: it names none.
std::optional<std::string> next_nonce(std::string_view authentication_info);

// Kind "digest". Values: username, password (absent: empty). No options.
std::expected<std::unique_ptr<Injection>, std::string> make_digest(Recipe recipe);

}  // namespace postern::inject
