// The one upgrade that is passed on (RFC 6455 section 4): what asks for it, and what grants it. Everything else that
// calls itself a WebSocket would be a pipe that nobody has agreed to.
#include <algorithm>
#include <optional>

#include "proxy/net/websocket_accept.hpp"
#include "proxy/serve/answer.hpp"
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using wire::FieldId;

constexpr std::size_t kKeySize = 24, kKeyLetters = 22;  // sixteen bytes in base64

// The value of the field that is there once; nullopt: it is absent, or there twice.
std::optional<std::string_view> only(const wire::FieldList& fields, std::string_view name) {
  std::optional<std::string_view> found;
  for (const wire::Field& field : fields.all()) {
    if (!wire::iequals(field.name, name)) continue;
    if (found) return std::nullopt;
    found = field.value;
  }
  return found;
}

bool says_websocket(const wire::FieldList& fields) {
  const wire::Field* upgrade = fields.find(FieldId::upgrade);
  return upgrade != nullptr && upgrade->nominated && only(fields, "Upgrade") &&
         wire::iequals(upgrade->value, "websocket");
}

bool is_key(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return text.size() == kKeySize && text.ends_with("==") &&
         std::all_of(text.begin(), text.begin() + kKeyLetters, letter);
}

}  // namespace

bool asks_for_websocket(const Request& request) {
  const wire::RequestHead& head = request.head;
  if (!says_websocket(head.fields)) return false;
  const auto key = only(head.fields, "Sec-WebSocket-Key");
  return key && is_key(*key) && only(head.fields, "Sec-WebSocket-Version") && head.method == "GET" && head.minor == 1 &&
         head.body == wire::Body::none && !request.changes.body_replaced;
}

bool grants_upgrade(const Call& call) {
  const wire::ResponseHead& answer = call.answer;
  if (!call.upgrades || answer.minor != 1 || !says_websocket(answer.fields)) return false;
  const bool framed = answer.fields.find(FieldId::transfer_encoding) || answer.fields.find(FieldId::content_length);
  const auto accept = only(answer.fields, "Sec-WebSocket-Accept");
  const std::string wanted = net::websocket_accept(*only(call.head.fields, "Sec-WebSocket-Key"));
  return !framed && accept && !wanted.empty() && *accept == wanted;
}

}  // namespace postern::serve
