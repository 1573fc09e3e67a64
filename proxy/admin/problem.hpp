#pragma once
// What the admin API answers when it does not do what was asked (RFC 9457; DESIGN sections 9 and 10).
//
// A Problem names its `code`; status, title and whether a retry can help come from one table in problem.cpp. `detail`
// is one sentence that says what to do and never repeats a value that was sent. Plain data, thread safe.
#include <boost/json/object.hpp>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/admin/http.hpp"
#include "vault/error.hpp"

namespace postern::admin {

struct FieldError {
  std::string pointer;    // into the body (RFC 6901); empty when it is about a query parameter
  std::string parameter;  // of the query; empty when it is about the body
  std::string detail;
};

struct Problem {
  std::string_view code;
  std::string detail;
  std::vector<FieldError> errors;
  std::vector<std::pair<std::string, std::string>> fields;  // Allow, WWW-Authenticate, Retry-After
  boost::json::object more;                                 // additional members
};

using Answer = std::expected<Response, Problem>;

// A code that the table does not know is a fault of ours and is answered as internal-error.
Response to_response(const Problem& problem, std::string_view instance);

inline std::unexpected<Problem> refuse(std::string_view code, std::string detail) {
  return std::unexpected(Problem{.code = code, .detail = std::move(detail), .errors = {}, .fields = {}, .more = {}});
}
// 400 invalid-request about one or more fields.
std::unexpected<Problem> refuse_fields(std::vector<FieldError> errors);
std::unexpected<Problem> refuse_parameter(std::string_view parameter, std::string detail);
// 503: it is stored, and the workers do not use it yet (`why`: one line, without an end).
std::unexpected<Problem> not_in_use_yet(const std::string& why);
// 403 not-permitted about fields of the body.
std::unexpected<Problem> refuse_permission(std::vector<FieldError> errors);
// What the vault said, as a problem; its message goes to the log only.
Problem vault_problem(const vault::Error& error);

}  // namespace postern::admin
