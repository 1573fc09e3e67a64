// init, run, reload, status, version: the daemon's own life.
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <memory>

#include "proxy/cli/command.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli {
namespace {

Result<int> init(const offline::NewCa& ca, Session& session) {
  if (!ca.wanted && !ca.names.empty()) return fail(Exit::usage, "init: --ca-names goes with --ca");
  auto made = offline::init(session.globals.config, session.around.environment, ca);
  if (!made) return std::unexpected(made.error());
  if (session.globals.quiet) {
    session.print(fmt::format("{}\n", made->token.expose()));
    return Exit::ok;
  }
  if (session.globals.format != Format::table) {
    const json::object object{{"config", made->config.string()},
                              {"state", made->state.string()},
                              {"key", made->key},
                              {"ca", made->ca.empty() ? json::value(nullptr) : json::value(made->ca)},
                              {"token", made->token.expose()}};
    session.print_object(object);
    return Exit::ok;
  }
  session.print(
      fmt::format("settings    {} ({})\nstate       {} (made)\nmaster key  {} ({}; keep a copy apart from the "
                  "state: without it nothing can be read)\n",
                  made->config.string(), made->config_made ? "made" : "kept", made->state.string(), made->key,
                  made->key_made ? "made" : "kept"));
  if (!made->ca.empty()) session.print(fmt::format("local CA    {} (made; see 'postern ca trust')\n", made->ca));
  session.print(fmt::format("\nadmin token, shown this once:\n{}\n\nNext: postern run\n", made->token.expose()));
  return Exit::ok;
}

struct RunFlags {
  bool dev = false;
  bool accept_rollback = false;
  bool accept_copy = false;
  std::string proxy, admin;
  std::vector<std::string> settings;
};

Result<int> run(const RunFlags& flags, Session& session) {
  RunArguments arguments{.config = session.globals.config,
                         .dev = flags.dev,
                         .accept_rollback = flags.accept_rollback,
                         .accept_copy = flags.accept_copy,
                         .settings = {}};
  for (const std::string& setting : flags.settings) {
    const auto equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Exit::usage, "--set: no '=' in it: write --set listen.proxy=127.0.0.1:8480");
    arguments.settings.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (!flags.proxy.empty()) arguments.settings.emplace_back("listen.proxy", flags.proxy);
  if (!flags.admin.empty()) arguments.settings.emplace_back("listen.admin", flags.admin);
  if (flags.dev) {
    auto prepared = offline::prepare_dev(std::move(arguments), session.around.environment);
    if (!prepared) return std::unexpected(prepared.error());
    arguments = std::move(*prepared);
  }
  return session.around.hooks.run(arguments);
}

// readyz answers 200, or 503 with what is missing; either is the answer here.
Result<int> status(Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto ready = api->probe("/readyz");
  if (!ready) return std::unexpected(ready.error());
  auto answer = api->get("status");
  if (!answer) return std::unexpected(answer.error());
  json::object object = answer->is_object() ? answer->get_object() : json::object{};
  object["ready"] = ready->status == 200;
  if (ready->status != 200 && !object.contains("notReady")) {
    boost::system::error_code error;
    const json::value body = json::parse(ready->body, error);
    const std::string detail = !error && body.is_object() ? text_field(body.get_object(), "detail") : "";
    object["notReady"] = detail.empty() ? ready->body : detail;
  }
  if (session.globals.quiet)
    session.print(ready->status == 200 ? "ready\n" : "not ready\n");
  else
    session.print_object(object);
  return ready->status == 200 ? Exit::ok : Exit::failed;
}

// "client.idle  75s -> 30s" a line; strings lose their quotes.
std::string change_lines(const json::object& answer, std::string_view key, const char* start) {
  const json::value* list = answer.if_contains(key);
  std::string out;
  if (list == nullptr || !list->is_array()) return out;
  for (const json::value& item : list->get_array()) {
    if (!item.is_object()) continue;
    const json::object& change = item.get_object();
    const auto value = [&](std::string_view name) {
      const json::value* found = change.if_contains(name);
      return found == nullptr || found->is_null() ? std::string("(not set)") : cell(*found);
    };
    out += printable(
               fmt::format("{}{}: {} -> {}", start, text_field(change, "setting"), value("before"), value("after"))) +
           "\n";
  }
  return out;
}

// "providers added: acme, other" a line.
std::string name_lines(const json::object& answer, const char* noun) {
  std::string out;
  const json::value* kinds = answer.if_contains(noun);
  if (kinds == nullptr || !kinds->is_object()) return out;
  for (const auto& [kind, names] : kinds->get_object())
    if (names.is_array() && !names.get_array().empty())
      out += printable(fmt::format("{} {}: {}", noun, std::string_view(kind), cell(names))) + "\n";
  return out;
}

Result<int> reload(Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto answer = api->create("reload", {});
  if (!answer) return std::unexpected(answer.error());
  if (session.globals.quiet) return Exit::ok;
  if (session.globals.format != Format::table) {
    session.print_object(*answer);
    return Exit::ok;
  }
  const std::string changed =
      change_lines(*answer, "changed", "") + name_lines(*answer, "providers") + name_lines(*answer, "connections");
  const std::string restart = change_lines(*answer, "restart", "needs a restart: ");
  session.print(changed.empty() && restart.empty() ? "nothing changed\n" : changed + restart);
  return Exit::ok;
}

Result<int> version(Session& session) {
  const json::object object{{"version", POSTERN_VERSION}, {"compiler", __VERSION__}};
  if (session.globals.format == Format::table || session.globals.quiet)
    session.print(fmt::format("postern {} ({})\n", POSTERN_VERSION, __VERSION__));
  else
    session.print_object(object);
  return Exit::ok;
}

}  // namespace

void add_daemon_verbs(CLI::App& root, Command& command) {
  auto ca = std::make_shared<offline::NewCa>();
  CLI::App* verb =
      add_verb(root, "init", "make settings, state directory, master key and vault; prints an admin token once",
               "postern init --config /etc/postern/postern.yaml");
  verb->add_flag("--ca", ca->wanted, "and the local CA of intercept.hosts; 'postern ca create' makes it later");
  verb->add_option("--ca-names", ca->names, "confine the CA to these hosts instead")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B");
  verb->callback([&command, ca] { command.action = [ca](Session& session) { return init(*ca, session); }; });
  auto flags = std::make_shared<RunFlags>();
  verb = add_verb(root, "run", "serve in the foreground; SIGTERM drains", "postern run --listen-proxy 127.0.0.1:0");
  verb->add_flag("--dev", flags->dev, "open callers on loopback; makes ./state with its key inside where none is");
  verb->add_flag("--accept-rollback", flags->accept_rollback, "start although the store is older than its marker");
  verb->add_flag("--accept-copy", flags->accept_copy,
                 "go on as the vault although this is a copy, a backup or older: lifts the mark that status shows");
  verb->add_option("--listen-proxy", flags->proxy, "instead of listen.proxy")->type_name("ADDR");
  verb->add_option("--listen-admin", flags->admin, "instead of listen.admin")->type_name("ADDR");
  verb->add_option("--set", flags->settings, "any setting: --set client.idle=30s; repeat for more")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return run(*flags, session); }; });
  CLI::App* again = add_verb(
      root, "reload", "take a changed configuration over while requests run; SIGHUP does the same", "postern reload");
  again->footer(
      again->get_footer() +
      "\n\nAll or nothing: with a mistake anywhere the old configuration stays and the exit code is 78. "
      "Requests under\nway finish with what they began with. listen, state, vault and workers need a restart, "
      "and are named.");
  again->callback([&command] { command.action = reload; });
  add_verb(root, "status", "what the daemon is doing, and whether it is ready", "postern status -o json")
      ->callback([&command] { command.action = status; });
  add_verb(root, "version", "the version of this binary", "postern version")->callback([&command] {
    command.action = version;
  });
}

}  // namespace postern::cli
