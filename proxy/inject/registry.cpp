// Every injection kind, one row each.
#include <algorithm>

#include "proxy/inject/aws_sigv4.hpp"
#include "proxy/inject/azure_shared_key.hpp"
#include "proxy/inject/certificate.hpp"
#include "proxy/inject/combined.hpp"
#include "proxy/inject/field.hpp"
#include "proxy/inject/hmac.hpp"
#include "proxy/inject/http_digest.hpp"
#include "proxy/inject/http_signature.hpp"
#include "proxy/inject/injection.hpp"
#include "proxy/inject/oauth1.hpp"
#include "proxy/inject/wsse.hpp"

namespace postern::inject {
namespace {

constexpr Row kRows[] = {
    {"field", make_field},
    {"aws-sigv4", make_aws_sigv4},
    {"hmac", make_hmac},
    {"oauth1", make_oauth1},
    {"wsse", make_wsse},
    {"azure-shared-key", make_azure_shared_key},
    {"http-signature", make_http_signature},
    {"certificate", make_certificate},
    {"digest", make_digest},
};
static_assert(duplicate_kind(kRows).empty(), "two rows have the same kind");

}  // namespace

const Row* find_injection(std::string_view kind) {
  for (const Row& row : kRows)
    if (row.kind == kind) return &row;
  return nullptr;
}

std::expected<std::unique_ptr<Injection>, std::string> make_injection(std::string_view scheme, Recipe recipe) {
  if (scheme.empty()) return make_field(std::move(recipe));
  const Row* row = find_injection(scheme);
  if (row == nullptr) return std::unexpected("nothing signs with the scheme " + std::string(scheme));
  if (recipe.rules.empty()) return row->make(std::move(recipe));
  auto fields = make_field({.rules = std::move(recipe.rules)});
  if (!fields) return fields;
  recipe.rules.clear();
  auto signer = row->make(std::move(recipe));
  if (!signer) return signer;
  return combine(std::move(*fields), std::move(*signer));
}

bool describes_body(std::string_view field_name) {
  constexpr std::string_view names[] = {"Content-MD5", "Digest", "Content-Digest", "Repr-Digest", "Content-Encoding"};
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view name) { return wire::iequals(name, field_name); });
}

void Changes::clear() {
  headers.clear();
  query.clear();
  cookies.clear();
  proofs.clear();
  path_prefix = {};
  body_replaced = false;
  vault::wipe(body);
  content_type.clear();
  transform.reset();
  while (!made.empty()) {
    vault::wipe(made.front());
    made.pop_front();
  }
}

}  // namespace postern::inject
