#pragma once
// The connections of a file that is imported, one by one: JSON lines, or CSV as RFC 4180 has it.
//
// JSON lines: an object a line, as POST /api/v1/connections takes it. CSV: the first row names the columns: app, type,
// auth, name, alias, scope, owner, endUser, tags, enabled, project, authConfig, and config.NAME and value.NAME for the
// provider's variables and secrets. An empty cell is not given; tags are split at `;` (`\;` is one in a tag); a config
// cell that begins with `{`, `[` or `"` is JSON. A spreadsheet runs a cell that begins with = + - @ TAB or CR, so
// export writes an apostrophe before it, and import takes one away from before such a cell; never in a value.NAME
// column, which export leaves empty and where a secret is taken as it is. Thread safety: one thread at a time.
// Ownership: borrows the stream. No mistake repeats what was read, which may be a secret; of a key that an object has
// twice it tells the name.
#include <boost/json/object.hpp>
#include <expected>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::cli {

struct ImportEntry {
  std::size_t line = 0;  // where it begins, from 1
  boost::json::object body;
  // Where a field of the body stands, by JSON pointer; a JSON line is its own place.
  std::vector<std::pair<std::string, std::size_t>> columns;
};

struct Misread {
  std::size_t line = 0, column = 0;  // from 1; a column is a character
  std::string what;
};

class ImportReader {
 public:
  using Next = std::optional<std::expected<ImportEntry, Misread>>;
  virtual ~ImportReader() = default;
  virtual Next next() = 0;  // absent: the end. Behind a mistake it goes on with the next line
};

std::unique_ptr<ImportReader> read_json_lines(std::istream& in);
// Misread: the header row.
std::expected<std::unique_ptr<ImportReader>, Misread> read_csv(std::istream& in);

// The text of a cell as no spreadsheet runs it, and the text that it stands for: plain(defused(x)) is x for every x.
std::string defused(std::string_view text);
std::string_view plain(std::string_view cell);
// One row of CSV, with its line end.
std::string csv_row(const std::vector<std::string>& cells);

}  // namespace postern::cli
