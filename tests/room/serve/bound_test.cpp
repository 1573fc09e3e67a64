// Connections whose upstream connections are their own: client certificates and Digest.
#include <gmock/gmock.h>

#include "service_room.hpp"
#include "tests/support/client_identity.hpp"

namespace postern::serve {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class BoundRoom : public ServiceRoom {
 public:
  using Values = std::map<std::string, std::string>;
  static vault::Credential holding(const Values& values) {
    vault::Credential made;
    for (const auto& [name, value] : values) made.values.emplace(name, vault::Secret(value));
    return made;
  }
  static Values pair_of(const test::Identity& identity) {
    return {{"certificate", test::certificate_pem(identity)}, {"key", test::key_pem(identity)}};
  }
  void bind(const std::string& alias, const std::string& type, const Values& values) {
    vault::Connection meta;
    meta.owner = "service";
    meta.alias = alias;
    meta.app = "http";
    meta.auth = type == "DIGEST" ? "digest" : "certificate";
    meta.type = type;
    meta.config = R"({"hosts":[")" + std::string(kHost) + ":" + std::to_string(server->port()) + R"("]})";
    meta.destinations = {{kHost, server->port(), ""}};
    ASSERT_TRUE(vault->create_connection(meta, holding(values)));
  }
  std::string call(const Far& far, const std::string& alias, const std::string& method = "GET",
                   const std::string& body = "") {
    std::string out =
        request(method, "/x?y=1", body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n");
    out.replace(out.find("billing"), 7, alias);
    far.send(out + body);
    return answer(far);
  }
  test::Authority clients;
};

TEST_F(BoundRoom, shows_a_new_certificate_from_the_announcement_on_and_closes_the_old_connection) {
  Signal old_ended;
  serve([&](Peer& peer) {
    const bool old = peer.shown("old.test");
    while (peer.read_head() != "") peer.write(ok(old ? "old" : "new"));
    if (old) old_ended.set();
  });
  server->demand_clients_of(clients);
  bind("bank", "CERTIFICATE", pair_of(clients.issue("old.test")));
  const Far far = call_in();
  EXPECT_THAT(call(far, "bank"), EndsWith("old"));
  EXPECT_THAT(call(far, "bank"), EndsWith("old"));
  EXPECT_EQ(server->accepted(), 1);
  const vault::Connection meta = found("bank");
  ASSERT_TRUE(vault->rotate_credential(meta, holding(pair_of(clients.issue("new.test")))));
  announce({false, meta.organization, meta.project, meta.id}, false);
  old_ended.wait();
  EXPECT_THAT(call(far, "bank"), EndsWith("new"));
}

TEST_F(BoundRoom, shares_no_connection_with_another_certificate_or_with_none) {
  serve([](Peer& peer) {
    while (peer.read_head() != "")
      peer.write(ok(peer.shown("one.test") ? "one" : peer.shown("two.test") ? "two" : "?"));
  });
  server->demand_clients_of(clients);
  bind("one", "CERTIFICATE", pair_of(clients.issue("one.test")));
  bind("two", "CERTIFICATE", pair_of(clients.issue("two.test")));
  const Far far = call_in();
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(call(far, "one"), EndsWith("one"));
    EXPECT_THAT(call(far, "two"), EndsWith("two"));
  }
  EXPECT_EQ(server->accepted(), 2);
  EXPECT_THAT(call(far, "billing"), HasSubstr("upstream-tls"));
}

TEST_F(BoundRoom, dials_nothing_for_a_certificate_that_cannot_be_shown) {
  serve(echo_credential);
  bind("bank", "CERTIFICATE", {{"certificate", "garbage"}, {"key", "garbage"}});
  EXPECT_THAT(call(call_in(), "bank"), HasSubstr("connection-error"));
  EXPECT_EQ(server->accepted(), 0);
}

// Asks for Digest and notes every head that it sees.
struct Asking {
  std::mutex mutex;
  std::vector<std::string> heads;
  std::string nonce = "n1";
  void operator()(Peer& peer) {
    for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
      if (head.starts_with("POST")) peer.read(5);
      const std::lock_guard lock(mutex);
      heads.push_back(head);
      const bool fresh = head.find("nonce=\"" + nonce + "\"") != std::string::npos;
      peer.write(fresh ? ok("welcome")
                       : "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"" +
                             nonce + "\", algorithm=SHA-256\r\nContent-Length: 0\r\n\r\n");
    }
  }
};

TEST_F(BoundRoom, answers_a_challenge_once_and_then_before_it_is_asked) {
  Asking asking;
  serve([&](Peer& peer) { asking(peer); });
  bind("box", "DIGEST", {{"username", "Mufasa"}, {"password", "Circle of Life"}});
  const Far far = call_in();
  EXPECT_THAT(call(far, "box"), EndsWith("welcome"));
  EXPECT_THAT(call(far, "box", "POST", "hello"), EndsWith("welcome"));
  ASSERT_EQ(asking.heads.size(), 3U);
  EXPECT_THAT(asking.heads[0], Not(HasSubstr("Authorization")));
  EXPECT_THAT(asking.heads[1], HasSubstr("uri=\"/x?y=1\""));
  EXPECT_THAT(asking.heads[1], HasSubstr("nc=00000001"));
  EXPECT_THAT(asking.heads[2], HasSubstr("nc=00000002"));
  {
    const std::lock_guard lock(asking.mutex);
    asking.nonce = "n2";
  }
  EXPECT_THAT(call(far, "box", "POST", "hello"), EndsWith("welcome"));
  EXPECT_EQ(asking.heads.size(), 5U);
  for (const std::string& head : asking.heads) EXPECT_THAT(head, Not(HasSubstr("Circle")));
}

TEST_F(BoundRoom, learns_challenges_anew_after_a_change_of_the_connection) {
  Asking asking;
  serve([&](Peer& peer) { asking(peer); });
  bind("box", "DIGEST", {{"username", "Mufasa"}, {"password", "Circle of Life"}});
  const Far far = call_in();
  EXPECT_THAT(call(far, "box"), EndsWith("welcome"));
  const vault::Connection meta = found("box");
  ASSERT_TRUE(vault->rotate_credential(meta, holding({{"username", "Simba"}, {"password", "Hakuna Matata"}})));
  announce({false, meta.organization, meta.project, meta.id}, false);
  EXPECT_THAT(call(far, "box"), EndsWith("welcome"));
  ASSERT_EQ(asking.heads.size(), 4U);
  EXPECT_THAT(asking.heads[2], Not(HasSubstr("Authorization")));
  EXPECT_THAT(asking.heads[3], HasSubstr("username=\"Simba\""));
}

TEST_F(BoundRoom, hands_on_a_challenge_that_is_not_satisfied) {
  serve([](Peer& peer) {
    int n = 0;
    while (peer.read_head() != "")
      peer.write("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", qop=\"auth\", nonce=\"same\"\r\n" +
                 std::string("Content-Length: 1\r\n\r\n") + std::to_string(n++));
  });
  bind("box", "DIGEST", {{"username", "Mufasa"}, {"password", "x"}});
  EXPECT_THAT(call(call_in(), "box"), StartsWith("HTTP/1.1 401"));
  EXPECT_EQ(metrics.total(observe::Counter::retries), 1U);
}

}  // namespace
}  // namespace postern::serve
