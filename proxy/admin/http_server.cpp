// The one file that knows Beast. Beast's parser is laxer than the data path's (DESIGN section 5), so what it lets
// through and could be read in two ways is refused here: a Transfer-Encoding that is not exactly `chunked`, or one
// beside a Content-Length.
#include "proxy/admin/http_server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <thread>

#include "proxy/admin/problem.hpp"
#include "proxy/observe/log.hpp"
#include "vault/vault.hpp"

namespace postern::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

using Protocol = asio::generic::stream_protocol;
using Socket = Protocol::socket;
using Acceptor = asio::basic_socket_acceptor<Protocol>;
using Stream = beast::basic_stream<Protocol>;
using Buffer = beast::basic_flat_buffer<WipingAllocator<char>>;
using Body = http::basic_string_body<char, std::char_traits<char>, WipingAllocator<char>>;
using Parser = http::request_parser<Body, WipingAllocator<char>>;
using Error = boost::system::error_code;

// Ours, whatever the caller sent: the log and the audit name the same.
constexpr const char* kRequestId = "X-Request-Id";
constexpr auto kIdle = 75s;
constexpr auto kHeadTime = 10s;
constexpr auto kBodyTime = 30s;
constexpr auto kWriteTime = 30s;
constexpr auto kLinger = 1s;
constexpr std::uint32_t kMaxHead = 16 * 1024;
constexpr std::size_t kMaxBuffer = 64 * 1024;
constexpr std::size_t kMaxConnections = 256;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view kOverloaded =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n"
    "Retry-After: 5\r\nConnection: close\r\nContent-Length: 204\r\n\r\n"
    R"({"type":"urn:postern:problem:overloaded","title":"Too many connections","status":503,)"
    R"("detail":"Close idle connections to the admin API and try again.","instance":null,"code":"overloaded",)"
    R"("retryable":true})";
static_assert(kOverloaded.size() - kOverloaded.find("\r\n\r\n") - 4 == 204);

std::string head_of(const Response& response, bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + ' ';
  head += std::string_view(http::obsolete_reason(http::int_to_status(response.status)));
  head += "\r\n";
  auto field = [&](std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
  };
  if (response.status != 204) {
    field("Content-Type", response.content_type);
    field("Content-Length", std::to_string(response.body.size()));
  }
  // A response's own value of one of these counts instead.
  static constexpr std::pair<const char*, const char*> kAlways[] = {
      {"Cache-Control", "no-store"},      {"X-Content-Type-Options", "nosniff"},
      {"X-Frame-Options", "DENY"},        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
      {"Referrer-Policy", "no-referrer"}, {"Cross-Origin-Resource-Policy", "same-origin"}};
  for (const auto& [name, value] : kAlways) {
    const bool own =
        std::any_of(response.fields.begin(), response.fields.end(), [&](const auto& f) { return f.first == name; });
    if (!own) field(name, value);
  }
  for (const auto& [name, value] : response.fields) field(name, value);
  if (!keep_alive) field("Connection", "close");
  head += "\r\n";
  return head;
}

Problem too_large(std::uint64_t most) {
  return refuse("body-too-large", "Keep the body within " + std::to_string(most / kMostBody) + " MiB.").error();
}

// Why reading failed, as an answer; nullopt: nobody is there to read one.
std::optional<Problem> read_problem(const Error& error, std::uint64_t most) {
  auto problem = [](std::string_view code, const char* detail) { return refuse(code, detail).error(); };
  if (error == http::error::body_limit) return too_large(most);
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return problem("head-too-large", "Keep the head within 16 KiB.");
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == http::make_error_code(http::error::bad_method).category())
    return problem("malformed-request", "Send a well-formed HTTP/1.1 request.");
  return std::nullopt;
}

// When what is being read has to be there. Beast's own expiry closes the socket, and nobody would hear why: this only
// ends the reading.
class Deadline {
 public:
  Deadline(Stream& stream, std::chrono::seconds time) : stream_(stream), timer_(stream.get_executor()) {
    stream.expires_never();
    begin(time);
  }
  ~Deadline() { end(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void begin(std::chrono::seconds time) {
    timer_.expires_after(time);
    timer_.async_wait([&stream = stream_, state = state_](Error error) {
      if (error || *state != State::running) return;
      *state = State::passed;
      stream.cancel();
    });
  }
  void end() { *state_ = State::over; }
  bool passed() const { return *state_ == State::passed; }

 private:
  enum class State : std::uint8_t { running, passed, over };
  Stream& stream_;
  asio::steady_timer timer_;
  std::shared_ptr<State> state_ = std::make_shared<State>(State::running);
};

std::optional<Problem> too_slow(const Deadline& deadline) {
  if (!deadline.passed()) return std::nullopt;
  return refuse("request-timeout", "Send the whole request without pausing.").error();
}

std::optional<Problem> framing_problem(const Parser& parser) {
  const auto& head = parser.get();
  const auto codings = head.count(http::field::transfer_encoding);
  if (codings > 1 || (codings == 1 && (!beast::iequals(head[http::field::transfer_encoding], "chunked") ||
                                       head.count(http::field::content_length) > 0)))
    return refuse("malformed-request", "Say the length of the body once, in one way.").error();
  const auto expect = head[http::field::expect];
  if (!expect.empty() && !beast::iequals(expect, "100-continue"))
    return refuse("expectation-failed", "Only `100-continue` can be expected.").error();
  return std::nullopt;
}

// Without its body.
Request to_head(const Parser& parser) {
  const auto& message = parser.get();
  Request request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = char(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const auto value = field.value();
    request.fields.emplace_back(std::move(name), SecretText(value.data(), value.size()));
  }
  return request;
}

Request to_request(Parser& parser) {
  Request request = to_head(parser);
  request.body.swap(parser.get().body());
  wipe(parser.get().body());
  return request;
}

class Beasts final : public HttpServer {
 public:
  Beasts(Handler handler, Limit limit) : handler_(std::move(handler)), limit_(std::move(limit)) {}
  ~Beasts() override { stop(); }

  void run(const std::vector<Listening>& listening) {
    for (const auto& one : listening) {
      sockaddr_storage bound{};
      socklen_t size = sizeof bound;
      ::getsockname(one.descriptor, reinterpret_cast<sockaddr*>(&bound), &size);
      Acceptor acceptor(io_);
      acceptor.assign(Protocol(bound.ss_family, 0), one.descriptor);
      asio::co_spawn(io_, accept(std::move(acceptor), one.door), asio::detached);
    }
    thread_ = std::thread([this] { io_.run(); });
  }

  void stop() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    disk_.join();
    network_.join();
  }

 private:
  asio::awaitable<void> accept(Acceptor acceptor, Door door) {
    asio::steady_timer pause(io_);
    auto& open = open_[std::size_t(door)];
    for (;;) {
      Error error;
      Socket socket(io_);
      co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (error == asio::error::operation_aborted) co_return;
      if (error) {  // out of descriptors, most likely: wait for some to be closed
        pause.expires_after(100ms);
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (open >= kMaxConnections) {
        ::send(socket.native_handle(), kOverloaded.data(), kOverloaded.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        continue;
      }
      asio::co_spawn(io_, serve(std::move(socket), door), asio::detached);
    }
  }

  asio::awaitable<void> serve(Socket socket, Door door) {
    struct Counted {
      std::size_t& n;
      explicit Counted(std::size_t& count) : n(count) { ++n; }
      ~Counted() { --n; }
    } counted(open_[std::size_t(door)]);
    std::optional<unsigned> uid;
    Error error;
    if (door == Door::socket) {
      ucred peer{};
      socklen_t size = sizeof peer;
      if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) co_return;
      uid = peer.uid;
    } else {
      socket.set_option(asio::ip::tcp::no_delay(true), error);
    }
    Stream stream(std::move(socket));
    Buffer buffer(kMaxBuffer);
    unsigned failures = 0;
    bool more = true;
    while (more) more = co_await exchange(stream, buffer, door, uid, failures);
    // Bytes that nobody read would turn our close into a reset, and the answer could be lost with it.
    stream.socket().shutdown(Socket::shutdown_send, error);
    stream.expires_after(kLinger);
    std::array<char, 4096> rest;
    for (std::size_t seen = 0; !error && seen < 2 * kMostImport;)
      seen += co_await stream.async_read_some(asio::buffer(rest), asio::redirect_error(asio::use_awaitable, error));
    ::explicit_bzero(rest.data(), rest.size());
  }

  // One request and its answer. False: the connection is to be closed.
  asio::awaitable<bool> exchange(Stream& stream, Buffer& buffer, Door door, std::optional<unsigned> uid,
                                 unsigned& failures) {
    Error error;
    if (buffer.size() == 0) {
      buffer.shrink_to_fit();  // the last request's bytes are wiped here
      stream.expires_after(kIdle);
      const auto n =
          co_await stream.async_read_some(buffer.prepare(4096), asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
      buffer.commit(n);
    }
    Parser parser;
    parser.header_limit(kMaxHead);
    parser.body_limit(kMostImport);  // what this request may have is asked for once its head is there
    Deadline deadline(stream, kHeadTime);
    co_await http::async_read_header(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
    std::uint64_t most = kMostImport;
    std::optional<Problem> problem = too_slow(deadline);
    if (!problem) problem = error ? read_problem(error, most) : framing_problem(parser);
    if (!error && !problem) problem = body_problem(parser, door, uid, most);
    if (!error && !problem) {
      deadline.begin(kBodyTime);
      if (parser.get().count(http::field::expect) > 0 && !parser.is_done()) {
        co_await asio::async_write(stream, asio::buffer(kContinue), asio::redirect_error(asio::use_awaitable, error));
      }
      if (!error) co_await http::async_read(stream, buffer, parser, asio::redirect_error(asio::use_awaitable, error));
      problem = too_slow(deadline);
      if (error && !problem) problem = read_problem(error, most);
    }
    deadline.end();  // what is waited for from here on is ours
    const std::string id = vault::new_id("req");
    if (problem) {
      Response response = to_response(*problem, id);
      response.fields.emplace_back(kRequestId, id);
      co_await write(stream, response, false, false);
      co_return false;
    }
    if (error) co_return false;
    const bool keep_alive = parser.keep_alive();
    Request request = to_request(parser);
    request.door = door;
    request.peer_uid = uid;
    request.id = id;
    Response response = co_await answer(request);
    response.fields.emplace_back(kRequestId, id);
    if (response.slow) co_await slow_down(failures);
    const bool more = keep_alive && !response.close;
    co_return co_await write(stream, response, request.method == "HEAD", more) && more;
  }

  // The request lives in exchange(), which waits for this.
  // Before a body is read that is larger than most routes take, or may be: whether this caller may send one.
  std::optional<Problem> body_problem(Parser& parser, Door door, std::optional<unsigned> uid, std::uint64_t& most) {
    const auto length = parser.content_length();
    most = kMostBody;
    if (parser.chunked() || (length && *length > most)) {
      Request head = to_head(parser);
      head.door = door;
      head.peer_uid = uid;
      const auto limit = limit_(head);
      if (!limit) return limit.error();
      most = *limit;
    }
    if (length && *length > most) return too_large(most);
    parser.body_limit(most);
    return std::nullopt;
  }

  asio::awaitable<Response> answer(const Request& request) {
    Handled reply = guarded(request, [&] { return handler_(request); });
    if (!reply.work) co_return std::move(reply.response);
    // The work runs in a pool; what awaits it goes on in our own thread. No service that is slow holds up who writes.
    auto& pool = reply.waits == Waits::disk ? disk_ : network_;
    Answer worked = co_await asio::co_spawn(pool, work(request, reply), asio::use_awaitable);
    co_return reply.finish(std::move(worked));
  }

  static asio::awaitable<Answer> work(const Request& request, Handled& reply) {
    co_return guarded(request, [&]() -> Answer { return reply.work(); });
  }

  template <class Run>
  static auto guarded(const Request& request, Run run) -> decltype(run()) {
    try {
      return run();
    } catch (const std::exception& fault) {
      observe::log_event(observe::Level::error, "admin-fault", fault.what(), {{"request_id", request.id}});
      auto problem = refuse("internal-error", "The call failed inside postern; its log names the request.").error();
      if constexpr (std::is_same_v<decltype(run()), Answer>)
        return std::unexpected(std::move(problem));
      else
        return Handled{.response = to_response(problem, request.id), .work = {}, .finish = {}};
    }
  }

  // The first failed token costs nothing, the following ones 100 ms to 2 s: guessing is slow, a typing error is not.
  asio::awaitable<void> slow_down(unsigned& failures) {
    if (failures++ == 0) co_return;
    Error error;
    asio::steady_timer pause(io_, std::min<std::chrono::milliseconds>(100ms * (1u << std::min(failures - 2, 5u)), 2s));
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
  }

  asio::awaitable<bool> write(Stream& stream, Response& response, bool head_only, bool keep_alive) {
    Error error;
    const std::string head = head_of(response, keep_alive);
    const bool with_body = !head_only && response.status != 204;
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head),
                                                     with_body ? asio::buffer(response.body) : asio::const_buffer()};
    stream.expires_after(kWriteTime);
    co_await asio::async_write(stream, parts, asio::redirect_error(asio::use_awaitable, error));
    wipe(response.body);
    co_return !error;
  }

  // So many writers share one sync of the disk at most: with 5 ms a sync, 16 of them write 1,600 times a second.
  static constexpr std::size_t kDiskHelpers = 16, kNetworkHelpers = 8;
  Handler handler_;
  Limit limit_;
  asio::thread_pool disk_{kDiskHelpers}, network_{kNetworkHelpers};
  std::array<std::size_t, 3> open_{};
  std::thread thread_;
  asio::io_context io_{1};  // last: its destructor ends the coroutines, which count down in open_
};

}  // namespace

std::unique_ptr<HttpServer> HttpServer::start(std::vector<Listening> listening, Handler handler, Limit limit) {
  auto server = std::make_unique<Beasts>(std::move(handler), std::move(limit));
  server->run(listening);
  return server;
}

}  // namespace postern::admin
