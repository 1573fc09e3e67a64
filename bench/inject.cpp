// What applying a credential costs: once a generation to make, once a request to apply.
#include <benchmark/benchmark.h>

#include "proxy/inject/injection.hpp"

namespace postern::inject {
namespace {

std::vector<Rule> one_header() {
  std::vector<Rule> rules;
  rules.push_back({Place::header, "Authorization",
                   vault::Secret(std::string_view("Bearer sk_live_0123456789abcdef0123456789abcdef")), true});
  return rules;
}

void makes_an_injection(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(find_injection("field")->make({.rules = one_header()}));
}
BENCHMARK(makes_an_injection);

void applies_a_header(benchmark::State& state) {
  const auto injection = find_injection("field")->make({.rules = one_header()});
  Inputs in;
  in.method = "GET";
  Changes out;
  for (auto _ : state) benchmark::DoNotOptimize((*injection)->apply(in, out));
}
BENCHMARK(applies_a_header);

void edits_a_json_body(benchmark::State& state) {
  std::vector<Rule> rules;
  rules.push_back({Place::json, "/auth/key", vault::Secret(std::string_view("sk_live_0123456789abcdef")), true});
  const auto injection = find_injection("field")->make({.rules = std::move(rules)});
  const std::string body = R"({"auth": {"key": ""}, "items": [)" + std::string(1000, '1') + "]}";
  Inputs in;
  in.method = "POST";
  in.content_type = "application/json";
  in.body = body;
  Changes out;
  for (auto _ : state) benchmark::DoNotOptimize((*injection)->apply(in, out));
}
BENCHMARK(edits_a_json_body);

}  // namespace
}  // namespace postern::inject
