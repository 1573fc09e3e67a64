#pragma once
// Between the vault's records and the grants: what the templates read of them, and what is kept of an answer.
//
// Pure, thread safe. Ownership: results are copies, secrets among them.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/provider.hpp"
#include "proxy/grants/schedule.hpp"
#include "proxy/grants/token_answer.hpp"
#include "proxy/grants/token_desk.hpp"
#include "proxy/grants/values.hpp"
#include "vault/record.hpp"

namespace postern::grants {

// What the entry's optional fields are without a value, the variables of a connection's plan (config::Plan::variables),
// the fields of its auth config (absent: none; its non-secret variables too) and of its credential (absent: none), a
// later one winning.
Values values_of(const config::Auth& auth, const std::map<std::string, std::string>& variables,
                 const vault::AuthConfig* app, const vault::Credential* credential);
// What a signer is given of a credential: all of it under its own names, or, where `with` (config::Sign::with) says
// which value stands for each of the signer's names, those alone. What the credential has not is not there.
std::map<std::string, vault::Secret> signing_values(const std::map<std::string, std::string>& with,
                                                    const vault::Credential& credential);
// The scopes to ask for: the auth config's, else the entry's defaults; those that are required come first.
std::vector<std::string> scopes_of(const config::OAuth& oauth, const vault::AuthConfig* app);

// What is stored of an answer: the tokens and their times, and when the background looks again.
struct Kept {
  vault::Credential credential;
  std::string account;                                       // "": the answer did not say
  std::int64_t expires = 0, refresh_expires = 0, touch = 0;  // as vault::Outcome and vault::Connection have them
};
// `before`: the credential that was renewed (null: none); what it holds besides tokens stays, its refresh token where
// the answer brought none. `id`: the connection's, for its jitter; any text for one that has none yet.
Kept keep(const config::OAuth& oauth, const Tokens& tokens, const Sent& sent, const vault::Credential* before,
          std::string_view id);
// What is left of its access token: 0 without one, nullopt if nobody said how long it lives.
std::optional<std::int64_t> left_ms(const vault::Credential& credential, const Sent& now);
Freshness freshness_of(const vault::Credential& credential, const Sent& now, std::string_view id);
// When the background is to look at a credential: when its token is due, or when an idle refresh token is to be used.
// 0: never.
std::int64_t touch_of(const config::OAuth& oauth, const vault::Credential& credential, std::string_view id);
// When its access token ends by the wall clock; 0: nobody said.
std::int64_t expires_of(const vault::Credential& credential);

}  // namespace postern::grants
