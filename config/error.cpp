#include "config/error.hpp"

#include <fmt/format.h>

namespace postern::config {

std::string Error::text() const {
  std::string out = file;
  if (line > 0) out += fmt::format("{}{}:{}", out.empty() ? "line " : ":", line, column);
  if (!pointer.empty()) out += fmt::format("{}{}", out.empty() ? "" : ": ", pointer);
  return out.empty() ? message : out + ": " + message;
}

}  // namespace postern::config
