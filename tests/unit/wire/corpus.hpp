#pragma once
// Public corpora of requests and responses (JSON lines), read where they are present: in $POSTERN_CORPORA, or in
// shared/corpora beside the source tree. Nothing of them is part of this project, and no test needs them.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/bytes.hpp"
#include "proxy/wire/chunk.hpp"
#include "proxy/wire/head.hpp"
#include "proxy/wire/target.hpp"
#include "tests/source_dir.hpp"

namespace postern::wire {

// The records of a file; empty where it is absent.
inline std::vector<boost::json::object> corpus(const std::string& file) {
  const char* folder = std::getenv("POSTERN_CORPORA");
  std::ifstream in((folder != nullptr ? std::string(folder) : POSTERN_SOURCE_DIR "/../shared/corpora") + "/" + file);
  std::vector<boost::json::object> records;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) records.push_back(boost::json::parse(line).as_object());
  return records;
}

inline std::string string_of(const boost::json::object& record, std::string_view key) {
  const boost::json::value* value = record.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

inline std::string base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) break;  // padding
    bits = (bits << 6 | static_cast<unsigned>(digit)) & 0xffffff;
    if ((count += 6) >= 8) out.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
  }
  return out;
}

// The corpora hold requests to an origin server. A proxy port takes absolute-form and demands a Host, so: a target that
// begins with '/' gets "http://corpus.example" before it, and a first head that has no Host line gets one after the
// request line. Every other byte stays.
inline std::string as_proxy_request(const std::string& raw) {
  std::string out = raw;
  const std::size_t blank = out.find("\r\n\r\n");
  std::string head = out.substr(0, blank);
  std::transform(head.begin(), head.end(), head.begin(), [](char c) { return lower(c); });
  const std::size_t first = out.starts_with("\r\n") ? 2 : 0;
  if (const std::size_t line = out.find("\r\n", first);
      line != std::string::npos && head.find("\nhost", first) == std::string::npos)
    out.insert(line + 2, "Host: corpus.example\r\n");
  const std::size_t space = out.find(' ', first);
  if (space != std::string::npos && space + 1 < out.size() && out[space + 1] == '/' && out.find('\n', first) > space)
    out.insert(space + 1, "http://corpus.example");
  return out;
}

enum class Verdict { accepted, incomplete, refused };
struct Judged {
  Verdict verdict = Verdict::incomplete;
  Body body = Body::none;
  std::string why;
};

inline Judged judge_body(std::string_view rest, Body body, std::uint64_t length) {
  if (body == Body::length) return {rest.size() >= length ? Verdict::accepted : Verdict::incomplete, body, ""};
  if (body != Body::chunked) return {Verdict::accepted, body, ""};
  ChunkDecoder decoder;
  while (true) {
    const ChunkDecoder::Step step = decoder.next(rest);
    rest.remove_prefix(step.consumed);
    if (step.state == ChunkDecoder::State::more) return {Verdict::incomplete, body, "chunks go on"};
    if (step.state == ChunkDecoder::State::end) return {Verdict::accepted, body, ""};
    if (step.state == ChunkDecoder::State::refused) return {Verdict::refused, body, decoder.why().detail};
  }
}

// The first message of the bytes: head, target and body.
inline Judged judge_request_bytes(std::string_view bytes) {
  auto head = std::make_unique<RequestHead>();
  Refusal why;
  const Parse parse = parse_request_head(bytes, *head, why);
  if (parse == Parse::more) return {Verdict::incomplete, Body::none, "head goes on"};
  if (parse == Parse::refused) return {Verdict::refused, Body::none, why.detail};
  Target target;
  if (const Refusal bad = parse_target(head->method, head->target, target); bad.fault != Fault::none)
    return {Verdict::refused, head->body, bad.detail};
  return judge_body(bytes.substr(head->size), head->body, head->content_length);
}

inline Judged judge_response_bytes(std::string_view bytes) {
  auto head = std::make_unique<ResponseHead>();
  Refusal why;
  const Parse parse = parse_response_head(bytes, "GET", *head, why);
  if (parse == Parse::more) return {Verdict::incomplete, Body::none, "head goes on"};
  if (parse == Parse::refused) return {Verdict::refused, Body::none, why.detail};
  return judge_body(bytes.substr(head->size), head->body, head->content_length);
}

}  // namespace postern::wire
