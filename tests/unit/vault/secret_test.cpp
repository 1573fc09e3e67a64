#include "vault/secret.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <ostream>
#include <sstream>
#include <thread>
#include <type_traits>
#include <vector>

#include "vault/record.hpp"

namespace postern::vault::test {
namespace {

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

// What cannot be written by accident: these are the reason the type exists.
static_assert(!Streamable<Secret>);
static_assert(!Streamable<Credential>);
static_assert(!fmt::is_formattable<Secret>::value);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<Secret, bool>);
static_assert(!std::is_convertible_v<std::string, Secret>);
static_assert(!std::is_convertible_v<const char*, Secret>);
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(std::is_nothrow_move_assignable_v<Secret>);

TEST(Secret, holds_its_own_bytes) {
  const std::string_view bytes("a\0b", 3);
  const Secret secret{bytes};
  EXPECT_EQ(secret.expose(), bytes);
  EXPECT_EQ(secret.size(), 3U);
  EXPECT_FALSE(secret.empty());
}

TEST(Secret, absent_is_empty) {
  const Secret absent;
  EXPECT_TRUE(absent.empty());
  EXPECT_TRUE(absent.expose().empty());
  EXPECT_TRUE(absent.equals(""));
  EXPECT_TRUE(Secret{""}.empty());
}

TEST(Secret, moves_and_leaves_nothing_behind) {
  Secret from{"value"};
  Secret to = std::move(from);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is the promise
  EXPECT_EQ(to.expose(), "value");
  Secret other{"other"};
  other = std::move(to);
  EXPECT_EQ(other.expose(), "value");
  other = std::move(*&other);
  EXPECT_EQ(other.expose(), "value");
}

TEST(Secret, a_clone_is_equal_and_apart) {
  const Secret first{"value"};
  const Secret second = first.clone();
  EXPECT_EQ(second.expose(), "value");
  EXPECT_NE(first.expose().data(), second.expose().data());
}

TEST(Secret, equals_compares_all_bytes) {
  const Secret secret{"value"};
  EXPECT_TRUE(secret.equals("value"));
  EXPECT_FALSE(secret.equals("valuE"));
  EXPECT_FALSE(secret.equals("value1"));
  EXPECT_FALSE(secret.equals(""));
}

TEST(Secret, taking_a_string_wipes_it_long_or_short) {
  for (const std::size_t size : {std::size_t{5}, std::size_t{500}}) {
    std::string from(size, 'x');
    const char* where = from.data();
    const Secret taken = Secret::take(from);
    EXPECT_EQ(taken.size(), size);
    EXPECT_TRUE(from.empty());
    from.resize(from.capacity());  // within the same buffer
    ASSERT_EQ(from.data(), where);
    EXPECT_EQ(from.find('x'), std::string::npos);
  }
}

TEST(Secret, wiping_reaches_what_a_longer_value_left_behind) {
  std::string text(200, 'x');
  text.resize(3);
  wipe(text);
  EXPECT_TRUE(text.empty());
  text.resize(text.capacity());
  EXPECT_EQ(text.find('x'), std::string::npos);
}

TEST(Secret, fills_in_place) {
  const Secret made = Secret::make(4, [](char* out) { std::copy_n("abcd", 4, out); });
  EXPECT_EQ(made.expose(), "abcd");
  EXPECT_TRUE(Secret::make(0, [](char*) { FAIL(); }).empty());
}

TEST(Secret, comes_in_every_size) {
  std::vector<Secret> all;
  for (std::size_t size = 0; size < 5000; size += 61)
    all.emplace_back(std::string(size, static_cast<char>('a' + size % 26)));
  all.emplace_back(std::string(1 << 20, 'z'));
  for (const auto& secret : all) {
    if (!secret.empty()) EXPECT_EQ(secret.expose(), std::string(secret.size(), secret.expose()[0]));
  }
}

TEST(Secret, its_pages_are_left_out_of_core_dumps) {
  const Secret secret{"value"};
  const auto address = reinterpret_cast<std::uintptr_t>(secret.expose().data());
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  bool seen = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char dash = 0;
    std::istringstream words(line);
    if (words >> std::hex >> from >> dash >> to && dash == '-') inside = from <= address && address < to;
    if (inside && line.starts_with("VmFlags:")) {
      seen = true;
      EXPECT_NE(line.find(" dd"), std::string::npos) << line;
    }
  }
  if (!seen) std::puts("this kernel does not show the flags of a mapping: nothing was checked");
}

TEST(Secret, is_made_and_destroyed_on_many_threads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      std::vector<Secret> held;
      for (std::size_t round = 0; round < 2000; ++round) {
        held.emplace_back(std::string(1 + round % 300, static_cast<char>('a' + i)));
        if (held.size() > 20) held.erase(held.begin());
        for (const auto& secret : held) ASSERT_EQ(secret.expose().back(), 'a' + i);
      }
    });
  }
}

TEST(Describe, names_what_a_record_is_and_shows_no_value) {
  Connection connection;
  connection.id = "conn_1";
  connection.app = "stripe";
  connection.type = "API_KEY";
  connection.name = connection.alias = connection.config = connection.owner = "hidden";
  EXPECT_EQ(describe(connection),
            "conn_1 in org_default/proj_default (stripe, API_KEY, ACTIVE, version 0, generation 0)");
  Credential credential;
  credential.generation = 3;
  credential.values.emplace("apiKey", Secret("hidden"));
  EXPECT_EQ(describe(credential), "credential of generation 3 with apiKey");
  Authorization authorization;
  authorization.id = "tok_1";
  authorization.public_id = "abc";
  authorization.name = authorization.digest = "hidden";
  authorization.revoked = 1;
  EXPECT_EQ(describe(authorization), "tok_1 in the system (public id abc, version 0, revoked)");
}

}  // namespace
}  // namespace postern::vault::test
