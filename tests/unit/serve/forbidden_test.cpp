// The provider's own endpoints are never for callers, however the path is spelt, and nothing else is refused for them.
#include <gtest/gtest.h>

#include "proxy/serve/directory.hpp"

namespace postern::serve {
namespace {

TEST(Forbidden, is_an_endpoint_in_every_spelling_a_server_might_read) {
  Known known;
  known.forbidden = {{"gitlab.com", "/oauth/token"}};
  for (const char* path :
       {"/oauth/token", "/oauth/token/", "/oauth/token/info", "/OAuth/Token", "/o%61uth/token", "/oauth%2Ftoken",
        "/oauth%252Ftoken", "//oauth//token", "/./oauth/x/../token", "/a/%2e%2e/oauth/token", "/oauth;v=1/token;x",
        "/oauth\\token", "/oauth%5Ctoken", "/oauth/token%20", "/oauth/token%00", "/oauth/token?x=/y"})
    EXPECT_TRUE(known.forbids("gitlab.com", path)) << path;
}

TEST(Forbidden, leaves_every_other_path_and_host_alone) {
  Known known;
  known.forbidden = {{"gitlab.com", "/oauth/token"}};
  for (const char* path : {"/", "/api/v4/projects/group%2Fproject", "/oauth/tokens", "/oauth", "/api/oauth/token",
                           "/x?y=/oauth/token", "/a;b/c", "/api//v4", "/oauth/token%3Fx", ""})
    EXPECT_FALSE(known.forbids("gitlab.com", path)) << path;
  EXPECT_FALSE(known.forbids("api.gitlab.com", "/oauth/token"));
}

}  // namespace
}  // namespace postern::serve
