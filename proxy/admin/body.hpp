#pragma once
// A request body: a JSON object whose memory is wiped, and a reader that collects every mistake with its pointer.
//
// No message repeats a value that was sent. Thread safety: none needed. A Body owns its value.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/problem.hpp"

namespace postern::admin {

// Media type and form first (415, 400), then the JSON; a member that is named twice is refused (RFC 8259 section 4). An
// empty body is an empty object where `optional`.
std::expected<boost::json::value, Problem> parse_body(const Request& request, bool optional);

// For calls that take nothing: no body, or an empty object.
std::expected<void, Problem> refuse_body(const Request& request);

class FieldReader {
 public:
  // `base`: the pointer of the object itself, "" or "/config".
  explicit FieldReader(const boost::json::object& object, std::string base = "")
      : object_(object), base_(std::move(base)) {}

  // Every member that is not in `known` is a mistake. Its name is repeated only if it cannot be a secret.
  void refuse_unknown(std::initializer_list<std::string_view> known);
  bool has(std::string_view name) const { return object_.contains(name); }
  bool is_null(std::string_view name) const;
  // Absent: nullopt without a mistake. null counts as absent.
  std::optional<std::string> text(std::string_view name, std::size_t most);
  std::optional<bool> flag(std::string_view name);
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t most_items, std::size_t most);
  const boost::json::object* object(std::string_view name);
  const boost::json::array* array(std::string_view name);
  const boost::json::value* value(std::string_view name) const { return object_.if_contains(name); }

  void mistake(std::string_view name, std::string detail);  // at base/name
  std::vector<FieldError> errors;

 private:
  const boost::json::value* present(std::string_view name) const;
  const boost::json::object& object_;
  std::string base_;
};

}  // namespace postern::admin
