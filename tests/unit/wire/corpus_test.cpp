// Our verdicts against those of public corpora. Where ours differs on purpose, the record is listed with the reason; a
// listed record that agrees fails too, so the lists stay true. Without the corpora these tests pass and say so.
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <string>

#include "tests/unit/wire/corpus.hpp"
#include "tests/unit/wire/feed.hpp"

namespace postern::wire {
namespace {

using Exceptions = std::map<std::string, const char*>;

bool absent(const std::vector<boost::json::object>& records, const char* file) {
  if (records.empty()) std::cout << file << " is not here: nothing to compare with\n";
  return records.empty();
}

void compare(const boost::json::object& record, const Judged& ours, bool wanted, const Exceptions& exceptions) {
  const std::string id = string_of(record, "id");
  const bool agrees = wanted == (ours.verdict == Verdict::accepted);
  const auto listed = exceptions.find(id);
  EXPECT_EQ(agrees, listed == exceptions.end())
      << id << ": the corpus " << (wanted ? "accepts, we do not: " : "refuses, we accept ") << ours.why
      << (listed != exceptions.end() ? std::string("; listed: ") + listed->second : "");
}

constexpr const char* kTwoCodings = "stricter: exactly one Transfer-Encoding, exactly 'chunked'";
constexpr const char* kFragment = "stricter: a fragment has no place in a request target";
constexpr const char* kHost = "stricter: the Host is no host";
constexpr const char* kUserinfo = "stricter: userinfo in a target";
constexpr const char* kOtherProtocol = "stricter: not HTTP";
constexpr const char* kLimit = "another limit";
constexpr const char* kProxyProtocol = "stricter: the PROXY protocol is not spoken";
constexpr const char* kHelper =
    "the helper that makes a proxy request adds the missing Host; RequestHead tests the refusal";
constexpr const char* kLost = "the raw bytes in this corpus were replaced by '?'";

TEST(Corpus, llhttp) {
  const auto records = corpus("llhttp_cases.jsonl");
  if (absent(records, "llhttp_cases.jsonl")) return;
  const Exceptions exceptions = {
      {"llhttp-request-method-379", kOtherProtocol},
      {"llhttp-request-method-409", kOtherProtocol},
      {"llhttp-request-method-437", kOtherProtocol},
      {"llhttp-request-sample-320", "stricter: HTTP/0.9"},
      {"llhttp-request-sample-76", kHost},
      {"llhttp-request-sample-119", kHost},
      {"llhttp-request-transfer-encoding-763", kTwoCodings},
      {"llhttp-request-transfer-encoding-806", kTwoCodings},
      {"llhttp-request-content-length-454", "llhttp was told to skip the body; we wait for it"},
      {"llhttp-response-content-length-133", "llhttp was told to skip the body; we wait for it"},
      {"llhttp-request-invalid-73", "looser: any method that is a token"},
      {"llhttp-request-invalid-362", "looser: any method that is a token"},
      {"llhttp-request-method-144", "stricter: '*' is for OPTIONS only"},
      {"llhttp-request-uri-10", "stricter: a backslash in a target"},
      {"llhttp-response-sample-704", "stricter: an empty line before a response"},
      {"llhttp-request-uri-171", kFragment},
      {"llhttp-request-uri-228", kUserinfo},
  };
  for (const auto& record : records) {
    const std::string type = string_of(record.at("meta").as_object(), "type");
    // Lenient modes are about what we never do.
    if (type != "request" && type != "response") continue;
    const auto judge = type == "request" ? judge_request_bytes : judge_response_bytes;
    std::string bytes = base64(string_of(record, "raw_b64"));
    if (type == "request") bytes = as_proxy_request(bytes);
    // The line end after the last line of each block is missing in this corpus.
    if (judge(bytes).verdict == Verdict::incomplete && bytes.ends_with("\r\n")) bytes += "\r\n";
    // With messages_complete the first message was fine, whatever came after it. No error and no message: llhttp waits,
    // for more or (a response without framing, which we take) for the end.
    const bool complete = record.at("messages_complete").as_int64() > 0;
    if (complete || record.at("llhttp_error").is_string()) compare(record, judge(bytes), complete, exceptions);
    type == "request" ? request(bytes) : response(bytes);  // the same at every split
  }
}

TEST(Corpus, gunicorn) {
  const auto records = corpus("gunicorn_requests.jsonl");
  if (absent(records, "gunicorn_requests.jsonl")) return;
  const Exceptions exceptions = {
      {"gunicorn-invalid-003c", "looser: a method may begin with '-', it is a token"},
      {"gunicorn-invalid-006", kLimit},
      {"gunicorn-invalid-007", kLimit},
      {"gunicorn-invalid-008", kLimit},
      {"gunicorn-invalid-010", kLimit},
      {"gunicorn-invalid-017", kLimit},
      {"gunicorn-invalid-limit_header_default_01", kLimit},
      {"gunicorn-invalid-019", "looser: X-Forwarded-* are not believed here, they are stripped"},
      {"gunicorn-invalid-041", "looser: two Content-Type fields are the upstream's business"},
      {"gunicorn-valid-002", kHost},
      {"gunicorn-valid-003", kHost},
      {"gunicorn-valid-005", kFragment},
      {"gunicorn-valid-009", "stricter: Content-Length and Transfer-Encoding together"},
      {"gunicorn-valid-013", "stricter: white space around chunk extensions"},
      {"gunicorn-valid-024", kLimit},
      {"gunicorn-valid-025", kTwoCodings},
      {"gunicorn-valid-025_line", kTwoCodings},
      {"gunicorn-valid-029", kTwoCodings},
      {"gunicorn-valid-030", kTwoCodings},
      {"gunicorn-valid-rfc9112_smuggle_gzip_chunked_01", kTwoCodings},
      {"gunicorn-valid-rfc9112_smuggle_te_identity_chunked_01", kTwoCodings},
      {"gunicorn-valid-027", "stricter: raw bytes in the target that are not ASCII"},
      {"gunicorn-valid-028", "stricter: white space before a colon"},
      {"gunicorn-valid-040", "stricter: underscore spellings of framing fields"},
      {"gunicorn-valid-040_compat", "stricter: underscore spellings of framing fields"},
      {"gunicorn-valid-099", "the body is shorter than its Content-Length: not complete for us, no error either"},
      {"gunicorn-valid-compat_obs_fold", "stricter: folded fields"},
      {"gunicorn-valid-compat_obs_fold_huge", "stricter: folded fields"},
      {"gunicorn-valid-pp_01", kProxyProtocol},
      {"gunicorn-valid-pp_02", kProxyProtocol},
      {"gunicorn-valid-pp_04", kProxyProtocol},
      {"gunicorn-valid-pp_05", kProxyProtocol},
      {"gunicorn-valid-rfc9112_target_absolute_userinfo_01", kUserinfo},
  };
  for (const auto& record : records) {
    const std::string bytes = as_proxy_request(base64(string_of(record, "raw_b64")));
    compare(record, judge_request_bytes(bytes), string_of(record, "gunicorn_verdict") == "valid", exceptions);
    request(bytes);
  }
}

TEST(Corpus, http11probe) {
  const auto records = corpus("http11probe_cases.jsonl");
  if (absent(records, "http11probe_cases.jsonl")) return;
  const Exceptions exceptions = {
      {"http11probe-RFC9112-7.1-MISSING-HOST", kHelper},
      {"http11probe-COMP-METHOD-CONNECT", "CONNECT is refused by an origin server; this is a proxy"},
      {"http11probe-MAL-NON-ASCII-URL", kLost},
      {"http11probe-MAL-URL-OVERLONG-UTF8", kLost},
  };
  for (const auto& record : records) {
    const std::string expected = string_of(record, "expected");
    const std::string bytes = as_proxy_request(string_of(record, "raw"));
    const Judged ours = judge_request_bytes(bytes);
    request(bytes);
    const bool may_accept = expected.find('2') != std::string::npos;  // "2xx", "200"
    const bool may_refuse = expected.find('4') != std::string::npos || expected.find("505") != std::string::npos ||
                            expected.starts_with("close");
    if (may_accept != may_refuse) compare(record, ours, may_accept, exceptions);
  }
}

TEST(Corpus, http11probe_215) {
  const auto records = corpus("http11probe_215.jsonl");
  if (absent(records, "http11probe_215.jsonl")) return;
  const Exceptions exceptions = {{"http11probe215-RFC9112-7.1-MISSING-HOST", kHelper}};
  for (const auto& record : records) {
    const std::string raw = base64(string_of(record, "raw_b64")), expected = string_of(record, "expect_status");
    if (raw.empty() || expected.empty()) continue;
    const std::string bytes = as_proxy_request(raw);
    compare(record, judge_request_bytes(bytes), expected == "Range2xx()", exceptions);
    request(bytes);
  }
}

TEST(Corpus, of_all_smuggling_gadgets_exactly_fifteen_are_chunked) {
  const auto records = corpus("smuggler_te_gadgets.jsonl");
  if (absent(records, "smuggler_te_gadgets.jsonl")) return;
  // Whole other fields: the gadget's Transfer-Encoding is a part of a value.
  const std::map<std::string, int> no_coding = {{"smuggler-contentEnc", 0},
                                                {"smuggler-xprespace-09", 0},
                                                {"smuggler-xprespace-20", 0},
                                                {"smuggler-xprespace-a0", 0},
                                                {"smuggler-xprespace-ff", 0}};
  int chunked = 0;
  for (const auto& record : records) {
    const std::string start = "POST http://corpus.example/ HTTP/1.1\r\n" + base64(string_of(record, "gadget_b64")) +
                              "\r\nHost: corpus.example\r\n";
    const std::string alone = start + "\r\n", with_length = start + "Content-Length: 5\r\n\r\n";
    RequestHead head;
    Refusal why;
    const bool taken = parse_request_head(alone, head, why) == Parse::done;
    if (taken && head.body == Body::chunked) ++chunked;
    EXPECT_EQ(taken && head.body == Body::none, no_coding.contains(string_of(record, "id"))) << string_of(record, "id");
    head.reset();
    EXPECT_EQ(parse_request_head(with_length, head, why) == Parse::done, no_coding.contains(string_of(record, "id")));
  }
  EXPECT_EQ(chunked, 15);
}

}  // namespace
}  // namespace postern::wire
