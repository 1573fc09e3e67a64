// What every request pays in proxy/wire: two heads parsed, one target, one head written.
#include <benchmark/benchmark.h>

#include <string>

#include "proxy/wire/head.hpp"
#include "proxy/wire/target.hpp"
#include "proxy/wire/writer.hpp"

namespace postern::wire {
namespace {

constexpr std::string_view kRequest =
    "GET http://api.example.com/v1/charges?limit=3 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: curl/7.88.1\r\n"
    "Accept: */*\r\nProxy-Connection: Keep-Alive\r\nX-Connection-Id: billing\r\n\r\n";
constexpr std::string_view kResponse =
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Fri, 20 Nov 2026 20:00:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: 1024\r\nConnection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n";

void parses_a_request_head(benchmark::State& state) {
  RequestHead head;
  Refusal why;
  for (auto _ : state) {
    head.reset();
    benchmark::DoNotOptimize(parse_request_head(kRequest, head, why));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kRequest.size()));
}
BENCHMARK(parses_a_request_head);

void parses_a_response_head(benchmark::State& state) {
  ResponseHead head;
  Refusal why;
  for (auto _ : state) {
    head.reset();
    benchmark::DoNotOptimize(parse_response_head(kResponse, "GET", head, why));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kResponse.size()));
}
BENCHMARK(parses_a_response_head);

void parses_a_target(benchmark::State& state) {
  Target target;
  for (auto _ : state) {
    target.reset();
    benchmark::DoNotOptimize(parse_target("GET", "http://api.example.com/v1/charges?limit=3", target));
  }
}
BENCHMARK(parses_a_target);

void writes_a_head(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    HeadWriter writer(out);
    benchmark::DoNotOptimize(writer.request_line("GET", "/v1/charges?limit=3"));
    benchmark::DoNotOptimize(writer.field("Host", "api.example.com"));
    writer.parsed_field("User-Agent", "curl/7.88.1");
    writer.parsed_field("Accept", "*/*");
    benchmark::DoNotOptimize(writer.field("Authorization", "Bearer sk_live_0123456789abcdef0123456789abcdef"));
    writer.end();
  }
}
BENCHMARK(writes_a_head);

}  // namespace
}  // namespace postern::wire
