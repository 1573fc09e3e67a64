#include "proxy/cli/import_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <istream>

#include "proxy/cli/hidden.hpp"
#include "proxy/cli/repeated_key.hpp"

namespace postern::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kLongest = 1024 * 1024;  // of a line or a row: the API takes no larger body
constexpr const char* kTooLong = "more than 1 MiB; the API takes no such connection";

// Characters before a byte, and the one it is in.
std::size_t column_of(std::string_view line, std::size_t byte) {
  const auto first = line.substr(0, byte);
  return 1 + static_cast<std::size_t>(std::ranges::count_if(first, [](char c) { return (c & 0xC0) != 0x80; }));
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

class JsonLines final : public ImportReader {
 public:
  explicit JsonLines(std::istream& in) : in_(in) {}

  Next next() override {
    while (std::getline(in_, line_)) {
      ++number_;
      if (is_blank(line_)) continue;
      auto read = parse();
      wipe(line_);
      return read;
    }
    return std::nullopt;
  }

 private:
  std::expected<ImportEntry, Misread> parse() const {
    const auto wrong = [&](std::size_t byte, std::string what) {
      return std::unexpected(Misread{number_, column_of(line_, byte), std::move(what)});
    };
    if (line_.size() > kLongest) return wrong(0, kTooLong);
    json::stream_parser parser;
    boost::system::error_code error;
    const std::size_t taken = parser.write_some(line_.data(), line_.size(), error);
    if (error) return wrong(taken, "not JSON here; a line is one object");
    if (!parser.done()) parser.finish(error);
    if (error) return wrong(line_.size(), "the object does not end on its line");
    if (!is_blank(std::string_view(line_).substr(taken))) return wrong(taken, "more than one object on the line");
    json::value value = parser.release();
    if (!value.is_object()) return wrong(line_.find_first_not_of(" \t"), "not a JSON object");
    if (auto repeated = repeated_key(line_)) return wrong(repeated->byte, std::move(repeated->what));
    return ImportEntry{number_, std::move(value.get_object()), {}};
  }

  std::istream& in_;
  std::string line_;
  std::size_t number_ = 0;
};

struct Cell {
  std::string text;
  std::size_t line = 0, column = 0;
};

// Rows of RFC 4180; a line end may also be LF alone.
class Rows {
 public:
  explicit Rows(std::istream& in) : in_(in) {
    if (in_.peek() == 0xEF) in_.ignore(3);  // a byte order mark, as spreadsheets write it
  }

  // Absent: the end. Behind a mistake the rest of its line is skipped.
  std::optional<std::expected<std::vector<Cell>, Misread>> next() {
    if (in_.peek() == std::istream::traits_type::eof()) return std::nullopt;
    std::vector<Cell> row;
    size_ = 0;
    for (bool more = true; more;) {
      Cell cell{{}, line_, column_};
      const auto read = read_cell(cell, more);
      row.push_back(std::move(cell));
      if (read) continue;
      for (Cell& one : row) wipe(one.text);
      if (!ended_) skip_line();
      return std::unexpected(read.error());
    }
    return row;
  }

 private:
  std::expected<void, Misread> read_cell(Cell& cell, bool& more) {
    const auto wrong = [](std::size_t line, std::size_t column, const char* what) {
      return std::unexpected(Misread{line, column, what});
    };
    bool quoted = false, closed = false;
    for (;;) {
      const std::size_t line = line_, column = column_;
      const int c = take();
      if (++size_ > kLongest) return wrong(cell.line, cell.column, kTooLong);
      if (quoted && !closed) {
        if (c < 0) return wrong(cell.line, cell.column, "this quote is never closed");
        if (c != '"') {
          cell.text += static_cast<char>(c);
        } else if (in_.peek() == '"') {
          cell.text += static_cast<char>(take());
        } else {
          closed = true;
        }
        continue;
      }
      if (c == '\r' && in_.peek() == '\n') continue;
      if (c == ',') return {};
      if (c < 0 || c == '\n') {
        more = false;
        return {};
      }
      if (closed) return wrong(line, column, "text behind a closing quote; write a quote in a cell twice");
      if (c == '"' && !cell.text.empty())
        return wrong(line, column, "a quote inside a cell: put the whole cell in quotes, and write this one twice");
      if (c == '"')
        quoted = true;
      else
        cell.text += static_cast<char>(c);
    }
  }

  int take() {
    const int c = in_.get();
    ended_ = c == '\n';
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if ((c & 0xC0) != 0x80) {
      ++column_;
    }
    return c;
  }
  void skip_line() {
    for (int c = take(); c >= 0 && c != '\n';) c = take();
  }

  std::istream& in_;
  std::size_t line_ = 1, column_ = 1, size_ = 0;
  bool ended_ = false;
};

constexpr std::string_view kTexts[] = {"app",   "provider", "toolkitSlug", "type",    "auth",       "name",
                                       "alias", "scope",    "owner",       "endUser", "authConfig", "project"};

json::array split_tags(std::string_view text) {
  json::array tags;
  std::string tag;
  const auto end = [&] {
    const auto first = tag.find_first_not_of(' ');
    if (first != std::string::npos) tags.emplace_back(tag.substr(first, tag.find_last_not_of(' ') - first + 1));
    tag.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ';')
      tag += text[++i];
    else if (text[i] == ';')
      end();
    else
      tag += text[i];
  }
  end();
  return tags;
}

// What a spreadsheet takes for a formula, behind any number of apostrophes: with them what one has defused is such a
// text again, so that taking one away is right for it too.
bool runs_behind_apostrophes(std::string_view text) {
  const auto first = text.find_first_not_of('\'');
  return first != std::string_view::npos && std::string_view("=+-@\t\r").find(text[first]) != std::string_view::npos;
}

class CsvReader final : public ImportReader {
 public:
  explicit CsvReader(std::istream& in) : rows_(in) {}

  std::expected<void, Misread> read_header() {
    auto row = rows_.next();
    if (!row) return std::unexpected(Misread{1, 1, "the file is empty; its first row names the columns"});
    if (!*row) return std::unexpected(row->error());
    bool app = false;
    for (const Cell& cell : **row) {
      const auto wrong = [&](const char* what) { return std::unexpected(Misread{cell.line, cell.column, what}); };
      const std::string& name = cell.text;
      const bool known = std::ranges::find(kTexts, name) != std::end(kTexts) || name == "tags" || name == "enabled" ||
                         (name.starts_with("value.") && name.size() > 6) ||
                         (name.starts_with("config.") && name.size() > 7);
      if (!known) return wrong("no such column; see 'postern connections import --help'");
      if (std::ranges::find(names_, name) != names_.end()) return wrong("this column is there twice");
      app = app || name == "app" || name == "provider" || name == "toolkitSlug";
      names_.push_back(name);
    }
    if (!app) return std::unexpected(Misread{1, 1, "the column `app` is missing: which provider it is"});
    return {};
  }

  Next next() override {
    for (;;) {
      auto row = rows_.next();
      if (!row) return std::nullopt;
      if (!*row) return std::unexpected(row->error());
      if ((*row)->size() == 1 && is_blank((*row)->front().text)) continue;
      auto entry = read_row(**row);
      for (Cell& cell : **row) wipe(cell.text);
      return entry;
    }
  }

 private:
  std::expected<ImportEntry, Misread> read_row(const std::vector<Cell>& row) const {
    if (row.size() != names_.size()) {
      const Cell& at = row[std::min(row.size(), names_.size() + 1) - 1];
      return std::unexpected(
          Misread{at.line, at.column, fmt::format("{} cells, and the header has {}", row.size(), names_.size())});
    }
    ImportEntry entry{row.front().line, {}, {}};
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i].text.empty()) continue;
      std::string stripped;  // never of a secret: of those there is one copy, which is wiped
      if (!names_[i].starts_with("value.")) stripped = plain(row[i].text);
      const std::string& text = stripped.empty() ? row[i].text : stripped;
      if (std::string wrong = put(entry.body, names_[i], text); !wrong.empty())
        return std::unexpected(Misread{row[i].line, row[i].column, std::move(wrong)});
      std::string pointer = "/" + names_[i];
      if (const auto dot = pointer.find('.'); dot != std::string::npos) pointer[dot] = '/';
      entry.columns.emplace_back(std::move(pointer), row[i].column);
    }
    return entry;
  }

  // Empty: it is in the body. Otherwise what is wrong with the cell.
  static std::string put(json::object& body, const std::string& name, const std::string& text) {
    const auto member = [&](std::string_view of) -> json::object& {
      json::value& object = body[of];
      return object.is_object() ? object.get_object() : object.emplace_object();
    };
    if (name == "tags") {
      body["tags"] = split_tags(text);
    } else if (name == "enabled") {
      if (text != "true" && text != "false" && text != "TRUE" && text != "FALSE") return "has to be true or false";
      body["enabled"] = text == "true" || text == "TRUE";
    } else if (name.starts_with("value.")) {
      member("value")[name.substr(6)] = text;
    } else if (name.starts_with("config.")) {
      json::value& variable = member("config")[name.substr(7)];
      if (text.front() != '{' && text.front() != '[' && text.front() != '"') {
        variable = text;
        return "";
      }
      boost::system::error_code error;
      variable = json::parse(text, error);
      if (error) return "begins like JSON and is none";
      if (auto repeated = repeated_key(text)) return std::move(repeated->what);
    } else {
      body[name] = text;
    }
    return "";
  }

  Rows rows_;
  std::vector<std::string> names_;
};

}  // namespace

std::unique_ptr<ImportReader> read_json_lines(std::istream& in) {
  return std::make_unique<JsonLines>(in);
}

std::expected<std::unique_ptr<ImportReader>, Misread> read_csv(std::istream& in) {
  auto reader = std::make_unique<CsvReader>(in);
  if (auto header = reader->read_header(); !header) return std::unexpected(header.error());
  return reader;
}

std::string defused(std::string_view text) {
  return runs_behind_apostrophes(text) ? "'" + std::string(text) : std::string(text);
}

std::string_view plain(std::string_view cell) {
  if (cell.starts_with('\'') && runs_behind_apostrophes(cell)) cell.remove_prefix(1);
  return cell;
}

std::string csv_row(const std::vector<std::string>& cells) {
  std::string row;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) row += ',';
    if (cell.find_first_of("\",\r\n") == std::string::npos) {
      row += cell;
      continue;
    }
    row += '"';
    for (const char c : cell) row += c == '"' ? std::string("\"\"") : std::string(1, c);
    row += '"';
  }
  return row + "\r\n";
}

}  // namespace postern::cli
