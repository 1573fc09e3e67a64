#include "proxy/wire/chunk.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/wire/feed.hpp"

namespace postern::wire {
namespace {

using State = ChunkDecoder::State;

void expect_refused(const std::string& bytes) {
  const Decoded out = decode(bytes);
  EXPECT_EQ(out.state, State::refused) << bytes;
  EXPECT_NE(out.why, "");
}
Decoded complete(const std::string& bytes) {
  const Decoded out = decode(bytes);
  EXPECT_EQ(out.state, State::end) << bytes << out.why;
  return out;
}

TEST(ChunkDecoder, decodes_chunks_and_leaves_what_follows_alone) {
  const Decoded out = complete("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
  EXPECT_EQ(out.body, "hello world");
  EXPECT_EQ(out.consumed, 26U);
}

TEST(ChunkDecoder, gives_a_chunk_as_one_view_into_the_input) {
  ChunkDecoder decoder;
  const std::string_view in = "a\r\n0123456789\r\n0\r\n\r\n";
  const ChunkDecoder::Step step = decoder.next(in);
  EXPECT_EQ(step.state, State::data);
  EXPECT_EQ(step.data, "0123456789");
  EXPECT_EQ(step.data.data(), in.data() + 3);
  EXPECT_EQ(step.consumed, 13U);
}

TEST(ChunkDecoder, waits_for_more_until_the_last_line) {
  const std::string whole = "3\r\nabc\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(decode(whole.substr(0, size)).state, State::more);
  complete(whole);
}

TEST(ChunkDecoder, says_end_again_and_takes_nothing_more) {
  ChunkDecoder decoder;
  EXPECT_EQ(decoder.next("0\r\n\r\n").state, State::end);
  const ChunkDecoder::Step again = decoder.next("5\r\n");
  EXPECT_EQ(again.state, State::end);
  EXPECT_EQ(again.consumed, 0U);
  decoder.reset();
  EXPECT_EQ(decoder.next("1\r\na").state, State::data);
}

TEST(ChunkDecoder, takes_sizes_in_both_cases_and_with_leading_zeros) {
  EXPECT_EQ(complete("0A\r\n0123456789\r\n00\r\n\r\n").body.size(), 10U);
  EXPECT_EQ(complete("000000000000000a\r\n0123456789\r\n0\r\n\r\n").body.size(), 10U);
}

TEST(ChunkDecoder, refuses_sizes_with_sign_space_prefix_or_other_bytes) {
  for (const char* size : {"+5", "-5", " 5", "5 ", "\t5", "5\t", "0x5", "x5", "5_", "5_0", "_5", "", "g", "5h", "5,5",
                           "5.0", "\"5\"", "\x80", "5 ;a"})
    expect_refused(std::string(size) + "\r\nhello\r\n0\r\n\r\n");
  expect_refused(std::string("5\0\r\nhello\r\n", 11));
}

TEST(ChunkDecoder, refuses_sizes_that_overflow_or_have_more_than_16_digits) {
  expect_refused("ffffffffffffffff\r\n");
  expect_refused("8000000000000000\r\n");
  expect_refused("10000000000000005\r\n");
  expect_refused("00000000000000005\r\nhello\r\n");
  EXPECT_EQ(decode("7fffffffffffffff\r\nabc").body, "abc");
}

TEST(ChunkDecoder, refuses_lines_that_do_not_end_with_CRLF) {
  for (const char* bytes :
       {"5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello\r\n0\n\n", "5\r\nhello\r\n0\r\n\n", "5\rX",
        "5\r\nhello\rX", "0\r\n\rX", "0\r\nA: b\n\r\n", "0\r\nA: b\rc\r\n\r\n", "5;a\nhello"})
    expect_refused(bytes);
}

TEST(ChunkDecoder, refuses_data_that_is_not_followed_by_CRLF) {
  expect_refused("5\r\nhelloo\r\n0\r\n\r\n");
  expect_refused("5\r\nhello0\r\n\r\n");
  expect_refused("5\r\nhell\r\n0\r\n\r\n");
}

TEST(ChunkDecoder, ignores_extensions) {
  EXPECT_EQ(complete("5;a=b;c\r\nhello\r\n0;c=\"d; e\tf\\\"\\\\\xe9\";g\r\n\r\n").body, "hello");
}

TEST(ChunkDecoder, refuses_extensions_that_are_not_well_formed) {
  for (const char* line :
       {"5;",         "5;;",          "5; a",           "5;\ta",       "5;a ",       "5;a =b", "5;a= b", "5;a\x01",
        "5;a\x7f",    "5;=b",         "5;a=",           "5;a=b=c",     "5;a=;b",     "5;a[",   "5;a=b[", "5;a=\"b",
        "5;a=\"b\"c", "5;a=\"\x01\"", "5;a=\"\\\x01\"", "5;a=\"b\\\"", "5;a=b\"c\"", "5;\xe9"})
    expect_refused(line + std::string("\r\nhello\r\n"));
  expect_refused("5;a\rb\r\nhello\r\n");
  expect_refused("5;a=\"b\r\nc\"\r\nhello\r\n");
}

TEST(ChunkDecoder, takes_4_KiB_of_extensions_in_all_and_no_more) {
  complete("1;" + std::string(4095, 'a') + "\r\nx\r\n0\r\n\r\n");
  expect_refused("1;" + std::string(4096, 'a') + "\r\nx\r\n0\r\n\r\n");
  std::string many;
  for (int i = 0; i < 2048; ++i) many += "1;a\r\nx\r\n";
  complete(many + "0\r\n\r\n");
  expect_refused(many + "1;a\r\nx\r\n0\r\n\r\n");
}

TEST(ChunkDecoder, drops_trailers) {
  const Decoded out = complete("1\r\nx\r\n0\r\nDigest: abc\r\nX-Empty:\r\n\r\nrest");
  EXPECT_EQ(out.body, "x");
}

TEST(ChunkDecoder, refuses_trailers_that_name_framing) {
  for (const char* name : {"Content-Length", "content-length", "Transfer-Encoding", "Trailer", "Host"})
    expect_refused("0\r\n" + std::string(name) + ": 1\r\n\r\n");
  complete("0\r\nTransfer-Encodings: 1\r\nX-Host: a\r\n\r\n");
}

TEST(ChunkDecoder, refuses_trailers_that_a_head_would_refuse) {
  for (const char* line :
       {"A : b", "A\t: b", " A: b", ": b", "A", "A(: b", "A: b\x01", "A: b\x7f", "A: b\r\n c", "\x80: b"})
    expect_refused("0\r\n" + std::string(line) + "\r\n\r\n");
}

TEST(ChunkDecoder, takes_8_KiB_of_trailers_and_no_more) {
  complete("0\r\nA: " + std::string(8000, 'a') + "\r\n\r\n");
  expect_refused("0\r\nA: " + std::string(8192, 'a') + "\r\n\r\n");
  std::string many;
  for (int i = 0; i < 1400; ++i) many += "A: b\r\n";
  expect_refused("0\r\n" + many + "\r\n");
}

TEST(ChunkDecoder, stays_refused) {
  ChunkDecoder decoder;
  EXPECT_EQ(decoder.next("z").state, State::refused);
  EXPECT_EQ(decoder.next("0\r\n\r\n").state, State::refused);
  EXPECT_EQ(decoder.why().fault, Fault::malformed);
}

TEST(ChunkSize, is_written_as_the_decoder_reads_it) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{255}, std::uint64_t{65536}, UINT64_MAX >> 1}) {
    char line[18];
    const std::size_t length = write_chunk_size(size, line);
    ChunkDecoder decoder;
    EXPECT_EQ(decoder.next({line, length}).state, State::more);
    EXPECT_EQ(decoder.next("x").state, State::data);
  }
  char line[18];
  EXPECT_EQ(std::string(line, write_chunk_size(0x1f2e, line)), "1f2e\r\n");
  EXPECT_EQ(std::string(line, write_chunk_size(UINT64_MAX, line)), "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace postern::wire
