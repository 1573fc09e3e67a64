#pragma once
// A configuration or catalog mistake, as a value: what, where (file:line:column) and what to do next.
#include <expected>
#include <string>
#include <string_view>

namespace postern::config {

struct Error {
  std::string file;          // path as given, "environment", "flag" or "shipped:stripe.yaml"
  int line = 0;              // 1-based; 0 where there is none
  int column = 0;            // 1-based; 0 where there is none
  std::string pointer;       // JSON pointer to the value where it came as JSON (/config/inject/0), else empty
  std::string message;       // one line: what is wrong and what to do ("unknown key 'lisen', did you mean 'listen'?")
  std::string text() const;  // "postern.yaml:3:1: unknown key …"
};

template <class T>
using Result = std::expected<T, Error>;

}  // namespace postern::config
