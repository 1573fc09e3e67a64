// A client connection: its requests one after the other, or those of the tunnel that it is in, and what each of them
// takes from the service for as long as it runs.
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "proxy/serve/call.hpp"

namespace postern::serve {

namespace {

constexpr std::size_t kSpareCalls = 64;

}  // namespace

Session::Session(Service& owner, int fd) : service(owner), client(owner.worker(), fd) {
  place = owner.sessions_.size();
  owner.sessions_.push_back(this);
  owner.open_.store(owner.sessions_.size(), std::memory_order_relaxed);
}

Session::~Session() {
  service.session_gone(this);
}

void Service::accept(int fd) {
  net::spawn(run(fd));
}

void Service::turn_away(int fd) {
  net::spawn(refuse_overload(fd));
}

net::Task<void> Service::refuse_overload(int fd) {
  Session session(*this, fd);
  session.client.socket().expire_after(settings().client_head);
  std::unique_ptr<Call> call = take_call(session);
  Problem problem{Code::overloaded, "The proxy has as many connections as client.max allows; try again.", {}, {}, {}};
  co_await reply(*call, problem);
  call->started = std::chrono::steady_clock::now();
  record(*call);
  give_call(std::move(call));
}

// One client connection.
net::Task<void> Service::run(int fd) {
  Session session(*this, fd);
  co_await requests(session);
}

net::Task<void> Service::requests(Session& session) {
  Call* const carrier = session.call;
  while (session.open && (carrier == nullptr || !carrier->ended)) {
    if (session.client.in.empty()) {
      if (draining_) break;
      session.idle = true;
      session.client.socket().expire_after(settings().client_idle);
      const net::Io io = co_await session.client.fill(session.client.in);
      session.idle = false;
      if (io != net::Io::ok) break;  // closed, or idle for too long: closed silently
    }
    std::unique_ptr<Call> call = take_call(session);
    co_await serve(*call);
    give_call(std::move(call));
    if (carrier != nullptr) {
      carrier->carried_in += session.client.bytes_in;
      carrier->carried_out += session.client.bytes_out;
    }
    session.client.next_request();
  }
}

void Service::carry(Call& call) {
  call.carries = true;
  ++carrying_;
  end_turn(call);
  worker_.metrics().add(observe::Gauge::active_requests, -1);
}

void Service::end_turn(Call& call) noexcept {
  if (std::exchange(call.counted, false)) call.caller->under_way->fetch_sub(1, std::memory_order_relaxed);
}

void Service::turn_away_at_once(int fd) noexcept {
  static constexpr char kAnswer[] =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
      "Proxy-Status: postern; error=connection_limit_reached; details=\"overloaded\"\r\nx-should-retry: true\r\n"
      "Cache-Control: no-store\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 193\r\n\r\n"
      R"({"type":"urn:postern:problem:overloaded","title":"Overloaded","status":503,"detail":"The proxy has far more )"
      R"(connections than client.max allows; try again.","code":"overloaded","retryable":true})";
  static_assert(std::string_view(kAnswer).size() - std::string_view(kAnswer).find("\r\n\r\n") - 4 == 193);
  ::send(fd, kAnswer, sizeof kAnswer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(fd);
}

std::unique_ptr<Call> Service::take_call(Session& session) {
  std::unique_ptr<Call> call;
  if (spare_calls_.empty()) {
    call = std::make_unique<Call>(session);
  } else {
    call = std::move(spare_calls_.back());
    spare_calls_.pop_back();
    call->session = &session;  // given back clean
  }
  call->rules = rules_.get();
  call->tunnel = session.tunnel;
  call->outer = session.call;
  call->request_id = next_request_id();
  call->place = active_.size();
  active_.push_back(call.get());
  session.call = call.get();
  worker_.metrics().add(observe::Gauge::active_requests, 1);
  if (!round_.armed()) {
    today_ = Noted::day_of(common_->now_ms());
    round_.arm(kRound);
  }
  return call;
}

void Service::give_call(std::unique_ptr<Call> call) {
  if (std::exchange(call->carries, false))
    --carrying_;
  else
    worker_.metrics().add(observe::Gauge::active_requests, -1);
  active_[call->place] = active_.back();
  active_[call->place]->place = call->place;
  active_.pop_back();
  call->session->call = call->outer;
  bodies_ -= std::exchange(call->held, 0);
  end_turn(*call);
  call->reset(*call->session);
  if (spare_calls_.size() < kSpareCalls) spare_calls_.push_back(std::move(call));
}

void Service::session_gone(Session* session) {
  sessions_[session->place] = sessions_.back();
  sessions_[session->place]->place = session->place;
  sessions_.pop_back();
  open_.store(sessions_.size(), std::memory_order_relaxed);
  if (draining_ && sessions_.empty() && drained_) worker_.post(std::exchange(drained_, nullptr));
}

}  // namespace postern::serve
