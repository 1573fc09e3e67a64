#include "proxy/net/buffer.hpp"

#include <cstring>

namespace postern::net {

void ReadBuffer::compact() noexcept {
  if (begin_ == 0) return;
  std::memmove(data_, data_ + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

void ReadBuffer::assign(std::string_view bytes) noexcept {
  ensure();
  std::memmove(data_, bytes.data(), bytes.size());
  begin_ = 0;
  end_ = bytes.size();
  count();
}

}  // namespace postern::net
