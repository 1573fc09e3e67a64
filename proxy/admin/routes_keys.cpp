// Keys, backup, verification: the instance's own affairs, for system administrators with system:keys or system:backup.
#include <boost/json/array.hpp>

#include "proxy/admin/audit_event.hpp"
#include "proxy/admin/body.hpp"
#include "proxy/admin/listing.hpp"
#include "proxy/admin/routes.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostText = 4096;
constexpr std::size_t kVerifyPage = 1000;

// What the vault says to a system administrator is said in its own words: they name files and key ids, never a secret.
std::unexpected<Problem> upkeep_problem(const vault::Error& error) {
  using Code = vault::Error::Code;
  switch (error.code) {
    case Code::conflict:
      return refuse("rotation-running", error.message + ".");
    case Code::exists:
      return refuse("already-there", error.message + ".");
    case Code::invalid:
    case Code::wrong_key:
      return refuse("invalid-request", error.message + ".");
    default:
      return std::unexpected(vault_problem(error));
  }
}

json::object shown(const vault::Rotation& rotation) {
  return {{"state", vault::to_string(rotation.state)},
          {"keyId", text_or_null(rotation.key_id)},
          {"total", rotation.total},
          {"done", rotation.done},
          {"resealed", rotation.resealed},
          {"unreadable", rotation.unreadable},
          {"started", time_or_null(rotation.started)},
          {"finished", time_or_null(rotation.finished)}};
}

json::object shown(const vault::KeyStatus& keys) {
  json::array all;
  for (const auto& key : keys.data_keys) {
    all.push_back(json::object{{"id", key.id},
                               {"use", key.digests ? "digests" : "seals"},
                               {"active", key.active},
                               {"created", time_or_null(key.created)}});
  }
  return {{"provider", keys.provider},
          {"masterKeyId", keys.master_key_id},
          {"dataKeys", std::move(all)},
          {"rotation", shown(keys.rotation)}};
}

std::expected<vault::KeySource, Problem> read_source(const Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader outer(body->get_object());
  outer.refuse_unknown({"key"});
  const auto* key = outer.object("key");
  if (key == nullptr && outer.errors.empty()) outer.mistake("key", "Say which key: {\"key\": {\"file\": \"/path\"}}.");
  if (!outer.errors.empty()) return refuse_fields(std::move(outer.errors));
  FieldReader in(*key, "/key");
  in.refuse_unknown({"file", "passphrase_file", "credential", "exec"});
  vault::KeySource source;
  for (const auto& [name, into] :
       {std::pair("file", &source.file), std::pair("passphrase_file", &source.passphrase_file)}) {
    const auto text = in.text(name, kMostText);
    if (!text) continue;
    if (!text->starts_with('/')) in.mistake(name, "Has to be an absolute path.");
    *into = *text;
  }
  source.credential = in.text("credential", 255).value_or("");
  source.exec = in.texts("exec", 64, kMostText).value_or(std::vector<std::string>());
  // Whoever reaches the socket can run programs as us already; a token over the network must not be able to.
  if (!source.exec.empty() && (call.request.door != Door::socket || !call.caller.socket))
    in.mistake("exec",
               "A command is taken on the admin socket only: run `postern vault rewrap` on the machine itself.");
  if (in.errors.empty() && source.empty()) in.mistake("file", "Name one of file, passphrase_file, credential, exec.");
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  return source;
}

json::object text_map(const std::map<std::string, std::uint64_t>& counts) {
  json::object out;
  for (const auto& [name, count] : counts) out[name] = count;
  return out;
}

}  // namespace

Answer show_keys(Service& service, Call&) {
  const auto keys = service.deps.vault->upkeep().keys();
  if (!keys) return upkeep_problem(keys.error());
  return json_response(shown(*keys));
}

Answer rotate_keys(Service& service, Call& call) {
  if (auto empty = refuse_body(call.request); !empty) return std::unexpected(empty.error());
  const auto begun = service.deps.vault->upkeep().rotate(told(call, "keys.rotated"));
  if (!begun) return upkeep_problem(begun.error());
  if (service.deps.rotation_begun) service.deps.rotation_begun();
  const auto keys = service.deps.vault->upkeep().keys();
  if (!keys) return upkeep_problem(keys.error());
  return json_response(shown(*keys), 202);
}

Answer rewrap_keys(Service& service, Call& call) {
  const auto source = read_source(call);
  if (!source) return std::unexpected(source.error());
  const auto keys = service.deps.vault->upkeep().rewrap(*source, told(call, "keys.rewrapped"));
  if (!keys) return upkeep_problem(keys.error());
  return json_response(shown(*keys));
}

Answer backup_vault(Service& service, Call& call) {
  auto body = parse_body(call.request, false);
  if (!body) return std::unexpected(body.error());
  FieldReader in(body->get_object());
  in.refuse_unknown({"directory"});
  const auto directory = in.text("directory", kMostText);
  if (in.errors.empty() && (!directory || !directory->starts_with('/')))
    in.mistake("directory", "Has to be an absolute path of a directory that is not there yet.");
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  const auto commit = service.deps.vault->upkeep().backup(*directory);
  if (!commit) return upkeep_problem(commit.error());
  tell(service, call, "vault.backed_up", {{"directory", *directory}, {"commit", std::to_string(*commit)}});
  return json_response(json::object{{"directory", *directory}, {"commit", *commit}}, 201);
}

Answer verify_vault(Service& service, Call& call) {
  auto body = parse_body(call.request, true);
  if (!body) return std::unexpected(body.error());
  FieldReader in(body->get_object());
  in.refuse_unknown({"after"});
  const std::string after = in.text("after", kMostText).value_or("");
  if (!in.errors.empty()) return refuse_fields(std::move(in.errors));
  const auto page = service.deps.vault->upkeep().verify(after, kVerifyPage);
  if (!page) return upkeep_problem(page.error());
  json::array bad;
  for (const auto& one : page->bad) bad.push_back(json::object{{"key", one.key}, {"what", one.what}});
  return json_response(
      json::object{{"sound", text_map(page->sound)}, {"bad", std::move(bad)}, {"next", text_or_null(page->next)}});
}

}  // namespace postern::admin
