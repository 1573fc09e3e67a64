#pragma once
// A scripted token endpoint over TLS: it records every call and answers them in order.
//
// Thread safety: any thread. The last step is repeated when the script is at its end.
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tests/support/tls_server.hpp"

namespace postern::test {

struct TokenCall {
  std::string method, target, body;
  std::map<std::string, std::string> headers;  // names in lower case
};

struct TokenStep {
  enum class End : unsigned char { close_notify, cut, reset, stall };
  std::string bytes;  // the whole answer as it goes out, "" for none
  End end = End::close_notify;
  Signal* before = nullptr;  // waited for after the call was recorded
  static TokenStep json(std::string_view body, int status = 200, std::string_view more_headers = "");
};

class TokenServer {
 public:
  TokenServer(Identity identity, std::vector<TokenStep> script);

  net::Endpoint endpoint() const { return server_.endpoint(); }
  std::uint16_t port() const { return server_.port(); }
  std::vector<TokenCall> calls() const;
  int handshakes() const { return server_.handshakes(); }

 private:
  void answer(Peer& peer);

  mutable std::mutex mutex_;
  std::deque<TokenStep> script_;
  std::vector<TokenCall> calls_;
  TlsServer server_;  // last: its threads use what stands above
};

}  // namespace postern::test
