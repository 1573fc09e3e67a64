// The last click: tokens that waited become a connection, or are given back.
#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connect_return.hpp"
#include "proxy/admin/connection_write.hpp"
#include "proxy/admin/desk.hpp"
#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

using vault::Link;
using vault::LinkStatus;

constexpr int kTries = 4;  // against others who write the same record

// The person who asked for the link may still have it.
bool is_wanted(const Service& service, const Link& link) {
  if (link.requested_by.empty()) return true;
  for (const std::string& organization : {link.organization, std::string()}) {
    const auto found = service.deps.vault->find_authorization(organization, link.requested_by);
    if (!found) continue;
    if (found->revoked != 0) return false;
    // One that has merely run out had asked while it could, and so had its makers: as of the beginning of time.
    const auto standing = vault::standing_of(*service.deps.vault, *found, 0);
    if (!standing) return false;
    const auto* user = standing->user ? &*standing->user : nullptr;
    return organization.empty() || vault::allows(*found, user, link.project, "connections:write");
  }
  return false;
}

grants::Kept take_waiting(const Service& service, Link& link, const std::string& id) {
  grants::Kept kept{.credential = std::move(*link.credential), .account = link.account};
  link.credential.reset();
  if (const auto end = kept.credential.values.extract(kRefreshExpires))
    kept.refresh_expires = std::stoll(std::string(end.mapped().expose()));
  kept.expires = grants::expires_of(kept.credential);
  if (const auto provider = service.deps.catalog()->find(link.provider))
    if (const auto auth = provider->auth.find(link.auth); auth != provider->auth.end() && auth->second.oauth)
      kept.touch = grants::touch_of(*auth->second.oauth, kept.credential, id);
  return kept;
}

// The id is written into the link before the connection is made, so that a second click makes no second one.
std::expected<vault::Connection, vault::Error> make_connection(Service& service, Link& link) {
  if (link.connection.empty()) {
    link.connection = vault::new_id("conn");
    auto claimed = service.deps.vault->tokens().update_link(std::move(link));
    if (!claimed) return std::unexpected(claimed.error());
    link = std::move(*claimed);
  }
  const auto material =
      material_of(service, link.provider, link.auth, link.config, auth_config_of(service, link), nullptr);
  if (!material) return vault::fail(vault::Error::Code::invalid, "link: its provider left the catalog");
  vault::Connection meta;
  meta.id = link.connection;
  meta.organization = link.organization;
  meta.project = link.project;
  meta.scope = link.scope;
  meta.owner = link.owner;
  meta.alias = link.alias;
  meta.name = link.name;
  meta.app = link.provider;
  meta.auth = link.auth;
  meta.type = material->auth->type;
  meta.auth_config = link.auth_config;
  meta.config = material->plan.config_json;
  meta.destinations =
      to_destinations(narrowed(material->plan.destinations, material->app ? material->app->hosts : std::nullopt));
  meta.end_user = link.end_user;
  meta.tags = link.tags;
  if (meta.alias.empty()) meta.alias = free_alias(service, meta);
  const auto kept = take_waiting(service, link, meta.id);
  set_token_facts(meta, kept);
  meta.last_refresh = service.deps.now_ms();
  const auto beside = told(link, "connection.created", {{"app", meta.app}, {"type", meta.type}});
  return service.deps.vault->create_connection(std::move(meta), kept.credential, beside);
}

std::expected<vault::Connection, vault::Error> renew_connection(Service& service, Link& link) {
  const auto kept = take_waiting(service, link, link.connection);
  for (int tries = 0;; ++tries) {
    auto meta = service.deps.vault->find_connection({link.organization, link.project}, link.connection);
    if (!meta) return meta;
    if (meta->status != vault::Status::active) meta->status_since = service.deps.now_ms();
    meta->status = vault::Status::active;
    meta->status_reason.clear();
    meta->status_text.clear();
    const std::string account = meta->account;
    set_token_facts(*meta, kept);
    if (meta->account.empty()) meta->account = account;
    meta->last_refresh = service.deps.now_ms();
    meta->previous_until = 0;  // what the service has given out before is its to end
    auto written =
        service.deps.vault->rotate_credential(std::move(*meta), kept.credential, told(link, "connection.reconnected"));
    if (written || written.error().code != vault::Error::Code::conflict || tries == kTries) return written;
  }
}

}  // namespace

Page activate(Service& service, Link link) {
  if (!is_wanted(service, link)) {
    revoke(service, link, *link.credential);
    fail_link(service, link, "cancelled", "Whoever made the link may not connect anything any more.");
    return failed_page(403, "This link is not valid any more", link.text);
  }
  const bool again = reconnects(link);
  auto made = again ? renew_connection(service, link) : make_connection(service, link);
  if (!made && made.error().code == vault::Error::Code::exists && !again) {
    // Made by an earlier click whose answer was lost, or its alias was taken meanwhile.
    auto there = service.deps.vault->find_connection({link.organization, link.project}, link.connection);
    if (!there)
      return {.status = 409,
              .title = "The alias is taken",
              .says = {"Another connection took the alias “" + link.alias +
                       "” meanwhile. Free it, go back and press Connect again; or ask for a new link."}};
    made = std::move(*there);
  }
  if (!made && made.error().code == vault::Error::Code::conflict) {
    auto now = service.deps.vault->tokens().find_link(link.id);
    if (now && now->status == LinkStatus::active) return connected_page(service, *now);
  }
  if (!made) return unavailable_page();
  announce(service, *made, false);
  observe::log_event(observe::Level::info, "connected", again ? "again" : "new",
                     {{"connection", made->id}, {"provider", made->app}});
  link.connection = made->id;
  link.status = LinkStatus::active;
  link.credential.reset();
  if (auto written = service.deps.vault->tokens().update_link(std::move(link)))
    return connected_page(service, *written);
  return unavailable_page();
}

Page give_up(Service& service, Link link) {
  const auto credential = std::move(link.credential);
  fail_link(service, link, "cancelled", "The person cancelled it.");
  if (credential) revoke(service, link, *credential);
  return {.title = "Cancelled", .says = {"Nothing was connected. You may close this page."}};
}

}  // namespace postern::admin
