// exec and env: a command, or a shell, that calls through the proxy with an authorization of its own.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "proxy/cli/child.hpp"
#include "proxy/cli/command.hpp"
#include "proxy/cli/proxy_environment.hpp"

namespace postern::cli {
namespace {

struct Minted {
  std::string id;
  std::string url;  // of the proxy, with the token in it
};

struct MintFlags {
  std::string connection, expires = "24h", format = "sh", run;
  std::vector<std::string> hosts;
};

// An authorization for calls and nothing else, over one connection if one is named.
Result<Minted> mint(const MintFlags& flags, const char* name, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto address = session.proxy_address(*api);
  if (!address) return std::unexpected(address.error());
  std::string id = "*";
  if (!flags.connection.empty()) {
    auto connection = api->get("connections/" + encode(flags.connection));
    if (!connection) return std::unexpected(connection.error());
    if (connection->is_object()) id = text_field(connection->get_object(), "id");
  }
  auto when = expiry(flags.expires, session.around.now_ms());
  if (!when) return std::unexpected(when.error());
  json::object body{{"name", name}, {"capabilities", {"proxy:call"}}, {"connections", {id}}, {"expires", *when}};
  if (!flags.run.empty()) body["run"] = flags.run;
  if (!flags.hosts.empty()) body["hosts"] = json::array(flags.hosts.begin(), flags.hosts.end());
  auto made = api->create("authorizations", body);
  if (!made) return std::unexpected(made.error());
  std::string text = text_field(*made, "token");
  const Hidden token = Hidden::take(text);
  if (token.empty()) return fail(Exit::failed, "answer: authorizations: no token in it; do the versions fit?");
  return Minted{text_field(*made, "id"), proxy_url(flags.connection, token, *address)};
}

void revoke(const std::string& id, Session& session) {
  auto api = session.api();
  auto erased = api ? api->erase("authorizations/" + encode(id)) : Result<void>(std::unexpected(api.error()));
  // Gone already is as good as revoked.
  if (erased || erased.error().exit == Exit::not_found) return;
  session.note(fmt::format("exec: {}: not revoked: {}; it ends by itself within a day", id, erased.error().message));
}

Result<int> exec(const MintFlags& flags, Session& session) {
  if (session.rest.empty())
    return fail(Exit::usage, "exec: no command: write it behind --: postern exec -c ALIAS -- curl http://…");
  const HeldSignals held;  // from before the authorization is made until it is revoked
  // The program, never its arguments, which may hold anything.
  MintFlags wanted = flags;
  if (wanted.run.empty()) wanted.run = std::filesystem::path(session.rest.front()).filename().string().substr(0, 200);
  auto minted = mint(wanted, "exec", session);
  if (!minted) return std::unexpected(minted.error());
  std::vector<std::string> removed;
  const Environment environment = through_proxy(session.around.environment, minted->url, removed);
  if (session.globals.verbose)
    for (const std::string& name : removed)
      session.note(fmt::format("exec: {}: removed, it would lead around postern", name));
  auto code = session.around.run_child(session.rest, environment);
  revoke(minted->id, session);
  return code;
}

Result<int> env(const MintFlags& flags, Session& session) {
  auto minted = mint(flags, "env", session);
  if (!minted) return std::unexpected(minted.error());
  for (const char* name : {"http_proxy", "HTTP_PROXY"}) {
    if (flags.format == "sh")
      session.print(fmt::format("export {}='{}'\n", name, minted->url));
    else if (flags.format == "docker")
      session.print(fmt::format("{}={}\n", name, minted->url));
    else
      session.print(fmt::format("- name: {}\n  value: \"{}\"\n", name, minted->url));
  }
  return Exit::ok;
}

}  // namespace

std::string proxy_url(const std::string& connection, const Hidden& token, const std::string& address) {
  return fmt::format("http://{}:{}@{}", connection.empty() ? "-" : encode(connection), encode(token.expose()), address);
}

Environment through_proxy(const Environment& environment, const std::string& url, std::vector<std::string>& removed) {
  Environment out = environment;
  std::erase_if(out, [](const auto& variable) { return variable.first.starts_with("POSTERN_"); });
  for (const char* name : {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"})
    if (out.erase(name) > 0) removed.emplace_back(name);
  out["http_proxy"] = url;
  out["HTTP_PROXY"] = url;
  return out;
}

void add_run_verbs(CLI::App& root, Command& command) {
  auto flags = std::make_shared<MintFlags>();
  CLI::App* verb = add_verb(root, "exec", "run a command whose http:// calls go through postern",
                            "postern exec -c stripe -- curl http://api.stripe.com.postern.internal/v1/balance");
  verb->footer(
      verb->get_footer() +
      "\n\nThe command gets a token of its own in http_proxy, which is revoked when it ends. Programs of the same "
      "user\nare no boundary: they can read each other's memory and environment, and this user's admin socket.\nRun "
      "what you do not trust as another user, or in a container.");
  verb->add_option("-c,--connection", flags->connection, "id or alias; without it any, named in each request");
  verb->add_option("--hosts", flags->hosts, "only these hosts")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B");
  verb->add_option("--run", flags->run,
                   "the run it is for, in the access log and in lists; default: the program's name");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return exec(*flags, session); }; });

  auto printed = std::make_shared<MintFlags>();
  verb = add_verb(root, "env", "print proxy variables with a fresh token in them", "eval \"$(postern env -c stripe)\"");
  verb->add_option("-c,--connection", printed->connection, "id or alias; without it any, named in each request");
  verb->add_option("--hosts", printed->hosts, "only these hosts")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B");
  verb->add_option("--run", printed->run, "the run it is for: a label in lists and in the access log");
  verb->add_option("--expires", printed->expires, "30m, 12h, 7d or a time; default 24h")->type_name("SPAN");
  verb->add_option("--format", printed->format, "sh, docker (for --env-file) or k8s (a container's env list)")
      ->check(CLI::IsMember({"sh", "docker", "k8s"}));
  verb->callback(
      [&command, printed] { command.action = [printed](Session& session) { return env(*printed, session); }; });
}

}  // namespace postern::cli
