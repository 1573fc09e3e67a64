#include "proxy/admin/desk.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <future>

#include "proxy/grants/revoke.hpp"

namespace postern::admin {
namespace {

constexpr const char* kNowhere = "there is nowhere to ask";

// `start` is given what to call with the result, once, from any thread.
template <class T, class Start>
T wait(Start&& start) {
  const auto promised = std::make_shared<std::promise<T>>();
  auto result = promised->get_future();
  start([promised](T value) { promised->set_value(std::move(value)); });
  return result.get();
}

const vault::Secret* value_of(const vault::Credential& credential, const char* name) {
  const auto at = credential.values.find(name);
  return at == credential.values.end() || at->second.empty() ? nullptr : &at->second;
}

GivenBack give_back(const Service& service, const Material& material, config::WhichToken which,
                    const vault::Secret& token) {
  GivenBack out{.token = which == config::WhichToken::refresh ? "refresh_token" : "access_token"};
  const std::string nonce = base64url(random_bytes().expose());
  const auto asked = asking(material, service.deps.now_ms(), nonce);
  auto request = grants::revoke_request(asked, which, token);
  if (!request) {
    out.text = request.error().text;
    return out;
  }
  const auto called = call(service, std::move(*request));
  if (called.delivery.fault != net::Fault::none) {
    out.text = called.delivery.reason;
    return out;
  }
  out.status = called.delivery.reply.status;
  const auto failure = grants::read_revoke_answer(asked, reading_of(*material.auth->oauth, called, material.values),
                                                  called.delivery.reply);
  out.revoked = !failure;
  if (failure) out.text = !failure->text.empty() ? failure->text : fmt::format("the service answered {}", out.status);
  return out;
}

}  // namespace

grants::Answer exchange(const Service& service, grants::Question question) {
  if (service.deps.desk == nullptr)
    return {std::unexpected(grants::Failure{grants::Failure::Kind::transient, 0, "", kNowhere, std::nullopt}), {}};
  return wait<grants::Answer>([&](auto done) { service.deps.desk->exchange(std::move(question), std::move(done)); });
}

grants::Called call(const Service& service, grants::TokenRequest request) {
  if (service.deps.desk == nullptr) {
    grants::Called nowhere;
    nowhere.delivery.fault = net::Fault::refused;
    nowhere.delivery.reason = kNowhere;
    return nowhere;
  }
  return wait<grants::Called>([&](auto done) { service.deps.desk->call(std::move(request), std::move(done)); });
}

grants::Renewed refresh(const Service& service, const vault::Connection& c) {
  if (service.deps.desk == nullptr) {
    return {.kind = grants::Renewed::Kind::unavailable, .reason = "token_endpoint_unavailable", .text = kNowhere};
  }
  return wait<grants::Renewed>([&](auto done) {
    service.deps.desk->refresh({c.organization, c.project, c.id}, c.generation, grants::Why::test, std::move(done));
  });
}

grants::Reading reading_of(const config::OAuth& oauth, const grants::Called& called, const grants::Values& values) {
  return {oauth.answer, called.sent_ms, called.received_ms, &values};
}

vault::Secret random_bytes() {
  constexpr std::size_t kSize = 32;
  return vault::Secret::make(kSize, [](char* to) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(to), kSize) != 1) std::abort();  // nothing may be guessable
  });
}

std::optional<Material> material_of(const Service& service, const std::string& provider, const std::string& auth,
                                    const std::string& config, std::optional<vault::AuthConfig> app,
                                    const vault::Credential* credential) {
  Material out;
  out.provider = service.deps.catalog()->find(provider);
  if (!out.provider) return std::nullopt;
  const auto entry = out.provider->auth.find(auth);
  if (entry == out.provider->auth.end()) return std::nullopt;
  out.auth = &entry->second;
  auto planned = config::plan_stored(*out.provider, auth, config);
  if (!planned) return std::nullopt;
  out.plan = std::move(*planned);
  out.app = std::move(app);
  out.values = grants::values_of(*out.auth, out.plan.variables, out.app ? &*out.app : nullptr, credential);
  return out;
}

grants::Asking asking(const Material& material, std::int64_t now_ms, std::string_view nonce) {
  return {*material.auth->oauth, material.values, now_ms / 1000, nonce};
}

std::vector<GivenBack> give_back(const Service& service, const Material& material,
                                 const vault::Credential& credential) {
  std::vector<GivenBack> out;
  if (!material.auth->oauth || !material.auth->oauth->revoke) return out;
  const auto *refresh = value_of(credential, "refreshToken"), *access = value_of(credential, "accessToken");
  for (const auto which : material.auth->oauth->revoke->tokens) {
    // Without a refresh token the access token is what there is to take back (RFC 7009 section 2.1 takes either).
    const bool wants_refresh = which == config::WhichToken::refresh && refresh != nullptr;
    const auto* token = wants_refresh ? refresh : access;
    const auto what = wants_refresh ? config::WhichToken::refresh : config::WhichToken::access;
    const bool twice = std::any_of(out.begin(), out.end(), [&](const GivenBack& done) {
      return std::string_view(done.token) == (wants_refresh ? "refresh_token" : "access_token");
    });
    if (token != nullptr && !twice) out.push_back(give_back(service, material, what, *token));
  }
  return out;
}

}  // namespace postern::admin
