#include <algorithm>
#include <map>
#include <set>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/authorization_input.hpp"
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/scope_input.hpp"

namespace postern::admin {
namespace {

using vault::Authorization;

constexpr std::size_t kBatch = 256;
constexpr std::size_t kMostMakers = 32;  // each of them is looked at whenever the token is loaded

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

// Revoked, whoever else changes it meanwhile; one that is gone is as good. `root`: what was revoked, where this one
// goes with it.
std::expected<void, Problem> mark_revoked(const Service& service, const Call& call, Authorization a,
                                          const std::string& root = {}) {
  for (int attempt = 0; a.revoked == 0; ++attempt) {
    a.revoked = service.deps.now_ms();
    auto written = service.deps.vault->update_authorization(
        a, told(call, "authorization.revoked", root.empty() ? Details() : Details{{"with", root}}));
    if (written) break;
    if (written.error().code == vault::Error::Code::not_found) break;
    if (written.error().code != vault::Error::Code::conflict || attempt == 3)
      return std::unexpected(vault_problem(written.error()));
    auto again = service.deps.vault->find_authorization(a.organization, a.id);
    if (!again) break;
    a = std::move(*again);
  }
  return {};
}

bool may_end(const Caller& caller, const Authorization& a) {
  const auto in = [&](std::string_view project) { return caller.may_in(project, "authorizations:write"); };
  if (!a.projects) return in(a.project);
  return std::all_of(a.projects->begin(), a.projects->end(), [&](const auto& one) { return in(one.project); });
}

// What goes with `root`: many in one write, told as one; where one of them was changed meanwhile, each by itself.
std::expected<void, Problem> mark_revoked(const Service& service, const Call& call, std::vector<Authorization> all,
                                          const std::string& root) {
  std::erase_if(all, [](const Authorization& a) { return a.revoked != 0; });
  for (std::size_t at = 0; at < all.size(); at += kBatch) {
    const std::vector<Authorization> some(all.begin() + std::ptrdiff_t(at),
                                          all.begin() + std::ptrdiff_t(std::min(at + kBatch, all.size())));
    auto revoked = some;
    for (auto& a : revoked) a.revoked = service.deps.now_ms();
    auto beside = told(call, "authorization.revoked", {{"with", root}});
    beside.event->count = some.size();
    if (service.deps.vault->update_authorizations(revoked, beside)) continue;
    for (const auto& a : some)
      if (auto done = mark_revoked(service, call, a, root); !done) return done;
  }
  return {};
}

// Ends it and its descendants. Itself first: from then on none of them is good for anything and none can be made, so
// that those which are marked after it are all. If this stops half way the call can be repeated.
std::expected<Authorization, Problem> end(Service& service, Call& call) {
  auto root = find_authorization(service, call.caller, call.id);
  if (!root) return root;
  if (auto matches = check_if_match(call.request, root->version); !matches) return std::unexpected(matches.error());
  const bool own = root->id == call.caller.authorization.id || root->parent == call.caller.authorization.id;
  Authorization held = *root;
  held.expires = call.caller.authorization.expires;  // that it would end later is no reason to keep it alive
  if (!own && !may_end(call.caller, held))
    return refuse("not-permitted", "Your role where it may be used does not allow this.");
  if (!call.caller.unbounded() && !own && !beyond(call.caller, held).empty())
    return refuse("not-permitted", "It has more than your own authorization; ask an administrator to revoke it.");
  if (auto done = mark_revoked(service, call, *root); !done) return std::unexpected(done.error());
  announce(service, *root);
  auto below = descendants(service, *root);
  if (!below) return std::unexpected(below.error());
  if (auto done = mark_revoked(service, call, std::move(*below), root->id); !done) return std::unexpected(done.error());
  return root;
}

}  // namespace

std::expected<Authorization, Problem> find_authorization(const Service& service, const Caller& caller,
                                                         const std::string& id) {
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

Answer list_authorizations(Service& service, Call& call) {
  static constexpr std::string_view kFilters[] = {"search", "status", "run"};
  auto options = read_list_options(call.url, kFilters);
  if (!options) return std::unexpected(options.error());
  std::string search;
  std::optional<std::string> asked, run;
  for (const auto& [key, value] : call.url.parameters) {
    if (key == "search") search = lower(value);
    if (key == "status") asked = lower(value);
    if (key == "run") run = value;
  }
  const std::string status = asked.value_or("");
  if (asked && status != "active" && status != "expired" && status != "revoked")
    return refuse_parameter("status", "Has to be ACTIVE, EXPIRED or REVOKED.");
  const auto now = service.deps.now_ms();
  return answer_list(*options, [&](const std::string& after, const Visit& visit) {
    return scan_authorizations(service, call.caller, after, [&](const Authorization& a) {
      const char* is = a.revoked != 0 ? "revoked" : has_ended(a, now) ? "expired" : "active";
      if (!status.empty() && status != is) return true;
      if (run && a.run != *run) return true;
      if (!search.empty() && lower(a.name).find(search) == std::string::npos) return true;
      return visit({a.id, a.name, a.created, std::max(a.created, a.revoked)}, [&] { return shown(service, a); });
    });
  });
}

Answer create_authorization(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  if (auto entered = enter_by_body(service, call.caller, body->get_object()); !entered)
    return std::unexpected(entered.error());
  auto wanted = read_authorization(service, call.caller, body->get_object());
  if (!wanted) return std::unexpected(wanted.error());
  const auto makers = vault::makers_of(*service.deps.vault, *wanted);
  if (!makers) return std::unexpected(vault_problem(makers.error()));
  if (makers->size() > kMostMakers)
    return refuse("not-permitted", "Yours was made by too many others, one by the other; ask an earlier one for it.");
  const auto beside =
      made_by(call, 201, told(call, "authorization.created", {{"name", wanted->name}, {"user", wanted->user}}), true);
  auto made = service.deps.vault->create_authorization(std::move(*wanted), beside);
  if (!made) return std::unexpected(vault_problem(made.error()));
  const auto& a = made->authorization;
  Response response = json_response(shown(service, a), 201);
  // The token goes straight into wiped memory: {…,"token":"pst_…"}.
  response.body.pop_back();
  response.body += R"(,"token":")";
  response.body += made->token.expose();
  response.body += "\"}";
  response.fields.emplace_back("Location", "/api/v1/authorizations/" + a.id);
  response.fields.emplace_back("ETag", etag(a.version));
  return response;
}

Answer show_authorization(Service& service, Call& call) {
  auto found = find_authorization(service, call.caller, call.id);
  if (!found) return std::unexpected(found.error());
  Response response = json_response(shown(service, *found));
  response.fields.emplace_back("ETag", etag(found->version));
  return response;
}

Answer revoke_authorization(Service& service, Call& call) {
  auto root = end(service, call);
  if (!root) return std::unexpected(root.error());
  return show_authorization(service, call);
}

Answer delete_authorization(Service& service, Call& call) {
  auto root = end(service, call);
  if (!root) return std::unexpected(root.error());
  auto gone =
      service.deps.vault->erase_authorization(root->organization, root->id, told(call, "authorization.deleted"));
  if (!gone && gone.error().code != vault::Error::Code::not_found) return std::unexpected(vault_problem(gone.error()));
  Response response;
  response.status = 204;
  return response;
}

// In the manner of RFC 7662. Foreign, unknown, ended, child of an ended one: one answer. The token stays in the body's
// memory, which is wiped.
Answer introspect_authorization(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader reader(body->get_object());
  reader.refuse_unknown({"token"});
  const auto* token = reader.value("token");
  if (token == nullptr || !token->is_string()) reader.mistake("token", "Has to be the token to look at (pst_…).");
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  const auto found = service.deps.vault->authenticate(token->get_string());
  if (!found && found.error().code != vault::Error::Code::not_found)
    return std::unexpected(vault_problem(found.error()));
  const bool own = found && found->id == call.caller.authorization.id;
  if (!own && !call.caller.may("authorizations:read"))
    return refuse("not-permitted", "Your authorization does not have the capability authorizations:read.");
  // A system caller who names no organization asks about any.
  if (found && call.caller.system() && call.caller.asked_organization.empty())
    call.caller.asked_organization = found->organization;
  if (!found || !(own || call.caller.sees(*found))) return json_response({{"active", false}});
  const auto alive = is_alive(service, *found);
  if (!alive) return std::unexpected(alive.error());
  if (!*alive) return json_response({{"active", false}});
  boost::json::object out{{"active", true}};
  for (auto& member : shown(service, *found)) out.insert(std::move(member));
  return json_response(out);
}

}  // namespace postern::admin
