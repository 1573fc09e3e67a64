#include "proxy/inject/aws_canonical.hpp"

#include <algorithm>

#include "proxy/wire/rewrite.hpp"

namespace postern::inject {
namespace {

// RFC 3986 unreserved: what S3 leaves as it is.
bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// A "%2F" is a character of the key and stays apart from a '/'.
void append_encoded_once(std::string_view path, std::string& out) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    const bool coded = c == '%' && i + 2 < path.size() && hex_value(path[i + 1]) >= 0 && hex_value(path[i + 2]) >= 0;
    if (coded) {
      c = static_cast<char>(hex_value(path[i + 1]) * 16 + hex_value(path[i + 2]));
      i += 2;
    }
    if (c == '/' && !coded)
      out += '/';
    else if (is_unreserved(c))
      out += c;
    else
      wire::percent_encode({&c, 1}, out);
  }
}

void append_resolved(std::string_view path, std::string& out) {
  std::vector<std::string_view> kept;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    at = end + 1;
    if (segment.empty() || segment == ".") continue;
    if (segment != "..")
      kept.push_back(segment);
    else if (!kept.empty())
      kept.pop_back();
  }
  for (const std::string_view segment : kept) {
    out += '/';
    wire::percent_encode(segment, out);
  }
  if (kept.empty() || path.ends_with('/')) out += '/';
}

// "a  b\t c" is signed as "a b c".
void append_trimmed(std::string_view value, std::string& out) {
  bool gap = false;
  const std::size_t start = out.size();
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      gap = out.size() != start;
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
}

}  // namespace

void append_canonical_path(AwsPath kind, std::string_view path, std::string& out) {
  if (path.empty())
    out += '/';
  else if (kind == AwsPath::s3)
    append_encoded_once(path, out);
  else
    append_resolved(path, out);
}

void append_canonical_query(std::string_view query, std::span<const NameValue> extra, std::string& out) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto coded = [](std::string_view raw) {
    std::string text;
    wire::percent_encode(raw, text);
    return text;
  };
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    pairs.emplace_back(coded(wire::percent_decode(pair.substr(0, equals), wire::Plus::space)),
                       coded(wire::percent_decode(value, wire::Plus::space)));
  }
  for (const NameValue& parameter : extra) pairs.emplace_back(coded(parameter.name), coded(parameter.value));
  std::sort(pairs.begin(), pairs.end());
  for (std::size_t i = 0; i < pairs.size(); ++i)
    out.append(i == 0 ? "" : "&").append(pairs[i].first).append("=").append(pairs[i].second);
}

void append_canonical_fields(std::span<const NameValue> fields, std::span<const std::string> names, std::string& out) {
  for (const std::string& name : names) {
    out.append(name).append(":");
    bool first = true;
    for (const NameValue& field : fields) {
      if (!wire::iequals(field.name, name)) continue;
      if (!first) out += ',';
      first = false;
      append_trimmed(field.value, out);
    }
    out += '\n';
  }
}

}  // namespace postern::inject
