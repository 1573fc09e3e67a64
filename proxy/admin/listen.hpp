#pragma once
// Sockets bound and listening, as descriptors. Errors are one line: what, where, what to do.
#include <sys/types.h>
#include <expected>
#include <filesystem>
#include <string>

namespace postern::admin {

struct Bound {
  int descriptor = -1;
  std::string address;  // "127.0.0.1:8481", "[::1]:8481"; for a unix socket its path
  bool loopback = true;
};

// `address` is host:port; port 0 picks one. `setting` names it in the error.
std::expected<Bound, std::string> listen_tcp(const std::string& address, const char* setting);

// A listening socket that somebody else has bound; `name` tells it from others in the error: it has to be TCP.
std::expected<Bound, std::string> adopt_tcp(int descriptor, const char* name);

// A socket file only its owner may connect to. A stale file (nobody accepts behind it) is replaced; a live one is not.
std::expected<Bound, std::string> listen_unix(const std::filesystem::path& path);
// Removes the file if it is still the one `descriptor` was bound to.
struct SocketFile {
  dev_t device = 0;
  ino_t inode = 0;
};
SocketFile identify_file(const std::filesystem::path& path);
void remove_socket(const std::filesystem::path& path, const SocketFile& file);

}  // namespace postern::admin
