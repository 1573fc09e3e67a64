// Random callers, random calls, and what the rules say of each: 20,000 calls, or POSTERN_RULES_CALLS of them, from the
// seed that is printed first (POSTERN_RULES_SEED sets it). No sockets; the vault is in memory, the clock is ours.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <random>

#include "proxy/admin/router.hpp"
#include "rules_model.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;
using model::Names;

constexpr const char* kSecretMark = "canary-";
constexpr std::size_t kMostConnections = 40, kMostAuthorizations = 45;  // of an organization: a list is one page

std::size_t setting(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

json::array to_json(const Names& names) {
  return json::array(names.begin(), names.end());
}

struct Told {
  unsigned status = 0;
  std::string body;
  json::object object() const { return json::parse(body).as_object(); }
  std::string text(const char* name) const { return std::string(object().at(name).as_string()); }
};

class Rules : public testing::Test {
 protected:
  void SetUp() override {
    seed = setting("POSTERN_RULES_SEED", std::random_device()());
    random.seed(seed);
    std::printf("POSTERN_RULES_SEED=%zu\n", seed);
    world.now = 1'800'000'000'000;
    vault::Options options;
    options.store = vault::StoreKind::memory;
    options.state = std::filesystem::path(testing::TempDir()) / ("postern-rules-" + std::to_string(::getpid()));
    options.now_ms = [this] { return world.now; };
    auto made = vault::Vault::create(options);
    ASSERT_TRUE(made) << made.error().message;
    vault = std::move(*made);
    catalog = *config::Catalog::load({});
    service.deps.vault = vault.get();
    service.deps.settings = [] { return std::make_shared<const config::Settings>(); };
    service.deps.catalog = [this] { return catalog; };
    service.deps.declared = [] { return std::vector<vault::Connection>(); };
    service.deps.announce = [](const Change&) {};
    service.deps.not_ready = [] { return std::vector<std::string>(); };
    service.deps.now_ms = [this] { return world.now; };
    service.addresses.admin = "127.0.0.1:8481";
    ASSERT_TRUE(vault->scopes().create_organization({.id = model::kAway, .name = "Away"}));
    for (const auto& organization : {model::kHome, model::kAway})
      ASSERT_TRUE(
          vault->scopes().create_project({.id = model::kSecond, .organization = organization, .name = "Second"}));
    plant("", "", "admin", {"*"});
    plant("", "", "keys", {"system:keys", "connections:read"});
    for (const auto& organization : {model::kHome, model::kAway}) {
      plant(organization, "", "ada", {"*"});
      plant(organization, model::kFirst, "bob", {"*"});
      plant(organization, model::kSecond, "cleo", {"connections:read", "connections:write", "authorizations:write"});
    }
  }

  // One of the first, which nobody made.
  void plant(const std::string& organization, const std::string& project, const std::string& user,
             const Names& capabilities) {
    vault::Authorization a;
    a.organization = organization;
    a.project = project;
    a.user = user;
    a.capabilities.assign(capabilities.begin(), capabilities.end());
    a.connections = {"*"};
    a.expires = organization.empty() ? 0 : world.now + 10 * 365 * 86'400'000LL;
    auto made = vault->create_authorization(a);
    ASSERT_TRUE(made) << made.error().message;
    planted.push_back(made->authorization.id);
    world.authorizations[planted.back()] = {.id = planted.back(),
                                            .token = std::string(made->token.expose()),
                                            .organization = organization,
                                            .project = project,
                                            .user = user,
                                            .parent = "",
                                            .capabilities = capabilities,
                                            .connections = {"*"},
                                            .hosts = std::nullopt,
                                            .methods = std::nullopt,
                                            .expires = a.expires};
  }

  Told ask(const std::string& token, const char* method, const std::string& target,
           const json::object* body = nullptr) {
    Request request;
    request.id = "req_rules";
    request.method = method;
    request.target = target;
    request.fields.emplace_back("host", "127.0.0.1:8481");
    request.fields.emplace_back("authorization", SecretText(("Bearer " + token).c_str()));
    if (body != nullptr) {
      request.fields.emplace_back("content-type", "application/json");
      request.body = json::serialize(*body).c_str();
    }
    auto reply = handle(service, request);
    const Response response = reply.work ? reply.finish(reply.work()) : std::move(reply.response);
    Told told{response.status, std::string(response.body)};
    ++calls;
    ++answered[told.status];
    if (told.body.find(kSecretMark) != std::string::npos) ++secrets;
    const bool shows_token =
        std::string_view(method) == "POST" && target == "/api/v1/authorizations" && told.status == 201;
    if (!shows_token && told.body.find("pst_") != std::string::npos) ++secrets;
    return told;
  }

  // Compares, and says with what seed and in which call it went wrong.
  bool agree(bool same, const model::Authorization& caller, const std::string& what, unsigned status, int wanted) {
    if (same) return true;
    ++disagreements;
    ADD_FAILURE() << "seed " << seed << ", call " << calls << ": " << what << " by "
                  << json::serialize(to_json(caller.capabilities)) << " of '" << caller.organization << "/"
                  << caller.project << "' (" << caller.user << "): " << status << ", the rules say " << wanted;
    return false;
  }

  // The status that comes before any question of what is there: 401, 403, or 0 to go on.
  int door(const model::Authorization& caller, const char* capability) const {
    if (!world.alive(caller)) return 401;
    return caller.may(capability) ? 0 : 403;
  }

  // --- dice
  std::size_t any(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); }
  bool one_in(std::size_t n) { return any(n) == 0; }
  template <class Map>
  const typename Map::mapped_type& any_of(const Map& map) {
    return std::next(map.begin(), std::ptrdiff_t(any(map.size())))->second;
  }
  template <class T>
  const T& pick(const std::vector<T>& all) {
    return all[any(all.size())];
  }
  std::string some_connection() {
    if (world.connections.empty() || one_in(20)) return "conn_00000000000000000000";
    return any_of(world.connections).id;
  }
  Names some(const std::vector<std::string>& all, std::size_t most) {
    Names out;
    for (std::size_t n = any(most + 1); n > 0; --n) out.insert(pick(all));
    return out;
  }

  // --- calls
  void show_connection(const model::Authorization& caller) {
    const auto id = some_connection();
    int wanted = door(caller, "connections:read");
    if (wanted == 0) wanted = world.find(caller, id) != nullptr ? 200 : 404;
    const auto told = ask(caller.token, "GET", "/api/v1/connections/" + id);
    agree(int(told.status) == wanted, caller, "show a connection", told.status, wanted);
  }

  void list(const model::Authorization& caller, const char* path, const char* capability, const Names& visible) {
    const int refused = door(caller, capability);
    const std::vector<std::string> orders{"", "&sortBy=created", "&sortBy=name&sortOrder=desc"};
    const std::string query = path + std::string("?limit=") + (one_in(4) ? "7" : "100") + pick(orders);
    std::vector<std::string> seen;
    std::string cursor;
    for (bool more = true; more;) {
      const auto told = ask(caller.token, "GET", query + (cursor.empty() ? "" : "&cursor=" + cursor));
      const int wanted = refused == 0 ? 200 : refused;
      if (!agree(int(told.status) == wanted, caller, query, told.status, wanted) || wanted != 200) return;
      const auto page = told.object();
      for (const auto& one : page.at("data").as_array()) seen.emplace_back(one.at("id").as_string());
      more = page.at("hasMore").as_bool();
      if (more) cursor = std::string(page.at("cursor").as_string());
    }
    const bool same = Names(seen.begin(), seen.end()) == visible && seen.size() == visible.size();
    agree(same, caller, query + ": what is listed", unsigned(seen.size()), int(visible.size()));
  }

  void create_connection(const model::Authorization& caller) {
    static const std::vector<std::string> kScopes{"PERSONAL", "PROJECT", "ORGANIZATION"};
    const auto scope = any(3);
    json::object body{{"app", "http"},
                      {"type", "BEARER"},
                      {"value", {{"token", kSecretMark + std::to_string(calls)}}},
                      {"config", {{"hosts", {"api.test"}}}},
                      {"scope", kScopes[scope]}};
    model::Connection c{.id = "",
                        .organization = caller.home(),
                        .project = caller.workplace(),
                        .owner = caller.user,
                        .scope = model::Scope(scope)};
    if (one_in(2)) c.owner = pick(std::vector<std::string>{"service", "ada", "bob"});
    body["owner"] = c.owner;
    int wanted = door(caller, "connections:write");
    if (wanted == 0) wanted = model::World::may_own(caller, c.scope, c.owner) ? 201 : 403;
    const auto told = ask(caller.token, "POST", "/api/v1/connections", &body);
    agree(int(told.status) == wanted, caller, "create a connection", told.status, wanted);
    if (told.status != 201) return;
    c.id = told.text("id");
    world.connections[c.id] = c;
  }

  // The refusal of a change, or 0.
  int changing(const model::Authorization& caller, const std::string& id) const {
    if (const int refused = door(caller, "connections:write")) return refused;
    const auto* c = world.find(caller, id);
    if (c == nullptr) return 404;
    return model::World::may_change(caller, *c) ? 0 : 403;
  }

  void change_connection(const model::Authorization& caller) {
    const auto id = some_connection();
    const auto kind = any(4);
    json::object body;
    int wanted = changing(caller, id);
    auto* c = wanted == 0 ? &world.connections.at(id) : nullptr;
    const bool foreign = c != nullptr && model::World::foreign_personal(caller, *c);
    std::function<void()> effect = [] {};
    if (kind == 0) {
      body["name"] = "Name";
      if (foreign) wanted = 403;
    } else if (kind == 1) {
      const bool enabled = one_in(2);
      body["enabled"] = enabled;
      if (foreign && enabled) wanted = 403;
      effect = [c, enabled] { c->enabled = enabled; };
    } else if (kind == 2) {
      static const std::vector<std::string> kScopes{"PERSONAL", "PROJECT", "ORGANIZATION"};
      const auto scope = model::Scope(any(3));
      body["scope"] = kScopes[std::size_t(scope)];
      if (c != nullptr) {
        const bool takes = scope == model::Scope::personal && c->scope != model::Scope::personal;
        const auto owner = takes ? caller.user : c->owner;
        if (foreign || (takes && c->owner != caller.user)) wanted = 403;
        if (scope != c->scope && !model::World::may_own(caller, scope, owner)) wanted = 403;
        effect = [c, scope, owner] {
          c->scope = scope;
          c->owner = owner;
        };
      }
    } else {
      body["value"] = {{"token", kSecretMark + std::to_string(calls)}};
      if (foreign) wanted = 403;
    }
    const bool rotates = kind == 3 && one_in(2);
    const auto told =
        ask(caller.token, rotates ? "POST" : "PATCH", "/api/v1/connections/" + id + (rotates ? "/rotate" : ""), &body);
    if (wanted == 0) wanted = 200;
    agree(int(told.status) == wanted, caller, "change " + json::serialize(body), told.status, wanted);
    if (told.status == 200) effect();
  }

  void delete_connection(const model::Authorization& caller) {
    const auto id = some_connection();
    int wanted = changing(caller, id);
    if (wanted == 0) wanted = 204;
    const auto told = ask(caller.token, "DELETE", "/api/v1/connections/" + id);
    agree(int(told.status) == wanted, caller, "delete a connection", told.status, wanted);
    if (told.status == 204) world.connections.erase(id);
  }

  model::Wanted some_wish(const model::Authorization& caller) {
    static const std::vector<std::string> kCapabilities{"*",
                                                        "proxy:call",
                                                        "connections:read",
                                                        "connections:write",
                                                        "auth_configs:read",
                                                        "providers:read",
                                                        "authorizations:read",
                                                        "authorizations:write",
                                                        "metrics:read",
                                                        "system:keys"};
    model::Wanted wish;
    const std::vector<std::string> held(caller.capabilities.begin(), caller.capabilities.end());
    wish.capabilities = one_in(3) || held.empty() ? some(kCapabilities, 4) : some(held, 3);
    if (wish.capabilities.empty()) wish.capabilities.insert("proxy:call");
    if (one_in(2)) {
      wish.connections = {"*"};
    } else {
      for (std::size_t n = any(4); n > 0; --n) {
        const auto visible = world.visible(caller);
        if (!visible.empty() && !one_in(5))
          wish.connections.insert(*std::next(visible.begin(), std::ptrdiff_t(any(visible.size()))));
        else
          wish.connections.insert(some_connection());
      }
    }
    if (one_in(3)) wish.hosts = some({"api.test", "other.test", "third.test"}, 3);
    if (one_in(3)) wish.methods = some({"GET", "POST", "DELETE"}, 3);
    if (one_in(4)) wish.user = pick(std::vector<std::string>{"ada", "bob", caller.user.empty() ? "ada" : caller.user});
    if (one_in(2)) wish.lifetime = std::int64_t(1 + any(one_in(6) ? 100 * 86'400 : 7'200)) * 1000;
    const bool system = std::any_of(wish.capabilities.begin(), wish.capabilities.end(),
                                    [](const auto& c) { return c.starts_with("system:"); });
    if (!system && one_in(3)) wish.project = pick(std::vector<std::string>{"", model::kFirst, model::kSecond});
    return wish;
  }

  void create_authorization(const model::Authorization& caller) {
    const auto wish = some_wish(caller);
    json::object body{
        {"name", "step"}, {"capabilities", to_json(wish.capabilities)}, {"connections", to_json(wish.connections)}};
    if (wish.hosts) body["hosts"] = to_json(*wish.hosts);
    if (wish.methods) body["methods"] = to_json(*wish.methods);
    if (wish.user) body["user"] = *wish.user;
    if (wish.lifetime) body["expiresIn"] = *wish.lifetime / 1000;
    if (wish.project) body["project"] = wish.project->empty() ? json::value(nullptr) : json::value(*wish.project);
    auto made = world.make(caller, wish);
    if (const int refused = door(caller, "authorizations:write")) made.status = refused;
    const auto told = ask(caller.token, "POST", "/api/v1/authorizations", &body);
    agree(int(told.status) == made.status, caller, "make an authorization " + json::serialize(body), told.status,
          made.status);
    if (told.status != 201 || made.status != 201) return;
    made.authorization.id = told.text("id");
    made.authorization.token = told.text("token");
    world.authorizations[made.authorization.id] = made.authorization;
  }

  void show_authorization(const model::Authorization& caller) {
    const auto& other = any_of(world.authorizations);
    int wanted = door(caller, "authorizations:read");
    if (wanted == 0) wanted = world.sees(caller, other) ? 200 : 404;
    const auto told = ask(caller.token, "GET", "/api/v1/authorizations/" + other.id);
    agree(int(told.status) == wanted, caller, "show an authorization", told.status, wanted);
  }

  void end_authorization(const model::Authorization& caller, const model::Authorization& other, bool forget) {
    int wanted = world.alive(caller) && caller.id == other.id ? 0 : door(caller, "authorizations:write");
    if (wanted == 0 && !world.sees(caller, other)) wanted = 404;
    if (wanted == 0 && !world.may_end(caller, other)) wanted = 403;
    if (wanted == 0) wanted = forget ? 204 : 200;
    const auto id = other.id;
    const auto told =
        ask(caller.token, forget ? "DELETE" : "POST", "/api/v1/authorizations/" + id + (forget ? "" : "/revoke"));
    agree(int(told.status) == wanted, caller, forget ? "forget an authorization" : "revoke one", told.status, wanted);
    if (told.status >= 300) return;
    world.end(id);
    if (forget) world.authorizations.erase(id);
  }

  void show_self(const model::Authorization& caller) {
    const int wanted = world.alive(caller) ? 200 : 401;
    const auto told = ask(caller.token, "GET", "/api/v1/self");
    if (!agree(int(told.status) == wanted, caller, "self", told.status, wanted) || wanted != 200) return;
    Names seen;
    const auto self = told.object();
    for (const auto& one : self.at("callable").as_array()) seen.emplace(one.at("id").as_string());
    const auto callable = world.callable(caller);
    agree(seen == callable, caller, "self: what may be called", unsigned(seen.size()), int(callable.size()));
  }

  // Room for new ones, behind the API's back; what is planted stays.
  void thin_out() {
    std::map<std::string, std::size_t> count;
    Names doomed;
    for (const auto& [id, c] : world.connections)
      if (++count[c.organization] > kMostConnections) doomed.insert(id);
    for (const auto& id : doomed) {
      const auto& c = world.connections.at(id);
      ASSERT_TRUE(vault->erase_connection({c.organization, c.project}, id, 0));
      world.connections.erase(id);
    }
    count.clear();
    doomed.clear();
    for (const auto& [id, a] : world.authorizations)
      if (std::find(planted.begin(), planted.end(), id) == planted.end() &&
          ++count[a.organization] > kMostAuthorizations)
        doomed.insert(id);
    for (const auto& id : doomed) forget(id);
  }

  // It and all that came of it.
  void forget(const std::string& id) {
    Names made;
    for (const auto& [other, a] : world.authorizations)
      if (a.parent == id) made.insert(other);
    for (const auto& other : made) forget(other);
    const auto at = world.authorizations.find(id);
    if (at == world.authorizations.end()) return;
    ASSERT_TRUE(vault->erase_authorization(at->second.organization, id));
    world.authorizations.erase(at);
  }

  void any_call() {
    const auto& caller = one_in(3) ? world.authorizations.at(pick(planted)) : any_of(world.authorizations);
    const auto& other = any_of(world.authorizations);
    const bool spared = std::find(planted.begin(), planted.end(), other.id) != planted.end();
    switch (any(12)) {
      case 0:
        return show_connection(caller);
      case 1:
        return list(caller, "/api/v1/connections", "connections:read", world.visible(caller));
      case 2:
      case 3:
        return create_connection(caller);
      case 4:
      case 5:
        return change_connection(caller);
      case 6:
        return delete_connection(caller);
      case 7:
      case 8:
        return create_authorization(caller);
      case 9:
        return one_in(2) ? show_authorization(caller)
                         : list(caller, "/api/v1/authorizations", "authorizations:read",
                                world.visible_authorizations(caller));
      case 10:
        return spared ? show_self(caller) : end_authorization(caller, other, one_in(2));
      default:
        return show_self(caller);
    }
  }

  std::size_t seed = 0, calls = 0, disagreements = 0, secrets = 0;
  std::map<unsigned, std::size_t> answered;  // by status
  std::mt19937_64 random;
  model::World world;
  std::unique_ptr<vault::Vault> vault;
  std::shared_ptr<const config::Catalog> catalog;
  Service service;
  std::vector<std::string> planted;
};

TEST_F(Rules, hold_for_random_callers_and_calls) {
  const auto wanted = setting("POSTERN_RULES_CALLS", 20'000);
  while (calls < wanted && disagreements < 5 && !HasFatalFailure()) {
    any_call();
    world.now += std::int64_t(any(20'000));
    if (one_in(10)) thin_out();
  }
  std::printf("%zu calls, %zu disagreements, %zu answers with a secret\n", calls, disagreements, secrets);
  EXPECT_EQ(disagreements, 0u);
  EXPECT_EQ(secrets, 0u);
  // A world where everybody may do everything, or nobody anything, would agree with anything.
  for (const unsigned status : {200u, 201u, 204u, 400u, 401u, 403u, 404u})
    EXPECT_GT(answered[status], calls / 200) << status;
}

TEST_F(Rules, that_are_made_wrong_are_noticed) {
  // The comparison itself: a caller that the model takes for a stronger one disagrees at once.
  const auto id = planted[4];  // cleo, without authorizations:read
  world.authorizations.at(id).capabilities.insert("authorizations:read");
  const auto told = ask(world.authorizations.at(id).token, "GET", "/api/v1/authorizations");
  EXPECT_EQ(told.status, 403u);
  EXPECT_EQ(door(world.authorizations.at(id), "authorizations:read"), 0);
}

}  // namespace
}  // namespace postern::admin
