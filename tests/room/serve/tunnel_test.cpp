// Tunnels on real sockets: what a CONNECT settles for the requests inside, and what ends them.
#include <gmock/gmock.h>

#include "service_room.hpp"

namespace postern::serve {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class TunnelRoom : public ServiceRoom {
 public:
  std::string connect(const std::string& target, const std::string& more = "") const {
    return "CONNECT " + target + " HTTP/1.1\r\nProxy-Authorization: Bearer " + std::string(token.token.expose()) +
           "\r\n" + more + "\r\n";
  }
  std::string authority() const { return std::string(kHost) + ":" + std::to_string(server->port()); }
  std::string inside(const std::string& path = "/", const std::string& more = "") const {
    return "GET " + path + " HTTP/1.1\r\nHost: " + authority() + "\r\n" + more + "\r\n";
  }
  // In a tunnel whose CONNECT named the connection.
  Far tunnel() {
    Far far = call_in();
    far.send(connect(authority(), "X-Connection-Id: billing\r\n"));
    EXPECT_THAT(far.receive_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
    return far;
  }
};

TEST_F(TunnelRoom, injects_into_what_comes_out_of_it) {
  serve(echo_credential);
  const Far far = tunnel();
  for (int i = 0; i < 3; ++i) {
    far.send(inside());
    EXPECT_THAT(answer(far), testing::EndsWith("Bearer sk_live_1"));
  }
  EXPECT_EQ(server->accepted(), 1);
}

TEST_F(TunnelRoom, uses_a_new_credential_from_the_announcement_on) {
  serve(echo_credential);
  const Far far = tunnel();
  far.send(inside());
  EXPECT_THAT(answer(far), HasSubstr("sk_live_1"));
  rotate("sk_live_2");
  far.send(inside());
  EXPECT_THAT(answer(far), HasSubstr("sk_live_2"));
}

TEST_F(TunnelRoom, ends_with_nobody_in_it_when_its_connection_does) {
  serve(echo_credential);
  const Far far = tunnel();
  far.send(inside());
  answer(far);
  revoke_connection();
  EXPECT_EQ(far.receive_all(), "");
  until_nobody_is_connected();
}

TEST_F(TunnelRoom, ends_with_nobody_in_it_when_its_authorization_does) {
  serve(echo_credential);
  const Far far = tunnel();
  revoke_token();
  EXPECT_EQ(far.receive_all(), "");
}

TEST_F(TunnelRoom, ends_with_nobody_in_it_when_its_authorization_expires) {
  serve(echo_credential);
  const Far far = tunnel();
  far.send(inside());
  answer(far);
  now = 4'000'000'000'000;
  EXPECT_EQ(far.receive_all(), "");
}

TEST_F(TunnelRoom, ends_in_the_middle_of_an_answer) {
  serve(stream);
  const Far far = tunnel();
  far.send(inside());
  far.receive_until("hello\r\n");
  revoke_token();
  bool cut = false;
  far.receive_all(&cut);
  EXPECT_TRUE(cut);
}

TEST_F(TunnelRoom, asks_anew_who_its_caller_is_when_something_has_changed) {
  serve(echo_credential);
  const Far far = tunnel();
  announce({true, {}, {}, token.authorization.id}, false);  // changed, but not ended
  far.send(inside());
  EXPECT_THAT(answer(far), HasSubstr("sk_live_1"));
  vault::Authorization authorization = token.authorization;
  authorization.revoked = now;
  ASSERT_TRUE(vault->update_authorization(authorization));
  announce({true, {}, {}, authorization.id}, false);
  far.send(inside());
  EXPECT_THAT(answer(far), StartsWith("HTTP/1.1 407"));
}

TEST_F(TunnelRoom, counts_what_is_inside_and_not_itself) {
  settings.requests_max = 1;
  settings.caller_requests_max = 1;
  serve(echo_credential);
  std::vector<Far> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(tunnel());
    open.back().send(inside());
    EXPECT_THAT(answer(open.back()), HasSubstr("sk_live_1"));
  }
}

TEST_F(TunnelRoom, ends_when_the_lane_drains) {
  serve(echo_credential);
  const Far far = tunnel();
  far.send(inside());
  answer(far);
  lanes[0]->on([](Service& s) { s.drain([] {}); });
  EXPECT_EQ(far.receive_all(), "");
}

}  // namespace
}  // namespace postern::serve
