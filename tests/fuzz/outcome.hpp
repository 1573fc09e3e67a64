#pragma once
// What the parsers made of some bytes, as text that can be compared: for the unit tests and the fuzz targets.
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

}  // namespace postern::wire
