#include "proxy/grants/token_answer.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "proxy/grants/answer_tree.hpp"
#include "proxy/grants/http_date.hpp"
#include "proxy/grants/jwt.hpp"

namespace postern::grants {
namespace {

using vault::Secret;
using Kind = Failure::Kind;

constexpr std::int64_t kMaxLifetime = std::int64_t{10} * 365 * 86'400'000;  // ten years say "for ever" too
constexpr std::int64_t kMaxSkew = 86'400'000;  // a Date further off is a broken clock or a cached answer

// --- texts for people ------------------------------------------------------------------------------------------------
bool token_like(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

// One line of visible ASCII. A long unbroken run may be a token of somebody's and is not shown.
std::string clean(std::string_view text, const Values* values) {
  constexpr std::size_t most = 200, longest_word = 24;
  if (values != nullptr && values->held_by(text)) return "(a text that repeats a secret)";
  std::string out;
  for (std::size_t i = 0; i < text.size() && out.size() < most;) {
    std::size_t end = i;
    while (end < text.size() && token_like(text[end])) ++end;
    if (end - i > longest_word) {
      out += "…";
      i = end;
      continue;
    }
    if (end == i) {
      const char c = text[end++];
      if (c >= 0x20 && c < 0x7f)
        out += c;
      else if (!out.empty() && out.back() != ' ')
        out += ' ';
    } else {
      out += text.substr(i, end - i);
    }
    i = end;
  }
  if (out.size() > most) out.resize(most);
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string clean_code(std::string_view text, const Values* values) {
  constexpr std::size_t most = 64;
  const bool plain = !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-' || c == ' ' || c == ':';
  });
  return plain && (values == nullptr || !values->held_by(text)) ? std::string(text) : "";
}

// --- refusals --------------------------------------------------------------------------------------------------------
bool among(const std::vector<std::string>& list, std::string_view code) {
  return std::find(list.begin(), list.end(), code) != list.end();
}

Kind kind_of(const config::OAuthErrors& errors, std::string_view code, int status) {
  if (among(errors.rejected, code)) return Kind::rejected;
  if (among(errors.client, code)) return Kind::client;
  if (among(errors.transient, code)) return Kind::transient;
  if (status == 429 || status >= 500) return Kind::transient;
  if (code == "invalid_grant" || code == "expired_token") return Kind::rejected;
  if (code == "invalid_client" || code == "unauthorized_client") return Kind::client;
  if (code == "authorization_pending") return Kind::pending;
  if (code == "slow_down") return Kind::slow_down;
  if (code == "access_denied") return Kind::denied;
  if (code == "temporarily_unavailable" || code == "server_error" || status == 408) return Kind::transient;
  if (code.empty() && status == 401) return Kind::client;
  // Without a word of its own, a 4xx may come from anything on the way (a firewall, a load balancer's page).
  return code.empty() ? Kind::malformed : Kind::request;
}

std::optional<std::int64_t> retry_after(const AnswerTree& tree, std::int64_t now_ms) {
  const std::string_view text = tree.header("retry-after");
  if (text.empty()) return std::nullopt;
  if (const auto date = parse_http_date(text)) return std::max<std::int64_t>(0, *date * 1'000 - now_ms);
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? parse_lifetime(text, 1'000) : std::nullopt;
}

bool holds(const AnswerTree& tree, const config::OAuthPredicate& predicate) {
  const auto value = tree.text(predicate.at);
  if (predicate.is) return value && value->expose() == *predicate.is;
  if (predicate.is_not) return !value || value->expose() != *predicate.is_not;
  return tree.has(predicate.at);
}

// Providers put an object where RFC 6749 has a string: {"error": {"code": …, "type": …, "message": …}}.
std::optional<Secret> error_part(const AnswerTree& tree, const std::string& path,
                                 std::initializer_list<std::string_view> members) {
  if (auto direct = tree.text(path)) return direct;
  const std::string pointer = path.starts_with('/') ? path : "/" + path;
  for (const std::string_view member : members)
    if (auto found = tree.text(pointer + "/" + std::string(member))) return found;
  return std::nullopt;
}

Failure refusal(const Reading& reading, const AnswerTree& tree, int status) {
  const config::OAuthErrors& errors = reading.answer.errors;
  Failure out;
  out.status = status;
  const auto code = error_part(tree, errors.code, {"type", "code", "status", "id"});
  if (code) out.code = clean_code(code->expose(), reading.values);
  auto text = tree.text(errors.text);
  if (!text) text = error_part(tree, errors.code, {"message", "description"});
  if (!text) text = tree.text("message");
  out.kind = kind_of(errors, out.code, status);
  out.retry_after_ms = retry_after(tree, reading.received_ms);
  const std::string said = text ? clean(text->expose(), reading.values) : "";
  out.text = fmt::format("the token endpoint answered {}{}{}{}", status, out.code.empty() ? "" : " " + out.code,
                         said.empty() || said == out.code ? "" : ": ", said == out.code ? "" : said);
  return out;
}

std::unexpected<Failure> malformed(int status, std::string text) {
  return std::unexpected(Failure{Kind::malformed, status, "", std::move(text), std::nullopt});
}

// An error inside a 200: a code that is not empty or "no error", or a predicate of the entry.
bool refused(const Reading& reading, const AnswerTree& tree) {
  const config::OAuthErrors& errors = reading.answer.errors;
  for (const auto& predicate : errors.when)
    if (holds(tree, predicate)) return true;
  if (const auto ok = tree.text("ok"); ok && ok->expose() == "false") return true;
  if (reading.answer.format == config::Format::text) return false;
  const auto code = error_part(tree, errors.code, {"type", "code", "status", "message", "id"});
  return code && !code->empty() && code->expose() != "0" && code->expose() != "false";
}

// --- tokens ----------------------------------------------------------------------------------------------------------
// RFC 6749 appendix A.12: visible ASCII and space; a header would lose a space at either end.
bool usable(std::string_view token) {
  return token.size() <= kMaxToken &&
         std::all_of(token.begin(), token.end(), [](char c) { return c >= 0x20 && c < 0x7f; }) &&
         (token.empty() || (token.front() != ' ' && token.back() != ' '));
}

std::int64_t clamp(std::int64_t ms) {
  return std::min(ms, kMaxLifetime);
}

// Zero and less say nothing: some providers mean "never" by it, and "already over" would only be asked for again.
std::optional<std::int64_t> told(std::optional<std::int64_t> ms) {
  return ms && *ms > 0 ? std::optional(clamp(*ms)) : std::nullopt;
}

std::optional<std::int64_t> point_in_time(std::string_view text, config::TimeUnit unit) {
  using config::TimeUnit;
  if (unit == TimeUnit::iso) return parse_iso_time(text);
  const auto number = parse_lifetime(text, 1);
  if (!number) return unit == TimeUnit::detect ? parse_iso_time(text) : std::nullopt;
  // Seconds reach 10^11 in the year 5138; milliseconds passed it in 1973.
  const bool seconds = unit == TimeUnit::seconds || (unit == TimeUnit::detect && *number < 100'000'000'000);
  if (seconds && *number > 9'000'000'000'000) return std::nullopt;
  return seconds ? *number * 1'000 : *number;
}

std::optional<std::int64_t> lifetime(const config::OAuthExpiry& expiry, const AnswerTree& tree, std::int64_t now_ms) {
  if (!expiry.in.empty())
    if (const auto text = tree.text(expiry.in))
      if (const auto ms =
              told(parse_lifetime(text->expose(), expiry.unit == config::TimeUnit::milliseconds ? 1 : 1'000)))
        return ms;
  if (!expiry.at.empty())
    if (const auto text = tree.text(expiry.at))
      if (const auto at = point_in_time(text->expose(), expiry.unit); at && *at > 0) return told(*at - now_ms);
  return std::nullopt;
}

std::optional<std::int64_t> jwt_lifetime(std::string_view token, std::int64_t now_ms) {
  const auto claims = read_claims(token);
  const boost::json::value* exp = claims ? claims->if_contains("exp") : nullptr;
  if (exp == nullptr || !exp->is_number()) return std::nullopt;
  const double at = exp->is_double() ? exp->as_double() : exp->to_number<double>();
  if (!std::isfinite(at) || at < 0 || at > 9e12) return std::nullopt;
  return told(static_cast<std::int64_t>(at * 1'000) - now_ms);
}

std::string plain_text(const AnswerTree& tree, const std::string& path) {
  const auto text = path.empty() ? std::nullopt : tree.text(path);
  constexpr std::size_t most = 4096;
  return text && text->size() <= most && usable(text->expose()) ? std::string(text->expose()) : "";
}

// Lifetimes count from when the request was sent: the endpoint's clock started no earlier.
void read_lifetimes(const Reading& reading, const AnswerTree& tree, Tokens& out) {
  std::int64_t now = reading.received_ms;
  if (const auto date = parse_http_date(tree.header("date"))) {
    // The endpoint wrote it between sending and receiving, in whole seconds.
    const std::int64_t skew = *date * 1'000 - reading.sent_ms;
    if (skew <= kMaxSkew && skew >= -kMaxSkew) {
      now = *date * 1'000;
      out.skew_ms = skew;
    }
  }
  out.lifetime_ms = lifetime(reading.answer.expires, tree, now);
  if (!out.lifetime_ms) out.lifetime_ms = jwt_lifetime(out.access_token.expose(), now);
  if (!out.lifetime_ms && reading.answer.default_lifetime) out.lifetime_ms = reading.answer.default_lifetime->count();
  out.refresh_lifetime_ms = lifetime(reading.answer.refresh_expires, tree, now);
}

}  // namespace

const char* to_string(Failure::Kind kind) {
  constexpr const char* names[] = {"rejected",  "client", "request",   "pending",
                                   "slow_down", "denied", "transient", "malformed"};
  return names[static_cast<std::size_t>(kind)];
}

std::expected<Tokens, Failure> read_answer(const Reading& reading, const TokenReply& reply) {
  if (reply.body.size() > kMaxAnswer) return malformed(reply.status, "the token endpoint's answer is too large");
  const config::OAuthAnswer& answer = reading.answer;
  const AnswerTree tree(reply, answer.format);
  if (reply.status < 200 || reply.status > 299) {
    // Errors are JSON or forms even where tokens are plain text.
    const AnswerTree error(
        reply, tree.readable() && answer.format != config::Format::text ? answer.format : config::Format::detect);
    Failure failure = refusal(reading, error, reply.status);
    if (reply.status >= 300 && reply.status < 400) failure.text += ": a redirect, which is never followed";
    return std::unexpected(std::move(failure));
  }
  if (refused(reading, tree)) return std::unexpected(refusal(reading, tree, reply.status));

  Tokens out;
  auto access = tree.text(answer.access_token);
  if (!access || access->empty())
    return malformed(reply.status,
                     fmt::format("the token endpoint answered {} without {}", reply.status,
                                 tree.readable() ? "'" + answer.access_token + "'" : "anything that can be read"));
  out.access_token = std::move(*access);
  if (auto token = tree.text(answer.refresh_token); token && answer.format != config::Format::text)
    out.refresh_token = std::move(*token);
  if (auto token = tree.text(answer.id_token); token && answer.format != config::Format::text)
    out.id_token = std::move(*token);
  for (const auto& [name, path] : answer.more)
    if (auto token = tree.text(path); token && !token->empty()) out.more.emplace(name, std::move(*token));
  const auto fits = [](const Secret& token) { return usable(token.expose()); };
  if (!fits(out.access_token) || !fits(out.refresh_token) || !fits(out.id_token) ||
      !std::all_of(out.more.begin(), out.more.end(), [&](const auto& token) { return fits(token.second); }))
    return malformed(reply.status, "the token endpoint's answer holds a token that no header field can carry");
  if (answer.format != config::Format::text) {
    out.token_type = plain_text(tree, answer.token_type);
    out.scope = plain_text(tree, answer.scope);
    out.account = plain_text(tree, answer.account);
  }
  read_lifetimes(reading, tree, out);
  return out;
}

NextRefreshToken next_refresh_token(const Secret& sent, const Tokens& answer) {
  if (answer.refresh_token.empty() || answer.refresh_token.equals(sent.expose())) return {sent.clone(), false};
  return {answer.refresh_token.clone(), true};
}

}  // namespace postern::grants
