#include "proxy/admin/connect_return.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connection_write.hpp"
#include "proxy/admin/desk.hpp"
#include "proxy/admin/verify_call.hpp"
#include "proxy/grants/authorization_code.hpp"
#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

using vault::Link;
using vault::LinkStatus;

std::string origin_of(std::string_view url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) return {};
  std::string out = lower(std::string_view(parsed->scheme())) + "://" + lower(std::string_view(parsed->encoded_host()));
  if (parsed->has_port() && parsed->port() != "443") out += ':' + std::string(std::string_view(parsed->port()));
  return out;
}

// RFC 9207: whom the answer came from, where it says so.
bool is_issuer(const Material& material, const std::string& issuer) {
  const auto& authorize = *material.auth->oauth->authorize;
  const auto expected = material.values.expand(authorize.issuer ? *authorize.issuer : authorize.url);
  if (!expected) return false;
  if (authorize.issuer) return expected->equals(issuer);
  const std::string origin = origin_of(issuer);
  return !origin.empty() && origin == origin_of(expected->expose());
}

// The state is used up before anything else: of two answers with one state, one goes on.
std::expected<void, Page> use_state(const Service& service, Link& link, const Page& used) {
  link.state_digest.clear();
  auto written = service.deps.vault->tokens().update_link(std::move(link));
  if (!written && written.error().code == vault::Error::Code::conflict) return std::unexpected(used);
  if (!written) return std::unexpected(unavailable_page());
  link = std::move(*written);
  return {};
}

// What the tokens' account is called: the answer says so, or the entry's `verify` does.
std::string account_of(const Service& service, const Link& link, const Material& before,
                       const vault::Credential& credential) {
  const auto material =
      material_of(service, link.provider, link.auth, link.config, auth_config_of(service, link), &credential);
  const auto* verify = material ? verify_of(*material) : nullptr;
  if (verify == nullptr || verify->account.empty()) return {};
  auto asked = verify_call(*material, before.plan.destinations);
  if (!asked) return {};
  const auto called = call(service, std::move(asked->request));
  if (called.delivery.fault != net::Fault::none || called.delivery.reply.status != 200) return {};
  return account_in(*verify, called.delivery.reply);
}

// invalid_client is the operator's to mend, not the person's: it shows on the auth config.
void blame_client(Service& service, const Link& link, const grants::Failure& failure) {
  if (failure.kind != grants::Failure::Kind::client) return;
  auto app = auth_config_of(service, link);
  if (!app) return;
  app->status = vault::Status::error;
  app->status_reason = "client_rejected";
  app->status_text = failure.text.empty() ? failure.code : failure.text;
  const auto beside = told(link, "auth_config.status", {{"status", "ERROR"}, {"reason", app->status_reason}});
  if (auto written = service.deps.vault->tokens().update_auth_config(std::move(*app), beside))
    announce(service, *written);
}

// A reconnected account has to be the one that was there.
std::expected<void, std::string> same_account(const Service& service, const Link& link, const std::string& account) {
  if (!reconnects(link)) return {};
  const auto meta = service.deps.vault->find_connection({link.organization, link.project}, link.connection);
  if (!meta) return std::unexpected("The connection is not there any more.");
  if (meta->account.empty() || meta->account == account) return {};
  if (account.empty()) return std::unexpected("The service did not say which account this is.");
  return std::unexpected("You agreed as " + account + ", but the connection is of " + meta->account + '.');
}

Page returned_page(const Service& service, const Link& link, const std::string& cookie) {
  const std::string title = title_of(service, link), confirm = confirmation_of(service, link, cookie);
  Page page{.title = "Connect this account?",
            .says = {title + " agreed. Is this the account, and is it meant for whom this says?"},
            .facts = facts_of(service, link)};
  page.forms.push_back(
      {.action = "/connect/" + link.id + "/confirm", .label = "Connect", .hidden = {{"confirm", confirm}}});
  page.forms.push_back({.action = "/connect/" + link.id + "/cancel",
                        .label = "Cancel",
                        .hidden = {{"confirm", confirm}},
                        .quiet = true});
  return page;
}

// The tokens as they wait for the click.
std::expected<void, Page> keep_waiting(const Service& service, Link& link, const Material& material,
                                       grants::Kept kept) {
  if (kept.refresh_expires != 0)
    kept.credential.values.insert_or_assign(kRefreshExpires, vault::Secret(std::to_string(kept.refresh_expires)));
  vault::Credential spare;
  for (const auto& [name, value] : kept.credential.values) spare.values.emplace(name, value.clone());
  link.credential = std::move(kept.credential);
  link.account = std::move(kept.account);
  link.status = LinkStatus::returned;
  const auto beside = told(link, "link.returned");
  auto written = service.deps.vault->tokens().update_link(std::move(link), {}, beside);
  if (!written) {
    // Nobody would ever use them.
    give_back(service, material, spare);
    return std::unexpected(unavailable_page());
  }
  link = std::move(*written);
  return {};
}

}  // namespace

Page failed_page(unsigned status, const std::string& title, const std::string& what) {
  return {.status = status,
          .title = title,
          .says = {what, "Nothing was connected. Ask for a new link where you got this one."}};
}

// FAILED, for good. That it could not be written changes nothing for the person: the link runs out by itself.
void fail_link(const Service& service, Link& link, const char* reason, const std::string& text) {
  link.status = LinkStatus::failed;
  link.reason = reason;
  link.text = text;
  link.state_digest.clear();
  link.credential.reset();
  observe::log_event(observe::Level::warn, "connect-failed", reason, {{"provider", link.provider}});
  const auto beside = told(link, "link.failed", {{"reason", reason}});
  auto written = service.deps.vault->tokens().update_link(std::move(link), {}, beside);
  link = written ? std::move(*written) : Link();
  link.text = text;  // for the page, also where it could not be written
}

void revoke(const Service& service, const Link& link, const vault::Credential& credential) {
  if (const auto material =
          material_of(service, link.provider, link.auth, link.config, auth_config_of(service, link), &credential))
    give_back(service, *material, credential);
}

Page unavailable_page() {
  return {.status = 503,
          .title = "This cannot be done just now",
          .says = {"postern cannot write at the moment. Nothing was changed; try again in a minute."}};
}

std::string title_of(const Service& service, const Link& link) {
  const auto provider = service.deps.catalog()->find(link.provider);
  return provider && !provider->title.empty() ? provider->title : link.provider;
}

std::vector<std::pair<std::string, std::string>> facts_of(const Service& service, const Link& link) {
  std::vector<std::pair<std::string, std::string>> out{{"Organization", link.organization},
                                                       {"Project", link.project},
                                                       {"Provider", title_of(service, link)},
                                                       {"Name", link.name}};
  if (link.status == LinkStatus::returned || link.status == LinkStatus::active)
    out.emplace_back("Account", link.account.empty() ? "(the service does not say)" : link.account);
  return out;
}

std::string browser_digest(const Service& service, const std::string& cookie) {
  return base64url(service.deps.vault->keyed_digest("connect-browser", cookie));
}

bool began(const Service& service, const Link& link, const std::string& cookie) {
  return !link.cookie_digest.empty() && vault::Secret(link.cookie_digest).equals(browser_digest(service, cookie));
}

std::string confirmation_of(const Service& service, const Link& link, const std::string& cookie) {
  // The verifier is another one for each way to the provider, so that an older page confirms nothing.
  std::string text = link.id + '\n' + cookie + '\n' + std::string(link.verifier.expose());
  std::string out = base64url(service.deps.vault->keyed_digest("connect-confirm", text));
  vault::wipe(text);
  return out;
}

std::expected<std::string, Page> begin_way(const Service& service, Link link, const std::string& cookie) {
  auto app = auth_config_of(service, link);
  if (!app || !app->enabled)
    return std::unexpected(
        Page{.status = 409,
             .title = "This cannot be connected now",
             .says = {"The provider's settings here are switched off. Ask whoever sent you the link."}});
  const auto material = material_of(service, link.provider, link.auth, link.config, std::move(app), nullptr);
  if (!material || !material->auth->oauth || !material->auth->oauth->authorize)
    return std::unexpected(
        failed_page(409, "This cannot be connected now", "The provider is not known here any more."));
  const std::string state = base64url(random_bytes().expose()), nonce = base64url(random_bytes().expose());
  link.verifier = grants::pkce_verifier(random_bytes().expose());
  const auto asked = asking(*material, service.deps.now_ms(), nonce);
  auto url = grants::authorize_url({.asking = asked,
                                    .redirect_uri = link.redirect_uri,
                                    .state = state,
                                    .verifier = link.verifier.expose(),
                                    .scopes = link.scopes});
  if (!url)
    return std::unexpected(failed_page(409, "This cannot be connected now",
                                       "The settings of the provider are incomplete: " + url.error().text + '.'));
  link.cookie_digest = browser_digest(service, cookie);
  link.status = LinkStatus::opened;
  link.credential.reset();
  link.account.clear();
  const auto beside = told(link, "link.opened");
  const auto written = service.deps.vault->tokens().update_link(std::move(link), state, beside);
  if (!written) return std::unexpected(unavailable_page());
  return std::move(*url);
}

grants::Answer ask_for_tokens(const Service& service, const Material& material,
                              grants::Built<grants::TokenRequest> request) {
  if (!request)
    return {std::unexpected(grants::Failure{grants::Failure::Kind::request, 0, "", request.error().text, std::nullopt}),
            {}};
  auto values = grants::values_of(*material.auth, material.plan.variables, &*material.app, nullptr);
  return exchange(service, {std::move(*request), material.auth->oauth->answer, std::move(values)});
}

Page keep_tokens(Service& service, Link link, const Material& material, grants::Answer answer,
                 const std::string& cookie) {
  const std::string title = title_of(service, link);
  if (!answer.tokens) {
    const auto& failure = answer.tokens.error();
    blame_client(service, link, failure);
    fail_link(service, link, "exchange_failed", failure.text.empty() ? "The service gave no token." : failure.text);
    return failed_page(502, title + " gave no token", link.text);
  }
  auto kept = grants::keep(*material.auth->oauth, *answer.tokens, answer.sent, nullptr, link.connection);
  if (kept.account.empty()) kept.account = account_of(service, link, material, kept.credential);
  if (const auto same = same_account(service, link, kept.account); !same) {
    revoke(service, link, kept.credential);
    fail_link(service, link, "account_mismatch", same.error());
    return failed_page(409, "This is another account", same.error());
  }
  if (auto waits = keep_waiting(service, link, material, std::move(kept)); !waits) return waits.error();
  return returned_page(service, link, cookie);
}

Page come_back(Service& service, Link link, const Parameters& parameters, const std::string& cookie, const Page& used) {
  grants::Callback got;
  for (const auto& [name, into] :
       {std::pair("state", &got.state), std::pair("code", &got.code), std::pair("error", &got.error),
        std::pair("error_description", &got.error_description), std::pair("iss", &got.iss)})
    *into = one_of(parameters, name).value_or("");
  if (auto first = use_state(service, link, used); !first) return first.error();
  auto app = auth_config_of(service, link);
  const bool usable = app && app->enabled;
  const auto material = material_of(service, link.provider, link.auth, link.config, std::move(app), nullptr);
  if (!usable || !material || !material->auth->oauth || !material->auth->oauth->authorize) {
    fail_link(service, link, "exchange_failed", "The provider's settings here were switched off or removed meanwhile.");
    return failed_page(409, "This cannot be connected now", link.text);
  }
  if (!got.iss.empty() && !is_issuer(*material, got.iss)) {
    fail_link(service, link, "wrong_issuer", "The answer came from somebody else than who was asked.");
    return failed_page(400, "The answer came from somebody else", link.text);
  }
  const std::string title = title_of(service, link);
  const auto code = grants::judge_callback(got, {.state = got.state, .issuer = {}});
  if (!code) {
    const bool denied = code.error().kind == grants::Failure::Kind::denied;
    fail_link(service, link, denied ? "denied" : "provider_error", code.error().text);
    return failed_page(400, denied ? "Access was denied" : title + " refused", title + ": " + code.error().text + '.');
  }
  const std::string nonce = base64url(random_bytes().expose());
  auto answer = ask_for_tokens(
      service, *material,
      grants::exchange_code(asking(*material, service.deps.now_ms(), nonce), *code, link.redirect_uri, link.verifier));
  return keep_tokens(service, std::move(link), *material, std::move(answer), cookie);
}

Page connected_page(const Service& service, const Link& link) {
  return {.title = title_of(service, link) + " is connected",
          .says = {"You may close this page."},
          .facts = facts_of(service, link)};
}

}  // namespace postern::admin
