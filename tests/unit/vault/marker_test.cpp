// How far the store had come, and where: every way in which the two can disagree.
#include "vault/marker.hpp"

#include <gtest/gtest.h>

#include "tests/source_dir.hpp"
#include "tests/unit/vault/scratch.hpp"
#include "vault/digest.hpp"
#include "vault/files.hpp"

namespace postern::vault::test {
namespace {

using Kind = Provenance::Kind;
const std::filesystem::path kGolden = std::filesystem::path(POSTERN_SOURCE_DIR) / "tests" / "golden" / "vault";
constexpr std::size_t kSlot = 4096;
constexpr std::int64_t kNow = 1'700'000'000'000;

class MarkerTest : public testing::Test {
 protected:
  MarkerTest() {
    system.place = [this](int) { return place; };
    system.write = [this](int descriptor, const void* bytes, std::size_t size, off_t at) {
      return ::pwrite(descriptor, bytes, std::min(size, room), at);
    };
    system.sync = [this](int descriptor) { return syncs_fail ? (errno = EIO, -1) : ::fdatasync(descriptor); };
  }
  Marker marker(const char* vault = "vaultid00000", char key = 'm') const {
    return {file, vault, [key](std::string_view bytes) { return hmac_sha256(std::string(32, key), bytes); }, system};
  }
  Result<void> check(std::uint64_t commit, bool accept = false) const { return marker().check(commit, accept, kNow); }
  Provenance after_check(std::uint64_t commit, bool accept = false) const {
    Marker looked = marker();
    EXPECT_TRUE(looked.check(commit, accept, kNow));
    return looked.provenance();
  }
  // A marker that has come to `commit` by writing each.
  void come_to(std::uint64_t commit) const {
    Marker made = marker();
    ASSERT_TRUE(made.replace(0, {}));
    for (std::uint64_t n = 1; n <= commit; ++n) ASSERT_TRUE(made.advance(n));
  }
  void flip(std::size_t at) const {
    std::string bytes = read_file(file);
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    write_file(file, bytes);
  }

  Scratch scratch;
  const std::filesystem::path file = scratch.path() / "marker";
  Place place{"0011223344556677", "8899aabbccddeeff", "0123456789abcdef"};
  std::size_t room = SIZE_MAX;
  bool syncs_fail = false;
  Marker::System system;
};

TEST_F(MarkerTest, the_golden_file_is_still_believed_and_left_alone) {
  write_file(file, read_file(kGolden / "marker_2"));
  EXPECT_EQ(Marker::claimed(file), 42U);
  EXPECT_EQ(after_check(42), (Provenance{Kind::restored, kNow, "backup"}));
  EXPECT_EQ(read_file(file), read_file(kGolden / "marker_2"));
}

TEST_F(MarkerTest, the_first_release_s_golden_file_is_believed_and_written_anew) {
  write_file(file, read_file(kGolden / "marker"));
  EXPECT_EQ(Marker::claimed(file), 42U);
  EXPECT_REFUSED(check(41), rolled_back);
  EXPECT_REFUSED(check(44), rolled_back);
  EXPECT_FALSE(after_check(43).marked());
  EXPECT_TRUE(read_file(file).starts_with("postern-marker-2 "));
  EXPECT_EQ(Marker::claimed(file), 43U);
  EXPECT_TRUE(check(43));
}

TEST_F(MarkerTest, the_first_release_s_file_of_another_machine_is_a_copy) {
  place.machine = "ffffffffffffffff";
  write_file(file, read_file(kGolden / "marker"));
  EXPECT_EQ(after_check(42), (Provenance{Kind::copied, kNow, "machine"}));
}

TEST_F(MarkerTest, agrees_with_the_store_or_is_one_commit_behind_it) {
  for (std::uint64_t commit = 0; commit < 5; ++commit) {
    come_to(commit);
    EXPECT_EQ(Marker::claimed(file), commit);
    EXPECT_TRUE(check(commit));
    if (commit > 0) EXPECT_REFUSED(check(commit - 1), rolled_back);
    EXPECT_REFUSED(check(commit + 2), rolled_back);
    EXPECT_TRUE(check(commit + 1)) << "the crash between store and marker";
    EXPECT_TRUE(check(commit + 1)) << "which was repaired";
    EXPECT_REFUSED(check(commit), rolled_back);
  }
}

TEST_F(MarkerTest, a_write_torn_at_any_byte_leaves_a_marker_that_opens_with_the_store_that_was_synced_before_it) {
  for (std::size_t torn = 0; torn < 400; torn += 7) {
    room = SIZE_MAX;
    come_to(7);
    Marker writer = marker();
    ASSERT_TRUE(writer.check(7, false, kNow));
    room = torn;
    EXPECT_REFUSED(writer.advance(8), io);
    room = SIZE_MAX;
    EXPECT_TRUE(check(8)) << torn;
    EXPECT_REFUSED(check(7), rolled_back);
  }
}

TEST_F(MarkerTest, a_failed_write_can_be_tried_again) {
  come_to(7);
  Marker writer = marker();
  ASSERT_TRUE(writer.check(7, false, kNow));
  for (int attempt = 0; attempt < 3; ++attempt) {
    syncs_fail = true;
    EXPECT_REFUSED(writer.advance(8), io);
    syncs_fail = false;
    room = 100;
    EXPECT_REFUSED(writer.advance(8), io);
    room = SIZE_MAX;
  }
  ASSERT_TRUE(writer.advance(8));
  EXPECT_TRUE(check(8));
  ASSERT_TRUE(writer.advance(9));
  EXPECT_TRUE(check(9));
}

TEST_F(MarkerTest, no_changed_byte_hides_a_store_that_is_behind) {
  come_to(7);
  const std::string good = read_file(file);
  for (std::size_t at = 0; at < good.size(); at += at % kSlot < 300 ? 1 : 379) {
    write_file(file, good);
    flip(at);
    EXPECT_REFUSED(check(6), rolled_back);
    const auto now = check(7);
    EXPECT_TRUE(now || now.error().code == Error::Code::rolled_back) << at;
  }
  write_file(file, good);
  flip(0);
  flip(kSlot);
  EXPECT_REFUSED(check(7), corrupt);
  EXPECT_REFUSED(check(7, true), corrupt);  // what nobody can read cannot be waved through
}

TEST_F(MarkerTest, a_half_of_an_earlier_marker_is_noticed) {
  come_to(7);
  const std::string older = read_file(file);
  come_to(9);
  const std::string newer = read_file(file);
  for (const std::string& mixed :
       {older.substr(0, kSlot) + newer.substr(kSlot), newer.substr(0, kSlot) + older.substr(kSlot),
        newer.substr(0, kSlot) + newer.substr(0, kSlot)}) {
    write_file(file, mixed);
    EXPECT_REFUSED(check(7), rolled_back);
  }
  for (const std::string& cut : {newer.substr(0, kSlot), newer.substr(1), newer + "\n", std::string()}) {
    write_file(file, cut);
    EXPECT_REFUSED(check(9), corrupt);
  }
}

TEST_F(MarkerTest, another_vault_s_or_another_key_s_is_refused) {
  come_to(3);
  EXPECT_REFUSED(marker("othervault00").check(3, true, kNow), corrupt);
  EXPECT_REFUSED(marker("vaultid00000", 'n').check(3, true, kNow), corrupt);
}

TEST_F(MarkerTest, an_accepted_disagreement_is_a_mark_that_stays) {
  come_to(7);
  EXPECT_EQ(after_check(3, true), (Provenance{Kind::rolled_back, kNow, "accepted"}));
  EXPECT_EQ(Marker::claimed(file), 3U);
  EXPECT_EQ(after_check(3).kind, Kind::rolled_back);
  std::filesystem::remove(file);
  EXPECT_REFUSED(check(3), rolled_back);
  EXPECT_EQ(after_check(3, true).kind, Kind::rolled_back);
}

TEST_F(MarkerTest, a_file_that_was_written_elsewhere_is_a_copy_until_an_operator_says_otherwise) {
  const Place home = place;
  const std::vector<std::pair<Place, std::string>> elsewhere = {
      {{"ffffffffffffffff", home.disk, home.file}, "machine"},
      {{home.machine, "ffffffffffffffff", home.file}, "disk"},
      {{home.machine, home.disk, "ffffffffffffffff"}, "file"}};
  for (const auto& [there, reason] : elsewhere) {
    place = home;
    come_to(7);
    EXPECT_FALSE(after_check(7).marked());
    place = there;
    EXPECT_EQ(after_check(7), (Provenance{Kind::copied, kNow, reason}));
    EXPECT_EQ(after_check(7), (Provenance{Kind::copied, kNow, reason})) << "it stays marked where it is now";
    place = home;
    EXPECT_EQ(after_check(8).reason, reason) << "and the first mark is kept when it is carried on";
    Marker held = marker();
    ASSERT_TRUE(held.check(8, false, kNow));
    ASSERT_TRUE(held.advance(9));
    EXPECT_TRUE(after_check(9).marked());
    ASSERT_TRUE(held.replace(9, {}));
    EXPECT_FALSE(after_check(9).marked());
  }
}

TEST_F(MarkerTest, what_cannot_be_known_of_a_place_is_like_every_other) {
  come_to(7);
  place = {"-", "-", "-"};
  EXPECT_FALSE(after_check(7).marked());
}

TEST_F(MarkerTest, one_that_is_removed_under_a_running_vault_is_written_again) {
  come_to(7);
  Marker writer = marker();
  ASSERT_TRUE(writer.check(7, false, kNow));
  std::filesystem::remove(file);
  ASSERT_TRUE(writer.advance(8));
  EXPECT_TRUE(check(8));
}

TEST(PlaceTest, a_copy_is_another_file_and_a_renamed_directory_is_not) {
  const Scratch scratch;
  const auto place = [](const std::filesystem::path& file) {
    const File opened(::open(file.c_str(), O_RDONLY));
    return place_of(opened.get());
  };
  std::filesystem::create_directory(scratch.path() / "a");
  write_file(scratch.path() / "a" / "marker", "x");
  const Place first = place(scratch.path() / "a" / "marker");
  EXPECT_EQ(first.file.size(), 16U);
  EXPECT_EQ(difference(first, place(scratch.path() / "a" / "marker")), "");
  std::filesystem::copy(scratch.path() / "a", scratch.path() / "b");
  EXPECT_EQ(difference(first, place(scratch.path() / "b" / "marker")), "file");
  std::filesystem::rename(scratch.path() / "a", scratch.path() / "c");
  EXPECT_EQ(difference(first, place(scratch.path() / "c" / "marker")), "");
}

}  // namespace
}  // namespace postern::vault::test
