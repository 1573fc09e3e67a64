#include "proxy/net/websocket_accept.hpp"

#include <gtest/gtest.h>

namespace postern::net {
namespace {

TEST(WebsocketAccept, is_that_of_rfc_6455_section_1_3) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

}  // namespace
}  // namespace postern::net
