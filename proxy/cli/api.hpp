#pragma once
// The admin API as the verbs see it: JSON in, JSON out, problems as failures.
//
// Exit codes: 404 not_found, 401 and 403 denied, no connection unreachable, every other refusal failed. The message of
// a problem is its title and each errors[] entry as "pointer: message", or else the resource and its detail, on one
// line. Thread safety: one thread at a time. Ownership: owns its transport and its token.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/cli/client.hpp"
#include "proxy/cli/hidden.hpp"

namespace postern::cli {

namespace json = boost::json;

using Query = std::vector<std::pair<std::string, std::string>>;
using HeaderFields = std::vector<std::pair<std::string, std::string>>;

struct ListRange {
  std::optional<std::size_t> limit;  // rows in all; absent: every row
  std::string cursor;                // empty: from the start
};

class Api {
 public:
  // `scope`: goes with every call, the organization and the project that it is about.
  Api(std::unique_ptr<Transport> transport, Hidden token, Query scope = {})
      : transport_(std::move(transport)), token_(std::move(token)), scope_(std::move(scope)) {}

  // `path` is below /api/v1/: "connections/billing". Absent ids and foreign ones are both not_found.
  Result<json::value> get(std::string_view path);
  // An answer that is no JSON, as it came.
  Result<Response> text(std::string_view path);
  // `fields`: of the request besides the usual ones (Idempotency-Key).
  Result<json::object> create(std::string_view path, const json::object& body, const HeaderFields& fields = {});
  Result<json::object> change(std::string_view path, const json::object& body);
  // Bytes of another type, with a query.
  Result<json::object> upload(std::string_view path, const Query& query, std::string bytes, std::string_view type);
  Result<void> erase(std::string_view path);
  // Follows cursors in pages of 100. The answer has the API's own shape: {"data", "cursor", "hasMore"}.
  Result<json::object> list(std::string_view path, const Query& query, const ListRange& range);
  // A probe beside the API: the status and the body, whatever they are.
  Result<Response> probe(std::string_view target);

 private:
  Result<Response> send(Request request, std::string_view path);
  static Result<json::value> parsed(Result<Response> response, std::string_view path);
  Result<json::value> call(std::string_view method, std::string_view path, std::string_view query,
                           const json::object* body, const HeaderFields& fields = {});

  std::unique_ptr<Transport> transport_;
  Hidden token_;
  Query scope_;
};

// Percent-encodes everything but unreserved characters: for one path segment, query value or user name.
std::string encode(std::string_view text);
// What a refusal becomes. `body` need not be JSON.
Failure problem(int status, std::string_view path, std::string_view body);

}  // namespace postern::cli
