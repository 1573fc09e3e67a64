#pragma once
// The CLI's own HTTP/1.1 client: small, synchronous, bounded (head 64 KiB, body 32 MiB), one keep-alive connection.
//
// Thread safety: one thread at a time. A request on a connection that went stale while idle is sent once more if its
// method is GET or DELETE. Errors: Exit::unreachable (no connection, or an answer that is not HTTP); a status of 4xx
// or 5xx is an answer, not an error. Deliberately not: redirects, proxies, HTTP/2.
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/cli/failure.hpp"
#include "proxy/cli/stream.hpp"

namespace postern::cli {

struct Endpoint {
  std::filesystem::path socket;  // empty: TCP
  bool tls = false;
  std::string host, port;
  std::chrono::seconds patience{0};  // for one whole answer; 0: as long as something comes (stream.hpp)
  std::string authority() const;     // for the Host field
};

// "https://host[:port]" or "http://host[:port]". Clear text is for loopback only: a token would travel in it.
Result<Endpoint> parse_server(std::string_view url);

struct Request {
  std::string method, target, body;
  std::vector<std::pair<std::string, std::string>> fields;
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::string body;
  std::string_view field(std::string_view name) const;  // empty: not there
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Result<Response> send(const Request& request) = 0;
};

// Connects at the first send.
std::unique_ptr<Transport> make_client(Endpoint endpoint);

// Reads one answer. `reusable` says whether the stream may carry another request. For the client and its tests.
Result<Response> read_response(Stream& stream, bool& reusable, bool& nothing_came);

}  // namespace postern::cli
