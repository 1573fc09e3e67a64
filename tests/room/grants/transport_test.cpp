// The token client over real TLS connections, against a scripted endpoint.
#include "proxy/grants/transport.hpp"

#include "config/catalog.hpp"
#include "proxy/grants/grant.hpp"
#include "tests/room/net/network.hpp"
#include "tests/support/token_server.hpp"

namespace postern::grants {
namespace {

using net::Fault;
using net::Millis;
using test::TokenServer;
using test::TokenStep;

constexpr std::string_view kEntry = R"(
id: t
hosts: [api.test.example]
auth:
  k:
    type: OAUTH2
    token: {url: https://login.test.example/o/token, client_auth: body}
)";

class TransportRoom : public net::NetworkRoom {
 public:
  TransportRoom() {
    values.set_plain("clientId", "id");
    values.set("clientSecret", vault::Secret("cs-secret"));
  }
  ~TransportRoom() override { server.reset(); }

  void serve(std::vector<TokenStep> script, const std::string& name = "login.test.example") {
    server.emplace(authority.issue(name), std::move(script));
    destination.host = "login.test.example";
    destination.port = server->port();
    destination.trust = trust;
    destination.exceptions = {*net::Range::parse("127.0.0.0/8")};
    destination.session_key = "login.test.example";
    net::Names::known["login.test.example"] = {net::at("127.0.0.1:0")};
  }
  // One refresh, as the entry says it.
  Delivery refresh(Millis deadline = Millis(20'000)) {
    const auto provider = config::parse_provider(kEntry, "t.yaml");
    const auto& oauth = *provider->auth.at("k").oauth;
    const vault::Secret token("rt-secret");
    const Asking asking{oauth, values, 0, ""};
    auto request = refresh_token(Renewal{asking, {}, &token});
    EXPECT_TRUE(request);
    UpstreamTransport transport(
        network,
        [this](const std::string& host, std::uint16_t port) {
          asked = host + ":" + std::to_string(port);
          return std::make_shared<net::Route>(destination);
        },
        dial);
    return loop.run(transport.call(std::move(*request), deadline));
  }
  std::string body(const Delivery& delivery) { return std::string(delivery.reply.body.expose()); }
  Fault fault_of(TokenStep step) {
    serve({std::move(step)});
    return refresh().fault;
  }

  Values values;
  net::Pool pool{loop.worker, policy, 8, Millis(30'000)};
  net::Network network{loop.worker, resolver, pool, policy};
  net::DialTimeouts dial{Millis(10'000), Millis(10'000), Millis(10'000)};
  std::optional<TokenServer> server;
  net::Destination destination;
  std::string asked;
};

TEST_F(TransportRoom, asks_once_and_brings_the_answer) {
  serve({TokenStep::json(R"({"access_token":"new","expires_in":60})", 200, "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n")});
  const Delivery got = refresh();
  EXPECT_EQ(got.fault, Fault::none) << got.reason;
  EXPECT_TRUE(got.sent);
  EXPECT_EQ(asked, "login.test.example:443");
  const config::OAuthAnswer answer;
  const auto tokens = read_delivery({answer, 0, 0}, got);
  ASSERT_TRUE(tokens);
  EXPECT_EQ(tokens->access_token.expose(), "new");
  const auto calls = server->calls();
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].method, "POST");
  EXPECT_EQ(calls[0].target, "/o/token");
  EXPECT_EQ(calls[0].body, "grant_type=refresh_token&refresh_token=rt-secret&client_id=id&client_secret=cs-secret");
  EXPECT_EQ(calls[0].headers.at("content-type"), "application/x-www-form-urlencoded");
  EXPECT_EQ(calls[0].headers.at("host"), "login.test.example:" + std::to_string(server->port()));
  EXPECT_EQ(calls[0].headers.at("connection"), "close");
  EXPECT_EQ(calls[0].headers.at("accept"), "application/json");
}

TEST_F(TransportRoom, takes_every_framing_and_interim_answers) {
  TokenStep chunked;
  chunked.bytes =
      "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
  TokenStep until_close;
  until_close.bytes = "HTTP/1.0 200 OK\r\n\r\nall of it";
  TokenStep empty;
  empty.bytes = "HTTP/1.1 204 No Content\r\n\r\n";
  serve({chunked, until_close, empty});
  EXPECT_EQ(body(refresh()), "abcde");
  EXPECT_EQ(body(refresh()), "all of it");
  const Delivery nothing = refresh();
  EXPECT_EQ(nothing.fault, Fault::none);
  EXPECT_EQ(nothing.reply.status, 204);
  EXPECT_EQ(server->handshakes(), 3);  // a connection each: none is kept
}

TEST_F(TransportRoom, never_follows_a_redirect) {
  serve({TokenStep::json("", 302, "Location: https://login.test.example/elsewhere\r\n")});
  const Delivery got = refresh();
  EXPECT_EQ(got.reply.status, 302);
  EXPECT_EQ(server->calls().size(), 1U);
  const config::OAuthAnswer answer;
  EXPECT_EQ(read_delivery({answer, 0, 0}, got).error().kind, Failure::Kind::malformed);
}

TEST_F(TransportRoom, stops_at_the_largest_size) {
  const std::string large(kMaxAnswer + 1, 'x');
  TokenStep chunked;
  chunked.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40001\r\n" + large + "\r\n0\r\n\r\n";
  TokenStep close;
  close.bytes = "HTTP/1.1 200 OK\r\n\r\n" + large;
  serve({TokenStep::json(large), chunked, close, TokenStep::json(std::string(kMaxAnswer, ' '))});
  for (int i = 0; i < 3; ++i) {
    const Delivery got = refresh();
    EXPECT_EQ(got.fault, Fault::malformed);
    EXPECT_EQ(got.reason, "login.test.example: its answer is too large");
  }
  EXPECT_EQ(refresh().fault, Fault::none);
}

TEST_F(TransportRoom, tells_a_cut_answer_from_a_whole_one) {
  TokenStep part;
  part.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"access_token\":";
  EXPECT_EQ(fault_of(part), Fault::cut);
  TokenStep unclosed;
  unclosed.bytes = "HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"x\"}";
  unclosed.end = TokenStep::End::cut;
  EXPECT_EQ(fault_of(unclosed), Fault::cut);
  EXPECT_EQ(fault_of({"HTTP/1.1 200 OK\r\nContent-Le", TokenStep::End::cut, nullptr}), Fault::closed);
  EXPECT_EQ(fault_of({"", TokenStep::End::reset, nullptr}), Fault::closed);
  EXPECT_EQ(fault_of({"SSH-2.0-OpenSSH\r\n\r\n", TokenStep::End::close_notify, nullptr}), Fault::malformed);
  EXPECT_EQ(fault_of({"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                      TokenStep::End::close_notify, nullptr}),
            Fault::malformed);
  EXPECT_EQ(fault_of({"HTTP/1.1 101 Switching\r\n\r\n", TokenStep::End::close_notify, nullptr}), Fault::malformed);
}

TEST_F(TransportRoom, says_whether_the_request_may_have_arrived) {
  serve({{"", TokenStep::End::cut, nullptr}});
  Delivery got = refresh();
  EXPECT_TRUE(got.sent);
  EXPECT_EQ(got.fault, Fault::closed);
  const config::OAuthAnswer answer;
  const auto failure = read_delivery({answer, 0, 0}, got).error();
  EXPECT_EQ(failure.kind, Failure::Kind::transient);
  EXPECT_EQ(failure.text,
            "the token endpoint could not be asked: login.test.example: the connection ended before the "
            "answer was whole");
  server.reset();
  got = refresh();
  EXPECT_FALSE(got.sent);
  EXPECT_EQ(got.fault, Fault::refused);
}

TEST_F(TransportRoom, gives_up_at_its_deadline_wherever_it_is) {
  serve({{"", TokenStep::End::stall, nullptr}});
  Delivery got = refresh(Millis(300));
  EXPECT_EQ(got.fault, Fault::timeout);
  EXPECT_TRUE(got.sent);
  serve({{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", TokenStep::End::stall, nullptr}});
  got = refresh(Millis(300));
  EXPECT_EQ(got.fault, Fault::timeout);
  EXPECT_EQ(got.reason, "login.test.example: no answer in time");
  test::Signal gate;
  net::Names::gate = &gate;
  net::Names::known["slow.test.example"] = {net::at("127.0.0.1:0")};
  destination.host = "slow.test.example";
  got = refresh(Millis(300));
  EXPECT_FALSE(got.sent);
  EXPECT_TRUE(got.fault == Fault::dns_timeout || got.fault == Fault::timeout);
  gate.set();
}

TEST_F(TransportRoom, dials_only_what_the_address_policy_allows) {
  serve({TokenStep::json("{}")});
  destination.exceptions.clear();
  const Delivery got = refresh();
  EXPECT_EQ(got.fault, Fault::address_prohibited);
  EXPECT_FALSE(got.sent);
  EXPECT_EQ(got.reason, "login.test.example: its address is prohibited (resolves to a loopback address)");
  EXPECT_TRUE(server->calls().empty());
  destination.fixed = server->endpoint();  // `resolve:` of upstream.hosts
  EXPECT_EQ(refresh().fault, Fault::none);
  policy.add_own(server->endpoint());
  EXPECT_EQ(refresh().fault, Fault::address_prohibited);
}

TEST_F(TransportRoom, trusts_only_a_certificate_for_the_host) {
  serve({TokenStep::json("{}")}, "other.test.example");
  Delivery got = refresh();
  EXPECT_EQ(got.fault, Fault::certificate);
  EXPECT_FALSE(got.sent);
  EXPECT_TRUE(server->calls().empty());
}

TEST_F(TransportRoom, never_tells_a_secret_in_a_reason) {
  for (const TokenStep::End end : {TokenStep::End::cut, TokenStep::End::reset, TokenStep::End::close_notify}) {
    serve({{"HTTP/1.1 2x0 rt-secret\r\n\r\n", end, nullptr}});
    const Delivery got = refresh();
    EXPECT_NE(got.fault, Fault::none);
    EXPECT_EQ(got.reason.find("secret"), std::string::npos) << got.reason;
  }
}

}  // namespace
}  // namespace postern::grants
