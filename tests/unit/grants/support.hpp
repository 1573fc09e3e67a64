#pragma once
// An entry's OAuth part from a few lines of YAML, values, and requests and answers as text.
#include <gtest/gtest.h>

#include <string>

#include "config/catalog.hpp"
#include "proxy/grants/grant.hpp"
#include "proxy/grants/token_answer.hpp"

namespace postern::grants::test {

// `lines` are the keys of the auth entry, four spaces deep; `type` and a token URL come with it unless `lines` has one.
inline config::OAuth oauth(const std::string& lines = "", const std::string& type = "OAUTH2") {
  const std::string token = lines.find("token:") == 0 || lines.find("\n    token:") != std::string::npos
                                ? ""
                                : "    token: {url: https://login.example.com/token}\n";
  const std::string yaml =
      "id: t\nhosts: [api.example.com, \"${tenant}.example.com\", \"login.${tenant}\", \"*.example.com\"]\n"
      "fields: {tenant: {required: false}}\nauth:\n  k:\n    type: " +
      type + "\n" + token + "    " + lines + "\n";
  const auto parsed = config::parse_provider(yaml, "test.yaml");
  EXPECT_TRUE(parsed) << parsed.error().text() << "\n" << yaml;
  return parsed && parsed->auth.at("k").oauth ? *parsed->auth.at("k").oauth : config::OAuth{};
}

inline Values client() {
  Values values;
  values.set_plain("clientId", "my id");
  values.set("clientSecret", vault::Secret("s3cret/+:%"));
  values.set_plain("tenant", "acme");
  return values;
}

inline std::string header(const TokenRequest& request, std::string_view name) {
  for (const Parameter& p : request.headers)
    if (p.name == name) return std::string(p.value.expose());
  return "(none)";
}
inline std::string body(const Built<TokenRequest>& request) {
  return request ? std::string(request->body.expose()) : "error: " + request.error().text;
}
inline std::string query(const Built<TokenRequest>& request) {
  return request ? std::string(request->query.expose()) : "error: " + request.error().text;
}
inline std::string error(const Built<TokenRequest>& request) {
  return request ? "(built)" : request.error().text;
}

inline TokenReply reply(std::string_view text, int status = 200,
                        std::vector<std::pair<std::string, std::string>> headers = {}) {
  TokenReply out;
  out.status = status;
  for (const auto& [name, value] : headers) out.headers.emplace_back(name, vault::Secret(value));
  out.body = vault::Secret(text);
  return out;
}

inline constexpr std::int64_t kNow = 1'800'000'000'000;  // Fri, 15 Jan 2027 08:00:00 GMT

inline std::expected<Tokens, Failure> read(const config::OAuthAnswer& answer, const TokenReply& got,
                                           const Values* values = nullptr) {
  return read_answer(Reading{answer, kNow, kNow + 200, values}, got);
}

}  // namespace postern::grants::test
