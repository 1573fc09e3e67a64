// Agreeing on another page (RFC 8628): the service shows where to type which code, and is asked for the tokens when the
// person says that it is done. For who cannot be sent back here by the service.
#include <algorithm>
#include <chrono>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/connect_return.hpp"
#include "proxy/admin/connection_write.hpp"
#include "proxy/admin/desk.hpp"
#include "proxy/grants/device_code.hpp"

namespace postern::admin {
namespace {

using vault::Link;
using vault::LinkStatus;

// What waits in the link between the code and the tokens; the device code is where another link has its verifier.
constexpr const char *kUserCode = "userCode", *kWhere = "verificationUri", *kComplete = "verificationUriComplete";

Page code_page(const Service& service, const Link& link, const std::string& cookie, const std::string& note) {
  const auto text = [&](const char* name) { return std::string(link.credential->values.at(name).expose()); };
  const std::string title = title_of(service, link), complete = text(kComplete);
  Page page{.title = "Enter this code at " + title,
            .says = {"Open the address, sign in, enter the code and agree. Then come back to this page."},
            .facts = facts_of(service, link),
            .code = text(kUserCode),
            .link = complete.empty() ? text(kWhere) : complete};
  if (!note.empty()) page.says.insert(page.says.begin(), note);
  page.forms.push_back({.action = "/connect/" + link.id + "/poll",
                        .label = "I have agreed",
                        .hidden = {{"confirm", confirmation_of(service, link, cookie)}}});
  return page;
}

// The material of a link that can go on; nullopt: it cannot any more.
std::optional<Material> usable_material(const Service& service, const Link& link) {
  auto app = auth_config_of(service, link);
  if (!app || !app->enabled) return std::nullopt;
  auto material = material_of(service, link.provider, link.auth, link.config, std::move(app), nullptr);
  if (!material || !material->auth->oauth || !material->auth->oauth->device) return std::nullopt;
  return material;
}

Page off_page() {
  return {.status = 409,
          .title = "This cannot be connected now",
          .says = {"The provider's settings here are switched off. Ask whoever sent you the link."}};
}

}  // namespace

Page begin_device(const Service& service, Link link, const std::string& cookie) {
  const auto material = usable_material(service, link);
  if (!material) return off_page();
  const std::string nonce = base64url(random_bytes().expose());
  const auto asked = asking(*material, service.deps.now_ms(), nonce);
  auto request = grants::device_request({.asking = asked, .scopes = link.scopes});
  if (!request)
    return failed_page(409, "This cannot be connected now",
                       "The settings of the provider are incomplete: " + request.error().text + '.');
  const auto called = call(service, std::move(*request));
  if (called.delivery.fault != net::Fault::none)
    return failed_page(502, title_of(service, link) + " gave no code", called.delivery.reason);
  auto login =
      grants::read_device_answer(reading_of(*material->auth->oauth, called, material->values), called.delivery.reply);
  if (!login) return failed_page(502, title_of(service, link) + " gave no code", login.error().text);
  link.cookie_digest = browser_digest(service, cookie);
  link.status = LinkStatus::opened;
  link.account.clear();
  link.verifier = std::move(login->device_code);
  auto& values = link.credential.emplace().values;
  values.emplace(kUserCode, vault::Secret(login->user_code));
  values.emplace(kWhere, vault::Secret(login->verification_uri));
  values.emplace(kComplete, vault::Secret(login->verification_uri_complete));
  const auto beside = told(link, "link.opened");
  const auto written = service.deps.vault->tokens().update_link(std::move(link), {}, beside);
  if (!written) return unavailable_page();
  return code_page(service, *written, cookie, "");
}

Page poll_device(Service& service, Link link, const std::string& cookie) {
  const auto material = usable_material(service, link);
  if (!material) return off_page();
  const std::string nonce = base64url(random_bytes().expose());
  auto answer = ask_for_tokens(
      service, *material, grants::device_token_request(asking(*material, service.deps.now_ms(), nonce), link.verifier));
  if (!answer.tokens && grants::next_poll(answer.tokens.error(), std::chrono::seconds(5)))
    return code_page(service, link, cookie,
                     "Not yet: " + title_of(service, link) + " says that nobody has agreed. Try again in a moment.");
  return keep_tokens(service, std::move(link), *material, std::move(answer), cookie);
}

}  // namespace postern::admin
