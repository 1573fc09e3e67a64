#include "proxy/admin/problem.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>

#include "proxy/observe/log.hpp"

namespace postern::admin {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostErrors = 100;  // in one answer

struct Row {
  std::string_view code;
  unsigned status;
  const char* title;
  bool retryable;
};
constexpr Row kTable[] = {
    {"malformed-request", 400, "The request is malformed", false},
    {"invalid-request", 400, "The request has invalid fields", false},
    {"unauthenticated", 401, "A valid token is needed", false},
    {"not-permitted", 403, "Not permitted", false},
    {"browser-request-refused", 403, "Refused: this looks like a web page's request", false},
    {"not-found", 404, "Not found", false},
    {"method-not-allowed", 405, "Method not allowed", false},
    {"request-timeout", 408, "The request took too long", true},
    {"version-mismatch", 409, "It changed meanwhile", true},
    {"already-there", 409, "It is there already", false},
    {"rotation-running", 409, "A rotation is running", false},
    {"alias-taken", 409, "The alias is taken", false},
    {"declared-connection", 409, "The connection is declared in a file", false},
    {"not-imported", 409, "It is not an imported provider", false},
    {"in-use", 409, "It is in use", false},
    {"auth-config-disabled", 409, "The auth config is disabled", false},
    {"not-testable", 409, "There is nothing to test it with", false},
    {"nothing-kept", 409, "No previous value is kept", false},
    {"secret-required", 409, "The secret is needed again", false},
    {"idempotency-in-progress", 409, "A call with this Idempotency-Key is running", true},
    {"idempotency-replayed", 409, "This call was made before", false},
    {"version-conflict", 412, "Another version is current", false},
    {"body-too-large", 413, "The body is too large", false},
    {"target-too-long", 414, "The target is too long", false},
    {"unsupported-media-type", 415, "Unsupported media type", false},
    {"expectation-failed", 417, "The expectation cannot be met", false},
    {"configuration-invalid", 422, "The configuration is invalid and was not taken over", false},
    {"import-incomplete", 422, "The import needs more than the document", false},
    {"idempotency-mismatch", 422, "The Idempotency-Key was used for another body", false},
    {"value-rejected", 422, "The service does not take this value", false},
    {"head-too-large", 431, "The head is too large", false},
    {"internal-error", 500, "Our own fault", false},
    {"revoke-failed", 502, "The service did not take the token back", true},
    {"test-inconclusive", 502, "The value could not be tried", true},
    {"not-ready", 503, "Not ready", true},
    {"vault-unavailable", 503, "The vault is unavailable", true},
};

const Row& row_of(std::string_view code) {
  const Row* internal = nullptr;
  for (const auto& row : kTable) {
    if (row.code == code) return row;
    if (row.code == "internal-error") internal = &row;
  }
  return *internal;
}

}  // namespace

Response to_response(const Problem& problem, std::string_view instance) {
  const Row& row = row_of(problem.code);
  json::object body;
  body["type"] = "urn:postern:problem:" + std::string(row.code);
  body["title"] = row.title;
  body["status"] = row.status;
  body["detail"] = problem.detail;
  body["instance"] = instance;
  body["code"] = row.code;
  body["retryable"] = row.retryable;
  if (!problem.errors.empty()) {
    json::array errors;
    for (const auto& error : problem.errors) {
      json::object one;
      one["message"] = error.detail;
      if (error.parameter.empty()) {
        one["pointer"] = error.pointer;
      } else {
        one["parameter"] = error.parameter;
      }
      errors.push_back(std::move(one));
    }
    body["errors"] = std::move(errors);
  }
  for (const auto& member : problem.more) body[member.key()] = member.value();
  Response response;
  response.status = row.status;
  response.content_type = "application/problem+json";
  response.fields = problem.fields;
  response.fields.emplace_back("x-should-retry", row.retryable ? "true" : "false");
  response.body = json::serialize(body).c_str();
  return response;
}

std::unexpected<Problem> refuse_fields(std::vector<FieldError> errors) {
  std::string detail = errors.size() == 1 ? errors.front().detail : "Correct the fields that `errors` names.";
  if (errors.size() > kMostErrors) {
    detail = "Correct the fields that `errors` names; these are the first of " + std::to_string(errors.size()) + ".";
    errors.resize(kMostErrors);
  }
  return std::unexpected(Problem{
      .code = "invalid-request", .detail = std::move(detail), .errors = std::move(errors), .fields = {}, .more = {}});
}

std::unexpected<Problem> refuse_parameter(std::string_view parameter, std::string detail) {
  return refuse_fields({{.pointer = "", .parameter = std::string(parameter), .detail = std::move(detail)}});
}

std::unexpected<Problem> not_in_use_yet(const std::string& why) {
  auto refusal = refuse("not-ready", "It is stored, and not in use yet: " + why + ".");
  refusal.error().fields.emplace_back("Retry-After", "1");
  return refusal;
}

std::unexpected<Problem> refuse_permission(std::vector<FieldError> errors) {
  auto refusal = refuse_fields(std::move(errors));
  refusal.error().code = "not-permitted";
  return refusal;
}

Problem vault_problem(const vault::Error& error) {
  using Code = vault::Error::Code;
  Problem problem{.code = "internal-error",
                  .detail = "The call failed inside postern; its log names the request.",
                  .errors = {},
                  .fields = {},
                  .more = {}};
  switch (error.code) {
    case Code::not_found:
      problem.code = "not-found";
      problem.detail = "There is nothing with this id here.";
      return problem;
    case Code::conflict:
      problem.code = "version-mismatch";
      problem.detail = "It changed while this call was made; read it again and repeat the call.";
      return problem;
    case Code::exists:
      problem.code = "alias-taken";
      problem.detail = "Choose another alias: this one is taken in the project.";
      problem.errors.push_back({.pointer = "/alias", .parameter = "", .detail = "Taken in this project."});
      return problem;
    case Code::invalid:
      observe::log_event(observe::Level::warn, "vault-refused", error.message);
      problem.code = "invalid-request";
      problem.detail = "The vault does not accept this record; shorten or correct its fields.";
      return problem;
    case Code::io:
    case Code::read_only:
    case Code::locked:
      problem.code = "vault-unavailable";
      problem.detail = error.code == Code::read_only
                           ? "The store refuses writes since one failed; postern opens it again by itself once its "
                             "disk has room and works."
                           : "The store does not take this call now; repeat it in a few seconds.";
      problem.fields.emplace_back("Retry-After", "5");
      break;
    case Code::wrong_key:
    case Code::corrupt:
    case Code::rolled_back:
      break;
  }
  observe::log_event(observe::Level::error, "vault-error", error.message);
  return problem;
}

}  // namespace postern::admin
