// Providers made from OpenAPI documents: import as a draft, enable, disable, delete.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "config/openapi_import.hpp"
#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/body.hpp"
#include "proxy/admin/if_match.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/provider_text.hpp"
#include "proxy/admin/routes.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::string_view kEnvelope = "application/vnd.postern.import+json";
constexpr std::string_view kTypes[] = {"application/json",
                                       "application/yaml",
                                       "application/x-yaml",
                                       "text/yaml",
                                       "text/x-yaml",
                                       "application/openapi+json",
                                       "application/openapi+yaml",
                                       "application/vnd.oai.openapi",
                                       "application/vnd.oai.openapi+json"};
constexpr std::size_t kMostParameters = 32;
constexpr std::size_t kMostUses = 20;

std::string sha256(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  std::size_t size = digest.size();
  EVP_Q_digest(nullptr, "SHA256", nullptr, bytes.data(), bytes.size(), digest.data(), &size);
  std::string out;
  for (const unsigned char byte : digest) out += fmt::format("{:02x}", byte);
  return out;
}

struct Wanted {
  config::ImportOptions options;
  bool dry_run = false;
  std::string document;  // of an envelope; otherwise the body is the document
  bool enveloped = false;
};

std::expected<void, Problem> read_parameters(const Url& url, Wanted& wanted) {
  config::ImportOptions& options = wanted.options;
  for (const auto& [key, value] : url.parameters) {
    const bool once = key == "id" || key == "baseUrl" || key == "file" || key == "auth";
    std::string* text = key == "id"        ? &options.id
                        : key == "baseUrl" ? &options.base_url
                        : key == "file"    ? &options.file
                                           : &options.auth;
    if (once) {
      if (!text->empty()) return refuse_parameter(key, "Give it once.");
      if (!is_printable(value) || value.size() > 1024)
        return refuse_parameter(key, "At most 1024 printable characters.");
      *text = value;
    } else if (key == "confirmEndpoint") {
      if (options.confirmed.size() == kMostParameters) return refuse_parameter(key, "Too many of these.");
      options.confirmed.insert(lower(value));
    } else if (key == "skip") {
      if (options.skip.size() == kMostParameters) return refuse_parameter(key, "Too many of these.");
      options.skip.insert(value);
    } else if (key == "dryRun") {
      if (value != "true" && value != "false") return refuse_parameter(key, "It is true or false.");
      wanted.dry_run = value == "true";
    } else {
      return refuse_parameter(is_plain_name(key) ? key : "?", "There is no such parameter.");
    }
  }
  return {};
}

// {"document": "…", "discovery": {"https://…": "…"}}: the document with what its openIdConnect schemes point to.
std::expected<void, Problem> read_envelope(const Request& request, Wanted& wanted) {
  boost::system::error_code error;
  json::parse_options limits;
  limits.max_depth = 4;
  const json::value parsed = json::parse(request.body, error, {}, limits);
  if (error || !parsed.is_object()) return refuse("malformed-request", "The body is not a JSON object.");
  FieldReader in(parsed.get_object());
  in.refuse_unknown({"document", "discovery"});
  const json::value* document = in.value("document");
  if (document == nullptr || !document->is_string()) in.mistake("document", "The text of the OpenAPI document.");
  if (const json::object* discovery = in.object("discovery"))
    for (const auto& one : *discovery) {
      if (one.value().is_string())
        wanted.options.discovery.emplace(one.key(), one.value().get_string());
      else
        in.mistake("discovery", "A map of URLs to the texts found there.");
    }
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  wanted.document = std::string_view(document->get_string());
  wanted.enveloped = true;
  return {};
}

std::expected<Wanted, Problem> read_wanted(const Call& call) {
  Wanted wanted;
  if (auto read = read_parameters(call.url, wanted); !read) return std::unexpected(read.error());
  auto type = lower(call.request.field("content-type").value_or(""));
  type = type.substr(0, type.find_first_of("; \t"));
  if (type == kEnvelope) {
    if (auto read = read_envelope(call.request, wanted); !read) return std::unexpected(read.error());
  } else if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) {
    return refuse("unsupported-media-type",
                  "Send the OpenAPI document itself with `Content-Type: application/json` or `application/yaml`.");
  }
  if (!wanted.enveloped && call.request.body.empty()) return refuse("malformed-request", "The body is the document.");
  return wanted;
}

std::unexpected<Problem> refuse_document(const config::Error& error) {
  const char* parameter = error.file == "--id"         ? "id"
                          : error.file == "--base-url" ? "baseUrl"
                          : error.file == "--auth"     ? "auth"
                                                       : nullptr;
  if (parameter != nullptr) return refuse_parameter(parameter, error.message);
  if (error.pointer.empty()) return refuse("invalid-request", error.text());
  return refuse_fields({{.pointer = error.pointer, .parameter = "", .detail = error.message}});
}

json::array array_of(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::unexpected<Problem> incomplete(const config::Imported& found) {
  std::string detail;
  const auto add = [&](const char* what, const std::vector<std::string>& all) {
    if (all.empty()) return;
    detail += (detail.empty() ? "" : " ") + std::string(what);
    for (const std::string& one : all) detail += (&one == &all.front() ? " " : ", ") + one;
    detail += ".";
  };
  add("Send the discovery document of", found.discovery);
  add("Its endpoints are not at their issuer; confirm each host that may see client secrets (confirmEndpoint):",
      found.unconfirmed);
  auto refusal = refuse("import-incomplete", detail);
  refusal.error().more["discovery"] = array_of(found.discovery);
  refusal.error().more["unconfirmed"] = array_of(found.unconfirmed);
  return refusal;
}

json::array remarks_of(const std::vector<config::ImportRemark>& remarks) {
  json::array out;
  for (const config::ImportRemark& one : remarks)
    out.push_back(json::object{{"place", text_or_null(one.place)}, {"text", one.text}});
  return out;
}

json::object report(const config::Imported& found, json::object out) {
  json::array mapped;
  for (const config::MappedAuth& one : found.mapped)
    mapped.push_back(json::object{
        {"auth", one.auth}, {"type", one.type}, {"schemes", array_of(one.schemes)}, {"operations", one.operations}});
  out["endpoints"] = array_of(found.endpoints);
  out["mapped"] = std::move(mapped);
  out["unmapped"] = remarks_of(found.unmapped);
  out["remarks"] = remarks_of(found.remarks);
  return out;
}

std::unexpected<Problem> taken(const std::string& id) {
  return refuse("already-there", fmt::format("There is a provider '{}' already; choose another id.", id));
}

std::unexpected<Problem> not_imported(const Service& service, const std::string& id) {
  if (service.deps.catalog()->find(id))
    return refuse("not-imported", "This provider comes with postern or from a file of a catalog folder.");
  return refuse("not-found", "There is no such provider; GET /api/v1/providers lists them.");
}

std::expected<void, Problem> adopt(Service& service) {
  if (auto done = service.deps.imports_changed(); !done) return not_in_use_yet(done.error());
  return {};
}

Response imported_response(const vault::ImportedProvider& record, unsigned status) {
  Response response = json_response(imported(record), status);
  response.fields.emplace_back("ETag", etag(record.version));
  return response;
}

std::expected<vault::ImportedProvider, Problem> find_changeable(Service& service, const Call& call) {
  auto found = service.deps.vault->imports().find_import(call.id);
  if (!found && found.error().code == vault::Error::Code::not_found) return not_imported(service, call.id);
  if (!found) return std::unexpected(vault_problem(found.error()));
  if (auto matches = check_if_match(call.request, found->version); !matches) return std::unexpected(matches.error());
  return std::move(*found);
}

}  // namespace

Answer import_provider(Service& service, Call& call) {
  const auto wanted = read_wanted(call);
  if (!wanted) return std::unexpected(wanted.error());
  const std::string_view document =
      wanted->enveloped ? std::string_view(wanted->document) : std::string_view(call.request.body);
  const auto found = config::import_openapi(document, wanted->options);
  if (!found) return refuse_document(found.error());
  if (!found->discovery.empty() || !found->unconfirmed.empty()) return incomplete(*found);
  if (service.deps.catalog()->find(found->id)) return taken(found->id);
  vault::ImportedProvider record;
  record.id = found->id;
  record.yaml = found->yaml;
  record.digest = sha256(document);
  if (wanted->dry_run) return json_response(report(*found, imported(record)), 200);
  auto made = service.deps.vault->imports().create_import(std::move(record), told(call, "provider.imported"));
  if (!made && made.error().code == vault::Error::Code::exists) return taken(found->id);
  if (!made) return std::unexpected(vault_problem(made.error()));
  Response response = json_response(report(*found, imported(*made)), 201);
  response.fields.emplace_back("ETag", etag(made->version));
  response.fields.emplace_back("Location", "/api/v1/providers/" + made->id);
  return response;
}

Answer change_provider(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader in(body->get_object());
  in.refuse_unknown({"enabled"});
  const auto enabled = in.flag("enabled");
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  if (!enabled || *enabled == found->enabled) return imported_response(*found, 200);
  if (*enabled) {
    if (service.deps.catalog()->find(found->id)) return taken(found->id);
    const auto parsed = config::parse_provider(found->yaml, "imported:" + found->id);
    if (!parsed) return refuse("invalid-request", "Its entry does not fit this version: " + parsed.error().text());
  }
  auto written = service.deps.vault->imports().enable_import(
      found->id, *enabled, found->version, told(call, *enabled ? "provider.enabled" : "provider.disabled"));
  if (!written) return std::unexpected(vault_problem(written.error()));
  if (auto done = adopt(service); !done) return std::unexpected(done.error());
  return imported_response(*written, 200);
}

Answer delete_provider(Service& service, Call& call) {
  const auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  const auto done =
      service.deps.vault->imports().erase_import(found->id, found->version, told(call, "provider.deleted"));
  if (!done && done.error().code == vault::Error::Code::exists) {
    auto refusal = refuse("in-use", "Connections or auth configs use this provider; delete those in `uses` first.");
    json::array uses;
    if (const auto all = service.deps.vault->imports().uses_of(found->id, kMostUses))
      for (const vault::ProviderUse& one : *all) uses.emplace_back(one.id);
    refusal.error().more["uses"] = std::move(uses);
    return refusal;
  }
  if (!done) return std::unexpected(vault_problem(done.error()));
  if (found->enabled)
    if (auto adopted = adopt(service); !adopted) return std::unexpected(adopted.error());
  Response response;
  response.status = 204;
  return response;
}

}  // namespace postern::admin
