#include "proxy/observe/metrics.hpp"

#include <gmock/gmock.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

namespace postern::observe {
namespace {

using testing::HasSubstr;

TEST(Metrics, adds_the_shards_up) {
  Metrics metrics;
  Shard& one = metrics.new_shard();
  Shard& two = metrics.new_shard();
  one.add(Counter::requests_2xx, 3);
  two.add(Counter::requests_2xx);
  one.add(Gauge::open_clients, 5);
  two.add(Gauge::open_clients, -2);
  EXPECT_EQ(metrics.total(Counter::requests_2xx), 4u);
  const auto page = metrics.render();
  EXPECT_THAT(page, HasSubstr("postern_requests_total{class=\"2xx\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("postern_open_client_connections 3\n"));
}

TEST(Metrics, puts_a_duration_into_the_first_bucket_that_holds_it) {
  Metrics metrics;
  Shard& shard = metrics.new_shard();
  shard.observe(Histogram::request_seconds, 500);         // exactly the first bound
  shard.observe(Histogram::request_seconds, 501);         // the second
  shard.observe(Histogram::request_seconds, 61'000'000);  // beyond all
  const auto page = metrics.render();
  EXPECT_THAT(page, HasSubstr("postern_request_seconds_bucket{le=\"0.0005\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("postern_request_seconds_bucket{le=\"0.001\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("postern_request_seconds_bucket{le=\"60\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("postern_request_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("postern_request_seconds_sum 61.001001\n"));
  EXPECT_THAT(page, HasSubstr("postern_request_seconds_count 3\n"));
}

// What promtool checks: families stand together, have one HELP and one TYPE before their samples, counters end in
// _total, names and labels keep the grammar, and no sample comes twice.
TEST(Metrics, writes_a_page_that_keeps_the_exposition_format) {
  Metrics metrics;
  metrics.new_shard();
  std::istringstream page(metrics.render());
  const std::regex meta(R"(# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+))");
  const std::regex sample(R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="[^"\\]*"\})? [0-9.]+)re");
  std::set<std::string> helped, samples;
  std::map<std::string, std::string> types;
  std::string family;
  for (std::string line; std::getline(page, line);) {
    std::smatch m;
    if (std::regex_match(line, m, meta)) {
      if (m[1] == "HELP") {
        EXPECT_TRUE(helped.insert(m[2]).second) << line;
        family = m[2];
      } else {
        EXPECT_EQ(m[2], family) << line;
        types[family] = m[3];
      }
      continue;
    }
    ASSERT_TRUE(std::regex_match(line, m, sample)) << line;
    EXPECT_TRUE(samples.insert(m[1].str() + m[2].str()).second) << line;
    EXPECT_EQ(m[1].str().substr(0, family.size()), family) << line;
    if (types[family] == "counter") {
      EXPECT_TRUE(family.ends_with("_total")) << family;
    }
    EXPECT_TRUE(family.starts_with("postern_") || family.starts_with("process_")) << family;
  }
  EXPECT_EQ(helped.size(), types.size());
  EXPECT_GE(samples.size(), std::size_t(Counter::count_) + std::size_t(Gauge::count_));
}

TEST(Metrics, may_be_rendered_while_others_count) {
  Metrics metrics;
  Shard& shard = metrics.new_shard();
  std::thread counting([&] {
    for (int i = 0; i < 10'000; ++i) {
      shard.add(Counter::retries);
      shard.observe(Histogram::request_seconds, 100);
    }
  });
  for (int i = 0; i < 20; ++i) metrics.render();
  counting.join();
  EXPECT_EQ(metrics.total(Counter::retries), 10'000u);
}

}  // namespace
}  // namespace postern::observe
