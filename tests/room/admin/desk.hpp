#pragma once
// Where tokens are asked for, as a test scripts it. It answers in the caller's own thread, one call at a time.
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/grants/records.hpp"

namespace postern::admin {

class FakeDesk final : public grants::TokenDesk {
 public:
  struct Asked {
    std::string line, body;  // "POST https://host/path"
    std::vector<std::pair<std::string, std::string>> headers;
  };

  void exchange(grants::Question question, std::function<void(grants::Answer)> done) override {
    grants::Answer answer;
    {
      const std::scoped_lock lock(mutex_);
      note(question.request);
      answer.sent = grants::moment(sent_ms);
      answer.tokens = tokens();
    }
    done(std::move(answer));
  }
  void call(grants::TokenRequest request, std::function<void(grants::Called)> done) override {
    grants::Called called;
    if (const auto hold = before_answer) hold();
    {
      const std::scoped_lock lock(mutex_);
      note(request);
      if (status == 0) {
        called.delivery.fault = net::Fault::refused;
        called.delivery.reason = "the connection was refused";
      }
      called.delivery.reply.status = status;
      for (const auto& [name, value] : headers) called.delivery.reply.headers.emplace_back(name, vault::Secret(value));
      called.delivery.reply.body = vault::Secret(body);
    }
    done(std::move(called));
  }
  void refresh(grants::ConnectionKey key, std::uint64_t, grants::Why,
               std::function<void(grants::Renewed)> done) override {
    done(renew(key));
  }
  void accepted(const std::string&) override {}
  void wake(const std::string& id) override {
    const std::scoped_lock lock(mutex_);
    woken.push_back(id);
  }

  // What the endpoints answer. status 0: nobody is there.
  std::function<std::expected<grants::Tokens, grants::Failure>()> tokens = [] {
    grants::Tokens out;
    out.access_token = vault::Secret("access-canary");
    out.refresh_token = vault::Secret("refresh-canary");
    out.account = "ada@acme";
    out.lifetime_ms = 3'600'000;
    return std::expected<grants::Tokens, grants::Failure>(std::move(out));
  };
  std::function<grants::Renewed(const grants::ConnectionKey&)> renew = [](const grants::ConnectionKey&) {
    return grants::Renewed{
        .kind = grants::Renewed::Kind::unavailable, .reason = "token_endpoint_unavailable", .text = "down"};
  };
  std::int64_t sent_ms = 1'800'000'000'000;
  std::function<void()> before_answer = {};  // to a call; in the caller's thread
  int status = 200;
  std::string body = R"({"id":"ada@acme"})";
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<Asked> asked;
  std::vector<std::string> woken;

 private:
  void note(const grants::TokenRequest& request) {
    Asked one{request.describe(), std::string(request.body.expose()), {}};
    if (!request.query.empty()) one.line += '?' + std::string(request.query.expose());
    for (const auto& header : request.headers) one.headers.emplace_back(header.name, header.value.expose());
    asked.push_back(std::move(one));
  }
  std::mutex mutex_;
};

}  // namespace postern::admin
