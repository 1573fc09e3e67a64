#include "proxy/grants/device_code.hpp"

#include <algorithm>

#include "proxy/grants/answer_tree.hpp"
#include "proxy/grants/http_date.hpp"

namespace postern::grants {
namespace {

// For a person's eyes and a browser's address line.
std::string shown(const AnswerTree& tree, std::string_view path, bool uri) {
  const auto text = tree.text(path);
  if (!text || text->size() > 2048) return {};
  const std::string_view seen = text->expose();
  const bool clean =
      std::all_of(seen.begin(), seen.end(), [&](char c) { return c >= (uri ? 0x21 : 0x20) && c < 0x7f; });
  return clean && (!uri || seen.starts_with("https://")) ? std::string(seen) : "";
}

std::chrono::seconds seconds(const AnswerTree& tree, std::string_view path, std::chrono::seconds fallback,
                             std::chrono::seconds most) {
  const auto text = tree.text(path);
  const auto ms = text ? parse_lifetime(text->expose(), 1'000) : std::nullopt;
  return ms && *ms > 0 ? std::min(most, std::chrono::seconds(*ms / 1'000)) : fallback;
}

}  // namespace

Built<TokenRequest> device_request(const Renewal& renewal) {
  const config::OAuth& oauth = renewal.asking.oauth;
  if (!oauth.device) return missing_value("device");
  Call call{*oauth.device};
  if (!renewal.scopes.empty()) call.own.push_back({"scope", vault::Secret(join_scopes(oauth, renewal.scopes))});
  return build_request(renewal.asking, std::move(call));
}

std::expected<DeviceLogin, Failure> read_device_answer(const Reading& reading, const TokenReply& reply) {
  // A refusal is read as any endpoint's; what is asked for is only another member.
  config::OAuthAnswer code = reading.answer;
  code.access_token = "device_code";
  code.format = config::Format::detect;
  auto read = read_answer(Reading{code, reading.sent_ms, reading.received_ms, reading.values}, reply);
  if (!read) return std::unexpected(read.error());
  const AnswerTree tree(reply, config::Format::detect);
  DeviceLogin out;
  out.device_code = std::move(read->access_token);
  out.user_code = shown(tree, "user_code", false);
  out.verification_uri = shown(tree, tree.has("verification_uri") ? "verification_uri" : "verification_url", true);
  out.verification_uri_complete = shown(tree, "verification_uri_complete", true);
  out.expires_in = seconds(tree, "expires_in", std::chrono::minutes(10), std::chrono::hours(1));
  out.interval = seconds(tree, "interval", out.interval, std::chrono::minutes(5));
  if (out.user_code.empty() || out.verification_uri.empty())
    return std::unexpected(Failure{Failure::Kind::malformed, reply.status, "",
                                   "the device endpoint's answer lacks user_code or verification_uri", std::nullopt});
  return out;
}

Built<TokenRequest> device_token_request(const Asking& asking, const vault::Secret& device_code) {
  Call call{asking.oauth.token};
  call.own.push_back({"grant_type", vault::Secret("urn:ietf:params:oauth:grant-type:device_code")});
  call.own.push_back({"device_code", device_code.clone()});
  return build_request(asking, std::move(call));
}

std::optional<std::chrono::seconds> next_poll(const Failure& failure, std::chrono::seconds interval) {
  using Kind = Failure::Kind;
  if (failure.kind == Kind::pending) return interval;
  if (failure.kind == Kind::slow_down) return interval + std::chrono::seconds(5);
  // "exponential backoff" for what the network did (section 3.5).
  if (failure.kind == Kind::transient) return std::min(interval * 2, std::chrono::seconds(300));
  return std::nullopt;
}

}  // namespace postern::grants
