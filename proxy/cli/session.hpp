#pragma once
// One run of the CLI: what it was told (Globals), what is around it (Surroundings, the seam for tests), and the few
// things every verb does: reach the API and print an answer.
//
// Thread safety: one thread. Ownership: Session borrows Surroundings and Globals, which outlive it.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proxy/cli/api.hpp"
#include "proxy/cli/cli.hpp"
#include "proxy/cli/client.hpp"
#include "proxy/cli/failure.hpp"
#include "proxy/cli/hidden.hpp"
#include "proxy/cli/output.hpp"
#include "proxy/cli/provider_form.hpp"

namespace postern::cli {

using Environment = std::map<std::string, std::string>;
using ConfigFile = std::optional<std::filesystem::path>;  // --config; absent: the default places

struct Place {                  // where the daemon of a configuration is
  std::filesystem::path state;  // admin.sock lies in it
};

struct Surroundings {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool err_is_terminal = false;
  Environment environment;
  Hooks hooks;
  std::function<Result<Hidden>(const std::string& label, bool echo)> ask;  // from the terminal
  std::function<std::unique_ptr<Transport>(const Endpoint&)> dial;
  // The exit code of the command: 128+n when signal n ended it. Error: it could not be started (126, 127).
  std::function<Result<int>(const std::vector<std::string>& command, const Environment& environment)> run_child;
  std::function<Result<Place>(const ConfigFile&, const Environment&)> locate;
  std::function<Result<ProviderForm>(const ConfigFile&, const Environment&, const std::string& id)> provider;
  std::function<std::int64_t()> now_ms;
  std::function<void()> pause = {};  // between two looks at something that takes a person's time
  std::size_t width = 0;             // cells in a line of the terminal that `out` is; 0: it is none
};

struct Globals {
  ConfigFile config;
  Format format = Format::table;
  bool quiet = false;
  bool verbose = false;
  std::string server;                 // --server; empty: the unix socket
  std::string organization, project;  // what every call is about; empty: not said
  std::string token_file;             // --token-file; empty: POSTERN_TOKEN_FILE, which is read for --server only
};

class Session {
 public:
  Session(Surroundings& surroundings, const Globals& flags, const std::vector<std::string>& behind_dashes)
      : around(surroundings), globals(flags), rest(behind_dashes) {}

  // The admin API: <state>/admin.sock, or --server with its token. Each call is a new connection.
  Result<Api> api();
  // The entry of a provider: from the configuration's catalog, or else from the API (imported ones, and with --server).
  Result<ProviderForm> provider(const std::string& id);
  // Where this daemon's proxy listens, as a caller on this machine dials it ("127.0.0.1:8480").
  Result<std::string> proxy_address(Api& api);

  void print(const std::string& text);
  // A table that fits the terminal; what there is no room for is said on stderr. `titles`: the first line of it too.
  void print_table(std::span<const Column> columns, const json::array& rows, bool titles = true);
  // -q: the ids; json, yaml: the whole answer; table: the columns.
  void print_list(const json::object& answer, std::span<const Column> columns);
  // -q: the id; json, yaml: the object; table: one line a field.
  void print_object(const json::object& object);
  // One call of the API whose answer is printed; the exit code.
  Result<int> show(const std::string& path);
  Result<int> create(const std::string& path, const json::object& body);
  // True where text for people belongs on stdout: neither -q nor json nor yaml.
  bool talks() const { return !globals.quiet && globals.format == Format::table; }
  void note(const std::string& line);  // "postern: …" on stderr

  Surroundings& around;
  const Globals& globals;
  const std::vector<std::string>& rest;  // what stood behind `--`
};

// "30m", "1h", "7d", "90s" from now, or an RFC 3339 time as it is; the result is RFC 3339 in UTC.
Result<std::string> expiry(const std::string& text, std::int64_t now_ms);
// What GET /api/v1/providers/{id} answers, and a list holds.
ProviderForm form_from(const json::object& entry);
// The same, but so long before now. `flag`: what the text was given with.
Result<std::string> ago(const std::string& text, std::int64_t now_ms, const std::string& flag);
// A string field of an object; empty when absent.
std::string text_field(const json::object& object, std::string_view key);
// "0.0.0.0:80" and "[::]:80" listen everywhere; a caller dials loopback.
std::string dialled_address(const std::string& listening);

}  // namespace postern::cli
