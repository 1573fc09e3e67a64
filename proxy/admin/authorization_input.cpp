#include "proxy/admin/authorization_input.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "config/hosts.hpp"
#include "proxy/admin/connection_text.hpp"
#include "proxy/admin/scope_input.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using vault::Authorization;

constexpr std::size_t kMostItems = 256;
constexpr std::int64_t kLargestBudget = 1'000'000'000'000'000;  // exact in every JSON reader

// An exact host, in lower case without a trailing dot; nullopt: not one. Ports are the connection's to say.
std::optional<std::string> to_host(std::string_view text) {
  std::string host = lower(text);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.pop_back();
  const bool v6 = host.find(':') != std::string::npos;
  if (v6) {
    in6_addr address;
    if (::inet_pton(AF_INET6, host.c_str(), &address) != 1) return std::nullopt;
    return host;
  }
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
  if (host.empty() || host.size() > 253 || !plain || host.front() == '.' || host.find("..") != std::string::npos)
    return std::nullopt;
  return host;
}

bool is_method(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

class Reading {
 public:
  Reading(const Service& service, const Caller& caller, const json::object& body)
      : service_(service), caller_(caller), reader_(body) {}

  std::expected<Authorization, Problem> read();

 private:
  void read_capabilities();
  void read_user();
  void read_project();
  void check_place();
  void read_connections();
  void read_hosts();
  void read_methods();
  void read_paths();
  void read_budget();
  void read_default_for();
  void read_default_for_item(const json::value& item, const std::string& at);
  void read_expiry();
  std::optional<std::int64_t> asked_expiry(std::int64_t now);
  std::optional<FoundConnection> find(std::string_view id_or_alias);
  bool is_listed(const std::string& id) const;

  const Service& service_;
  const Caller& caller_;
  FieldReader reader_;
  Authorization made_;
  std::vector<FieldError> forbidden_;
  std::optional<Problem> failed_;  // the vault could not be asked
};

std::optional<FoundConnection> Reading::find(std::string_view id_or_alias) {
  auto found = find_connection(service_, caller_, id_or_alias);
  if (!found) return std::nullopt;
  return std::move(*found);
}

void Reading::read_capabilities() {
  auto capabilities = reader_.texts("capabilities", 32, 64);
  if (!capabilities) {
    if (!reader_.has("capabilities") || reader_.is_null("capabilities"))
      reader_.mistake("capabilities", "Say what it may do, for example [\"proxy:call\"].");
    return;
  }
  for (std::size_t i = 0; i < capabilities->size(); ++i) {
    const auto& capability = (*capabilities)[i];
    if (!is_capability(capability)) reader_.mistake(fmt::format("capabilities/{}", i), "There is no such capability.");
    // Instance and organization are two levels: what holds a system capability has no organization.
    if (capability.starts_with("system:")) made_.organization.clear();
  }
  made_.capabilities = std::move(*capabilities);
}

// A record of the organization, or a name that stands for nobody we know.
void Reading::read_user() {
  if (!vault::names_user(made_.user) || made_.user == caller_.authorization.user) return;
  if (made_.organization.empty())
    return reader_.mistake("user", "A system authorization stands for no user of an organization.");
  if (!caller_.unbounded()) return;  // refused, whoever it is
  const auto found = service_.deps.vault->scopes().find_user(made_.organization, made_.user);
  if (!found && found.error().code != vault::Error::Code::not_found) failed_ = vault_problem(found.error());
  if (!found || !found->enabled) reader_.mistake("user", "There is no enabled user with this id here.");
}

// Which projects, and as what there: never more than the maker is.
void Reading::read_project() {
  const bool every = reader_.has("project") && reader_.is_null("project");
  const auto project = reader_.text("project", 64);
  if (made_.organization.empty()) {
    if (project || reader_.array("projects") != nullptr)
      reader_.mistake("project", "A system authorization has no project.");
    return;
  }
  if (reader_.has("projects") && !reader_.is_null("projects")) {
    if (project) reader_.mistake("project", "Give project or projects, not both.");
    made_.projects = read_access(service_, caller_, reader_, failed_);
    return;
  }
  if (every) return;
  const std::string id = project ? *project : caller_.home();
  if (id.empty()) return reader_.mistake("project", "Name it, or give `projects`: your own authorization has several.");
  const auto role = caller_.role_in(id);
  if (!role || !is_project(service_, caller_, id, failed_))
    return reader_.mistake("project", "There is no such project here.");
  if (*role == vault::Role::admin)
    made_.project = id;
  else
    made_.projects = {{{id, *role}}};
}

// Where it is to be good for something, its maker makes authorizations.
void Reading::check_place() {
  if (made_.organization.empty()) return;
  const auto check = [this](const char* pointer, std::string_view project) {
    if (!caller_.may_in(project, "authorizations:write"))
      forbidden_.push_back({.pointer = pointer, .parameter = "", .detail = "You make no authorizations there."});
  };
  if (!made_.projects) return check("/project", made_.project);
  for (const auto& access : *made_.projects) check("/projects", access.project);
}

void Reading::read_connections() {
  auto named = reader_.texts("connections", kMostItems, 64);
  if (!named) return;
  if (named->size() == 1 && named->front() == "*") {
    made_.connections = {"*"};
    return;
  }
  for (std::size_t i = 0; i < named->size(); ++i) {
    const std::string at = fmt::format("connections/{}", i);
    if ((*named)[i] == "*") {
      reader_.mistake(at, "`*` has to stand alone.");
      continue;
    }
    const auto found = find((*named)[i]);
    if (!found) {
      reader_.mistake(at, "There is no connection with this id or alias here.");
      continue;
    }
    const auto& c = found->connection;
    if (c.scope == vault::Scope::personal && c.owner != caller_.authorization.user && c.owner != made_.user)
      forbidden_.push_back({.pointer = '/' + at, .parameter = "", .detail = "Only its owner shares a personal one."});
    if (!is_listed(c.id)) made_.connections.push_back(c.id);
  }
}

bool Reading::is_listed(const std::string& id) const {
  const auto& all = made_.connections;
  return std::find(all.begin(), all.end(), id) != all.end();
}

void Reading::read_hosts() {
  const auto hosts = reader_.texts("hosts", kMostItems, 260);
  if (!hosts) return;
  made_.hosts.emplace();
  for (std::size_t i = 0; i < hosts->size(); ++i) {
    if (auto host = to_host((*hosts)[i]))
      made_.hosts->push_back(std::move(*host));
    else
      reader_.mistake(fmt::format("hosts/{}", i), "Has to be a host, without port or wildcard.");
  }
}

void Reading::read_methods() {
  const auto methods = reader_.texts("methods", 32, 32);
  if (!methods) return;
  made_.methods.emplace();
  for (std::size_t i = 0; i < methods->size(); ++i) {
    if (is_method((*methods)[i]))
      made_.methods->push_back((*methods)[i]);
    else
      reader_.mistake(fmt::format("methods/{}", i), "Has to be the name of a method.");
  }
}

void Reading::read_paths() {
  const auto paths = reader_.texts("paths", kMostItems, 1024);
  if (!paths) return;
  made_.paths.emplace();
  for (std::size_t i = 0; i < paths->size(); ++i) {
    if (config::parse_path_prefix((*paths)[i]))
      made_.paths->push_back((*paths)[i]);
    else
      reader_.mistake(fmt::format("paths/{}", i),
                      "Has to be a path that starts with '/', without query, escapes, ';', empty or dot segments.");
  }
}

void Reading::read_budget() {
  const auto* budget = reader_.object("budget");
  if (budget == nullptr) return;
  FieldReader limits(*budget, "/budget");
  limits.refuse_unknown({"total", "writes"});
  for (const auto& [name, limit] : {std::pair("total", &made_.budget.total), {"writes", &made_.budget.writes}}) {
    const auto* value = limits.value(name);
    if (value == nullptr || value->is_null()) continue;
    const bool whole = value->is_int64() && value->get_int64() >= 0 && value->get_int64() <= kLargestBudget;
    if (whole)
      *limit = static_cast<std::uint64_t>(value->get_int64());
    else
      limits.mistake(name, "Has to be a number of calls.");
  }
  for (auto& error : limits.errors) reader_.errors.push_back(std::move(error));
}

// A host; a connection, which is then the default of each of its hosts; or both.
void Reading::read_default_for_item(const json::value& item, const std::string& at) {
  std::string connection, host;
  if (const auto* text = item.if_string()) {
    const bool named = vault::is_reference(*text) && find(*text).has_value();
    (named ? connection : host) = std::string(*text);
  } else if (const auto* object = item.if_object()) {
    FieldReader pair(*object, '/' + at);
    pair.refuse_unknown({"connection", "host"});
    connection = pair.text("connection", 64).value_or("");
    host = pair.text("host", 260).value_or("");
    if (pair.errors.empty() && connection.empty()) pair.mistake("connection", "Name the connection.");
    for (auto& error : pair.errors) reader_.errors.push_back(std::move(error));
    if (!pair.errors.empty()) return;
  } else {
    return reader_.mistake(at, "Has to be a host, a connection, or {\"connection\", \"host\"}.");
  }
  std::optional<std::string> checked;
  if (!host.empty() && !(checked = to_host(host))) return reader_.mistake(at, "Has to be a host or a connection.");
  if (connection.empty()) return made_.default_for.push_back(*checked);
  const auto found = find(connection);
  if (!found) return reader_.mistake(at, "There is no connection with this id or alias here.");
  const auto& c = found->connection;
  if (!is_listed(c.id) && !is_listed("*"))
    return reader_.mistake(at, "Name this connection in `connections` too, or it may not be called.");
  if (checked) return made_.default_for.push_back(c.id + ' ' + *checked);
  for (const auto& to : c.destinations) {
    std::string entry = c.id + ' ' + to.host;
    auto& all = made_.default_for;
    if (std::find(all.begin(), all.end(), entry) == all.end()) all.push_back(std::move(entry));
  }
}

void Reading::read_default_for() {
  for (const char* name : {"default_for", "defaultFor"}) {
    const auto* items = reader_.array(name);
    if (items == nullptr) continue;
    if (items->size() > kMostItems) {
      reader_.mistake(name, "Has too many items.");
      continue;
    }
    for (std::size_t i = 0; i < items->size(); ++i) read_default_for_item((*items)[i], fmt::format("{}/{}", name, i));
  }
}

// nullopt without a mistake: nothing was asked.
std::optional<std::int64_t> Reading::asked_expiry(std::int64_t now) {
  std::optional<std::int64_t> at;
  if (const auto text = reader_.text("expires", 64)) {
    at = parse_time(*text);
    if (!at) {
      if (const auto span = parse_duration(*text)) at = now + *span;
    }
    if (!at) reader_.mistake("expires", "Has to be a time (2030-01-31T12:00:00Z) or a duration (1h, 30m, 7d).");
  }
  if (const auto* seconds = reader_.value("expiresIn"); seconds != nullptr && !seconds->is_null()) {
    boost::system::error_code error;
    const auto n = seconds->is_number() ? seconds->to_number<std::int64_t>(error) : 0;
    if (error || n <= 0 || n > 100LL * 365 * 86'400) {
      reader_.mistake("expiresIn", "Has to be a number of seconds.");
    } else if (at) {
      reader_.mistake("expiresIn", "Give expires or expiresIn, not both.");
    } else {
      at = now + n * 1000;
    }
  }
  return at;
}

void Reading::read_expiry() {
  const auto now = service_.deps.now_ms();
  const auto before = reader_.errors.size();
  const auto asked = asked_expiry(now);
  if (reader_.errors.size() != before) return;
  const char* field = reader_.has("expiresIn") && !reader_.is_null("expiresIn") ? "expiresIn" : "expires";
  const bool system = made_.organization.empty();
  const auto own = caller_.unbounded() ? 0 : caller_.authorization.expires;
  if (asked) {
    made_.expires = *asked;
  } else if (system && reader_.has("expires")) {
    made_.expires = 0;  // null was written: never
  } else {
    made_.expires = own == 0 ? now + kDefaultLifetime : std::min(now + kDefaultLifetime, own);
  }
  if (asked && *asked <= now) reader_.mistake(field, "Is in the past.");
  if (!system && made_.expires > now + kMaxLifetime) reader_.mistake(field, "Has to be within 90 days.");
}

std::expected<Authorization, Problem> Reading::read() {
  reader_.refuse_unknown({"name", "capabilities", "connections", "hosts", "methods", "default_for", "defaultFor",
                          "expires", "expiresIn", "organization", "project", "projects", "user", "budget", "paths",
                          "run"});
  made_.organization = caller_.organization();
  made_.user = reader_.text("user", 128).value_or(caller_.authorization.user);
  made_.parent = caller_.authorization.id;
  if (const auto* name = reader_.value("name"); name == nullptr || !name->is_string() || !name->get_string().empty())
    made_.name = reader_.text("name", 200).value_or("");
  made_.run = reader_.text("run", 200).value_or(caller_.authorization.run);  // what it makes is of the same run
  read_capabilities();
  read_user();
  read_project();
  read_connections();
  read_hosts();
  read_methods();
  read_paths();
  read_budget();
  read_default_for();
  read_expiry();
  if (failed_) return std::unexpected(std::move(*failed_));
  if (!reader_.errors.empty()) return refuse_fields(std::move(reader_.errors));
  check_place();
  for (auto& error : beyond(caller_, made_)) forbidden_.push_back(std::move(error));
  if (!forbidden_.empty()) return refuse_permission(std::move(forbidden_));
  return std::move(made_);
}

}  // namespace

std::expected<Authorization, Problem> read_authorization(const Service& service, const Caller& caller,
                                                         const json::object& body) {
  return Reading(service, caller, body).read();
}

}  // namespace postern::admin
