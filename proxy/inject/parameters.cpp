#include "proxy/inject/parameters.hpp"

#include <algorithm>

#include "proxy/wire/field.hpp"
#include "proxy/wire/rewrite.hpp"

namespace postern::inject {

std::string percent_encoded(std::string_view text) {
  std::string out;
  wire::percent_encode(text, out);
  return out;
}

Parameters read_parameters(std::string_view text) {
  Parameters out;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    const std::string_view value = equals == pair.npos ? std::string_view() : pair.substr(equals + 1);
    out.emplace_back(wire::percent_decode(pair.substr(0, equals), wire::Plus::space),
                     wire::percent_decode(value, wire::Plus::space));
  }
  return out;
}

std::string sorted_parameters(const Parameters& parameters) {
  Parameters encoded;
  for (const auto& [name, value] : parameters) encoded.emplace_back(percent_encoded(name), percent_encoded(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) out.append(out.empty() ? "" : "&").append(name).append("=").append(value);
  return out;
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool is_form(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return wire::iequals(type, "application/x-www-form-urlencoded");
}

}  // namespace postern::inject
