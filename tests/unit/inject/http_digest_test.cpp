// Digest against the examples of its RFCs and against curl's answers (tests/golden/inject/digest_curl.txt).
#include "proxy/inject/http_digest.hpp"
#include "tests/source_dir.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "signer_kit.hpp"

namespace postern::inject {
namespace {

using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Injection> digest_of(std::string_view user, std::string_view password) {
  Recipe recipe;
  recipe.values.emplace("username", vault::Secret(user));
  recipe.values.emplace("password", vault::Secret(password));
  auto made = make_injection("digest", std::move(recipe));
  EXPECT_TRUE(made) << made.error();
  return std::move(*made);
}

Inputs asked(std::string_view challenge, std::string_view method, std::string_view path,
             std::string_view client_nonce) {
  Inputs in;
  in.challenge = challenge;
  in.method = method;
  in.path = path.substr(0, path.find('?'));
  in.query = path.find('?') == path.npos ? std::string_view() : path.substr(path.find('?') + 1);
  in.nonce = client_nonce;
  in.challenge_count = 1;
  return in;
}

// What it writes as Authorization.
std::string answer(const Injection& digest, const Inputs& in) {
  Changes out;
  const auto applied = digest.apply(in, out);
  EXPECT_TRUE(applied) << applied.error().message;
  if (!applied || out.headers.size() != 1) return {};
  EXPECT_EQ(out.headers.front().name, "Authorization");
  return std::string(out.headers.front().value);
}

// The value of a parameter as it stands, with its quotes.
std::string parameter(const std::string& text, const std::string& name) {
  for (const std::string& before : {std::string("Digest "), std::string(", ")}) {
    const std::size_t at = text.find(before + name + '=');
    if (at == std::string::npos) continue;
    const std::size_t from = at + before.size() + name.size() + 1;
    std::size_t end = from + 1;
    if (text[from] != '"') return text.substr(from, text.find(',', from) - from);
    while (text[end] != '"') end += text[end] == '\\' ? 2 : 1;
    return text.substr(from, end + 1 - from);
  }
  return {};
}

std::string unquoted(std::string text) {
  return text.size() < 2 ? text : text.substr(1, text.size() - 2);
}

constexpr std::string_view kRfc =
    R"(Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")";

TEST(digest, answers_the_examples_of_rfc_7616) {
  const auto mufasa = digest_of("Mufasa", "Circle of Life");
  const std::string_view client_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
  const std::string strong = answer(*mufasa, asked(kRfc, "GET", "/dir/index.html", client_nonce));
  EXPECT_EQ(
      strong,
      R"(Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS")");
  const std::string_view weak = kRfc.substr(kRfc.rfind("Digest"));
  EXPECT_EQ(parameter(answer(*mufasa, asked(weak, "GET", "/dir/index.html", client_nonce)), "response"),
            "\"8ca523f5e9506fed4657c9700eebdbec\"");
}

// Section 3.9.2 with erratum 4897: the RFC's own numbers are of another SHA-512/256.
TEST(digest, hides_the_name_of_the_user_where_the_server_can) {
  const std::string challenge =
      R"(Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true)";
  const auto digest = digest_of("J\u00e4s\u00f8n Doe", "Secret, or not?");
  const std::string sent =
      answer(*digest, asked(challenge, "GET", "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v"));
  EXPECT_EQ(parameter(sent, "username"), "\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\"");
  EXPECT_EQ(parameter(sent, "response"), "\"3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5\"");
  EXPECT_EQ(parameter(sent, "userhash"), "true");
}

TEST(digest, answers_the_example_of_rfc_2617) {
  const std::string challenge =
      R"(Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41")";
  const auto digest = digest_of("Mufasa", "Circle Of Life");
  const std::string sent = answer(*digest, asked(challenge, "GET", "/dir/index.html", "0a4f113b"));
  EXPECT_EQ(parameter(sent, "response"), "\"6629fae49393a05397450978507c4ef1\"");
  EXPECT_EQ(parameter(sent, "algorithm"), "");
}

TEST(digest, answers_as_curl_does) {
  std::ifstream file(POSTERN_SOURCE_DIR "/tests/golden/inject/digest_curl.txt");
  int cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::vector<std::string> row(1);
    for (const char c : line) {
      if (c == '\t')
        row.emplace_back();
      else
        row.back() += c;
    }
    ASSERT_EQ(row.size(), 6U) << line;
    const auto digest = digest_of(row[1], row[2]);
    const std::string client_nonce = unquoted(parameter(row[5], "cnonce"));
    const std::string sent = answer(*digest, asked(row[0], row[3], row[4], client_nonce));
    for (const char* name : {"response", "username", "uri", "nonce", "nc", "qop"})
      EXPECT_EQ(parameter(sent, name), parameter(row[5], name)) << name << " of " << line;
    ++cases;
  }
  EXPECT_EQ(cases, 52);
}

TEST(digest, writes_nothing_before_it_was_asked) {
  const auto digest = digest_of("Mufasa", "Circle of Life");
  Changes out;
  Inputs in;
  in.method = "GET";
  in.path = "/";
  ASSERT_TRUE(digest->apply(in, out));
  EXPECT_TRUE(out.headers.empty());
}

TEST(digest, counts_its_answers_to_one_nonce) {
  const auto digest = digest_of("Mufasa", "Circle of Life");
  Inputs in = asked(kRfc, "GET", "/", "c1");
  in.challenge_count = 171;
  EXPECT_EQ(parameter(answer(*digest, in), "nc"), "000000ab");
}

TEST(digest, hashes_the_body_only_where_nothing_less_is_offered) {
  const auto digest = digest_of("Mufasa", "Circle of Life");
  const std::string challenge = R"(Digest realm="http-auth@example.org", nonce="n1", qop="auth-int")";
  Inputs in = asked(challenge, "PUT", "/dir/index.html?x=1", "c1");
  in.challenge_count = 10;
  const HeldContent body("hello");
  in.content = &body;
  const std::string sent = answer(*digest, in);
  EXPECT_EQ(parameter(sent, "qop"), "auth-int");
  EXPECT_EQ(parameter(sent, "response"), "\"4b4bb9d7f4bcd205b765a9be19c42e3a\"");
  EXPECT_TRUE(digest->needs_of(in) & needs_body_hash);
  EXPECT_FALSE(digest->needs_of(asked(kRfc, "PUT", "/", "c1")) & needs_body_hash);
  EXPECT_FALSE(digest->needs_of(Inputs{}) & needs_body_hash);
  in.content = nullptr;
  Changes out;
  const auto refused = digest->apply(in, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().pointer, "/body");
  EXPECT_TRUE(out.headers.empty());
}

TEST(digest, takes_the_strongest_challenge_and_the_first_among_equals) {
  const auto chosen = [](std::string_view text) {
    const auto found = strongest_digest(text);
    return found ? found->algorithm + ' ' + found->nonce : std::string("none");
  };
  EXPECT_EQ(
      chosen(
          R"(Digest realm="r", nonce="1", Digest realm="r", nonce="2", algorithm=SHA-512-256, Digest realm="r", nonce="3", algorithm=sha-256)"),
      "SHA-512-256 2");
  EXPECT_EQ(chosen(R"(Digest realm="r", nonce="1", algorithm=SHA-256, Digest realm="s", nonce="2", algorithm=SHA-256)"),
            "SHA-256 1");
  EXPECT_EQ(chosen(R"(Digest realm="r", nonce="1", algorithm=SHA-3000, digest nonce="2",realm="r")"), " 2");
  EXPECT_EQ(chosen(R"(Basic realm="a, Digest", Digest realm="r", nonce="1", Negotiate abc/def==, Bearer)"), " 1");
  EXPECT_EQ(chosen(R"(Negotiate, Negotiate a=b=, NTLM TlRM+/=, , Digest realm=r,nonce=1)"), " 1");
}

TEST(digest, answers_no_challenge_whose_hash_openssl_lacks) {
  constexpr std::string_view asked = R"(Digest realm="r", nonce="n", qop="auth")";
  EXPECT_TRUE(strongest_digest(asked));
  const NoAlgorithms none;
  EXPECT_FALSE(strongest_digest(asked));
}

TEST(digest, finds_no_challenge_that_cannot_be_read_in_one_way) {
  for (const char* text : {
           "",
           "Basic realm=\"r\"",
           "Digest",
           "Digest realm=\"r\"",
           "Digest nonce=\"1\"",
           R"(Digest realm="r", nonce="1", nonce="2")",
           R"(Digest realm="r", nonce="1", algorithm=MD4)",
           R"(Digest realm="r", nonce="1", qop="auth-conf")",
           R"(Digest realm="r", nonce="1", algorithm=MD5-sess)",
           R"(Digest realm="r", nonce="1)",
           "realm=\"r\", nonce=\"1\"",
       })
    EXPECT_FALSE(strongest_digest(text)) << text;
}

TEST(digest, reads_back_what_it_has_written_of_a_challenge) {
  const auto first = strongest_digest(
      R"(Digest realm="a \"b\" \\c", nonce="1", opaque="", algorithm=MD5-sess, domain="/a /b", qop="auth,auth-int", stale=TRUE, userhash=true, charset=utf-8)");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->realm, "a \"b\" \\c");
  EXPECT_TRUE(first->stale && first->userhash && first->utf8 && first->auth && first->auth_int);
  EXPECT_EQ(first->opaque, "");
  const auto again = strongest_digest(to_text(*first));
  ASSERT_TRUE(again);
  EXPECT_EQ(to_text(*again), to_text(*first));
  EXPECT_EQ(again->realm, first->realm);
  EXPECT_EQ(again->domain, "/a /b");
}

TEST(digest, writes_a_name_that_no_quoted_string_carries_as_the_rfc_says) {
  const auto digest = digest_of("J\u00e4s\u00f8n", "x");
  const std::string sent =
      answer(*digest, asked(R"(Digest realm="r", nonce="1", qop=auth, charset=UTF-8)", "GET", "/", "c"));
  EXPECT_THAT(sent, HasSubstr("username*=UTF-8''J%C3%A4s%C3%B8n,"));
  EXPECT_THAT(sent, Not(HasSubstr("username=\"")));
}

TEST(digest, finds_the_next_nonce) {
  EXPECT_EQ(next_nonce(R"(qop=auth, rspauth="ab", cnonce="c", nc=00000001, nextnonce="n 2")"), "n 2");
  EXPECT_FALSE(next_nonce(R"(rspauth="ab")"));
  EXPECT_FALSE(next_nonce(R"(nextnonce="")"));
  EXPECT_FALSE(next_nonce(R"(nextnonce="1", nextnonce="2")"));
}

TEST(digest, is_not_made_without_a_name_or_with_one_that_breaks_the_head) {
  EXPECT_FALSE(make_digest({}));
  Recipe recipe;
  recipe.values.emplace("username", vault::Secret("a\r\nX: b"));
  const auto made = make_digest(std::move(recipe));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error(), Not(HasSubstr("X: b")));
}

TEST(certificate, writes_nothing_and_is_not_made_without_its_key) {
  Recipe recipe;
  recipe.values.emplace("certificate", vault::Secret("c"));
  EXPECT_FALSE(make_injection("certificate", std::move(recipe)));
  Recipe whole;
  whole.values.emplace("certificate", vault::Secret("c"));
  whole.values.emplace("key", vault::Secret("k"));
  const auto made = make_injection("certificate", std::move(whole));
  ASSERT_TRUE(made);
  Changes out;
  ASSERT_TRUE((*made)->apply({}, out));
  EXPECT_TRUE(out.headers.empty() && out.query.empty() && out.cookies.empty());
  EXPECT_TRUE((*made)->spots().empty());
}

TEST(certificate, stands_beside_rules) {
  Recipe recipe;
  recipe.rules.push_back({Place::header, "X-Api-Key", vault::Secret("abc")});
  recipe.values.emplace("certificate", vault::Secret("c"));
  recipe.values.emplace("key", vault::Secret("k"));
  const auto made = make_injection("certificate", std::move(recipe));
  ASSERT_TRUE(made);
  Changes out;
  ASSERT_TRUE((*made)->apply({}, out));
  ASSERT_EQ(out.headers.size(), 1U);
  EXPECT_EQ(out.headers.front().value, "abc");
}

}  // namespace
}  // namespace postern::inject
