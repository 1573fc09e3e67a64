#include "proxy/app_declared.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "proxy/grants/client_certificate.hpp"
#include "proxy/serve/load.hpp"

namespace postern {
namespace {

constexpr std::size_t kMostSecret = 64 * 1024;

// Stable for an alias, and with the look of an id: 20 characters of lower-case Crockford base32.
std::string id_of_alias(std::string_view alias) {
  static constexpr char kDigits[] = "0123456789abcdefghjkmnpqrstvwxyz";
  const std::string text = "postern declared connection\n" + std::string(alias);
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash);
  std::string id = "conn_";
  for (int i = 0; i < 20; ++i) id += kDigits[hash[i] & 31];
  return id;
}

std::expected<std::string, std::string> read_secret(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::unexpected(file.string() + " cannot be read; check that it exists and its mode");
  std::string value((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();  // editors and `echo` add one
  if (value.size() > kMostSecret) {
    vault::wipe(value);
    return std::unexpected(file.string() + " is larger than 64 KiB; a secret is expected there");
  }
  return value;
}

vault::Connection describe(const config::DeclaredConnection& row, const config::Plan& plan, std::int64_t now_ms) {
  vault::Connection meta;
  meta.id = row.id.empty() ? id_of_alias(row.alias) : row.id;
  meta.owner = "service";
  meta.alias = row.alias;
  meta.name = row.name.empty() ? row.alias : row.name;
  meta.app = row.app;
  meta.auth = plan.auth;
  meta.type = plan.type;
  meta.config = plan.config_json;
  meta.scope = row.scope == "ORGANIZATION" ? vault::Scope::organization : vault::Scope::project;
  for (const config::HostPattern& host : plan.destinations)
    meta.destinations.push_back({host.host, host.port, host.path_prefix});
  meta.status_since = meta.created = meta.updated = now_ms;
  meta.version = meta.generation = 1;
  return meta;
}

std::expected<std::shared_ptr<const serve::Declared>, std::string> read_one(const config::DeclaredConnection& row,
                                                                            const config::Catalog& catalog,
                                                                            std::int64_t now_ms) {
  const auto provider = catalog.find(row.app);
  if (!provider)
    return std::unexpected(fmt::format("no provider '{}' in the catalog; see `postern providers list`", row.app));
  config::ConnectionInput input{row.type, row.auth, {}, row.config_json};
  for (const auto& [name, value] : row.value) {
    auto secret = read_secret(value.file);
    if (!secret) return std::unexpected("value." + name + ": " + secret.error());
    input.value[name] = std::move(*secret);
  }
  const auto plan = config::plan_connection(*provider, input);
  auto declared = std::make_shared<serve::Declared>();
  declared->credential.generation = 1;
  for (auto& [name, value] : input.value) declared->credential.values.emplace(name, vault::Secret::take(value));
  if (!plan) return std::unexpected(plan.error().front().pointer + ": " + plan.error().front().message);
  if (plan->type == grants::kCertificateType) {
    const auto identity = grants::read_client_certificate(declared->credential.values);
    if (!identity) return std::unexpected("value." + identity.error().field + ": " + identity.error().text);
  }
  if (const auto why = serve::why_unsignable(*plan, declared->credential))
    return std::unexpected("value: nothing can be signed with this: " + *why);
  declared->meta = describe(row, *plan, now_ms);
  return declared;
}

}  // namespace

std::expected<std::shared_ptr<const serve::DeclaredSet>, std::string> read_declared(const config::Settings& settings,
                                                                                    const config::Catalog& catalog,
                                                                                    std::int64_t now_ms) {
  auto set = std::make_shared<serve::DeclaredSet>();
  for (const config::DeclaredConnection& row : settings.connections) {
    auto one = read_one(row, catalog, now_ms);
    if (!one)
      return std::unexpected(fmt::format("{}:{}:{}: connection '{}': {}", settings.file.string(), row.line, row.column,
                                         row.alias, one.error()));
    set->push_back(std::move(*one));
  }
  return set;
}

std::string declared_fingerprint(const config::Settings& settings) {
  std::string print;
  for (const config::DeclaredConnection& row : settings.connections) {
    for (const auto& [name, value] : row.value) {
      struct stat info{};
      const int found = ::stat(value.file.c_str(), &info);
      print += fmt::format("{}:{}:{}:{}:{}:{}.{}\n", found, info.st_dev, info.st_ino, info.st_size, info.st_mode,
                           info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    }
  }
  return print;
}

}  // namespace postern
