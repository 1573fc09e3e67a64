// Who calls, and what the caller and the connection it names allow: read from heads and records, nothing else.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string>

#include "proxy/serve/credentials.hpp"
#include "proxy/serve/directory.hpp"

namespace postern::serve {
namespace {

class Head : public testing::Test {
 protected:
  const wire::RequestHead& with(const std::string& fields) {
    bytes = "GET http://h/ HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
    head.reset();
    wire::Refusal why;
    EXPECT_EQ(wire::parse_request_head(bytes, head, why), wire::Parse::done) << fields;
    return head;
  }
  Presented proxy(const std::string& value) {
    return from_proxy_authorization(with("Proxy-Authorization: " + value + "\r\n"));
  }
  static std::string basic(const std::string& pair) {
    std::string text(4 * (pair.size() / 3 + 1) + 1, '\0');
    text.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                                         reinterpret_cast<const unsigned char*>(pair.data()),
                                                         static_cast<int>(pair.size()))));
    return "Basic " + text;
  }
  std::string bytes;
  wire::RequestHead head;
};

TEST_F(Head, names_a_connection_and_a_token_in_the_proxy_url) {
  const Presented presented = proxy(basic("billing:pst_secret"));
  EXPECT_EQ(presented.user, "billing");
  EXPECT_EQ(presented.token, "pst_secret");
  EXPECT_EQ(presented.field_value, basic("billing:pst_secret"));
}

TEST_F(Head, names_no_connection_with_a_dash_or_nothing) {
  EXPECT_EQ(proxy(basic("-:pst_secret")).user, "");
  EXPECT_EQ(proxy(basic(":pst_secret")).user, "");
  EXPECT_EQ(proxy(basic("-:pst_secret")).token, "pst_secret");
}

TEST_F(Head, may_have_the_token_as_the_user_without_a_password) {
  const Presented presented = proxy(basic("pst_secret:"));
  EXPECT_EQ(presented.token, "pst_secret");
  EXPECT_EQ(presented.user, "");
}

TEST_F(Head, may_have_the_token_as_bearer_in_any_case) {
  for (const char* scheme : {"Bearer ", "bearer ", "BEARER  "}) {
    EXPECT_EQ(proxy(scheme + std::string("pst_secret")).token, "pst_secret") << scheme;
  }
}

TEST_F(Head, keeps_colons_of_the_password) {
  EXPECT_EQ(proxy(basic("billing:pst_a:b")).token, "pst_a:b");
}

TEST_F(Head, presents_nothing_where_nothing_can_be_read) {
  for (const char* value : {"Basic", "Basic !!!!", "Bearer", "Digest pst_secret", "pst_secret", ""}) {
    EXPECT_EQ(proxy(value).token, "") << value;
    EXPECT_EQ(proxy(value).user, "") << value;
  }
  EXPECT_EQ(proxy(basic("no colon")).token, "");
  EXPECT_EQ(from_proxy_authorization(with("")).token, "");
}

TEST_F(Head, has_the_token_where_an_sdk_puts_its_key) {
  for (const std::string fields :
       {"Authorization: Bearer pst_secret\r\n", "X-Api-Key: pst_secret\r\n", "xi-api-key: pst_secret\r\n",
        "Authorization: Token pst_secret\r\n", "Accept: */*\r\nPrivate-Token: pst_secret\r\n"}) {
    EXPECT_EQ(from_sdk_field(with(fields)).token, "pst_secret") << fields;
  }
  for (const std::string pair : {"pst_secret:", "user:pst_secret", "pst_secret:x-oauth-basic"}) {
    const bool second = pair.ends_with("basic");
    EXPECT_EQ(from_sdk_field(with("Authorization: " + basic(pair) + "\r\n")).token, second ? "" : "pst_secret") << pair;
  }
}

TEST_F(Head, has_no_token_in_what_is_none) {
  for (const std::string fields :
       {"Authorization: Bearer sk_live_1\r\n", "X-Api-Key: xpst_secret\r\n", "Accept: */*\r\n"})
    EXPECT_EQ(from_sdk_field(with(fields)).token, "") << fields;
}

Known reaching(std::vector<vault::Destination> destinations) {
  Known known;
  known.meta.destinations = std::move(destinations);
  return known;
}

TEST(Known, reaches_exactly_its_hosts_and_ports) {
  const Known known = reaching({{"api.test", 443, ""}, {"api.test", 8443, "/"}});
  EXPECT_TRUE(known.reaches("api.test", 443, "/anything"));
  EXPECT_TRUE(known.reaches("api.test", 8443, "/anything"));
  EXPECT_FALSE(known.reaches("api.test", 80, "/"));
  EXPECT_FALSE(known.reaches("xapi.test", 443, "/"));
  EXPECT_FALSE(known.reaches("api.test.evil.test", 443, "/"));
  EXPECT_FALSE(known.reaches("", 443, "/"));
  EXPECT_FALSE(Known{}.reaches("api.test", 443, "/"));
}

TEST(Known, reaches_paths_on_segment_boundaries_only) {
  for (const char* prefix : {"/v1/files", "/v1/files/"}) {
    const Known known = reaching({{"api.test", 443, prefix}});
    for (const char* inside : {"/v1/files", "/v1/files/", "/v1/files/a/b"})
      EXPECT_TRUE(known.reaches("api.test", 443, inside)) << prefix << " " << inside;
    for (const char* outside : {"/", "/v1", "/v1/", "/v1/filesystem", "/v1/file", "/x/v1/files", "/V1/files", ""})
      EXPECT_FALSE(known.reaches("api.test", 443, outside)) << prefix << " " << outside;
  }
}

TEST(Known, passes_what_its_catalog_entry_names) {
  Known known;
  known.pass = {"cookie", "query:key"};
  EXPECT_TRUE(known.passes("cookie"));
  EXPECT_TRUE(known.passes("query:key"));
  EXPECT_FALSE(known.passes("key"));
}

TEST(Caller, may_every_host_and_method_unless_they_are_listed_and_none_if_the_list_is_empty) {
  Caller caller;
  EXPECT_TRUE(caller.may_host("api.test"));
  EXPECT_TRUE(caller.may_method("DELETE"));
  caller.authorization.hosts = {"api.test"};
  caller.authorization.methods = {"GET"};
  EXPECT_TRUE(caller.may_host("api.test"));
  EXPECT_FALSE(caller.may_host("files.test"));
  EXPECT_TRUE(caller.may_method("GET"));
  EXPECT_FALSE(caller.may_method("get"));
  EXPECT_FALSE(caller.may_method("POST"));
  caller.authorization.hosts = std::vector<std::string>{};
  caller.authorization.methods = std::vector<std::string>{};
  EXPECT_FALSE(caller.may_host("api.test"));
  EXPECT_FALSE(caller.may_method("GET"));
}

TEST(Caller, belongs_to_the_defaults_if_nothing_else_is_said) {
  Caller caller;
  EXPECT_EQ(caller.organization(), vault::kDefaultOrganization);
  EXPECT_EQ(caller.project(), vault::kDefaultProject);
  caller.authorization.organization = "org_1";
  caller.authorization.project = "proj_1";
  EXPECT_EQ(caller.organization(), "org_1");
  EXPECT_EQ(caller.project(), "proj_1");
}

}  // namespace
}  // namespace postern::serve
