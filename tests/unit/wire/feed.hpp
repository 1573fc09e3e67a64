#pragma once
// Feeds an input whole, byte by byte and split at every position, each time from a buffer of exactly that size (so that
// AddressSanitizer sees a read outside) and in a new place, and demands the same outcome every time.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/outcome.hpp"

namespace postern::wire {

template <class Head, class ParseHead>
Outcome feed_every_way(std::string_view bytes, ParseHead&& parse) {
  const Outcome whole = feed<Head>(bytes, {}, parse);
  if (bytes.size() > 2000) {  // long inputs: a few cuts are enough
    for (const std::size_t cut : {std::size_t{1}, bytes.size() / 3, bytes.size() - 3, bytes.size() - 1})
      EXPECT_EQ(whole.text, (feed<Head>(bytes, {cut}, parse).text)) << "cut at " << cut;
    return whole;
  }
  std::vector<std::size_t> each;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    each.push_back(cut);
    const Outcome split = feed<Head>(bytes, {cut}, parse);
    EXPECT_EQ(whole.text, split.text) << "cut at " << cut << " of " << bytes;
    EXPECT_EQ(whole.parse, split.parse);
  }
  const Outcome bytewise = feed<Head>(bytes, each, parse);
  EXPECT_EQ(whole.text, bytewise.text) << "byte by byte: " << bytes;
  EXPECT_EQ(whole.parse, bytewise.parse);
  return whole;
}

inline Outcome request(std::string_view bytes) {
  return feed_every_way<RequestHead>(
      bytes, [](std::string_view b, RequestHead& head, Refusal& why) { return parse_request_head(b, head, why); });
}

inline Outcome response(std::string_view bytes, std::string_view method = "GET") {
  return feed_every_way<ResponseHead>(bytes, [method](std::string_view b, ResponseHead& head, Refusal& why) {
    return parse_response_head(b, method, head, why);
  });
}

inline Decoded decode(std::string_view bytes) {
  const Decoded whole = decode_pieces(bytes, {});
  std::vector<std::size_t> each;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    each.push_back(cut);
    if (bytes.size() < 2000) EXPECT_EQ(whole, decode_pieces(bytes, {cut})) << "cut at " << cut << " of " << bytes;
  }
  EXPECT_EQ(whole, decode_pieces(bytes, each)) << "byte by byte: " << bytes;
  return whole;
}

}  // namespace postern::wire
