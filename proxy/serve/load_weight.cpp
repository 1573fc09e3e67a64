// What callers and connections roughly occupy in memory.
#include "proxy/serve/load.hpp"

namespace postern::serve {
namespace {

// What things cost besides the text in them, as measured with glibc's allocator: a place in the cache with two names, a
// node of a map with two short strings, a rule with its template, an injection with one rule, a block for a secret.
constexpr std::size_t kSlot = 420, kNode = 112, kRule = 240, kInjection = 400, kSecret = 32, kIdentity = 12'000;

}  // namespace

std::size_t weight(const Known& known) {
  const vault::Connection& meta = known.meta;
  // A short string lies in its object; a long one has a block of its own.
  const auto text = [](const std::string& s) { return s.capacity() < 16 ? 0 : s.capacity() + 16; };
  const auto texts = [&](const std::vector<std::string>& all) {
    std::size_t sum = all.capacity() * sizeof(std::string);
    for (const auto& one : all) sum += text(one);
    return sum;
  };
  std::size_t sum = sizeof(Known) + kSlot + text(meta.id) + text(meta.owner) + text(meta.alias) + text(meta.name) +
                    text(meta.config) + text(meta.end_user) + text(meta.status_reason) + texts(meta.tags) +
                    text(known.plan.config_json) + text(known.plan.base_url) + text(known.base_host) +
                    text(known.base_path) + text(known.refused_challenge) + texts(known.strip_fields) +
                    texts(known.strip_query) + texts(known.strip_cookies) + texts(known.pass);
  for (const auto& to : meta.destinations) sum += sizeof(to) + text(to.host) + text(to.path_prefix);
  for (const auto& to : known.plan.destinations) sum += sizeof(to) + text(to.host) + text(to.path_prefix);
  for (const auto& [name, value] : known.plan.variables) sum += kNode + text(name) + text(value);
  for (const auto* told : {&known.plan.sign, &known.plan.sign_with})
    for (const auto& [name, value] : *told) sum += kNode + text(name) + text(value);
  sum += text(known.plan.scheme) + texts(known.plan.required);
  for (const auto& [host, path] : known.forbidden) sum += 2 * sizeof(std::string) + text(host) + text(path);
  return sum + known.plan.inject.capacity() * kRule;
}

std::size_t weight_of_injection(const Known& known) {
  std::size_t sum = kInjection + known.masks.capacity() * sizeof(std::string_view);
  if (known.identity) sum += kIdentity;
  for (const auto& secret : known.secrets) sum += sizeof(secret) + 2 * (secret.size() + kSecret);
  return sum;
}

std::size_t weight(const Caller& caller) {
  const vault::Authorization& a = caller.authorization;
  const std::size_t texts = a.capabilities.size() + a.connections.size() + 2 * caller.permitted.size() +
                            2 * caller.default_for.size() + a.default_for.size() + (a.hosts ? a.hosts->size() : 0) +
                            (a.methods ? a.methods->size() : 0) + (a.paths ? a.paths->size() : 0) +
                            (a.projects ? a.projects->size() : 0) + caller.reach.projects.size() +
                            caller.makers.size() + caller.budgets.size();
  return sizeof(Caller) + kSlot + 8 * kNode + texts * kNode;
}

}  // namespace postern::serve
