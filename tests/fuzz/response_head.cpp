// Whatever the bytes and the method that was asked: no read outside, the same outcome however they are split, and what
// is accepted is written by the HeadWriter to something that parses equal.
#include "proxy/wire/writer.hpp"
#include "tests/fuzz/outcome.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::wire {
namespace {

Outcome once(std::string_view bytes, std::string_view method, const std::vector<std::size_t>& cuts) {
  return feed<ResponseHead>(bytes, cuts, [method](std::string_view b, ResponseHead& head, Refusal& why) {
    return parse_response_head(b, method, head, why);
  });
}

void check(std::string_view bytes, std::string_view method) {
  const Outcome whole = once(bytes, method, {});
  std::vector<std::size_t> each;
  for (std::size_t i = 0; i < bytes.size(); i += 1 + bytes.size() / 512) each.push_back(i);
  require(once(bytes, method, each) == whole);
  require(once(bytes, method, {bytes.size() / 2}) == whole);
  if (whole.parse != Parse::done) return;

  ResponseHead head, again;
  Refusal why;
  require(parse_response_head(bytes, method, head, why) == Parse::done);
  require(head.body != Body::until_close || !head.keep_alive);
  std::string written;
  HeadWriter writer(written);
  require(writer.status_line(head.status, head.reason));
  for (const Field& field : head.fields.all()) require(writer.field(field.name, field.value));
  writer.end();
  if (head.minor == 0) written.replace(0, 8, "HTTP/1.0");
  if (written.size() > kMaxHead) return;
  require(parse_response_head(written, method, again, why) == Parse::done);
  head.size = again.size = 0;
  require(describe(head) == describe(again));
}

}  // namespace
}  // namespace postern::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = postern::wire::text_of(data, size);
  for (const char* method : {"GET", "HEAD", "CONNECT"}) postern::wire::check(bytes, method);
  return 0;
}
