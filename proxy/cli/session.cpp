#include "proxy/cli/session.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <fstream>
#include <iterator>
#include <ostream>

namespace postern::cli {
namespace {

Result<Hidden> read_token(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (!in || text.empty() || text.find_first_of("\r\n ") != std::string::npos) {
    wipe(text);
    return fail(Exit::usage, fmt::format("token file: {}: holds no token; write one pst_… line into it", file));
  }
  return Hidden::take(text);
}

bool flag(const json::object& object, std::string_view key, bool otherwise) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_bool() ? value->get_bool() : otherwise;
}

// The objects of a map of objects, by name; anything else in it is left out.
std::vector<std::pair<std::string, const json::object*>> objects_in(const json::object& object, std::string_view key) {
  std::vector<std::pair<std::string, const json::object*>> out;
  const json::value* map = object.if_contains(key);
  if (map == nullptr || !map->is_object()) return out;
  for (const auto& one : map->get_object())
    if (one.value().is_object()) out.emplace_back(one.key(), &one.value().get_object());
  return out;
}

std::vector<FieldForm> fields_from(const json::object& object, std::string_view key) {
  std::vector<FieldForm> forms;
  for (const auto& [name, field] : objects_in(object, key))
    forms.push_back({name, text_field(*field, "title"), text_field(*field, "example"), text_field(*field, "default"),
                     flag(*field, "secret", false), flag(*field, "required", true)});
  return forms;
}

}  // namespace

std::string text_field(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

ProviderForm form_from(const json::object& entry) {
  ProviderForm form;
  form.id = text_field(entry, "id");
  form.title = text_field(entry, "title");
  form.docs = text_field(entry, "docs");
  form.base_url = text_field(entry, "base_url");
  form.origin = text_field(entry, "source");
  form.enabled = flag(entry, "enabled", true);
  if (const auto* hosts = entry.if_contains("hosts"); hosts != nullptr && hosts->is_array())
    for (const json::value& host : hosts->get_array())
      if (host.is_string()) form.hosts.emplace_back(host.get_string());
  form.variables = fields_from(entry, "fields");
  for (const auto& [name, auth] : objects_in(entry, "auth"))
    form.auth.push_back({name, text_field(*auth, "type"), text_field(*auth, "title"), fields_from(*auth, "fields")});
  return form;
}

Result<Api> Session::api() {
  Endpoint endpoint;
  std::string token_file = globals.token_file;
  if (globals.server.empty()) {
    auto place = around.locate(globals.config, around.environment);
    if (!place) return std::unexpected(place.error());
    endpoint.socket = place->state / "admin.sock";
  } else {
    auto parsed = parse_server(globals.server);
    if (!parsed) return std::unexpected(parsed.error());
    endpoint = std::move(*parsed);
    const auto named = around.environment.find("POSTERN_TOKEN_FILE");
    if (token_file.empty() && named != around.environment.end()) token_file = named->second;
    if (token_file.empty())
      return fail(Exit::usage, "--server: no token: set POSTERN_TOKEN_FILE or --token-file to a file that holds one");
  }
  Hidden token;
  if (!token_file.empty()) {
    auto read = read_token(token_file);
    if (!read) return std::unexpected(read.error());
    token = std::move(*read);
  }
  Query scope;
  if (!globals.organization.empty()) scope.emplace_back("organization", globals.organization);
  if (!globals.project.empty()) scope.emplace_back("project", globals.project);
  return Api(around.dial(endpoint), std::move(token), std::move(scope));
}

Result<ProviderForm> Session::provider(const std::string& id) {
  Result<ProviderForm> local = fail(Exit::not_found, "");
  if (globals.server.empty()) {
    local = around.provider(globals.config, around.environment, id);
    if (local || local.error().exit != Exit::not_found) return local;
  }
  // An imported one is the daemon's alone; without a daemon what the files say is told.
  auto remote = api();
  if (!remote) return globals.server.empty() ? local : std::unexpected(remote.error());
  auto entry = remote->get("providers/" + encode(id));
  if (!entry) return globals.server.empty() ? local : std::unexpected(entry.error());
  if (!entry->is_object()) return fail(Exit::failed, fmt::format("answer: providers/{}: not a JSON object", id));
  return form_from(entry->get_object());
}

Result<std::string> Session::proxy_address(Api& api) {
  auto status = api.get("status");
  if (!status) return std::unexpected(status.error());
  boost::system::error_code absent;
  const json::value* first = status->find_pointer("/proxy/0", absent);
  if (first != nullptr && first->is_string() && !first->get_string().empty())
    return dialled_address(std::string(first->get_string()));
  return fail(Exit::failed, "status: proxy: the daemon names no proxy address; does it listen? see 'postern status'");
}

void Session::print(const std::string& text) {
  around.out << text << std::flush;
}

void Session::print_table(std::span<const Column> columns, const json::array& rows, bool titles) {
  Table made = table(columns, rows, around.width);
  if (!titles) made.text.erase(0, made.text.find('\n') + 1);
  print(made.text);
  if (!titles || made.left_out.empty()) return;
  note(fmt::format("no room on this terminal for {}: see -o json", fmt::join(made.left_out, ", ")));
}

void Session::print_list(const json::object& answer, std::span<const Column> columns) {
  const json::value* data = answer.if_contains("data");
  const json::array none;
  const json::array& rows = data != nullptr && data->is_array() ? data->get_array() : none;
  if (globals.quiet) {
    for (const json::value& row : rows)
      if (row.is_object()) print(text_field(row.get_object(), "id") + "\n");
  } else if (globals.format == Format::json) {
    print(json::serialize(answer) + "\n");
  } else if (globals.format == Format::yaml) {
    print(to_yaml(answer));
  } else {
    print_table(columns, rows);
  }
}

Result<int> Session::show(const std::string& path) {
  auto found = api();
  if (!found) return std::unexpected(found.error());
  auto object = found->get(path);
  if (!object) return std::unexpected(object.error());
  if (object->is_object()) print_object(object->get_object());
  return Exit::ok;
}

Result<int> Session::create(const std::string& path, const json::object& body) {
  auto found = api();
  if (!found) return std::unexpected(found.error());
  auto made = found->create(path, body);
  if (!made) return std::unexpected(made.error());
  print_object(*made);
  return Exit::ok;
}

void Session::print_object(const json::object& object) {
  if (globals.quiet)
    print(text_field(object, "id") + "\n");
  else if (globals.format == Format::json)
    print(json::serialize(object) + "\n");
  else if (globals.format == Format::yaml)
    print(to_yaml(object));
  else
    print(card(object));
}

void Session::note(const std::string& line) {
  around.err << "postern: " << printable(line) << "\n";
}

std::string dialled_address(const std::string& listening) {
  const auto colon = listening.rfind(':');
  if (colon == std::string::npos) return listening;
  const std::string host = listening.substr(0, colon);
  if (host == "0.0.0.0" || host == "*" || host.empty()) return "127.0.0.1" + listening.substr(colon);
  if (host == "[::]") return "[::1]" + listening.substr(colon);
  return listening;
}

namespace {

// A span from now, forwards (1) or back (-1), or a time as it is.
Result<std::string> span_from(const std::string& text, std::int64_t now_ms, int direction, const std::string& flag) {
  if (text.size() >= 20 && text.find('T') == 10) return text;  // the API judges the rest
  std::int64_t amount = 0;
  const auto [unit, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view rest(unit, text.data() + text.size());
  constexpr std::int64_t kMost = 100 * 365;  // days; keeps the sum inside what a clock can show
  const std::int64_t seconds = rest == "s" ? 1 : rest == "m" ? 60 : rest == "h" ? 3600 : rest == "d" ? 86400 : 0;
  if (error != std::errc{} || amount <= 0 || seconds == 0 || amount > kMost * 86400 / seconds)
    return fail(Exit::usage, flag + ": not a time span; write 30m, 12h, 7d or 2030-01-31T12:00:00Z");
  const std::time_t when = static_cast<std::time_t>(now_ms / 1000 + direction * amount * seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(when));
}

}  // namespace

Result<std::string> expiry(const std::string& text, std::int64_t now_ms) {
  return span_from(text, now_ms, 1, "--expires");
}

Result<std::string> ago(const std::string& text, std::int64_t now_ms, const std::string& flag) {
  return span_from(text, now_ms, -1, flag);
}

}  // namespace postern::cli
