// An authorization can make a narrower one, never a wider, in every dimension: each by itself, and all of them at
// random against a model that knows nothing but calls.
#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "proxy/admin/access.hpp"

namespace postern::admin {
namespace {

using vault::Authorization;
using Texts = std::vector<std::string>;

// A maker that is limited in everything.
Caller maker() {
  Caller out;
  Authorization& a = out.authorization;
  a.organization = "org_a";
  a.project = "proj_a";
  a.user = "ann";
  a.capabilities = {"proxy:call", "authorizations:write"};
  a.connections = {"conn_1", "conn_2"};
  a.hosts = Texts{"a.test", "b.test"};
  a.methods = Texts{"GET", "POST"};
  a.paths = Texts{"/v1", "/v2/things/"};
  a.budget = {.total = 100, .writes = 10};
  a.expires = 1'000;
  return out;
}

struct Row {
  const char* what;
  std::function<void(Authorization&)> change;
  const char* pointer;  // of the refusal; empty: it may be made
};

TEST(Attenuation, is_judged_in_every_dimension) {
  const std::vector<Row> rows = {
      {"the same", [](auto&) {}, ""},
      {"a capability less", [](auto& a) { a.capabilities = {"proxy:call"}; }, ""},
      {"no capability", [](auto& a) { a.capabilities = {}; }, ""},
      {"another capability", [](auto& a) { a.capabilities = {"connections:read"}; }, "/capabilities/0"},
      {"every capability", [](auto& a) { a.capabilities = {"proxy:call", "*"}; }, "/capabilities/1"},
      {"one of the system's", [](auto& a) { a.capabilities = {"system:keys"}; }, "/capabilities/0"},
      {"a system authorization", [](auto& a) { a.organization = ""; }, "/capabilities"},
      {"another organization", [](auto& a) { a.organization = "org_b"; }, "/capabilities"},
      {"a connection less", [](auto& a) { a.connections = {"conn_2"}; }, ""},
      {"no connection", [](auto& a) { a.connections = {}; }, "/connections"},
      {"another connection", [](auto& a) { a.connections = {"conn_1", "conn_3"}; }, "/connections/1"},
      {"every connection", [](auto& a) { a.connections = {"*"}; }, "/connections/0"},
      {"a host less", [](auto& a) { a.hosts = Texts{"b.test"}; }, ""},
      {"no host", [](auto& a) { a.hosts = Texts{}; }, ""},
      {"another host", [](auto& a) { a.hosts = Texts{"c.test"}; }, "/hosts/0"},
      {"every host", [](auto& a) { a.hosts.reset(); }, "/hosts"},
      {"a method less", [](auto& a) { a.methods = Texts{"GET"}; }, ""},
      {"another method", [](auto& a) { a.methods = Texts{"GET", "PUT"}; }, "/methods/1"},
      {"every method", [](auto& a) { a.methods.reset(); }, "/methods"},
      {"a path below", [](auto& a) { a.paths = Texts{"/v1/x", "/v2/things"}; }, ""},
      {"a path with a slash more", [](auto& a) { a.paths = Texts{"/v1/"}; }, ""},
      {"no path", [](auto& a) { a.paths = Texts{}; }, ""},
      {"a path above", [](auto& a) { a.paths = Texts{"/v2"}; }, "/paths/0"},
      {"a path beside", [](auto& a) { a.paths = Texts{"/v1", "/v10"}; }, "/paths/1"},
      {"the root", [](auto& a) { a.paths = Texts{"/"}; }, "/paths/0"},
      {"every path", [](auto& a) { a.paths.reset(); }, "/paths"},
      {"a smaller budget", [](auto& a) { a.budget = {.total = 99, .writes = 0}; }, ""},
      {"its maker's budget", [](auto& a) { a.budget = {}; }, ""},
      {"a larger budget", [](auto& a) { a.budget.total = 101; }, "/budget/total"},
      {"a larger budget for writes", [](auto& a) { a.budget.writes = 11; }, "/budget/writes"},
      {"an earlier end", [](auto& a) { a.expires = 999; }, ""},
      {"a later end", [](auto& a) { a.expires = 1'001; }, "/expires"},
      {"no end", [](auto& a) { a.expires = 0; }, "/expires"},
      {"another project", [](auto& a) { a.project = "proj_b"; }, "/project"},
      {"every project", [](auto& a) { a.project = ""; }, "/project"},
      {"another user", [](auto& a) { a.user = "bob"; }, "/user"},
      {"a default of its own connection", [](auto& a) { a.default_for = {"conn_1 a.test"}; }, ""},
      {"a label", [](auto& a) { a.run = "another"; }, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    Authorization wanted = maker().authorization;
    row.change(wanted);
    const auto errors = beyond(maker(), wanted);
    ASSERT_EQ(errors.size(), *row.pointer == '\0' ? 0U : 1U);
    if (!errors.empty()) EXPECT_EQ(errors.front().pointer, row.pointer);
  }
}

TEST(Attenuation, a_maker_without_a_limit_may_set_any) {
  Caller free = maker();
  free.authorization.hosts.reset();
  free.authorization.methods.reset();
  free.authorization.paths.reset();
  free.authorization.budget = {};
  free.authorization.connections = {"*"};
  free.authorization.project = "";
  Authorization wanted = maker().authorization;
  EXPECT_TRUE(beyond(free, wanted).empty());
  wanted.budget = {.total = 1'000'000, .writes = {}};
  wanted.paths.reset();
  EXPECT_TRUE(beyond(free, wanted).empty());
}

// The model: a small world of calls, and which of them an authorization allows.
struct OneCall {
  const char *connection, *host, *method, *path;
  std::int64_t when;
};
const Texts kConnections = {"conn_1", "conn_2", "conn_3"}, kHosts = {"a.test", "b.test"}, kMethods = {"GET", "PUT"},
            kPaths = {"/", "/v1", "/v1/", "/v1/a", "/v1/ab", "/v2"}, kCapabilities = {"proxy:call", "connections:read"};
const Texts kCalledPaths = {"/", "/v1", "/v1/a", "/v1/a/x", "/v1/ab", "/v10", "/v2"};

bool holds(const Texts& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

// By segments, written apart from the code under test.
bool below(std::string path, std::string prefix) {
  if (path.back() != '/') path += '/';
  if (prefix.back() != '/') prefix += '/';
  return path.compare(0, prefix.size(), prefix) == 0;
}

bool allows(const Authorization& a, const OneCall& call) {
  if (!holds(a.connections, "*") && !holds(a.connections, call.connection)) return false;
  if (a.hosts && !holds(*a.hosts, call.host)) return false;
  if (a.methods && !holds(*a.methods, call.method)) return false;
  if (a.paths && std::none_of(a.paths->begin(), a.paths->end(), [&](const auto& p) { return below(call.path, p); }))
    return false;
  return a.expires == 0 || call.when < a.expires;
}

// Whether everything the one can do the other can do as well.
bool is_within(const Authorization& small, const Authorization& large) {
  for (const auto& capability : small.capabilities)
    if (!holds(large.capabilities, capability)) return false;
  const auto beyond_limit = [](const auto& wanted, const auto& limit) { return wanted && limit && *wanted > *limit; };
  if (beyond_limit(small.budget.total, large.budget.total) || beyond_limit(small.budget.writes, large.budget.writes))
    return false;
  for (const auto& connection : kConnections)
    for (const auto& host : kHosts)
      for (const auto& method : kMethods)
        for (const auto& path : kCalledPaths)
          for (const std::int64_t when : {5, 15, 25}) {
            const OneCall call{connection.c_str(), host.c_str(), method.c_str(), path.c_str(), when};
            if (allows(small, call) && !allows(large, call)) return false;
          }
  return true;
}

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  Texts some(const Texts& from) {
    Texts out;
    for (const auto& one : from)
      if (below(2) == 0) out.push_back(one);
    return out;
  }
  std::optional<Texts> limit(const Texts& from) {
    return below(3) == 0 ? std::nullopt : std::optional<Texts>(some(from));
  }
  std::optional<std::uint64_t> calls() { return below(2) == 0 ? std::nullopt : std::optional<std::uint64_t>(below(4)); }
  Authorization authorization() {
    Authorization a;
    a.organization = "org_a";
    a.capabilities = some(kCapabilities);
    a.connections = below(3) == 0 ? Texts{"*"} : some(kConnections);
    a.hosts = limit(kHosts);
    a.methods = limit(kMethods);
    a.paths = limit(kPaths);
    a.budget = {.total = calls(), .writes = calls()};
    a.expires = static_cast<std::int64_t>(10 + 10 * below(3));
    return a;
  }

 private:
  std::mt19937 random_;
};

TEST(Attenuation, whatever_may_be_made_is_within_its_maker) {
  Draw draw(20'271);
  int made = 0;
  for (int i = 0; i < 100'000; ++i) {
    Caller from;
    from.authorization = draw.authorization();
    Authorization wanted = draw.authorization();
    // Most pairs have nothing to do with each other: half of them are a maker with one thing changed.
    if (i % 2 == 0) {
      Authorization near = from.authorization;
      switch (draw.below(6)) {
        case 0:
          near.paths = wanted.paths;
          break;
        case 1:
          near.hosts = wanted.hosts;
          break;
        case 2:
          near.methods = wanted.methods;
          break;
        case 3:
          near.connections = wanted.connections;
          break;
        case 4:
          near.budget = wanted.budget;
          break;
        default:
          near.expires = wanted.expires;
          break;
      }
      wanted = near;
    }
    if (!beyond(from, wanted).empty()) continue;
    ++made;
    ASSERT_TRUE(is_within(wanted, from.authorization)) << i;
  }
  EXPECT_GT(made, 10'000);
}

// And what is refused in a single dimension really is wider there, but for lists of which the maker's is named.
TEST(Attenuation, a_refused_path_is_one_that_the_maker_may_not_call) {
  Draw draw(7);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    Caller from;
    from.authorization = draw.authorization();
    from.authorization.connections = {"*"};
    from.authorization.hosts.reset();
    from.authorization.methods.reset();
    from.authorization.paths = draw.some(kPaths);
    Authorization wanted = from.authorization;
    wanted.paths = draw.some(kPaths);
    if (beyond(from, wanted).empty()) continue;
    ++refused;
    ASSERT_FALSE(is_within(wanted, from.authorization)) << i;
  }
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace postern::admin
