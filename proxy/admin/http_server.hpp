#pragma once
// HTTP/1.1 on sockets that are listening already, in one thread of its own.
//
// Purpose: read requests with bounds (head 16 KiB and 10 s, body 1 MiB, or what `limit` says, and 30 s, idle 75 s, 256
// connections a listener), hand each to `handler`, write its answer. What breaks the bounds is answered here and the
// connection ends. Thread safety: start and stop from one thread; `handler` is called in the server's thread only, one
// call at a time; the work that it asks for runs on threads beside it (router.hpp: Waits), and stop() waits for what is
// running there. Ownership: takes the descriptors; stop() closes them and joins the thread.
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/admin/router.hpp"

namespace postern::admin {

struct Listening {
  int descriptor = -1;
  Door door = Door::tcp;
};
using Handler = std::function<Handled(const Request&)>;
// The head of a request, before its body is read: how large that may be, or why there is no need to read it.
using Limit = std::function<std::expected<std::uint64_t, Problem>(const Request&)>;

class HttpServer {
 public:
  static std::unique_ptr<HttpServer> start(std::vector<Listening> listening, Handler handler, Limit limit);
  virtual ~HttpServer() = default;
  virtual void stop() = 0;
};

}  // namespace postern::admin
