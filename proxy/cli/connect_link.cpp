// connect PROVIDER where a person agrees in a browser: makes a link, shows it, waits, and says what came of it.
#include "proxy/cli/connect_link.hpp"

#include <fmt/format.h>

namespace postern::cli {
namespace {

bool is_open(const std::string& status) {
  return status == "PENDING" || status == "OPENED" || status == "RETURNED";
}

Failure outcome(const json::object& link) {
  const std::string status = text_field(link, "status"), reason = text_field(link, "reason");
  if (status == "EXPIRED") return {Exit::failed, "connect: the link has expired before anybody confirmed; start again"};
  const std::string text = text_field(link, "text");
  return {Exit::failed, fmt::format("connect: {}{}{}", reason, text.empty() ? "" : ": ", text)};
}

}  // namespace

Result<json::object> connect_by_link(const json::object& body, Api& api, Session& session) {
  auto link = api.create("links", body);
  if (!link) return link;
  const std::string id = text_field(*link, "id");
  session.note("open this link in a browser, agree there, and confirm:");
  session.note(text_field(*link, "url"));
  while (is_open(text_field(*link, "status"))) {
    session.around.pause();
    auto now = api.get("links/" + encode(id));
    if (!now) return std::unexpected(now.error());
    if (!now->is_object()) return fail(Exit::failed, "answer: links: not a JSON object");
    link = std::move(now->get_object());
  }
  if (text_field(*link, "status") != "ACTIVE") return std::unexpected(outcome(*link));
  auto made = api.get("connections/" + encode(text_field(*link, "connection")));
  if (!made) return std::unexpected(made.error());
  if (!made->is_object()) return fail(Exit::failed, "answer: connections: not a JSON object");
  return std::move(made->get_object());
}

}  // namespace postern::cli
