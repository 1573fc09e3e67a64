#include "config/reading.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

namespace postern::config {

std::pair<int, int> line_and_column(std::string_view text, std::size_t offset) {
  int line = 1, column = 1;
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++line;
      column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++column;
    }
  }
  return {line, column};
}

std::optional<Error> refuse_bytes(std::string_view text, std::string_view file, std::size_t most,
                                  const char* too_large) {
  if (text.size() > most) return Error{std::string(file), 0, 0, "", too_large};
  const auto odd = std::find_if(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f || byte >= 0xfe;
  });
  if (odd == text.end()) return std::nullopt;
  const auto [line, column] = line_and_column(text, static_cast<std::size_t>(odd - text.begin()));
  return Error{std::string(file), line, column, "",
               fmt::format("control character 0x{:02x}", static_cast<unsigned char>(*odd))};
}

Result<Node> caught(std::string_view file, const char* otherwise, const std::function<Result<Node>()>& read) {
  try {
    return read();
  } catch (const Stop& stop) {
    return std::unexpected(stop.error);
  } catch (const YAML::Exception& e) {
    return std::unexpected(Error{std::string(file), e.mark.line + 1, e.mark.column + 1, "", e.msg});
  } catch (const std::exception& e) {
    return std::unexpected(Error{std::string(file), 0, 0, "", fmt::format("{}: {}", otherwise, e.what())});
  }
}

}  // namespace postern::config
