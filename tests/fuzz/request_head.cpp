// Whatever the bytes: no read outside, the same outcome however they are split, and what is accepted is written by the
// HeadWriter to something that parses equal.
#include "proxy/wire/target.hpp"
#include "proxy/wire/writer.hpp"
#include "tests/fuzz/outcome.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::wire {
namespace {

Outcome once(std::string_view bytes, const std::vector<std::size_t>& cuts) {
  return feed<RequestHead>(bytes, cuts, [](std::string_view b, RequestHead& head, Refusal& why) {
    return parse_request_head(b, head, why);
  });
}

void check(std::string_view bytes) {
  const Outcome whole = once(bytes, {});
  std::vector<std::size_t> each;
  for (std::size_t i = 0; i < bytes.size(); i += 1 + bytes.size() / 512) each.push_back(i);
  require(once(bytes, each) == whole);
  require(once(bytes, {bytes.size() / 2}) == whole);
  if (whole.parse != Parse::done) return;

  RequestHead head, again;
  Refusal why;
  require(parse_request_head(bytes, head, why) == Parse::done);
  std::string written;
  HeadWriter writer(written);
  require(writer.request_line(head.method, head.target));
  for (const Field& field : head.fields.all()) require(writer.field(field.name, field.value));
  writer.end();
  if (head.minor == 0) written.replace(written.find("HTTP/1.1\r\n"), 8, "HTTP/1.0");
  require(written.size() > kMaxHead || parse_request_head(written, again, why) == Parse::done);
  head.size = again.size = 0;
  require(written.size() > kMaxHead || describe(head) == describe(again));

  Target target;
  parse_target(head.method, head.target, target);
}

}  // namespace
}  // namespace postern::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::wire::check(postern::wire::text_of(data, size));
  return 0;
}
