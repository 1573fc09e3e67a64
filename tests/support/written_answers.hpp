#pragma once
// What the admin API answered in a test, written down: with POSTERN_ANSWERS in the environment every exchange becomes
// one JSON object a line in a file of that folder (one file a process), and tests/contract holds them against
// openapi.yaml. Without it nothing is written. Thread safety: any thread.
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>

namespace postern::tests {

struct Exchange {
  std::string_view door, method, target, sent;  // door: tcp, socket, health; sent: the request's body
  unsigned status = 0;
  boost::json::array fields;  // of the answer: [name, value]
  std::string_view body;
};

inline void write_answer(const Exchange& exchange) {
  const char* folder = std::getenv("POSTERN_ANSWERS");
  if (folder == nullptr || *folder == '\0') return;
  static std::mutex one_line_at_a_time;
  const std::scoped_lock lock(one_line_at_a_time);
  std::filesystem::create_directories(folder);
  std::ofstream file(std::filesystem::path(folder) / ("exchanges-" + std::to_string(::getpid()) + ".jsonl"),
                     std::ios::app);
  file << boost::json::serialize(boost::json::object{{"door", exchange.door},
                                                     {"method", exchange.method},
                                                     {"target", exchange.target},
                                                     {"sent", exchange.sent},
                                                     {"status", exchange.status},
                                                     {"fields", exchange.fields},
                                                     {"body", exchange.body}})
       << '\n';
}

// The first request of what a client has sent, and what is behind it.
struct FirstRequest {
  std::string_view method, target, body, rest;

  explicit FirstRequest(std::string_view bytes) {
    const auto line = bytes.substr(0, bytes.find("\r\n"));
    method = line.substr(0, line.find(' '));
    target = line.substr(std::min(line.size(), method.size() + 1));
    target = target.substr(0, target.find(' '));
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return;
    const auto head = bytes.substr(0, end + 2);
    rest = bytes.substr(end + 4);
    static constexpr std::string_view kLength = "\r\nContent-Length: ";
    const auto at = head.find(kLength);
    if (at == std::string_view::npos) return;
    const auto length = std::strtoul(head.data() + at + kLength.size(), nullptr, 10);
    body = rest.substr(0, length);
    rest.remove_prefix(body.size());
  }
};

}  // namespace postern::tests
