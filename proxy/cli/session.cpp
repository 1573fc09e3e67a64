#include "proxy/cli/session.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

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

std::vector<FieldForm> fields_from(const json::value* fields) {
  std::vector<FieldForm> forms;
  if (fields == nullptr || !fields->is_object()) return forms;
  for (const auto& [name, spec] : fields->get_object()) {
    FieldForm form{.name = name, .title = {}, .example = {}, .default_value = {}};
    if (spec.is_object()) {
      const json::object& object = spec.get_object();
      form.title = text_field(object, "title");
      form.example = text_field(object, "example");
      form.default_value = text_field(object, "default");
      if (const auto* secret = object.if_contains("secret")) form.secret = secret->is_bool() && secret->get_bool();
      if (const auto* required = object.if_contains("required"))
        form.required = !required->is_bool() || required->get_bool();
    }
    forms.push_back(std::move(form));
  }
  return forms;
}

}  // namespace

std::string text_field(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

// The shape of GET /api/v1/providers/{id}, which is the catalog file's: auth and fields are maps.
ProviderForm form_from(const json::object& entry) {
  ProviderForm form;
  form.id = text_field(entry, "id");
  form.title = text_field(entry, "title");
  form.base_url = text_field(entry, "base_url");
  if (const auto* hosts = entry.if_contains("hosts"); hosts != nullptr && hosts->is_array())
    for (const json::value& host : hosts->get_array())
      if (host.is_string()) form.hosts.emplace_back(host.get_string());
  form.variables = fields_from(entry.if_contains("fields"));
  if (const auto* auth = entry.if_contains("auth"); auth != nullptr && auth->is_object())
    for (const auto& [name, spec] : auth->get_object())
      if (spec.is_object())
        form.auth.push_back({name, text_field(spec.get_object(), "type"), text_field(spec.get_object(), "title"),
                             fields_from(spec.get_object().if_contains("fields"))});
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
  return Api(around.dial(endpoint), std::move(token));
}

Result<ProviderForm> Session::provider(const std::string& id) {
  if (globals.server.empty()) return around.provider(globals.config, around.environment, id);
  auto remote = api();
  if (!remote) return std::unexpected(remote.error());
  auto entry = remote->get("providers/" + encode(id));
  if (!entry) return std::unexpected(entry.error());
  if (!entry->is_object()) return fail(Exit::failed, fmt::format("answer: providers/{}: not a JSON object", id));
  return form_from(entry->get_object());
}

Result<std::string> Session::proxy_address(Api& api) {
  auto status = api.get("status");
  if (!status) return std::unexpected(status.error());
  if (status->is_object()) {
    const json::value* proxy = status->get_object().if_contains("proxy");
    if (proxy != nullptr && proxy->is_array() && !proxy->get_array().empty()) proxy = &proxy->get_array().front();
    if (proxy != nullptr && proxy->is_string() && !proxy->get_string().empty())
      return dialled_address(std::string(proxy->get_string()));
  }
  return fail(Exit::failed, "status: proxy: the daemon names no proxy address; does it listen? see 'postern status'");
}

void Session::print(const std::string& text) {
  around.out << text << std::flush;
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
    print(table(columns, rows));
  }
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

Result<std::string> expiry(const std::string& text, std::int64_t now_ms) {
  if (text.size() >= 20 && text.find('T') == 10) return text;  // the API judges the rest
  std::int64_t amount = 0;
  const auto [unit, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::string_view rest(unit, text.data() + text.size());
  constexpr std::int64_t kMost = 100 * 365;  // days; keeps the sum inside what a clock can show
  const std::int64_t seconds = rest == "s" ? 1 : rest == "m" ? 60 : rest == "h" ? 3600 : rest == "d" ? 86400 : 0;
  if (error != std::errc{} || amount <= 0 || seconds == 0 || amount > kMost * 86400 / seconds)
    return fail(Exit::usage, "--expires: not a time span; write 30m, 12h, 7d or 2030-01-31T12:00:00Z");
  const std::time_t when = static_cast<std::time_t>(now_ms / 1000 + amount * seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(when));
}

}  // namespace postern::cli
