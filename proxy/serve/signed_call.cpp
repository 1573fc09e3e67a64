#include "proxy/serve/signed_call.hpp"

#include <algorithm>

#include "proxy/inject/http_digest.hpp"
#include "proxy/serve/decide.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::serve {
namespace {

using grants::TokenRequest;

TokenRequest copy_of(const TokenRequest& request) {
  TokenRequest copy;
  copy.method = request.method;
  copy.host = request.host;
  copy.port = request.port;
  copy.path = request.path;
  copy.query = request.query.clone();
  for (const grants::Parameter& header : request.headers) copy.headers.push_back({header.name, header.value.clone()});
  copy.body = request.body.clone();
  copy.identity = request.identity;
  return copy;
}

void put(TokenRequest& request, const inject::Changes& changes) {
  for (const inject::NameValue& header : changes.headers) {
    std::erase_if(request.headers, [&](const auto& have) { return wire::iequals(have.name, header.name); });
    request.headers.push_back({std::string(header.name), vault::Secret(header.value)});
  }
  if (changes.query.empty()) return;
  std::string query = request.query.empty() ? std::string() : "?" + std::string(request.query.expose());
  for (const inject::NameValue& parameter : changes.query) wire::append_query(query, parameter.name, parameter.value);
  query.erase(0, 1);
  request.query = vault::Secret::take(query);
}

// The request with what the injection makes of it.
std::expected<TokenRequest, std::string> sign(const inject::Injection& injection, const TokenRequest& request,
                                              std::int64_t now_ms, std::string_view challenge) {
  const std::string name = request.host.find(':') == std::string::npos ? request.host : "[" + request.host + "]";
  const std::string authority = request.port == 443 ? name : name + ":" + std::to_string(request.port);
  const std::string nonce = make_nonce();
  const inject::HeldContent content(request.body.expose());
  std::vector<inject::NameValue> fields;
  for (const grants::Parameter& header : request.headers) fields.push_back({header.name, header.value.expose()});
  inject::Inputs in;
  in.method = request.method;
  in.authority = authority;
  in.path = request.path;
  in.query = request.query.expose();
  in.fields = fields;
  in.content = &content;
  in.now_ms = now_ms;
  in.nonce = nonce;
  in.challenge = challenge;
  in.challenge_count = 1;
  inject::Changes changes;
  if (const auto applied = injection.apply(in, changes); !applied) return std::unexpected(applied.error().message);
  if (changes.transform || changes.body_replaced || !changes.cookies.empty() || !changes.path_prefix.empty())
    return std::unexpected("its scheme changes more than a call of ours can carry");
  TokenRequest out = copy_of(request);
  put(out, changes);
  return out;
}

grants::Delivery unsigned_because(std::string reason) {
  grants::Delivery out;
  out.fault = net::Fault::malformed;
  out.reason = "the request cannot be signed: " + std::move(reason);
  return out;
}

std::string challenge_in(const grants::Delivery& delivery) {
  std::string values;
  for (const auto& [name, value] : delivery.reply.headers)
    if (wire::iequals(name, "WWW-Authenticate")) values.append(values.empty() ? "" : ", ").append(value.expose());
  const auto asked = inject::strongest_digest(values);
  return asked ? inject::to_text(*asked) : std::string();
}

}  // namespace

net::Task<grants::Delivery> deliver(std::shared_ptr<grants::TokenTransport> transport, TokenRequest request,
                                    std::int64_t now_ms) {
  if (request.scheme.empty()) co_return co_await transport->call(std::move(request), grants::kTokenDeadline);
  inject::Recipe recipe;
  recipe.options = std::move(request.sign);
  recipe.values = std::move(request.values);
  const auto made = inject::make_injection(request.scheme, std::move(recipe));
  if (!made) co_return unsigned_because(made.error());
  auto first = sign(**made, request, now_ms, {});
  if (!first) co_return unsigned_because(std::move(first.error()));
  grants::Delivery delivery = co_await transport->call(std::move(*first), grants::kTokenDeadline);
  const bool answers = ((*made)->needs() & inject::needs_challenge) != 0;
  if (!answers || delivery.fault != net::Fault::none || delivery.reply.status != 401) co_return delivery;
  const std::string challenge = challenge_in(delivery);
  if (challenge.empty()) co_return delivery;
  auto answer = sign(**made, request, now_ms, challenge);
  if (!answer) co_return unsigned_because(std::move(answer.error()));
  delivery = co_await transport->call(std::move(*answer), grants::kTokenDeadline);
  co_return delivery;
}

}  // namespace postern::serve
