#include "vault/place.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <array>

#include "vault/digest.hpp"
#include "vault/encoding.hpp"
#include "vault/files.hpp"

namespace postern::vault {
namespace {

std::string short_digest(std::string_view bytes) {
  if (bytes.empty()) return "-";
  std::array<unsigned char, 32> digest;
  must(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1, "EVP_Digest");
  return hex({reinterpret_cast<const char*>(digest.data()), 8});
}

// Where sysfs keeps the name that the device itself answers with: of a disk, of a partition's disk, of a mapped volume.
std::string disk_of(unsigned major_number, unsigned minor_number) {
  if (major_number == 0) return {};  // no block device: overlay, tmpfs, a network
  const std::string device =
      "/sys/dev/block/" + std::to_string(major_number) + ":" + std::to_string(minor_number) + "/";
  for (const char* name : {"dm/uuid", "wwid", "serial", "device/wwid", "device/serial", "../wwid", "../serial",
                           "../device/wwid", "../device/serial"}) {
    if (const auto text = read_small(device + name, 512); text && !text->empty()) return *text;
  }
  return {};
}

}  // namespace

Place place_of(int descriptor) {
  Place place;
  place.machine = short_digest(read_small("/etc/machine-id", 512).value_or(""));
  struct statx about{};
  struct statfs system{};
  if (::statx(descriptor, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &about) != 0) return place;
  if (::fstatfs(descriptor, &system) != 0) return place;
  place.disk = short_digest(disk_of(about.stx_dev_major, about.stx_dev_minor));
  const bool born = (about.stx_mask & STATX_BTIME) != 0;
  place.file = short_digest(
      std::to_string(system.f_type) + "/" + std::to_string(about.stx_ino) + "/" +
      (born ? std::to_string(about.stx_btime.tv_sec) + "." + std::to_string(about.stx_btime.tv_nsec) : ""));
  return place;
}

std::string difference(const Place& then, const Place& now) {
  const auto differ = [](const std::string& a, const std::string& b) { return a != "-" && b != "-" && a != b; };
  if (differ(then.machine, now.machine)) return "machine";
  if (differ(then.disk, now.disk)) return "disk";
  if (differ(then.file, now.file)) return "file";
  return {};
}

}  // namespace postern::vault
