#include "proxy/cli/client.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <cctype>
#include <charconv>
#include <optional>

#include "proxy/cli/hidden.hpp"

namespace postern::cli {
namespace {

constexpr std::size_t kMaxHead = 64 * 1024;
constexpr std::size_t kMaxBody = 32 * 1024 * 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class Number>
std::optional<Number> number(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Failure> not_http() {
  return fail(Exit::unreachable, "answer: not HTTP/1.1; is this postern's admin address?");
}

// Bytes of the stream, by line and by count.
class Reader {
 public:
  explicit Reader(Stream& stream) : stream_(stream) {}
  ~Reader() { wipe(buffer_); }

  Result<std::string> line() {  // without its CRLF
    for (;;) {
      const auto end = buffer_.find("\r\n");
      if (end != std::string::npos) {
        std::string text = buffer_.substr(0, end);
        buffer_.erase(0, end + 2);
        return text;
      }
      if (buffer_.size() > kMaxHead) return not_http();
      auto more = fill();
      if (!more) return std::unexpected(more.error());
      if (!*more) return fail(Exit::unreachable, "answer: the server closed the connection; see its log, then retry");
    }
  }

  Result<void> exactly(std::size_t size, std::string& into) {
    while (buffer_.size() < size) {
      auto more = fill();
      if (!more) return std::unexpected(more.error());
      if (!*more) return fail(Exit::unreachable, "answer: cut short; see the server's log, then retry");
    }
    into.append(buffer_, 0, size);
    buffer_.erase(0, size);
    return {};
  }

  Result<void> to_the_end(std::string& into) {
    for (;;) {
      into += buffer_;
      buffer_.clear();
      if (into.size() > kMaxBody) return not_http();
      auto more = fill();
      if (!more) return std::unexpected(more.error());
      if (!*more) return {};
    }
  }

  bool anything() const { return anything_; }
  bool surplus() const { return !buffer_.empty(); }

 private:
  Result<bool> fill() {
    char block[16 * 1024];
    auto got = stream_.read(block, sizeof block);
    if (!got) return std::unexpected(got.error());
    anything_ = anything_ || *got > 0;
    buffer_.append(block, *got);
    explicit_bzero(block, *got);
    return *got > 0;
  }

  Stream& stream_;
  std::string buffer_;
  bool anything_ = false;
};

Result<Response> read_head(Reader& reader) {
  Response response;
  auto status = reader.line();
  if (!status) return std::unexpected(status.error());
  if (!status->starts_with("HTTP/1.") || status->size() < 12) return not_http();
  const auto code = number<int>(std::string_view(*status).substr(9, 3));
  if (!code || *code < 100) return not_http();
  response.status = *code;
  std::size_t size = 0;
  for (;;) {
    auto line = reader.line();
    if (!line) return std::unexpected(line.error());
    if (line->empty()) return response;
    const auto colon = line->find(':');
    if ((size += line->size()) > kMaxHead || colon == std::string::npos) return not_http();
    response.fields.emplace_back(lower(std::string_view(*line).substr(0, colon)),
                                 trim(std::string_view(*line).substr(colon + 1)));
  }
}

Result<void> read_chunks(Reader& reader, std::string& body) {
  for (;;) {
    auto line = reader.line();
    if (!line) return std::unexpected(line.error());
    const auto size = number<std::size_t>(trim(std::string_view(*line).substr(0, line->find(';'))), 16);
    if (!size || *size > kMaxBody - body.size()) return not_http();
    if (*size == 0) break;
    if (auto read = reader.exactly(*size, body); !read) return read;
    auto end = reader.line();
    if (!end) return std::unexpected(end.error());
    if (!end->empty()) return not_http();
  }
  for (;;) {  // trailers: read, not used
    auto line = reader.line();
    if (!line) return std::unexpected(line.error());
    if (line->empty()) return {};
  }
}

// A stream whose reads end together, so that one that drips does not hold anybody up.
class Hurried final : public Stream {
 public:
  Hurried(Stream& stream, std::chrono::seconds patience)
      : stream_(stream), end_(std::chrono::steady_clock::now() + patience) {}
  Result<std::size_t> read(char* into, std::size_t size) override {
    if (std::chrono::steady_clock::now() > end_) return fail(Exit::unreachable, "read: not whole in time");
    return stream_.read(into, size);
  }
  Result<void> write(std::string_view bytes) override { return stream_.write(bytes); }

 private:
  Stream& stream_;
  const std::chrono::steady_clock::time_point end_;
};

class Client final : public Transport {
 public:
  explicit Client(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  Result<Response> send(const Request& request) override {
    const bool again = stream_ != nullptr && (request.method == "GET" || request.method == "DELETE");
    bool nothing_came = false;
    auto response = once(request, nothing_came);
    if (!response && nothing_came && again) response = once(request, nothing_came);
    return response;
  }

 private:
  Result<Response> once(const Request& request, bool& nothing_came) {
    nothing_came = true;
    if (!stream_) {
      auto stream = !endpoint_.socket.empty() ? connect_unix(endpoint_.socket)
                    : endpoint_.tls           ? connect_tls(endpoint_.host, endpoint_.port)
                                              : connect_tcp(endpoint_.host, endpoint_.port);
      if (!stream) return std::unexpected(stream.error());
      stream_ = std::move(*stream);
    }
    std::string bytes = wire(request);
    auto written = stream_->write(bytes);
    wipe(bytes);
    bool reusable = false;
    if (endpoint_.patience.count() != 0) {
      Hurried hurried(*stream_, endpoint_.patience);
      auto response = read_response(hurried, reusable, nothing_came);
      stream_.reset();
      return response;
    }
    // A server that refuses early may answer and close while we still write: its answer says more than our error.
    auto response = read_response(*stream_, reusable, nothing_came);
    if (!reusable) stream_.reset();
    if (!response && !written) return std::unexpected(written.error());
    return response;
  }

  std::string wire(const Request& request) const {
    std::string bytes =
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: postern/{}\r\nAccept: application/json\r\n",
                    request.method, request.target, endpoint_.authority(), POSTERN_VERSION);
    const bool typed = std::ranges::any_of(request.fields, [](const auto& f) { return f.first == "Content-Type"; });
    if (!request.body.empty() && !typed) bytes += "Content-Type: application/json\r\n";
    if (!request.body.empty() || request.method == "POST" || request.method == "PATCH")
      bytes += fmt::format("Content-Length: {}\r\n", request.body.size());
    for (const auto& [name, value] : request.fields) bytes += fmt::format("{}: {}\r\n", name, value);
    return bytes + "\r\n" + request.body;
  }

  Endpoint endpoint_;
  std::unique_ptr<Stream> stream_;
};

// By address, not by how the text begins: 127.evil.example is a name that anyone may own.
bool is_loopback(const std::string& host) {
  in_addr parsed{};
  if (inet_pton(AF_INET, host.c_str(), &parsed) == 1) return (ntohl(parsed.s_addr) >> 24) == 127;
  return host == "localhost" || host == "::1";
}

}  // namespace

std::string Endpoint::authority() const {
  if (!socket.empty()) return "localhost";
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<Endpoint> parse_server(std::string_view url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || parsed->host().empty() || parsed->has_userinfo() || parsed->has_query() || parsed->has_fragment() ||
      (parsed->path() != "" && parsed->path() != "/") || (parsed->scheme() != "http" && parsed->scheme() != "https"))
    return fail(Exit::usage, "--server: not an address; write https://host:port or http://127.0.0.1:8481");
  Endpoint endpoint;
  endpoint.tls = parsed->scheme() == "https";
  endpoint.host = parsed->host_address();
  endpoint.port = parsed->has_port() ? std::string(parsed->port()) : endpoint.tls ? "443" : "80";
  if (!endpoint.tls && !is_loopback(endpoint.host))
    return fail(Exit::usage,
                fmt::format("--server: {}: http:// would show the token to the network; use https:// or a tunnel to "
                            "loopback",
                            endpoint.host));
  return endpoint;
}

std::string_view Response::field(std::string_view name) const {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return {};
}

std::unique_ptr<Transport> make_client(Endpoint endpoint) {
  return std::make_unique<Client>(std::move(endpoint));
}

Result<Response> read_response(Stream& stream, bool& reusable, bool& nothing_came) {
  reusable = false;
  Reader reader(stream);
  auto response = read_head(reader);
  for (int interim = 0; response && response->status < 200; response = read_head(reader))
    if (++interim > 8) return not_http();
  nothing_came = !reader.anything();
  if (!response) return response;
  const bool close = lower(response->field("connection")) == "close";
  const bool chunked = lower(response->field("transfer-encoding")) == "chunked";
  const std::string_view length = response->field("content-length");
  Result<void> read;
  bool ended_by_close = false;
  if (response->status == 204 || response->status == 304) {
    // no body, whatever the fields say
  } else if (chunked) {
    read = read_chunks(reader, response->body);
  } else if (!length.empty()) {
    const auto size = number<std::size_t>(length);
    if (!size || *size > kMaxBody) return not_http();
    read = reader.exactly(*size, response->body);
  } else {
    ended_by_close = true;
    read = reader.to_the_end(response->body);
  }
  if (!read) return std::unexpected(read.error());
  reusable = !close && !ended_by_close && !reader.surplus();
  return response;
}

}  // namespace postern::cli
