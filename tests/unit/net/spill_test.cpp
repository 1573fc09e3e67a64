// Bodies that wait in a file: what is read is what was written, nobody else can read it, and nothing stays.
#include "proxy/net/spill.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <vector>

namespace postern::net {
namespace {

namespace fs = std::filesystem;
using Wrote = Spill::Wrote;

class SpillTest : public ::testing::Test {
 protected:
  SpillTest() {
    std::string name = (fs::temp_directory_path() / "postern-spill-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~SpillTest() override { fs::remove_all(folder_); }

  // The descriptors of files in the folder.
  std::vector<int> open_files() const {
    std::vector<int> found;
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code gone;
      const std::string to = fs::read_symlink(entry.path(), gone).string();
      if (to.starts_with(folder_.string() + '/')) found.push_back(std::stoi(entry.path().filename().string()));
    }
    return found;
  }
  static std::string whole(const Spill& spill) {
    std::string out;
    EXPECT_TRUE(spill.each([&](std::string_view piece) { out += piece; }));
    return out;
  }

  fs::path folder_;
  std::string error_;
};

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>('a' + (i * 7 + i / 65'536) % 26);
  return out;
}

TEST_F(SpillTest, gives_back_what_was_written_whatever_its_size_and_pieces) {
  Spills spills(folder_);
  for (const std::size_t size : {0UL, 1UL, Spill::kPiece - 1, Spill::kPiece, Spill::kPiece + 1, 5 * Spill::kPiece + 17})
    for (const std::size_t step : {1'000UL, Spill::kPiece, 300'000UL}) {
      const auto spill = spills.begin(1 << 20, error_);
      ASSERT_NE(spill, nullptr) << error_;
      const std::string body = pattern(size);
      for (std::size_t at = 0; at < size; at += step)
        ASSERT_EQ(spill->write(std::string_view(body).substr(at, step)), Wrote::ok);
      ASSERT_EQ(spill->finish(), Wrote::ok);
      EXPECT_EQ(spill->size(), size);
      EXPECT_EQ(whole(*spill), body);
      EXPECT_EQ(whole(*spill), body) << "a second time";
    }
}

TEST_F(SpillTest, has_no_name_and_shows_nothing_of_the_body) {
  Spills spills(folder_);
  const auto spill = spills.begin(1 << 20, error_);
  ASSERT_NE(spill, nullptr) << error_;
  ASSERT_EQ(spill->write(std::string(200'000, 'x')), Wrote::ok);
  ASSERT_EQ(spill->finish(), Wrote::ok);
  EXPECT_TRUE(fs::is_empty(folder_));
  ASSERT_EQ(open_files().size(), 1U);
  std::string raw(300'000, '\0');
  const ssize_t size = ::pread(open_files().front(), raw.data(), raw.size(), 0);
  EXPECT_EQ(size, 200'000 + 4 * 16);
  EXPECT_EQ(raw.find("xxxx"), std::string::npos);
}

TEST_F(SpillTest, notices_a_byte_that_was_changed) {
  Spills spills(folder_);
  const auto spill = spills.begin(1 << 20, error_);
  ASSERT_EQ(spill->write(std::string(100'000, 'x')), Wrote::ok);
  ASSERT_EQ(spill->finish(), Wrote::ok);
  ASSERT_EQ(::pwrite(open_files().front(), "y", 1, 70'000), 1);
  std::string out;
  EXPECT_TRUE(spill->read(0, out));
  EXPECT_FALSE(spill->read(1, out));
  EXPECT_EQ(out.size(), Spill::kPiece);
  EXPECT_FALSE(spill->each([](std::string_view) {}));
  ASSERT_EQ(::ftruncate(open_files().front(), 1'000), 0);
  EXPECT_FALSE(spill->read(0, out));
}

TEST_F(SpillTest, is_gone_with_its_object_and_gives_its_room_back) {
  Spills spills(folder_);
  {
    const auto spill = spills.begin(1 << 20, error_);
    ASSERT_EQ(spill->write(pattern(100'000)), Wrote::ok);
    EXPECT_EQ(spills.used(), 100'000U);
  }
  EXPECT_EQ(spills.used(), 0U);
  EXPECT_TRUE(open_files().empty());
}

TEST_F(SpillTest, tells_a_body_that_is_too_large_from_one_that_others_leave_no_room) {
  Spills spills(folder_);
  const auto one = spills.begin(1'000, error_);
  EXPECT_EQ(one->write(std::string(1'001, 'x')), Wrote::too_large);
  EXPECT_EQ(one->write(std::string(600, 'x')), Wrote::ok);
  {
    const auto other = spills.begin(1'000, error_);
    EXPECT_EQ(other->write(std::string(600, 'x')), Wrote::no_room);
  }
  const auto third = spills.begin(1'000, error_);
  EXPECT_EQ(third->write(std::string(400, 'x')), Wrote::ok);
}

TEST_F(SpillTest, says_why_no_file_can_be_made) {
  Spills spills(folder_ / "not-there");
  EXPECT_EQ(spills.begin(1'000, error_), nullptr);
  EXPECT_NE(error_.find("No such file or directory"), std::string::npos) << error_;
}

TEST_F(SpillTest, says_why_a_file_takes_no_more) {
  Spills spills(folder_);
  const auto spill = spills.begin(1 << 20, error_);
  // The same file, for reading only: a disk that refuses.
  const int reading = ::open(("/proc/self/fd/" + std::to_string(open_files().front())).c_str(), O_RDONLY);
  ASSERT_GE(reading, 0);
  ASSERT_GE(::dup2(reading, open_files().front() == reading ? open_files().back() : open_files().front()), 0);
  EXPECT_EQ(spill->write(std::string(Spill::kPiece, 'x')), Wrote::failed);
  EXPECT_NE(spill->error().find("could not be written"), std::string::npos);
  ::close(reading);
}

}  // namespace
}  // namespace postern::net
