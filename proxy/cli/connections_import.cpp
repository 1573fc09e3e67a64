// connections import: what a file holds is made through the API, several at a time, and each only once.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <istream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "proxy/cli/command.hpp"
#include "proxy/cli/import_journal.hpp"
#include "proxy/cli/import_reader.hpp"

namespace postern::cli {
namespace {

constexpr std::size_t kMostAtATime = 64;

struct ConnectionImport {
  std::string file = "-", format;
  bool dry_run = false, stop = false, again = false;
  std::size_t parallel = 4;
};

// Over a terminal one line that is written anew, otherwise a line now and then.
class Progress {
 public:
  Progress(Session& session, std::uintmax_t size) : session_(session), size_(size) {}
  // `read`: bytes of the file so far.
  void step(std::size_t done, std::size_t failed, std::uintmax_t read) {
    if (session_.globals.quiet || session_.globals.format != Format::table) return;
    constexpr std::size_t kLine = 1'000, kRedraw = 10;
    const std::size_t all = done + failed;
    if (!session_.around.err_is_terminal) {
      if (all % kLine == 0) session_.note(fmt::format("import: {} done, {} failed", done, failed));
      return;
    }
    if (all % kRedraw != 0) return;
    const std::string numbers = fmt::format("{} done, {} failed", done, failed);
    if (size_ == 0) {
      session_.around.err << fmt::format("\r{}\x1b[K", numbers) << std::flush;
    } else {
      constexpr std::size_t kWidth = 30;
      const auto full = static_cast<std::size_t>(std::min(read, size_) * kWidth / size_);
      session_.around.err << fmt::format("\r[{:<30}] {:3}% {}\x1b[K", std::string(full, '#'),
                                         std::min(read, size_) * 100 / size_, numbers)
                          << std::flush;
    }
    drawn_ = true;
  }
  // Before anything else is written.
  void clear() {
    if (drawn_) session_.around.err << "\r\x1b[K" << std::flush;
    drawn_ = false;
  }

 private:
  Session& session_;
  std::uintmax_t size_;
  bool drawn_ = false;
};

// One run: what its threads share is behind one mutex, which nobody holds while the daemon is asked.
class Import {
 public:
  Import(const ConnectionImport& flags, Session& session, ImportReader& reader, ImportJournal journal, std::istream& in,
         std::uintmax_t size)
      : flags_(flags),
        session_(session),
        reader_(reader),
        journal_(std::move(journal)),
        in_(in),
        progress_(session, size) {}

  Result<int> run() {
    std::vector<Api> apis;
    const std::size_t threads = std::min(flags_.parallel, kMostAtATime);
    for (std::size_t i = 0; i < threads; ++i) {
      auto api = session_.api();
      if (!api) return std::unexpected(api.error());
      apis.push_back(std::move(*api));
    }
    {
      std::vector<std::jthread> others;
      for (std::size_t i = 1; i < threads; ++i) others.emplace_back([this, &api = apis[i]] { work(api); });
      work(apis.front());
    }
    progress_.clear();
    sum_up();
    if (end_) return std::unexpected(*end_);
    return failed_ == 0 ? Exit::ok : Exit::failed;
  }

 private:
  struct Task {
    ImportEntry entry;
    std::string key;
  };

  void sum_up() {
    if (session_.globals.quiet) return;
    if (!session_.talks())
      session_.print_object(
          {{"imported", made_}, {"skipped", skipped_}, {"failed", std::move(failures_)}, {"dryRun", flags_.dry_run}});
    else if (flags_.dry_run)
      session_.print(fmt::format("valid {}, failed {}; nothing was written\n", made_, failed_));
    else if (skipped_ != 0)
      session_.print(fmt::format("imported {}, skipped {} that were there, failed {}\n", made_, skipped_, failed_));
    else
      session_.print(fmt::format("imported {}, failed {}\n", made_, failed_));
  }

  void work(Api& api) {
    while (auto task = next()) {
      HeaderFields fields;
      if (!flags_.dry_run && !flags_.again) fields.emplace_back("Idempotency-Key", "import-" + task->key);
      auto made = api.create(flags_.dry_run ? "connections?dryRun=true" : "connections", task->entry.body, fields);
      note(*task, made);
    }
  }

  // Absent: there is nothing more to do.
  std::optional<Task> next() {
    const std::scoped_lock lock(mutex_);
    while (!end_) {
      auto read = reader_.next();
      if (!read) return std::nullopt;
      const auto at = in_.tellg();
      read_ = at < 0 ? read_ : static_cast<std::uintmax_t>(at);
      if (!*read) {
        refuse({Exit::failed, read->error().what}, read->error().line, read->error().column);
        continue;
      }
      std::string key = journal_.key_of((*read)->body);
      Task task{std::move(**read), std::move(key)};
      if (!flags_.again && !flags_.dry_run && journal_.has(task.key)) {
        ++skipped_;
        continue;
      }
      if (flags_.dry_run && !alias_is_new(task.entry)) continue;
      return task;
    }
    return std::nullopt;
  }

  // The daemon cannot know of two lines that nobody has written yet.
  bool alias_is_new(const ImportEntry& entry) {
    const std::string alias = text_field(entry.body, "alias");
    if (alias.empty()) return true;
    const auto [first, is_new] = aliases_.emplace(text_field(entry.body, "project") + "/" + alias, entry.line);
    if (!is_new) refuse({Exit::failed, fmt::format("/alias: line {} has the same", first->second)}, entry.line, 1);
    return is_new;
  }

  void note(const Task& task, const Result<json::object>& made) {
    const std::scoped_lock lock(mutex_);
    if (!made) {
      const Failure& failure = made.error();
      std::size_t column = 1;
      for (const auto& [pointer, at] : task.entry.columns)
        if (failure.message.find(pointer + ":") != std::string::npos) column = at;
      return refuse(failure, task.entry.line, column);
    }
    ++made_;
    progress_.step(made_, failed_, read_);
    if (flags_.dry_run) return;
    if (auto added = journal_.add(task.key, text_field(*made, "id")); !added) end_ = added.error();
    if (!session_.globals.quiet) return;
    progress_.clear();
    session_.print_object(*made);
  }

  // Without a daemon or the right to create, the next line cannot do better.
  void refuse(Failure failure, std::size_t line, std::size_t column) {
    ++failed_;
    if (!session_.talks())
      failures_.push_back(json::object{{"line", line}, {"column", column}, {"message", failure.message}});
    failure.message = fmt::format("{}:{}:{}: {}", flags_.file, line, column, failure.message);
    const bool hopeless = failure.exit == Exit::unreachable || failure.exit == Exit::denied;
    if (flags_.stop || hopeless) {
      if (!end_) end_ = std::move(failure);
      return;
    }
    progress_.clear();
    session_.note(failure.message);
    progress_.step(made_, failed_, read_);
  }

  const ConnectionImport& flags_;
  Session& session_;
  ImportReader& reader_;
  ImportJournal journal_;
  std::istream& in_;
  Progress progress_;
  std::mutex mutex_;
  std::size_t made_ = 0, skipped_ = 0, failed_ = 0;
  json::array failures_;  // for the summary that a program reads
  std::uintmax_t read_ = 0;
  std::map<std::string, std::size_t> aliases_;
  std::optional<Failure> end_;
};

Result<std::unique_ptr<ImportReader>> reader_of(const ConnectionImport& flags, std::istream& in) {
  const bool named_csv = flags.file.size() > 4 && flags.file.ends_with(".csv");
  if (flags.format != "csv" && !(flags.format.empty() && named_csv)) return read_json_lines(in);
  auto reader = read_csv(in);
  if (reader) return std::move(*reader);
  const Misread& at = reader.error();
  return fail(Exit::failed, fmt::format("{}:{}:{}: {}", flags.file, at.line, at.column, at.what));
}

Result<int> import(const ConnectionImport& flags, Session& session) {
  std::ifstream file;
  std::uintmax_t size = 0;
  if (flags.file != "-") {
    file.open(flags.file, std::ios::binary);
    if (!file) return fail(Exit::failed, fmt::format("import: {}: cannot be read; check path and mode", flags.file));
    std::error_code unknown;
    size = std::filesystem::file_size(flags.file, unknown);
    if (unknown) size = 0;
  }
  std::istream& in = flags.file == "-" ? session.around.in : file;
  auto reader = reader_of(flags, in);
  if (!reader) return std::unexpected(reader.error());
  const bool noted = flags.file != "-" && !flags.dry_run && !flags.again;
  auto journal = noted ? ImportJournal::open(flags.file + ".imported") : Result<ImportJournal>(ImportJournal());
  if (!journal) return std::unexpected(journal.error());
  return Import(flags, session, **reader, std::move(*journal), in, size).run();
}

}  // namespace

void add_import_verb(CLI::App& connections, Command& command) {
  auto flags = std::make_shared<ConnectionImport>();
  CLI::App* verb =
      add_verb(connections, "import",
               "create the connections of a file. JSON lines: an object a line, as the API takes it. CSV (RFC 4180): "
               "the first row names the columns app, type, auth, name, alias, scope, owner, endUser, tags (a;b), "
               "enabled, project, authConfig, config.NAME, value.NAME. What is done is noted in FILE.imported, and a "
               "second run goes on behind it. A line that fails is told with line and column; exit 1 at the end. With "
               "-o json one object on stdout: imported (in a dry run: how many would be), skipped (an earlier run made "
               "them), failed [{line, column, message}], dryRun; -q prints the ids",
               "postern connections import connections.csv --dry-run");
  verb->add_option("file", flags->file, "JSON lines or CSV; - (or nothing) for stdin");
  verb->add_option("--format", flags->format, "jsonl or csv; default: by the file's name")
      ->check(CLI::IsMember({"jsonl", "csv"}));
  verb->add_flag("--dry-run", flags->dry_run, "let the daemon check every line, and write nothing");
  verb->add_flag("--stop", flags->stop, "stop at the first line that fails");
  verb->add_flag("--again", flags->again, "also what an earlier run has made");
  verb->add_option("--parallel", flags->parallel, "connections that are created at a time")
      ->check(whole_number(1, kMostAtATime))
      ->capture_default_str();
  verb->callback([&command, flags] { command.action = [flags](Session& session) { return import(*flags, session); }; });
}

}  // namespace postern::cli
