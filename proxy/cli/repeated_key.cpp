#include "proxy/cli/repeated_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <set>
#include <vector>

namespace postern::cli {
namespace {

namespace json = boost::json;

// What basic_parser tells of a text: only names of members are of interest here.
class Names {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Error = boost::system::error_code;

  bool on_object_begin(Error&) {
    open_.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, Error&) {
    open_.pop_back();
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, Error&) {
    key_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, Error& error) {
    key_.append(part.data(), part.size());
    if (!open_.back().insert(key_).second) {
      twice_ = std::move(key_);
      error = json::error::syntax;  // ends the parse here
      return false;
    }
    key_.clear();
    return true;
  }
  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_array_begin(Error&) { return true; }
  bool on_array_end(std::size_t, Error&) { return true; }
  bool on_string_part(json::string_view, std::size_t, Error&) { return true; }
  bool on_string(json::string_view, std::size_t, Error&) { return true; }
  bool on_number_part(json::string_view, Error&) { return true; }
  bool on_int64(std::int64_t, json::string_view, Error&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, Error&) { return true; }
  bool on_double(double, json::string_view, Error&) { return true; }
  bool on_bool(bool, Error&) { return true; }
  bool on_null(Error&) { return true; }
  bool on_comment_part(json::string_view, Error&) { return true; }
  bool on_comment(json::string_view, Error&) { return true; }

  const std::optional<std::string>& twice() const { return twice_; }

 private:
  std::vector<std::set<std::string>> open_;  // the names of each object that has begun
  std::string key_;
  std::optional<std::string> twice_;
};

// A name such as the API has, other than a secret that stands in the wrong place.
bool is_plain(const std::string& name) {
  constexpr std::size_t kLongest = 40;
  return !name.empty() && name.size() <= kLongest && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

}  // namespace

std::optional<RepeatedKey> repeated_key(std::string_view text) {
  json::basic_parser<Names> parser{json::parse_options()};
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  const auto& twice = parser.handler().twice();
  if (!twice) return std::nullopt;
  return RepeatedKey{read, is_plain(*twice) ? fmt::format("the key '{}' is there twice; name it once", *twice)
                                            : "a key is there twice; name it once"};
}

}  // namespace postern::cli
