// Fills a vault for measurements: COUNT connections conn_000000 … of the generic provider to one host, and one token
// that may use them all, which it prints. With ORGANIZATIONS they are dealt out to org_00000 …, whose tokens it prints,
// one a line.
//   fill_vault STATE KEY-FILE HOST COUNT [FIRST [ORGANIZATIONS]]     the vault is there (postern init) and not open
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>

#include "config/catalog.hpp"
#include "vault/encoding.hpp"
#include "vault/vault.hpp"

namespace {

using namespace postern;

constexpr std::size_t kBatch = 2000;

std::string secret_of(std::size_t number) {
  const std::string text = std::to_string(number);
  std::array<unsigned char, 32> digest;
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return "sk-live-" + vault::hex({reinterpret_cast<const char*>(digest.data()), 24});
}

int fail(const std::string& why) {
  std::fprintf(stderr, "fill_vault: %s\n", why.c_str());
  return 1;
}

struct Job {
  std::string host;
  std::size_t count = 0, first = 0, organizations = 0;  // organizations 0: all in the default one
};

std::string organization_of(const Job& job, std::size_t number) {
  if (job.organizations == 0) return std::string(vault::kDefaultOrganization);
  return fmt::format("org_{:05}", number % job.organizations);
}

int print_token(vault::Vault& vault, const std::string& organization) {
  vault::Authorization all;
  all.organization = organization;
  all.project = vault::kDefaultProject;
  all.name = "bench";
  all.user = "bench";
  all.capabilities = {"proxy:call", "connections:read", "connections:write", "authorizations:read", "providers:read"};
  all.connections = {"*"};
  all.expires = std::int64_t{4'000'000'000'000};
  const auto token = vault.create_authorization(std::move(all));
  if (!token) return fail(token.error().message);
  std::puts(std::string(token->token.expose()).c_str());
  return 0;
}

int fill(vault::Vault& vault, const Job& job) {
  const auto catalog = config::Catalog::load({});
  if (!catalog) return fail(catalog.error().text());
  config::ConnectionInput input;
  input.type = "BEARER";
  input.value = {{"token", secret_of(0)}};
  input.config_json = fmt::format(R"({{"hosts": ["{}"]}})", job.host);
  const auto plan = config::plan_connection(*(*catalog)->find("http"), input);
  if (!plan) return fail(plan.error().front().text());

  for (std::size_t i = 0; i < job.organizations; ++i) {
    vault::Organization organization;
    organization.id = organization_of(job, i);
    organization.name = fmt::format("Organization {}", i);
    if (const auto made = vault.scopes().create_organization(std::move(organization)); !made)
      return fail(made.error().message);
  }

  vault::NewConnection like;
  like.meta.owner = "service";
  like.meta.app = "http";
  like.meta.auth = plan->auth;
  like.meta.type = plan->type;
  like.meta.config = plan->config_json;
  for (const auto& to : plan->destinations) like.meta.destinations.push_back({to.host, to.port, to.path_prefix});
  for (std::size_t done = 0; done < job.count;) {
    std::vector<vault::NewConnection> batch;
    for (; batch.size() < kBatch && done < job.count; ++done) {
      const std::size_t number = job.first + done;
      vault::NewConnection one{like.meta, {}};
      one.meta.organization = organization_of(job, number);
      one.meta.alias = fmt::format("conn_{:06}", number);
      one.meta.name = fmt::format("Connection {}", number);
      one.credential.values.emplace("token", vault::Secret(secret_of(number)));
      batch.push_back(std::move(one));
    }
    if (const auto made = vault.create_connections(std::move(batch)); !made) return fail(made.error().message);
  }
  for (std::size_t i = 0; i < std::max<std::size_t>(job.organizations, 1); ++i)
    if (const int failed = print_token(vault, organization_of(job, i))) return failed;
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t numbers[3] = {0, 0, 0};  // count, first, organizations
  bool fine = count >= 5 && count <= 7;
  for (int i = 4; fine && i < count; ++i) {
    const char* end = arguments[i] + std::strlen(arguments[i]);
    fine = std::from_chars(arguments[i], end, numbers[i - 4]).ptr == end;
  }
  if (!fine) {
    std::fputs("usage: fill_vault STATE KEY-FILE HOST COUNT [FIRST [ORGANIZATIONS]]\n", stderr);
    return 2;
  }
  postern::vault::Options options;
  options.state = arguments[1];
  options.key_file = arguments[2];
  auto vault = postern::vault::Vault::open(options);
  if (!vault) return fail(vault.error().message);
  return fill(**vault, {arguments[3], numbers[0], numbers[1], numbers[2]});
}
