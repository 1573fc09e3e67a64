#include <algorithm>
#include <map>
#include <set>

#include "proxy/admin/authorization_input.hpp"
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"

namespace postern::admin {
namespace {

using vault::Authorization;

constexpr std::size_t kBatch = 256;

std::unexpected<Problem> no_such_authorization() {
  return refuse("not-found", "There is no authorization with this id here.");
}

// A system caller that names no organization sees the system's too.
std::vector<std::string> organizations(const Caller& caller) {
  if (caller.system() && caller.asked_organization.empty()) return {"", caller.organization()};
  return {caller.organization()};
}

// Every authorization of one organization, in id order behind `after`, until `visit` says false.
std::expected<void, Problem> each_of(const Service& service, const std::string& organization, std::string after,
                                     const std::function<bool(const Authorization&)>& visit) {
  for (;;) {
    auto page = service.deps.vault->list_authorizations(organization, after, kBatch);
    if (!page) return std::unexpected(vault_problem(page.error()));
    for (const auto& a : *page)
      if (!visit(a)) return {};
    if (page->empty()) return {};
    after = page->back().id;
  }
}

// The same over all that the caller may see: two id orders, merged by taking the smaller until `most` are there.
std::expected<void, Problem> scan_authorizations(const Service& service, const Caller& caller, const std::string& after,
                                                 const std::function<bool(const Authorization&)>& visit) {
  const auto all = organizations(caller);
  if (all.size() == 1) {
    return each_of(service, all.front(), after, [&](const Authorization& a) { return !caller.sees(a) || visit(a); });
  }
  // System authorizations are few: they are held while the organization's pass by.
  std::vector<Authorization> system;
  auto read = each_of(service, all[0], after, [&](const Authorization& a) { return system.push_back(a), true; });
  if (!read) return read;
  auto next = system.begin();
  bool more = true;
  read = each_of(service, all[1], after, [&](const Authorization& a) {
    for (; more && next != system.end() && next->id < a.id; ++next) more = !caller.sees(*next) || visit(*next);
    return more = more && (!caller.sees(a) || visit(a));
  });
  if (!read) return read;
  for (; more && next != system.end(); ++next) more = !caller.sees(*next) || visit(*next);
  return {};
}

std::expected<Authorization, Problem> find(const Service& service, const Caller& caller, const std::string& id) {
  if (!vault::is_reference(id)) return no_such_authorization();
  for (const auto& organization : organizations(caller)) {
    auto found = service.deps.vault->find_authorization(organization, id);
    if (found) {
      if (!caller.sees(*found)) return no_such_authorization();
      return std::move(*found);
    }
    if (found.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(found.error()));
  }
  return no_such_authorization();
}

void announce(const Service& service, const Authorization& a) {
  service.deps.announce({.kind = Change::Kind::authorization,
                         .organization = a.organization,
                         .project = a.project,
                         .id = a.id,
                         .ended = true});
}

// Where what this one made may be: a system one makes them for every organization.
std::expected<std::set<std::string>, Problem> levels_below(const Service& service, const Authorization& root) {
  std::set<std::string> levels{root.organization};
  if (!root.organization.empty()) return levels;
  for (std::string after;;) {
    const auto page = service.deps.vault->scopes().list_organizations(after, kBatch);
    if (!page) return std::unexpected(vault_problem(page.error()));
    for (const auto& one : page->data) levels.insert(after = one.id);
    if (!page->has_more || page->data.empty()) return levels;
  }
}

// Everything made by it, by what it made, and so on, in both levels; not itself.
std::expected<std::vector<Authorization>, Problem> descendants(const Service& service, const Authorization& root) {
  // Most tokens could never make another (a step's, an exec's): nothing to look for.
  Caller maker;
  maker.authorization = root;
  if (!maker.may("authorizations:write")) return std::vector<Authorization>();
  std::multimap<std::string, Authorization> by_parent;
  const auto levels = levels_below(service, root);
  if (!levels) return std::unexpected(levels.error());
  for (const auto& organization : *levels) {
    auto read = each_of(service, organization, "", [&](const Authorization& a) {
      if (!a.parent.empty()) by_parent.emplace(a.parent, a);
      return true;
    });
    if (!read) return std::unexpected(read.error());
  }
  std::vector<Authorization> found;
  std::set<std::string> seen{root.id};
  for (std::vector<std::string> parents{root.id}; !parents.empty();) {
    const std::string parent = parents.back();
    parents.pop_back();
    const auto [from, to] = by_parent.equal_range(parent);
    for (auto at = from; at != to; ++at) {
      if (!seen.insert(at->second.id).second) continue;
      parents.push_back(at->second.id);
      found.push_back(at->second);
    }
  }
  return found;
}

std::expected<void, Problem> mark_revoked(const Service& service, Authorization a) {
  for (int attempt = 0; a.revoked == 0; ++attempt) {
    a.revoked = service.deps.now_ms();
    auto written = service.deps.vault->update_authorization(a);
    if (written) break;
    if (written.error().code == vault::Error::Code::not_found) break;
    if (written.error().code != vault::Error::Code::conflict || attempt == 3)
      return std::unexpected(vault_problem(written.error()));
    auto again = service.deps.vault->find_authorization(a.organization, a.id);
    if (!again) break;
    a = std::move(*again);
  }
  announce(service, a);
  return {};
}

bool may_end(const Caller& caller, const Authorization& a) {
  const auto in = [&](std::string_view project) { return caller.may_in(project, "authorizations:write"); };
  if (!a.projects) return in(a.project);
  return std::all_of(a.projects->begin(), a.projects->end(), [&](const auto& one) { return in(one.project); });
}

// Those that were made while their maker was being ended; it makes no more now.
std::expected<void, Problem> end_late_ones(const Service& service, const Authorization& root) {
  auto below = descendants(service, root);
  if (!below) return std::unexpected(below.error());
  for (const auto& one : *below) {
    if (one.revoked != 0) continue;
    if (auto done = mark_revoked(service, one); !done) return std::unexpected(done.error());
  }
  return {};
}

// Ends it and its descendants. The descendants first: if this stops half way, the root still stands and the call can be
// repeated; a living descendant of a dead root could not be found any more.
std::expected<Authorization, Problem> end(Service& service, Call& call) {
  auto root = find(service, call.caller, call.id);
  if (!root) return root;
  if (auto matches = check_if_match(call.request, root->version); !matches) return std::unexpected(matches.error());
  const bool own = root->id == call.caller.authorization.id || root->parent == call.caller.authorization.id;
  Authorization held = *root;
  held.expires = call.caller.authorization.expires;  // that it would end later is no reason to keep it alive
  if (!own && !may_end(call.caller, held))
    return refuse("not-permitted", "Your role where it may be used does not allow this.");
  if (!call.caller.unbounded() && !own && !beyond(call.caller, held).empty())
    return refuse("not-permitted", "It has more than your own authorization; ask an administrator to revoke it.");
  auto below = descendants(service, *root);
  if (!below) return std::unexpected(below.error());
  for (auto at = below->rbegin(); at != below->rend(); ++at)
    if (auto done = mark_revoked(service, *at); !done) return std::unexpected(done.error());
  return root;
}

}  // namespace

Answer list_authorizations(Service& service, Call& call) {
  static constexpr std::string_view kFilters[] = {"search", "status"};
  auto options = read_list_options(call.url, kFilters);
  if (!options) return std::unexpected(options.error());
  std::string search, status;
  for (const auto& [key, value] : call.url.parameters) {
    if (key == "search") search = lower(value);
    if (key == "status") status = lower(value);
  }
  if (!status.empty() && status != "active" && status != "expired" && status != "revoked")
    return refuse_parameter("status", "Has to be ACTIVE, EXPIRED or REVOKED.");
  const auto now = service.deps.now_ms();
  return answer_list(*options, [&](const std::string& after, const Visit& visit) {
    return scan_authorizations(service, call.caller, after, [&](const Authorization& a) {
      const char* is = a.revoked != 0 ? "revoked" : has_ended(a, now) ? "expired" : "active";
      if (!status.empty() && status != is) return true;
      if (!search.empty() && lower(a.name).find(search) == std::string::npos) return true;
      return visit({a.id, a.name, a.created, std::max(a.created, a.revoked)}, [&] { return shown(a, now); });
    });
  });
}

Answer create_authorization(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader place(body->get_object());
  const auto organization = place.text("organization", 64);
  if (!place.errors.empty()) return refuse_fields(std::move(place.errors));
  if (auto entered = enter(service, call.caller, organization, std::nullopt, true); !entered)
    return std::unexpected(entered.error());
  auto wanted = read_authorization(service, call.caller, body->get_object());
  if (!wanted) return std::unexpected(wanted.error());
  auto made = service.deps.vault->create_authorization(std::move(*wanted));
  if (!made) return std::unexpected(vault_problem(made.error()));
  const auto& a = made->authorization;
  Response response = json_response(shown(a, service.deps.now_ms()), 201);
  // The token goes straight into wiped memory: {…,"token":"pst_…"}.
  response.body.pop_back();
  response.body += R"(,"token":")";
  response.body += made->token.expose();
  response.body += "\"}";
  response.fields.emplace_back("Location", "/api/v1/authorizations/" + a.id);
  response.fields.emplace_back("ETag", etag(a.version));
  call.made_token_id = a.id;
  return response;
}

Answer show_authorization(Service& service, Call& call) {
  auto found = find(service, call.caller, call.id);
  if (!found) return std::unexpected(found.error());
  Response response = json_response(shown(*found, service.deps.now_ms()));
  response.fields.emplace_back("ETag", etag(found->version));
  return response;
}

Answer revoke_authorization(Service& service, Call& call) {
  auto root = end(service, call);
  if (!root) return std::unexpected(root.error());
  if (auto done = mark_revoked(service, *root); !done) return std::unexpected(done.error());
  if (auto done = end_late_ones(service, *root); !done) return std::unexpected(done.error());
  return show_authorization(service, call);
}

Answer delete_authorization(Service& service, Call& call) {
  auto root = end(service, call);
  if (!root) return std::unexpected(root.error());
  auto gone = service.deps.vault->erase_authorization(root->organization, root->id);
  if (!gone && gone.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(gone.error()));
  announce(service, *root);
  if (auto done = end_late_ones(service, *root); !done) return std::unexpected(done.error());
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
