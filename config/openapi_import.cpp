// The steps of an import, the entry's text, and the small texts that its files share.
#include "config/openapi_import.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/catalog.hpp"
#include "config/hosts.hpp"
#include "config/openapi_parts.hpp"

namespace postern::config {
namespace {

namespace json = boost::json;

bool plain_key(std::string_view key) {
  return !key.empty() &&
         key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == key.npos &&
         key.front() != '-';
}

std::string quoted(std::string_view text) {
  return json::serialize(json::string(text));  // JSON's quotes and escapes are YAML's
}

std::string scalar_text(const json::value& value) {
  return value.is_string() ? quoted(std::string_view(value.get_string())) : json::serialize(value);
}

// `{header: "X", value: "…"}` on one line: an inject rule, or a list of texts.
std::string on_one_line(const json::value& value) {
  std::string out;
  if (value.is_array()) {
    for (const json::value& item : value.get_array()) out += (out.empty() ? "" : ", ") + on_one_line(item);
    return "[" + out + "]";
  }
  if (!value.is_object()) return scalar_text(value);
  for (const auto& one : value.get_object())
    out += (out.empty() ? "" : ", ") + std::string(plain_key(one.key()) ? std::string(one.key()) : quoted(one.key())) +
           ": " + on_one_line(one.value());
  return "{" + out + "}";
}

void write(const json::object& object, std::size_t indent, std::string& out) {
  for (const auto& one : object) {
    const std::string key = plain_key(one.key()) ? std::string(one.key()) : quoted(one.key());
    out += std::string(indent, ' ') + key + ":";
    const json::value& value = one.value();
    if (value.is_object() && !value.get_object().empty()) {
      out += "\n";
      write(value.get_object(), indent + 2, out);
    } else if (value.is_array() && !value.get_array().empty()) {
      out += "\n";
      for (const json::value& item : value.get_array())
        out += std::string(indent + 2, ' ') + "- " + on_one_line(item) + "\n";
    } else {
      out += " " + on_one_line(value) + "\n";
    }
  }
}

Result<void> check_version(const Node& document) {
  const Node* version = document.find("openapi");
  if (const Node* old = document.find("swagger"))
    return std::unexpected(old->error("this is Swagger 2; convert it to OpenAPI 3 first"));
  if (!version) return std::unexpected(document.error("no 'openapi: 3…': this is not an OpenAPI document"));
  const std::string& text = version->text;
  const bool known =
      version->is_scalar() && (text == "3.0" || text == "3.1" || text == "3.2" || text.starts_with("3.0.") ||
                               text.starts_with("3.1.") || text.starts_with("3.2."));
  if (known) return {};
  return std::unexpected(
      version->error(fmt::format("OpenAPI '{}' is not read; 3.0, 3.1 and 3.2 are", one_line(text, 20))));
}

Result<void> name_it(Import& import) {
  const Node* info = import.document.find("info");
  import.out.title = info ? one_line(member(*info, "title"), 100) : "";
  import.out.id = import.options.id.empty() ? slug(import.out.title, 63) : import.options.id;
  if (import.out.id.empty()) return std::unexpected(import.document.error("its title gives no id: name one with --id"));
  if (import.out.title.empty()) import.out.title = import.out.id;
  if (import.out.id == "import")
    return std::unexpected(Error{"--id", 0, 0, "", "'import' is taken by the API; choose another id with --id"});
  if (auto wrong = import.mistake({"api.example.com"}, {}, {})) return std::unexpected(Error{"--id", 0, 0, "", *wrong});
  return {};
}

void list_hosts(Import& import) {
  for (const json::value& host : import.hosts) import.out.hosts.emplace_back(host.as_string());
}

}  // namespace

std::string member(const Node& node, std::string_view key) {
  const Node* found = node.find(key);
  return found && found->is_scalar() ? found->text : std::string();
}

std::string one_line(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text) {
    const bool space = static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
    if (out.size() > most) break;
  }
  if (out.size() > most) {
    out.resize(most);
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xc0) out.pop_back();
    out += "…";
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::optional<std::string> https_host(std::string_view url) {
  if (!url.starts_with("https://")) return std::nullopt;
  url.remove_prefix(8);
  const auto host = parse_host_port(url.substr(0, url.find_first_of("/?#")), false);
  if (!host) return std::nullopt;
  return host->has_port && host->port != 443 ? join_host_port(host->host, host->port) : host->host;
}

std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '$' ? "$$" : std::string(1, c);
  return out;
}

std::string slug(std::string_view text, std::size_t most) {
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '_' && !out.empty());
    if (fits)
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  out.resize(std::min(out.size(), most));
  while (out.ends_with('-')) out.pop_back();
  return out;
}

std::string free_name(const json::object& taken, const std::string& name, std::string_view joint) {
  std::string out = name;
  for (int n = 2; taken.contains(out); ++n) out = fmt::format("{}{}{}", name, joint, n);
  return out;
}

std::string Import::entry(const json::array& given, const json::object& tenant, const json::object& ways) const {
  json::object tree{{"id", out.id}, {"title", out.title}};
  if (const Node* docs = document.find("externalDocs"); docs && https_host(member(*docs, "url")))
    tree["docs"] = one_line(member(*docs, "url"), 500);
  if (!base_url.empty()) tree["base_url"] = base_url;
  tree["hosts"] = given;
  if (!tenant.empty()) tree["fields"] = tenant;
  tree["auth"] = ways;
  const Node* info = document.find("info");
  std::string text =
      fmt::format("# Imported from {}: OpenAPI {}, version {} of the document.\n",
                  options.file.empty() ? "a document" : one_line(options.file),
                  one_line(member(document, "openapi"), 20), info ? one_line(member(*info, "version"), 40) : "");
  write(tree, 0, text);
  return text;
}

std::optional<std::string> Import::mistake(const json::array& given, const json::object& tenant,
                                           const json::object& ways) const {
  const json::object any{{"any", {{"type", "BEARER"}}}};
  const auto wrong = lint_provider(entry(given, tenant, ways.empty() ? any : ways), out.id + ".yaml", {});
  if (wrong.empty()) return std::nullopt;
  return wrong.front().message;
}

Result<Imported> import_openapi(std::string_view bytes, const ImportOptions& options) {
  auto document = read_outline(bytes, options.file);
  if (!document) return std::unexpected(document.error());
  if (auto fine = check_version(*document); !fine) return std::unexpected(fine.error());
  Import import{.options = options,
                .document = *document,
                .out = {},
                .hosts = {},
                .fields = {},
                .auth = {},
                .base_url = {},
                .variables = {}};
  if (auto fine = name_it(import); !fine) return std::unexpected(fine.error());
  if (auto fine = import_servers(import); !fine) return std::unexpected(fine.error());
  if (auto fine = import_schemes(import); !fine) return std::unexpected(fine.error());
  list_hosts(import);
  if (!import.out.discovery.empty() || !import.out.unconfirmed.empty()) return std::move(import.out);
  import.out.yaml = import.entry(import.hosts, import.fields, import.auth);
  if (import.out.yaml.size() > kMaxImportedEntry)
    return std::unexpected(document->error("the entry would be larger than 128 KiB; leave schemes out with --skip"));
  if (auto wrong = import.mistake(import.hosts, import.fields, import.auth))
    return std::unexpected(document->error("its parts do not fit together: " + *wrong));
  return std::move(import.out);
}

}  // namespace postern::config
