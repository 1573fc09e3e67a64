// completion: scripts for bash, zsh and fish that ask the binary itself, and the hidden verb that answers them.
//
// `postern __complete WORD…` prints the candidates for the last word, one a line; the words are those of the command
// line up to the cursor, without the program. `:files` stands for file names. Without a daemon, or with anything wrong,
// it prints less and says nothing.
#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "proxy/cli/command.hpp"
#include "proxy/cli/offline.hpp"

namespace postern::cli {
namespace {

constexpr std::string_view kFiles = ":files";

constexpr std::string_view kBash =
    R"(# bash completion for postern: source it, or put it into /etc/bash_completion.d/postern
_postern() {
  local candidates current="${COMP_WORDS[COMP_CWORD]}"
  mapfile -t candidates < <(postern __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ "${candidates[*]}" == ":files" ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    compopt -o filenames 2>/dev/null
  else
    COMPREPLY=("${candidates[@]}")
  fi
}
complete -F _postern postern
)";

constexpr std::string_view kZsh = R"(#compdef postern
# zsh completion for postern: put it into a folder of $fpath as _postern
_postern() {
  local -a candidates
  candidates=("${(@f)$(postern __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "${candidates[*]}" == ":files" ]]; then
    _files
  elif [[ -n "${candidates[*]}" ]]; then
    compadd -- "${candidates[@]}"
  fi
}
if [ "$funcstack[1]" = "_postern" ]; then _postern "$@"; else compdef _postern postern; fi
)";

constexpr std::string_view kFish = R"(# fish completion for postern: put it into ~/.config/fish/completions/postern.fish
function __postern_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l current (commandline -ct)
  set -l candidates (postern __complete $words "$current" 2>/dev/null)
  if test "$candidates" = ":files"
    __fish_complete_path "$current"
  else
    printf '%s\n' $candidates
  end
end
complete -c postern -f -a '(__postern_complete)'
)";

// The name an option goes by: "connection" of -c,--connection and of the positional alike.
std::string name_of(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_name() : option.get_lnames().front();
}

bool takes_value(const CLI::Option& option) {
  return option.get_type_size_max() > 0;
}

// Of this verb or, for global flags, of one above it.
const CLI::Option* find_flag(const CLI::App* app, std::string flag) {
  flag = flag.substr(0, flag.find('='));
  for (; app != nullptr; app = app->get_parent())
    if (const CLI::Option* option = app->get_option_no_throw(flag)) return option;
  return nullptr;
}

const CLI::App* find_verb(const CLI::App& app, const std::string& word) {
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    const auto& aliases = verb->get_aliases();
    if (verb->get_name() == word || std::find(aliases.begin(), aliases.end(), word) != aliases.end()) return verb;
  }
  return nullptr;
}

std::vector<std::string> verbs_and_nouns(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
    out.push_back(verb->get_name());
  return out;
}

// Where the words lead: the verb, the flag whose value comes next, how many positional words were given.
struct Position {
  const CLI::App* verb = nullptr;
  const CLI::Option* value_of = nullptr;
  std::size_t positionals = 0;
  bool lost = false;     // a word that is no verb where one was due
  bool foreign = false;  // behind the `--` of exec: somebody else's command line
};

// Where to ask for candidates is said on the unfinished line itself.
void note_global(const CLI::Option& flag, const std::string& value, Globals& globals) {
  const std::string name = name_of(flag);
  if (name == "config") globals.config = value;
  if (name == "server") globals.server = value;
  if (name == "token-file") globals.token_file = value;
  if (name == "organization") globals.organization = value;
  if (name == "project") globals.project = value;
}

Position walk(const CLI::App& root, const std::vector<std::string>& words, Globals& globals) {
  Position at{.verb = &root};
  for (const std::string& word : words) {
    if (at.value_of != nullptr) {
      note_global(*at.value_of, word, globals);
      at.value_of = nullptr;
    } else if (word == "--") {
      at.foreign = true;
      return at;
    } else if (word.starts_with('-')) {
      const CLI::Option* flag = find_flag(at.verb, word);
      const auto equals = word.find('=');
      if (flag == nullptr || !takes_value(*flag)) continue;
      if (equals == word.npos)
        at.value_of = flag;
      else
        note_global(*flag, word.substr(equals + 1), globals);
    } else if (const CLI::App* verb = find_verb(*at.verb, word)) {
      at.verb = verb;
    } else if (verbs_and_nouns(*at.verb).empty()) {
      ++at.positionals;
    } else {
      at.lost = true;
    }
  }
  return at;
}

std::vector<std::string> flags(const CLI::App* app) {
  std::vector<std::string> out;
  for (; app != nullptr; app = app->get_parent())
    for (const CLI::Option* option : app->get_options())
      for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
  return out;
}

std::vector<std::string> listed(Session& session, const char* path, std::initializer_list<const char*> keys,
                                const Query& query = {}) {
  std::vector<std::string> out;
  auto api = session.api();
  if (!api) return out;
  const auto answer = api->list(path, query, {.limit = 1000, .cursor = {}});
  if (!answer) return out;
  const json::value* data = answer->if_contains("data");
  if (data == nullptr || !data->is_array()) return out;
  for (const json::value& row : data->get_array()) {
    if (!row.is_object()) continue;
    for (const char* key : keys)
      if (std::string text = text_field(row.get_object(), key); !text.empty()) out.push_back(std::move(text));
  }
  return out;
}

// Those that the daemon has, which may run with other files than ours: shipped, of folders, imported. Where none
// answers, what the files say. `drafts`: imported ones that are not enabled too.
std::vector<std::string> providers(Session& session, bool drafts) {
  std::vector<std::string> out =
      listed(session, "providers", {"id"}, drafts ? Query{{"showDisabled", "true"}} : Query{});
  if (!out.empty() || !session.globals.server.empty()) return out;
  if (const auto known = offline::providers(session.globals.config, session.around.environment))
    for (const ProviderForm& form : *known) out.push_back(form.id);
  return out;
}

// What may stand where this option's value does.
std::vector<std::string> values(const CLI::Option& option, Session& session) {
  const std::string name = name_of(option);
  if (name == "connection" || name == "connections") return listed(session, "connections", {"alias", "id"});
  if (name == "authorization" || name == "as") return listed(session, "authorizations", {"id"});
  if (name == "organization") return listed(session, "organizations", {"id"});
  if (name == "project") return listed(session, "projects", {"id"});
  if (name == "user") return listed(session, "users", {"id"});
  if (name == "auth-config") return listed(session, "auth_configs", {"id"}, {{"showDisabled", "true"}});
  if (name == "provider" || name == "app") return providers(session, name == "provider");
  if (name == "capabilities") return offline::capabilities();
  if (name == "output") return {"table", "json", "yaml"};
  if (name == "format") return {"sh", "docker", "k8s"};
  if (name == "type") return offline::auth_types();
  if (name == "status") return {"ACTIVE", "EXPIRED", "ERROR", "REVOKED"};
  if (name == "scope") return {"PERSONAL", "PROJECT", "ORGANIZATION"};
  if (name == "shell") return {"bash", "zsh", "fish"};
  if (name == "file" || option.get_type_name() == "FILE") return {std::string(kFiles)};
  return {};
}

// The positional that the next word belongs to; the last one may take any number.
const CLI::Option* positional(const CLI::App& verb, std::size_t index) {
  std::vector<const CLI::Option*> all;
  for (const CLI::Option* option : verb.get_options())
    if (option->get_positional()) all.push_back(option);
  if (all.empty()) return nullptr;
  if (index >= all.size() && all.back()->get_items_expected_max() > 1) return all.back();
  return index < all.size() ? all[index] : nullptr;
}

std::vector<std::string> candidates(const Position& at, const std::string& current, Session& session) {
  if (at.lost) return {};
  if (at.foreign) return {std::string(kFiles)};
  if (at.value_of != nullptr) return values(*at.value_of, session);
  if (current.starts_with('-')) {
    const auto equals = current.find('=');
    if (equals == current.npos) return flags(at.verb);
    std::vector<std::string> out;
    const CLI::Option* flag = find_flag(at.verb, current);
    if (flag == nullptr) return out;
    for (const std::string& value : values(*flag, session)) out.push_back(current.substr(0, equals + 1) + value);
    return out;
  }
  if (auto verbs = verbs_and_nouns(*at.verb); !verbs.empty()) return verbs;
  const CLI::Option* next = positional(*at.verb, at.positionals);
  return next == nullptr ? std::vector<std::string>() : values(*next, session);
}

}  // namespace

int complete(const CLI::App& root, Command& command, const std::vector<std::string>& words, Surroundings& around) {
  const std::string current = words.empty() ? "" : words.back();
  const std::vector<std::string> before(words.begin(), words.empty() ? words.end() : words.end() - 1);
  const Position at = walk(root, before, command.globals);
  Session session(around, command.globals, command.rest);
  // A list of values: the last one is completed.
  const bool list = at.value_of != nullptr && at.value_of->get_delimiter() == ',';
  const std::string head = list && current.find(',') != current.npos ? current.substr(0, current.rfind(',') + 1) : "";
  std::set<std::string> out;
  for (const std::string& candidate : candidates(at, current, session)) {
    if (candidate == kFiles || (head + candidate).starts_with(current))
      out.insert(candidate == kFiles ? candidate : head + candidate);
  }
  for (const std::string& line : out) around.out << printable(line) << "\n";
  around.out << std::flush;
  return Exit::ok;
}

void add_completion_verb(CLI::App& root, Command& command) {
  CLI::App* verb = add_verb(root, "completion", "a script that completes verbs, flags, aliases and ids in a shell",
                            "source <(postern completion bash)");
  auto shell = std::make_shared<std::string>();
  verb->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->callback([&command, shell] {
    command.action = [shell](Session& session) -> Result<int> {
      session.print(std::string(*shell == "bash" ? kBash : *shell == "zsh" ? kZsh : kFish));
      return Exit::ok;
    };
  });
}

}  // namespace postern::cli
