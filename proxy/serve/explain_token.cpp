#include "proxy/serve/explain_token.hpp"

#include <algorithm>

namespace postern::serve {
namespace {

using grants::Freshness;

struct Life {
  Freshness freshness = Freshness::fresh;
  bool known = true;  // false: nobody said how long it lives, or whether there is one
  bool none = false;  // no token was fetched yet
  std::int64_t expires = 0;
};

Life life_of(const Source& source, const vault::Connection& meta, std::int64_t now_ms) {
  Life life;
  if (const auto unsaved = source.unsaved().find(meta.id, meta.generation)) {
    const grants::Sent now = grants::moment(now_ms);
    life.freshness = TokenAge::of(*unsaved, now, meta.id).at(now.wall_ms, now.boot_ms);
    life.expires = grants::expires_of(*unsaved);
    life.known = life.expires != 0;
    return life;
  }
  life.expires = meta.expires;
  if (meta.expires == 0) {
    // Of OAUTH2 somebody may have pasted one; the others fetch theirs with the first call.
    life.none = meta.last_refresh == 0 && meta.type != "OAUTH2";
    life.known = life.none;
    life.freshness = life.none ? Freshness::ended : Freshness::fresh;
    return life;
  }
  const std::int64_t left = meta.expires - now_ms;
  const std::int64_t since = meta.last_refresh != 0 ? meta.last_refresh : meta.created;
  const auto before = grants::thresholds(std::max<std::int64_t>(meta.expires - since, 0), grants::jitter_of(meta.id));
  life.freshness = left <= 0                  ? Freshness::ended
                   : left <= before.forced_ms ? Freshness::forced
                   : left <= before.due_ms    ? Freshness::due
                                              : Freshness::fresh;
  return life;
}

const char* state_of(const Life& life) {
  if (!life.known) return "UNKNOWN";
  switch (life.freshness) {
    case Freshness::fresh:
      return "FRESH";
    case Freshness::due:
      return "DUE";
    case Freshness::forced:
      return "FORCED";
    case Freshness::ended:
      break;
  }
  return "ENDED";
}

const char* next_of(const Life& life) {
  if (!life.known) return "used as it is until the service refuses it; fetched first if there is none";
  if (life.none) return "none was fetched yet: the call fetches one first";
  switch (life.freshness) {
    case Freshness::fresh:
      return "used as it is";
    case Freshness::due:
      return "used as it is, and renewed in the background";
    case Freshness::forced:
      return "renewed first; if that fails, used until it ends";
    case Freshness::ended:
      break;
  }
  return "renewed first; the token endpoint has the last word";
}

}  // namespace

observe::Explanation::Token explain_token(const Source& source, const vault::Connection& meta, std::int64_t now_ms) {
  const Life life = life_of(source, meta, now_ms);
  observe::Explanation::Token token{state_of(life), {}, {}, next_of(life)};
  if (life.expires == 0) return token;
  token.expires_ms = life.expires;
  token.remaining_ms = std::max<std::int64_t>(life.expires - now_ms, 0);
  return token;
}

}  // namespace postern::serve
