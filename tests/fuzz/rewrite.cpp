// Input: a value, 0x1e, a name or secret. The edits never read outside, never add a line end, and remove what they say.
#include "proxy/wire/rewrite.hpp"

#include "tests/fuzz/outcome.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::wire {
namespace {

void check_query(std::string_view value, std::string_view name) {
  const auto named = [name](std::string_view other) { return other == name; };
  std::string once, twice;
  const std::size_t removed = strip_query(value, named, once);
  require(strip_query(once, named, twice) == 0 && (twice == once || once.empty()));
  require(removed != 0 || once == value);
  append_query(once, name, value);
  std::string rest;
  require(strip_query(once.substr(once.find('?') + 1), named, rest) >= 1);
  std::string encoded;
  percent_encode(value, encoded);
  require(percent_decode(encoded) == value);
  percent_decode(value, Plus::space);
}

void check_cookie(std::string_view value, std::string_view name) {
  std::string once, twice;
  strip_cookie(value, name, once);
  if (!name.empty()) require(strip_cookie(once, name, twice) == 0);
  if (append_cookie(once, name, "a")) require(strip_cookie(once, name, twice) == 1);
}

void check_mask(std::string_view value, std::string_view secret) {
  const std::string_view secrets[] = {secret, "s3cret"};
  const auto masked = mask(value, secrets);
  require(masked.has_value() || value.find("s3cret") == std::string_view::npos);
  require(masked.has_value() || secret.size() < kShortestMasked || value.find(secret) == std::string_view::npos);
}

void check_references(std::string_view value, std::string_view host) {
  const auto yes = [](std::string_view, std::uint16_t) { return true; };
  const CallerForm forms[] = {{}, {.internal_suffix = true}, {.base_url = true, .host = "h", .connection = "c"}};
  const bool lines = value.find_first_of("\r\n") != std::string_view::npos;
  for (const CallerForm& form : forms) {
    for (const FieldId field : {FieldId::location, FieldId::refresh, FieldId::link}) {
      const auto out = rewrite_references(field, value, form, yes);
      require(!out || lines || out->find_first_of("\r\n") == std::string::npos);
      require(!rewrite_references(field, value, form, [](std::string_view, std::uint16_t) { return false; }) ||
              form.base_url);
      // What leads back already is left alone; "/c/c" is a path below the base URL as well, so not in that mode.
      if (out && field == FieldId::location && !form.base_url) require(!rewrite_references(field, *out, form, yes));
    }
  }
  rewrite_references(FieldId::location, host, forms[0], yes);
}

void check(std::string_view input) {
  const std::size_t end = std::min(input.find('\x1e'), input.size());
  const Exact value(input.substr(0, end)), name(input.substr(std::min(input.size(), end + 1)));
  check_query(value.view(), name.view());
  check_cookie(value.view(), name.view());
  check_mask(value.view(), name.view());
  check_references(value.view(), name.view());
}

}  // namespace
}  // namespace postern::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::wire::check(postern::wire::text_of(data, size));
  return 0;
}
