// Input: a method, one space, a target. What is accepted is normal: written out again it parses to the same, and it
// never names two hosts to two readers.
#include "proxy/wire/target.hpp"

#include "tests/fuzz/outcome.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::wire {
namespace {

bool same(const Target& a, const Target& b) {
  return a.host == b.host && a.port == b.port && a.ip_literal == b.ip_literal && a.path_only() == b.path_only() &&
         a.query() == b.query();
}

void check_authority(const Target& target, std::string_view method) {
  require(!target.host.empty() && target.host.size() <= 253 && target.port != 0 && target.port != 80);
  for (const char c : target.host) require((c > ' ' && c < 'A') || c == '_' || (c >= 'a' && c <= 'z'));
  const bool v6 = target.host.find(':') != std::string::npos;
  const std::string authority = (v6 ? "[" + target.host + "]" : target.host) + ":" + std::to_string(target.port);
  HostPort host;
  require(parse_host(authority, host).fault == Fault::none);
  require(host.host == target.host && host.port == target.port && host.ip_literal == target.ip_literal);
  require(!host.internal_suffix);
  if (target.form != Form::absolute || target.path == "*") return;
  std::string written = "http://" + authority;
  target.append_path(written);
  Target again;
  require(parse_target(method, written, again).fault == Fault::none && same(target, again));
}

void check(std::string_view input) {
  const std::string_view method = input.substr(0, input.find(' '));
  const Exact copy(input.substr(std::min(input.size(), method.size() + 1)));
  Target target;
  HostPort host;
  parse_host(copy.view(), host);
  path_is_ambiguous(copy.view());
  const Refusal why = parse_target(method, copy.view(), target);
  require((why.fault == Fault::none) == std::string_view(why.detail).empty());
  if (why.fault != Fault::none) return;
  path_is_ambiguous(target.path);
  require(target.form == Form::authority || !target.path.empty());
  if (target.form == Form::absolute || target.form == Form::authority) check_authority(target, method);
  if (target.form == Form::origin) {
    std::string written = target.base_connection.empty() ? "" : "/c/" + std::string(target.base_connection);
    target.append_path(written);
    Target again;
    require(parse_target(method, written, again).fault == Fault::none && same(target, again));
    require(again.base_connection == target.base_connection);
  }
}

}  // namespace
}  // namespace postern::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::wire::check(postern::wire::text_of(data, size));
  return 0;
}
