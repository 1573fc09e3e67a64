#pragma once
// A request and an answer as plain data: what the routes see. Beast stays in http_server.cpp.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/admin/wiping.hpp"

namespace postern::admin {

// Which listener a request came through: what it may ask and who it is depends on that.
enum class Door : std::uint8_t { tcp, socket, health };

struct Request {
  Request() = default;
  Request(Request&&) = default;
  Request& operator=(Request&&) = default;
  ~Request() {
    wipe(body);
    for (auto& [name, value] : fields) wipe(value);
  }
  // The first value of a field, by lower-case name; absent: nullopt.
  std::optional<std::string_view> field(std::string_view name) const {
    for (const auto& [key, value] : fields)
      if (key == name) return std::string_view(value);
    return std::nullopt;
  }
  std::size_t count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& [key, value] : fields) n += key == name;
    return n;
  }

  Door door = Door::tcp;
  std::optional<unsigned> peer_uid;  // unix socket only
  std::string id;                    // req_…, the `instance` of a problem
  std::string method, target;
  std::vector<std::pair<std::string, SecretText>> fields;  // names in lower case
  SecretText body;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> fields;
  SecretText body;
  bool slow = false;   // a failed token: later ones on this connection wait longer
  bool close = false;  // nothing more on this connection
};

}  // namespace postern::admin
