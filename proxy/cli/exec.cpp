// exec and env: a command, or a shell, that calls through the proxy with an authorization of its own.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "proxy/cli/ca_bundle.hpp"
#include "proxy/cli/child.hpp"
#include "proxy/cli/command.hpp"
#include "proxy/cli/java_trust_store.hpp"
#include "proxy/cli/proxy_environment.hpp"

namespace postern::cli {
namespace {

struct MintFlags {
  std::string connection, expires = "24h", format = "sh", run, trust_folder;
  std::vector<std::string> hosts;
};

// What is known before there is a token.
struct Prepared {
  std::string address;             // of the proxy, as a caller on this machine dials it
  bool tunnels = false;            // CONNECT leads somewhere
  std::string bundle, java_store;  // files; empty: nothing is intercepted
};

struct Minted {
  std::string id, url;  // of the authorization; of the proxy, with the token in it
};

// Java's store lies beside the bundle and is written anew only where that has changed.
Result<void> prepare_trust(const MintFlags& flags, Api& api, Session& session, Prepared& out) {
  std::filesystem::path bundle = std::filesystem::path(flags.trust_folder) / "ca-bundle.pem";
  if (flags.trust_folder.empty()) {
    auto made = bundle_file(api, session);
    if (!made) return std::unexpected(made.error());
    if (!*made) return {};  // the CA went in this moment
    bundle = (*made)->file;
    const auto store = std::filesystem::path(bundle).replace_extension(".jks");
    if (auto done = write_public(store, java_trust_store((*made)->text), "ca"); !done) return done;
  }
  out.bundle = bundle.string();
  out.java_store = bundle.replace_extension(".jks").string();
  return {};
}

Result<Prepared> prepare(const MintFlags& flags, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  auto status = api->get("status");
  if (!status) return std::unexpected(status.error());
  boost::system::error_code absent;
  const json::value* first = status->find_pointer("/proxy/0", absent);
  if (first == nullptr || !first->is_string() || first->get_string().empty())
    return fail(Exit::failed, "status: proxy: the daemon names no proxy address; does it listen? see 'postern status'");
  const json::value* intercepted = status->find_pointer("/tunnels/intercepted", absent);
  const bool intercepts = intercepted != nullptr && intercepted->is_array() && !intercepted->get_array().empty();
  const auto says = [&](const char* pointer) {
    const json::value* flag = status->find_pointer(pointer, absent);
    return flag != nullptr && flag->is_bool() && flag->get_bool();
  };
  if (says("/tunnels/authorityMissing") && !session.globals.quiet)
    session.note(
        "intercept.hosts names hosts, but there is no local CA, so https:// calls do not come through postern with a "
        "credential; make one with 'postern ca create'");
  Prepared out;
  out.address = dialled_address(std::string(first->get_string()));
  out.tunnels = intercepts || says("/tunnels/passed");
  if (intercepts)
    if (auto done = prepare_trust(flags, *api, session, out); !done) return std::unexpected(done.error());
  return out;
}

// An authorization for calls and nothing else, over one connection if one is named.
Result<Minted> mint(const MintFlags& flags, const char* name, const std::string& address, Session& session) {
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
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
  return Minted{text_field(*made, "id"), proxy_url(flags.connection, token, address)};
}

void revoke(const std::string& id, Session& session) {
  auto api = session.api();
  auto erased = api ? api->erase("authorizations/" + encode(id)) : Result<void>(std::unexpected(api.error()));
  // Gone already is as good as revoked.
  if (erased || erased.error().exit == Exit::not_found) return;
  session.note(fmt::format("exec: {}: not revoked: {}; it ends by itself within a day", id, erased.error().message));
}

// Root needs no permission, and a remote daemon is another machine's.
bool has_the_daemons_user(Session& session) {
  if (!session.globals.server.empty()) return false;
  const auto place = session.around.locate(session.globals.config, session.around.environment);
  struct stat socket{};
  if (!place || stat((place->state / "admin.sock").c_str(), &socket) != 0) return false;
  return geteuid() == 0 || socket.st_uid == geteuid();
}

Way way(const Minted& minted, const Prepared& prepared) {
  return {minted.url, prepared.tunnels, prepared.bundle, prepared.java_store};
}

Result<int> exec(const MintFlags& flags, Session& session) {
  if (session.rest.empty())
    return fail(Exit::usage, "exec: no command: write it behind --: postern exec -c ALIAS -- curl http://…");
  const HeldSignals held;  // from before the authorization is made until it is revoked
  // The program, never its arguments, which may hold anything.
  MintFlags wanted = flags;
  if (wanted.run.empty()) wanted.run = std::filesystem::path(session.rest.front()).filename().string().substr(0, 200);
  auto prepared = prepare(flags, session);
  if (!prepared) return std::unexpected(prepared.error());
  auto minted = mint(wanted, "exec", prepared->address, session);
  if (!minted) return std::unexpected(minted.error());
  std::vector<std::string> removed;
  const Environment environment = through_proxy(session.around.environment, way(*minted, *prepared), removed);
  if (session.globals.verbose)
    for (const std::string& name : removed)
      session.note(
          fmt::format("exec: {}: what it said does not hold for the command: it would lead around postern", name));
  if (!session.globals.quiet && has_the_daemons_user(session))
    session.note(
        "exec: the command runs as the daemon's own user, which is no boundary: it can reach the master key and the "
        "admin socket; run what you do not trust as another user (-q silences this)");
  auto code = session.around.run_child(session.rest, environment);
  revoke(minted->id, session);
  return code;
}

Result<int> env(const MintFlags& flags, Session& session) {
  if (std::ranges::any_of(flags.trust_folder, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return fail(Exit::usage, "env: --trust-folder: holds a line break or another control character");
  auto prepared = prepare(flags, session);
  if (!prepared) return std::unexpected(prepared.error());
  auto minted = mint(flags, "env", prepared->address, session);
  if (!minted) return std::unexpected(minted.error());
  // A shell's own JAVA_TOOL_OPTIONS are kept; what a container has is not known here.
  const bool here = flags.format == "sh";
  const auto java = session.around.environment.find("JAVA_TOOL_OPTIONS");
  const bool extends = here && java != session.around.environment.end();
  const Variables variables = proxy_variables(way(*minted, *prepared), extends ? java->second : "");
  session.print(here                       ? for_shell(variables)
                : flags.format == "docker" ? for_docker(variables)
                                           : for_kubernetes(variables));
  return Exit::ok;
}

}  // namespace

void add_run_verbs(CLI::App& root, Command& command) {
  auto flags = std::make_shared<MintFlags>();
  CLI::App* verb = add_verb(root, "exec", "run a command whose calls go through postern",
                            "postern exec -c stripe -- curl http://api.stripe.com.postern.internal/v1/balance");
  verb->footer(
      verb->get_footer() +
      "\n\nThe command gets a token of its own, which is revoked when it ends, in http_proxy and HTTP_PROXY; where "
      "tunnels lead\nsomewhere (intercept.hosts with a CA, or egress), in https_proxy and all_proxy too, in both "
      "cases. "
      "no_proxy is loopback:\nwhat it held before would lead around postern. NODE_USE_ENV_PROXY and JAVA_TOOL_OPTIONS "
      "say the same to Node and Java.\nWhere hosts are intercepted, SSL_CERT_FILE, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, "
      "NODE_EXTRA_CA_CERTS and their kin\nname a bundle of the system's roots and postern's CA.\n\n"
      "Signals sent to exec reach the command; the exit code is the command's, 128+n if signal n ended it. If exec "
      "itself\n"
      "is killed (SIGKILL), the command goes on, and its token ends within a day or with 'postern tokens revoke'.\n\n"
      "Programs of the same user are no boundary: they can read each other's memory and environment, and this user's\n"
      "admin socket. Run what you do not trust as another user, or in a container.");
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
  verb->footer(
      verb->get_footer() +
      "\n\nThe same variables that exec sets, see there. A container does not see this machine's files: give it copies "
      "of\nca-bundle.pem and ca-bundle.jks, which are named here, and say with --trust-folder where.");
  verb->add_option("--trust-folder", printed->trust_folder, "name the CA bundle in this folder, and write none")
      ->type_name("PATH");
  verb->add_option("--format", printed->format, "sh, docker (for --env-file) or k8s (a container's env list)")
      ->check(CLI::IsMember({"sh", "docker", "k8s"}));
  verb->callback(
      [&command, printed] { command.action = [printed](Session& session) { return env(*printed, session); }; });
}

}  // namespace postern::cli
