// The small HTTP client: framing, bounds, addresses; and output, which is as pure.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "fake.hpp"
#include "proxy/cli/child.hpp"

namespace postern::cli::test {
namespace {

using testing::HasSubstr;

// Gives its bytes one at a time, so that every boundary is met.
class Bytes final : public Stream {
 public:
  explicit Bytes(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(char* into, std::size_t) override {
    if (at_ == text_.size()) return std::size_t{0};
    *into = text_[at_++];
    return std::size_t{1};
  }
  Result<void> write(std::string_view) override { return {}; }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

Result<Response> parse(std::string text, bool* reusable = nullptr) {
  Bytes stream(std::move(text));
  bool keep = false, nothing = false;
  auto response = read_response(stream, keep, nothing);
  if (reusable != nullptr) *reusable = keep;
  return response;
}

TEST(Client, reads_a_body_of_known_length_and_keeps_the_connection) {
  bool reusable = false;
  const auto response = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"1\"\r\n\r\nhello", &reusable);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_EQ(response->field("etag"), "\"1\"");
  EXPECT_TRUE(reusable);
}

TEST(Client, reads_chunks_trailers_and_interim_answers) {
  bool reusable = false;
  const auto response = parse(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
      &reusable);
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->body, "hello0123456789");
  EXPECT_TRUE(reusable);
}

TEST(Client, a_204_has_no_body_and_close_means_close) {
  bool reusable = false;
  ASSERT_TRUE(parse("HTTP/1.1 204 No Content\r\n\r\n", &reusable).has_value());
  EXPECT_TRUE(reusable);
  ASSERT_TRUE(parse("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", &reusable).has_value());
  EXPECT_FALSE(reusable);
  EXPECT_EQ(parse("HTTP/1.1 200 OK\r\n\r\nto the end", &reusable)->body, "to the end");
  EXPECT_FALSE(reusable);
}

TEST(Client, what_is_not_http_or_cut_short_is_unreachable) {
  for (const char* text :
       {"", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 xyz\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"}) {
    const auto response = parse(text);
    ASSERT_FALSE(response.has_value()) << text;
    EXPECT_EQ(response.error().exit, Exit::unreachable) << text;
  }
  EXPECT_FALSE(parse("HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')).has_value());
}

TEST(Client, server_addresses_are_checked) {
  const auto secure = parse_server("https://postern.example:8443/");
  ASSERT_TRUE(secure.has_value());
  EXPECT_EQ(secure->authority(), "postern.example:8443");
  EXPECT_EQ(parse_server("http://[::1]:8481")->authority(), "[::1]:8481");
  EXPECT_EQ(parse_server("http://127.0.0.1:8481")->port, "8481");
  for (const char* url : {"postern.example", "ftp://x", "https://u:p@x", "https://x/path", "https://",
                          "http://10.0.0.1:8481", "http://postern.example", "http://127.evil.example"})
    EXPECT_EQ(parse_server(url).error().exit, Exit::usage) << url;
}

TEST(Client, an_absent_socket_is_unreachable_and_says_what_to_do) {
  Endpoint endpoint;
  endpoint.socket = "/nonexistent/admin.sock";
  const auto response = make_client(endpoint)->send({"GET", "/", "", {}});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().exit, Exit::unreachable);
  EXPECT_THAT(response.error().message, HasSubstr("postern run"));
}

// A unix socket that answers each accepted connection with one text for each of `requests` requests, then closes it.
class Listener {
 public:
  Listener() : path_(testing::TempDir() + "postern_cli_" + std::to_string(getpid()) + ".sock") {
    unlink(path_.c_str());
    fd_ = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(fd_, 4);
  }
  ~Listener() {
    thread_.join();
    close(fd_);
    unlink(path_.c_str());
  }
  void serve(int connections, int requests) {
    thread_ = std::thread([this, connections, requests] {
      for (int c = 0; c < connections; ++c) {
        const int peer = accept(fd_, nullptr, nullptr);
        for (int r = 0; r < requests; ++r) {
          std::string seen;
          char byte = 0;
          while (!seen.ends_with("\r\n\r\n") && recv(peer, &byte, 1, 0) == 1) seen += byte;
          const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(c);
          send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
        }
        close(peer);
      }
    });
  }
  std::string path_;

 private:
  int fd_;
  std::thread thread_;
};

TEST(Client, keeps_one_connection_for_many_requests) {
  Listener listener;
  listener.serve(1, 3);
  Endpoint endpoint;
  endpoint.socket = listener.path_;
  const auto client = make_client(endpoint);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client->send({"POST", "/", "", {}})->body, "0");
}

TEST(Client, sends_a_get_again_when_the_idle_connection_was_closed) {
  Listener listener;
  listener.serve(2, 1);
  Endpoint endpoint;
  endpoint.socket = listener.path_;
  const auto client = make_client(endpoint);
  EXPECT_EQ(client->send({"GET", "/", "", {}})->body, "0");
  EXPECT_EQ(client->send({"GET", "/", "", {}})->body, "1");
}

TEST(Output, yaml_quotes_what_a_reader_would_misread) {
  const auto value = boost::json::parse(
      R"({"a":"plain-text_1","b":"true","c":"1","d":"x: y","e":["one",{"f":null,"g":[]}],"h":{},"i":"","j":"two\nlines","on":1.5})");
  EXPECT_EQ(to_yaml(value),
            "a: plain-text_1\nb: \"true\"\nc: \"1\"\nd: \"x: y\"\ne:\n  - one\n  - f: null\n    g: []\nh: "
            "{}\ni: \"\"\nj: "
            "\"two\\nlines\"\n\"on\": 1.5E0\n");
}

TEST(Output, cells_join_lists_and_spell_out_control_characters) {
  EXPECT_EQ(cell(boost::json::parse(R"(["a","b"])")), "a,b");
  EXPECT_EQ(cell(boost::json::parse(R"([])")), "-");
  EXPECT_EQ(cell(boost::json::parse(R"("\u001b[31m")")), "\\u001b[31m");
  EXPECT_EQ(cell(boost::json::parse(R"({"a":1})")), R"({"a":1})");
}

TEST(Child, returns_exit_codes_and_signals) {
  EXPECT_EQ(run_child({"sh", "-c", "exit 7"}, {{"PATH", "/usr/bin:/bin"}}).value(), 7);
  EXPECT_EQ(run_child({"sh", "-c", "kill -TERM $$"}, {}).value(), 128 + SIGTERM);
  EXPECT_EQ(run_child({"sh", "-c", "test \"$X\" = 1"}, {{"X", "1"}}).value(), 0);
}

TEST(Child, a_command_that_is_not_there_is_127) {
  const auto code = run_child({"/nonexistent/command"}, {});
  ASSERT_FALSE(code.has_value());
  EXPECT_EQ(static_cast<int>(code.error().exit), 127);
  EXPECT_EQ(static_cast<int>(run_child({"/"}, {}).error().exit), 126);
}

TEST(Child, a_signal_sent_to_us_ends_the_child_and_not_us) {
  const HeldSignals held;
  kill(getpid(), SIGTERM);  // waits, and is passed on once the child runs
  EXPECT_EQ(run_child({"sleep", "60"}, {{"PATH", "/usr/bin:/bin"}}).value_or(0), 128 + SIGTERM);
}

}  // namespace
}  // namespace postern::cli::test
