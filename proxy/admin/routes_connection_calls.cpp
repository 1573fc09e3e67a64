// The two things that are asked of a service about one connection: whether it takes the credential, and that it takes
// the tokens back. Both wait for the network, so they run beside the admin thread.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/connection_write.hpp"
#include "proxy/admin/desk.hpp"
#include "proxy/admin/verify_call.hpp"
#include "proxy/grants/client_certificate.hpp"
#include "proxy/grants/records.hpp"
#include "proxy/grants/revoke.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Connection;
using vault::Status;

constexpr int kTries = 4;  // against others who write the same record

struct Result {
  bool ok = false;
  std::string reason = {}, text = {}, account = {};
  json::value exchange = {};
};

Response result_response(const Connection& meta, Result result) {
  json::object out;
  out["ok"] = result.ok;
  out["reason"] = text_or_null(result.reason);
  out["text"] = text_or_null(result.text);
  out["account"] = text_or_null(result.account);
  out["status"] = vault::to_string(meta.status);
  out["statusReason"] = text_or_null(meta.status_reason);
  out["connection"] = shown(meta, false);
  out["exchange"] = std::move(result.exchange);
  return json_response(out);
}

std::expected<void, Problem> reload(const Service& service, Connection& meta) {
  const std::string organization = meta.organization, project = meta.project, id = meta.id;
  auto found = service.deps.vault->find_connection({organization, project}, id);
  if (!found) return std::unexpected(vault_problem(found.error()));
  meta = std::move(*found);
  return {};
}

// The credential as it is now: one that was rotated meanwhile is read again.
std::expected<vault::Credential, Problem> open(const Service& service, Connection& meta) {
  for (int tries = 0;; ++tries) {
    auto opened = service.deps.vault->open_credential(meta);
    if (opened) return std::move(*opened);
    if (opened.error().code != vault::Error::Code::conflict || tries == kTries)
      return std::unexpected(vault_problem(opened.error()));
    if (auto read = reload(service, meta); !read) return std::unexpected(read.error());
  }
}

grants::Freshness freshness(const Service& service, const Connection& meta, const vault::Credential& credential) {
  return grants::freshness_of(credential, grants::moment(service.deps.now_ms()), meta.id);
}

// A token that is due is renewed first. A result: there is nothing to try.
std::expected<std::optional<Result>, Problem> renew(const Service& service, Connection& meta,
                                                    const vault::Credential& credential) {
  using Kind = grants::Renewed::Kind;
  const auto fresh = freshness(service, meta, credential);
  if (fresh == grants::Freshness::fresh) return std::nullopt;
  auto renewed = refresh(service, meta);
  if (auto read = reload(service, meta); !read) return std::unexpected(read.error());
  switch (renewed.kind) {
    case Kind::renewed:
    case Kind::current:
      return std::nullopt;
    case Kind::gone:
      return refuse("not-found", "There is no connection with this id or alias here.");
    case Kind::disabled:
      return refuse("auth-config-disabled", "Enable the connection and its auth config first.");
    case Kind::vault:
      return std::unexpected(vault_problem({vault::Error::Code::io, "a test found nothing to write a refresh to"}));
    case Kind::rejected:
    case Kind::client:
    case Kind::configuration:
      break;
    case Kind::unavailable:
    case Kind::in_progress:
    case Kind::limited:
    case Kind::held:
      if (fresh != grants::Freshness::ended) return std::nullopt;  // the old one is still good
  }
  Result out{.reason = renewed.reason, .text = renewed.text, .account = meta.account};
  if (out.reason.empty()) out.reason = "token_endpoint_unavailable";
  if (out.text.empty()) out.text = "No token could be obtained to test with.";
  return out;
}

Result judge(const VerifyCall& asked, const grants::Delivery& delivery) {
  Result out;
  if (delivery.fault == net::Fault::client_certificate) {
    out.reason = "credentials_rejected";
    out.text = "The service does not take this certificate: " + delivery.reason;
    return out;
  }
  if (delivery.fault != net::Fault::none) {
    out.reason = "service_unavailable";
    out.text = "The service could not be asked: " + delivery.reason + '.';
    return out;
  }
  const int status = delivery.reply.status;
  const auto& expect = asked.verify.expect;
  out.ok = std::find(expect.begin(), expect.end(), status) != expect.end();
  if (out.ok) {
    out.account = account_in(asked.verify, delivery.reply);
  } else if (status == 401 || status == 403) {
    out.reason = "credentials_rejected";
    out.text = fmt::format("The service answered {}: it does not take this credential.", status);
  } else {
    out.reason = "unexpected_answer";
    out.text = fmt::format("The service answered {}, which says nothing about the credential.", status);
  }
  return out;
}

std::expected<Result, Problem> try_verify(const Service& service, const Connection& meta, const Material& material,
                                          const vault::Credential& credential) {
  auto asked = verify_call(material, to_patterns(meta.destinations));
  if (!asked) return refuse("not-testable", asked.error());
  asked->request.scheme = material.plan.scheme;
  asked->request.sign = material.plan.sign;
  if (!material.plan.scheme.empty())
    asked->request.values = grants::signing_values(material.plan.sign_with, credential);
  if (meta.type == grants::kCertificateType) {
    auto identity = grants::read_client_certificate(credential.values);
    if (!identity) return refuse("not-testable", "The certificate cannot be read: " + identity.error().text);
    asked->request.identity = std::move(*identity);
  }
  const auto called = call(service, std::move(asked->request));
  auto result = judge(*asked, called.delivery);
  result.exchange =
      shown(asked->verify.method, asked->url, asked->headers, called.delivery, Mask(material, credential));
  return result;
}

std::expected<Result, Problem> try_introspection(const Service& service, const Material& material,
                                                 const vault::Credential& credential) {
  const auto token = credential.values.find("accessToken");
  if (token == credential.values.end()) return refuse("not-testable", "There is no access token to ask about.");
  const std::string nonce = base64url(random_bytes().expose());
  auto request = grants::introspect_request(asking(material, service.deps.now_ms(), nonce), token->second);
  if (!request)
    return refuse("not-testable", "The entry's `introspect` cannot be called: " + request.error().text + '.');
  const std::string method = request->method, url = request->describe().substr(method.size() + 1);
  std::vector<std::pair<std::string, std::string>> headers;
  for (const auto& header : request->headers)
    headers.emplace_back(header.name, lower(header.name) == "authorization" ? "***" : header.value.expose());
  const auto called = call(service, std::move(*request));
  Result out;
  if (called.delivery.fault != net::Fault::none) {
    out.reason = "service_unavailable";
    out.text = "The service could not be asked: " + called.delivery.reason;
  } else {
    const auto active =
        grants::read_introspection(reading_of(*material.auth->oauth, called, material.values), called.delivery.reply);
    out.ok = active && *active;
    if (!active) {
      out.reason = "unexpected_answer";
      out.text = active.error().text.empty() ? "The introspection endpoint refused the question." : active.error().text;
    } else if (!*active) {
      out.reason = "credentials_rejected";
      out.text = "The service says that the token is not active.";
    }
  }
  out.exchange = shown(method, url, headers, called.delivery, Mask(material, credential));
  return out;
}

// Writes what the test found out; what became of the credential meanwhile is not touched.
std::expected<void, Problem> note(Service& service, const Call& call, Connection& meta, const Result& result) {
  const bool rejected = result.reason == "credentials_rejected";
  const bool heals = result.ok && meta.status == Status::error;
  const vault::Space space{meta.organization, meta.project};
  if (rejected || heals) {
    vault::StatusChange change;
    if (rejected) change = {.status = Status::error, .reason = result.reason, .text = result.text};
    auto written = service.deps.vault->tokens().set_status(
        space, meta.id, meta.generation, change,
        told(call, "connection.status", {{"status", vault::to_string(change.status)}, {"reason", change.reason}}));
    if (!written && written.error().code != vault::Error::Code::conflict)
      return std::unexpected(vault_problem(written.error()));
    if (written) announce(service, *written, false);
  }
  if (auto read = reload(service, meta); !read) return read;
  if (result.account.empty() || !meta.account.empty()) return {};
  Connection named = meta;
  named.account = result.account;
  if (auto written = service.deps.vault->update_connection(std::move(named),
                                                           told(call, "connection.changed", {{"fields", "account"}}))) {
    meta = std::move(*written);
    announce(service, meta, false);
  }
  return {};
}

json::array shown(const std::vector<GivenBack>& all) {
  json::array out;
  for (const auto& one : all) {
    json::object token;
    token["token"] = one.token;
    token["revoked"] = one.revoked;
    token["status"] = one.status == 0 ? json::value(nullptr) : json::value(one.status);
    token["text"] = text_or_null(one.text);
    out.push_back(std::move(token));
  }
  return out;
}

// REVOKED, without any value; the credential that it had. Nobody is told yet.
std::expected<vault::Credential, Problem> end(Service& service, const Call& call, Connection& meta) {
  for (int tries = 0;; ++tries) {
    auto credential = open(service, meta);
    if (!credential) return credential;
    Connection ended = meta;
    ended.status = Status::revoked;
    ended.status_reason = "revoked";
    ended.status_text.clear();
    ended.status_since = service.deps.now_ms();
    ended.expires = ended.refresh_expires = ended.touch = ended.previous_until = 0;
    auto written = service.deps.vault->rotate_credential(std::move(ended), {}, told(call, "connection.revoked"));
    if (written) {
      meta = std::move(*written);
      return credential;
    }
    if (written.error().code != vault::Error::Code::conflict || tries == kTries)
      return std::unexpected(vault_problem(written.error()));
    if (auto read = reload(service, meta); !read) return std::unexpected(read.error());
  }
}

}  // namespace

Answer test_connection(Service& service, Call& call) {
  if (auto empty = refuse_body(call.request); !empty) return std::unexpected(empty.error());
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  Connection& meta = found->connection;
  if (is_foreign_personal(call.caller, meta))
    return refuse("not-permitted", "Only its owner tests a personal connection.");
  if (meta.status == Status::revoked) {
    return result_response(
        meta, {.reason = "revoked", .text = "It was revoked: give it a new value.", .account = meta.account});
  }
  if (!meta.enabled) return refuse("not-testable", "Enable the connection first.");
  auto app = auth_config_of(service, meta);
  if (app && !app->enabled) return refuse("auth-config-disabled", "Enable the auth config first.");
  auto credential = open(service, meta);
  if (!credential) return std::unexpected(credential.error());
  auto material = material_of(service, meta.app, meta.auth, meta.config, std::move(app), &*credential);
  if (!material)
    return refuse("not-testable", "Its provider is no longer in the catalog as it was; put it back first.");
  const bool by_call = verify_of(*material) != nullptr;
  const auto& oauth = material->auth->oauth;
  const bool asks = by_call || (oauth && oauth->introspect);
  const bool due = oauth && freshness(service, meta, *credential) != grants::Freshness::fresh;
  if (!asks && !due) return refuse("not-testable", "The provider's entry names no call that tests a credential.");
  if (oauth) {
    auto ended = renew(service, meta, *credential);
    if (!ended) return std::unexpected(ended.error());
    if (*ended) return result_response(meta, std::move(**ended));
    credential = open(service, meta);
    if (!credential) return std::unexpected(credential.error());
    material = material_of(service, meta.app, meta.auth, meta.config, std::move(material->app), &*credential);
  }
  if (!asks) {
    return result_response(meta, {.ok = true,
                                  .text = "There is a token that has not ended; the entry names no call that tries it.",
                                  .account = meta.account});
  }
  auto result =
      by_call ? try_verify(service, meta, *material, *credential) : try_introspection(service, *material, *credential);
  if (!result) return std::unexpected(result.error());
  if (auto noted = note(service, call, meta, *result); !noted) return std::unexpected(noted.error());
  if (result->account.empty()) result->account = meta.account;
  return result_response(meta, std::move(*result));
}

Answer revoke_connection(Service& service, Call& call) {
  if (auto empty = refuse_body(call.request); !empty) return std::unexpected(empty.error());
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  Connection& meta = found->connection;
  std::vector<GivenBack> tokens;
  if (meta.status != Status::revoked) {
    const auto credential = end(service, call, meta);
    if (!credential) return std::unexpected(credential.error());
    announce(service, meta, true);  // here it ends at once, whatever the service says
    if (const auto material =
            material_of(service, meta.app, meta.auth, meta.config, auth_config_of(service, meta), &*credential))
      tokens = give_back(service, *material, *credential);
  }
  json::object out;
  out["connection"] = admin::shown(meta, false);
  out["tokens"] = shown(tokens);
  return json_response(out);
}

std::expected<bool, Problem> try_value(const Service& service, const Connection& meta,
                                       const vault::Credential& credential) {
  const auto material =
      material_of(service, meta.app, meta.auth, meta.config, auth_config_of(service, meta), &credential);
  if (!material) return false;
  // A token is what is tried; one that has to be fetched first would spend what it is fetched with.
  if (material->auth->oauth && !credential.values.contains("accessToken")) return false;
  const bool by_call = verify_of(*material) != nullptr;
  if (!by_call && (!material->auth->oauth || !material->auth->oauth->introspect)) return false;
  auto result =
      by_call ? try_verify(service, meta, *material, credential) : try_introspection(service, *material, credential);
  if (!result && result.error().code == "not-testable") return false;
  if (!result) return std::unexpected(result.error());
  if (result->ok) return true;
  const bool rejected = result->reason == "credentials_rejected";
  auto refusal =
      refuse(rejected ? "value-rejected" : "test-inconclusive",
             result->text + " Nothing was changed" + (rejected ? "." : "; try again, or send `test` as false."));
  refusal.error().more["exchange"] = std::move(result->exchange);
  return refusal;
}

std::expected<void, Problem> give_back_first(const Service& service, Connection meta) {
  const auto credential = open(service, meta);
  if (!credential) return std::unexpected(credential.error());
  const auto material =
      material_of(service, meta.app, meta.auth, meta.config, auth_config_of(service, meta), &*credential);
  if (!material) return {};
  const auto tokens = give_back(service, *material, *credential);
  if (std::all_of(tokens.begin(), tokens.end(), [](const GivenBack& one) { return one.revoked; })) return {};
  auto refusal = refuse("revoke-failed", "Nothing was deleted: try again, or delete without ?revoke=true.");
  refusal.error().more["tokens"] = shown(tokens);
  return refusal;
}

}  // namespace postern::admin
