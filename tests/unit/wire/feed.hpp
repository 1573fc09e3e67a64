#pragma once
// Feeds an input whole, byte by byte and split at every position, each time from a buffer of exactly that size (so that
// AddressSanitizer sees a read outside) and in a new place, and demands the same outcome every time.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/chunk.hpp"
#include "proxy/wire/head.hpp"

namespace postern::wire {

// A copy of the bytes without anything after them.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), bytes_(new char[bytes.size()]) {
    bytes.copy(bytes_.get(), size_);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

inline std::string describe(const FieldList& fields) {
  std::string out;
  for (const Field& field : fields.all())
    out += "|" + std::string(field.name) + ":" + std::string(field.value) + (field.nominated ? "!" : "");
  return out;
}

inline std::string describe(const RequestHead& head) {
  return std::string(head.method) + " " + std::string(head.target) + " " + std::to_string(head.minor) + " body " +
         std::to_string(static_cast<int>(head.body)) + " " + std::to_string(head.content_length) +
         (head.keep_alive ? " keep" : " close") + (head.expect_continue ? " expect" : "") + " " +
         std::to_string(head.size) + describe(head.fields);
}

inline std::string describe(const ResponseHead& head) {
  return std::to_string(head.status) + " " + std::string(head.reason) + " " + std::to_string(head.minor) + " body " +
         std::to_string(static_cast<int>(head.body)) + " " + std::to_string(head.content_length) +
         (head.has_content_length ? " told" : "") + (head.keep_alive ? " keep" : " close") + " " +
         std::to_string(head.size) + describe(head.fields);
}

struct Outcome {
  Parse parse = Parse::more;
  Refusal why;
  std::string text;  // what was parsed, or the refusal's sentence
  bool operator==(const Outcome& other) const { return parse == other.parse && text == other.text; }
};

// `cuts`: after how many bytes the parser is called; the whole is always the last.
template <class Head, class ParseHead>
Outcome feed(std::string_view bytes, const std::vector<std::size_t>& cuts, ParseHead&& parse) {
  auto head = std::make_unique<Head>();
  Outcome out;
  std::unique_ptr<Exact> buffer;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    buffer = std::make_unique<Exact>(bytes.substr(0, i < cuts.size() ? cuts[i] : bytes.size()));
    out.parse = parse(buffer->view(), *head, out.why);
    if (out.parse != Parse::more) break;
  }
  if (out.parse == Parse::done) out.text = describe(*head);
  if (out.parse == Parse::refused) out.text = std::to_string(static_cast<int>(out.why.fault)) + " " + out.why.detail;
  return out;
}

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

struct Decoded {
  ChunkDecoder::State state = ChunkDecoder::State::more;
  std::string body;
  std::size_t consumed = 0;
  std::string why;
  bool operator==(const Decoded&) const = default;
};

inline Decoded decode_pieces(std::string_view bytes, const std::vector<std::size_t>& cuts) {
  Decoded out;
  ChunkDecoder decoder;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    const Exact piece(bytes.substr(begin, end - begin));
    begin = end;
    for (std::string_view in = piece.view();;) {
      const ChunkDecoder::Step step = decoder.next(in);
      out.state = step.state;
      out.body += step.data;
      out.consumed += step.consumed;
      in.remove_prefix(step.consumed);
      if (step.state == ChunkDecoder::State::refused) out.why = decoder.why().detail;
      if (step.state == ChunkDecoder::State::refused || step.state == ChunkDecoder::State::end) return out;
      if (step.state == ChunkDecoder::State::more) break;
    }
  }
  return out;
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
