// A token that the service refuses although its time is not over: renewed, and the request sent once more (DESIGN
// section 7 point 7).
#include "proxy/serve/call.hpp"

namespace postern::serve {
namespace {

using Kind = grants::Renewed::Kind;

// RFC 6750 section 3, and what the catalog knows of the API: what a challenge says is wrong. Anything but the token is
// the caller's to hear.
bool means_the_token(const wire::ResponseHead& answer, std::string_view of_this_api) {
  bool challenged = false, invalid = false;
  for (const wire::Field& field : answer.fields.all()) {
    if (!wire::iequals(field.name, "WWW-Authenticate")) continue;
    challenged = true;
    if (field.value.find("insufficient_scope") != std::string_view::npos) return false;
    invalid = invalid || field.value.find("error=\"invalid_token\"") != std::string_view::npos ||
              field.value.find("error=invalid_token") != std::string_view::npos ||
              (!of_this_api.empty() && field.value.find(of_this_api) != std::string_view::npos);
  }
  return !challenged || invalid;
}

}  // namespace

bool may_replay_refused(const Call& call) {
  return call.answer.status == 401 && call.connection && call.connection->fetched && !call.interim_sent &&
         !call.ended && means_the_token(call.answer, call.connection->refused_challenge);
}

net::Task<bool> replace_token(Call& call) {
  const std::shared_ptr<Known> refused = call.connection;
  const grants::Renewed renewed = co_await renew(call, grants::Why::refused);
  if (renewed.kind != Kind::renewed && renewed.kind != Kind::current) co_return false;
  Directory& directory = call.service().directory();
  Found<Known> again = co_await directory.find(*call.caller, call.reference);
  std::string detail;
  if (!again.value || co_await directory.obtain(*again.value, detail) != Trouble::none) co_return false;
  if (!again.value->injection || again.value->age.generation == refused->age.generation || call.ended) co_return false;
  call.connection = std::move(again.value);
  if (authorize(call) && co_await inject(call)) co_return true;
  call.connection = refused;
  co_return false;
}

}  // namespace postern::serve
