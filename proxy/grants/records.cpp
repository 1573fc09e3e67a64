#include "proxy/grants/records.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <ctime>
#include <fstream>

#include "proxy/grants/schedule.hpp"

namespace postern::grants {
namespace {

// What an answer brings; everything else of a credential was given by a person and stays.
bool is_fetched(const config::OAuth& oauth, std::string_view name) {
  return name == "accessToken" || name == "idToken" || name == "expiresAt" ||
         oauth.answer.more.contains(std::string(name));
}

void set_texts(Values& values, std::string_view json) {
  boost::system::error_code failed;
  const boost::json::value config = boost::json::parse(json.empty() ? "{}" : json, failed);
  if (failed || !config.is_object()) return;
  for (const auto& [name, value] : config.get_object())
    if (value.is_string()) values.set_plain(std::string(name), value.get_string());
}

std::int64_t boot_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000 + now.tv_nsec / 1'000'000;
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string text;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
    return text;
  }();
  return id;
}

}  // namespace

Sent moment(std::int64_t wall_ms) {
  return {wall_ms, boot_ms(), boot_id()};
}

Moment as_moment(const Sent& sent) {
  return {sent.wall_ms, sent.boot_ms, sent.boot_id};
}

Values values_of(const config::Auth& auth, const std::map<std::string, std::string>& variables,
                 const vault::AuthConfig* app, const vault::Credential* credential) {
  Values out;
  const auto set = [&](const std::map<std::string, config::FieldSpec>& specs, const auto& values) {
    for (const auto& [name, value] : values) {
      const auto spec = specs.find(name);
      if (spec != specs.end() && !spec->second.secret)
        out.set_plain(name, value.expose());
      else
        out.set(name, value.clone());
    }
  };
  for (const auto* specs : {&auth.app_fields, &auth.fields})  // optional ones are there, empty
    for (const auto& [name, spec] : *specs)
      if (!spec.required) out.set_plain(name, spec.default_value);
  for (const auto& [name, text] : variables) out.set_plain(name, text);
  if (app != nullptr) {
    set_texts(out, app->config);
    set(auth.app_fields, app->values);
  }
  if (credential != nullptr) set(auth.fields, credential->values);
  return out;
}

std::map<std::string, vault::Secret> signing_values(const std::map<std::string, std::string>& with,
                                                    const vault::Credential& credential) {
  std::map<std::string, vault::Secret> out;
  for (const auto& [name, value] : credential.values)
    if (with.empty()) out.emplace(name, value.clone());
  for (const auto& [name, source] : with)
    if (const auto at = credential.values.find(source); at != credential.values.end())
      out.emplace(name, at->second.clone());
  return out;
}

std::vector<std::string> scopes_of(const config::OAuth& oauth, const vault::AuthConfig* app) {
  std::vector<std::string> out = oauth.scopes.required;
  const auto& chosen = app != nullptr && app->scopes ? *app->scopes : oauth.scopes.defaults;
  for (const std::string& scope : chosen)
    if (std::find(out.begin(), out.end(), scope) == out.end()) out.push_back(scope);
  return out;
}

std::optional<std::int64_t> left_ms(const vault::Credential& credential, const Sent& now) {
  const auto token = credential.values.find("accessToken");
  if (token == credential.values.end() || token->second.empty()) return 0;
  if (!credential.times || !credential.times->lifetime_ms) return std::nullopt;
  const vault::TokenTimes& times = *credential.times;
  return remaining_ms(*times.lifetime_ms, {times.sent_ms, times.sent_boot_ms, times.boot_id}, as_moment(now));
}

Freshness freshness_of(const vault::Credential& credential, const Sent& now, std::string_view id) {
  const std::optional<std::int64_t> left = left_ms(credential, now);
  if (!left) return Freshness::fresh;
  if (*left <= 0) return Freshness::ended;
  const vault::TokenTimes& times = *credential.times;
  return freshness(times.lifetime_ms, {times.sent_ms, times.sent_boot_ms, times.boot_id}, as_moment(now),
                   jitter_of(id));
}

std::int64_t expires_of(const vault::Credential& credential) {
  const bool known = credential.times && credential.times->lifetime_ms && credential.values.contains("accessToken");
  return known ? credential.times->sent_ms + *credential.times->lifetime_ms : 0;
}

std::int64_t touch_of(const config::OAuth& oauth, const vault::Credential& credential, std::string_view id) {
  if (!credential.times) return 0;
  const vault::TokenTimes& times = *credential.times;
  std::int64_t touch = 0;
  if (const std::int64_t end = expires_of(credential); end != 0)
    touch = end - thresholds(*times.lifetime_ms, jitter_of(id)).due_ms;
  if (oauth.refresh.idle_lifetime && credential.values.contains("refreshToken")) {
    const std::int64_t used = times.touched_ms != 0 ? times.touched_ms : times.sent_ms;
    const std::int64_t idle = used + touch_after_ms(oauth.refresh.idle_lifetime->count());
    touch = touch == 0 ? idle : std::min(touch, idle);
  }
  return touch;
}

Kept keep(const config::OAuth& oauth, const Tokens& tokens, const Sent& sent, const vault::Credential* before,
          std::string_view id) {
  Kept out;
  auto& values = out.credential.values;
  if (before != nullptr)
    for (const auto& [name, value] : before->values)
      if (!is_fetched(oauth, name)) values.emplace(name, value.clone());
  values.insert_or_assign("accessToken", tokens.access_token.clone());
  if (!tokens.refresh_token.empty()) values.insert_or_assign("refreshToken", tokens.refresh_token.clone());
  if (!tokens.id_token.empty()) values.insert_or_assign("idToken", tokens.id_token.clone());
  for (const auto& [name, value] : tokens.more) values.insert_or_assign(name, value.clone());
  vault::TokenTimes times{sent.wall_ms, sent.boot_ms, sent.boot_id, tokens.lifetime_ms, tokens.scope, sent.wall_ms};
  if (times.scope.empty() && before != nullptr && before->times) times.scope = before->times->scope;
  out.credential.times = std::move(times);
  out.account = tokens.account;
  out.expires = expires_of(out.credential);
  if (tokens.refresh_lifetime_ms) out.refresh_expires = sent.wall_ms + *tokens.refresh_lifetime_ms;
  out.touch = touch_of(oauth, out.credential, id);
  return out;
}

}  // namespace postern::grants
