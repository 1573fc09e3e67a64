// connections import: one JSON object a line, as POST /api/v1/connections takes it, over one keep-alive connection.
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <fstream>
#include <istream>
#include <memory>

#include "proxy/cli/command.hpp"

namespace postern::cli {
namespace {

struct ImportFlags {
  std::string file = "-";
  bool go_on = false;
};

struct Tally {
  std::size_t made = 0, failed = 0;
};

Result<json::object> parse_line(const std::string& line) {
  boost::system::error_code error;
  json::value parsed = json::parse(line, error);
  if (error || !parsed.is_object()) return fail(Exit::failed, "not a JSON object");
  return std::move(parsed.get_object());
}

Result<void> import_lines(std::istream& in, const ImportFlags& flags, Session& session, Api& api, Tally& tally) {
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto body = parse_line(line);
    wipe(line);
    auto made = body ? api.create("connections", *body) : Result<json::object>(std::unexpected(body.error()));
    if (made) {
      ++tally.made;
      if (!session.talks()) session.print_object(*made);
      continue;
    }
    ++tally.failed;
    const Failure failure{made.error().exit, fmt::format("{}:{}: {}", flags.file, number, made.error().message)};
    // Without a daemon or the right to create, the next line cannot do better.
    const bool hopeless = failure.exit == Exit::unreachable || failure.exit == Exit::denied;
    if (!flags.go_on || hopeless) return std::unexpected(failure);
    session.note(failure.message);
  }
  return {};
}

Result<int> import(const ImportFlags& flags, Session& session) {
  std::ifstream file;
  if (flags.file != "-") {
    file.open(flags.file, std::ios::binary);
    if (!file) return fail(Exit::failed, fmt::format("import: {}: cannot be read; check path and mode", flags.file));
  }
  auto api = session.api();
  if (!api) return std::unexpected(api.error());
  Tally tally;
  auto done = import_lines(flags.file == "-" ? session.around.in : file, flags, session, *api, tally);
  if (session.talks()) session.print(fmt::format("imported {}, failed {}\n", tally.made, tally.failed));
  if (!done) return std::unexpected(done.error());
  return tally.failed == 0 ? Exit::ok : Exit::failed;
}

}  // namespace

void add_import_verb(CLI::App& connections, Command& command) {
  auto flags = std::make_shared<ImportFlags>();
  CLI::App* verb = add_verb(connections, "import", "create connections from JSON lines; stops at the first that fails",
                            "postern connections import connections.jsonl --continue");
  verb->add_option("file", flags->file, "JSON lines; - (or nothing) for stdin");
  verb->add_flag("--continue", flags->go_on, "report a line that fails and go on; exit 1 at the end");
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return import(*flags, session); }; });
}

}  // namespace postern::cli
