// Whatever the bytes: no read outside, the same outcome however they are split, and a body that was decoded is decoded
// again to the same after it was written in chunks.
#include "proxy/wire/chunk.hpp"

#include "tests/fuzz/outcome.hpp"
#include "tests/fuzz/require.hpp"

namespace postern::wire {
namespace {

void check(std::string_view bytes) {
  const Decoded whole = decode_pieces(bytes, {});
  std::vector<std::size_t> each;
  for (std::size_t i = 0; i < bytes.size(); ++i) each.push_back(i);
  require(decode_pieces(bytes, each) == whole);
  require(decode_pieces(bytes, {bytes.size() / 2}) == whole);
  require(whole.consumed <= bytes.size() && whole.body.size() <= whole.consumed);
  require((whole.state == ChunkDecoder::State::refused) == !whole.why.empty());
  if (whole.state != ChunkDecoder::State::end) return;

  char line[18];
  std::string written;
  if (!whole.body.empty())
    written.append(line, write_chunk_size(whole.body.size(), line)).append(whole.body).append("\r\n");
  const Decoded again = decode_pieces(written + "0\r\n\r\n", {});
  require(again.state == ChunkDecoder::State::end && again.body == whole.body);
}

}  // namespace
}  // namespace postern::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  postern::wire::check(postern::wire::text_of(data, size));
  return 0;
}
