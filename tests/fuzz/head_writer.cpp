// Input: parts separated by 0x1e: method, target, then names and values in turn. Whatever they are, what the writer
// wrote is one request line, the fields it said yes to and one empty line, and reads back as such.
#include "proxy/wire/bytes.hpp"
#include "proxy/wire/writer.hpp"
#include "tests/fuzz/outcome.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::wire {
namespace {

std::string_view part(std::string_view& rest) {
  const std::string_view text = rest.substr(0, rest.find('\x1e'));
  rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  return text;
}

void check(std::string_view rest) {
  std::string out;
  HeadWriter writer(out);
  const std::string_view method = part(rest), target = part(rest);
  if (!writer.request_line(method, target)) {
    require(out.empty());
    require(writer.request_line("GET", "/"));
  }
  std::string expected;
  std::size_t lines = 1;
  bool host = false;
  while (!rest.empty()) {
    const std::string_view name = part(rest), value = part(rest);
    const std::size_t before = out.size();
    if (!writer.field(name, value)) {
      require(out.size() == before);
      continue;
    }
    host = host || iequals(name, "Host");
    expected += "|" + std::string(name) + ":" + std::string(trim_ows(value));
    ++lines;
  }
  if (!host) {
    require(writer.field("Host", "a"));
    expected += "|Host:a";
    ++lines;
  }
  writer.end();

  std::size_t ends = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    require(out[i] != '\0');
    if (out[i] == '\r') require(i + 1 < out.size() && out[i + 1] == '\n');
    if (out[i] == '\n') require(i > 0 && out[i - 1] == '\r' && ++ends != 0);
  }
  require(ends == lines + 1 && out.ends_with("\r\n\r\n") && out.find("\r\n\r\n") == out.size() - 4);

  RequestHead head;
  Refusal why;
  const Parse parse = parse_request_head(out, head, why);
  require(parse != Parse::more);
  if (parse != Parse::done) return;  // well formed, and refused for what it says
  for (Field& field : head.fields.all()) field.nominated = false;
  require(head.size == out.size() && describe(head.fields) == expected);
}

}  // namespace
}  // namespace postern::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::wire::check(postern::wire::text_of(data, size));
  return 0;
}
