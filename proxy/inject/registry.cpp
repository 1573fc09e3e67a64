// Every injection kind, one row each, and the connection types that use them.
#include "proxy/inject/field.hpp"
#include "proxy/inject/injection.hpp"

namespace postern::inject {
namespace {

constexpr Row kRows[] = {
    {"field", make_field},
};
static_assert(duplicate_kind(kRows).empty(), "two rows have the same kind");

struct TypeRow {
  std::string_view type;
  const char* kind;
};
constexpr TypeRow kTypes[] = {
    {"API_KEY", "field"},    {"BEARER", "field"},   {"BASIC", "field"},
    {"CUSTOM", "field"},     {"OAUTH2", "field"},   {"OAUTH2_CLIENT_CREDENTIALS", "field"},
    {"JWT_BEARER", "field"}, {"TWO_STEP", "field"}, {"GITHUB_APP", "field"},
};

}  // namespace

const Row* find_injection(std::string_view kind) {
  for (const Row& row : kRows)
    if (row.kind == kind) return &row;
  return nullptr;
}

const char* kind_of_type(std::string_view connection_type) {
  for (const TypeRow& row : kTypes)
    if (row.type == connection_type) return row.kind;
  return nullptr;
}

void Changes::clear() {
  headers.clear();
  query.clear();
  cookies.clear();
  path_prefix = {};
  body_replaced = false;
  vault::wipe(body);
  content_type.clear();
}

}  // namespace postern::inject
