#include "proxy/cli/api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace postern::cli {
namespace {

constexpr std::size_t kPage = 100;  // the most that the API gives at once

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Exit exit_for(int status, std::string_view code) {
  if (code == "configuration-invalid") return Exit::config_invalid;
  if (status == 404) return Exit::not_found;
  if (status == 401 || status == 403) return Exit::denied;
  return Exit::failed;
}

Result<json::object> only_object(Result<json::value> answer, std::string_view path) {
  if (!answer) return std::unexpected(answer.error());
  if (!answer->is_object()) return fail(Exit::failed, fmt::format("answer: {}: not a JSON object", path));
  return std::move(answer->get_object());
}

// One of errors[]: where (a pointer into the body, or the name of a parameter) and what.
std::string mistake(const json::object& error) {
  std::string where = text_of(error, "pointer"), what = text_of(error, "message");
  if (where.empty()) where = text_of(error, "parameter");
  return where.empty() ? what : fmt::format("{}: {}", where, what);
}

// Every mistake, each once and with its place first. The detail follows where it says more than they do: of
// `invalid-request` it only repeats one, or points to them.
std::string told(const json::object& problem) {
  const std::string detail = text_of(problem, "detail");
  const json::value* errors = problem.if_contains("errors");
  if (errors == nullptr || !errors->is_array() || errors->get_array().empty()) return "";
  std::string out;
  const auto add = [&out](const std::string& text) {
    if (!out.empty()) out += out.ends_with('.') ? " " : "; ";
    out += text;
  };
  bool repeated = text_of(problem, "code") == "invalid-request";
  for (const json::value& one : errors->get_array()) {
    if (!one.is_object()) continue;
    repeated = repeated || text_of(one.get_object(), "message") == detail;
    add(mistake(one.get_object()));
  }
  if (!repeated && !detail.empty()) add(detail);
  return out;
}

}  // namespace

std::string encode(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain)
      out += static_cast<char>(c);
    else
      out += fmt::format("%{:02X}", c);
  }
  // A segment of dots would be a step in the path.
  return text == "." ? "%2E" : text == ".." ? "%2E%2E" : out;
}

Failure problem(int status, std::string_view path, std::string_view body) {
  boost::system::error_code error;
  json::value parsed = json::parse(body, error);
  if (error || !parsed.is_object())
    return Failure{exit_for(status, ""), fmt::format("status {}: {}: see the daemon's log", status, path)};
  json::object& object = parsed.get_object();
  std::string title = text_of(object, "title"), detail = text_of(object, "detail");
  if (title.empty()) title = fmt::format("status {}", status);
  if (detail.empty()) detail = "see the daemon's log";
  const std::string mistakes = told(object);
  Failure failure{exit_for(status, text_of(object, "code")), ""};
  failure.message = mistakes.empty() ? fmt::format("{}: {}: {}", title, path, detail) : title + ": " + mistakes;
  failure.problem = std::move(object);
  return failure;
}

Result<Response> Api::send(Request request, std::string_view path) {
  for (const auto& [name, value] : scope_)
    request.target +=
        fmt::format("{}{}={}", request.target.find('?') == std::string::npos ? '?' : '&', name, encode(value));
  if (!token_.empty()) request.fields.emplace_back("Authorization", fmt::format("Bearer {}", token_.expose()));
  auto response = transport_->send(request);
  wipe(request.body);
  for (auto& [name, value] : request.fields) wipe(value);
  if (!response) return std::unexpected(response.error());
  if (response->status >= 300) return std::unexpected(problem(response->status, path, response->body));
  return response;
}

Result<json::value> Api::parsed(Result<Response> response, std::string_view path) {
  if (!response) return std::unexpected(response.error());
  if (response->body.empty()) return json::value();
  boost::system::error_code error;
  json::value value = json::parse(response->body, error);
  wipe(response->body);
  if (error) return fail(Exit::failed, fmt::format("answer: {}: not JSON; is this postern's admin address?", path));
  return value;
}

Result<json::value> Api::call(std::string_view method, std::string_view path, std::string_view query,
                              const json::object* body, const HeaderFields& fields) {
  Request request{
      .method = std::string(method), .target = fmt::format("/api/v1/{}{}", path, query), .body = {}, .fields = fields};
  if (body != nullptr) request.body = json::serialize(*body);
  return parsed(send(std::move(request), path), path);
}

Result<json::value> Api::get(std::string_view path) {
  return call("GET", path, "", nullptr);
}

Result<Response> Api::text(std::string_view path) {
  return send({.method = "GET", .target = fmt::format("/api/v1/{}", path), .body = {}, .fields = {}}, path);
}

Result<json::object> Api::create(std::string_view path, const json::object& body, const HeaderFields& fields) {
  return only_object(call("POST", path, "", &body, fields), path);
}

Result<json::object> Api::change(std::string_view path, const json::object& body) {
  return only_object(call("PATCH", path, "", &body), path);
}

Result<json::object> Api::upload(std::string_view path, const Query& query, std::string bytes, std::string_view type) {
  Request request{.method = "POST",
                  .target = fmt::format("/api/v1/{}", path),
                  .body = std::move(bytes),
                  .fields = {{"Content-Type", std::string(type)}}};
  for (const auto& [name, value] : query)
    request.target += fmt::format("{}{}={}", &name == &query.front().first ? "?" : "&", name, encode(value));
  return only_object(parsed(send(std::move(request), path), path), path);
}

Result<void> Api::erase(std::string_view path) {
  auto answer = call("DELETE", path, "", nullptr);
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Result<json::object> Api::list(std::string_view path, const Query& query, const ListRange& range) {
  json::array rows;
  std::string cursor = range.cursor;
  for (;;) {
    const std::size_t wanted = range.limit ? std::min(kPage, *range.limit - rows.size()) : kPage;
    std::string suffix = fmt::format("?limit={}", wanted);
    for (const auto& [name, value] : query) suffix += fmt::format("&{}={}", name, encode(value));
    if (!cursor.empty()) suffix += "&cursor=" + encode(cursor);
    auto page = only_object(call("GET", path, suffix, nullptr), path);
    if (!page) return page;
    json::value* data = page->if_contains("data");
    if (data == nullptr || !data->is_array()) return fail(Exit::failed, fmt::format("answer: {}: no data", path));
    const bool empty = data->get_array().empty();
    for (json::value& row : data->get_array()) rows.push_back(std::move(row));
    const json::value* more = page->if_contains("hasMore");
    cursor = text_of(*page, "cursor");
    const bool ended = more == nullptr || !more->is_bool() || !more->get_bool() || cursor.empty() || empty;
    if (ended || (range.limit && rows.size() >= *range.limit)) {
      (*page)["data"] = std::move(rows);
      return page;
    }
  }
}

Result<Response> Api::probe(std::string_view target) {
  Request request{.method = "GET", .target = std::string(target), .body = {}, .fields = {}};
  return transport_->send(request);
}

}  // namespace postern::cli
