#include "proxy/net/tls_bio.hpp"

namespace postern::net {
namespace {

Socket& socket_of(BIO* bio) {
  return *static_cast<Socket*>(BIO_get_data(bio));
}

int on_read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  const IoResult r = socket_of(bio).read(to, static_cast<std::size_t>(size));
  if (r.io == Io::ok) return static_cast<int>(r.size);
  if (r.io == Io::again) BIO_set_retry_read(bio);
  if (r.io == Io::closed) {
    BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return 0;
  }
  return -1;
}

int on_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const IoResult r = socket_of(bio).write(std::string_view(bytes, static_cast<std::size_t>(size)));
  if (r.io == Io::ok) return static_cast<int>(r.size);
  if (r.io == Io::again) BIO_set_retry_write(bio);
  return -1;
}

long on_control(BIO* bio, int what, long /*number*/, void* /*pointer*/) {
  if (what == BIO_CTRL_FLUSH) return 1;
  if (what == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

int on_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* method() {
  static BIO_METHOD* const made = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern socket");
    if (m == nullptr) return m;
    BIO_meth_set_read(m, on_read);
    BIO_meth_set_write(m, on_write);
    BIO_meth_set_ctrl(m, on_control);
    BIO_meth_set_create(m, on_create);
    return m;
  }();
  return made;
}

}  // namespace

BIO* new_socket_bio(Socket& socket) {
  BIO* bio = method() == nullptr ? nullptr : BIO_new(method());
  if (bio != nullptr) BIO_set_data(bio, &socket);
  return bio;
}

}  // namespace postern::net
