#pragma once
// How verbs are declared: each noun's file adds its verbs to the tree, and parsing leaves one action to run.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "proxy/cli/session.hpp"

namespace postern::cli {

struct SecretSource;

inline constexpr std::string_view kCompletionVerb = "__complete";  // hidden: what completion scripts call

struct Command {
  Globals globals;
  std::vector<std::string> rest;                // behind `--` of exec
  std::function<Result<int>(Session&)> action;  // of the verb that was named; returns the exit code
};

// A verb with its help and one example line.
CLI::App* add_verb(CLI::App& parent, const std::string& name, const std::string& purpose, const std::string& example);
// A noun: a group of verbs, one of which must follow.
CLI::App* add_noun(CLI::App& root, const std::string& name, const std::string& purpose);
void add_secret_source(CLI::App& verb, SecretSource& source);
// For an option that takes a whole number in this range: what else is given is refused with the range, not repeated.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most = std::numeric_limits<std::int64_t>::max());

// One line for each file of verbs. Each stores its action in `command`, which outlives the parse.
void add_daemon_verbs(CLI::App& root, Command& command);                // init run reload status version
void add_vault_verbs(CLI::App& root, Command& command);                 // vault status|rotate|rewrap|backup|restore|…
void add_audit_verbs(CLI::App& root, Command& command);                 // audit tail|verify|export
void add_config_verbs(CLI::App& root, Command& command);                // config validate|show
void add_doctor_verb(CLI::App& root, Command& command);                 // doctor
void add_completion_verb(CLI::App& root, Command& command);             // completion
void add_provider_verbs(CLI::App& root, Command& command);              // providers list|show|lint|import|…
void add_connect_verb(CLI::App& root, Command& command);                // connect
void add_run_verbs(CLI::App& root, Command& command);                   // exec env
void add_connection_verbs(CLI::App& root, Command& command);            // connections …
void add_auth_config_verbs(CLI::App& root, Command& command);           // auth-configs …
void add_provider_import_verbs(CLI::App& providers, Command& command);  // providers import|enable|disable|delete
void add_import_verb(CLI::App& connections, Command& command);          // connections import
void add_export_verb(CLI::App& connections, Command& command);          // connections export
void add_explain_verb(CLI::App& root, Command& command);                // explain
void add_authorization_verbs(CLI::App& root, Command& command);         // authorizations (tokens) …
void add_scope_verbs(CLI::App& root, Command& command);                 // organizations … projects … users …

// "proj_x=EDITOR" of each, as the API wants it. Errors: usage, naming the flag.
Result<json::array> access_from(const std::vector<std::string>& texts, std::string_view flag);

// What may follow the words of an unfinished command line, one a line; see completion.cpp.
int complete(const CLI::App& root, Command& command, const std::vector<std::string>& words, Surroundings& around);

// Parses, runs, reports: everything of `main` except where the streams and the environment come from. `arguments` are
// without the program's name.
int run_command(const std::vector<std::string>& arguments, Surroundings& surroundings);

// The closest of `candidates` within two edits (three for long words); empty: none is close.
std::string closest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace postern::cli
