// Coroutines, events, deadlines and work on other threads. Deadlines are real and short: the ticker has no clock seam.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "proxy/net/offload.hpp"
#include "proxy/net/rest.hpp"
#include "tests/support/loop.hpp"

namespace postern::net {
namespace {

using test::Loop;

Task<std::string> greet(std::string name) {
  co_return "hello " + name;
}
Task<int> fail_with(const char* why) {
  if (why != nullptr) throw std::runtime_error(why);
  co_return 0;
}

TEST(Task, gives_its_value_to_the_one_who_awaits_it) {
  Loop loop;
  EXPECT_EQ(loop.run(greet("you")), "hello you");
}

TEST(Task, does_nothing_until_it_is_awaited) {
  bool began = false;
  const auto make = [&]() -> Task<void> {
    began = true;
    co_return;
  };
  {
    const Task<void> never = make();
  }
  EXPECT_FALSE(began);
}

TEST(Task, carries_an_exception_to_the_one_who_awaits_it) {
  Loop loop;
  const auto caught = [](const char* why) -> Task<std::string> {
    try {
      static_cast<void>(co_await fail_with(why));
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "";
  };
  EXPECT_EQ(loop.run(caught("no memory")), "no memory");
  EXPECT_EQ(loop.run(caught(nullptr)), "");
}

TEST(Task, takes_a_frame_that_was_given_back_before_a_new_one) {
  void* first = detail::take_frame(300);
  detail::give_frame(first, 300);
  void* second = detail::take_frame(257);  // the same class of 128 bytes
  EXPECT_EQ(second, first);
  void* third = detail::take_frame(300);
  EXPECT_NE(third, first);
  detail::give_frame(second, 257);
  detail::give_frame(third, 300);
}

TEST(Task, can_be_as_large_as_it_likes) {
  void* large = detail::take_frame(100'000);
  std::fill_n(static_cast<char*>(large), 100'000, 'x');
  detail::give_frame(large, 100'000);
}

TEST(Event, wakes_everybody_who_waits_once) {
  Event event;
  int woken = 0;
  const auto wait = [&]() -> Task<void> {
    co_await event.wait();
    ++woken;
  };
  for (int i = 0; i < 3; ++i) spawn(wait());
  EXPECT_EQ(woken, 0);
  event.set();
  EXPECT_EQ(woken, 3);
  event.set();
  EXPECT_EQ(woken, 3);
}

TEST(Event, that_is_set_already_holds_nobody_up_until_it_is_reset) {
  Event event;
  event.set();
  int woken = 0;
  const auto wait = [&]() -> Task<void> {
    co_await event.wait();
    ++woken;
  };
  spawn(wait());
  EXPECT_EQ(woken, 1);
  event.reset();
  spawn(wait());
  EXPECT_EQ(woken, 1);
  event.set();
  EXPECT_EQ(woken, 2);
}

// A deadline that notes when it fired.
struct Noted {
  Noted(Loop& loop, std::function<void()> then = {})
      : then_(std::move(then)), deadline(loop.worker.ticker(), &Noted::fire, this) {}
  static void fire(void* self) {
    auto& noted = *static_cast<Noted*>(self);
    ++noted.fired;
    noted.at = std::chrono::steady_clock::now();
    if (noted.then_) noted.then_();
  }
  int fired = 0;
  std::chrono::steady_clock::time_point at;
  std::function<void()> then_;
  Deadline deadline;
};

TEST(Deadline, fires_once_and_never_early) {
  Loop loop;
  Noted noted(loop), later(loop);
  const auto start = std::chrono::steady_clock::now();
  noted.deadline.arm(Millis(100));
  later.deadline.arm(Millis(300));
  EXPECT_TRUE(noted.deadline.armed());
  loop.until([&] { return later.fired != 0; });
  EXPECT_EQ(noted.fired, 1);
  EXPECT_EQ(later.fired, 1);
  EXPECT_FALSE(noted.deadline.armed());
  EXPECT_GE(noted.at - start, Millis(100));
  EXPECT_GE(later.at - start, Millis(300));
}

TEST(Deadline, fires_at_the_later_time_it_was_armed_for_last) {
  Loop loop;
  Noted moved(loop), witness(loop);
  moved.deadline.arm(Millis(100));
  const auto start = std::chrono::steady_clock::now();
  moved.deadline.arm(Millis(300));
  witness.deadline.arm(Millis(100));
  loop.until([&] { return witness.fired != 0; });
  EXPECT_EQ(moved.fired, 0);
  loop.until([&] { return moved.fired != 0; });
  EXPECT_GE(moved.at - start, Millis(300));
}

TEST(Deadline, fires_at_the_earlier_time_it_was_armed_for_last) {
  Loop loop;
  Noted moved(loop), witness(loop);
  moved.deadline.arm(Millis(60'000));
  moved.deadline.arm(Millis(100));
  witness.deadline.arm(Millis(300));
  loop.until([&] { return witness.fired != 0; });
  EXPECT_EQ(moved.fired, 1);
}

TEST(Deadline, that_is_disarmed_stays_silent_and_can_be_armed_again) {
  Loop loop;
  Noted noted(loop), witness(loop);
  noted.deadline.arm(Millis(100));
  noted.deadline.disarm();
  witness.deadline.arm(Millis(200));
  loop.until([&] { return witness.fired != 0; });
  EXPECT_EQ(noted.fired, 0);
  noted.deadline.arm(Millis(100));
  loop.until([&] { return noted.fired != 0; });
  EXPECT_EQ(noted.fired, 1);
}

TEST(Deadline, may_be_destroyed_inside_the_callback_of_another) {
  Loop loop;
  std::vector<std::unique_ptr<Noted>> doomed;
  int fired = 0;
  const auto end_the_others = [&] {
    ++fired;
    doomed.clear();
  };
  Noted first(loop, end_the_others), last(loop, end_the_others);
  first.deadline.arm(Millis(100));
  for (int i = 0; i < 3; ++i) {
    doomed.push_back(std::make_unique<Noted>(loop));
    doomed.back()->deadline.arm(Millis(100));
  }
  last.deadline.arm(Millis(100));  // first or last of its slot: one of the two comes before the others
  loop.until([&] { return fired == 2; });
  EXPECT_TRUE(doomed.empty());
}

TEST(Deadline, may_arm_itself_again_where_it_fires) {
  Loop loop;
  Noted* self = nullptr;
  Noted noted(loop, [&] {
    if (self->fired < 2) self->deadline.arm(Millis(0));
  });
  self = &noted;
  noted.deadline.arm(Millis(0));
  loop.until([&] { return noted.fired == 2; });
  EXPECT_FALSE(noted.deadline.armed());
}

TEST(Rest, lasts_at_least_as_long_as_asked) {
  Loop loop;
  const auto start = std::chrono::steady_clock::now();
  const auto sleep = [&]() -> Task<void> { co_await rest(loop.worker.ticker(), Millis(150)); };
  loop.run(sleep());
  EXPECT_GE(std::chrono::steady_clock::now() - start, Millis(150));
}

TEST(Offload, works_elsewhere_and_brings_the_value_home) {
  Loop loop;
  Offload offload(1);
  std::thread::id worked, came_home;
  const auto ask = [&]() -> Task<std::string> {
    std::string found = co_await offload.run(loop.worker.context(), [&] {
      worked = std::this_thread::get_id();
      return std::string("found");
    });
    came_home = std::this_thread::get_id();
    co_return found;
  };
  EXPECT_EQ(loop.run(ask()), "found");
  EXPECT_NE(worked, std::this_thread::get_id());
  EXPECT_EQ(came_home, std::this_thread::get_id());
  offload.stop();
}

TEST(Offload, brings_an_exception_home_too) {
  Loop loop;
  Offload offload(1);
  const auto ask = [&]() -> Task<std::string> {
    try {
      co_return co_await offload.run(loop.worker.context(),
                                     []() -> std::string { throw std::runtime_error("the store is down"); });
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
  };
  EXPECT_EQ(loop.run(ask()), "the store is down");
  offload.stop();
}

}  // namespace
}  // namespace postern::net
