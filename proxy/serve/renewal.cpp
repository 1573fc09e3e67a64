#include "proxy/serve/renewal.hpp"

#include "proxy/grants/grant.hpp"

namespace postern::serve {
namespace {

using grants::Failure;
using Kind = Renewed::Kind;
using VaultCode = vault::Error::Code;

constexpr const char* kRejected = "refresh_rejected";
constexpr const char* kLost = "refresh_outcome_lost";
constexpr const char* kCredentials = "credentials_rejected";
constexpr const char* kConfiguration = "configuration";
constexpr const char* kUnavailable = "token_endpoint_unavailable";
constexpr const char* kClient = "client_rejected";

std::unexpected<Renewed> no(Kind kind, std::string reason = {}, std::string text = {}, std::uint64_t generation = 0) {
  return std::unexpected(Renewed{kind, generation, std::move(reason), std::move(text), 0});
}

std::unexpected<Renewed> from_error(const vault::Error& error) {
  return no(error.code == VaultCode::not_found ? Kind::gone : Kind::vault, {}, error.message);
}

vault::Space space_of(const vault::Connection& meta) {
  return {meta.organization, meta.project};
}

// What a status becomes for good with this reason, once the access token has ended; nullopt: it is no verdict.
std::optional<vault::Status> verdict(std::string_view reason) {
  if (reason == kRejected || reason == kLost) return vault::Status::expired;
  if (reason == kCredentials) return vault::Status::error;
  return std::nullopt;
}

Kind kind_of(std::string_view reason) {
  return reason == kConfiguration ? Kind::configuration : Kind::rejected;
}

// Nobody asked for it: found out while a token was renewed.
vault::Beside told(std::string action, const char* status, const std::string& reason) {
  vault::Event event;
  event.actor = "system";
  event.action = std::move(action);
  event.detail = {{"status", status}, {"reason", reason}};
  return {.event = std::move(event), .answer = std::nullopt};
}

vault::Beside told(const vault::StatusChange& change) {
  return told("connection.status", vault::to_string(change.status), change.reason);
}

bool ended(const vault::Credential& credential, std::int64_t now_ms) {
  return grants::left_ms(credential, grants::moment(now_ms)).value_or(1) <= 0;
}

// A connection whose grant is dead, as its record says: nothing is asked.
std::optional<Renewed> known_verdict(const vault::Connection& meta) {
  const bool dead = meta.status == vault::Status::expired || meta.status == vault::Status::error;
  if (!dead && !verdict(meta.status_reason)) return std::nullopt;
  return Renewed{kind_of(meta.status_reason), meta.generation, meta.status_reason, meta.status_text, 0};
}

// The same, and the status follows when the access token has ended.
std::optional<Renewed> judged_before(vault::Vault& vault, Renewal& renewal, Why why, std::int64_t now_ms) {
  const vault::Connection& meta = renewal.meta;
  if (why == Why::test) return std::nullopt;
  auto same = known_verdict(meta);
  if (!same || meta.status == vault::Status::expired || meta.status == vault::Status::error) return same;
  const auto final_status = verdict(meta.status_reason);
  if (ended(renewal.credential, now_ms)) {
    // A conflict: it was rotated just now, and whoever asks next will see.
    const vault::StatusChange change{*final_status, meta.status_reason, meta.status_text, {}};
    auto set = vault.tokens().set_status(space_of(meta), meta.id, meta.generation, change, told(change));
    if (set) renewal.meta = std::move(*set);
  }
  return same;
}

std::optional<Renewed> find_app(const vault::TokenBook& book, const vault::Connection& meta, Why why,
                                std::optional<vault::AuthConfig>& found) {
  if (meta.auth_config.empty()) return std::nullopt;
  auto app = book.find_auth_config(space_of(meta), meta.auth_config);
  if (!app && app.error().code != VaultCode::not_found) return from_error(app.error()).error();
  if (!app) return no(Kind::configuration, kConfiguration, "its auth config is gone").error();
  if (!app->enabled) return no(Kind::disabled, {}, "its auth config is disabled").error();
  if (app->status == vault::Status::error && why != Why::test)
    return no(Kind::client, app->status_reason, app->status_text, meta.generation).error();
  found = std::move(*app);
  return std::nullopt;
}

std::optional<Renewed> find_entry(const Source& source, Renewal& renewal, std::map<std::string, std::string>& variables,
                                  const config::Auth*& auth) {
  const vault::Connection& meta = renewal.meta;
  const auto unusable = [&](std::string why) {
    return no(Kind::configuration, kConfiguration, std::move(why)).error();
  };
  renewal.provider = source.catalog()->find(meta.app);
  if (!renewal.provider) return unusable("the catalog has no provider " + meta.app);
  const auto at = renewal.provider->auth.find(meta.auth);
  if (at == renewal.provider->auth.end() || !at->second.oauth)
    return unusable(meta.app + " has no OAuth entry '" + meta.auth + "'");
  const auto shape = source.shapes().of(renewal.provider, meta);
  if (!shape) return unusable(shape.error().message);
  variables = (*shape)->plan.variables;
  auth = &at->second;
  renewal.oauth = &*auth->oauth;
  return std::nullopt;
}

// Whether a renewal is called for, by what is stored now.
bool needed(const Renewal& renewal, const Asked& asked, std::int64_t now_ms) {
  const vault::Connection& meta = renewal.meta;
  if (asked.generation != 0 && meta.generation > asked.generation) return false;
  if (asked.why != Why::due && asked.why != Why::test) return true;
  if (meta.status != vault::Status::active || !meta.status_reason.empty()) return true;
  if (grants::freshness_of(renewal.credential, grants::moment(now_ms), meta.id) != grants::Freshness::fresh)
    return true;
  const std::int64_t touch = grants::touch_of(*renewal.oauth, renewal.credential, meta.id);
  return touch != 0 && touch <= now_ms;
}

// The service gave no refresh token: what there is ends with the access token.
Renewed without_refresh_token(vault::Vault& vault, const Renewal& renewal, std::int64_t now_ms) {
  const vault::Connection& meta = renewal.meta;
  const std::string text = "the service gave no refresh token";
  if (ended(renewal.credential, now_ms)) {
    const vault::StatusChange change{vault::Status::expired, kRejected, text, {}};
    static_cast<void>(vault.tokens().set_status(space_of(meta), meta.id, meta.generation, change, told(change)));
  }
  return {Kind::rejected, meta.generation, kRejected, text, 0};
}

std::optional<Renewed> build(Renewal& renewal, const config::Auth& auth,
                             const std::map<std::string, std::string>& variables, std::int64_t now_ms) {
  const grants::Grant* grant = grants::grant_of(renewal.meta.type, *renewal.oauth);
  if (grant == nullptr) return no(Kind::configuration, kConfiguration, "no grant serves its type").error();
  renewal.spends = grant->spends_refresh_token;
  renewal.values = grants::values_of(auth, variables, renewal.app ? &*renewal.app : nullptr, &renewal.credential);
  const std::string nonce = vault::new_id("jti");
  const grants::Asking asking{*renewal.oauth, renewal.values, now_ms / 1'000, nonce};
  grants::Renewal what{asking, grants::scopes_of(*renewal.oauth, renewal.app ? &*renewal.app : nullptr), nullptr,
                       nullptr};
  const auto& values = renewal.credential.values;
  if (const auto at = values.find("refreshToken"); at != values.end()) what.refresh_token = &at->second;
  if (const auto at = values.find("accessToken"); at != values.end()) what.access_token = &at->second;
  auto request = grant->build(what);
  if (!request) return no(Kind::configuration, kConfiguration, request.error().text).error();
  renewal.request = std::move(*request);
  return std::nullopt;
}

// Its refresh token may be spent by the vault that this one is a copy of.
bool held(const vault::Vault& vault, bool spends, const config::OAuth& oauth) {
  return spends && oauth.refresh.rotates != config::Rotates::no && vault.status().provenance.marked();
}

}  // namespace

std::expected<Renewal, Renewed> prepare(vault::Vault& vault, const Source& source, const Asked& asked,
                                        std::int64_t now_ms) {
  const auto stop = [](Renewed answer) { return std::unexpected(std::move(answer)); };
  Renewal out;
  auto meta = vault.find_connection({asked.key.organization, asked.key.project}, asked.key.id);
  if (!meta) return from_error(meta.error());
  out.meta = std::move(*meta);
  if (out.meta.status == vault::Status::revoked) return no(Kind::gone);
  if (!out.meta.enabled) return no(Kind::disabled, {}, "it is disabled");
  if (source.unsaved().find(out.meta.id, out.meta.generation))
    return no(asked.generation > out.meta.generation ? Kind::vault : Kind::current, {},
              "its last token could not be written yet", out.meta.generation + 1);
  std::map<std::string, std::string> variables;
  const config::Auth* auth = nullptr;
  if (auto answer = find_entry(source, out, variables, auth)) return stop(std::move(*answer));
  auto credential = vault.open_credential(out.meta);
  if (!credential) {
    if (credential.error().code == VaultCode::conflict) return no(Kind::current);
    return from_error(credential.error());
  }
  out.credential = std::move(*credential);
  if (!needed(out, asked, now_ms)) return no(Kind::current, {}, {}, out.meta.generation);
  if (auto answer = judged_before(vault, out, asked.why, now_ms)) return stop(std::move(*answer));
  if (auto answer = find_app(vault.tokens(), out.meta, asked.why, out.app)) return stop(std::move(*answer));
  if (auto answer = build(out, *auth, variables, now_ms)) {
    const bool by_refresh = out.spends && out.oauth->refresh.token == config::WhichToken::refresh;
    if (by_refresh && !out.credential.values.contains("refreshToken"))
      return stop(without_refresh_token(vault, out, now_ms));
    return stop(std::move(*answer));
  }
  if (held(vault, out.spends, *out.oauth))
    return no(Kind::held, {}, "the vault is marked as a copy; start with --accept-copy once that is settled");
  return out;
}

std::optional<Renewed> foreseen(const Source& source, const vault::Connection& meta) {
  if (auto answer = known_verdict(meta)) return answer;
  std::optional<vault::AuthConfig> app;
  if (auto answer = find_app(source.tokens(), meta, Why::ended, app)) return answer;
  const auto provider = source.catalog()->find(meta.app);
  if (!provider) return std::nullopt;  // it would not have been found
  const auto auth = provider->auth.find(meta.auth);
  if (auth == provider->auth.end() || !auth->second.oauth)
    return no(Kind::configuration, kConfiguration, meta.app + " has no OAuth entry '" + meta.auth + "'").error();
  const config::OAuth& oauth = *auth->second.oauth;
  const grants::Grant* grant = grants::grant_of(meta.type, oauth);
  if (grant == nullptr) return no(Kind::configuration, kConfiguration, "no grant serves its type").error();
  if (held(source.vault(), grant->spends_refresh_token, oauth)) return no(Kind::held).error();
  return std::nullopt;
}

std::optional<Renewed> begin(vault::Vault& vault, Renewal& renewal, const std::string& holder) {
  const auto token = renewal.credential.values.find("refreshToken");
  const vault::Secret* spent = renewal.spends && token != renewal.credential.values.end() ? &token->second : nullptr;
  auto intent = vault.tokens().begin_refresh(renewal.meta, holder, spent);
  if (intent) {
    renewal.intent = std::move(*intent);
    return std::nullopt;
  }
  if (intent.error().code != VaultCode::conflict) return from_error(intent.error()).error();
  // Rotated meanwhile, or an intent is pending: ours after a write error, or that of a process that is no more.
  std::string after;
  for (;;) {
    const auto page = vault.tokens().pending_intents(after, 100);
    if (!page) return from_error(page.error()).error();
    for (const vault::Intent& pending : *page) {
      if (pending.connection != renewal.meta.id || pending.organization != renewal.meta.organization) continue;
      auto taken = vault.tokens().take_over(pending, holder);
      if (!taken) return no(Kind::current).error();
      renewal.lost = pending.holder != holder;
      renewal.intent = std::move(*taken);
      return std::nullopt;
    }
    if (page->empty()) return no(Kind::current).error();
    after = vault::cursor_of(page->back());
  }
}

Fetched fetched(const Renewal& renewal, const grants::Tokens& tokens, const grants::Sent& sent) {
  grants::Kept kept = grants::keep(*renewal.oauth, tokens, sent, &renewal.credential, renewal.meta.id);
  return {*renewal.intent,
          std::make_shared<const vault::Credential>(std::move(kept.credential)),
          {std::move(kept.account), kept.expires, kept.refresh_expires, kept.touch}};
}

Written write_tokens(vault::Vault& vault, const Fetched& fetched, bool again) {
  if (again) {
    const vault::Intent& intent = fetched.intent;
    const auto meta = vault.find_connection({intent.organization, intent.project}, intent.connection);
    if (!meta) return meta.error().code == VaultCode::not_found ? Written::superseded : Written::not_yet;
    if (meta->generation != intent.generation) {
      const auto stored = vault.open_credential(*meta);
      if (!stored) return stored.error().code == VaultCode::conflict ? Written::superseded : Written::not_yet;
      const auto token = stored->values.find("accessToken");
      const bool ours =
          token != stored->values.end() && token->second.equals(fetched.credential->values.at("accessToken").expose());
      return ours ? Written::yes : Written::superseded;
    }
  }
  const auto done = vault.tokens().finish_refresh(fetched.intent, *fetched.credential, fetched.outcome);
  if (done) return Written::yes;
  const bool over = done.error().code == VaultCode::not_found || done.error().code == VaultCode::conflict;
  return over ? Written::superseded : Written::not_yet;
}

namespace {

// On the auth config, not on each of its connections.
void reject_client(vault::Vault& vault, const Renewal& renewal, const Failure& failure) {
  for (int tries = 0; tries < 5; ++tries) {
    auto app = vault.tokens().find_auth_config(space_of(renewal.meta), renewal.app->id);
    // Changed since the request was built: what was refused is not what it is now.
    if (!app || app->version != renewal.app->version) return;
    app->status = vault::Status::error;
    app->status_reason = kClient;
    app->status_text = failure.text;
    const auto done = vault.tokens().update_auth_config(std::move(*app), told("auth_config.status", "ERROR", kClient));
    if (done || done.error().code != VaultCode::conflict) return;
  }
}

struct Sentence {
  Kind kind = Kind::unavailable;
  vault::Status status = vault::Status::active;
  std::string reason;
};

Sentence sentence(const Renewal& renewal, const Failure& failure, bool over) {
  using vault::Status;
  switch (failure.kind) {
    case Failure::Kind::transient:
    case Failure::Kind::malformed:
    case Failure::Kind::slow_down:
      return {Kind::unavailable, Status::active, kUnavailable};
    case Failure::Kind::client:
      if (renewal.app) return {Kind::client, Status::active, {}};
      return {Kind::rejected, over ? Status::error : Status::active, kCredentials};
    case Failure::Kind::rejected:
      if (!renewal.spends) return {Kind::rejected, over ? Status::error : Status::active, kCredentials};
      return {Kind::rejected, over ? Status::expired : Status::active, renewal.lost ? kLost : kRejected};
    case Failure::Kind::request:
    case Failure::Kind::pending:
    case Failure::Kind::denied:
      break;
  }
  return {Kind::configuration, over ? Status::error : Status::active, kConfiguration};
}

std::string text_of(const Failure& failure) {
  if (!failure.text.empty()) return failure.text;
  if (!failure.code.empty()) return "the token endpoint answered " + failure.code;
  return "the token endpoint answered " + std::to_string(failure.status);
}

}  // namespace

Renewed write_failure(vault::Vault& vault, const Renewal& renewal, const Failure& failure, std::int64_t now_ms,
                      std::int64_t again_ms) {
  const bool over = ended(renewal.credential, now_ms);
  const Sentence s = sentence(renewal, failure, over);
  vault::StatusChange change{s.status, s.reason, s.reason.empty() ? "" : text_of(failure), again_ms};
  // A verdict is carried out when the access token ends, which may be never.
  if (verdict(s.reason)) change.touch = grants::expires_of(renewal.credential);
  if (s.kind == Kind::client) reject_client(vault, renewal, failure);
  // A service that cannot be reached for a while is no change worth a record: it is asked again.
  const bool verdict_found = verdict(s.reason) || s.status != renewal.meta.status;
  const auto done =
      vault.tokens().fail_refresh(*renewal.intent, change, verdict_found ? told(change) : vault::Beside());
  Renewed answer{s.kind, renewal.meta.generation, s.kind == Kind::client ? kClient : s.reason, text_of(failure),
                 std::max<std::int64_t>(again_ms - now_ms, 0)};
  if (done) return answer;
  // The disk: the intent stays, and whoever asks next takes it over. What was found out holds all the same.
  if (done.error().code == VaultCode::not_found) answer.kind = Kind::gone;
  if (done.error().code == VaultCode::conflict) answer.kind = Kind::current;
  return answer;
}

void postpone(vault::Vault& vault, const ConnectionKey& key, std::int64_t now_ms, std::int64_t until_ms) {
  const auto meta = vault.find_connection({key.organization, key.project}, key.id);
  if (!meta || meta->status != vault::Status::active) return;
  // What became of it has set a time of its own: a verdict waits for the end of the access token.
  if ((meta->touch != 0 ? meta->touch : meta->expires) > now_ms) return;
  // Lost to a refresh or rotation: then there is a newer time.
  static_cast<void>(vault.tokens().set_status(space_of(*meta), meta->id, meta->generation,
                                              {meta->status, meta->status_reason, meta->status_text, until_ms}));
}

}  // namespace postern::serve
