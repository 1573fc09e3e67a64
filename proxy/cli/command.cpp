#include "proxy/cli/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <ostream>

#include "proxy/cli/secret_source.hpp"

namespace postern::cli {
namespace {

std::size_t edits(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

void add_globals(CLI::App& root, Globals& globals) {
  root.add_option("--config", globals.config, "settings file (default ./postern.yaml, then /etc/postern/postern.yaml)")
      ->type_name("FILE");
  root.add_option_function<std::string>(
          "-o,--output",
          [&globals](const std::string& format) {
            globals.format = format == "json" ? Format::json : format == "yaml" ? Format::yaml : Format::table;
          },
          "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->type_name("FORMAT");
  root.add_flag("-q,--quiet", globals.quiet, "print ids only");
  root.add_flag("-v,--verbose", globals.verbose, "say more on stderr");
  root.add_option("--server", globals.server, "admin API of another postern, https://host:port")->type_name("URL");
  root.add_option("--organization", globals.organization, "what the call is about; for system administrators")
      ->type_name("ID");
  root.add_option("--project", globals.project, "only this project; what is made lies in it")->type_name("ID");
  root.add_option("--token-file", globals.token_file, "file with the token for --server (or POSTERN_TOKEN_FILE)")
      ->type_name("FILE");
}

// The deepest verb that parsing reached.
const CLI::App* reached(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

std::string path_of(const CLI::App* app) {
  std::string path;
  for (; app != nullptr; app = app->get_parent()) path = app->get_name() + (path.empty() ? "" : " ") + path;
  return path;
}

std::vector<std::string> verbs_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(verb->get_name());
    for (const std::string& alias : verb->get_aliases()) names.push_back(alias);
  }
  return names;
}

std::vector<std::string> flags_of(const CLI::App* app) {
  std::vector<std::string> names;
  for (; app != nullptr; app = app->get_parent())
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string found = closest(word, candidates);
  return found.empty() ? "" : fmt::format("did you mean '{}'? ", found);
}

// What was wrong with the command line. Never repeats a stray value: it could be a secret pasted in the wrong place.
std::string usage_message(const CLI::App& root, const CLI::ParseError& error) {
  const CLI::App* verb = reached(root);
  const std::string help = fmt::format("see '{} --help'", path_of(verb));
  const std::vector<std::string> stray = root.remaining(true);
  for (const std::string& word : stray) {
    if (!word.starts_with('-')) continue;
    const std::string flag = word.substr(0, word.find('='));
    return fmt::format("unknown flag: {}: {}{}", flag, did_you_mean(flag, flags_of(verb)), help);
  }
  const bool group = !verb->get_subcommands([](const CLI::App*) { return true; }).empty();
  if (group && !stray.empty())
    return fmt::format("unknown verb: {} {}: {}{}", path_of(verb), stray.front(),
                       did_you_mean(stray.front(), verbs_of(*verb)), help);
  if (group) return fmt::format("no verb: {}: {}", path_of(verb), help);
  if (!stray.empty()) return fmt::format("too many arguments: {}: {}", path_of(verb), help);
  return fmt::format("usage: {}: {}; {}", path_of(verb), error.what(), help);
}

int report(const Failure& failure, std::ostream& err) {
  err << "postern: " << printable(failure.message) << "\n";
  return failure.exit;
}

// What stands behind the first `--` of exec is somebody else's command line; CLI11 never sees it.
std::vector<std::string> split_rest(std::vector<std::string>& arguments) {
  const auto dashes = std::ranges::find(arguments, "--");
  if (std::find(arguments.begin(), dashes, "exec") == dashes) return {};
  std::vector<std::string> rest(dashes == arguments.end() ? dashes : dashes + 1, arguments.end());
  arguments.erase(dashes, arguments.end());
  return rest;
}

}  // namespace

std::string closest(const std::string& word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t distance = word.size() > 8 ? 4 : word.size() > 3 ? 3 : 2;  // one more than allowed
  for (const std::string& candidate : candidates) {
    const std::size_t found = edits(word, candidate);
    if (found < distance) {
      distance = found;
      best = candidate;
    }
  }
  return best;
}

CLI::App* add_verb(CLI::App& parent, const std::string& name, const std::string& purpose, const std::string& example) {
  CLI::App* verb = parent.add_subcommand(name, purpose);
  verb->footer("Example:\n  " + example +
               "\n\nAlso: --config FILE, -o table|json|yaml, -q, -v, --server URL, --token-file FILE,\n      "
               "--organization ID, --project ID");
  return verb;
}

CLI::App* add_noun(CLI::App& root, const std::string& name, const std::string& purpose) {
  CLI::App* noun = root.add_subcommand(name, purpose);
  noun->require_subcommand(1);
  noun->footer(fmt::format("Example:\n  postern {} list -o json", name));
  return noun;
}

void add_secret_source(CLI::App& verb, SecretSource& source) {
  verb.add_flag("--from-stdin", source.from_stdin, "read the secret from stdin: a JSON object, or the bare secret");
  verb.add_option("--from-file", source.from_file, "read it from a file")->type_name("FILE");
  verb.add_option("--from-env", source.from_env, "read it from a variable")->type_name("NAME");
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  const bool bounded = most != std::numeric_limits<std::int64_t>::max();
  const std::string range = bounded ? fmt::format("from {} to {}", least, most) : fmt::format("from {} on", least);
  const auto check = [least, most, range](const std::string& text) -> std::string {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole && number >= least && number <= most ? "" : fmt::format("write a whole number {}", range);
  };
  return CLI::Validator(check, "");
}

int run_command(const std::vector<std::string>& arguments, Surroundings& surroundings) {
  Command command;
  std::vector<std::string> own = arguments;
  command.rest = split_rest(own);
  CLI::App root("Injects credentials into outbound calls, so that callers never hold them.", "postern");
  root.require_subcommand(1);
  root.fallthrough();  // global flags behind the verb; inherited by what is added below
  root.footer(
      "Example:\n  postern init && postern run\n\nExit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 "
      "daemon unreachable,\n75 store locked, 78 configuration or key invalid.");
  add_globals(root, command.globals);
  add_daemon_verbs(root, command);
  add_connect_verb(root, command);
  add_run_verbs(root, command);
  add_connection_verbs(root, command);
  add_auth_config_verbs(root, command);
  add_authorization_verbs(root, command);
  add_explain_verb(root, command);
  add_scope_verbs(root, command);
  add_provider_verbs(root, command);
  add_vault_verbs(root, command);
  add_audit_verbs(root, command);
  add_config_verbs(root, command);
  add_doctor_verb(root, command);
  add_completion_verb(root, command);
  if (!arguments.empty() && arguments.front() == kCompletionVerb)
    return complete(root, command, {arguments.begin() + 1, arguments.end()}, surroundings);
  try {
    std::ranges::reverse(own);
    root.parse(std::move(own));
  } catch (const CLI::CallForHelp&) {
    surroundings.out << root.help() << std::flush;
    return Exit::ok;
  } catch (const CLI::ParseError& error) {
    return report({Exit::usage, usage_message(root, error)}, surroundings.err);
  }
  if (!command.rest.empty() && !root.got_subcommand("exec"))
    return report({Exit::usage, "too many arguments: only exec takes a command behind --"}, surroundings.err);
  Session session(surroundings, command.globals, command.rest);
  const auto result = command.action(session);
  return result ? *result : report(result.error(), surroundings.err);
}

}  // namespace postern::cli
