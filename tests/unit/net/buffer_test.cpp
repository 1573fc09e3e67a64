// What read buffers keep in memory, counted: limits.buffered stands on it.
#include "proxy/net/buffer.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace postern::net {
namespace {

void put(ReadBuffer& buffer, std::size_t size) {
  buffer.ensure();
  std::memset(buffer.space(), 'x', size);
  buffer.grow(size);
}

TEST(ReadBuffer, counts_the_bytes_it_has_touched_until_it_is_given_back) {
  BufferPool pool;
  ReadBuffer one(pool), two(pool);
  EXPECT_EQ(pool.held(), 0U);
  put(one, 1000);
  put(two, 500);
  EXPECT_EQ(pool.held(), 1500U);
  one.consume(1000);
  EXPECT_EQ(pool.held(), 1500U);  // read, but still in memory
  put(one, 400);
  EXPECT_EQ(pool.held(), 1500U);  // the same bytes again
  one.release();
  EXPECT_EQ(pool.held(), 500U);
  two.release();
  EXPECT_EQ(pool.held(), 0U);
}

TEST(ReadBuffer, counts_what_is_assigned_too) {
  BufferPool pool;
  {
    ReadBuffer buffer(pool);
    buffer.assign("twelve bytes");
    EXPECT_EQ(pool.held(), 12U);
  }
  EXPECT_EQ(pool.held(), 0U);
}

}  // namespace
}  // namespace postern::net
