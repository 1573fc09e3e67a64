#include "proxy/net/fetch.hpp"

#include <string.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "proxy/wire/writer.hpp"

namespace postern::net {
namespace {

constexpr int kMaxInterim = 8;  // 1xx heads before the answer, as everywhere on the upstream side

void wipe(std::string& bytes) noexcept {
  ::explicit_bzero(bytes.data(), bytes.size());
  bytes.clear();
}

// Bytes in, at a fixed place, so that nothing is left behind by growth.
class Bytes {
 public:
  explicit Bytes(std::size_t size) : data_(size, '\0') {}
  ~Bytes() { wipe(data_); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  std::string_view view() const { return {data_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t n) { begin_ += n; }
  char* space() {
    if (begin_ == end_) begin_ = end_ = 0;
    return data_.data() + end_;
  }
  std::size_t room() const { return data_.size() - end_; }
  void grow(std::size_t n) { end_ += n; }

 private:
  std::string data_;
  std::size_t begin_ = 0, end_ = 0;
};

class Fetch {
 public:
  Fetch(Network& network, const Destination& to, const FetchRequest& request)
      : network_(network),
        to_(to),
        request_(request),
        upstream_(network.worker),
        deadline_(network.worker.ticker(), [](void* self) { static_cast<Fetch*>(self)->expire(); }, this) {}

  Task<FetchAnswer> run(DialTimeouts dial) {
    deadline_.arm(request_.deadline);
    for (Millis* stage : {&dial.dns, &dial.connect, &dial.tls}) *stage = std::min(*stage, request_.deadline);
    answer_.fault = co_await talk(dial);
    deadline_.disarm();
    if (expired_ && answer_.fault != Fault::none) answer_.fault = Fault::timeout;
    if (answer_.fault != Fault::none && answer_.reason.empty()) answer_.reason = upstream_.reason();
    co_return std::move(answer_);
  }

 private:
  void expire() {
    expired_ = true;
    upstream_.socket().cancel();
  }

  bool build(std::string& head) const {
    std::size_t most = request_.method.size() + request_.target.size() + to_.host.size() + 256;
    for (const auto& [name, value] : request_.fields) most += name.size() + value.size() + 4;
    head.reserve(most + request_.body.size());
    wire::HeadWriter writer(head);
    const std::string name = to_.host.find(':') == std::string::npos ? to_.host : "[" + to_.host + "]";
    const std::string host = to_.port == 443 ? name : name + ":" + std::to_string(to_.port);
    if (!writer.request_line(request_.method, request_.target) || !writer.field("Host", host)) return false;
    for (const auto& [field, value] : request_.fields)
      if (!writer.field(field, value)) return false;
    if (!writer.field("Connection", "close")) return false;
    if (!request_.body.empty() || request_.method == "POST" || request_.method == "PUT")
      writer.content_length(request_.body.size());
    writer.end();
    head.append(request_.body);
    return true;
  }

  Task<Fault> talk(DialTimeouts dial) {
    std::string out;
    if (!build(out)) {
      answer_.reason = "the request holds a byte that no head can carry";
      co_return Fault::malformed;
    }
    Fault fault = co_await upstream_.connect(to_, network_.resolver, network_.policy, network_.pool.sessions(), dial);
    if (fault == Fault::none && expired_) fault = Fault::timeout;
    if (fault == Fault::none) {
      answer_.sent = true;
      if (co_await upstream_.write(out) != Io::ok) {
        // Why it closed is what it said last: an alert about the certificate.
        const Io last = co_await fill();
        fault = last != Io::ok && upstream_.turned_away() ? Fault::client_certificate : Fault::closed;
      }
    }
    wipe(out);
    if (fault != Fault::none) co_return fault;
    co_return co_await receive();
  }

  Task<Io> fill() {
    char* space = in_.space();
    if (in_.room() == 0) co_return Io::failed;
    for (;;) {
      if (!co_await upstream_.readable()) co_return Io::failed;
      const IoResult r = upstream_.read_now(space, in_.room());
      if (r.io == Io::again) continue;
      if (r.io == Io::ok) in_.grow(r.size);
      co_return r.io;
    }
  }

  Task<Fault> receive() {
    wire::ResponseHead head;
    for (int interim = 0;;) {
      head.reset();
      for (;;) {
        wire::Refusal why;
        const auto parse =
            in_.view().empty() ? wire::Parse::more : wire::parse_response_head(in_.view(), request_.method, head, why);
        if (parse == wire::Parse::done) break;
        if (parse == wire::Parse::refused) {
          answer_.reason = why.detail;
          co_return Fault::malformed;
        }
        if (co_await fill() != Io::ok) co_return upstream_.turned_away() ? Fault::client_certificate : Fault::closed;
      }
      if (head.status >= 200) break;
      if (head.status == 101 || ++interim > kMaxInterim) co_return Fault::malformed;
      in_.consume(head.size);
    }
    answer_.status = head.status;
    for (const wire::Field& field : head.fields.all()) answer_.fields.emplace_back(field.name, field.value);
    in_.consume(head.size);
    co_return co_await receive_body(head.body, head.content_length);
  }

  Task<Fault> receive_body(wire::Body framing, std::uint64_t length) {
    if (framing == wire::Body::none) co_return Fault::none;
    if (framing == wire::Body::length && length > request_.max_body) co_return too_large();
    answer_.body.reserve(framing == wire::Body::length ? static_cast<std::size_t>(length) : request_.max_body);
    wire::ChunkDecoder chunks;
    for (;;) {
      while (!in_.view().empty()) {
        std::string_view data = in_.view();
        std::size_t used = data.size();
        bool end = false;
        if (framing == wire::Body::chunked) {
          const auto step = chunks.next(data);
          if (step.state == wire::ChunkDecoder::State::refused) co_return Fault::malformed;
          used = step.consumed;
          data = step.data;
          end = step.state == wire::ChunkDecoder::State::end;
        } else if (framing == wire::Body::length) {
          data = data.substr(
              0, static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), length - answer_.body.size())));
        }
        if (answer_.body.size() + data.size() > request_.max_body) co_return too_large();
        answer_.body.append(data);
        in_.consume(used);
        if (end) co_return Fault::none;
      }
      if (framing == wire::Body::length && answer_.body.size() == length) co_return Fault::none;
      const Io io = co_await fill();
      if (io == Io::ok) continue;
      // A close-delimited body is whole only if TLS said so (close_notify).
      co_return io == Io::closed&& framing == wire::Body::until_close ? Fault::none : Fault::cut;
    }
  }

  Fault too_large() {
    answer_.too_large = true;
    answer_.reason = "the answer is larger than " + std::to_string(request_.max_body) + " bytes";
    return Fault::malformed;
  }

  Network& network_;
  const Destination& to_;
  const FetchRequest& request_;
  Upstream upstream_;
  Deadline deadline_;
  Bytes in_{wire::kMaxHead + 16 * 1024};
  FetchAnswer answer_;
  bool expired_ = false;
};

}  // namespace

FetchAnswer::~FetchAnswer() {
  wipe(body);
  for (auto& [name, value] : fields) wipe(value);
}

Task<FetchAnswer> fetch(Network& network, const Destination& to, FetchRequest request, DialTimeouts dial) {
  Fetch one(network, to, request);
  co_return co_await one.run(dial);
}

}  // namespace postern::net
