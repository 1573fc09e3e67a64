#pragma once
// Rewrites the bytes of a body on their way, in either direction, without holding the body.
//
// feed() appends to `out`; finish() appends what is left at the end, once. Thread safety: none; one body, one object.
// Errors: broken() says why the bytes are not what they must be; from then on nothing more is appended, and whoever
// relays ends the message uncleanly.
#include <string>
#include <string_view>

namespace postern::wire {

class Transform {
 public:
  virtual ~Transform() = default;
  virtual void feed(std::string_view in, std::string& out) = 0;
  virtual void finish(std::string& out) = 0;
  virtual const char* broken() const { return nullptr; }  // null: all is well
};

}  // namespace postern::wire
