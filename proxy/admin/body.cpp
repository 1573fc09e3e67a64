#include "proxy/admin/body.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parser.hpp>

#include "proxy/admin/json_text.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

// Boost.JSON 1.81 gives some memory back with another alignment than it asked for (a key of a half-read object), so
// alignment is left out: it never asks for more than the default.
class WipingResource final : public json::memory_resource {
  void* do_allocate(std::size_t n, std::size_t) override { return ::operator new(n); }
  void do_deallocate(void* p, std::size_t n, std::size_t) override {
    ::explicit_bzero(p, n);
    ::operator delete(p);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

bool is_json(std::string_view media_type) {
  auto type = lower(media_type.substr(0, media_type.find(';')));
  type.erase(type.find_last_not_of(" \t") + 1);
  return type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

// Members in the text of valid JSON: one for each colon outside of a string.
std::size_t members_in(std::string_view text) {
  std::size_t count = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == ':') {
      ++count;
    }
  }
  return count;
}

// As many are left of them: of two with one name the parser keeps the last.
std::size_t members_of(const json::value& value) {
  std::size_t count = 0;
  if (const auto* array = value.if_array())
    for (const auto& item : *array) count += members_of(item);
  if (const auto* object = value.if_object())
    for (const auto& member : *object) count += 1 + members_of(member.value());
  return count;
}

}  // namespace

json::storage_ptr wiping_storage() {
  static WipingResource resource;  // no state: safe from any thread, until the process ends
  return json::storage_ptr(&resource);
}

std::expected<json::value, Problem> parse_body(const Request& request, bool optional) {
  const auto type = request.field("content-type");
  if (request.body.empty() && optional) return json::value(json::object(), wiping_storage());
  if (!type || !is_json(*type)) {
    return refuse("unsupported-media-type", "Send a JSON object with `Content-Type: application/json`.");
  }
  // The parser's own room is wiped too: the text of a string can be left in it.
  std::array<unsigned char, 4096> room;
  json::value value(nullptr, wiping_storage());
  boost::system::error_code error;
  {
    json::parser parser(wiping_storage(), json::parse_options(), room.data(), room.size());
    parser.reset(wiping_storage());
    parser.write(request.body.data(), request.body.size(), error);
    if (!error) value = parser.release();
  }
  ::explicit_bzero(room.data(), room.size());
  if (error) return refuse("malformed-request", "The body is not valid JSON.");
  if (!value.is_object()) return refuse("malformed-request", "The body has to be a JSON object.");
  if (members_in(std::string_view(request.body)) != members_of(value))
    return refuse("malformed-request", "A member of the body is named twice: name each once.");
  return value;
}

std::expected<void, Problem> refuse_body(const Request& request) {
  auto body = parse_body(request, true);
  if (!body) return std::unexpected(body.error());
  FieldReader reader(body->get_object());
  reader.refuse_unknown({});
  if (!reader.errors.empty()) return refuse_fields(std::move(reader.errors));
  return {};
}

void FieldReader::mistake(std::string_view name, std::string detail) {
  errors.push_back(
      {.pointer = base_ + (name.empty() ? "" : "/" + std::string(name)), .parameter = "", .detail = std::move(detail)});
}

void FieldReader::refuse_unknown(std::initializer_list<std::string_view> known) {
  for (const auto& member : object_) {
    const std::string_view name = member.key();
    if (std::find(known.begin(), known.end(), name) == known.end())
      mistake(is_plain_name(name) ? name : "", "There is no such field here.");
  }
}

bool FieldReader::is_null(std::string_view name) const {
  const auto* value = object_.if_contains(name);
  return value != nullptr && value->is_null();
}

const json::value* FieldReader::present(std::string_view name) const {
  const auto* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<std::string> FieldReader::text(std::string_view name, std::size_t most) {
  const auto* value = present(name);
  if (value == nullptr) return std::nullopt;
  const auto* text = value->if_string();
  if (text == nullptr) {
    mistake(name, "Has to be a string.");
  } else if (text->empty() || text->size() > most) {
    mistake(name, "Has to have 1 to " + std::to_string(most) + " characters.");
  } else if (!is_printable(*text)) {
    mistake(name, "May not hold control characters.");
  } else {
    return std::string(*text);
  }
  return std::nullopt;
}

std::optional<bool> FieldReader::flag(std::string_view name) {
  const auto* value = present(name);
  if (value == nullptr) return std::nullopt;
  if (const bool* flag = value->if_bool()) return *flag;
  mistake(name, "Has to be true or false.");
  return std::nullopt;
}

std::optional<std::vector<std::string>> FieldReader::texts(std::string_view name, std::size_t most_items,
                                                           std::size_t most) {
  const auto* items = array(name);
  if (items == nullptr) return std::nullopt;
  if (items->size() > most_items) {
    mistake(name, "May have at most " + std::to_string(most_items) + " items.");
    return std::nullopt;
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < items->size(); ++i) {
    const auto* text = (*items)[i].if_string();
    if (text == nullptr || text->empty() || text->size() > most || !is_printable(*text)) {
      mistake(std::string(name) + '/' + std::to_string(i),
              "Has to be a string of 1 to " + std::to_string(most) + " characters without control characters.");
    } else {
      out.emplace_back(*text);
    }
  }
  return out;
}

const json::object* FieldReader::object(std::string_view name) {
  const auto* value = present(name);
  if (value == nullptr) return nullptr;
  if (value->is_object()) return &value->get_object();
  mistake(name, "Has to be an object.");
  return nullptr;
}

const json::array* FieldReader::array(std::string_view name) {
  const auto* value = present(name);
  if (value == nullptr) return nullptr;
  if (value->is_array()) return &value->get_array();
  mistake(name, "Has to be an array.");
  return nullptr;
}

}  // namespace postern::admin
