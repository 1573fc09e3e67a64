#pragma once
// One renewal as the vault sees it: what is needed for the request, the intent before it, the outcome after it (DESIGN
// section 7, points 3 to 6).
//
// Every function here blocks on the vault and belongs on an offload thread. Thread safety: any thread, one renewal of a
// connection at a time. Errors: grants::Renewed says what is to be answered instead.
#include <expected>
#include <optional>
#include <string>

#include "proxy/grants/records.hpp"
#include "proxy/grants/token_desk.hpp"
#include "proxy/serve/directory.hpp"

namespace postern::serve {

using grants::ConnectionKey;
using grants::Renewed;
using grants::Why;

struct Renewal {
  std::shared_ptr<const config::Provider> provider;  // keeps `oauth`
  const config::OAuth* oauth = nullptr;
  vault::Connection meta;
  std::optional<vault::AuthConfig> app;
  vault::Credential credential;
  grants::Values values;
  grants::TokenRequest request;
  bool spends = false;                  // a lost answer may cost the refresh token
  std::optional<vault::Intent> intent;  // once begun
  bool lost = false;                    // an earlier request with this refresh token has an unknown outcome
};

struct Asked {
  ConnectionKey key;
  std::uint64_t generation = 0;  // that the asker has; 0: whatever there is
  Why why = Why::due;
};

// Reads everything and builds the request. What needs no request is answered: current, rejected, client …; a status
// that was waiting for the token's end is set.
std::expected<Renewal, Renewed> prepare(vault::Vault& vault, const Source& source, const Asked& asked,
                                        std::int64_t now_ms);
// What prepare() would answer by the records alone, without a look at the credential; nullopt: the token endpoint is to
// say. Changes nothing.
std::optional<Renewed> foreseen(const Source& source, const vault::Connection& meta);
// The durable intent, or the taking over of one that an earlier process left. nullopt: the request may be sent.
std::optional<Renewed> begin(vault::Vault& vault, Renewal& renewal, const std::string& holder);

// What is to be stored of an answer that brought tokens.
struct Fetched {
  vault::Intent intent;
  std::shared_ptr<const vault::Credential> credential;
  vault::Outcome outcome;
};
Fetched fetched(const Renewal& renewal, const grants::Tokens& tokens, const grants::Sent& sent);
enum class Written : std::uint8_t {
  yes,
  superseded,  // rotated, revoked or deleted meanwhile: these tokens do not count
  not_yet      // the disk: nobody knows, try again
};
// `again`: an earlier attempt failed, so that it may have happened.
Written write_tokens(vault::Vault& vault, const Fetched& fetched, bool again);
// The outcome of a request that brought nothing. `again_ms`: when it may be asked for again.
Renewed write_failure(vault::Vault& vault, const Renewal& renewal, const grants::Failure& failure, std::int64_t now_ms,
                      std::int64_t again_ms);
// The background looks at it again then, and not earlier; nothing where a later time than now is set already.
void postpone(vault::Vault& vault, const ConnectionKey& key, std::int64_t now_ms, std::int64_t until_ms);

}  // namespace postern::serve
