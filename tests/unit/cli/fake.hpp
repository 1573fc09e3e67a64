#pragma once
// A CLI with nothing real around it: scripted answers, recorded requests, text streams, a fixed clock.
#include <boost/json/parse.hpp>
#include <deque>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "proxy/cli/command.hpp"

namespace postern::cli::test {

struct Server {
  std::deque<Response> answers;
  std::vector<Request> requests;
  std::vector<Endpoint> dialled;

  void answer(int status, std::string body = "") { answers.push_back({status, {}, std::move(body)}); }
  std::string line(std::size_t i) const { return requests.at(i).method + " " + requests.at(i).target; }
  boost::json::object body(std::size_t i) const { return boost::json::parse(requests.at(i).body).as_object(); }
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(Server& server) : server_(server) {}
  Result<Response> send(const Request& request) override {
    server_.requests.push_back(request);
    if (server_.answers.empty()) return fail(Exit::unreachable, "connect: nothing scripted");
    Response response = server_.answers.front();
    server_.answers.pop_front();
    return response;
  }

 private:
  Server& server_;
};

inline ProviderForm stripe() {
  ProviderForm form;
  form.id = "stripe";
  form.title = "Stripe";
  form.hosts = {"api.stripe.com", "files.stripe.com"};
  form.verify_path = "/v1/balance";
  FieldForm key;
  key.name = "apiKey";
  key.title = "Secret key";
  key.secret = true;
  form.auth.push_back({"api_key", "API_KEY", "", {key}});
  return form;
}

inline ProviderForm basic_shop() {
  ProviderForm form;
  form.id = "shop";
  FieldForm user, password, subdomain;
  user.name = "username";
  password.name = "password";
  password.secret = true;
  subdomain.name = "subdomain";
  form.hosts = {"*.shop.example"};
  form.variables = {subdomain};
  FieldForm pair = password;
  pair.name = "key";
  form.auth.push_back({"basic", "BASIC", "", {password, user}});
  form.auth.push_back({"custom", "CUSTOM", "", {password, pair}});
  form.auth.push_back({"oauth", "OAUTH2", "", {}});
  return form;
}

struct World {
  Server server;
  std::istringstream in;
  std::ostringstream out, err;
  std::vector<std::string> questions;
  std::vector<bool> echoed;
  std::deque<std::string> typed;
  std::vector<std::string> command;  // what exec started
  Environment child_environment;
  int child_code = 0;
  RunArguments ran;
  bool daemon_started = false;
  Surroundings around{.in = in,
                      .out = out,
                      .err = err,
                      .in_is_terminal = false,
                      .err_is_terminal = false,
                      .environment = {},
                      .hooks = {},
                      .ask = {},
                      .dial = {},
                      .run_child = {},
                      .locate = {},
                      .provider = {},
                      .now_ms = {},
                      .pause = [] {}};

  World() {
    around.hooks.run = [this](const RunArguments& arguments) {
      ran = arguments;
      daemon_started = true;
      return 0;
    };
    around.ask = [this](const std::string& label, bool echo) -> Result<Hidden> {
      questions.push_back(label);
      echoed.push_back(echo);
      if (typed.empty()) return fail(Exit::failed, "terminal: the input ended");
      Hidden answer{typed.front()};
      typed.pop_front();
      return answer;
    };
    around.dial = [this](const Endpoint& endpoint) {
      server.dialled.push_back(endpoint);
      return std::make_unique<FakeTransport>(server);
    };
    around.run_child = [this](const std::vector<std::string>& words, const Environment& environment) -> Result<int> {
      command = words;
      child_environment = environment;
      return child_code;
    };
    around.locate = [](const ConfigFile&, const Environment&) -> Result<Place> { return Place{"/run/state"}; };
    around.provider = [](const ConfigFile&, const Environment&, const std::string& id) -> Result<ProviderForm> {
      if (id == "stripe") return stripe();
      if (id == "shop") return basic_shop();
      return fail(Exit::not_found, "provider: " + id + ": no such provider");
    };
    around.now_ms = [] { return std::int64_t{1'900'000'000'000}; };  // 2030-03-17T17:46:40Z
  }

  int run(const std::vector<std::string>& arguments) { return run_command(arguments, around); }
};

}  // namespace postern::cli::test
