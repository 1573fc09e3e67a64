// vault status|rotate|rewrap|backup|restore|verify|migrate: through the daemon where one runs, else on the files.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>

#include "proxy/cli/command.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli {
namespace {

namespace fs = std::filesystem;

constexpr auto kPoll = std::chrono::milliseconds(300);

// No daemon answers on this machine: what can be done on the files is done there.
bool nobody(const Failure& failure, const Session& session) {
  return failure.exit == Exit::unreachable && session.globals.server.empty();
}

std::uint64_t number_field(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_number() ? value->to_number<std::uint64_t>() : 0;
}

json::object object_field(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : json::object();
}

json::array array_field(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : json::array();
}

// A path as the daemon understands it: it stands elsewhere than we do. On another machine it has to be given in full.
Result<std::string> full_path(const std::string& path, const Session& session) {
  if (path.starts_with('/')) return path;
  if (!session.globals.server.empty())
    return fail(Exit::usage, fmt::format("{}: name it from the root: it is a place on the server", path));
  return fs::absolute(path).lexically_normal().string();
}

Result<json::object> keys_of(Api& api) {
  auto answer = api.get("keys");
  if (!answer) return std::unexpected(answer.error());
  return answer->is_object() ? answer->get_object() : json::object();
}

void print_keys(const json::object& keys, Session& session) {
  if (!session.talks()) {
    json::object shown = keys;
    shown["id"] = text_field(keys, "masterKeyId");
    return session.print_object(session.globals.quiet ? shown : keys);
  }
  const json::object rotation = object_field(keys, "rotation");
  session.print(
      fmt::format("master key  {} ({})\nrotation    {}{}\n\n", text_field(keys, "masterKeyId"),
                  printable(text_field(keys, "provider")), text_field(rotation, "state"),
                  number_field(rotation, "total") == 0
                      ? ""
                      : fmt::format(", {} of {} records looked at, {} sealed anew, {} unreadable",
                                    number_field(rotation, "done"), number_field(rotation, "total"),
                                    number_field(rotation, "resealed"), number_field(rotation, "unreadable"))));
  constexpr Column columns[] = {{"DATA KEY", "id"}, {"USE", "use"}, {"ACTIVE", "active"}, {"CREATED", "created"}};
  session.print_table(columns, array_field(keys, "dataKeys"));
}

Result<int> status(Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto keys = keys_of(*api);
  if (!keys) return std::unexpected(keys.error());
  print_keys(*keys, session);
  return Exit::ok;
}

bool running(const std::string& state) {
  return state == "RESEALING" || state == "VERIFYING";
}

// Until the daemon says that it is over; a progress line whenever it moves.
Result<json::object> wait_for_end(Api& api, Session& session) {
  std::string before;
  for (;;) {
    auto keys = keys_of(api);
    if (!keys) return keys;
    const json::object rotation = object_field(*keys, "rotation");
    const std::string state = text_field(rotation, "state");
    if (!running(state)) return keys;
    const std::string line =
        fmt::format("{} {}/{}", state, number_field(rotation, "done"), number_field(rotation, "total"));
    if (session.talks() && line != before) session.note(line);
    before = line;
    std::this_thread::sleep_for(kPoll);
  }
}

Result<int> rotate(bool wait, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto keys = api->create("keys/rotate", {});
  if (!keys) return std::unexpected(keys.error());
  if (wait) {
    keys = wait_for_end(*api, session);
    if (!keys) return std::unexpected(keys.error());
  }
  print_keys(*keys, session);
  if (text_field(object_field(*keys, "rotation"), "state") != "INCOMPLETE") return Exit::ok;
  return fail(Exit::failed,
              "rotate: some records do not open, so the old data keys are kept: 'postern vault verify' names them");
}

json::object body_of(const offline::NewKey& key) {
  json::object source;
  if (!key.file.empty()) source["file"] = key.file;
  if (!key.passphrase_file.empty()) source["passphrase_file"] = key.passphrase_file;
  if (!key.credential.empty()) source["credential"] = key.credential;
  if (!key.exec.empty()) source["exec"] = json::array(key.exec.begin(), key.exec.end());
  return {{"key", std::move(source)}};
}

Result<int> rewrap(offline::NewKey key, Session& session) {
  const int named = int{!key.file.empty()} + int{!key.passphrase_file.empty()} + int{!key.credential.empty()} +
                    int{!key.exec.empty()};
  if (named != 1)
    return fail(Exit::usage, "rewrap: name the new key by one of --key-file, --passphrase-file, --credential, --exec");
  for (std::string* path : {&key.file, &key.passphrase_file}) {
    if (path->empty() || *path == "-") continue;
    auto full = full_path(*path, session);
    if (!full) return std::unexpected(full.error());
    *path = *full;
  }
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto keys = api->create("keys/rewrap", body_of(key));
  if (!keys && nobody(keys.error(), session)) {
    auto done = offline::rewrap(session.globals.config, session.around.environment, key);
    if (!done) return std::unexpected(done.error());
    keys = json::object{{"provider", done->provider}, {"masterKeyId", done->id}};
  }
  if (!keys) return std::unexpected(keys.error());
  if (session.talks()) {
    session.print(
        fmt::format("master key  {} ({})\n\nNext: write it into vault.key of the settings: with the old key the "
                    "vault does not start again.\nBackups made before this still need the old key.\n",
                    text_field(*keys, "masterKeyId"), printable(text_field(*keys, "provider"))));
  } else {
    print_keys(*keys, session);
  }
  return Exit::ok;
}

Result<int> backup(const std::string& where, Session& session) {
  auto directory = full_path(where, session);
  if (!directory) return std::unexpected(directory.error());
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto made = api->create("vault/backup", {{"directory", *directory}});
  if (!made && nobody(made.error(), session)) {
    auto commit = offline::backup(session.globals.config, session.around.environment, *directory);
    if (!commit) return std::unexpected(commit.error());
    made = json::object{{"directory", *directory}, {"commit", *commit}};
  }
  if (!made) return std::unexpected(made.error());
  if (session.talks())
    session.print(fmt::format("backup  {} (commit {}; the master key is not in it: keep that apart)\n",
                              printable(*directory), number_field(*made, "commit")));
  else if (session.globals.quiet)
    session.print(*directory + "\n");
  else
    session.print_object(*made);
  return Exit::ok;
}

Result<int> restore(const std::string& from, Session& session) {
  auto state =
      offline::restore(session.globals.config, session.around.environment, fs::absolute(from).lexically_normal());
  if (!state) return std::unexpected(state.error());
  if (session.talks())
    session.print(
        fmt::format("restored  {}\n\nNext: postern vault verify, then postern run. Whatever was written after the "
                    "backup is not in it.\n",
                    state->string()));
  else
    session.print_object({{"id", state->string()}, {"state", state->string()}});
  return Exit::ok;
}

Result<offline::VaultReport> verify_online(Api& api) {
  offline::VaultReport report;
  json::object body;
  for (;;) {
    auto page = api.create("vault/verify", body);
    if (!page) return std::unexpected(page.error());
    for (const auto& [type, count] : object_field(*page, "sound"))
      if (count.is_number()) report.sound[std::string(type)] += count.to_number<std::uint64_t>();
    for (const json::value& one : array_field(*page, "bad"))
      if (one.is_object())
        report.bad.emplace_back(text_field(one.get_object(), "key"), text_field(one.get_object(), "what"));
    const std::string next = text_field(*page, "next");
    if (next.empty()) return report;
    body["after"] = next;
  }
}

Result<int> verify(Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto report = verify_online(*api);
  if (!report && nobody(report.error(), session))
    report = offline::verify(session.globals.config, session.around.environment);
  if (!report) return std::unexpected(report.error());
  json::array rows, bad;
  json::object sound;
  for (const auto& [type, count] : report->sound) {
    rows.push_back(json::object{{"type", type}, {"sound", count}});
    sound[type] = count;
  }
  for (const auto& [key, what] : report->bad) bad.push_back(json::object{{"id", key}, {"what", what}});
  constexpr Column counts[] = {{"RECORDS", "type"}, {"SOUND", "sound"}};
  constexpr Column faults[] = {{"BAD RECORD", "id"}, {"WHAT", "what"}};
  if (session.talks()) {
    session.print_table(counts, rows);
    if (!bad.empty()) {
      session.print("\n");
      session.print_table(faults, bad);
    }
  } else if (session.globals.quiet) {
    session.print_list({{"data", bad}}, faults);
  } else {
    session.print_object({{"sound", std::move(sound)}, {"bad", bad}});
  }
  if (report->bad.empty()) return Exit::ok;
  return fail(Exit::failed, fmt::format("verify: {} record{} not sound; restore a backup, or delete what is named",
                                        report->bad.size(), report->bad.size() == 1 ? " is" : "s are"));
}

Result<int> migrate(Session& session) {
  auto report = offline::migrate(session.globals.config, session.around.environment);
  if (!report) return std::unexpected(report.error());
  json::object formats;
  std::uint64_t all = 0;
  std::string text;
  for (const auto& [format, count] : report->formats) {
    formats[std::to_string(format)] = count;
    all += count;
    text += fmt::format("{}{} of format {}", text.empty() ? "" : ", ", count, format);
  }
  if (!session.talks())
    session.print_object({{"formats", std::move(formats)}, {"rewritten", report->rewritten}});
  else if (report->rewritten == 0)
    session.print(fmt::format("nothing to do: {} records, {}\n", all, text));
  else
    session.print(fmt::format("rewritten {} of {} records ({})\n", report->rewritten, all, text));
  return Exit::ok;
}

void add_key_verbs(CLI::App& noun, Command& command) {
  add_verb(noun, "status", "the master key's id, the data keys, and how far a rotation came", "postern vault status")
      ->callback([&command] { command.action = status; });
  auto wait = std::make_shared<bool>(false);
  CLI::App* verb = add_verb(noun, "rotate", "make a new data key and seal every record anew, while requests run",
                            "postern vault rotate");
  verb->add_flag("--wait,!--no-wait", *wait, "stay until it has ended (the default; Ctrl-C leaves it running)")
      ->default_val(true);
  *wait = true;
  verb->callback([&command, wait] { command.action = [wait](Session& session) { return rotate(*wait, session); }; });
  auto key = std::make_shared<offline::NewKey>();
  verb = add_verb(noun, "rewrap", "change the master key, or where it comes from",
                  "postern vault rewrap --key-file /etc/postern/master-2.key");
  verb->add_option("--key-file", key->file, "a key file; made if it is not there")->type_name("FILE");
  verb->add_option("--passphrase-file", key->passphrase_file, "a file of one line; '-' asks, without a daemon only")
      ->type_name("FILE");
  verb->add_option("--credential", key->credential, "a systemd credential that holds a key file")->type_name("NAME");
  verb->add_option("--exec", key->exec, "a command that wraps and unwraps; repeat for its arguments")
      ->type_name("WORD")
      ->allow_extra_args(false);
  verb->callback([&command, key] { command.action = [key](Session& session) { return rewrap(*key, session); }; });
}

}  // namespace

void add_vault_verbs(CLI::App& root, Command& command) {
  CLI::App* noun = root.add_subcommand("vault", "keys, backups and the soundness of what is stored");
  noun->require_subcommand(1);
  noun->footer("Example:\n  postern vault backup /backup/postern-2026-01-31");
  add_key_verbs(*noun, command);
  auto directory = std::make_shared<std::string>();
  CLI::App* verb = add_verb(*noun, "backup", "copy the vault to a new directory, while it runs or not",
                            "postern vault backup /backup/postern-2026-01-31");
  verb->add_option("directory", *directory, "a directory that is not there yet, outside `state`")->required();
  verb->callback([&command, directory] {
    command.action = [directory](Session& session) { return backup(*directory, session); };
  });
  verb = add_verb(*noun, "restore", "make the vault of a backup; no daemon runs, and there is no vault yet",
                  "postern vault restore /backup/postern-2026-01-31");
  verb->add_option("directory", *directory, "a backup")->required();
  verb->callback([&command, directory] {
    command.action = [directory](Session& session) { return restore(*directory, session); };
  });
  add_verb(*noun, "verify", "open every record and follow every index; exit 1 if one is bad", "postern vault verify")
      ->callback([&command] { command.action = verify; });
  add_verb(*noun, "migrate", "rewrite records of older formats in the current one; no daemon runs",
           "postern vault migrate")
      ->callback([&command] { command.action = migrate; });
}

}  // namespace postern::cli
