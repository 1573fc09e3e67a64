// POST /api/v1/connections/{id}/rotate: a new value, tried first; or the one before it again.
#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/auth_config_text.hpp"
#include "proxy/admin/connection_change.hpp"
#include "proxy/admin/connection_write.hpp"

namespace postern::admin {
namespace {

constexpr std::int64_t kLongestKept = 30LL * 24 * 3600 * 1000;

struct Wanted {
  bool undo = false;
  std::optional<bool> test;
  std::int64_t keep_ms = 0;
};

Wanted read_wanted(const Service& service, FieldReader& reader) {
  Wanted wanted{
      .undo = reader.flag("undo").value_or(false), .test = reader.flag("test"), .keep_ms = kept_by_default(service)};
  if (const auto text = reader.text("keepOld", 32)) {
    const auto span = *text == "0" ? std::optional<std::int64_t>(0) : parse_duration(*text);
    if (span && *span <= kLongestKept)
      wanted.keep_ms = *span;
    else
      reader.mistake("keepOld", "Has to be a time span up to 30d, as 1h; 0 keeps nothing.");
  }
  for (const char* name : {"value", "test", "keepOld"})
    if (wanted.undo && reader.has(name)) reader.mistake(name, "Does not go with `undo`.");
  return wanted;
}

Answer bring_back(Service& service, Call& call, const vault::Connection& meta) {
  auto back = service.deps.vault->restore_credential(
      meta, made_by(call, 200, told(call, "connection.rotated", {{"undo", "true"}})));
  if (!back && back.error().code == vault::Error::Code::not_found)
    return refuse("nothing-kept", "No previous value of this connection is kept, or its time is over: send a `value`.");
  if (!back) return std::unexpected(vault_problem(back.error()));
  announce(service, *back, false);
  return connection_response(*back, 200);
}

}  // namespace

Answer rotate_connection(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  auto found = find_changeable(service, call);
  if (!found) return std::unexpected(found.error());
  vault::Connection& meta = found->connection;
  if (is_foreign_personal(call.caller, meta))
    return refuse("not-permitted", "Only its owner rotates a personal connection.");
  ConnectionInput input;
  auto errors = read_connection_input(body->get_object(), {"value", "test", "keepOld", "undo"}, input);
  FieldReader reader(body->get_object());
  const Wanted wanted = read_wanted(service, reader);
  errors.insert(errors.end(), reader.errors.begin(), reader.errors.end());
  if (!errors.empty()) return refuse_fields(std::move(errors));
  if (wanted.undo) return bring_back(service, call, meta);

  if (!input.value) input.value.emplace();  // what is missing in it is named by its field
  const auto moves = replan(service, input, meta);
  if (!moves) return std::unexpected(moves.error());
  const auto credential = take_value(service, input, meta);
  if (!credential) return std::unexpected(credential.error());
  bool tested = false;
  if (wanted.test.value_or(true)) {
    const auto tried = try_value(service, meta, *credential);
    if (!tried) return std::unexpected(tried.error());
    tested = *tried;
    if (wanted.test && !tested)
      return refuse("not-testable", "This value cannot be tried before it is stored: send `test` as false.");
  }
  const auto held = service.auth_configs->use();
  // Its auth config may have been narrowed while the service was asked.
  if (const auto app = auth_config_of(service, meta))
    meta.destinations = to_destinations(narrowed(to_patterns(meta.destinations), app->hosts));
  // Under other destinations the old value must not come back: it was given for those before.
  const bool keep = wanted.keep_ms != 0 && !*moves;
  meta.previous_until = keep ? service.deps.now_ms() + wanted.keep_ms : 0;
  const auto beside = made_by(call, 200, told(call, "connection.rotated", {{"tested", tested ? "true" : "false"}}));
  auto written = service.deps.vault->rotate_credential(std::move(meta), *credential, beside);
  if (!written) return std::unexpected(vault_problem(written.error()));
  announce(service, *written, !written->enabled);
  return connection_response(*written, 200, false, tested);
}

}  // namespace postern::admin
