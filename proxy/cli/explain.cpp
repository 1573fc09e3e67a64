// explain: what would become of a request, without making it.
#include <fmt/format.h>

#include <memory>

#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

constexpr std::size_t kWidth = 80, kIndent = 23;  // " 4 authorize  refused  " and the text beside it

struct Flags {
  std::string connection, method, url, as;
  std::vector<std::string> headers;
};

const json::object* object_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

json::array rows_of(const json::object& object, std::string_view key) {
  json::array out;
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_array()) return out;
  for (const json::value& row : value->get_array())
    if (row.is_object()) out.push_back(row);
  return out;
}

// `text` behind `start`, broken between words so that it fits a terminal.
std::string wrapped(std::string start, std::string_view text) {
  std::string out, line = std::move(start);
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word.empty()) continue;
    if (!first && line.size() + 1 + word.size() > kWidth) {
      out += line + '\n';
      line.assign(kIndent, ' ');
      first = true;
    }
    line.append(first ? "" : " ").append(word);
    first = false;
  }
  while (line.ends_with(' ')) line.pop_back();
  return out + line + '\n';
}

std::string step_lines(const json::object& step) {
  const json::value* number = step.if_contains("step");
  std::string start = fmt::format("{:>2} {:<9}  {:<7}  ", number == nullptr ? "" : cell(*number),
                                  printable(text_field(step, "name")), printable(text_field(step, "decision")));
  std::string out;
  for (const char* key : {"detail", "rule", "reason"}) {
    const std::string text = printable(text_field(step, key));
    if (text.empty()) continue;
    out += wrapped(std::exchange(start, std::string(kIndent, ' ')), text);
  }
  return out.empty() ? wrapped(start, "") : out;
}

std::string head_lines(const json::object& request) {
  std::string out = "\n" +
                    printable(fmt::format("{} {}  to {}", text_field(request, "method"), text_field(request, "target"),
                                          text_field(request, "to"))) +
                    "\n";
  for (const json::value& row : rows_of(request, "fields")) {
    const json::object& field = row.get_object();
    out += printable(fmt::format("  {}: {}", text_field(field, "name"), text_field(field, "value"))) + "\n";
  }
  const json::array removed = rows_of(request, "removed");
  if (!removed.empty()) out += "taken out\n";
  for (const json::value& row : removed) {
    const json::object& field = row.get_object();
    out += printable(fmt::format("  {} {}: {}", text_field(field, "place"), text_field(field, "name"),
                                 text_field(field, "reason"))) +
           "\n";
  }
  return out;
}

std::string headline(const json::object& answer) {
  const std::string outcome = text_field(answer, "outcome"), code = text_field(answer, "code");
  const json::value* status = answer.if_contains("status");
  std::string out = outcome;
  if (status != nullptr && !status->is_null()) out += fmt::format(": {}", cell(*status));
  if (!code.empty()) out += " " + code;
  return printable(out) + "\n";
}

std::string pages(const json::object& answer) {
  std::string out = headline(answer);
  for (const json::value& step : rows_of(answer, "steps")) out += step_lines(step.get_object());
  if (const json::value* choices = answer.if_contains("choices"); choices != nullptr && cell(*choices) != "-")
    out += "connections for this host: " + cell(*choices) + "\n";
  if (const std::string url = text_field(answer, "connectUrl"); !url.empty())
    out += "connect it: " + printable(url) + "\n";
  if (const json::object* request = object_of(answer, "request")) out += head_lines(*request);
  return out;
}

Result<json::object> body_of(const Flags& flags) {
  json::object body{{"url", flags.url}};
  if (!flags.connection.empty()) body["connection"] = flags.connection;
  if (!flags.method.empty()) body["method"] = flags.method;
  if (!flags.as.empty()) body["authorization"] = flags.as;
  json::object headers;
  for (const std::string& header : flags.headers) {
    const auto colon = header.find(':');
    if (colon == 0 || colon == std::string::npos)
      return fail(Exit::usage, "-H: no name in it: write -H 'Accept: text/html'");
    std::string_view value = std::string_view(header).substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    json::value& all = headers[header.substr(0, colon)];
    if (!all.is_array()) all = json::array();
    all.get_array().emplace_back(value);
  }
  if (!headers.empty()) body["headers"] = std::move(headers);
  return body;
}

Result<int> explain(const Flags& flags, Session& session) {
  auto body = body_of(flags);
  if (!body) return std::unexpected(body.error());
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto answer = api->create("explain", *body);
  if (!answer) return std::unexpected(answer.error());
  const std::string outcome = text_field(*answer, "outcome");
  if (session.globals.quiet)
    session.print(printable(outcome == "refused" ? text_field(*answer, "code") : outcome) + "\n");
  else if (session.globals.format == Format::table)
    session.print(pages(*answer));
  else
    session.print_object(*answer);
  if (flags.url.starts_with("https://") && !session.globals.quiet)
    session.note(
        "explain: this is an https:// URL as a plain request to the proxy; most clients open a tunnel for one: "
        "postern explain -X CONNECT HOST:443");
  return outcome == "refused" ? Exit::denied : Exit::ok;
}

}  // namespace

void add_explain_verb(CLI::App& root, Command& command) {
  CLI::App* verb = add_verb(root, "explain", "what would become of a request, step by step, without making it",
                            "postern explain -c billing -X POST http://api.stripe.com/v1/charges");
  auto flags = std::make_shared<Flags>();
  verb->add_option("-c,--connection", flags->connection, "id or alias, as X-Connection-Id would name it")
      ->type_name("CONNECTION");
  verb->add_option("-X,--method", flags->method, "default GET")->type_name("METHOD");
  verb->add_option("-H,--header", flags->headers, "a field of the request, 'Name: value'; repeat for more")
      ->type_name("FIELD")
      ->allow_extra_args(false);
  verb->add_option("--as", flags->as, "as this authorization would call; default: as you")->type_name("tok_…");
  verb->add_option("url", flags->url,
                   "http://host/path, /c/CONNECTION/path of base-URL mode, or host:port with -X CONNECT")
      ->required();
  verb->footer(
      verb->get_footer() +
      "\n\nNothing is sent, renewed or looked up in DNS, and no credential is opened. -q prints the outcome, or "
      "the\ncode of the refusal. Exit codes: 0 it would be forwarded, 4 refused, 3 no such authorization.");
  verb->callback(
      [&command, flags] { command.action = [flags](Session& session) { return explain(*flags, session); }; });
}

}  // namespace postern::cli
